//! A server that becomes a WebSocket, or says that it does, and a program that speaks to it. What frames are is written here
//! a second time, plainly: the gate is not asked about itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use sha1::{Digest, Sha1};

use super::dns::address;
use super::script::trusting;
use super::server::Ca;
use super::{Cell, OUTSIDE};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// One frame: its first byte, and its payload.
pub type Frame = (u8, Vec<u8>);

/// Bytes of a frame, with the program's mask or without.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(bit | short as u8),
        long @ ..65536 => frame.extend([&[bit | 126][..], &(long as u16).to_be_bytes()].concat()),
        long => frame.extend([&[bit | 127][..], &(long as u64).to_be_bytes()].concat()),
    }
    if !masked {
        return [&frame[..], payload].concat();
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A message of a program.
pub fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes(), true)
}

/// One frame that comes, and whether it was masked.
fn next(stream: &mut dyn Duplex) -> io::Result<(Frame, bool)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut long = vec![0; [0, 2, 8][usize::from(head[1] & 0x7f).saturating_sub(125)]];
    stream.read_exact(&mut long)?;
    let length = match long.is_empty() {
        true => usize::from(head[1] & 0x7f),
        false => long.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)),
    };
    let masked = head[1] & 0x80 != 0;
    let mut key = vec![0; if masked { 4 } else { 0 }];
    stream.read_exact(&mut key)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= key.get(at % 4).copied().unwrap_or(0));
    Ok(((head[0], payload), masked))
}

/// What a server got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Head(String),
    Frame(Frame),
}

/// It keeps what it got, and does what the path says.
pub struct Server {
    pub port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub fn new(config: Option<Arc<ServerConfig>>) -> Server {
        super::outside();
        let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Got>>>::default());
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, kept) = (config.clone(), Arc::clone(&kept));
                let serving = std::thread::Builder::new().stack_size(128 << 10);
                let spawned = serving.spawn(move || match config {
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        drop(serve(&mut StreamOwned::new(connection, stream), &kept));
                    }
                    None => drop(serve(&mut { stream }, &kept)),
                });
                spawned.unwrap();
            }
        });
        Server { port, got }
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Payloads of the frames so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.got().into_iter().filter_map(|got| if let Got::Frame(frame) = got { Some(frame) } else { None }).collect()
    }

    /// Waits until it got so many frames.
    pub fn wait(&self, count: usize) -> Vec<Frame> {
        for _ in 0..500 {
            if self.frames().len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.frames()
    }
}

/// A head, byte by byte so that nothing behind it is taken.
fn head(stream: &mut dyn Duplex) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

fn serve(stream: &mut dyn Duplex, kept: &Mutex<Vec<Got>>) -> io::Result<()> {
    let asked = head(stream)?;
    kept.lock().unwrap().push(Got::Head(asked.clone()));
    let path = asked.split(' ').nth(1).unwrap();
    let key = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let proof = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let proof = encode(&proof);
    let good = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {proof}\r\n"
    );
    match path {
        "/ws/no" => {
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nno name")?;
            // Whatever else comes is kept.
            kept.lock().unwrap().push(Got::Head(head(stream)?));
            return Ok(());
        }
        "/ws/unproven" => stream.write_all(good.replace(&proof, "AAAA").as_bytes())?,
        "/ws/extended" => {
            stream.write_all(format!("{good}Sec-WebSocket-Extensions: permessage-deflate\r\n").as_bytes())?
        }
        "/ws/leaks" => stream.write_all(format!("{good}X-Back: {}\r\n", own(&asked)).as_bytes())?,
        _ => stream.write_all(good.as_bytes())?,
    }
    stream.write_all(b"\r\n")?;
    if path == "/ws/first" {
        stream.write_all(&frame(0x81, b"first", false))?;
    }
    stream.flush()?;
    loop {
        let ((first, payload), masked) = next(stream)?;
        assert!(masked, "what a program says is masked");
        kept.lock().unwrap().push(Got::Frame((first, payload.clone())));
        match (path, first) {
            // What a program says is what the server says then, byte for byte.
            ("/ws/raw" | "/http/101", 0x82) => stream.write_all(&payload)?,
            ("/ws/drip", 0x82) => {
                for byte in payload {
                    stream.write_all(&[byte])?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            ("/ws/back", _) => stream.write_all(&frame(0x81, own(&asked).as_bytes(), false))?,
            (_, 0x88) => {
                stream.write_all(&frame(0x88, &payload, false))?;
                return stream.flush();
            }
            (_, 0x89) => stream.write_all(&frame(0x8a, &payload, false))?,
            _ => stream.write_all(&frame(first, &payload, false))?,
        }
        stream.flush()?;
    }
}

/// What it was sent to know the program by.
fn own(head: &str) -> String {
    head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("nothing").to_owned()
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let digits: Vec<String> = bits.as_bytes().chunks(6).map(|six| String::from_utf8(six.to_vec()).unwrap()).collect();
    let digit = |six: &String| char::from(DIGITS[usize::from_str_radix(&format!("{six:0<6}"), 2).unwrap()]);
    let text: String = digits.iter().map(digit).collect();
    format!("{text:=<width$}", width = text.len().div_ceil(4) * 4)
}

/// A program's side.
pub struct Program(Box<dyn Duplex>);

impl Program {
    /// Connects from within the cell.
    pub fn connect(cell: &Cell, tls: Option<&Ca>, host: &str, port: u16) -> Program {
        let name = host.to_owned();
        let stream = cell.inside(move || {
            let to: SocketAddr = (address(&format!("{name}.")), port).into();
            TcpStream::connect(to).unwrap()
        });
        Program::on(stream, tls, host)
    }

    pub fn on(stream: TcpStream, tls: Option<&Ca>, host: &str) -> Program {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        let Some(ca) = tls else { return Program(Box::new(stream)) };
        let name = ServerName::try_from(host.to_owned()).unwrap();
        Program(Box::new(StreamOwned::new(ClientConnection::new(trusting(ca), name).unwrap(), stream)))
    }

    /// Asks for a WebSocket; gives the head of the answer.
    pub fn ask(&mut self, host: &str, path: &str, more: &str) -> String {
        self.say(asks(host, path, more).as_bytes());
        head(&mut *self.0).unwrap_or_else(|error| error.to_string())
    }

    /// One that is open.
    pub fn open(cell: &Cell, tls: Option<&Ca>, host: &str, port: u16, path: &str) -> Program {
        let mut program = Program::connect(cell, tls, host, port);
        let answer = program.ask(&format!("{host}:{port}"), path, "");
        let good = answer.starts_with("HTTP/1.1 101 ");
        assert!(good, "{path}: {answer}{}", String::from_utf8_lossy(&program.rest()));
        program
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).unwrap();
    }

    /// A frame of the server's, or how the connection ended.
    pub fn hear(&mut self) -> Result<Frame, io::ErrorKind> {
        let (frame, masked) = next(&mut *self.0).map_err(|error| error.kind())?;
        assert!(!masked, "what a server says is not masked");
        Ok(frame)
    }

    /// The code and the reason that it is closed with.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            let (first, payload) = self.hear().unwrap();
            if first == 0x88 {
                assert_eq!(self.hear(), Err(io::ErrorKind::UnexpectedEof), "nothing follows");
                let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
                return (u16::from_be_bytes([payload[0], payload[1]]), reason);
            }
        }
    }

    /// All that comes until the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        rest
    }
}

/// A request for a WebSocket.
pub fn asks(host: &str, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n{more}\r\n"
    )
}
