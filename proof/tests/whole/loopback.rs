//! A server on the host's loopback that takes one request of each connection, whole, and answers what a test wants. It ends with
//! the test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

/// Its port. Each request is answered `200`, as JSON.
pub fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    answering_with(move |asked| (200, answer(asked)))
}

/// The same with a status.
pub fn answering_with(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let Some(asked) = request(&mut stream) else { return };
                let (status, body) = answer(&asked);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close");
                let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            });
        }
    });
    port
}

/// A request as it came; none where it ends before it is whole.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
    while !is_whole(&asked) {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => asked.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&asked).into_owned())
}

/// In bytes: what is said may be no text.
fn is_whole(asked: &[u8]) -> bool {
    let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&asked[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    asked.len() >= end + 4 + length.unwrap_or(0)
}
