//! What was cut into pieces, each encoded by itself, with anything between them: `OGY= and: Y2FmZQ==`. A piece may be a single
//! byte, too short for a run of digits to be one by itself, and so may the words between them: what are pieces and what is not
//! shows only beside what is looked for.
//!
//! They are read behind what shows that something was encoded: a long run that reads like text, or digits that are padded.

use std::ops::Range;

use super::alphabet::{Alphabet, LEAST_BASE32, NONE};
use super::signs::is_digit;
use crate::scan::around;

/// Something that may be one of several pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// What it says.
    pub(crate) text: Vec<u8>,
    /// Where it is written.
    pub(crate) place: Range<usize>,
}

/// Bytes between one piece and the next: a line of a log with a time and a number, or an element with a name and attributes.
pub(crate) const APART: usize = 256;

/// Digits that stand by themselves.
struct Token {
    place: Range<usize>,
    padding: usize,
}

/// Marks that are digits, too, as they are of one alphabet: pieces without padding may stand between those of the other.
const MARKS: [&[u8; 2]; 2] = [b"-_", b"/+"];

/// What a run may be pieces of, which stand between such marks, in lines of their own, or between what parts bytes from each
/// other: what looks like digits stands there, too, `6f6e65 12: 74776f`.
pub(super) fn parted(bytes: &[u8], run: Range<usize>, alphabet: &Alphabet) -> Vec<Cut> {
    let (digits, mut all) = (&bytes[run.clone()], Vec::new());
    let is_other = |byte: &u8| !alphabet.is_digit(*byte);
    if digits.iter().any(is_other) && digits.split(is_other).any(|part| part.len() >= alphabet.least) {
        split(bytes, run.clone(), is_other, alphabet, &mut all);
    }
    for marks in MARKS.iter().filter(|marks| alphabet.pads && digits.iter().any(|byte| marks.contains(byte))) {
        split(bytes, run.clone(), |byte| marks.contains(byte) || is_other(byte), alphabet, &mut all);
    }
    all.sort_by_key(|piece| piece.place.start);
    all.dedup();
    all
}

/// Appends what the parts of a run say.
fn split(bytes: &[u8], run: Range<usize>, parts: impl Fn(&u8) -> bool, alphabet: &Alphabet, all: &mut Vec<Cut>) {
    let mut begin = run.start;
    for part in bytes[run].split(parts) {
        let place = begin..begin + part.len();
        begin = place.end + 1;
        all.extend(alphabet.text(part).map(|text| Cut { text, place }));
    }
}

/// All that may be pieces, in order: the long runs, which were read already, and short ones behind them or behind padded ones.
pub(super) fn among(bytes: &[u8], long: Vec<Cut>, alphabet: &Alphabet) -> Vec<Cut> {
    let (mut all, mut at, mut reach) = (Vec::new(), 0, 0);
    for next in long {
        short(bytes, at..next.place.start, reach, alphabet, &mut all);
        at = at.max(next.place.end);
        reach = at + APART;
        all.push(next);
    }
    short(bytes, at..bytes.len(), reach, alphabet, &mut all);
    all
}

/// Appends the short ones of a stretch without long ones: up to `reach`, and within reach of padded ones.
fn short(bytes: &[u8], within: Range<usize>, mut reach: usize, alphabet: &Alphabet, all: &mut Vec<Cut>) {
    let mut at = within.start;
    while at < within.end {
        if at >= reach {
            let Some(padded) = next_padded(bytes, at..within.end, alphabet) else { return };
            at = padded.place.start;
        }
        let token = next(bytes, at..within.end, alphabet);
        let Some(token) = token.filter(|token| token.place.start <= at.max(reach)) else {
            at = at.max(reach);
            continue;
        };
        at = token.place.end + token.padding;
        if token.place.len() < alphabet.least {
            let before = all.len();
            all.extend(readings(bytes, &token, alphabet));
            if all.len() > before && token.padding > 0 {
                reach = at + APART;
            }
        }
    }
}

/// The first digits there.
fn next(bytes: &[u8], within: Range<usize>, alphabet: &Alphabet) -> Option<Token> {
    let begin = within.start + bytes[within.clone()].iter().position(|byte| alphabet.is_digit(*byte))?;
    let length = bytes[begin..within.end].iter().take_while(|byte| alphabet.is_digit(**byte)).count();
    Some(Token { place: begin..begin + length, padding: alphabet.padding(&bytes[begin + length..within.end]) })
}

/// The first digits there that are few, padded, and say something.
fn next_padded(bytes: &[u8], within: Range<usize>, alphabet: &Alphabet) -> Option<Token> {
    if !alphabet.pads {
        return None;
    }
    let mut at = within.start;
    loop {
        let end = at + memchr::memchr(b'=', &bytes[at..within.end])?;
        let padding = alphabet.padding(&bytes[end..within.end]);
        let token = padded(bytes, at..end, padding, alphabet);
        if token.is_some() {
            return token;
        }
        at = end + padding;
    }
}

/// The digits there that stand before so much padding, if they are few and say something.
fn padded(bytes: &[u8], within: Range<usize>, padding: usize, alphabet: &Alphabet) -> Option<Token> {
    let digits = bytes[within.clone()].iter().rev().take(alphabet.least);
    let length = digits.take_while(|byte| alphabet.is_digit(**byte)).count();
    let token = Token { place: within.end - length..within.end, padding };
    let few = (2..alphabet.least).contains(&length);
    (few && !is_name(bytes, &token) && readings(bytes, &token, alphabet).next().is_some()).then_some(token)
}

/// Bytes on each side of an edit that hold all of what is few and padded over it.
const NEAR: usize = 2 * LEAST_BASE32;

/// Whether there are digits of any of those that are few, padded, and say something; with `edits` over one of those places.
/// Most `=` stand behind a space or a name.
pub(super) fn are_padded(bytes: &[u8], edits: Option<&[usize]>, alphabets: &[&Alphabet]) -> bool {
    let pads = |end: usize| {
        let digits = bytes[..end].last_chunk::<2>().is_some_and(|two| two.iter().all(|byte| is_digit(*byte)));
        let name = bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
        let says = |alphabet: &&Alphabet| padded(bytes, 0..end, alphabet.padding(&bytes[end..]), alphabet).is_some();
        digits && !name && alphabets.iter().any(says)
    };
    // At the end a quote may be gone that made a name of them.
    let end = edits.map(|_| bytes.len().saturating_sub(NEAR)..bytes.len());
    around(edits, NEAR, bytes.len()).chain(end).any(|within| {
        let begin = within.start;
        memchr::memchr_iter(b'=', &bytes[within]).any(|at| pads(begin + at))
    })
}

/// Whether what stands before a `=` is rather the name of what follows: `page=2`, `lang="en"`.
fn is_name(bytes: &[u8], token: &Token) -> bool {
    let before = token.place.start.checked_sub(1).map(|before| bytes[before]);
    let behind = bytes.get(token.place.end + token.padding).copied();
    token.padding == 1
        && behind.is_some_and(|behind| match behind {
            b'"' | b'\'' => before != Some(behind),
            behind => behind.is_ascii_alphanumeric(),
        })
}

/// The ways to read digits as text: from the beginning, from where their padding says that a group begins, and behind a mark
/// that is a digit, too: `part/OGY=`. Where the last group is not whole, a word may stand right behind the others.
fn readings(bytes: &[u8], token: &Token, alphabet: &Alphabet) -> impl Iterator<Item = Cut> {
    let Token { place, padding } = token;
    let digits = &bytes[place.clone()];
    let over = (digits.len() + padding) % alphabet.alignments;
    let from_end = (*padding > 0 && over > 0).then_some(over);
    let mark = digits.iter().rposition(|byte| matches!(byte, b'-' | b'_' | b'/' | b'+')).map(|mark| mark + 1);
    let begins = [(*padding == 0 || over == 0).then_some(0), from_end, mark.filter(|mark| Some(*mark) != from_end)];
    let place = place.start..place.end + padding;
    begins.into_iter().flatten().filter_map(move |begin| {
        let digits = digits.get(begin..)?;
        let whole = &digits[..digits.len() - digits.len() % alphabet.alignments];
        let text = alphabet.text(digits).or_else(|| alphabet.text(whole))?;
        Some(Cut { text, place: place.clone() })
    })
}

impl Alphabet {
    fn is_digit(&self, byte: u8) -> bool {
        self.values[usize::from(byte)] != NONE
    }

    /// How many bytes at the start stand for digits that are none.
    fn padding(&self, bytes: &[u8]) -> usize {
        if !self.pads {
            return 0;
        }
        bytes.iter().take(self.alignments).take_while(|byte| **byte == b'=').count()
    }

    /// What some digits say, if they are as many as whole bytes take, what is left of the last one is zero, and it is text.
    fn text(&self, digits: &[u8]) -> Option<Vec<u8>> {
        let value = |byte: &u8| self.values[usize::from(*byte)];
        let left = digits.len() * self.bits % 8;
        if left >= self.bits || value(digits.last()?) & ((1 << left) - 1) != 0 {
            return None;
        }
        // Most words begin with no letter.
        let first = digits.iter().take(8usize.div_ceil(self.bits)).map(value);
        let (first, bits) =
            first.fold((0u16, 0), |(word, bits), one| (word << self.bits | u16::from(one), bits + self.bits));
        if bits < 8 || !is_text((first >> (bits - 8)) as u8) {
            return None;
        }
        let values: Vec<u8> = digits.iter().map(value).collect();
        let mut text = Vec::new();
        (self.pack)(&values, &mut text);
        text.iter().all(|byte| is_text(*byte)).then_some(text)
    }
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::alphabet::{BASE32, BASE64, HEX};
    use super::*;

    fn read(text: &str, long: &[(&str, Range<usize>)], alphabet: &Alphabet) -> Vec<String> {
        let long = long.iter().map(|(text, place)| Cut { text: text.as_bytes().to_vec(), place: place.clone() });
        let all = among(text.as_bytes(), long.collect(), alphabet);
        all.into_iter().map(|piece| String::from_utf8(piece.text).expect("text")).collect()
    }

    #[test]
    fn padded_pieces_are_read_whatever_stands_between() {
        for text in
            ["c2U= and: Y3JldA== then b3U=", "[\"c2U=\",\"Y3JldA==\",\"b3U=\"]", "1. c2U=\n2. Y3JldA==\n3. b3U=\n"]
        {
            assert_eq!(read(text, &[], &BASE64), ["se", "cret", "ou"], "{text}");
        }
        assert_eq!(read("a/b/c2U= x-c2U= k=c2U=c2U=", &[], &BASE64).concat(), "sesesese");
        assert_eq!(read("ON2A==== and OM======", &[], &BASE32[0]), ["st", "s"]);
        assert_eq!(read("no == padding = here, a=b c== class=\"x\"", &[], &BASE64), [""; 0]);
    }

    #[test]
    fn a_run_is_parted_at_marks_that_are_digits() {
        let texts = |run: &str| {
            let parts = parted(run.as_bytes(), 0..run.len(), &BASE64);
            parts.into_iter().map(|piece| String::from_utf8(piece.text).expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(texts("c2VjcmV0PyA-c2VjcmV0Pw-b3U"), ["secret? ", "secret?", "ou"]);
        assert_eq!(texts("Pz8-Pz8-c2U/c2VjcmV0/b3U"), ["??", "??>??>se", "??", "secret", "ou"]);
        assert_eq!(texts("c2VjcmV0PyAc2VjcmV0"), [""; 0]);
    }

    #[test]
    fn what_looks_like_bytes_between_pieces_parts_them() {
        let texts = |run: &str| {
            let parts = parted(run.as_bytes(), 0..run.len(), &HEX);
            parts.into_iter().map(|piece| String::from_utf8(piece.text).expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(texts("7365637265742d31 12: 7365 dead 2"), ["secret-1", "se"]);
        assert_eq!(texts("73 65 63 72 65 74 2d 31"), [""; 0]);
    }

    #[test]
    fn short_ones_are_read_behind_a_long_one() {
        let text = format!("{}{}736563 and 7a{}7365", "0".repeat(40), " then: ", "-".repeat(APART));
        assert_eq!(read(&text, &[("long", 0..40)], &HEX), ["long", "sec", "z"]);
        assert_eq!(read(&text, &[], &HEX), [""; 0]);
        let text = format!("{}c2Vj file Y3I", "=".repeat(8));
        assert_eq!(read(&text, &[("long", 0..1)], &BASE64), ["long", "sec", "~)^", "cr"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_none_are_padded_nothing_short_is_read(pieces in proptest::collection::vec(
            "[A-Za-z0-9+/_-]{1,30}|={1,7}|[ \"'&;:.]|[A-Z2-7]{2}={6}|[a-z]{2}(Q|g|w|A)==", 0..12,
        )) {
            let text = pieces.concat();
            for alphabet in [&BASE64, &BASE32[0], &BASE32[1]] {
                let read = among(text.as_bytes(), Vec::new(), alphabet);
                prop_assert_eq!(are_padded(text.as_bytes(), None, &[alphabet]), !read.is_empty(), "{:?}", read);
            }
        }
    }
}
