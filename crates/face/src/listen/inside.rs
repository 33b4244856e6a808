//! The one program of a cell that serves an agent outside: it connects to the door for whoever is at the other end of its
//! standard streams.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::mux::{Door, Frame, PIECE};
use crate::exit;

/// How long one connection may take no bytes before it is given up: the others wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

type Out = Arc<Mutex<io::Stdout>>;

/// Serves until standard input ends; says how to exit.
pub(super) fn serve() -> u8 {
    let out: Out = Arc::new(Mutex::new(io::stdout()));
    let pem = std::env::var_os("SSL_CERT_FILE").and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    if say(&out, &Frame::Ready(pem)).is_err() {
        return exit::NO;
    }
    let mut open: HashMap<u32, TcpStream> = HashMap::new();
    let mut input = io::stdin().lock();
    loop {
        match Frame::read(&mut input) {
            Ok(Some(frame)) => take(frame, &mut open, &out),
            Ok(None) => return exit::DONE,
            Err(_) => return exit::NO,
        }
    }
}

fn take(frame: Frame, open: &mut HashMap<u32, TcpStream>, out: &Out) {
    match frame {
        Frame::Open(id, door) => match connect(door) {
            Ok(stream) => begin(id, stream, open, out),
            Err(_) => _ = say(out, &Frame::Gone(id)),
        },
        Frame::Bytes(id, bytes) => {
            let written = open.get_mut(&id).is_some_and(|stream| stream.write_all(&bytes).is_ok());
            if !written && open.remove(&id).is_some() {
                let _ = say(out, &Frame::Gone(id));
            }
        }
        Frame::End(id) => _ = open.get(&id).map(|stream| stream.shutdown(Shutdown::Write)),
        Frame::Gone(id) => _ = open.remove(&id).map(|stream| stream.shutdown(Shutdown::Both)),
        Frame::Ready(_) => {}
    }
}

fn connect(door: Door) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(match door {
        Door::Proxy => ("proxy.bastide", 3128),
        Door::Inference => ("inference.bastide", 80),
    })?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Passes on what the door answers.
fn begin(id: u32, stream: TcpStream, open: &mut HashMap<u32, TcpStream>, out: &Out) {
    let Ok(mut from) = stream.try_clone() else { return };
    open.insert(id, stream);
    let (out, gone) = (Arc::clone(out), Arc::clone(out));
    let begun = std::thread::Builder::new().spawn(move || {
        let mut bytes = vec![0; PIECE];
        let last = loop {
            match from.read(&mut bytes) {
                Ok(0) => break Frame::End(id),
                Ok(length) => {
                    if say(&out, &Frame::Bytes(id, bytes[..length].to_vec())).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break Frame::Gone(id),
            }
        };
        let _ = say(&out, &last);
    });
    if begun.is_err() {
        open.remove(&id);
        let _ = say(&gone, &Frame::Gone(id));
    }
}

fn say(out: &Out, frame: &Frame) -> io::Result<()> {
    let mut out = out.lock().map_err(|_| io::Error::other("a thread ended"))?;
    frame.write(&mut *out)
}
