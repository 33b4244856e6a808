//! Takes secrets out of an answer before the program has it. Each byte of one becomes a star, so that whatever the answer
//! says of its length stays true. Held back is only what may be the beginning of one.

use crate::reply::Part;

/// What is looked for, and what of an answer was not passed on yet.
#[derive(Debug)]
pub(crate) struct Veil {
    /// Longest first: where one holds another, all of it goes.
    secrets: Vec<Vec<u8>>,
    held: Vec<u8>,
    /// Which bytes of `held` are what the answer carries, in order; the others frame it.
    carried: Vec<usize>,
    /// Secrets that were found.
    pub(crate) found: u64,
}

impl Veil {
    pub(crate) fn new(mut secrets: Vec<Vec<u8>>) -> Veil {
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Veil { secrets, held: Vec::new(), carried: Vec::new(), found: 0 }
    }

    /// Takes a piece of an answer and gives what may be passed on, all of it at the end.
    pub(crate) fn pass(&mut self, bytes: &[u8], parts: &[(Part, std::ops::Range<usize>)], end: bool) -> Vec<u8> {
        let from = self.held.len();
        self.held.extend_from_slice(bytes);
        self.carried.extend(parts.iter().flat_map(|(_, range)| range.clone()).map(|at| from + at));
        let mut text: Vec<u8> = self.carried.iter().map(|at| self.held[*at]).collect();
        self.blank(&mut text);
        let keep = if end { 0 } else { self.begun(&text) };
        let out = match keep {
            0 => self.held.len(),
            keep => self.carried[self.carried.len() - keep],
        };
        let passed: Vec<u8> = self.held.drain(..out).collect();
        self.carried = self.carried.split_off(self.carried.len() - keep).iter().map(|at| at - out).collect();
        passed
    }

    /// Whether a text holds one of them.
    pub(crate) fn holds(&self, text: &[u8]) -> bool {
        self.secrets.iter().any(|secret| find(text, secret).is_some())
    }

    fn blank(&mut self, text: &mut [u8]) {
        for secret in &self.secrets {
            let mut from = 0;
            while let Some(at) = find(&text[from..], secret) {
                let start = from + at;
                let masked = start..start + secret.len();
                text[masked.clone()].fill(b'*');
                self.carried[masked].iter().for_each(|place| self.held[*place] = b'*');
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
    use crate::reply::Reply;

    /// What a program gets of an answer that comes in pieces of this size.
    fn through(answer: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut reply, mut veil, mut out) =
            (Reply::new(false, true), Veil::new(vec![b"s3cret-value".to_vec()]), Vec::new());
        for piece in answer.chunks(size) {
            let mut parts = Vec::new();
            let taken = reply.take_with(piece, &mut |part, range| parts.push((part, range)));
            out.extend(veil.pass(&piece[..taken], &parts, reply.is_whole()));
        }
        (out, veil.found)
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
        let mut veil = Veil::new(vec![b"s3cret-value".to_vec()]);
        let body = |bytes: &[u8]| [(Part::Body, 0..bytes.len())];
        assert_eq!(veil.pass(b"abc s3cr", &body(b"abc s3cr"), false), b"abc ");
        assert_eq!(veil.pass(b"x", &body(b"x"), false), b"s3crx");
        assert_eq!(veil.pass(b"s3", &body(b"s3"), true), b"s3");
    }
}
