//! Bytes that were written as numbers with something else between them: `115|116`, `"73","74"`, `chr(115)+chr(116)`, `&#115 `.
//!
//! Anything may stand between two numbers as long as the same stands between the next two, whatever its spacing. What
//! [`super::numbers`] and [`super::digits`] read is left to them.

use std::ops::Range;

use super::signs::{self, gathered};
use super::{Coding, Take};

/// Numbers in the shortest list.
const FEW: usize = 8;

/// Bytes between two numbers, without and with spacing.
const BETWEEN: usize = 10;
const SPACED: usize = 48;

/// Bytes that are looked at together, and decimal digits among them that the thinnest list has: one for each letter, also
/// where those are hexadecimal.
const BLOCK: usize = 64;
const MANY: usize = 5;

/// Whether there are digits enough for a list.
pub(crate) fn may_hold(text: &[u8]) -> bool {
    text.chunks(BLOCK).any(is_dense)
}

/// Undoes every list, or those that reach over an edit.
pub(super) fn undo(text: &[u8], edits: Option<&[usize]>, take: &mut dyn Take) {
    let (mut decimal, mut hex) = (Vec::new(), Vec::new());
    for place in places(text, edits) {
        let text = &text[place];
        for row in rows(text, is_decimal, false) {
            let usual = |byte| matches!(byte, b',' | b';' | b'-' | b':');
            lists(&text[row], is_decimal, number, usual, &mut decimal);
        }
        for row in rows(text, is_hex, true) {
            let usual = |byte| matches!(byte, b':' | b',' | b';' | b'-' | b'\\' | b'x' | b'X' | b'%' | b'0');
            lists(&text[row], is_hex, two_digits, usual, &mut hex);
        }
    }
    take.layer(&[Coding::Numbers], &decimal);
    take.layer(&[Coding::Hex], &hex);
}

fn is_dense(block: &[u8]) -> bool {
    signs::count(block, is_decimal) >= MANY
}

fn is_decimal(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Where there may be lists: blocks with digits, and those beside them, where one may begin or end.
fn places(text: &[u8], edits: Option<&[usize]>) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    for (number, _) in text.chunks(BLOCK).enumerate().filter(|(_, block)| is_dense(block)) {
        let (begin, end) = ((number * BLOCK).saturating_sub(BLOCK), text.len().min((number + 2) * BLOCK));
        match places.last_mut().filter(|last| begin <= last.end) {
            Some(last) => last.end = end,
            None => places.push(begin..end),
        }
    }
    let Some(edits) = edits else { return places };
    let mut next = 0;
    places.retain(|place| {
        next += edits[next..].iter().take_while(|edit| **edit < place.start).count();
        edits.get(next).is_some_and(|edit| *edit <= place.end)
    });
    places
}

/// What a run of digits is.
enum Token {
    Byte(u8),
    /// None of a list.
    Other,
    /// A part of what stands between two.
    Between,
}

fn number(digits: &[u8]) -> Token {
    let value =
        digits.iter().fold(0u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    u8::try_from(value).map_or(Token::Other, Token::Byte)
}

/// A run of another length belongs to a word.
fn two_digits(digits: &[u8]) -> Token {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    match *digits {
        [high, low] => Token::Byte(value(high) << 4 | value(low)),
        _ => Token::Between,
    }
}

/// Appends the bytes of every list whose digits are such, and between which there is more than what is usual.
#[inline(always)]
fn lists(
    text: &[u8],
    is_digit: impl Fn(u8) -> bool,
    token: impl Fn(&[u8]) -> Token,
    usual: impl Fn(u8) -> bool,
    out: &mut Vec<u8>,
) {
    let (mut list, mut between) = (Vec::new(), &text[..0]);
    let mut flush = |list: &mut Vec<u8>, between: &[u8]| {
        if list.len() >= FEW && !solid(between).all(&usual) {
            out.extend_from_slice(list);
        }
        list.clear();
    };
    let mut end = 0;
    each_run(text, is_digit, |run| {
        match token(&text[run.clone()]) {
            Token::Between => return,
            Token::Other => flush(&mut list, between),
            Token::Byte(byte) => {
                let here = &text[end..run.start];
                let few = || here.len() <= BETWEEN || solid(here).count() <= BETWEEN;
                let apart = here.len() <= SPACED && few();
                if list.len() > 1 && !(apart && solid(here).eq(solid(between))) {
                    // The last one of a list may be the first of another.
                    let last = list.last().copied().filter(|_| apart);
                    flush(&mut list, between);
                    list.extend(last);
                } else if !apart {
                    list.clear();
                }
                list.push(byte);
                between = here;
            }
        }
        end = run.end;
    });
    flush(&mut list, between);
}

/// Where behind as many runs of digits in a row as a list has stands the same byte, or spacing: from what stands before the
/// first of them to the end of the one behind the last. Of those runs that are `two` digits, or of all. Checksums are full of
/// runs, so no branch depends on one.
#[inline(always)]
fn rows(text: &[u8], is_digit: impl Fn(u8) -> bool, two: bool) -> Vec<Range<usize>> {
    let (mut rows, mut before) = (Vec::new(), 0);
    let (mut alike, mut last, mut from, mut end) = (0, b' ', 0, 0);
    each_block(text, is_digit, |number, block, digits| {
        // Of what stands one, two and three bytes in front of each.
        let [first, second, third] = [1, 2, 3].map(|by| digits << by | before >> (BLOCK - by));
        let mut ends = !digits & first & if two { second & !third } else { u64::MAX };
        before = digits;
        while ends != 0 {
            let at = ends.trailing_zeros() as usize % BLOCK;
            ends &= ends - 1;
            let (next, here) = (block[at], number * BLOCK + at);
            let same = (next == last) | next.is_ascii_whitespace() | last.is_ascii_whitespace();
            if !same & (alike + 2 >= FEW) {
                rows.push(from..here);
            }
            (alike, from) = if same { (alike + 1, from) } else { (0, end) };
            (last, end) = (next, here);
        }
    });
    if alike + 2 >= FEW {
        rows.push(from..text.len());
    }
    rows
}

/// Calls `see` with each run of such bytes.
#[inline(always)]
fn each_run(text: &[u8], is: impl Fn(u8) -> bool, mut see: impl FnMut(Range<usize>)) {
    let (mut begin, mut before) = (None, 0);
    each_block(text, is, |number, _, bits| {
        // Where a run begins, and where one ended.
        let mut edges = bits ^ (bits << 1 | before);
        before = bits >> (BLOCK - 1);
        while edges != 0 {
            let edge = number * BLOCK + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            match begin.take() {
                Some(begin) => see(begin..edge),
                None => begin = Some(edge),
            }
        }
    });
}

/// Calls `see` with each block, its number, and which of its bytes are such, the first one in the lowest bit. The last one is
/// filled up with zeros, which are none of them.
#[inline(always)]
fn each_block(text: &[u8], is: impl Fn(u8) -> bool, mut see: impl FnMut(usize, &[u8; BLOCK], u64)) {
    let (blocks, rest) = text.as_chunks();
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        see(number, block, gathered(&block.map(|byte| u8::from(is(byte)))));
    }
}

/// Without spacing.
fn solid(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (String, String) {
        let (mut decimal, mut hex) = (Vec::new(), Vec::new());
        for place in places(text.as_bytes(), None) {
            let text = &text.as_bytes()[place];
            lists(text, is_decimal, number, |byte| byte == b',', &mut decimal);
            lists(text, is_hex, two_digits, |byte| byte == b':', &mut hex);
        }
        (String::from_utf8_lossy(&decimal).into_owned(), String::from_utf8_lossy(&hex).into_owned())
    }

    fn each(write: impl Fn(u8) -> String) -> String {
        b"The quick brown fox".iter().map(|byte| write(*byte)).collect()
    }

    #[test]
    fn numbers_are_read_with_the_same_between_them() {
        let decimal: [fn(u8) -> String; 7] = [
            |byte| format!("{byte}|"),
            |byte| format!("{byte}."),
            |byte| format!("{byte}x"),
            |byte| format!("\"{byte}\",\n        "),
            |byte| format!("chr({byte})+"),
            |byte| format!("&#{byte} "),
            |byte| format!("{{\"a\":{byte}}},"),
        ];
        for write in decimal {
            assert_eq!(read(&format!("for 12 words: {}", each(write))).0, "The quick brown fox");
        }
        let hex: [fn(u8) -> String; 5] = [
            |byte| format!("{byte:02x}."),
            |byte| format!("{byte:02X}|"),
            |byte| format!("\"{byte:02x}\", "),
            |byte| format!("chr(0x{byte:02x})+"),
            |byte| format!("&#x{byte:02x} "),
        ];
        for write in hex {
            assert_eq!(read(&format!("dead {}", each(write))).1, "The quick brown fox");
        }
    }

    #[test]
    fn other_numbers_are_no_list() {
        for text in [
            "0.115, 0.116, 0.117, 0.118, 0.119, 0.115, 0.116, 0.117, 0.118",
            "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4",
            "115, 116, 117, 118, 119, 120, 121, 122",
            "1115|1116|1117|1118|1119|1120|1121|1122",
        ] {
            assert_eq!(read(text).0, "", "{text}");
        }
    }

    #[test]
    fn away_from_edits_nothing_is_read() {
        let text = [vec![b' '; 400], each(|byte| format!("{byte}|")).into_bytes(), vec![b' '; 400]].concat();
        assert!(places(&text, Some(&[100, 800])).is_empty());
        assert_eq!(places(&text, Some(&[100, 430])), places(&text, None));
        assert!(may_hold(&text) && !may_hold(&[b' '; 400]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_run_is_seen(pieces in proptest::collection::vec("[0-9]{0,70}|[a-f ]{1,3}|[|.x]{1,70}", 0..40)) {
            let text = pieces.concat().into_bytes();
            let is_begin = |at: &usize| is_hex(text[*at]) && (*at == 0 || !is_hex(text[at - 1]));
            let length = |begin: usize| text[begin..].iter().take_while(|byte| is_hex(**byte)).count();
            let runs: Vec<_> = (0..text.len()).filter(is_begin).map(|begin| begin..begin + length(begin)).collect();
            let mut seen = Vec::new();
            each_run(&text, is_hex, |run| seen.push(run));
            prop_assert_eq!(&seen, &runs);
        }

        #[test]
        fn every_list_is_one_of_a_row(
            pieces in proptest::collection::vec(
                "([0-9]{1,3}[|.,] ?){1,12}|([0-9a-f]{2}(x| x|-|\\| )){1,12}|([0-9]{1,2}a){1,20}|[0-9a-f]{1,3}|[;a. ]{1,60}", 0..20,
            ),
        ) {
            let text = pieces.concat().into_bytes();
            let read = |rows: &[Range<usize>], two| {
                let mut out = Vec::new();
                for row in rows.iter().map(|row| &text[row.clone()]) {
                    match two {
                        false => lists(row, is_decimal, number, |_| false, &mut out),
                        true => lists(row, is_hex, two_digits, |_| false, &mut out),
                    }
                }
                out
            };
            prop_assert_eq!(read(&rows(&text, is_decimal, false), false), read(&[0..text.len()], false));
            prop_assert_eq!(read(&rows(&text, is_hex, true), true), read(&[0..text.len()], true));
        }
    }
}
