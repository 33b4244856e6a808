//! The headers of a request: those that frame or route it are judged, those of this hop are left out.

use std::io::Write as _;

use policy::Host;

use super::{HeadError, Place, target};

const MAX_FIELDS: usize = 128;
/// What most heads fit into.
const ROOM: usize = 512;

/// Headers that speak to this proxy alone. `Transfer-Encoding` is not among them: the body goes on as it comes.
const HOP: &[&str] =
    &["connection", "keep-alive", "te", "trailer", "upgrade", "http2-settings", "sec-websocket-extensions"];
/// Headers that no `Connection` header may take away.
const KEPT: &[&str] = &["host", "content-length", "transfer-encoding", "authorization", "cookie", "expect"];

/// Headers by which some servers take another method or path than the request line's.
const OVERRIDES: &[&str] =
    &["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Whether two names are one to a server that reads `_` as `-`.
pub(super) fn same(name: &str, other: &str) -> bool {
    name.len() == other.len()
        && name.bytes().zip(other.bytes()).all(|(one, other)| {
            let one = if one == b'_' { b'-' } else { one.to_ascii_lowercase() };
            one == other
        })
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks up to an empty one.
    Chunked,
}

/// The headers in order.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Fields<'a> {
    pub(super) fn read(lines: impl Iterator<Item = &'a [u8]>) -> Result<Fields<'a>, HeadError> {
        let mut fields = Vec::new();
        for line in lines {
            if matches!(line.first(), Some(b' ' | b'\t')) {
                return Err(HeadError::Folded);
            }
            let colon = line.iter().position(|&byte| byte == b':').ok_or(HeadError::Header)?;
            let name = &line[..colon];
            if name.is_empty() || !name.iter().copied().all(is_token) {
                return Err(HeadError::Header);
            }
            let name = std::str::from_utf8(name).map_err(|_| HeadError::Header)?;
            fields.push((name, line[colon + 1..].trim_ascii()));
            if fields.len() > MAX_FIELDS {
                return Err(HeadError::ManyHeaders);
            }
        }
        Ok(Fields(fields))
    }

    /// Those that the destination gets, but for its own Host: what is decided on is what is sent.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mine = |name: &str| {
            name.eq_ignore_ascii_case("host")
                || HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop))
                || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("proxy-"))
                || self.options().any(|option| option.eq_ignore_ascii_case(name))
        };
        self.0.iter().copied().filter(move |(name, _)| !mine(name))
    }

    pub(super) fn all<'s>(&'s self, wanted: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.0.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|&(_, value)| value)
    }

    /// The Host header, where there is one, names the same destination as the target.
    pub(super) fn check_host(&self, host: &Host, port: u16, default: Option<u16>) -> Result<(), HeadError> {
        let mut hosts = self.all("host");
        let Some(value) = hosts.next() else { return self.check_connection() };
        if hosts.next().is_some() {
            return Err(HeadError::TwoHosts);
        }
        let value = std::str::from_utf8(value).map_err(|_| HeadError::OtherHost)?;
        // Programs leave the port out of a CONNECT request's Host: then it says nothing about it.
        let (named, at) = target::authority(value, default.or(Some(port))).map_err(|_| HeadError::OtherHost)?;
        if (&named, at) != (host, port) {
            return Err(HeadError::OtherHost);
        }
        self.check_connection()
    }

    /// The same for a request to a destination itself, which has a Host header.
    pub(super) fn check_direct(&self, place: &Place<'_>) -> Result<(), HeadError> {
        if self.all("host").next().is_none() {
            return Err(HeadError::NoHost);
        }
        self.check_plain()?;
        self.check_host(place.host, place.port, Some(place.usual()))
    }

    /// No server takes it for another request than it is: what is decided on is what is carried out.
    pub(super) fn check_plain(&self) -> Result<(), HeadError> {
        let others = |(name, _): &(&str, &[u8])| OVERRIDES.iter().any(|other| same(name, other));
        if self.0.iter().any(others) {
            return Err(HeadError::Override);
        }
        // Some servers read `_` as `-`: then these frame or route the request after all.
        let framing = |(name, _): &(&str, &[u8])| name.contains('_') && KEPT.iter().any(|kept| same(name, kept));
        if self.0.iter().any(framing) {
            return Err(HeadError::Header);
        }
        Ok(())
    }

    /// The names of all, as they came.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Whether the program wants no further request on the connection.
    pub(super) fn ends(&self) -> bool {
        self.options().any(|option| option.eq_ignore_ascii_case("close"))
    }

    fn check_connection(&self) -> Result<(), HeadError> {
        let bad = |option: &str| KEPT.iter().any(|kept| option.eq_ignore_ascii_case(kept));
        if self.options().any(bad) { Err(HeadError::ConnectionNames) } else { Ok(()) }
    }

    /// What `Connection` headers name.
    pub(super) fn options(&self) -> impl Iterator<Item = &'a str> {
        let text = self.all("connection").filter_map(|value| std::str::from_utf8(value).ok());
        text.flat_map(|value| value.split(',')).map(str::trim)
    }

    pub(super) fn has_body(&self) -> bool {
        self.all("content-length").chain(self.all("transfer-encoding")).next().is_some()
    }

    pub(super) fn body(&self, old: bool) -> Result<Body, HeadError> {
        let lengths: Vec<_> = self.all("content-length").collect();
        let encodings: Vec<_> = self.all("transfer-encoding").collect();
        match (&lengths[..], &encodings[..]) {
            ([], []) => Ok(Body::Length(0)),
            ([_, _, ..], _) => Err(HeadError::TwoLengths),
            ([_], [_, ..]) => Err(HeadError::LengthAndEncoding),
            ([length], []) => number(length).map(Body::Length),
            ([], [encoding]) if !old && encoding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
            ([], _) => Err(HeadError::Encoding),
        }
    }

    /// The head for the destination: origin form, its own Host, nothing of this hop, and an end after the answer if it is
    /// the last. The version stays: an answer to HTTP/1.1 may be framed as no HTTP/1.0 program can read.
    pub(super) fn rewrite(&self, [method, path, version]: [&str; 3], place: &Place<'_>, last: bool) -> Vec<u8> {
        let Place { host, port, .. } = place;
        let mut head = Vec::with_capacity(ROOM);
        // Writing to a vector cannot fail.
        let _ = write!(head, "{method} {path} {version}\r\nHost: {host}");
        if *port != place.usual() {
            let _ = write!(head, ":{port}");
        }
        head.extend_from_slice(b"\r\n");
        for (name, value) in self.kept() {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(if last { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        head
    }
}

fn number(digits: &[u8]) -> Result<u64, HeadError> {
    let plain = !digits.is_empty()
        && digits.len() <= 18
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits[0] != b'0');
    let text = std::str::from_utf8(digits).ok().filter(|_| plain).ok_or(HeadError::Length)?;
    text.parse().map_err(|_| HeadError::Length)
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
