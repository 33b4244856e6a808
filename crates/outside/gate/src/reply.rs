//! Where the answer to a forwarded request ends. It is passed on as it comes and never refused: what cannot be told
//! apart here ends where the server closes.

use std::ops::Range;

use crate::body::Left;
use crate::chunks::Chunks;

/// Longest head that is followed.
const MAX_HEAD: usize = 64 * 1024;

/// Follows an answer byte by byte.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The request was HEAD: there is no body, whatever the head says.
    bare: bool,
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
}

impl Reply {
    pub(crate) const fn new(bare: bool) -> Reply {
        Reply { bare, state: State::Head(Vec::new()) }
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// Whether its head tells no end of it but the connection's.
    pub(crate) const fn ends_with_the_connection(&self) -> bool {
        matches!(self.state, State::ToTheEnd { .. })
    }

    /// How many of these bytes belong to the answer.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        self.take_with(bytes, &mut |_, _| {})
    }

    /// The same, and tells what stands where. What frames a body is told as nothing.
    pub(crate) fn take_with(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Part, Range<usize>)) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_whole() {
            let rest = &bytes[at..];
            let (taken, next) = match &mut self.state {
                State::Head(head) => {
                    let old = head.len();
                    head.extend_from_slice(rest);
                    match end(head, old) {
                        Some(end) => {
                            tell(Part::Head { last: true }, at..at + end - old);
                            (end - old, Some(after(&head[..end], self.bare)))
                        }
                        None => {
                            let odd = head.len() > MAX_HEAD;
                            tell(if odd { Part::Odd } else { Part::Head { last: false } }, at..bytes.len());
                            (rest.len(), odd.then_some(State::ToTheEnd { odd }))
                        }
                    }
                }
                State::Body(left) => {
                    let mut carried = |range: Range<usize>| tell(Part::Body, at + range.start..at + range.end);
                    match left.take_with(rest, &mut carried) {
                        Ok(taken) => (taken, left.is_done().then_some(State::Whole)),
                        Err(_) => {
                            tell(Part::Odd, at..bytes.len());
                            (rest.len(), Some(State::ToTheEnd { odd: true }))
                        }
                    }
                }
                State::ToTheEnd { odd } => {
                    tell(if *odd { Part::Odd } else { Part::Body }, at..bytes.len());
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

/// Where the head ends, of which `old` bytes were looked at before.
pub(crate) fn end(head: &[u8], old: usize) -> Option<usize> {
    let from = old.saturating_sub(3);
    head[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

/// The status that a head's first line tells.
pub(crate) fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line.strip_prefix(b"HTTP/1.")?.get(2..5)?).ok()?.parse().ok()
}

/// What follows a head.
fn after(head: &[u8], bare: bool) -> State {
    let Some(head) = std::str::from_utf8(head).ok().filter(|head| !head.contains("\n ") && !head.contains("\n\t"))
    else {
        return State::ToTheEnd { odd: true };
    };
    match status(head.as_bytes()) {
        None | Some(101) => return State::ToTheEnd { odd: true },
        Some(100..=199) => return State::Head(Vec::new()),
        Some(204 | 304) => return State::Whole,
        Some(_) if bare => return State::Whole,
        Some(200..=599) => {}
        Some(_) => return State::ToTheEnd { odd: true },
    }
    let (mut lengths, mut encodings) = (Vec::new(), Vec::new());
    for (name, value) in head.split("\r\n").skip(1).filter_map(|line| line.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim()),
            "transfer-encoding" => encodings.push(value.trim()),
            _ => {}
        }
    }
    match (&lengths[..], &encodings[..]) {
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => match length.parse() {
            Ok(0) => State::Whole,
            Ok(length) => State::Body(Left::Length(length)),
            Err(_) => State::ToTheEnd { odd: true },
        },
        ([], [encoding]) if encoding.eq_ignore_ascii_case("chunked") => State::Body(Left::Chunks(Chunks::default())),
        ([], []) => State::ToTheEnd { odd: false },
        _ => State::ToTheEnd { odd: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the answer and whether it is whole, told at once and byte by byte.
    fn follow(text: &[u8], bare: bool) -> (usize, bool) {
        let mut whole = Reply::new(bare);
        let once = (whole.take(text), whole.is_whole());
        let mut single = Reply::new(bare);
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
            b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\nhi",
            b"no answer at all\r\n\r\nhi",
        ] {
            assert_eq!(follow(text, false), (text.len(), false), "{}", text.escape_ascii());
        }
    }
}
