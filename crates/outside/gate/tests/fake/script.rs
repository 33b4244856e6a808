//! A server that answers byte for byte as it is told, and breaks off as it is told; a program that says what it has to say
//! in pieces, and tells how its answer ended.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::OUTSIDE;
use super::server::{Ca, provider};

/// How long anything is waited for: what ends later hangs.
pub const HANGS: Duration = Duration::from_secs(12);

/// What a server does next. When it did all, it takes the next request, or ends in order where that was the last.
#[derive(Clone, Debug)]
pub enum Step {
    Say(Vec<u8>),
    /// One byte after another, with so many milliseconds between.
    Drip(Vec<u8>, u64),
    /// So many milliseconds.
    Rest(u64),
    Reset,
    /// Ends in order.
    End,
    /// Ends without the words that TLS has for it.
    Leave,
    /// Waits for the other side to end.
    Hang,
}

/// What a server does about a request in which this case is named.
pub type Play = fn(case: &str, said: &[u8]) -> Vec<Step>;

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// Starts a server, within TLS or without; gives its port.
pub fn stage(config: Option<Arc<ServerConfig>>, play: Play) -> u16 {
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            std::thread::spawn(move || drop(serve(stream, config, play)));
        }
    });
    port
}

fn serve(raw: TcpStream, config: Option<Arc<ServerConfig>>, play: Play) -> io::Result<()> {
    raw.set_nodelay(true)?;
    raw.set_read_timeout(Some(2 * HANGS))?;
    match config {
        None => perform(&mut { raw.try_clone()? }, &raw, play).map(drop),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, raw.try_clone()?);
            if perform(&mut stream, &raw, play)? {
                stream.conn.send_close_notify();
                stream.flush()?;
            }
            Ok(())
        }
    }
}

/// Starts a server that does this as soon as it hears anything, whatever that is.
pub fn blurting(steps: Vec<Step>) -> u16 {
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for raw in listener.incoming().map_while(Result::ok) {
            let steps = steps.clone();
            std::thread::spawn(move || {
                raw.set_read_timeout(Some(2 * HANGS))?;
                let mut stream = raw.try_clone()?;
                stream.read(&mut [0; 4096]).and_then(|_| act(&mut stream, &raw, steps))
            });
        }
    });
    port
}

/// Whether it ended in order.
fn perform(stream: &mut dyn Duplex, raw: &TcpStream, play: Play) -> io::Result<bool> {
    loop {
        let said = request(stream)?;
        if let Some(orderly) = act(stream, raw, play(&case(&said), &said))? {
            return Ok(orderly);
        }
        if String::from_utf8_lossy(&said).contains("Connection: close") {
            return Ok(true);
        }
    }
}

/// Whether that is its end, and one in order.
fn act(stream: &mut dyn Duplex, raw: &TcpStream, steps: Vec<Step>) -> io::Result<Option<bool>> {
    for step in steps {
        match step {
            Step::Say(bytes) => {
                stream.write_all(&bytes)?;
                stream.flush()?;
            }
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[byte])?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(pause));
                }
            }
            Step::Rest(pause) => std::thread::sleep(Duration::from_millis(pause)),
            Step::Reset => {
                set_socket_linger(raw, Some(Duration::ZERO))?;
                return Ok(Some(false));
            }
            Step::End => return Ok(Some(true)),
            Step::Leave => return Ok(Some(false)),
            Step::Hang => {
                while stream.read(&mut [0; 4096])? > 0 {}
                return Ok(Some(false));
            }
        }
    }
    Ok(None)
}

/// One request, as it came.
fn request(stream: &mut dyn Duplex) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let (mut end, mut byte) = (usize::MAX, [0]);
    while said.len() < end {
        stream.read_exact(&mut byte)?;
        said.push(byte[0]);
        if end == usize::MAX && said.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&said).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            end = said.len() + length.unwrap_or(0);
            while head.contains("transfer-encoding: chunked") && !said.ends_with(b"\r\n0\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                said.push(byte[0]);
                end = said.len();
            }
        }
    }
    Ok(said)
}

/// The word after `case-`.
pub fn case(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let word = text.split("case-").nth(1).unwrap_or_default();
    word.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect()
}

/// What a program trusts that speaks TLS.
pub fn trusting(ca: &Ca) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Where a program speaks, and how.
#[derive(Clone)]
pub struct To {
    pub address: SocketAddr,
    pub tls: Option<(Arc<ClientConfig>, String)>,
}

/// A program's connection.
pub struct Speaks(Box<dyn Duplex>);

/// What came back.
#[derive(Debug)]
pub struct Came {
    pub bytes: Vec<u8>,
    /// The connection ended as one does when all is said.
    pub clean: bool,
    pub took: Duration,
}

impl To {
    pub fn connect(&self) -> io::Result<Speaks> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANGS))?;
        let Some((config, name)) = &self.tls else { return Ok(Speaks(Box::new(stream))) };
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Speaks(Box::new(StreamOwned::new(connection, stream))))
    }

    /// Says this on a connection of its own, and gives all that comes back, but for the line that says so.
    pub fn ask(&self, said: &[u8]) -> Came {
        let begun = Instant::now();
        let mut bytes = Vec::new();
        let clean = self.connect().and_then(|mut speaks| {
            speaks.say(said)?;
            speaks.0.read_to_end(&mut bytes)
        });
        Came { bytes: without_end(&bytes), clean: clean.is_ok(), took: begun.elapsed() }
    }
}

impl Speaks {
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Says it in two pieces, so far apart that they are read apart.
    pub fn say_cut(&mut self, bytes: &[u8], at: usize) -> io::Result<()> {
        self.say(&bytes[..at])?;
        std::thread::sleep(Duration::from_millis(2));
        self.say(&bytes[at..])
    }

    /// One whole answer, or what came until the end; as the server said it, which may not know that it is the last.
    pub fn hear(&mut self) -> Vec<u8> {
        let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
        while whole(&bytes, false).is_none() {
            match self.0.read(&mut more) {
                Ok(length @ 1..) => bytes.extend_from_slice(&more[..length]),
                _ => break,
            }
        }
        without_end(&bytes)
    }

    /// All that comes, in the same way, and whether the end was in order.
    pub fn hear_all(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let clean = self.0.read_to_end(&mut bytes).is_ok();
        (without_end(&bytes), clean)
    }
}

/// Without the line that tells a program that its connection ends.
fn without_end(bytes: &[u8]) -> Vec<u8> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| *line != b"Connection: close\r\n")
        .flatten()
        .copied()
        .collect()
}

/// Status and body of an answer that any program takes as whole. `clean`: the connection ended, and in order.
pub fn whole(mut body: &[u8], clean: bool) -> Option<(u16, Vec<u8>)> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let (status, head) = loop {
        let (end, long) = ends.iter().find_map(|end| {
            let at = body.windows(end.len()).position(|some| some == *end)?;
            Some((at, end.len()))
        })?;
        let head = String::from_utf8_lossy(&body[..end]).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        body = &body[end + long..];
        if status >= 200 {
            break (status, head);
        }
    };
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    if matches!(status, 204 | 304) {
        return body.is_empty().then(|| (status, Vec::new()));
    }
    if field("transfer-encoding") == Some("chunked") {
        return unchunked(body).map(|body| (status, body));
    }
    match field("content-length") {
        Some(length) => (body.len() == length.trim().parse::<usize>().ok()?).then(|| (status, body.to_vec())),
        None => clean.then(|| (status, body.to_vec())),
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(digits, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return rest.ends_with(b"\r\n").then_some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
