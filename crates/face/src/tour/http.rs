//! One HTTP message, as much of it as the tour's own programs say to one another.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest message.
const LONGEST: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// The first line of a message, and what follows its head.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) first: String,
    pub(super) body: String,
}

/// Sends a request and reads its answer.
///
/// # Errors
/// When the host cannot be reached or answers no HTTP.
pub(super) fn post(host: &str, port: u16, path: &str, body: &str) -> io::Result<Message> {
    let stream = TcpStream::connect((host, port))?;
    let at = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    let head = format!("POST {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json");
    say(&stream, &head, body)?;
    hear(&stream)
}

/// Answers a request.
///
/// # Errors
/// When the other side is gone.
pub(super) fn answer(stream: &TcpStream, body: &str) -> io::Result<()> {
    say(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json", body)
}

/// Reads one message.
///
/// # Errors
/// When it is none, too long, or does not come.
pub(super) fn hear(mut stream: &TcpStream) -> io::Result<Message> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at;
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece)?;
        if length == 0 || bytes.len() as u64 > LONGEST {
            return Err(odd());
        }
        bytes.extend_from_slice(&piece[..length]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).map_err(|_| odd())?;
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<u64>().ok() } else { None }
    });
    let length = length.filter(|length| *length <= LONGEST).ok_or_else(odd)?;
    let mut body = bytes.split_off(end + 4);
    stream.take(length.saturating_sub(body.len() as u64)).read_to_end(&mut body)?;
    let body = String::from_utf8(body).map_err(|_| odd())?;
    Ok(Message { first: head.lines().next().unwrap_or_default().to_owned(), body })
}

fn say(mut stream: &TcpStream, head: &str, body: &str) -> io::Result<()> {
    stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}
