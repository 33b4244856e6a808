//! The head of a request, to the explicit proxy or to a destination, read strictly before anything else sees it. What two programs could
//! read in two ways is refused by name: a request that is smuggled past one reader is decided by nobody.

mod edit;
mod fields;
mod target;
mod websocket;

use std::borrow::Cow;

use policy::{Host, Request, RequestError};

use crate::asked::Asks;
pub(crate) use edit::{Edit, edit, ends, waits};
pub use fields::Body;

/// The port where a target names none.
const HTTP: u16 = 80;
/// The same within TLS.
const HTTPS: u16 = 443;

/// Longest head, from the method to the empty line.
pub const MAX_HEAD: usize = 16 * 1024;

/// A request that may be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where to.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// What is wanted there.
    pub want: Want,
    /// Bytes of the head as it came.
    pub length: usize,
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// A connection that is the program's own.
    Tunnel,
    /// This one request forwarded.
    Forward {
        /// What is asked, where that can be decided: what servers read in two ways is no request to decide on.
        asks: Box<Result<Asks, HeadError>>,
        /// The head as the destination gets it.
        head: Vec<u8>,
        /// What follows it.
        body: Body,
    },
}

/// A request to a destination that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// What is asked.
    pub asks: Asks,
    /// The head as the destination gets it.
    pub head: Vec<u8>,
    /// Bytes of the head as it came.
    pub length: usize,
    /// The program ends the connection after the answer.
    pub last: bool,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // Each message says it.
pub enum HeadError {
    #[error("the head is longer than {MAX_HEAD} bytes")]
    TooLong,
    #[error("the head was not whole in time")]
    Slow,
    #[error("a line feed stands without carriage return")]
    BareLineFeed,
    #[error("a carriage return stands without line feed")]
    BareCarriageReturn,
    #[error("the head holds a control character")]
    Control,
    #[error("the request line is not `METHOD TARGET HTTP/1.x`")]
    RequestLine,
    #[error("the method is no token")]
    Method,
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken")]
    Version,
    #[error("the target is neither `http://…` nor, for CONNECT, `HOST:PORT`")]
    Target,
    #[error("only `http://` is forwarded; other schemes go by CONNECT")]
    Scheme,
    #[error("the target holds user information")]
    UserInformation,
    #[error("the target holds a fragment")]
    Fragment,
    #[error("the target's port is missing or no plain number from 1 to 65535")]
    Port,
    #[error("the target holds an address zone")]
    Zone,
    #[error("the target's host is no plain name or address")]
    Host,
    #[error("a header line is folded")]
    Folded,
    #[error("a header is no `name: value`")]
    Header,
    #[error("there are more than 128 headers")]
    ManyHeaders,
    #[error("there are two Host headers")]
    TwoHosts,
    #[error("the Host header differs from the target")]
    OtherHost,
    #[error("there are two lengths")]
    TwoLengths,
    #[error("the length is no plain number")]
    Length,
    #[error("there are both a length and a transfer encoding")]
    LengthAndEncoding,
    #[error("the transfer encoding is not `chunked` alone")]
    Encoding,
    #[error("a CONNECT request has a body")]
    ConnectBody,
    #[error("the Connection header names a header that frames or routes the request")]
    ConnectionNames,
    #[error("there is no Host header")]
    NoHost,
    #[error("a header asks for another method or path than the request does")]
    Override,
    #[error("the request asks for another protocol on the connection")]
    Upgrade,
    #[error("the request asks for another protocol on the connection, but not as one asks for a WebSocket")]
    Websocket,
    #[error("CONNECT is for the explicit proxy, and for HTTP/1.1")]
    Connect,
    #[error("the scheme is not that of the connection")]
    OtherScheme,
    #[error("a header speaks of the connection, which a stream of HTTP/2 may not")]
    OfConnection,
    #[error("it is TLS, which cannot be read here")]
    Tls,
    #[error("{0}")]
    Odd(#[from] RequestError),
}

/// The first byte of TLS, which begins no request.
pub const HANDSHAKE: u8 = 22;

/// Where requests are said, and in what.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The destination.
    pub host: &'a Host,
    /// Its port.
    pub port: u16,
    /// They come within TLS.
    pub tls: bool,
}

impl Place<'_> {
    /// The port where an authority names none.
    const fn usual(&self) -> u16 {
        if self.tls { HTTPS } else { HTTP }
    }
}

/// Reads a head from the first bytes of a connection; nothing while it is not whole.
///
/// # Errors
/// The first [`HeadError`], as soon as it can be seen.
pub fn parse(bytes: &[u8]) -> Result<Option<Head>, HeadError> {
    parse_on(bytes, 0)
}

/// The same where the first `looked` bytes were looked at before: a head that comes byte by byte is read once.
///
/// # Errors
/// As [`parse`].
pub fn parse_on(bytes: &[u8], looked: usize) -> Result<Option<Head>, HeadError> {
    let Some(length) = end(bytes, looked)? else { return Ok(None) };
    // Without the empty line's own end.
    let text = &bytes[..length - 4];
    let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    let [method, target, version] = words(line)?;
    let fields = fields::Fields::read(lines)?;
    let old = version == "HTTP/1.0";
    if method == "CONNECT" {
        let (host, port) = target::authority(target, None)?;
        fields.check_host(&host, port, None)?;
        if fields.has_body() {
            return Err(HeadError::ConnectBody);
        }
        return Ok(Some(Head { host, port, want: Want::Tunnel, length }));
    }
    let (authority, path) = target::absolute(target)?;
    let (host, port) = target::authority(authority, Some(HTTP))?;
    fields.check_host(&host, port, Some(HTTP))?;
    let body = fields.body(old)?;
    let head = fields.rewrite([method, &path, version], &Place { host: &host, port, tls: false }, true);
    let plain = fields.check_plain();
    let asks = Box::new(plain.and_then(|()| asks(method, path, &fields, body, (head.len(), false))));
    Ok(Some(Head { host, port, want: Want::Forward { asks, head, body }, length }))
}

/// Reads the head of a request that a program says to a destination itself, as [`parse_on`] does: in origin form, or in
/// absolute form where that names the same destination.
///
/// # Errors
/// The first [`HeadError`], as soon as it can be seen.
pub fn parse_direct(bytes: &[u8], looked: usize, place: &Place<'_>) -> Result<Option<Direct>, HeadError> {
    let &Place { host, port, tls } = place;
    if bytes.first() == Some(&HANDSHAKE) {
        return Err(HeadError::Tls);
    }
    let Some(length) = end(bytes, looked)? else {
        // What speaks another protocol is not waited for: its first line tells.
        let first = bytes.split(|&byte| byte == b'\n').next().filter(|first| first.len() < bytes.len());
        first.map_or(Ok([""; 3]), |first| words(first.strip_suffix(b"\r").unwrap_or(first)))?;
        return Ok(None);
    };
    let text = &bytes[..length - 4];
    let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let [method, target, version] = words(lines.next().unwrap_or_default())?;
    let fields = fields::Fields::read(lines)?;
    let websocket = fields.asks_for_websocket(method, version)?;
    fields.check_direct(place)?;
    let path = if target.starts_with('/') {
        Cow::Borrowed(target)
    } else {
        let (authority, path) = target::absolute(target)?;
        // It says `http://`, which this is not within TLS.
        if tls || target::authority(authority, Some(HTTP))? != (host.clone(), port) {
            return Err(HeadError::OtherHost);
        }
        path
    };
    if path.contains('#') {
        return Err(HeadError::Fragment);
    }
    let old = version == "HTTP/1.0";
    let body = fields.body(old)?;
    // Servers that expect no body with a method may take it for the next request.
    let odd = body != Body::Length(0) && !matches!(method, "POST" | "PUT" | "PATCH");
    let last = old || odd;
    let mut head = fields.rewrite([method, &path, version], place, last);
    if websocket {
        head.splice(head.len() - 2..head.len() - 2, websocket::ASKS.iter().copied());
    }
    let mut asks = asks(method, path, &fields, body, (head.len(), tls))?;
    if websocket {
        asks.request = asks.request.for_websocket();
    }
    // That it wants no other answer says nothing of the connection outside.
    Ok(Some(Direct { asks, head, length, last: last || fields.ends() }))
}

fn asks(
    method: &str,
    target: Cow<'_, str>,
    fields: &fields::Fields<'_>,
    body: Body,
    (head, secure): (usize, bool),
) -> Result<Asks, HeadError> {
    let request = Request::new(method, &target)?.with_headers(fields.kept());
    Ok(Asks {
        request,
        target: target.into_owned(),
        body,
        head,
        secure,
        newer: false,
        because: Vec::new(),
        routed: false,
        stood: None,
    })
}

/// Where the head ends. Every byte up to there is one that a head may hold.
fn end(bytes: &[u8], looked: usize) -> Result<Option<usize>, HeadError> {
    for (at, &byte) in bytes.iter().enumerate().take(MAX_HEAD).skip(looked) {
        match (byte, at.checked_sub(1).map(|before| bytes[before])) {
            (b'\n', Some(b'\r')) if bytes[..at].ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
            (b'\n', Some(b'\r')) => {}
            (b'\n', _) => return Err(HeadError::BareLineFeed),
            (_, Some(b'\r')) => return Err(HeadError::BareCarriageReturn),
            (b'\r' | b'\t', _) => {}
            (0..=31 | 127, _) => return Err(HeadError::Control),
            _ => {}
        }
    }
    if bytes.len() >= MAX_HEAD { Err(HeadError::TooLong) } else { Ok(None) }
}

/// The three words of the request line, parted by one space each.
fn words(line: &[u8]) -> Result<[&str; 3], HeadError> {
    let line = std::str::from_utf8(line).ok().filter(|line| line.is_ascii()).ok_or(HeadError::RequestLine)?;
    let mut words = line.split(' ');
    let [Some(method), Some(target), Some(version), None] = [words.next(), words.next(), words.next(), words.next()]
    else {
        return Err(HeadError::RequestLine);
    };
    if method.is_empty() || method.len() > 32 || !method.bytes().all(fields::is_token) {
        return Err(HeadError::Method);
    }
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(HeadError::Version);
    }
    if target.is_empty() || target.contains('\t') {
        return Err(HeadError::RequestLine);
    }
    Ok([method, target, version])
}

#[cfg(test)]
mod tests;
