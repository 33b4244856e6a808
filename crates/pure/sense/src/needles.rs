//! Short secrets, found exactly wherever they stand, in any ASCII case: host names are lowered on their way.
//!
//! Of the last bytes of each, as many as the shortest has, every four in a row are kept, and of the bytes that are
//! looked at as few fours are looked up as leave one in any secret: every fifth for one of eight bytes. A secret is
//! also looked for reversed, in ROT13 and in the three ways base64 can hold it inside other bytes, or the
//! five of base32, since it may be too short for a run of digits to be noticed.

use std::collections::{BTreeMap, HashMap};

use crate::Coding;
use crate::coding::{APART, Cut};
use crate::fold::fold;
use crate::fours::{FOUR, Fours};

/// The shortest secret that is looked for. Anything shorter stands in ordinary words.
pub const MIN_SECRET: usize = 8;

/// The most bytes at the end of each whose fours are kept.
const MOST: usize = 16;

/// Bytes of a secret that is too short to be a run of base32 by itself.
const SHORT: usize = 20;

/// Fours that are looked up before what was hit is looked at.
const PIECE: usize = 1 << 12;

/// Bytes of a piece in which a secret may begin that goes on in the next one.
const BEGINS: usize = 512;

/// Pieces between two of one secret, which say something else or are none. With more of them, enough little ones would spell
/// anything.
const BETWEEN: usize = 6;

/// One way to write one secret.
#[derive(Clone)]
struct Needle {
    text: Vec<u8>,
    source: u32,
    coding: Option<Coding>,
}

/// Secrets by four bytes of each way to write them.
#[derive(Default, Clone)]
pub(crate) struct Needles {
    all: Vec<Needle>,
    /// Which secret they belong to, and how far from its end they stand.
    fours: Fours,
    /// Those that are no digits, by their first byte in lower case.
    by_first: HashMap<u8, Vec<u32>>,
    longest: usize,
    /// Bytes of each whose fours are kept.
    ends: usize,
}

impl Needles {
    /// Adds a secret as it is, reversed, in ROT13, in base64, and in base32 if it is short. Shorter than eight bytes it is left out.
    pub(crate) fn add(&mut self, value: &[u8], source: u32) {
        self.add_forms(value, source);
        if value.len() < SHORT {
            (0..5).for_each(|before| self.insert(within(value, before, BASE32), source, Some(Coding::Base32)));
        }
        for standard in in_base64(value) {
            let safe = standard.iter().map(|&byte| url_safe(byte)).collect();
            self.insert(standard, source, Some(Coding::Base64));
            self.insert(safe, source, Some(Coding::Base64));
        }
    }

    /// Adds what base64 of a secret is folded to, where that is so long: cut into groups, whatever marks stand between them.
    pub(crate) fn add_groups(&mut self, value: &[u8], least: usize, source: u32) {
        for digits in in_base64(value) {
            let mut text = Vec::new();
            fold(&digits, &mut text);
            if text.len() >= least {
                self.insert(text, source, Some(Coding::Base64));
            }
        }
    }

    /// The longest way to write one.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a secret as it is, reversed and in ROT13.
    pub(crate) fn add_forms(&mut self, value: &[u8], source: u32) {
        let reversed = value.iter().rev().copied().collect();
        let rotated = value.iter().map(|&byte| rot13(byte)).collect();
        self.insert(value.to_vec(), source, None);
        self.insert(reversed, source, Some(Coding::Reversed));
        self.insert(rotated, source, Some(Coding::Rot13));
    }

    fn insert(&mut self, text: Vec<u8>, source: u32, coding: Option<Coding>) {
        let Some(end) = text.last_chunk::<MIN_SECRET>() else { return };
        let first = self.fours.of(&end[..FOUR]);
        let same = |(other, _): &(u32, usize)| self.all[*other as usize].text.eq_ignore_ascii_case(&text);
        if coding.is_some() && first.iter().any(same) {
            return;
        }
        let ends = text.len().min(if self.all.is_empty() { MOST } else { self.ends });
        self.longest = self.longest.max(text.len());
        if !matches!(coding, Some(Coding::Base64 | Coding::Base32)) {
            let index = self.all.len() as u32;
            self.by_first.entry(text[0].to_ascii_lowercase()).or_default().push(index);
        }
        self.all.push(Needle { text, source, coding });
        if ends == self.ends {
            return self.keep(self.all.len() - 1);
        }
        // What is shorter than all before it, which happens eight times at most.
        self.ends = ends;
        self.fours.clear();
        (0..self.all.len()).for_each(|index| self.keep(index));
    }

    fn keep(&mut self, index: usize) {
        let text = &self.all[index].text;
        for (at, four) in text[text.len() - self.ends..].windows(FOUR).enumerate() {
            self.fours.insert(four, (index as u32, self.ends - at));
        }
    }

    /// Calls `see` with the source, coding and length of every secret in the bytes.
    pub(crate) fn each(&self, bytes: &[u8], mut see: impl FnMut(u32, Option<Coding>, usize)) {
        let mut from = 0;
        while from + FOUR <= bytes.len() && !self.all.is_empty() {
            // In pieces, so that bytes full of hits need no list as long as themselves.
            let apart = self.ends - FOUR + 1;
            let length = PIECE * apart;
            for (at, key) in self.fours.hits(&bytes[from..bytes.len().min(from + length)], apart) {
                self.around(key, from + at, bytes, &mut see);
            }
            from += length;
        }
    }

    fn around(&self, key: u32, at: usize, bytes: &[u8], see: &mut impl FnMut(u32, Option<Coding>, usize)) {
        for &(index, before_end) in self.fours.by(key) {
            let needle = &self.all[index as usize];
            let end = at + before_end;
            let begin = end.checked_sub(needle.text.len()).filter(|_| end <= bytes.len());
            if begin.is_some_and(|begin| bytes[begin..end].eq_ignore_ascii_case(&needle.text)) {
                see(needle.source, needle.coding, needle.text.len());
            }
        }
    }

    /// Calls `see` with every secret that stands in several pieces, one going on where the one before ended, with few others
    /// between; from `work` it takes the comparisons. None when those were more than there were.
    pub(crate) fn each_in(
        &self,
        pieces: &[Cut],
        work: &mut usize,
        mut see: impl FnMut(u32, Option<Coding>, usize),
    ) -> Option<()> {
        let mut begun: BTreeMap<(u32, usize), Begun> = BTreeMap::new();
        for (number, piece) in pieces.iter().enumerate() {
            let place = &piece.place;
            begun.retain(|_, last| place.start <= last.end + APART && number <= last.number + 1 + BETWEEN);
            *work = work.checked_sub(begun.len())?;
            let mut now = Vec::new();
            for (&(index, length), _) in begun.iter().filter(|(_, last)| last.end <= place.start) {
                let needle = &self.all[index as usize];
                let rest = &needle.text[length..];
                let common = rest.len().min(piece.text.len());
                if !rest[..common].eq_ignore_ascii_case(&piece.text[..common]) {
                    continue;
                }
                match common == rest.len() {
                    true => see(needle.source, needle.coding, needle.text.len()),
                    false => now.push((index, length + common)),
                }
            }
            // Where none follows soon, nothing goes on.
            if pieces.get(number + 1).is_some_and(|next| next.place.start <= place.end + APART) {
                self.begin(piece, work, &mut now)?;
            }
            begun.extend(now.into_iter().map(|begun| (begun, Begun { end: place.end, number })));
        }
        Some(())
    }

    /// The secrets that a piece ends within, and how much of each it says.
    fn begin(&self, piece: &Cut, work: &mut usize, found: &mut Vec<(u32, usize)>) -> Option<()> {
        for at in piece.text.len().saturating_sub(BEGINS.min(self.longest))..piece.text.len() {
            let end = &piece.text[at..];
            let first = self.by_first.get(&end[0].to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default();
            *work = work.checked_sub(first.len())?;
            let begins = |index: &&u32| {
                let text = &self.all[**index as usize].text;
                text.get(..end.len()).is_some_and(|begin| begin.len() < text.len() && begin.eq_ignore_ascii_case(end))
            };
            found.extend(first.iter().filter(begins).map(|index| (*index, end.len())));
        }
        Some(())
    }
}

/// Where a secret ended that did not come to its end.
struct Begun {
    end: usize,
    /// The number of the piece.
    number: usize,
}

/// A letter thirteen further, in its own case.
pub(crate) fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}

fn url_safe(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        _ => byte,
    }
}

/// Digits of base64 and of base32.
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A value in the three ways base64 can hold it inside other bytes.
fn in_base64(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..3).map(|before| within(value, before, BASE64))
}

/// The digits that the value alone decides when so many bytes stand before it in its group.
fn within(value: &[u8], before: usize, digits: &[u8]) -> Vec<u8> {
    let each = digits.len().ilog2() as usize;
    let bit = |at: usize| value[at / 8] >> (7 - at % 8) & 1;
    let first = (before * 8).next_multiple_of(each) - before * 8;
    let bits = value.len() * 8;
    let digit = |from: usize| (from..from + each).fold(0, |digit, at| digit << 1 | bit(at));
    let all = (first..).step_by(each).take_while(|from| from + each <= bits);
    all.map(|from| digits[usize::from(digit(from))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secret: &[u8], bytes: &[u8]) -> Vec<Option<Coding>> {
        let (mut needles, mut all) = (Needles::default(), Vec::new());
        needles.add(secret, 0);
        needles.each(bytes, |_, coding, _| all.push(coding));
        all
    }

    #[test]
    fn a_secret_is_found_inside_other_bytes_in_any_case() {
        assert_eq!(found(b"Tr0ub4dor&3", b"xxTR0UB4DOR&3xx"), [None]);
        assert_eq!(found(b"Tr0ub4dor&3", b"3&rod4bu0rT"), [Some(Coding::Reversed)]);
        assert_eq!(found(b"hunter2hunter2", b"x uhagre2uhagre2"), [Some(Coding::Rot13)]);
        assert_eq!(found(b"Tr0ub4dor&3", b"xxTr0ub4dor&"), []);
    }

    #[test]
    fn a_secret_is_found_at_any_offset() {
        for (before, secret) in (0..40).flat_map(|before| [(before, &b"hunter2!"[..]), (before, b"hunter2-hunter3")]) {
            let bytes = [&b"abcdefgh".repeat(5)[..before], secret].concat();
            assert_eq!(found(secret, &bytes), [None], "after {before}");
            assert_eq!(
                found(secret, &[&b"y".repeat(PIECE * (secret.len() - FOUR + 1) - 20)[..], &bytes, b"z"].concat()),
                [None],
                "after a piece and {before}"
            );
        }
    }

    #[test]
    fn a_shorter_secret_that_comes_later_leaves_the_others_found() {
        let secrets: [&[u8]; 4] = [b"a-secret-of-more-than-twenty", b"hunter2-hunter3", b"Tr0ub4dor&3", b"hunter2!"];
        let mut needles = Needles::default();
        for (number, secret) in secrets.iter().enumerate() {
            needles.add_forms(secret, number as u32);
            for (at, known) in secrets[..=number].iter().enumerate() {
                for before in 0..20 {
                    let mut seen = Vec::new();
                    needles.each(&[&b"x".repeat(before), *known, b"yz"].concat(), |source, _, _| seen.push(source));
                    assert!(seen.contains(&(at as u32)), "{at} of {number} after {before}");
                }
            }
        }
    }

    #[test]
    fn base32_holds_a_value_in_five_ways() {
        // base32 of "hunter2!", and with one to four bytes before it.
        for text in
            ["NB2W45DFOIZCC===", "pbuhk3tumvzdeii", "PB4GQ5LOORSXEMRB", "PB4HQ2DVNZ2GK4RSEE", "PB4HQ6DIOVXHIZLSGIQQ"]
        {
            assert_eq!(found(b"hunter2!", text.as_bytes()), [Some(Coding::Base32)], "{text}");
        }
    }

    /// The secrets that stand in pieces, each so many bytes behind the one before.
    fn found_in(secret: &[u8], pieces: &[&str], apart: usize) -> usize {
        let (mut needles, mut all, mut at) = (Needles::default(), 0, 0);
        needles.add(secret, 0);
        let place = |text: &&str| {
            let begin = at;
            at += text.len() + apart;
            Cut { text: text.as_bytes().to_vec(), place: begin..begin + text.len() }
        };
        let pieces: Vec<Cut> = pieces.iter().map(place).collect();
        needles.each_in(&pieces, &mut 10_000, |_, _, _| all += 1).map_or(usize::MAX, |()| all)
    }

    #[test]
    fn a_secret_is_found_in_pieces_with_others_between() {
        let secret = b"Tr0ub4dor&3";
        let bytes: Vec<String> = secret.iter().map(|byte| char::from(*byte).to_string()).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        for pieces in [
            &["it is Tr0ub4d", "or&3, is it"][..],
            &["x Tr0u", "~)^", "b4d", "x", "T", "or&", "3"],
            &["TrTrTr0", "Tr0", "ub4dor&", "3"],
            &bytes,
        ] {
            assert_eq!(found_in(secret, pieces, 9), 1, "{pieces:?}");
            assert_eq!(found_in(secret, pieces, APART + 1), 0, "{pieces:?}");
        }
        for pieces in [
            &["Tr0ub4dor&3"][..],
            &["Tr0ub4d", "or&"],
            &["Tr0ub4d", "r&3"],
            &["Tr", "x", "x", "x", "x", "x", "x", "x", "0ub4dor&3"],
        ] {
            assert_eq!(found_in(secret, pieces, 9), 0, "{pieces:?}");
        }
        assert_eq!(found_in(b"aaaaaaaaaaaaaaaaaaaa", &["aaaa"; 5000], 0), usize::MAX, "work is bounded");
    }

    #[test]
    fn base64_holds_a_value_in_three_ways() {
        // base64 of "Tr0ub4dor&3", of "u:Tr0ub4dor&3" and of "a:Tr0ub4dor&3;" with one and two bytes before it.
        for text in ["VHIwdWI0ZG9yJjM=", "dTpUcjB1YjRkb3ImMw==", "OlRyMHViNGRvciYzOw=="] {
            assert_eq!(found(b"Tr0ub4dor&3", text.as_bytes()), [Some(Coding::Base64)], "{text}");
        }
    }
}
