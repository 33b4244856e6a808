//! Bytes that were written as digits: base64, base32, hexadecimal, found as runs inside other text.
//!
//! A run may begin in the middle of what it says, after letters that stand before it by chance, so every alignment is
//! decoded, and of each what reads like text is taken: the rest is noise. Runs of one
//! alignment are joined: a text that was encoded in pieces is whole again.

use std::ops::Range;

use super::signs::{LEAST_DIGITS, legible};
use super::{Coding, Signs, Take, signs, squeezed};
use crate::entropy;

/// A way to write bytes as digits.
struct Alphabet {
    coding: Coding,
    /// Makes bytes of digits.
    pack: fn(&[u8], &mut Vec<u8>),
    /// In how many digits bytes and digits begin together again.
    alignments: usize,
    /// The shortest run.
    least: usize,
    /// The value of each digit, [`NONE`] for what is none.
    values: [u8; 256],
    /// The length of what may stand between digits.
    between: fn(&[u8], usize) -> usize,
}

const NONE: u8 = u8::MAX;

const BASE64: Alphabet = Alphabet {
    coding: Coding::Base64,
    pack: pack::<6, 4>,
    alignments: 4,
    least: LEAST_DIGITS,
    values: values(&[
        (b'A', b'Z', 0),
        (b'a', b'z', 26),
        (b'0', b'9', 52),
        (b'+', b'+', 62),
        (b'-', b'-', 62),
        (b'/', b'/', 63),
        (b'_', b'_', 63),
    ]),
    between: line_break,
};
const HEX: Alphabet = Alphabet {
    coding: Coding::Hex,
    pack: pack::<4, 2>,
    alignments: 2,
    least: LEAST_DIGITS,
    values: values(&[(b'0', b'9', 0), (b'a', b'f', 10), (b'A', b'F', 10)]),
    between: separator,
};
/// Of one case: in both, most of base64 would read as base32.
const BASE32: [Alphabet; 2] = [base32(b'A', b'Z'), base32(b'a', b'z')];
/// The shortest run of base32.
const LEAST_BASE32: usize = 24;
const BITS: Alphabet = Alphabet {
    coding: Coding::Bits,
    pack: pack::<1, 8>,
    alignments: 8,
    least: 64,
    values: values(&[(b'0', b'1', 0)]),
    between: byte_break,
};

/// Undecodable bytes in one place that let a run begin elsewhere than it seems to.
const GAP: usize = 3;

/// Undoes what the bytes hold of each.
pub(super) fn undo(bytes: &[u8], signs: &Signs, joints: &[usize], take: &mut dyn Take) {
    let wide: Vec<Range<usize>> = signs.base64.iter().flat_map(|run| without_hex(bytes, run, joints)).collect();
    if !signs.base64.is_empty() {
        decode(bytes, &wide, &BASE64, take);
    } else if bytes.len() >= BASE64.least && bytes.iter().all(|&byte| spaced(byte)) {
        // Digits in groups: no run is long, and yet there is nothing else.
        let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        decode(&digits, std::slice::from_ref(&(0..digits.len())), &BASE64, take);
    }
    for alphabet in &BASE32 {
        decode(bytes, &narrower(bytes, &wide, alphabet), alphabet, take);
    }
    [HEX, BITS].iter().for_each(|alphabet| decode(bytes, &signs.hexish, alphabet, take));
}

/// Digits that are all of hexadecimal: so many of a wider alphabet are so by chance once in a hundred million.
const HEX_ALONE: usize = 20;

/// Whether a run is one of hexadecimal and of nothing else: checksums are most of what is written in digits.
fn is_hex(run: &[u8]) -> bool {
    run.len() >= HEX_ALONE && run.iter().all(u8::is_ascii_hexdigit)
}

/// A run without those pieces of it that are hexadecimal and nothing else: what was joined there stood by itself before.
fn without_hex(bytes: &[u8], run: &Range<usize>, joints: &[usize]) -> Vec<Range<usize>> {
    let first = joints.partition_point(|joint| *joint <= run.start);
    let within = joints[first..].iter().copied().take_while(|joint| *joint < run.end);
    let (mut kept, mut from): (Vec<Range<usize>>, usize) = (Vec::new(), run.start);
    for end in within.chain([run.end]) {
        let piece = std::mem::replace(&mut from, end)..end;
        if is_hex(&bytes[piece.clone()]) {
            continue;
        }
        match kept.last_mut().filter(|last| last.end == piece.start) {
            Some(last) => last.end = piece.end,
            None => kept.push(piece),
        }
    }
    kept.retain(|piece| piece.len() >= LEAST_DIGITS);
    kept
}

/// Undoes the runs of one alphabet, which are within those of a wider one.
fn decode(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet, take: &mut dyn Take) {
    let (digits, mut runs) = runs(bytes, within, alphabet);
    if runs.is_empty() {
        return;
    }
    let how = [alphabet.coding];
    let (several, mut pieces) = (runs.len() > 1, Vec::new());
    let (mut whole, mut text) = (Vec::new(), Vec::new());
    let mut best = vec![Best::default(); if several { runs.len() } else { 0 }];
    let mut runs: Vec<(usize, Range<usize>)> = runs.drain(..).enumerate().collect();
    for skipped in 0..alphabet.alignments {
        text.clear();
        // What reads like text from one end to the other begins nowhere else.
        runs.retain(|(number, run)| {
            (alphabet.pack)(&digits[(run.start + skipped).min(run.end)..run.end], &mut whole);
            let first = skipped == 0;
            if first && (!pieces.is_empty() || squeezed::begins(&whole)) {
                pieces.extend_from_slice(&whole);
            }
            if first && entropy::is_container(&whole) || squeezed::holds_mark(&whole) {
                take.layer(&how, &whole);
                return true;
            }
            let before = text.len();
            let goes_on = legible(&whole, &mut text) > GAP;
            if let Some(best) = best.get_mut(*number) {
                best.take(&text[before..], skipped);
            }
            if first && goes_on {
                entropy::judge(&whole, &[], take);
            }
            goes_on
        });
        take.parts(&how, &text);
    }
    // What was compressed and then encoded in pieces shows its mark in the first one alone.
    if several {
        take.parts(&how, &pieces);
    }
    // A letter stands before one of the pieces by chance, and not before the others.
    if best.iter().any(|one| one.skipped != 0 && !one.text.is_empty()) {
        take.parts(&how, &best.iter().flat_map(|one| &one.text).copied().collect::<Vec<u8>>());
    }
}

/// How one of several runs reads most like text.
#[derive(Clone, Default)]
struct Best {
    text: Vec<u8>,
    skipped: usize,
}

impl Best {
    fn take(&mut self, text: &[u8], skipped: usize) {
        if text.len() > self.text.len() {
            *self = Best { text: text.to_vec(), skipped };
        }
    }
}

/// Runs of an alphabet within those of a wider one.
fn narrower(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet) -> Vec<Range<usize>> {
    let digit = |byte: u8| alphabet.values[usize::from(byte)] != NONE;
    let inside = |place: &Range<usize>| {
        let begin = place.start;
        let moved = move |run: Range<usize>| begin + run.start..begin + run.end;
        signs::runs(&bytes[place.clone()], alphabet.least, digit).into_iter().map(moved)
    };
    within.iter().flat_map(inside).collect()
}

/// The values of the digits of all runs, and where each run is among them.
fn runs(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut digits, mut runs, mut at) = (Vec::new(), Vec::new(), 0);
    for place in within.iter().filter(|place| place.len() >= alphabet.least) {
        at = at.max(place.start);
        while at < place.end {
            if alphabet.values[usize::from(bytes[at])] == NONE {
                at += 1;
                continue;
            }
            let begin = digits.len();
            at = run(bytes, at, alphabet, &mut digits);
            if digits.len() - begin >= alphabet.least {
                runs.push(begin..digits.len());
                at = tail(bytes, at, alphabet, &mut digits, &mut runs);
            } else {
                digits.truncate(begin);
            }
        }
    }
    (digits, runs)
}

/// Bytes after a run in which a shorter one is looked for.
const NEAR: usize = 24;

/// Reads the shorter run that stands right behind a long one, if it is a whole number of groups: what was encoded in pieces
/// ends with one. Where that ends.
fn tail(bytes: &[u8], at: usize, alphabet: &Alphabet, digits: &mut Vec<u8>, runs: &mut Vec<Range<usize>>) -> usize {
    if !matches!(alphabet.coding, Coding::Base64 | Coding::Base32) {
        return at;
    }
    let near = &bytes[at..bytes.len().min(at + NEAR)];
    let mut from = 0;
    while let Some(before) = near[from..].iter().position(|byte| alphabet.values[usize::from(*byte)] != NONE) {
        let begin = from + before;
        let length = extent(&near[begin..], |byte| alphabet.values[usize::from(byte)] != NONE);
        let end = begin + length;
        let padded = length + extent(&near[end..], |byte| byte == b'=');
        let whole = end < near.len() || at + near.len() == bytes.len();
        if length >= 2 && padded >= alphabet.alignments && padded.is_multiple_of(alphabet.alignments) {
            // A long one is found by itself.
            if !whole || length >= alphabet.least {
                return at;
            }
            let first = digits.len();
            digits.extend(near[begin..end].iter().map(|byte| alphabet.values[usize::from(*byte)]));
            runs.push(first..digits.len());
            return at + end;
        }
        from = end;
    }
    at
}

/// How many bytes at the start are such.
fn extent(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// Reads one run from there; where it ends.
fn run(bytes: &[u8], mut at: usize, alphabet: &Alphabet, digits: &mut Vec<u8>) -> usize {
    let value =
        |at: usize| bytes.get(at).map(|byte| alphabet.values[usize::from(*byte)]).filter(|value| *value != NONE);
    let begin = digits.len();
    loop {
        let line = digits.len();
        let more = bytes.get(at..).unwrap_or_default();
        let more = &more[..more.iter().take_while(|byte| alphabet.values[usize::from(**byte)] != NONE).count()];
        digits.extend(more.iter().map(|byte| alphabet.values[usize::from(*byte)]));
        at += more.len();
        let skipped = |count| {
            Some((alphabet.between)(&bytes[at..], count)).filter(|&length| length > 0 && value(at + length).is_some())
        };
        let count = digits.len() - line;
        if let Some(length) = skipped(count) {
            at += length;
        } else if line == begin
            && count > 2
            && let Some(length) = skipped(count - 1)
        {
            // One digit too many before what stands between bytes: it is none of theirs.
            digits.remove(begin);
            at += length;
        } else {
            return at;
        }
    }
}

/// The bytes that digits of so many bits say, in groups of so many; what is left over at the end is dropped.
fn pack<const BITS: usize, const GROUP: usize>(digits: &[u8], out: &mut Vec<u8>) {
    let word = |digits: &[u8]| digits.iter().fold(0u64, |word, &digit| word << BITS | u64::from(digit));
    let bytes = |word: u64, bits: usize| (word << (64 - bits)).to_be_bytes();
    out.clear();
    out.reserve(digits.len() * BITS / 8 + 8);
    let (groups, rest) = digits.as_chunks::<GROUP>();
    for group in groups {
        out.extend_from_slice(&bytes(word(group), BITS * GROUP)[..BITS * GROUP / 8]);
    }
    if !rest.is_empty() {
        out.extend_from_slice(&bytes(word(rest), BITS * rest.len())[..BITS * rest.len() / 8]);
    }
}

/// The values of ranges of digits.
const fn values(ranges: &[(u8, u8, u8)]) -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut index = 0;
    while index < ranges.len() {
        let (first, last, value) = ranges[index];
        let mut digit = first;
        while digit <= last {
            table[digit as usize] = value + (digit - first);
            digit += 1;
        }
        index += 1;
    }
    table
}

const fn base32(first: u8, last: u8) -> Alphabet {
    let values = values(&[(first, last, 0), (b'2', b'7', 26)]);
    Alphabet {
        coding: Coding::Base32,
        pack: pack::<5, 8>,
        alignments: 8,
        least: LEAST_BASE32,
        values,
        between: line_break,
    }
}

fn spaced(byte: u8) -> bool {
    BASE64.values[usize::from(byte)] != NONE || byte == b'=' || byte.is_ascii_whitespace()
}

/// The length of a line break after a line of digits, written out or not, or of the `\` in `\/`.
fn line_break(bytes: &[u8], line: usize) -> usize {
    if bytes.starts_with(b"\\/") {
        return 1;
    }
    let breaks = [&b"\r\n"[..], b"\n", b"\\r\\n", b"\\n"];
    let found = breaks.iter().find(|one| bytes.starts_with(one)).filter(|_| line >= LEAST_DIGITS);
    found.map_or(0, |one| one.len() + bytes[one.len()..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
}

/// What stands between two bytes at most: a comma, a line end and as much as a table is indented.
const APART: usize = 24;

/// The length of what stands between two bytes in hexadecimal: `:`, ` `, `, 0x`, `\x`, a line end. Only between bytes.
fn separator(bytes: &[u8], digits: usize) -> usize {
    if digits % 2 == 1 {
        return 0;
    }
    let plain = apart(bytes);
    let prefix = [&b"\\x"[..], b"0x", b"0X", b"%"].into_iter().find(|prefix| bytes[plain..].starts_with(prefix));
    plain + prefix.map_or(0, <[u8]>::len)
}

/// The length of what stands between two bytes in binary.
fn byte_break(bytes: &[u8], digits: usize) -> usize {
    if digits.is_multiple_of(8) { apart(bytes) } else { 0 }
}

fn apart(bytes: &[u8]) -> usize {
    let between = |byte: &&u8| matches!(byte, b':' | b' ' | b',' | b';' | b'-' | b'\t' | b'\n' | b'\r');
    bytes.iter().take(APART).take_while(between).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], alphabet: &Alphabet) -> Vec<Vec<u8>> {
        let (digits, runs) = runs(text, &[0..text.len()], alphabet);
        let packed = |run: Range<usize>| {
            let mut out = Vec::new();
            (alphabet.pack)(&digits[run], &mut out);
            out
        };
        runs.into_iter().map(packed).collect()
    }

    #[test]
    fn base64_is_read_over_lines_in_both_alphabets() {
        let whole = b"The quick brown fox, 00??>>".to_vec();
        for text in [
            "VGhlIHF1aWNrIGJyb3duIGZveCwgMDA/Pz4+",
            "VGhlIHF1aWNrIGJy\r\nb3duIGZveCwgMDA_Pz4-",
            "VGhlIHF1aWNrIGJyb3du\\nIGZveCwgMDA\\/Pz4+",
        ] {
            assert_eq!(all(text.as_bytes(), &BASE64), [&whole[..]], "{text}");
        }
    }

    #[test]
    fn hexadecimal_is_read_with_what_stands_between() {
        for text in [
            "5468652071756963",
            "54:68:65:20:71:75:69:63",
            "54 68 65 20 71 75 69 63",
            "\\x54\\x68\\x65\\x20\\x71\\x75\\x69\\x63",
            "0x54, 0x68, 0x65, 0x20, 0x71, 0x75, 0x69, 0x63",
            "054:68:65:20:71:75:69:63",
        ] {
            let found = all(text.as_bytes(), &HEX);
            assert!(found.iter().any(|bytes| bytes.ends_with(b"he quic")), "{text}: {found:?}");
        }
    }

    #[test]
    fn binary_digits_are_read() {
        let bytes = |text: &[u8]| text.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>();
        for between in ["", " ", ",\n    "] {
            assert_eq!(all(bytes(b"The quick").join(between).as_bytes(), &BITS), [b"The quick"]);
        }
    }

    #[test]
    fn base32_is_read() {
        assert_eq!(all(b"KRUGKIDROVUWG2ZAMJZG653O", &BASE32[0]), [b"The quick brown"]);
    }
}
