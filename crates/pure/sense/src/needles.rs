//! Short secrets, found exactly wherever they stand, in any ASCII case: host names are lowered on their way.
//!
//! Of the last eight bytes of each, every four in a row are kept, and every fifth four of the bytes that are looked at are
//! looked up: one of them stands in any secret. A secret is also looked for reversed, in ROT13 and in the three ways base64
//! can hold it inside other bytes, since it may be too short for a run of base64 to be noticed.

use std::collections::HashMap;

use crate::Coding;

/// The shortest secret that is looked for. Anything shorter stands in ordinary words.
pub const MIN_SECRET: usize = 8;

/// Bytes that are looked up together.
const FOUR: usize = 4;

/// The distance of those that are looked up.
const STRIDE: usize = MIN_SECRET - FOUR + 1;

/// Bytes that are looked up before what was hit is looked at.
const PIECE: usize = STRIDE << 12;

/// Sets the bit that tells upper from lower case in each of four bytes.
const CASE: u32 = 0x2020_2020;

/// One way to write one secret.
struct Needle {
    text: Vec<u8>,
    source: u32,
    coding: Option<Coding>,
}

/// Secrets by four bytes of each way to write them.
#[derive(Default)]
pub(crate) struct Needles {
    all: Vec<Needle>,
    /// Which secret they belong to, and how far from its end they stand.
    by_four: HashMap<u32, Vec<(u32, usize)>>,
    /// A bit for each key that may be there, 64 bits a key.
    maybe: Vec<u64>,
    longest: usize,
}

impl Needles {
    /// Adds a secret as it is, reversed, in ROT13 and in base64. Shorter than eight bytes it is left out.
    pub(crate) fn add(&mut self, value: &[u8], source: u32) {
        self.add_forms(value, source);
        for before in 0..3 {
            let standard = within_base64(value, before);
            let safe = standard.iter().map(|&byte| url_safe(byte)).collect();
            self.insert(standard, source, Some(Coding::Base64));
            self.insert(safe, source, Some(Coding::Base64));
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
        let Some(&end) = text.last_chunk::<MIN_SECRET>() else { return };
        let index = self.all.len() as u32;
        let first = self.by_four.get(&key(&end[..FOUR])).map(Vec::as_slice).unwrap_or_default();
        let same = |(other, _): &(u32, usize)| self.all[*other as usize].text.eq_ignore_ascii_case(&text);
        if coding.is_some() && first.iter().any(same) {
            return;
        }
        self.longest = self.longest.max(text.len());
        self.all.push(Needle { text, source, coding });
        for (at, four) in end.windows(FOUR).enumerate() {
            self.by_four.entry(key(four)).or_default().push((index, MIN_SECRET - at));
            self.mark(key(four));
        }
    }

    /// Calls `see` with the source, coding and length of every secret in the bytes.
    pub(crate) fn each(&self, bytes: &[u8], mut see: impl FnMut(u32, Option<Coding>, usize)) {
        let mut from = 0;
        while from + FOUR <= bytes.len() && !self.all.is_empty() {
            // In pieces, so that bytes full of hits need no list as long as themselves.
            let piece = &bytes[from..bytes.len().min(from + PIECE)];
            for (at, key) in self.hits(piece) {
                self.around(key, from + at, bytes, &mut see);
            }
            from += PIECE;
        }
    }

    /// Offsets whose key may be there. Apart from what follows a hit, or this loop would not stay in registers.
    fn hits(&self, bytes: &[u8]) -> Vec<(usize, u32)> {
        let (maybe, shift) = (&self.maybe[..], 64 - self.maybe.len().ilog2());
        let mut hits = Vec::new();
        for (count, five) in bytes.chunks(STRIDE).enumerate() {
            let Some(four) = five.get(..FOUR) else { break };
            let key = key(four);
            let mixed = mixed(key);
            if maybe[(mixed >> shift) as usize] >> (mixed >> (shift - 6) & 63) & 1 == 1 {
                hits.push((count * STRIDE, key));
            }
        }
        hits
    }

    fn around(&self, key: u32, at: usize, bytes: &[u8], see: &mut impl FnMut(u32, Option<Coding>, usize)) {
        for &(index, before_end) in self.by_four.get(&key).map(Vec::as_slice).unwrap_or_default() {
            let needle = &self.all[index as usize];
            let end = at + before_end;
            let begin = end.checked_sub(needle.text.len()).filter(|_| end <= bytes.len());
            if begin.is_some_and(|begin| bytes[begin..end].eq_ignore_ascii_case(&needle.text)) {
                see(needle.source, needle.coding, needle.text.len());
            }
        }
    }

    fn mark(&mut self, key: u32) {
        let words = self.by_four.len().next_power_of_two().max(256);
        if words > self.maybe.len() {
            self.maybe = vec![0; words];
            let keys: Vec<u32> = self.by_four.keys().copied().collect();
            keys.into_iter().for_each(|key| self.set(key));
        }
        self.set(key);
    }

    fn set(&mut self, key: u32) {
        let (mixed, shift) = (mixed(key), 64 - self.maybe.len().ilog2());
        self.maybe[(mixed >> shift) as usize] |= 1 << (mixed >> (shift - 6) & 63);
    }
}

/// Four bytes in any case.
fn key(four: &[u8]) -> u32 {
    four.iter().fold(0, |key, &byte| key << 8 | u32::from(byte)) | CASE
}

fn mixed(key: u32) -> u64 {
    u64::from(key ^ key >> 15).wrapping_mul(0x9e37_79b9_7f4a_7c15)
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

/// The digits of base64 that the value alone decides when so many bytes stand before it in its group of three.
fn within_base64(value: &[u8], before: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| value[at / 8] >> (7 - at % 8) & 1;
    let first = (before * 8).div_ceil(6) * 6 - before * 8;
    let bits = value.len() * 8;
    let digit = |from: usize| (from..from + 6).fold(0, |digit, at| digit << 1 | bit(at));
    (first..).step_by(6).take_while(|from| from + 6 <= bits).map(|from| DIGITS[usize::from(digit(from))]).collect()
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
                found(secret, &[&b"y".repeat(PIECE - 20)[..], &bytes, b"z"].concat()),
                [None],
                "after a piece and {before}"
            );
        }
    }

    #[test]
    fn base64_holds_a_value_in_three_ways() {
        // base64 of "Tr0ub4dor&3", of "u:Tr0ub4dor&3" and of "a:Tr0ub4dor&3;" with one and two bytes before it.
        for text in ["VHIwdWI0ZG9yJjM=", "dTpUcjB1YjRkb3ImMw==", "OlRyMHViNGRvciYzOw=="] {
            assert_eq!(found(b"Tr0ub4dor&3", text.as_bytes()), [Some(Coding::Base64)], "{text}");
        }
    }
}
