//! The alphabets in which bytes are written as digits, and their runs: what may stand between digits belongs to a run.

use std::ops::Range;

use super::signs::LEAST_DIGITS;
use super::{Coding, silent};

/// A way to write bytes as digits.
pub(super) struct Alphabet {
    pub(super) coding: Coding,
    /// Makes bytes of digits.
    pub(super) pack: fn(&[u8], &mut Vec<u8>),
    /// In which alignments digits may say something, the first one in the lowest bit.
    pub(super) speaking: fn(&[u8]) -> u8,
    /// How many bits a digit says.
    pub(super) bits: usize,
    /// In how many digits bytes and digits begin together again.
    pub(super) alignments: usize,
    /// What lacks to that many is written as `=`.
    pub(super) pads: bool,
    /// The shortest run.
    pub(super) least: usize,
    /// The value of each digit, [`NONE`] for what is none.
    pub(super) values: [u8; 256],
    /// The length of what may stand between digits.
    between: fn(&[u8], usize) -> usize,
}

pub(super) const NONE: u8 = u8::MAX;

pub(super) const BASE64: Alphabet = Alphabet {
    coding: Coding::Base64,
    pack: pack::<6, 4, 3>,
    speaking: silent::base64,
    bits: 6,
    alignments: 4,
    pads: true,
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
pub(super) const HEX: Alphabet = Alphabet {
    coding: Coding::Hex,
    pack: pack::<4, 2, 1>,
    speaking: silent::hex,
    bits: 4,
    alignments: 2,
    pads: false,
    least: LEAST_DIGITS,
    values: values(&[(b'0', b'9', 0), (b'a', b'f', 10), (b'A', b'F', 10)]),
    between: separator,
};
/// Of one case: in both, most of base64 would read as base32.
pub(super) const BASE32: [Alphabet; 2] = [base32(b'A', b'Z'), base32(b'a', b'z')];
/// Those whose digits are padded.
pub(super) const PADDED: [&Alphabet; 3] = [&BASE64, &BASE32[0], &BASE32[1]];
/// The shortest run of base32.
pub(super) const LEAST_BASE32: usize = 24;
pub(super) const BITS: Alphabet = Alphabet {
    coding: Coding::Bits,
    pack: pack::<1, 8, 1>,
    speaking: |_| silent::ANY,
    bits: 1,
    alignments: 8,
    pads: false,
    least: 64,
    values: values(&[(b'0', b'1', 0)]),
    between: byte_break,
};

/// The digits of all runs.
#[derive(Default)]
pub(super) struct Read {
    /// Their values.
    pub(super) digits: Vec<u8>,
    /// Where each run is among them.
    pub(super) runs: Vec<Range<usize>>,
    /// Where each is in the bytes.
    pub(super) places: Vec<Range<usize>>,
}

/// Reads the runs within those of a wider alphabet.
pub(super) fn runs(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet) -> Read {
    let (mut read, mut at) = (Read::default(), 0);
    for place in within.iter().filter(|place| place.len() >= alphabet.least) {
        at = at.max(place.start);
        while at < place.end {
            if alphabet.values[usize::from(bytes[at])] == NONE {
                at += 1;
                continue;
            }
            let (begin, from) = (read.digits.len(), at);
            at = run(bytes, at, alphabet, &mut read.digits);
            if read.digits.len() - begin >= alphabet.least {
                read.runs.push(begin..read.digits.len());
                read.places.push(from..at);
                at = tail(bytes, at, alphabet, &mut read);
            } else {
                read.digits.truncate(begin);
            }
        }
    }
    read
}

/// Bytes after a run in which a shorter one is looked for.
const NEAR: usize = 24;

/// Reads the shorter run that stands right behind a long one, if it is a whole number of groups: what was encoded in pieces
/// ends with one. Where that ends.
fn tail(bytes: &[u8], at: usize, alphabet: &Alphabet, read: &mut Read) -> usize {
    if !alphabet.pads {
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
            let first = read.digits.len();
            read.digits.extend(near[begin..end].iter().map(|byte| alphabet.values[usize::from(*byte)]));
            read.runs.push(first..read.digits.len());
            read.places.push(at + begin..at + end);
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

/// The bytes that digits of so many bits say, in groups of so many that are so many bytes; what is left over at the end is
/// dropped.
fn pack<const BITS: usize, const GROUP: usize, const BYTES: usize>(digits: &[u8], out: &mut Vec<u8>) {
    let word = |digits: &[u8]| digits.iter().fold(0u64, |word, &digit| word << BITS | u64::from(digit));
    let bytes = |word: u64, bits: usize| (word << (64 - bits)).to_be_bytes();
    let (groups, rest) = digits.as_chunks::<GROUP>();
    out.clear();
    out.resize(groups.len() * BYTES, 0);
    for (group, out) in groups.iter().zip(out.as_chunks_mut::<BYTES>().0) {
        out.copy_from_slice(&bytes(word(group), BITS * GROUP)[..BYTES]);
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
        pack: pack::<5, 8, 5>,
        speaking: |_| silent::ANY,
        bits: 5,
        alignments: 8,
        pads: true,
        least: LEAST_BASE32,
        values,
        between: line_break,
    }
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
        let Read { digits, runs, .. } = runs(text, &[0..text.len()], alphabet);
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
