//! Takes secrets out of an answer before the program has it. Each byte of one becomes a star, so that whatever the answer
//! says of its length stays true. Held back is only what may be the beginning of one.

use std::ops::Range;

use crate::judges::Judge;
use crate::look::Unread;
use crate::spelled::{Met, Spelled};

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Veil {
    secrets: Vec<Spelled>,
    /// Bytes that one may begin with: at most of a text nothing has to be looked for.
    begins: Box<[bool; 256]>,
    /// Secrets that were found.
    found: u64,
}

impl Veil {
    pub(crate) fn new(secrets: &[String]) -> Veil {
        let secrets: Vec<Spelled> = secrets.iter().filter(|one| !one.is_empty()).map(|one| Spelled::new(one)).collect();
        let mut begins = Box::new([false; 256]);
        for byte in 0..=u8::MAX {
            begins[usize::from(byte)] = secrets.iter().any(|secret| secret.begins(byte));
        }
        Veil { secrets, begins, found: 0 }
    }

    /// Puts stars in the place of each. Gives how many bytes at the end may be the beginning of one.
    pub(crate) fn blank(&mut self, text: &mut [u8]) -> usize {
        let (found, begun) = self.look(text);
        let mut end = 0;
        for range in found {
            // What holds another, or goes on with it, is one.
            self.found += u64::from(range.start >= end);
            end = end.max(range.end);
            text[range].fill(b'*');
        }
        begun.map_or(0, |begun| text.len() - begun)
    }

    /// Where they stand, in order, and where the first begins that may go on behind the end.
    fn look(&self, text: &[u8]) -> (Vec<Range<usize>>, Option<usize>) {
        let (mut found, mut begun) = (Vec::new(), None);
        for (at, byte) in text.iter().enumerate().filter(|(_, byte)| self.begins[usize::from(**byte)]) {
            for secret in self.secrets.iter().filter(|secret| secret.begins(*byte)) {
                match secret.met(&text[at..]) {
                    Met::Whole(length) => found.push(at..at + length),
                    Met::Begun => begun = begun.or(Some(at)),
                    Met::Nothing => {}
                }
            }
        }
        (found, begun)
    }
}

impl Judge for Veil {
    fn reads(&self) -> bool {
        true
    }

    fn judge(&mut self, text: &mut [u8]) -> Result<usize, Unread> {
        Ok(self.blank(text))
    }

    fn knows(&self, line: &[u8]) -> bool {
        !self.look(line).0.is_empty()
    }

    fn masked(&mut self) -> u64 {
        std::mem::take(&mut self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judges::Judges;
    use crate::reply::{Part, Reply};

    fn veiled(secret: &str) -> Judges {
        Judges::default().and(Some(Veil::new(&[secret.to_owned()])))
    }

    /// What a program gets of an answer that comes in pieces of this size.
    fn through(answer: &[u8], size: usize) -> (Vec<u8>, u64) {
        of("s3cret-value", answer, size)
    }

    fn of(secret: &str, answer: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut reply, mut veil, mut out) = (Reply::new(false, true), veiled(secret), Vec::new());
        for piece in answer.chunks(size) {
            let mut parts = Vec::new();
            let taken = reply.take_with(piece, &mut |part, range| parts.push((part, range)));
            out.extend(veil.pass(&piece[..taken], &parts, reply.is_whole()).unwrap_or_default());
        }
        (out, veil.masked())
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_is_cut() {
        for (answer, times) in [
            (&b"HTTP/1.1 200 OK\r\nX-Echo: s3cret-value\r\nContent-Length: 30\r\n\r\n<s3cret-value> s3cret-s3cret-v"[..], 2),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n s3\r\n9\r\ncret-valu\r\n2\r\ne.\r\n0\r\n\r\n", 1),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\ns3cret-values3cret-value", 2),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ns3cret", 0),
        ] {
            for size in 1..answer.len() + 1 {
                let (out, found) = through(answer, size);
                assert_eq!((out.len(), found), (answer.len(), times), "{size}: {}", out.escape_ascii());
                let text = String::from_utf8_lossy(&out).replace("\r\n", "");
                assert!(!text.contains("s3cret-value") && !text.contains("cret-valu2"), "{size}: {text}");
            }
        }
    }

    #[test]
    fn it_is_taken_out_in_every_spelling() {
        let secret = "s3/cr&et+v\"l";
        for spelled in [
            "s3/cr&et+v\"l",
            "s3/cr%26et%2Bv%22l",
            "s3%2Fcr%26et%2Bv%22l",
            "s3%2fcr%26et%2bv%22l",
            "s3\\/cr&et+v\\\"l",
            "s3/cr\\u0026et+v\\\"l",
            "\\u0073\\u0033\\u002f\\u0063\\u0072\\u0026\\u0065\\u0074\\u002b\\u0076\\u0022\\u006c",
            "%73%33%2f%63%72%26%65%74%2b%76%22%6c",
            "s3\\\\/cr\\\\u0026et+v\\\\\\\"l",
        ] {
            let body = format!("<{spelled}> and s3\\/cr");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let stars = "*".repeat(spelled.len());
            for size in [1, 2, 3, 5, 7, answer.len()] {
                let (out, found) = of(secret, answer.as_bytes(), size);
                let out = String::from_utf8_lossy(&out).into_owned();
                assert!(out.ends_with(&format!("<{stars}> and s3\\/cr")) && found == 1, "{spelled} by {size}: {out}");
            }
        }
    }

    #[test]
    fn no_more_is_held_than_may_be_one() {
        let mut veil = veiled("s3cret-value");
        let body = |bytes: &[u8]| [(Part::Body, 0..bytes.len())];
        assert_eq!(veil.pass(b"abc s3cr", &body(b"abc s3cr"), false), Ok(b"abc ".to_vec()));
        assert_eq!(veil.pass(b"x", &body(b"x"), false), Ok(b"s3crx".to_vec()));
        assert_eq!(veil.pass(b"s3", &body(b"s3"), true), Ok(b"s3".to_vec()));
    }
}
