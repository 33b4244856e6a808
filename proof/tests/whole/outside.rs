//! What stands for the network outside.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::whole;

/// A proxy that leads every name to a server, and tells which names were asked for.
pub struct Outside {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    pub fn new() -> Outside {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let (port, asked) = (listener.local_addr().expect("an address").port(), Arc::<Mutex<Vec<String>>>::default());
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Outside { port, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("kept").clone()
    }
}

/// One connection: a tunnel, where it asks for one, and then requests.
fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let Some(first) = whole::first_line(&mut reader) else { return };
        kept.lock().expect("kept").push(first.trim_end_matches(" HTTP/1.1").to_owned());
        let answer: &[u8] = match first.starts_with("CONNECT ") {
            true => b"HTTP/1.1 200 OK\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}
