//! HTTP requests as rules see them: a method, and a path in every way in which a server may read it.
//!
//! A path is taken apart once. What two servers could read in two ways is refused by name, or has two readings: an
//! allow rule must take each of them, a deny rule any.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mcp::Message;
use crate::{Host, HostError, Protocol, Rule};

/// Longest path, in bytes.
const MAX_PATH: usize = 8 * 1024;
/// Most segments: each is kept apart.
const MAX_SEGMENTS: usize = 256;
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

/// The segments of a path, decoded; the last one is empty where the path ends in a slash.
type Reading = Vec<Vec<u8>>;

/// Which paths a rule means: segments of text with `*` for any text within one, `**` for any number of segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

/// Which values of a query or a header a rule means: text with `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValuePattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    /// `**`
    Any,
    One(Vec<Piece>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    /// `*`
    Any,
    Byte(u8),
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

impl ValuePattern {
    /// A pattern, such as `open` or `v1.*`. As in a path, percent-encoding means the byte.
    ///
    /// # Errors
    /// [`RequestError::Percent`] for a `%` that encodes nothing.
    pub fn parse(text: &str) -> Result<ValuePattern, RequestError> {
        let mut pieces = Vec::new();
        let (bytes, mut at) = (text.as_bytes(), 0);
        while let Some(&byte) = bytes.get(at) {
            let (piece, length) = match byte {
                b'%' => (Piece::Byte(hex(bytes, at + 1).ok_or(RequestError::Percent)?), 3),
                b'*' => (Piece::Any, 1),
                byte => (Piece::Byte(byte), 1),
            };
            pieces.push(piece);
            at += length;
        }
        Ok(ValuePattern { text: text.into(), pieces })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn takes(&self, value: &[u8]) -> bool {
        wild(&self.pieces, value, |piece| *piece == Piece::Any, |piece, byte| piece.byte() == Some(*byte))
    }

    /// Whether it takes every value that the other one takes; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &ValuePattern) -> bool {
        let bytes: Option<Vec<u8>> = other.pieces.iter().map(|piece| piece.byte()).collect();
        let literal = bytes.is_some_and(|bytes| self.takes(&bytes));
        let begins = self.pieces.split_last().is_some_and(|(last, start)| {
            // `claude-*` and `claude-opus-*`: what begins so and goes on as it likes.
            *last == Piece::Any && start.iter().all(|piece| piece.byte().is_some()) && other.pieces.starts_with(start)
        });
        self == other || literal || begins
    }

    /// Whether it takes the one value there is, or any of several.
    fn takes_of<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>, every: bool) -> bool {
        if !every {
            // A list in one header is that header several times.
            let some = |value: &[u8]| value.split(|byte| *byte == b',').any(|one| self.takes(one.trim_ascii()));
            return values.any(|value| self.takes(value) || some(value));
        }
        // Which of two a server takes cannot be told.
        values.next().is_some_and(|value| self.takes(value)) && values.next().is_none()
    }
}

/// A header's name as servers compare it: in lower case, and to some `_` is `-`.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
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

impl PathPattern {
    /// A pattern, such as `/repos/acme/**`. Percent-encoding means the byte, so `%2A` is a star and no pattern.
    ///
    /// # Errors
    /// [`RequestError`], as for a path that is no path.
    pub fn parse(text: &str) -> Result<PathPattern, RequestError> {
        let segments = segments(text)?;
        let count = segments.len();
        let part = |(at, segment): (usize, &str)| -> Result<Part, RequestError> {
            if segment == "**" {
                return Ok(Part::Any);
            }
            if segment.contains("**") {
                return Err(RequestError::Stars);
            }
            let mut pieces = Vec::new();
            for (index, plain) in segment.split('*').enumerate() {
                if index > 0 {
                    pieces.push(Piece::Any);
                }
                pieces.extend(decode(plain)?.into_iter().map(Piece::Byte));
            }
            let bytes: Option<Vec<u8>> = pieces.iter().map(|piece| piece.byte()).collect();
            bytes.map_or(Ok(()), |bytes| plain(&bytes, at + 1 == count))?;
            Ok(Part::One(pieces))
        };
        let parts = segments.into_iter().enumerate().map(part).collect::<Result<_, _>>()?;
        Ok(PathPattern { text: text.into(), parts })
    }

    fn literal(reading: &Reading) -> PathPattern {
        let mut text = String::new();
        for segment in reading {
            text.push('/');
            for &byte in segment {
                // A star would mean any text.
                if is_plain(byte) && byte != b'*' {
                    text.push(char::from(byte));
                } else {
                    text += &format!("%{byte:02X}");
                }
            }
        }
        let part = |segment: &Vec<u8>| Part::One(segment.iter().copied().map(Piece::Byte).collect());
        PathPattern { parts: reading.iter().map(part).collect(), text }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments that every path it means begins with, in some case of letters.
    pub(crate) fn beginning(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.parts.iter().map_while(Part::literal).take_while(|segment| !segment.is_empty())
    }

    /// Loosely, as some servers do: in any case of letters, and with a slash at the end as without.
    fn takes(&self, reading: &[Vec<u8>], loosely: bool) -> bool {
        let same = |piece: &Piece, byte: &u8| {
            piece.byte().is_some_and(|own| own == *byte || loosely && own.eq_ignore_ascii_case(byte))
        };
        let one = |part: &Part, segment: &Vec<u8>| match part {
            Part::Any => true,
            Part::One(pieces) => wild(pieces, segment, |piece| *piece == Piece::Any, same),
        };
        // A trailing `/**` means what is above it as well.
        let takes = |parts: &[Part], reading: &[Vec<u8>]| wild(parts, reading, |part| *part == Part::Any, one);
        let parts = match self.parts.split_last() {
            Some((Part::One(last), above)) if last.is_empty() && !above.is_empty() => above,
            _ => &self.parts,
        };
        let short = match reading.split_last() {
            Some((last, above)) if last.is_empty() && !above.is_empty() => above,
            _ => reading,
        };
        takes(&self.parts, reading) || loosely && (takes(parts, short) || takes(parts, reading))
    }

    /// Whether every path that the other means is meant by this; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &PathPattern) -> bool {
        let all = |pattern: &PathPattern| pattern.parts.iter().all(|part| *part == Part::Any);
        let literal: Option<Reading> = other.parts.iter().map(Part::literal).collect();
        self == other || all(self) || literal.is_some_and(|reading| self.takes(&reading, false))
    }
}

impl Part {
    fn literal(&self) -> Option<Vec<u8>> {
        match self {
            Part::Any => None,
            Part::One(pieces) => pieces.iter().map(|piece| piece.byte()).collect(),
        }
    }
}

impl Piece {
    const fn byte(self) -> Option<u8> {
        match self {
            Piece::Any => None,
            Piece::Byte(byte) => Some(byte),
        }
    }
}

/// Whether a pattern whose `any` parts mean any number of items takes all of them. Goes back to the last such part
/// only: a later one can take over whatever an earlier one would.
pub(crate) fn wild<P, T>(pattern: &[P], items: &[T], any: impl Fn(&P) -> bool, one: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(part) if any(part) => {
                back = Some((at, item));
                at += 1;
            }
            Some(part) if one(part, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => match &mut back {
                Some((star, from)) => {
                    *from += 1;
                    (at, item) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(any)
}

/// Every way in which a server may read a path: with an encoded slash or backslash as one byte or as a slash, and with
/// what follows a semicolon in a segment or without it.
fn readings(path: &str) -> Result<Vec<Reading>, RequestError> {
    let whole = segments(path)?.into_iter().map(decode).collect::<Result<Reading, _>>()?;
    let mut readings = vec![whole];
    let parts = |segment: &Vec<u8>| segment.split(|byte| is_slash(*byte)).map(<[u8]>::to_vec).collect::<Reading>();
    add(&mut readings, |reading| reading.iter().flat_map(parts).collect());
    let name = |segment: &Vec<u8>| segment.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    add(&mut readings, |reading| reading.iter().map(name).collect());
    for reading in &readings {
        let last = reading.len() - 1;
        reading.iter().enumerate().try_for_each(|(at, segment)| plain(segment, at == last))?;
    }
    Ok(readings)
}

/// Adds what another reader makes of each reading, where that differs.
fn add(readings: &mut Vec<Reading>, other: impl Fn(&Reading) -> Reading) {
    for at in 0..readings.len() {
        let reading = other(&readings[at]);
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
}

fn segments(path: &str) -> Result<Vec<&str>, RequestError> {
    let rest = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH).ok_or(RequestError::Path)?;
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() <= MAX_SEGMENTS { Ok(segments) } else { Err(RequestError::Path) }
}

/// Refuses a segment that servers take away; the last one may be empty.
fn plain(segment: &[u8], last: bool) -> Result<(), RequestError> {
    match segment {
        b"." | b".." => Err(RequestError::Dots),
        b"" if !last => Err(RequestError::Empty),
        _ => Ok(()),
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, RequestError> {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            if !is_plain(byte) {
                return Err(RequestError::Character);
            }
            decoded.push(byte);
            at += 1;
            continue;
        }
        match hex(bytes, at + 1).ok_or(RequestError::Percent)? {
            0..=31 | 127 => return Err(RequestError::Control),
            byte => decoded.push(byte),
        }
        at += 3;
    }
    // However it was spelled: what is decoded once more would be another path.
    let twice = (0..decoded.len()).any(|at| decoded[at] == b'%' && hex(&decoded, at + 1).is_some());
    if twice { Err(RequestError::Double) } else { Ok(decoded) }
}

/// The byte that two hex digits mean.
fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

const fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// What stands in a path as it is (RFC 3986), and the few that browsers send so as well.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]|".contains(&byte)
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

impl TryFrom<String> for ValuePattern {
    type Error = RequestError;
    fn try_from(text: String) -> Result<Self, RequestError> {
        ValuePattern::parse(&text)
    }
}

impl From<ValuePattern> for String {
    fn from(pattern: ValuePattern) -> String {
        pattern.text
    }
}

impl TryFrom<String> for PathPattern {
    type Error = RequestError;
    fn try_from(text: String) -> Result<Self, RequestError> {
        PathPattern::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(patterns: &[&str], path: &str) -> bool {
        taken(patterns, path, true)
    }

    fn taken(patterns: &[&str], path: &str, every: bool) -> bool {
        let patterns: Vec<_> = patterns.iter().map(|text| PathPattern::parse(text).expect(text)).collect();
        Request::new("GET", path).expect(path).is_taken(&about(patterns), every)
    }

    fn about(paths: Vec<PathPattern>) -> Rule {
        Rule { paths, ..Rule::to(crate::Target::parse("a.example").expect("a target")) }
    }

    /// A rule about one field of a query, or one header.
    fn about_field(name: &str, value: &str, header: bool) -> Rule {
        let named = [(name.to_owned(), ValuePattern::parse(value).expect(value))].into();
        let rule = about(Vec::new());
        if header { Rule { headers: named, ..rule } } else { Rule { query: named, ..rule } }
    }

    /// Whether an allow rule and a deny rule about a field take a query.
    fn asked(query: &str, value: &str) -> (bool, bool) {
        let (request, rule) =
            (Request::new("GET", &format!("/?{query}")).expect(query), about_field("a", value, false));
        (request.is_taken(&rule, true), request.is_taken(&rule, false))
    }

    #[test]
    fn a_field_of_a_query_stands_once_or_is_denied_wherever_it_stands() {
        for (query, value, allowed, denied) in [
            ("a=1", "1", true, true),
            ("b=2&a=1", "1", true, true),
            ("%61=%31", "1", true, true),
            ("a=x%20y", "x%20y", true, true),
            // A plus sign is a space to some, and to others itself.
            ("a=x+y", "x%20y", false, true),
            ("a=x+y", "x+y", false, true),
            ("a=x+y", "x*y", true, true),
            ("a=1x", "1*", true, true),
            ("a", "", true, true),
            ("a=2", "1", false, false),
            ("b=1", "1", false, false),
            ("", "*", false, false),
            // Names that some servers take for this one: PHP's leave spaces and brackets out, others compare in any case.
            ("a=1&%20a=2", "1", false, true),
            ("a=1&+a=2", "2", false, true),
            ("a=1&a[]=2", "2", false, true),
            ("a=1&a%00b=2", "2", false, true),
            ("a=1&A=2", "2", false, true),
            ("%20a=1", "1", false, true),
            ("a=1&ab=2", "1", true, true),
            // Which one counts is the server's to say.
            ("a=1&a=2", "1", false, true),
            ("a=2&a=1", "1", false, true),
            ("b=2;a=1", "1", false, true),
            // What cannot be read is denied by every rule about the query, and allowed by none.
            ("b=%zz", "1", false, true),
        ] {
            assert_eq!(asked(query, value), (allowed, denied), "{query} {value}");
        }
    }

    #[test]
    fn a_header_stands_once_or_is_denied_wherever_it_stands() {
        let asked = |values: &[&str]| {
            let headers = values.iter().map(|value| ("X-Kind", value.as_bytes()));
            let request = Request::new("GET", "/").expect("a request").with_headers(headers);
            let rule = about_field("x-kind", "v1*", true);
            (request.is_taken(&rule, true), request.is_taken(&rule, false))
        };
        assert_eq!((asked(&["v1.2"]), asked(&["v2"]), asked(&[])), ((true, true), (false, false), (false, false)));
        assert_eq!((asked(&["v1", "v2"]), asked(&["v2", "v1"])), ((false, true), (false, true)));
        assert_eq!(asked(&["v2, v1"]), (false, true));
        let request = Request::new("GET", "/").expect("a request").with_headers([("X_Kind", &b"v1"[..])].into_iter());
        assert!(request.is_taken(&about_field("x-kind", "v1", true), false), "some servers read `_` as `-`");
        assert_eq!(header("X-Kind").as_deref(), Ok("x-kind"));
        assert!(
            ["", "Host", "a b", "content_length", "Proxy-Connection"]
                .iter()
                .all(|name| header(name) == Err(RequestError::Name))
        );
    }

    #[test]
    fn patterns_mean_segments() {
        for (pattern, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a/", "/a/", true),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("/a/*", "/a/b/c", false),
            ("/a/b*d", "/a/bcd", true),
            ("/a/b*d", "/a/bd", true),
            ("/a/b*d", "/a/bc", false),
            ("/*.js", "/x.js", true),
            ("/*.js", "/x.jsx", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/**/c", "/c", true),
            ("/**/c", "/a/b/c", true),
            ("/**/c", "/a/c/b", false),
            ("/a/**/b/**/c", "/a/b/b/x/c", true),
            ("/a/**/b/**/c", "/a/x/c", false),
            ("/**", "/", true),
            ("/a b", "/a%20b", false),
            ("/a%20b", "/a%20b", true),
            ("/%61", "/a", true),
            ("/a", "/%61", true),
            ("/%2A", "/*", true),
            ("/%2A", "/b", false),
            ("/A", "/a", false),
            ("/caf%C3%A9", "/caf%c3%a9", true),
        ] {
            if pattern.contains(' ') {
                assert_eq!(PathPattern::parse(pattern), Err(RequestError::Character));
                continue;
            }
            assert_eq!(allows(&[pattern], path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn odd_paths_are_refused_by_name() {
        for (path, error) in [
            ("", RequestError::Path),
            ("a", RequestError::Path),
            ("*", RequestError::Path),
            ("/a/./b", RequestError::Dots),
            ("/a/../b", RequestError::Dots),
            ("/a/..", RequestError::Dots),
            ("/a/%2e%2E/b", RequestError::Dots),
            ("/a/..%2fb", RequestError::Dots),
            ("/a%5c..%5cb", RequestError::Dots),
            ("/a/..;x/b", RequestError::Dots),
            ("/a/.;/b", RequestError::Dots),
            ("//a", RequestError::Empty),
            ("/a//b", RequestError::Empty),
            ("/a%2f%2fb", RequestError::Empty),
            ("/a/;x/b", RequestError::Empty),
            ("/a%2fb%2f/c", RequestError::Empty),
            ("/a%", RequestError::Percent),
            ("/a%2", RequestError::Percent),
            ("/a%zz", RequestError::Percent),
            ("/a%252f", RequestError::Double),
            ("/a%25%32%66", RequestError::Double),
            ("/a%2%35", RequestError::Percent),
            ("/a%00", RequestError::Control),
            ("/a%0d%0a", RequestError::Control),
            ("/a\\b", RequestError::Character),
            ("/a b", RequestError::Character),
            ("/a\"b", RequestError::Character),
            ("/\u{e9}", RequestError::Character),
        ] {
            assert_eq!(Request::new("GET", path).expect_err(path), error, "{path}");
        }
        assert_eq!(Request::new("GET", &format!("/{}", "a".repeat(MAX_PATH))).expect_err("long"), RequestError::Path);
        assert!(Request::new("GET", "/100%25").is_ok());
        for method in ["", "get", "GET ", "1GET", "G\u{c9}T"] {
            assert_eq!(Request::new(method, "/").expect_err(method), RequestError::Method);
        }
        for (pattern, error) in [
            ("a", RequestError::Path),
            ("/a**", RequestError::Stars),
            ("/../a", RequestError::Dots),
            ("/%2e%2e/a", RequestError::Dots),
            ("//", RequestError::Empty),
            ("/a?b", RequestError::Character),
        ] {
            assert_eq!(PathPattern::parse(pattern).expect_err(pattern), error, "{pattern}");
        }
    }

    /// What servers read in two ways is allowed only where both are, and denied where either is.
    #[test]
    fn an_allow_takes_every_reading_and_a_deny_any() {
        assert!(!allows(&["/@types/**"], "/@types%2Fnode") && !allows(&["/*"], "/@types%2Fnode"));
        assert!(allows(&["/@types/**", "/@types%2F*"], "/@types%2Fnode") && allows(&["/**"], "/@types%2Fnode"));
        assert!(taken(&["/admin/**"], "/admin%2Fusers", false) && taken(&["/admin/**"], "/admin;a=b/users", false));
        assert!(
            taken(&["/admin"], "/admin/", false)
                && taken(&["/admin/"], "/admin", false)
                && taken(&["/admin/**"], "/ADMIN/x", false)
        );
        assert!(!allows(&["/admin"], "/admin/") && !allows(&["/admin/**"], "/ADMIN/x"));
        assert!(!allows(&["/admin"], "/admin;a=b") && allows(&["/admin", "/admin;*"], "/admin;a=b"));
    }

    #[test]
    fn a_literal_pattern_means_its_request_alone() {
        for path in ["/", "/a/b/", "/a*b", "/@x%2Fy", "/a;b", "/%E2%82%AC", "/[a]|b", "/a%25"] {
            let request = Request::new("GET", path).expect(path);
            let patterns = request.patterns();
            let rule = about(patterns);
            assert!(request.is_taken(&rule, true), "{path}");
            for pattern in &rule.paths {
                assert_eq!(PathPattern::parse(pattern.as_str()).as_ref(), Ok(pattern), "{path}");
            }
            assert!(!Request::new("GET", "/other").expect("a path").is_taken(&rule, true));
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |wide: &str, narrow: &str| {
            PathPattern::parse(wide).expect(wide).covers(&PathPattern::parse(narrow).expect(narrow))
        };
        assert!(covers("/**", "/a/*") && covers("/a/*", "/a/b") && covers("/a/*", "/a/*"));
        assert!(!covers("/a/b", "/a/*") && !covers("/a/*", "/a/**"));
    }
}
