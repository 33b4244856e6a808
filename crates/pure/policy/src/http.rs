//! HTTP requests as rules see them: a method, and a path in every way in which a server may read it.
//!
//! A path is taken apart once. What two servers could read in two ways is refused by name, or has two readings: an
//! allow rule must take each of them, a deny rule any.

mod path;
mod value;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mcp::Message;
use crate::{Host, HostError, Protocol, Rule};
pub use path::PathPattern;
use path::{MAX_PATH, MAX_SEGMENTS, Reading, readings};
pub use value::ValuePattern;
pub(crate) use value::wild;

/// Longest method, in bytes.
const MAX_METHOD: usize = 32;

/// A method, such as `GET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(String);

/// One request, fit to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    path: String,
    readings: Vec<Reading>,
    query: Query,
    /// Names in lower case.
    headers: Vec<(String, Vec<u8>)>,
    /// It makes its connection a WebSocket.
    websocket: bool,
    /// What it says, where MCP is spoken and that was read.
    message: Option<Box<Message>>,
}

/// Names and values of a query, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Query {
    /// As forms are read.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The same where `+` is no space.
    plain: Vec<(Vec<u8>, Vec<u8>)>,
    /// Servers read it in ways that cannot be told.
    odd: bool,
}

/// Why a method, a path or a pattern is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method has other letters than capital ones, or is too long.
    #[error("a method is 1 to {MAX_METHOD} of `A` to `Z`, `0` to `9` and `-`, and begins with a letter")]
    Method,
    /// It does not begin with `/`, or is too long.
    #[error("a path begins with `/` and has at most {MAX_PATH} bytes and {MAX_SEGMENTS} segments")]
    Path,
    /// A byte that stands in no path as it is.
    #[error("the path holds a byte that must be percent-encoded")]
    Character,
    /// A control character, encoded.
    #[error("the path holds an encoded control character")]
    Control,
    /// `%` without two hex digits.
    #[error("the path holds a `%` that encodes nothing")]
    Percent,
    /// Decoded once, it is encoded still.
    #[error("the path is encoded twice")]
    Double,
    /// A letter in more bytes of UTF-8 than it has: some servers read it all the same.
    #[error("the path spells a letter in more bytes than it has")]
    Overlong,
    /// `.` or `..`, in any spelling.
    #[error("the path holds a `.` or `..` segment")]
    Dots,
    /// `//`, in any spelling.
    #[error("the path holds an empty segment")]
    Empty,
    /// `**` within a segment.
    #[error("`**` stands for whole segments: write `/**`")]
    Stars,
    /// The name of a query's field or of a header is none, or one that frames the request.
    #[error("a name here is that of a query's field, or of a header that neither frames nor routes the request")]
    Name,
}

/// Why a text is no request to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// Its destination.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its method or path.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Method {
    /// A method in capital letters: in others some servers know them too, and some do not.
    ///
    /// # Errors
    /// [`RequestError::Method`].
    pub fn parse(text: &str) -> Result<Method, RequestError> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        if begins && text.len() <= MAX_METHOD && text.bytes().all(plain) {
            Ok(Method(text.into()))
        } else {
            Err(RequestError::Method)
        }
    }

    /// The method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Request {
    /// A request by its method and its target, a path and a query.
    ///
    /// # Errors
    /// [`RequestError`] for what servers read in ways that cannot be told.
    pub fn new(method: &str, target: &str) -> Result<Request, RequestError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (method, readings) = (Method::parse(method)?, readings(path)?);
        Ok(Request {
            method,
            readings,
            path: path.into(),
            query: Query::read(query),
            headers: Vec::new(),
            websocket: false,
            message: None,
        })
    }

    /// The same with its headers.
    #[must_use]
    pub fn with_headers<'h>(self, headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Request {
        let headers = headers.map(|(name, value)| (folded(name), value.to_vec())).collect();
        Request { headers, ..self }
    }

    /// The same where it makes its connection a WebSocket.
    #[must_use]
    pub fn for_websocket(self) -> Request {
        Request { websocket: true, ..self }
    }

    /// The same with what it says, where MCP is spoken.
    #[must_use]
    pub fn saying(&self, message: Message) -> Request {
        // What it said before may be long, and is not copied.
        Request {
            method: self.method.clone(),
            path: self.path.clone(),
            readings: self.readings.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            websocket: self.websocket,
            message: Some(Box::new(message)),
        }
    }

    /// What it says, where MCP is spoken and that was read.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        self.message.as_deref()
    }

    /// Whether it makes its connection a WebSocket.
    #[must_use]
    pub const fn is_websocket(&self) -> bool {
        self.websocket
    }

    /// A request and its destination, written `METHOD HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// [`AskedError`] for what is none.
    pub fn parse_at(text: &str) -> Result<(Host, Option<u16>, Request), AskedError> {
        let (method, rest) = text.split_once(' ').ok_or(RequestError::Method)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.ends_with(':') && path.starts_with("//") {
            return Err(HostError::Url.into());
        }
        let (host, port) = Host::parse_with_port(authority)?;
        Ok((host, port, Request::new(method, path)?))
    }

    /// Its method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Whether one of these patterns means its path, in every way in which it may be read; no pattern at all means every
    /// path.
    #[must_use]
    pub fn lies_in(&self, paths: &[PathPattern]) -> bool {
        let taken = |reading: &Reading| paths.iter().any(|path| path.takes(reading, false));
        paths.is_empty() || self.readings.iter().all(taken)
    }

    /// The same in any way in which it may be read.
    pub(crate) fn touches(&self, paths: &[PathPattern]) -> bool {
        paths.is_empty() || self.readings.iter().any(|reading| paths.iter().any(|path| path.takes(reading, true)))
    }

    /// Whether its query has a field of this name, however it may be read.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        self.query.pairs.iter().chain(&self.query.plain).any(|(other, _)| is_alike(other, name.as_bytes()))
    }

    /// The decoded path, one reading, and the decoded fields of its query: what a matcher looks at.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let path = self.readings.first().into_iter().flatten().map(Vec::as_slice);
        path.chain(self.query.pairs.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]))
    }

    /// Its headers, as a rule sees them: names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Its path, as it was written.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The patterns that mean this path and no other.
    pub(crate) fn patterns(&self) -> Vec<PathPattern> {
        self.readings.iter().map(PathPattern::literal).collect()
    }

    /// Every way in which its path may be read.
    pub(crate) fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Whether a rule takes it, one that says nothing taking all: in `every` way in which it may be read, or in any.
    pub(crate) fn is_taken(&self, rule: &Rule, every: bool) -> bool {
        // A WebSocket is allowed by what names it alone, and denied by what denies requests.
        let named = rule.protocol == Protocol::Websocket;
        (named == self.websocket || self.websocket && !every) && self.fits(rule, every)
    }

    /// The same, whatever kind of request the rule is about.
    pub(crate) fn fits(&self, rule: &Rule, every: bool) -> bool {
        let Rule { methods, paths, query, headers, .. } = rule;
        let mut readings = self.readings.iter();
        let taken = |reading: &Reading| paths.iter().any(|path| path.takes(reading, !every));
        (methods.is_empty() || methods.contains(&self.method))
            && (paths.is_empty() || if every { readings.all(taken) } else { readings.any(taken) })
            && query.iter().all(|(name, value)| self.query.is_taken(name, value, every))
            && headers.iter().all(|(name, value)| {
                let found = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice());
                value.takes_of(found, every)
            })
    }
}

impl Query {
    fn read(text: &str) -> Query {
        let mut odd = text.contains(';');
        let mut read = |space: u8| {
            let pair = |pair: &str| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (form(name, space, &mut odd), form(value, space, &mut odd))
            };
            text.split(['&', ';']).filter(|pair| !pair.is_empty()).map(pair).collect::<Vec<_>>()
        };
        let (pairs, plain) = (read(b' '), read(b'+'));
        Query { pairs, plain, odd }
    }

    /// A field that stands once, in a query that is read in one way; where any reading counts, any such field, and every
    /// query that is read in several. Some servers take other names for it, too, and then the last of them.
    fn is_taken(&self, name: &str, value: &ValuePattern, every: bool) -> bool {
        if self.odd {
            return !every;
        }
        let mut readings = [&self.pairs, &self.plain].into_iter();
        let taken = |pairs: &Vec<(Vec<u8>, Vec<u8>)>| {
            let alike = || pairs.iter().filter(|(other, _)| is_alike(other, name.as_bytes()));
            let exact = !every || alike().all(|(other, _)| other == name.as_bytes());
            exact && value.takes_of(alike().map(|(_, value)| value.as_slice()), every)
        };
        if every { readings.all(taken) } else { readings.any(taken) }
    }
}

/// Whether some server takes two names of fields for one: in any case of letters, without spaces around it and what
/// follows a bracket or a NUL, and with a dot or a space as `_`.
fn is_alike(one: &[u8], two: &[u8]) -> bool {
    fn folded(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
        let name = name.trim_ascii().iter().take_while(|byte| !matches!(byte, b'[' | 0));
        name.map(|byte| if matches!(byte, b' ' | b'.') { b'_' } else { byte.to_ascii_lowercase() })
    }
    folded(one).eq(folded(two))
}

/// Whether some server takes the name of a field, as a query or a form spells it, for this one.
#[must_use]
pub fn names_field(spelled: &str, name: &str) -> bool {
    [b' ', b'+'].into_iter().any(|space| is_alike(&form(spelled, space, &mut false), name.as_bytes()))
}

/// A name or a value of a query, decoded as forms are.
fn form(text: &str, space: u8, odd: &mut bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (byte, length) = match (byte, hex(bytes, at + 1)) {
            (b'%', Some(byte)) => (byte, 3),
            (b'+', _) => (space, 1),
            (byte, _) => {
                *odd |= byte == b'%';
                (byte, 1)
            }
        };
        decoded.push(byte);
        at += length;
    }
    decoded
}

/// A header's name as servers compare it: in lower case, and to some `_` is `-`.
fn folded(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if lower.contains('_') { lower.replace('_', "-") } else { lower }
}

/// The name of a query's field that a rule may be about, as it is when it was decoded.
///
/// # Errors
/// [`RequestError::Name`].
pub fn field(name: &str) -> Result<String, RequestError> {
    let plain = !name.is_empty() && name.len() <= 256 && !name.contains(['%', '&', '=', ';']);
    if plain && !name.chars().any(char::is_control) { Ok(name.into()) } else { Err(RequestError::Name) }
}

/// The name of a header that a rule may be about, in lower case. Those that frame or route a request are judged before
/// any rule.
///
/// # Errors
/// [`RequestError::Name`].
pub fn header(name: &str) -> Result<String, RequestError> {
    const OTHERS: [&str; 9] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "keep-alive",
        "trailer",
        "http2-settings",
    ];
    let lower = folded(name);
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let plain = !lower.is_empty() && lower.len() <= 256 && lower.bytes().all(token);
    if plain && !OTHERS.contains(&lower.as_str()) && !lower.starts_with("proxy-") {
        Ok(lower)
    } else {
        Err(RequestError::Name)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.websocket { " as a WebSocket" } else { "" };
        if let Some(message) = self.message() {
            write!(formatter, "{message} by ")?;
        }
        write!(formatter, "{} {}{kind}", self.method.as_str(), self.path)
    }
}

/// The byte that two hex digits mean.
fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

impl TryFrom<String> for Method {
    type Error = RequestError;
    fn try_from(text: String) -> Result<Self, RequestError> {
        Method::parse(&text)
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.0
    }
}

#[cfg(test)]
mod tests;
