//! What the strings of a JSON text say, with where each byte of it stands: a quote within a string hides what it ends.

use std::ops::Range;

/// A text without the escapes of JSON.
#[derive(Debug)]
pub(super) struct Unescaped {
    pub(super) text: String,
    /// For each byte of it the byte of the text that it came from.
    at: Vec<u32>,
}

impl Unescaped {
    /// None where nothing in it is escaped, or it is no JSON.
    pub(super) fn of(text: &str) -> Option<Unescaped> {
        let json = text.trim_start().starts_with(['{', '[', '"']);
        let first = memchr::memchr(b'\\', text.as_bytes()).filter(|_| json)?;
        let mut plain = Unescaped { text: String::with_capacity(text.len()), at: Vec::with_capacity(text.len()) };
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next).filter(|_| letter == '\\' && at >= first);
            let meant = match next {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some(next @ ('"' | '\\' | '/')) => Some(next),
                Some('u') => None,
                _ => {
                    plain.push(letter, at);
                    continue;
                }
            };
            letters.next();
            match meant {
                Some(meant) => plain.push(meant, at),
                None => {
                    let digits = text.get(at + 2..at + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    // Half of a pair is no character, and no secret has one.
                    plain.push(digits.and_then(char::from_u32).unwrap_or('\u{fffd}'), at);
                    if digits.is_some() {
                        letters.by_ref().take(4).for_each(drop);
                    }
                }
            }
        }
        Some(plain)
    }

    fn push(&mut self, letter: char, at: usize) {
        self.text.push(letter);
        self.at.resize(self.text.len(), u32::try_from(at).unwrap_or(u32::MAX));
    }

    /// Where in the text stands what stands here.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let byte = |at: usize| self.at.get(at).map(|at| *at as usize);
        let start = byte(span.start).unwrap_or(0);
        let last = span.end.checked_sub(1).and_then(byte).unwrap_or(start);
        start..byte(span.end).unwrap_or(last + 1).max(start)
    }
}
