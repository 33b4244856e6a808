//! Compressed bytes: gzip, zlib and git packs wherever their marks stand, the files of a zip archive.
//!
//! Checksums are not looked at: a reader at the other end need not either. What ends early is read as far as it goes, and
//! what comes after its mark is looked at once more, since a mark may stand there by chance or to hide the next.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::signs::{find, holds_any};
use super::{Coding, Take, pack};
use crate::{Beyond, MIN_SECRET, Seal, entropy};

/// Marks that are tried. Noise has one in 16 KiB.
const TRIES: usize = 16 << 10;

/// Bytes that are read for each byte, marks within each other's reach being read again.
const READ: usize = 8;

/// What noise gives before it fails is shorter.
const LITTLE: usize = 16;

/// What the first buffer holds at most; what inflates to more is given more.
const BUFFER: usize = 64 << 10;

/// Where the mark of zlib is looked for in digits.
const BEGINNING: usize = 64;

/// Bytes of a checksum and a size behind each member of gzip.
const TRAILER: usize = 8;

/// What was inflated.
pub(crate) struct Inflated {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that were read for it.
    pub(crate) used: usize,
    /// It came to its own end.
    pub(crate) done: bool,
    /// There was more than there was room for.
    pub(crate) more: bool,
}

/// Undoes what is compressed, and judges the rest.
pub(super) fn undo(bytes: &[u8], raw_deflate: bool, take: &mut dyn Take) {
    // A picture is compressed, too, and no text.
    let media = entropy::seal(bytes) == Some(Seal::Media);
    let mut members =
        Members { bytes, media, zero: 0, undone: Vec::new(), read: 0, stream: Vec::new(), several: false };
    if raw_deflate {
        members.give(0, 0, Coding::Deflate, take);
    }
    let (mut at, mut tries) = (0, 0);
    while let Some((begin, body, coding)) = members.next(at) {
        if coding != Coding::Gzip || begin != at + TRAILER {
            members.end_stream(take);
        }
        tries += 1;
        if tries > TRIES || members.read / READ > bytes.len() + BUFFER {
            take.beyond(Beyond::Work);
            break;
        }
        at = match coding {
            Coding::Zip => members.file(begin, body, take),
            Coding::GitPack => members.pack(begin, take),
            _ => members.give(begin, body, coding, take),
        };
    }
    members.end_stream(take);
    entropy::judge(bytes, &members.undone, take);
}

struct Members<'b> {
    bytes: &'b [u8],
    media: bool,
    /// A place from which no zero stands before this one.
    zero: usize,
    /// Where something was undone, in order.
    undone: Vec<(usize, usize)>,
    read: usize,
    /// What members of gzip give that follow each other: they are one text.
    stream: Vec<u8>,
    several: bool,
}

impl Members<'_> {
    /// The next one: where it begins, where its deflated bytes do, and what it is.
    fn next(&mut self, from: usize) -> Option<(usize, usize, Coding)> {
        let (mut at, end) = (from, self.bytes.len().saturating_sub(3));
        while at < end {
            if let Some((body, coding)) = self.member(at) {
                return Some((at, body, coding));
            }
            at += 1;
            at += memchr::memchr3(0x1f, b'P', ZLIB, self.bytes.get(at..end)?)?;
        }
        None
    }

    /// What begins there, if it does, and where its deflated bytes do.
    fn member(&mut self, at: usize) -> Option<(usize, Coding)> {
        Some(match &self.bytes[at..] {
            [0x1f, 0x8b, 8, ..] => (self.gzip_head(at)?, Coding::Gzip),
            [b'P', b'K', 3, 4, ..] => (self.zip_head(at)?, Coding::Zip),
            [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, ..] => (at, Coding::GitPack),
            [ZLIB, 0x01 | 0x5e | 0x9c | 0xda, ..] if !self.media => (at, Coding::Zlib),
            head if at == 0 && entropy::is_zlib(head) => (at, Coding::Zlib),
            _ => return None,
        })
    }

    /// Gives what inflates from `body` on; where to go on.
    fn give(&mut self, begin: usize, body: usize, coding: Coding, take: &mut dyn Take) -> usize {
        let inflated = inflate(&self.bytes[body..], coding == Coding::Zlib, take.room());
        self.read += inflated.used;
        if inflated.more {
            take.beyond(Beyond::Size);
        }
        if inflated.bytes.len() >= LITTLE || inflated.done {
            self.undone.push((begin, body + inflated.used));
            take.layer(&[coding], &inflated.bytes);
        }
        if coding == Coding::Gzip {
            self.several |= !self.stream.is_empty();
            self.stream.extend_from_slice(&inflated.bytes);
        }
        if inflated.done { body + inflated.used } else { begin + 1 }
    }

    /// Gives what members say together, if there are several.
    fn end_stream(&mut self, take: &mut dyn Take) {
        if std::mem::take(&mut self.several) {
            take.parts(&[Coding::Gzip], &self.stream);
        }
        self.stream.clear();
    }

    /// A file of an archive: encrypted, stored or deflated; anything else is opaque. What inflates to its own end is deflated, whatever
    /// is said here: a reader believes the list at the end of the archive.
    fn file(&mut self, begin: usize, body: usize, take: &mut dyn Take) -> usize {
        let word = |at: usize| u16::from_le_bytes([self.bytes[begin + at], self.bytes[begin + at + 1]]);
        let size = u32::from(word(18)) as usize | (u32::from(word(20)) as usize) << 16;
        let (encrypted, method) = (word(6) & 1 == 1, word(8));
        if !encrypted && method == 8 {
            return self.give(begin, body, Coding::Zip, take);
        }
        if let Some(end) = self.give_whole(begin, body, take) {
            return end;
        }
        // Stored bytes stand there as they are and are seen without undoing; what is in them is found from here on.
        if !encrypted && method == 0 {
            return body;
        }
        // A size of none stands elsewhere, or is a lie.
        let rest = self.bytes.len() - body;
        take.sealed(Seal::Archive, if size == 0 { rest } else { size.min(rest) });
        begin + 1
    }

    /// Gives what inflates from `body` on, if it comes to its own end; where to go on.
    fn give_whole(&mut self, begin: usize, body: usize, take: &mut dyn Take) -> Option<usize> {
        let inflated = inflate(&self.bytes[body..], false, take.room());
        self.read += inflated.used;
        if inflated.more {
            take.beyond(Beyond::Size);
        }
        // Fewer bytes come to one by chance.
        let whole = inflated.done && inflated.bytes.len() >= MIN_SECRET;
        whole.then(|| {
            self.undone.push((begin, body + inflated.used));
            take.layer(&[Coding::Zip], &inflated.bytes);
            body + inflated.used
        })
    }

    fn pack(&mut self, begin: usize, take: &mut dyn Take) -> usize {
        let used = pack::undo(&self.bytes[begin..], take);
        self.read += used;
        self.undone.push((begin, begin + used));
        begin + used.max(1)
    }

    /// Where the head of a gzip member ends.
    fn gzip_head(&mut self, begin: usize) -> Option<usize> {
        let flags = *self.bytes.get(begin + 3)?;
        let mut at = begin + 10;
        if flags & 4 != 0 {
            at += 2 + usize::from(u16::from_le_bytes([*self.bytes.get(at)?, *self.bytes.get(at + 1)?]));
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                at = self.zero_from(at)? + 1;
            }
        }
        at += if flags & 2 != 0 { 2 } else { 0 };
        (at < self.bytes.len()).then_some(at)
    }

    /// The first zero from there. Kept, since of many marks each may ask for the same far one.
    fn zero_from(&mut self, at: usize) -> Option<usize> {
        if self.zero < at {
            self.zero = at + self.bytes.get(at..)?.iter().position(|&byte| byte == 0).unwrap_or(self.bytes.len() - at);
        }
        (self.zero < self.bytes.len()).then_some(self.zero)
    }

    fn zip_head(&self, begin: usize) -> Option<usize> {
        let byte = |at: usize| self.bytes.get(begin + at).copied();
        let word = |at: usize| Some(usize::from(u16::from_le_bytes([byte(at)?, byte(at + 1)?])));
        let end = begin + 30 + word(26)? + word(28)?;
        (end < self.bytes.len()).then_some(end)
    }
}

/// Marks that noise does not have by chance, and which byte of each is rare in text.
const LONG: [(&[u8], usize); 3] = [(b"\x1f\x8b\x08", 0), (b"PK\x03\x04", 2), (b"PACK\0\0\0", 4)];

/// The first byte of zlib's mark.
const ZLIB: u8 = 0x78;

/// Whether a long mark stands at the beginning.
pub(super) fn begins(bytes: &[u8]) -> bool {
    LONG.iter().any(|(mark, _)| bytes.starts_with(mark))
}

/// Whether a mark stands in bytes that may have begun before it. That of zlib is so short that only the beginning counts.
pub(super) fn holds_mark(bytes: &[u8]) -> bool {
    let [gzip, zip, pack] = LONG.map(|(mark, rare)| mark[rare]);
    // Without any of these bytes there is no mark, and most of what is decoded has none.
    if !holds_any(bytes, [ZLIB, gzip, zip, pack]) {
        return false;
    }
    let zlib = |pair: &[u8; 2]| matches!(pair, [ZLIB, 0x01 | 0x5e | 0x9c | 0xda]);
    bytes[..bytes.len().min(BEGINNING)].array_windows().any(zlib)
        || LONG.iter().any(|(mark, rare)| holds(bytes, mark, *rare))
}

/// Whether the mark stands there, which is looked for by the byte of it that is rare in text.
fn holds(bytes: &[u8], mark: &[u8], rare: usize) -> bool {
    let mut at = rare;
    while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, mark[rare])) {
        if bytes[at + found - rare..].starts_with(mark) {
            return true;
        }
        at += found + 1;
    }
    false
}

/// Inflates what it can within `room` bytes.
pub(crate) fn inflate(bytes: &[u8], zlib: bool, room: usize) -> Inflated {
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | if zlib { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
    let mut state = Box::<DecompressorOxide>::default();
    let mut out = vec![0; bytes.len().saturating_mul(2).clamp(256, BUFFER).min(room.max(1))];
    let (mut used, mut made) = (0, 0);
    loop {
        let (status, read, wrote) = decompress(&mut state, &bytes[used..], &mut out, made, flags);
        used += read;
        made += wrote;
        if status != TINFLStatus::HasMoreOutput || made >= room {
            out.truncate(made);
            let (done, more) = (status == TINFLStatus::Done, status == TINFLStatus::HasMoreOutput);
            return Inflated { bytes: out, used, done, more };
        }
        out.resize((out.len() * 2).min(room), 0);
    }
}
