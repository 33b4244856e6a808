//! What is left of a request's body without the parts of it that are known, such as files that stood in a workspace before.
//!
//! Taken apart as the programs do it that put it together: multipart, strings of JSON and base64 in them, gzip, the members of tar
//! and zip, the objects of a git pack. Strict, other than what looks for labelled text: nothing is known by a lenient reading, and
//! whatever is not known, with all that holds it together, is left as it stood, to be looked into like any other.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use memchr::memmem;
use sha1::{Digest, Sha1};

use crate::coding::{Inflated, inflate, object_head};
use crate::entropy::FEW;

/// One within the other.
const DEPTH: usize = 6;
/// Parts that are asked about: what has more is left whole.
const PARTS: usize = 4096;
/// Bytes that may be made of one body.
const ROOM: usize = 64 << 20;
/// Marks that are tried in one piece: noise has one in some MiB.
const MARKS: usize = 4096;

/// What is left of a body without what `known` takes, in pieces; none where nothing of it is known. It is asked of each part that may
/// be a file and is long enough to be opaque, the outer ones first, and at most 4,096 of them.
pub fn without(body: &[u8], known: &mut dyn FnMut(&[u8]) -> bool) -> Option<Vec<Vec<u8>>> {
    let mut left = Vec::new();
    Apart { known, asked: 0, room: ROOM }.part(body, 0, &mut left).then_some(left)
}

struct Apart<'k> {
    known: &'k mut dyn FnMut(&[u8]) -> bool,
    asked: usize,
    room: usize,
}

/// Some bytes while parts are cut out of them.
struct Cut<'b> {
    bytes: &'b [u8],
    /// What is left up to `done`.
    rest: Vec<u8>,
    done: usize,
    any: bool,
}

impl Cut<'_> {
    /// What lies in what was cut out before is gone already.
    fn out(&mut self, range: Range<usize>) {
        if range.start < self.done {
            return;
        }
        self.rest.extend_from_slice(&self.bytes[self.done..range.start]);
        (self.done, self.any) = (range.end, true);
    }

    /// Whether anything was cut out; then what is left is a piece.
    fn end(mut self, left: &mut Vec<Vec<u8>>) -> bool {
        if self.any {
            self.rest.extend_from_slice(&self.bytes[self.done..]);
            left.push(self.rest);
        }
        self.any
    }
}

impl Apart<'_> {
    /// Whether anything of a part is known; what is left of it then.
    fn part(&mut self, bytes: &[u8], depth: usize, left: &mut Vec<Vec<u8>>) -> bool {
        if bytes.len() <= FEW {
            return false;
        }
        if self.knows(bytes) {
            return true;
        }
        if depth == DEPTH {
            return false;
        }
        let mut cut = Cut { bytes, rest: Vec::new(), done: 0, any: false };
        let depth = depth + 1;
        match bytes.trim_ascii_start().first() {
            Some(b'{' | b'[') => self.strings(&mut cut, depth, left),
            Some(b'-') if bytes.starts_with(b"--") => self.multipart(&mut cut, depth, left),
            _ if size_in_tar(bytes).is_some() => self.tar(&mut cut, depth, left),
            _ => self.packed(&mut cut, depth, left),
        }
        cut.end(left)
    }

    fn knows(&mut self, bytes: &[u8]) -> bool {
        self.asked += 1;
        self.asked <= PARTS && (self.known)(bytes)
    }

    /// What was made of a range.
    fn made(&mut self, (range, made): (Range<usize>, &[u8]), cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) {
        if self.part(made, depth, left) {
            cut.out(range);
        }
    }

    fn strings(&mut self, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) {
        let bytes = cut.bytes;
        let mut at = 0;
        while let Some(begin) = memchr::memchr(b'"', &bytes[at..]).map(|quote| at + quote + 1) {
            let Some(end) = end_of_string(bytes, begin) else { return };
            at = end + 1;
            if end - begin <= FEW || self.room < end - begin {
                continue;
            }
            self.room -= end - begin;
            let Ok(text) = serde_json::from_slice::<String>(&bytes[begin - 1..=end]) else { continue };
            match base64(&text) {
                // Text that is base64 may be the file itself.
                Some(file) if !self.knows(text.as_bytes()) => self.made((begin..end, &file), cut, depth, left),
                _ => self.made((begin..end, text.as_bytes()), cut, depth, left),
            }
        }
    }

    fn multipart(&mut self, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) {
        let bytes = cut.bytes;
        let Some(line) = memmem::find(bytes, b"\r\n").filter(|line| (3..=128).contains(line)) else { return };
        let between = [b"\r\n", &bytes[..line]].concat();
        let ends: Vec<usize> = memmem::find_iter(&bytes[line..], &between).map(|end| line + end).collect();
        let begins = std::iter::once(line).chain(ends.iter().map(|end| end + between.len()));
        for (begin, &end) in begins.zip(&ends) {
            let Some(head) = bytes.get(begin..end).and_then(|part| memmem::find(part, b"\r\n\r\n")) else { continue };
            let body = begin + head + 4..end;
            self.made((body.clone(), &bytes[body]), cut, depth, left);
        }
    }

    fn tar(&mut self, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) {
        let bytes = cut.bytes;
        let mut at = 0;
        while let Some(size) = bytes.get(at..).and_then(size_in_tar) {
            let begin = at + TAR;
            let Some(end) = begin.checked_add(size).filter(|end| *end <= bytes.len()) else { return };
            self.made((begin..end, &bytes[begin..end]), cut, depth, left);
            at = end.next_multiple_of(TAR);
        }
    }

    /// Whatever begins with a mark, wherever in the bytes.
    fn packed(&mut self, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) {
        let bytes = cut.bytes;
        let mut at = 0;
        for _ in 0..MARKS {
            let Some(mark) = memchr::memchr2_iter(0x1f, b'P', &bytes[at..]).map(|mark| at + mark).find(|mark| {
                let here = &bytes[*mark..];
                [&b"\x1f\x8b\x08"[..], b"PK\x03\x04", b"PACK\0\0\0"].iter().any(|known| here.starts_with(known))
            }) else {
                return;
            };
            let end = match &bytes[mark..] {
                [0x1f, ..] => self.gzip(mark, cut, depth, left),
                [b'P', b'K', ..] => self.file_of_zip(mark, cut, depth, left),
                _ => self.pack(mark, cut, depth, left),
            };
            at = end.unwrap_or(mark + 1).max(cut.done);
        }
    }

    /// Deflated bytes, which end by themselves; where they do.
    fn deflated(
        &mut self,
        (begin, zlib): (usize, bool),
        cut: &mut Cut<'_>,
        depth: usize,
        left: &mut Vec<Vec<u8>>,
    ) -> Option<usize> {
        let (made, end) = self.inflated(cut.bytes, begin, zlib)?;
        self.made((begin..end, &made), cut, depth, left);
        Some(end)
    }

    /// What inflates from there on, and where that ends.
    fn inflated(&mut self, bytes: &[u8], begin: usize, zlib: bool) -> Option<(Vec<u8>, usize)> {
        let Inflated { bytes: made, used, done, .. } = inflate(bytes.get(begin..)?, zlib, self.room);
        // What fails costs as much.
        self.room = self.room.saturating_sub(made.len() + used);
        done.then_some((made, begin + used))
    }

    fn gzip(&mut self, mark: usize, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) -> Option<usize> {
        let bytes = cut.bytes;
        // A checksum of the head, or a field more, is what no program writes that packs files.
        let flags = bytes.get(mark + 3).filter(|flags| **flags & !0x08 == 0)?;
        let mut begin = mark + 10;
        if *flags != 0 {
            begin += memchr::memchr(0, bytes.get(begin..)?)? + 1;
        }
        bytes.get(begin)?;
        self.deflated((begin, false), cut, depth, left)
    }

    fn file_of_zip(&mut self, mark: usize, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) -> Option<usize> {
        let bytes = cut.bytes;
        let head = bytes.get(mark..mark + 30)?;
        let word = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let begin = mark + head.len() + word(26) + word(28);
        match (word(6) & 1, word(8)) {
            (0, 8) if begin < bytes.len() => self.deflated((begin, false), cut, depth, left),
            (0, 0) => {
                let end = begin + (word(18) | word(20) << 16);
                let file = bytes.get(begin..end)?;
                self.made((begin..end, file), cut, depth, left);
                Some(end)
            }
            _ => None,
        }
    }

    /// The objects of a pack, which hold each other by their ids: where one is known, all others are left as they are within.
    fn pack(&mut self, mark: usize, cut: &mut Cut<'_>, depth: usize, left: &mut Vec<Vec<u8>>) -> Option<usize> {
        let (bytes, mut at) = (cut.bytes, mark + 12);
        let mut objects: Vec<Object<'_>> = Vec::new();
        while let Some(head) = object_head(bytes.get(at..)?) {
            // It ends where no object follows: the number of them is the sender's to write.
            let Some((object, end)) = self.inflated(bytes, at + head, true) else { break };
            let head = &bytes[at..at + head];
            let base = before(head).and_then(|before| at.checked_sub(before));
            let base = base.and_then(|base| objects.binary_search_by_key(&base, |one| one.at).ok());
            let made = base.and_then(|base| objects[base].file()).and_then(|base| undelta(&object, base, self.room));
            self.room -= made.as_ref().map_or(0, Vec::len);
            objects.push(Object { at, head, bytes: object, made });
            at = end;
        }
        let ids: HashSet<Id> = objects.iter().filter_map(Object::id).collect();
        let (mut rest, mut any) = (bytes[mark..mark + 12].to_vec(), false);
        for object in &objects {
            rest.extend_from_slice(object.head);
            let known = match (kind(object.head), &object.made) {
                (Some("tree"), _) => {
                    rest.extend(without_ids(&object.bytes, &ids).as_deref().unwrap_or(&object.bytes));
                    continue;
                }
                (Some(_), _) => self.part(&object.bytes, depth, left),
                // A delta is no file; what it makes of another one is.
                (None, Some(made)) => made.len() > FEW && self.knows(made),
                (None, None) => false,
            };
            any |= known;
            if !known {
                rest.extend_from_slice(&object.bytes);
            }
        }
        if any {
            cut.out(mark..at);
            left.push(rest);
        }
        Some(at)
    }
}

/// An object of a pack.
struct Object<'p> {
    at: usize,
    head: &'p [u8],
    bytes: Vec<u8>,
    /// The file that it makes of another one, where it is a delta to one that came along before it.
    made: Option<Vec<u8>>,
}

impl Object<'_> {
    fn file(&self) -> Option<&[u8]> {
        self.made.as_deref().or_else(|| (kind(self.head) == Some("blob")).then_some(&*self.bytes))
    }

    fn id(&self) -> Option<Id> {
        self.made.as_ref().map_or_else(|| id(kind(self.head)?, &self.bytes), |made| id("blob", made))
    }
}

/// How far before its own place the base of a delta stands, where its head says that.
fn before(head: &[u8]) -> Option<usize> {
    if head.first()? >> 4 & 7 != 6 {
        return None;
    }
    let size = head.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let mut bytes = head.get(size..)?.iter();
    let mut byte = bytes.next()?;
    let mut before = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = bytes.next()?;
        before = (before.checked_add(1)?.checked_mul(0x80)?) | usize::from(byte & 0x7f);
    }
    Some(before)
}

/// What a delta makes of its base; none where it is none, or makes more than there is room for.
fn undelta(delta: &[u8], base: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut at = 0;
    let mut size = || {
        let (mut size, mut shift) = (0usize, 0);
        loop {
            let byte = *delta.get(at)?;
            at += 1;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(size);
            }
        }
    };
    let (from, length) = (size()?, size()?);
    if from != base.len() || length > room {
        return None;
    }
    let mut made = Vec::new();
    while let Some(&order) = delta.get(at) {
        at += 1;
        let piece = if order & 0x80 == 0 {
            let piece = delta.get(at..at + usize::from(order)).filter(|piece| !piece.is_empty())?;
            at += piece.len();
            piece
        } else {
            let mut number = |bits: std::ops::Range<u8>| {
                let mut number = 0;
                for (place, bit) in bits.enumerate() {
                    if order >> bit & 1 == 1 {
                        number |= usize::from(*delta.get(at)?) << (8 * place);
                        at += 1;
                    }
                }
                Some(number)
            };
            let (begin, length) = (number(0..4)?, number(4..7)?);
            base.get(begin..begin + if length == 0 { 0x1_0000 } else { length })?
        };
        if made.len() + piece.len() > length {
            return None;
        }
        made.extend_from_slice(piece);
    }
    (made.len() == length).then_some(made)
}

/// A name that git gives to what an object holds.
type Id = [u8; 20];

/// What an object of a pack is, where it stands there whole.
fn kind(head: &[u8]) -> Option<&'static str> {
    [None, Some("commit"), Some("tree"), Some("blob"), Some("tag"), None, None, None][usize::from(head[0] >> 4 & 7)]
}

fn id(kind: &str, object: &[u8]) -> Option<Id> {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", object.len()));
    hash.update(object);
    Some(hash.finalize().into())
}

/// A tree without the ids in it, where each is of an object that came along: those tell nothing that is not there anyway.
fn without_ids(tree: &[u8], ids: &HashSet<Id>) -> Option<Vec<u8>> {
    let (mut at, mut names) = (0, Vec::new());
    while at < tree.len() {
        let name = at + memchr::memchr(0, &tree[at..])? + 1;
        let own: &Id = tree.get(name..name + 20)?.first_chunk()?;
        if !ids.contains(own) {
            return None;
        }
        names.extend_from_slice(&tree[at..name]);
        at = name + 20;
    }
    Some(names)
}

/// Where a string of JSON ends.
fn end_of_string(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// What a text is, written in base64 in one of the ways that programs do.
fn base64(text: &str) -> Option<Vec<u8>> {
    let standard = match text.ends_with('=') || text.len().is_multiple_of(4) {
        true => [&STANDARD, &URL_SAFE],
        false => [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD],
    };
    standard.iter().find_map(|way| way.decode(text).ok())
}

/// A block of a tar archive.
const TAR: usize = 512;

/// The size of the file whose head stands there.
fn size_in_tar(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..TAR)?;
    let octal = |field: &[u8]| {
        let digits = field.split(|byte| matches!(byte, 0 | b' ')).find(|digits| !digits.is_empty())?;
        usize::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
    };
    let field = 148..156;
    let sum = head.iter().enumerate();
    let sum: usize = sum.map(|(at, byte)| if field.contains(&at) { 32 } else { usize::from(*byte) }).sum();
    (octal(&head[field.clone()])? == sum).then(|| octal(&head[124..136])).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
