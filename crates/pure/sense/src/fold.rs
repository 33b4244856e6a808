//! The form in which texts are compared: letters and digits in lower case, one byte each, and nothing else.
//!
//! Spaces, punctuation, line ends and invisible characters are dropped, so that none of them hides a text. Letters that
//! look like those of ASCII become those, without their accents; others become one byte above 127 by a hash, ideographs
//! and syllables two, since each says more. There is no Unicode normalisation: where a letter has no look-alike, `й` and
//! `и` with an accent that combines are two texts.

mod lookalike;

use std::ops::Range;
use std::sync::LazyLock;

pub(crate) use lookalike::lookalike;

use crate::coding::character;

/// What a byte above 127 stands for in the table.
const WIDE: u8 = u8::MAX;

/// The folded byte of each ASCII character; zero for what is dropped.
const FOLDED: [u8; 256] = table();

/// Where scripts begin whose characters count twice.
const DENSE: u32 = 0x2e80;

const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let one = byte as u8;
        table[byte] = if one >= 128 {
            WIDE
        } else if one.is_ascii_alphanumeric() {
            one.to_ascii_lowercase()
        } else {
            0
        };
        byte += 1;
    }
    table
}

/// Appends the folded form of the bytes; what is not UTF-8 is dropped. Never longer than the bytes.
pub(crate) fn fold(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + bytes.len(), 0);
    let room = &mut out[begin..];
    let (mut at, mut kept) = (0, 0);
    while at < bytes.len() {
        let folded = FOLDED[usize::from(bytes[at])];
        if folded == WIDE {
            let (length, wide) = step(&bytes[at..]);
            for &one in wide.bytes() {
                room[kept] = one;
                kept += 1;
            }
            at += length;
        } else {
            // Without a branch: letters and what stands between them are mixed as no predictor can know.
            room[kept] = folded;
            kept += usize::from(folded != 0);
            at += 1;
        }
    }
    out.truncate(begin + kept);
}

/// Where in the bytes those stand that folded to `span`.
pub(crate) fn unfold(bytes: &[u8], span: &Range<usize>) -> Range<usize> {
    let (mut at, mut count) = (0, 0);
    let mut begin = None;
    while at < bytes.len() && count < span.end {
        let (length, folded) = step(&bytes[at..]);
        count += folded.bytes().len();
        if count > span.start && begin.is_none() {
            begin = Some(at);
        }
        at += length;
    }
    begin.unwrap_or(at)..at
}

/// What one character folds to: none, one or two bytes.
struct Folded([u8; 2], usize);

impl Folded {
    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

/// The length and folded form of the character at the start of `bytes`, which is not empty.
fn step(bytes: &[u8]) -> (usize, Folded) {
    let folded = FOLDED[usize::from(bytes[0])];
    if folded != WIDE {
        return (1, Folded([folded, 0], usize::from(folded != 0)));
    }
    match character(bytes) {
        Some(letter) => (letter.len_utf8(), wide(letter)),
        None => (1, Folded([0; 2], 0)),
    }
}

/// What letters of two bytes fold to, zero for none: most alphabets are among them, and noise that reads like text is full
/// of them.
static NARROW: LazyLock<[u8; 0x800]> = LazyLock::new(|| {
    std::array::from_fn(|code| {
        let folded = char::from_u32(code as u32).map(computed);
        folded.and_then(|folded| folded.bytes().first().copied()).unwrap_or(0)
    })
});

fn wide(letter: char) -> Folded {
    match NARROW.get(letter as usize) {
        Some(&byte) => Folded([byte, 0], usize::from(byte != 0)),
        None => computed(letter),
    }
}

fn computed(letter: char) -> Folded {
    if let Some(plain) = lookalike(letter) {
        return Folded([plain, 0], 1);
    }
    if !letter.is_alphanumeric() {
        return Folded([0; 2], 0);
    }
    let code = u32::from(letter.to_lowercase().next().unwrap_or(letter));
    let hash = code.wrapping_mul(0x9e37_79b1);
    let byte = |shift: u32| 0x80 | (hash >> shift) as u8;
    Folded([byte(25), byte(17)], if code >= DENSE { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        fold(text.as_bytes(), &mut out);
        out
    }

    #[test]
    fn letters_and_digits_stay_in_lower_case() {
        assert_eq!(folded("You are, a\tCoding\u{200b} Agent-7!\r\n"), b"youareacodingagent7");
        assert_eq!(folded("\u{ff39}ou \u{212a}"), b"youk");
    }

    #[test]
    fn letters_beyond_ascii_count_one_and_ideographs_two() {
        assert_eq!(folded("ДЯ").len(), 2);
        assert_eq!(folded("ДЯ"), folded("дя"));
        assert_eq!(folded("Äo\u{308}"), b"ao");
        assert_eq!(folded("秘密").len(), 4);
    }

    #[test]
    fn what_is_no_utf8_is_dropped() {
        let mut out = Vec::new();
        fold(b"a\xff\xc3b\xf0\x9f", &mut out);
        assert_eq!(out, b"ab");
    }

    #[test]
    fn a_span_is_found_again() {
        let text = "Д-b, 秘 Cd!";
        let all = folded(text);
        assert_eq!(&text[unfold(text.as_bytes(), &(0..all.len()))], "Д-b, 秘 Cd");
        assert_eq!(&text[unfold(text.as_bytes(), &(1..2))], "b");
        assert_eq!(&text[unfold(text.as_bytes(), &(4..6))], "Cd");
    }
}
