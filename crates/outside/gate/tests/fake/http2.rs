//! A program that speaks HTTP/2, by a library or frame by frame.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio_rustls::TlsConnector;

use super::Cell;
use super::dns::address;
use super::server::{Ca, provider};

/// How long anything may take: what takes longer hangs.
const HANGS: Duration = Duration::from_secs(15);

/// Where a program speaks to.
#[derive(Clone)]
pub struct To {
    pub host: String,
    pub port: u16,
    /// Within TLS, under this authority.
    pub trusts: Option<CertificateDer<'static>>,
    /// Through the explicit proxy.
    pub tunnel: bool,
}

impl To {
    pub fn new(host: &str, port: u16, trusts: Option<&Ca>) -> To {
        To { host: host.into(), port, trusts: trusts.map(|ca| ca.der().clone()), tunnel: false }
    }

    /// A request there.
    pub fn ask(&self, method: &str, path: &str) -> http::request::Builder {
        let scheme = if self.trusts.is_some() { "https" } else { "http" };
        Request::builder().method(method).uri(format!("{scheme}://{}:{}{path}", self.host, self.port))
    }

    fn connect(&self) -> TcpStream {
        let to: SocketAddr = match self.tunnel {
            false => (address(&format!("{}.", self.host)), self.port).into(),
            true => (address("proxy.bastide."), 3128).into(),
        };
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HANGS)).unwrap();
        if self.tunnel {
            stream.write_all(format!("CONNECT {}:{} HTTP/1.1\r\n\r\n", self.host, self.port).as_bytes()).unwrap();
            stream.read_exact(&mut [0; 39]).unwrap();
        }
        stream
    }

    fn config(&self) -> Option<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.clone()?).unwrap();
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Some(Arc::new(config))
    }
}

/// What came back on one stream.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Why it broke off.
    pub broke: Option<h2::Reason>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Says these at once, on one connection of its own.
pub fn say(cell: &Cell, to: &To, asked: Vec<Request<Vec<u8>>>) -> Vec<Result<Answer, h2::Error>> {
    with(
        cell,
        to,
        move |send| async move { join_all(asked.into_iter().map(|request| one(send.clone(), request))).await },
    )
}

/// Says one on a connection of its own.
pub fn say_one(cell: &Cell, to: &To, request: Request<Vec<u8>>) -> Answer {
    say(cell, to, vec![request]).pop().unwrap().unwrap()
}

/// Does something with a connection of its own.
pub fn with<F, D, T>(cell: &Cell, to: &To, does: D) -> T
where
    D: FnOnce(SendRequest<Bytes>) -> F + Send + 'static,
    F: Future<Output = T>,
    T: Send + 'static,
{
    let to = to.clone();
    cell.inside(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (stream, config) = (to.connect(), to.config());
        stream.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            match config {
                Some(config) => {
                    let name = ServerName::try_from(to.host).unwrap();
                    let stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
                    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                    drive(stream, does).await
                }
                None => drive(stream, does).await,
            }
        })
    })
}

/// One more connection without TLS, beside that of [`with`].
pub async fn open(to: &To) -> SendRequest<Bytes> {
    let stream = to.connect();
    stream.set_nonblocking(true).unwrap();
    let (send, connection) = h2::client::handshake(tokio::net::TcpStream::from_std(stream).unwrap()).await.unwrap();
    tokio::spawn(connection);
    send
}

async fn drive<F, T>(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    does: impl FnOnce(SendRequest<Bytes>) -> F,
) -> T
where
    F: Future<Output = T>,
{
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let (does, mut connection) = (does(send), std::pin::pin!(connection));
    let mut ended = false;
    let mut does = std::pin::pin!(does);
    let both = async {
        loop {
            tokio::select! {
                done = &mut does => return done,
                _ = &mut connection, if !ended => ended = true,
            }
        }
    };
    let done = tokio::time::timeout(HANGS, both).await.expect("it hangs");
    // What it still has to say, such as that a stream is given up.
    if !ended {
        let _ = tokio::time::timeout(Duration::from_millis(20), connection).await;
    }
    done
}

/// Says one request and hears its answer.
pub async fn one(send: SendRequest<Bytes>, request: Request<Vec<u8>>) -> Result<Answer, h2::Error> {
    let (parts, body) = request.into_parts();
    let mut send = send.ready().await?;
    let (response, mut stream) = send.send_request(Request::from_parts(parts, ()), body.is_empty())?;
    let mut body = Bytes::from(body);
    let saying = async {
        while !body.is_empty() {
            stream.reserve_capacity(body.len());
            let Some(Ok(room)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else { return };
            let some = body.split_to(room.min(body.len()));
            if stream.send_data(some, body.is_empty()).is_err() {
                return;
            }
        }
    };
    let (heard, ()) = tokio::join!(hear(response), saying);
    heard
}

/// Hears an answer to its end.
pub async fn hear(response: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let (mut body, mut broke) = (Vec::new(), None);
    while let Some(bytes) = stream.data().await {
        match bytes {
            Ok(bytes) => {
                let _ = stream.flow_control().release_capacity(bytes.len());
                body.extend_from_slice(&bytes);
            }
            Err(error) => {
                broke = Some(error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR));
                break;
            }
        }
    }
    let trailers = if broke.is_none() { stream.trailers().await? } else { None };
    Ok(Answer { status: parts.status.as_u16(), fields: parts.headers, body, trailers, broke })
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers as they stand in a frame: in full, each by its own name.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Seven bits of the length, then the rest of it.
            match text.len() {
                short @ 0..127 => block.push(u8::try_from(short).unwrap()),
                long => {
                    block.push(127);
                    let mut rest = long - 127;
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).unwrap() | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// What came back of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// Says these bytes behind the preface, and hears frames until `enough` of them, or the end.
pub fn raw(cell: &Cell, to: &To, said: Vec<u8>, enough: impl Fn(&[Frame]) -> bool + Send + 'static) -> Vec<Frame> {
    let to = to.clone();
    cell.inside(move || {
        let stream = to.connect();
        let said = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..], &said].concat();
        match to.config() {
            None => converse(stream, said, enough),
            Some(config) => {
                let name = ServerName::try_from(to.host).unwrap();
                converse(StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream), said, enough)
            }
        }
    })
}

fn converse(mut stream: impl Read + Write, said: Vec<u8>, enough: impl Fn(&[Frame]) -> bool) -> Vec<Frame> {
    // It may be told to stop before it said all.
    let _ = stream.write_all(&said).and_then(|()| stream.flush());
    let mut frames = Vec::new();
    while !enough(&frames) {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            break;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        let stream_id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == SETTINGS && head[4] == 0 {
            let _ = stream.write_all(&frame(SETTINGS, 1, 0, b"")).and_then(|()| stream.flush());
        }
        frames.push(Frame { kind: head[3], flags: head[4], stream: stream_id, payload });
    }
    frames
}
