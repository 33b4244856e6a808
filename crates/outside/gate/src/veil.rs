//! Takes secrets out of an answer before the program has it. Each byte of one becomes a star, so that whatever the answer
//! says of its length stays true. Held back is only what may be the beginning of one.

use crate::judges::Judge;
use crate::look::Unread;

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Veil {
    /// Longest first: where one holds another, all of it goes.
    secrets: Vec<Vec<u8>>,
    /// Secrets that were found.
    found: u64,
}

impl Veil {
    pub(crate) fn new(mut secrets: Vec<Vec<u8>>) -> Veil {
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Veil { secrets, found: 0 }
    }

    /// Puts stars in the place of each.
    pub(crate) fn blank(&mut self, text: &mut [u8]) {
        for secret in &self.secrets {
            let mut from = 0;
            while let Some(at) = find(&text[from..], secret) {
                let start = from + at;
                let masked = start..start + secret.len();
                text[masked].fill(b'*');
                self.found += 1;
                from = start + secret.len();
            }
        }
    }

    /// How many bytes at the end may be the beginning of a secret.
    fn begun(&self, text: &[u8]) -> usize {
        let longest = self.secrets.first().map_or(0, |secret| secret.len().saturating_sub(1)).min(text.len());
        let begins = |length: usize| {
            self.secrets.iter().any(|secret| secret.len() > length && text.ends_with(&secret[..length]))
        };
        (1..=longest).rev().find(|&length| begins(length)).unwrap_or(0)
    }
}

impl Judge for Veil {
    fn reads(&self) -> bool {
        true
    }

    fn judge(&mut self, text: &mut [u8]) -> Result<usize, Unread> {
        self.blank(text);
        Ok(self.begun(text))
    }

    fn knows(&self, line: &[u8]) -> bool {
        self.secrets.iter().any(|secret| find(line, secret).is_some())
    }

    fn masked(&mut self) -> u64 {
        std::mem::take(&mut self.found)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judges::Judges;
    use crate::reply::{Part, Reply};

    fn veiled(secret: &[u8]) -> Judges {
        Judges::default().and(Some(Veil::new(vec![secret.to_vec()])))
    }

    /// What a program gets of an answer that comes in pieces of this size.
    fn through(answer: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut reply, mut veil, mut out) = (Reply::new(false, true), veiled(b"s3cret-value"), Vec::new());
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
    fn no_more_is_held_than_may_be_one() {
        let mut veil = veiled(b"s3cret-value");
        let body = |bytes: &[u8]| [(Part::Body, 0..bytes.len())];
        assert_eq!(veil.pass(b"abc s3cr", &body(b"abc s3cr"), false), Ok(b"abc ".to_vec()));
        assert_eq!(veil.pass(b"x", &body(b"x"), false), Ok(b"s3crx".to_vec()));
        assert_eq!(veil.pass(b"s3", &body(b"s3"), true), Ok(b"s3".to_vec()));
    }
}
