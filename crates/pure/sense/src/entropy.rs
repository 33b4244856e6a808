//! What looks encrypted, or compressed in a way that is not undone here.
//!
//! A hint, never proof: ciphertext that is written as words, or sent in pieces of up to 256 bytes, is not seen.

use std::fmt;

use crate::coding::{Take, plain};

/// What opaque bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seal {
    /// An archive that is encrypted or packed in an unknown way.
    Archive,
    /// Compressed by zstd, xz or bzip2.
    Compressed,
    /// A message encrypted by PGP, age or OpenSSL.
    Encrypted,
    /// A picture, sound or film.
    Media,
    /// No form is known, and no pattern is seen.
    Noise,
}

/// Fewer bytes are no evidence.
pub(crate) const FEW: usize = 256;

/// Bytes that are judged together.
const CHUNK: usize = 512;

/// How far below the entropy of noise a chunk may be, in bits a byte.
const SLACK: f32 = 0.3;

/// Marks at the beginning of what is opaque.
const MARKS: [(&[u8], Seal); 18] = [
    (b"\x28\xb5\x2f\xfd", Seal::Compressed),
    (b"\xfd7zXZ\0", Seal::Compressed),
    (b"BZh", Seal::Compressed),
    (b"\x04\x22\x4d\x18", Seal::Compressed),
    (b"7z\xbc\xaf\x27\x1c", Seal::Archive),
    (b"Rar!\x1a\x07", Seal::Archive),
    (b"Salted__", Seal::Encrypted),
    (b"age-encryption.org/", Seal::Encrypted),
    (b"-----BEGIN AGE ENCRYPTED", Seal::Encrypted),
    (b"-----BEGIN PGP MESSAGE", Seal::Encrypted),
    (b"\x89PNG\r\n", Seal::Media),
    (b"\xff\xd8\xff", Seal::Media),
    (b"GIF8", Seal::Media),
    (b"RIFF", Seal::Media),
    (b"OggS", Seal::Media),
    (b"ID3", Seal::Media),
    (b"\0\0\0\x18ftyp", Seal::Media),
    (b"\0\0\0\x20ftyp", Seal::Media),
];

/// Tells of what is opaque in bytes, `undone` ranges of which were looked into.
pub(crate) fn judge(bytes: &[u8], undone: &[(usize, usize)], take: &mut dyn Take) {
    if let Some(seal) = seal(bytes) {
        return take.sealed(seal, bytes.len());
    }
    let mut from = 0;
    let mut noise = 0;
    for &(begin, end) in undone.iter().chain([&(bytes.len(), bytes.len())]) {
        noise += bytes.get(from..begin).map_or(0, noisy);
        from = end;
    }
    if noise > FEW {
        take.sealed(Seal::Noise, noise);
    }
}

/// What bytes look like by their beginning.
pub(crate) fn seal(bytes: &[u8]) -> Option<Seal> {
    let begins = |(mark, _): &&(&[u8], Seal)| bytes.len() > FEW && bytes.starts_with(mark);
    MARKS.iter().find(begins).map(|(_, seal)| *seal)
}

/// Whether bytes begin like something that has to be looked into as a whole.
pub(crate) fn is_container(bytes: &[u8]) -> bool {
    let marked = || MARKS.iter().any(|(mark, _)| mark.len() > 3 && bytes.starts_with(mark));
    let known = || KNOWN.iter().any(|mark| bytes.starts_with(mark));
    // Most begin like none of them.
    let begins = bytes.first().is_some_and(|&first| may_begin(first)) && (marked() || known() || is_zlib(bytes));
    // UTF-16 has a zero beside every letter; of more zeros, no text is made.
    let (first, zeros) = (bytes.len().min(32), bytes.iter().take(32).filter(|byte| **byte == 0).count());
    let wide = first >= 16 && zeros * 3 > first && zeros * 3 < first * 2;
    begins || wide
}

/// Whether something that is looked into as a whole may begin with a byte, other than UTF-16.
pub(crate) fn may_begin(byte: u8) -> bool {
    BEGINS[usize::from(byte)]
}

const KNOWN: [&[u8]; 5] = [b"\x1f\x8b\x08", b"PK\x03\x04", b"PACK", b"\xff\xfe", b"\xfe\xff"];

/// The first bytes of all marks.
const BEGINS: [bool; 256] = {
    let (mut table, mut at) = ([false; 256], 0);
    while at < MARKS.len() {
        table[MARKS[at].0[0] as usize] = true;
        at += 1;
    }
    at = 0;
    while at < KNOWN.len() {
        table[KNOWN[at][0] as usize] = true;
        at += 1;
    }
    at = 0;
    while at < ZLIB.len() {
        table[ZLIB[at] as usize] = true;
        at += 1;
    }
    table
};

/// Deflate with a window of 32 KiB or less.
const ZLIB: [u8; 7] = [0x18, 0x28, 0x38, 0x48, 0x58, 0x68, 0x78];

/// Whether bytes begin with the head of a zlib stream: deflate, a window of 32 KiB or less, and its check.
pub(crate) fn is_zlib(bytes: &[u8]) -> bool {
    let [method, flags, _, ..] = *bytes else { return false };
    let head = u16::from_be_bytes([method, flags]);
    ZLIB.contains(&method) && flags & 0x20 == 0 && head % 31 == 0
}

/// How many of the bytes stand in chunks without a pattern.
fn noisy(bytes: &[u8]) -> usize {
    bytes.chunks(CHUNK).filter(|chunk| chunk.len() * 2 > FEW && is_noise(chunk)).map(<[u8]>::len).sum()
}

fn is_noise(chunk: &[u8]) -> bool {
    // What is text for nine bytes in ten has less than 7.2 bits a byte, and so many have to have 7.3.
    if chunk.len() == CHUNK && plain(chunk) * 10 >= CHUNK * 9 {
        return false;
    }
    let mut counts = [0u16; 256];
    chunk.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    // Far fewer different bytes than noise has: text.
    if counts.iter().filter(|count| **count > 0).count() * 4 < chunk.len().min(256) {
        return false;
    }
    let total = chunk.len() as f32;
    let share = |count: &u16| f32::from(*count) / total;
    let entropy: f32 = counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum();
    // Noise of so few bytes cannot show all eight bits (Miller and Madow).
    entropy > 8.0 - 255.0 / (2.0 * total * std::f32::consts::LN_2) - SLACK
}

impl fmt::Display for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Seal::Archive => "an archive",
            Seal::Compressed => "compressed",
            Seal::Encrypted => "encrypted",
            Seal::Media => "a picture, sound or film",
            Seal::Noise => "bytes without a pattern",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let step = |word: &mut u64| {
            *word ^= *word << 13;
            *word ^= *word >> 7;
            *word ^= *word << 17;
            Some((*word >> 24) as u8)
        };
        let mut word = 88_172_645_463_325_252_u64;
        std::iter::from_fn(|| step(&mut word)).take(length).collect()
    }

    #[test]
    fn noise_is_told_from_text_and_programs() {
        for length in [257, 400, 512, 5000] {
            assert!(noisy(&noise(length)) * 10 >= length * 9, "{length}");
        }
        let text = include_str!("entropy.rs");
        assert_eq!(noisy(text.as_bytes()), 0);
        let program: Vec<u8> = text.bytes().zip(noise(text.len())).map(|(byte, mixed)| byte ^ (mixed & 0x0f)).collect();
        assert_eq!(noisy(&program), 0);
    }

    #[test]
    fn the_head_of_zlib_is_known_by_its_check() {
        assert!(is_zlib(b"\x78\x9c\x01") && is_zlib(b"\x78\x01\x01") && is_zlib(b"\x78\xda\x01"));
        assert!(!is_zlib(b"xz\x01") && !is_zlib(b"\x78\x9d\x01"));
    }
}
