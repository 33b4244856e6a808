//! Short secrets, found exactly wherever they stand, in any ASCII case: host names are lowered on their way.
//!
//! Eight bytes of each are looked up at every offset. A secret is also looked for reversed, in ROT13 and in the three
//! ways base64 can hold it inside other bytes, since it may be too short for a run of base64 to be noticed.

use std::collections::HashMap;

use crate::Coding;

/// The shortest secret that is looked for. Anything shorter stands in ordinary words.
pub const MIN_SECRET: usize = 8;

/// Sets the bit that tells upper from lower case in each of eight bytes.
const CASE: u64 = 0x2020_2020_2020_2020;

/// One way to write one secret.
struct Needle {
    text: Vec<u8>,
    source: u32,
    coding: Option<Coding>,
}

/// Secrets by the last eight bytes of each way to write them.
#[derive(Default)]
pub(crate) struct Needles {
    all: Vec<Needle>,
    by_end: HashMap<u64, Vec<u32>>,
    /// A bit for each key that may be there, 64 bits a key.
    maybe: Vec<u64>,
}

impl Needles {
    /// Adds a secret as it is, reversed, in ROT13 and in base64. Shorter than eight bytes it is left out.
    pub(crate) fn add(&mut self, value: &[u8], source: u32) {
        let reversed: Vec<u8> = value.iter().rev().copied().collect();
        let rotated: Vec<u8> = value.iter().map(|&byte| rot13(byte)).collect();
        self.insert(value.to_vec(), source, None);
        self.insert(reversed, source, Some(Coding::Reversed));
        self.insert(rotated, source, Some(Coding::Rot13));
        for before in 0..3 {
            let standard = within_base64(value, before);
            let safe = standard.iter().map(|&byte| url_safe(byte)).collect();
            self.insert(standard, source, Some(Coding::Base64));
            self.insert(safe, source, Some(Coding::Base64));
        }
    }

    /// Adds a text as it is.
    pub(crate) fn insert(&mut self, text: Vec<u8>, source: u32, coding: Option<Coding>) {
        let Some(key) = text.last_chunk().map(key) else { return };
        let index = self.all.len() as u32;
        let same = self.by_end.entry(key).or_default();
        if same.iter().any(|&other| self.all[other as usize].text.eq_ignore_ascii_case(&text)) && coding.is_some() {
            return;
        }
        same.push(index);
        self.all.push(Needle { text, source, coding });
        self.mark(key);
    }

    /// Calls `see` with the source, coding and length of every secret in the bytes.
    pub(crate) fn each(&self, bytes: &[u8], mut see: impl FnMut(u32, Option<Coding>, usize)) {
        if self.all.is_empty() {
            return;
        }
        for (at, key) in self.hits(bytes) {
            self.ending(key, &bytes[..at + MIN_SECRET], &mut see);
        }
    }

    /// Offsets whose key may be there. Apart from what follows a hit, or this loop would not stay in registers.
    fn hits(&self, bytes: &[u8]) -> Vec<(usize, u64)> {
        let (maybe, shift) = (&self.maybe[..], 64 - self.maybe.len().ilog2());
        let mut hits = Vec::new();
        for (at, end) in bytes.array_windows().enumerate() {
            let key = key(end);
            let mixed = mixed(key);
            if maybe[(mixed >> shift) as usize] >> (mixed >> (shift - 6) & 63) & 1 == 1 {
                hits.push((at, key));
            }
        }
        hits
    }

    fn ending(&self, key: u64, bytes: &[u8], see: &mut impl FnMut(u32, Option<Coding>, usize)) {
        for &index in self.by_end.get(&key).map(Vec::as_slice).unwrap_or_default() {
            let needle = &self.all[index as usize];
            let begin = bytes.len().checked_sub(needle.text.len());
            if begin.is_some_and(|begin| bytes[begin..].eq_ignore_ascii_case(&needle.text)) {
                see(needle.source, needle.coding, needle.text.len());
            }
        }
    }

    fn mark(&mut self, key: u64) {
        let words = self.by_end.len().next_power_of_two().max(256);
        if words > self.maybe.len() {
            self.maybe = vec![0; words];
            let keys: Vec<u64> = self.by_end.keys().copied().collect();
            keys.into_iter().for_each(|key| self.set(key));
        }
        self.set(key);
    }

    fn set(&mut self, key: u64) {
        let (mixed, shift) = (mixed(key), 64 - self.maybe.len().ilog2());
        self.maybe[(mixed >> shift) as usize] |= 1 << (mixed >> (shift - 6) & 63);
    }
}

fn key(end: &[u8; MIN_SECRET]) -> u64 {
    u64::from_le_bytes(*end) | CASE
}

fn mixed(key: u64) -> u64 {
    (key ^ (key >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
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
    fn base64_holds_a_value_in_three_ways() {
        // base64 of "Tr0ub4dor&3", of "u:Tr0ub4dor&3" and of "a:Tr0ub4dor&3;" with one and two bytes before it.
        for text in ["VHIwdWI0ZG9yJjM=", "dTpUcjB1YjRkb3ImMw==", "OlRyMHViNGRvciYzOw=="] {
            assert_eq!(found(b"Tr0ub4dor&3", text.as_bytes()), [Some(Coding::Base64)], "{text}");
        }
    }
}
