//! Compressed bytes: gzip wherever its mark stands, zlib where a piece begins with it, the files of a zip archive.
//!
//! Checksums are not looked at: a reader at the other end need not either. What ends early is read as far as it goes.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{Coding, Signs, Take};
use crate::{Beyond, Bounds, Seal, entropy};

/// Members of one piece that are undone.
const MEMBERS: usize = 256;

/// What was inflated.
pub(super) struct Inflated {
    pub(super) bytes: Vec<u8>,
    /// Bytes that were read for it.
    pub(super) used: usize,
    /// There was more than there was room for.
    pub(super) more: bool,
}

/// Undoes what is compressed, and judges the rest when it is no text.
pub(super) fn undo(bytes: &[u8], signs: &Signs, bounds: &Bounds, take: &mut dyn Take) {
    if signs.binary == 0 {
        return;
    }
    let mut undone = Vec::new();
    if entropy::is_zlib(bytes) {
        give(bytes, 0, 0, Coding::Zlib, &mut undone, take);
    } else if bounds.raw_deflate && !bytes.is_empty() {
        give(bytes, 0, 0, Coding::Deflate, &mut undone, take);
    }
    let mut at = 0;
    while let Some((begin, body, coding)) = next(bytes, at) {
        if undone.len() >= MEMBERS {
            return take.beyond(Beyond::Decodings);
        }
        let used = match coding {
            Coding::Zip => stored_or_deflated(bytes, begin, body, &mut undone, take),
            _ => give(bytes, begin, body, coding, &mut undone, take),
        };
        at = body + used;
    }
    entropy::judge(bytes, &undone, take);
}

/// The next member: where it begins, where its deflated bytes do, and what it is.
fn next(bytes: &[u8], from: usize) -> Option<(usize, usize, Coding)> {
    (from..bytes.len().saturating_sub(3)).find_map(|at| match &bytes[at..] {
        [0x1f, 0x8b, 8, ..] => Some((at, at + gzip_head(&bytes[at..])?, Coding::Gzip)),
        [b'P', b'K', 3, 4, ..] => Some((at, at + zip_head(&bytes[at..])?, Coding::Zip)),
        _ => None,
    })
}

fn give(
    bytes: &[u8],
    begin: usize,
    body: usize,
    coding: Coding,
    undone: &mut Vec<(usize, usize)>,
    take: &mut dyn Take,
) -> usize {
    let inflated = inflate(&bytes[body..], coding == Coding::Zlib, take.room());
    if inflated.more {
        take.beyond(Beyond::Size);
    }
    if !inflated.bytes.is_empty() {
        undone.push((begin, body + inflated.used));
        take.layer(&[coding], &inflated.bytes);
    }
    inflated.used
}

/// A file of an archive: encrypted, stored or deflated; anything else is opaque.
fn stored_or_deflated(
    bytes: &[u8],
    begin: usize,
    body: usize,
    undone: &mut Vec<(usize, usize)>,
    take: &mut dyn Take,
) -> usize {
    let word = |at: usize| u16::from_le_bytes([bytes[begin + at], bytes[begin + at + 1]]);
    let size = u32::from(word(18)) as usize | (u32::from(word(20)) as usize) << 16;
    let size = size.min(bytes.len() - body);
    if word(6) & 1 == 1 || !matches!(word(8), 0 | 8) {
        take.sealed(Seal::Archive, size);
        return size;
    }
    // Stored bytes stand there as they are and are seen without undoing; their containers are found from here on.
    if word(8) == 0 { 0 } else { give(bytes, begin, body, Coding::Zip, undone, take) }
}

/// The length of a gzip member's head.
fn gzip_head(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += bytes.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    (at < bytes.len()).then_some(at)
}

fn zip_head(bytes: &[u8]) -> Option<usize> {
    let word = |at: usize| Some(usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let end = 30 + word(26)? + word(28)?;
    (end < bytes.len()).then_some(end)
}

/// Inflates what it can within `room` bytes.
pub(super) fn inflate(bytes: &[u8], zlib: bool, room: usize) -> Inflated {
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | if zlib { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
    let mut state = Box::<DecompressorOxide>::default();
    let mut out = vec![0; bytes.len().saturating_mul(2).clamp(256, room.max(1))];
    let (mut used, mut made) = (0, 0);
    loop {
        let (status, read, wrote) = decompress(&mut state, &bytes[used..], &mut out, made, flags);
        used += read;
        made += wrote;
        if status != TINFLStatus::HasMoreOutput || made >= room {
            out.truncate(made);
            return Inflated { bytes: out, used, more: status == TINFLStatus::HasMoreOutput };
        }
        out.resize((out.len() * 2).min(room), 0);
    }
}
