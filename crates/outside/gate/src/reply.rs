//! Where the answer to a request ends. What cannot be told apart here ends where the server closes; whether it is passed on
//! is for [`crate::look`] to say.

use std::ops::Range;

use crate::body::Left;
use crate::chunks::Chunks;

/// Longest head that is followed, those of interim answers before it included: else they could go on for ever.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// What every head begins with.
const BEGINS: &[u8] = b"HTTP/1.";

/// Follows an answer byte by byte.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The request was HEAD: there is no body, whatever the head says.
    bare: bool,
    /// What it carries is looked at: nothing of it may stand where nobody looks.
    read: bool,
    /// Bytes of heads so far.
    heads: usize,
    /// Its head says that the server ends the connection.
    ends: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    Body(Left),
    /// `odd`: not because its head says nothing, but because what it says cannot be told apart.
    ToTheEnd {
        odd: bool,
    },
    /// Its chunks cannot be told apart: no program could read it.
    Torn,
    Whole,
}

/// What stands somewhere in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A piece of a head; the last one ends it.
    Head { last: bool },
    /// What its body carries.
    Body,
    /// What cannot be told apart.
    Odd,
    /// What is no head of an answer, or too long for one.
    NoHead,
}

impl Reply {
    pub(crate) const fn new(bare: bool, read: bool) -> Reply {
        Reply { bare, read, heads: 0, ends: false, state: State::Head(Vec::new()) }
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// Whether the server ends the connection after it.
    pub(crate) const fn ends(&self) -> bool {
        self.ends
    }

    /// Whether no program could tell where it ends.
    pub(crate) const fn is_torn(&self) -> bool {
        matches!(self.state, State::Torn)
    }

    /// Whether its head tells no end of it but the connection's.
    pub(crate) const fn ends_with_the_connection(&self) -> bool {
        matches!(self.state, State::ToTheEnd { .. })
    }

    /// Whether what its head says cannot be told apart.
    pub(crate) const fn is_odd(&self) -> bool {
        matches!(self.state, State::ToTheEnd { odd: true })
    }

    /// How many of these bytes belong to the answer.
    #[cfg(test)]
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        self.take_with(bytes, &mut |_, _| {})
    }

    /// Tells how many of these bytes belong to the answer, and what stands where. What frames a body is told as nothing.
    pub(crate) fn take_with(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Part, Range<usize>)) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_whole() {
            let rest = &bytes[at..];
            let (taken, next) = match &mut self.state {
                State::Head(before) => {
                    let old = before.len();
                    // Most come whole: they are read where they stand.
                    let head = if before.is_empty() {
                        rest
                    } else {
                        before.extend_from_slice(rest);
                        &before[..]
                    };
                    let end = end(head, old);
                    let head = &head[..end.unwrap_or(head.len())];
                    let taken = head.len() - old;
                    self.heads += taken;
                    let begins = BEGINS.starts_with(&head[..head.len().min(BEGINS.len())]);
                    if self.heads > MAX_HEAD || !begins || (end.is_some() && status(head).is_none()) {
                        tell(Part::NoHead, at..bytes.len());
                        (rest.len(), Some(State::ToTheEnd { odd: true }))
                    } else {
                        tell(Part::Head { last: end.is_some() }, at..at + taken);
                        let next = match end {
                            Some(_) => {
                                let framing = Framing::of(head);
                                self.ends |= framing.ends(head.starts_with(b"HTTP/1.0"));
                                after(head, &framing, self.bare, self.read)
                            }
                            None if old == 0 => State::Head(head.to_vec()),
                            None => State::Head(std::mem::take(before)),
                        };
                        (taken, Some(next))
                    }
                }
                State::Body(left) => {
                    let mut carried = |range: Range<usize>| tell(Part::Body, at + range.start..at + range.end);
                    match left.take_with(rest, &mut carried) {
                        Ok(taken) => (taken, left.is_done().then_some(State::Whole)),
                        Err(_) => {
                            tell(Part::Odd, at..bytes.len());
                            (rest.len(), Some(State::Torn))
                        }
                    }
                }
                State::ToTheEnd { odd } => {
                    tell(if *odd { Part::Odd } else { Part::Body }, at..bytes.len());
                    (rest.len(), None)
                }
                State::Torn => {
                    tell(Part::Odd, at..bytes.len());
                    (rest.len(), None)
                }
                State::Whole => break,
            };
            at += taken;
            self.state = next.unwrap_or_else(|| std::mem::replace(&mut self.state, State::Whole));
        }
        at
    }
}

/// Where the head ends, of which `old` bytes were looked at before: at the first empty line, however that ends.
pub(crate) fn end(head: &[u8], old: usize) -> Option<usize> {
    let mut at = old.saturating_sub(2);
    while let Some(line) = head[at..].iter().position(|byte| *byte == b'\n') {
        at += line + 1;
        match &head[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// What a head says of what follows it, read line by line once.
#[derive(Default)]
struct Framing<'h> {
    /// How many lines say so, and the last of them.
    lengths: (usize, &'h [u8]),
    encodings: (usize, &'h [u8]),
    /// The connection is to end, or to stay.
    closes: bool,
    stays: bool,
    /// A line ends as not all programs end it, or goes on in the next.
    odd: bool,
}

impl<'h> Framing<'h> {
    fn of(head: &'h [u8]) -> Framing<'h> {
        let mut framing = Framing::default();
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            framing.odd |= !line.ends_with(b"\r\n") || matches!(line[0], b' ' | b'\t');
            match line[0].to_ascii_lowercase() {
                b'c' => {
                    if let Some(value) = value_of(line, b"content-length:") {
                        framing.lengths = (framing.lengths.0 + 1, value);
                    }
                    let says = |option: &[u8]| {
                        let value = value_of(line, b"connection:").unwrap_or_default();
                        value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(option))
                    };
                    framing.closes |= says(b"close");
                    framing.stays |= says(b"keep-alive");
                }
                b't' => {
                    if let Some(value) = value_of(line, b"transfer-encoding:") {
                        framing.encodings = (framing.encodings.0 + 1, value);
                    }
                }
                _ => {}
            }
        }
        // Each line feed has its carriage return; no other has one.
        let count = |byte| head.iter().filter(|other| **other == byte).count();
        framing.odd |= count(b'\r') != count(b'\n') || count(0) > 0;
        framing
    }

    /// Whether nothing follows on its connection: in HTTP/1.0 unless it says otherwise.
    const fn ends(&self, old: bool) -> bool {
        if old { !self.stays } else { self.closes }
    }
}

/// What a line says, where it begins with this name, in lower case and with its colon.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (begins, value) = line.split_at_checked(name.len())?;
    begins.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The status that a head's first line tells.
pub(crate) fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line.strip_prefix(b"HTTP/1.")?.get(2..5)?).ok()?.parse().ok()
}

/// What follows a head.
fn after(head: &[u8], framing: &Framing<'_>, bare: bool, read: bool) -> State {
    if framing.odd || std::str::from_utf8(head).is_err() {
        return State::ToTheEnd { odd: true };
    }
    match status(head) {
        None | Some(101) => return State::ToTheEnd { odd: true },
        Some(100..=199) => return State::Head(Vec::new()),
        Some(204 | 304) => return State::Whole,
        Some(_) if bare => return State::Whole,
        Some(200..=599) => {}
        Some(_) => return State::ToTheEnd { odd: true },
    }
    match (framing.lengths, framing.encodings) {
        ((1, length), (0, _)) if length.iter().all(u8::is_ascii_digit) => {
            match std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()) {
                Some(0) => State::Whole,
                Some(length) => State::Body(Left::Length(length)),
                None => State::ToTheEnd { odd: true },
            }
        }
        ((0, _), (1, encoding)) if encoding.eq_ignore_ascii_case(b"chunked") => {
            State::Body(Left::Chunks(if read { Chunks::default() } else { Chunks::of_an_answer() }))
        }
        ((0, _), (0, _)) => State::ToTheEnd { odd: false },
        _ => State::ToTheEnd { odd: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the answer and whether it is whole, told at once and byte by byte.
    fn follow(text: &[u8], bare: bool) -> (usize, bool) {
        let mut whole = Reply::new(bare, true);
        let once = (whole.take(text), whole.is_whole());
        let mut single = Reply::new(bare, true);
        let taken = text.iter().map(|byte| single.take(&[*byte])).sum();
        assert_eq!((taken, single.is_whole()), once, "{}", text.escape_ascii());
        once
    }

    #[test]
    fn an_answer_ends_where_its_head_says() {
        for (text, rest) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhimore"[..], 4),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nmore", 4),
            (b"HTTP/1.1 204 No Content\r\n\r\nmore", 4),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 0),
        ] {
            assert_eq!(follow(text, false), (text.len() - rest, true), "{}", text.escape_ascii());
        }
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!((follow(head, true), follow(head, false)), ((head.len(), true), (head.len(), false)));
    }

    #[test]
    fn what_cannot_be_told_apart_ends_where_the_server_closes() {
        for text in [
            &b"HTTP/1.1 200 OK\r\n\r\nhi"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 1\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;extension\r\nh\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 1\r\n\r\nhi",
            b"HTTP/1.1 200 OK\nContent-Length: 1\n\nhi",
            b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\nhi",
            b"no answer at all\r\n\r\nhi",
        ] {
            assert_eq!(follow(text, false), (text.len(), false), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_nobody_looks_at_may_have_extensions_and_trailers() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n0\r\nX: y\r\n\r\nmore";
        let mut reply = Reply::new(false, false);
        let taken: usize = text.iter().map(|byte| reply.take(&[*byte])).sum();
        assert_eq!((taken, reply.is_whole()), (text.len() - 4, true));
    }

    #[test]
    fn heads_are_bounded_together() {
        for text in [
            [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; MAX_HEAD][..]].concat(),
            [b"HTTP/1.1 ", &[b'2'; MAX_HEAD][..]].concat(),
            b"HTTP/1.1 102 Processing\r\n\r\n".repeat(MAX_HEAD / 20),
            b"SSH-2.0-x\r\n".to_vec(),
            b"HTTP/2 200\r\n\r\n".to_vec(),
            b"\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec(),
        ] {
            let mut told = Vec::new();
            Reply::new(false, false).take_with(&text, &mut |part, _| told.push(part));
            assert_eq!(told.last(), Some(&Part::NoHead), "{}", text[..20.min(text.len())].escape_ascii());
        }
    }
}
