//! Checks a pack and its index by resolving every object and hashing it.
//!
//! git believes an index: one that names an old object but points at other bytes would change what the operator's
//! files are. So the index is not believed here.

use super::object::Hash;
use flate2::read::ZlibDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// Bytes inflated for one pack: deltas of deltas can be made to cost any amount.
const WORK: u64 = 16 << 30;
/// Resolved objects kept for those that build on them.
const KEPT: usize = 128 << 20;
/// Length of a chain of deltas; git's own limit.
const CHAIN: usize = 4096;
/// Largest delta: one is held in memory beside what it builds on and what it builds.
const DELTA: u64 = 64 << 20;
/// Largest object in a pack: three of them may be held at once. Larger ones come loose, where they stream.
const WHOLE: u64 = 256 << 20;
/// Largest index that is read whole.
const INDEX: u64 = 256 << 20;

/// Whether a file is a pack whose trailer hashes all that comes before.
pub(super) fn whole(pack: &mut File, hash: usize) -> bool {
    let mut check = || -> std::io::Result<bool> {
        let length = pack.metadata()?.len();
        let mut head = [0; 12];
        pack.read_exact_at(&mut head, 0)?;
        let versioned = head.starts_with(b"PACK\0\0\0\x02") || head.starts_with(b"PACK\0\0\0\x03");
        let Some(body) = length.checked_sub(hash as u64).filter(|_| versioned) else { return Ok(false) };
        pack.seek(SeekFrom::Start(0))?;
        let (mut sum, mut left, mut block) = (Hash::new(hash), body, vec![0; 64 << 10]);
        while left > 0 {
            let most = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            pack.read_exact(&mut block[..most])?;
            sum.update(&block[..most]);
            left -= most as u64;
        }
        let mut trailer = vec![0; hash];
        pack.read_exact(&mut trailer)?;
        Ok(sum.finish() == trailer)
    };
    check().unwrap_or(false)
}

/// Resolves every object that an index names and compares its hash; `None` if one is not what its name says.
pub(super) fn verify(index: &File, pack: &File) -> Option<usize> {
    let entries = Index::read(index, pack)?;
    let named = |name: &[u8]| offset(index, name);
    let mut resolver = Resolver::new(pack, entries.hash, &named, WHOLE);
    for (offset, place) in &entries.by_offset {
        let (kind, content) = resolver.resolve(*offset)?;
        if hashed(entries.hash, kind.word()?, &content) != entries.name(*place)? {
            return None;
        }
    }
    Some(entries.by_offset.len())
}

/// The name of an object of this kind and content.
pub(super) fn hashed(length: usize, kind: &str, content: &[u8]) -> Vec<u8> {
    let mut hash = Hash::new(length);
    hash.update(format!("{kind} {}\0", content.len()).as_bytes());
    hash.update(content);
    hash.finish()
}

/// Whether an index names an object; reads a few pages of it.
pub(super) fn names(index: &File, object: &[u8]) -> bool {
    find(index, object).is_some()
}

/// An object's place among those that an index names.
fn find(index: &File, object: &[u8]) -> Option<u32> {
    let (mut low, mut high) = fanout(index, *object.first()?)?;
    let mut name = vec![0; object.len()];
    while low < high {
        let middle = low.midpoint(high);
        index.read_exact_at(&mut name, 1032 + u64::from(middle) * object.len() as u64).ok()?;
        match name.as_slice().cmp(object) {
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// Where an object lies in the index's pack, by what a version 2 index says; reads a few pages of it.
fn offset(index: &File, object: &[u8]) -> Option<u64> {
    let place = u64::from(find(index, object)?);
    let word = |at: u64| {
        let mut word = [0; 4];
        index.read_exact_at(&mut word, at).ok().map(|()| u32::from_be_bytes(word))
    };
    let count = u64::from(fanout(index, 255)?.1);
    let offsets = 1032 + count * (object.len() as u64 + 4);
    match word(offsets + place * 4)? {
        small if small >> 31 == 0 => Some(u64::from(small)),
        long => {
            let at = offsets + count * 4 + u64::from(long & 0x7fff_ffff) * 8;
            Some(u64::from(word(at)?) << 32 | u64::from(word(at + 4)?))
        }
    }
}

/// Reads one object of at most `most` bytes through the pack's index: `TYPE`, and what it holds. Neither is believed:
/// the caller compares the hash.
pub(super) fn object(index: &File, pack: &File, name: &[u8], most: u64) -> Option<(&'static str, Vec<u8>)> {
    let at = offset(index, name)?;
    let named = |name: &[u8]| offset(index, name);
    let (kind, content) = Resolver::new(pack, name.len(), &named, most).resolve(at)?;
    Some((kind.word()?, Rc::unwrap_or_clone(content)))
}

fn fanout(index: &File, first: u8) -> Option<(u32, u32)> {
    let at = |n: u64| {
        let mut word = [0; 4];
        index.read_exact_at(&mut word, 8 + 4 * n).ok().map(|()| u32::from_be_bytes(word))
    };
    let low = if first == 0 { 0 } else { at(u64::from(first) - 1)? };
    Some((low, at(u64::from(first))?))
}

/// An index as it was read: its bytes and a few more for each object, since there may be ten million.
struct Index {
    hash: usize,
    bytes: Vec<u8>,
    by_offset: Vec<(u64, u32)>,
}

impl Index {
    /// Reads version 2, whose trailer names the pack's.
    fn read(index: &File, pack: &File) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut file = index;
        file.seek(SeekFrom::Start(0)).ok()?;
        if file.metadata().ok()?.len() > INDEX {
            return None;
        }
        file.take(INDEX).read_to_end(&mut bytes).ok()?;
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let count = word(8 + 255 * 4)? as usize;
        // Nothing in the index says how long its hashes are; where the pack's trailer stands does.
        let hash = [20, 32].into_iter().find(|hash| trailer(pack, *hash).is_some_and(|t| ends_with(&bytes, &t)))?;
        let (names, offsets) = (1032, 1032 + count.checked_mul(hash + 4)?);
        let large = offsets + count * 4;
        let mut pack_head = [0; 12];
        pack.read_exact_at(&mut pack_head, 0).ok()?;
        let packed = u32::from_be_bytes(pack_head.get(8..12)?.try_into().ok()?) as usize;
        if word(0)? != 0xff74_4f63 || word(4)? != 2 || packed != count || bytes.len() < large + 2 * hash {
            return None;
        }
        let mut by_offset = Vec::with_capacity(count);
        let mut before: &[u8] = &[];
        for n in 0..count {
            // Sorted, and each once: as git looks them up.
            let name = bytes.get(names + n * hash..names + (n + 1) * hash).filter(|name| *name > before)?;
            before = name;
            let offset = match word(offsets + n * 4)? {
                small if small >> 31 == 0 => u64::from(small),
                long => {
                    let at = large + (long & 0x7fff_ffff) as usize * 8;
                    u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?)
                }
            };
            by_offset.push((offset, u32::try_from(n).ok()?));
        }
        by_offset.sort_unstable();
        Some(Self { hash, bytes, by_offset })
    }

    fn name(&self, place: u32) -> Option<&[u8]> {
        let at = 1032 + place as usize * self.hash;
        self.bytes.get(at..at + self.hash)
    }
}

/// Whether an index ends with a pack's trailer and then its own.
fn ends_with(index: &[u8], trailer: &[u8]) -> bool {
    index.len().checked_sub(2 * trailer.len()).is_some_and(|at| index[at..at + trailer.len()] == *trailer)
}

fn trailer(pack: &File, hash: usize) -> Option<Vec<u8>> {
    let mut trailer = vec![0; hash];
    let at = pack.metadata().ok()?.len().checked_sub(hash as u64)?;
    pack.read_exact_at(&mut trailer, at).ok().map(|()| trailer)
}

#[derive(Clone, Copy)]
struct Kind(u8);

impl Kind {
    fn word(self) -> Option<&'static str> {
        ["", "commit", "tree", "blob", "tag"].get(usize::from(self.0)).copied().filter(|word| !word.is_empty())
    }
}

struct Resolver<'a> {
    pack: &'a File,
    hash: usize,
    named: &'a dyn Fn(&[u8]) -> Option<u64>,
    most: u64,
    kept: HashMap<u64, (Kind, Rc<Vec<u8>>)>,
    bytes: usize,
    work: u64,
}

impl<'a> Resolver<'a> {
    /// `named` gives the offset of an object that a delta names; `most` bounds every object on the way.
    fn new(pack: &'a File, hash: usize, named: &'a dyn Fn(&[u8]) -> Option<u64>, most: u64) -> Self {
        Self { pack, hash, named, most, kept: HashMap::new(), bytes: 0, work: 0 }
    }

    /// Follows deltas down to a whole object, then builds back up. Of the chain only the places are kept: its deltas
    /// together could be any size, so each is read again when it is its turn.
    fn resolve(&mut self, offset: u64) -> Option<(Kind, Rc<Vec<u8>>)> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let (kind, mut content) = loop {
            if let Some((kind, content)) = self.kept.get(&at) {
                break (*kind, content.clone());
            }
            let entry = self.head(at)?;
            match entry.base {
                None => {
                    let bytes = self.inflate(&entry)?;
                    break (entry.kind, self.keep(at, entry.kind, bytes));
                }
                Some(base) => {
                    chain.push(at);
                    at = base;
                }
            }
            if chain.len() > CHAIN {
                return None;
            }
        };
        while let Some(at) = chain.pop() {
            let entry = self.head(at)?;
            let delta = self.inflate(&entry)?;
            let built = patch(&content, &delta, self.most)?;
            self.work = self.work.checked_add(built.len() as u64).filter(|work| *work <= WORK)?;
            content = self.keep(at, kind, built);
        }
        Some((kind, content))
    }

    fn keep(&mut self, at: u64, kind: Kind, content: Vec<u8>) -> Rc<Vec<u8>> {
        let content = Rc::new(content);
        // The map's own cost counts, too: a pack can hold any number of empty objects.
        let cost = content.len() + 128;
        if cost > KEPT {
            return content;
        }
        self.bytes += cost;
        if self.bytes > KEPT {
            self.kept.clear();
            self.bytes = cost;
        }
        self.kept.insert(at, (kind, content.clone()));
        content
    }

    /// One entry as it lies in the pack: its kind, its size, the base that a delta builds on, and where its bytes begin.
    fn head(&self, offset: u64) -> Option<Entry> {
        let mut from = BufReader::with_capacity(64, At { file: self.pack, offset });
        let first = byte(&mut from)?;
        let (kind, mut size, mut shift, mut last) = (first >> 4 & 7, u64::from(first & 15), 4, first);
        while last & 0x80 != 0 && shift < 60 {
            last = byte(&mut from)?;
            size |= u64::from(last & 0x7f) << shift;
            shift += 7;
        }
        let base = match kind {
            1..=4 => None,
            6 => Some(offset.checked_sub(distance(&mut from)?).filter(|base| *base < offset)?),
            7 => {
                let mut name = vec![0; self.hash];
                from.read_exact(&mut name).ok()?;
                Some((self.named)(&name)?)
            }
            _ => return None,
        };
        let body = from.get_ref().offset - from.buffer().len() as u64;
        Some(Entry { kind: Kind(kind), size, base, body })
    }

    /// What an entry inflates to.
    fn inflate(&mut self, entry: &Entry) -> Option<Vec<u8>> {
        let most = if entry.base.is_some() { DELTA } else { self.most };
        self.work = self.work.checked_add(entry.size).filter(|work| *work <= WORK && entry.size <= most)?;
        let from = BufReader::with_capacity(4096, At { file: self.pack, offset: entry.body });
        let mut bytes = Vec::new();
        ZlibDecoder::new(from).take(entry.size + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == entry.size).then_some(bytes)
    }
}

struct Entry {
    kind: Kind,
    size: u64,
    base: Option<u64>,
    body: u64,
}

struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(into, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

fn byte(from: &mut impl Read) -> Option<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte).ok().map(|()| byte[0])
}

fn distance(from: &mut impl Read) -> Option<u64> {
    let mut last = byte(from)?;
    let mut value = u64::from(last & 0x7f);
    while last & 0x80 != 0 {
        last = byte(from)?;
        value = (value + 1).checked_mul(128)? | u64::from(last & 0x7f);
    }
    Some(value)
}

/// Builds an object from its base and a delta.
fn patch(base: &[u8], delta: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut from = delta;
    let size = |from: &mut &[u8]| -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let last = byte(from)?;
            value |= u64::from(last & 0x7f) << shift;
            shift += 7;
            if last & 0x80 == 0 || shift > 56 {
                return Some(value);
            }
        }
    };
    let (old, new) = (size(&mut from)?, size(&mut from)?);
    if old != base.len() as u64 || new > most {
        return None;
    }
    let mut out = Vec::new();
    while !from.is_empty() {
        let code = byte(&mut from)?;
        let piece = if code & 0x80 == 0 {
            let (piece, rest) = from.split_at_checked(usize::from(code)).filter(|_| code != 0)?;
            from = rest;
            piece
        } else {
            let mut number = |bits: std::ops::Range<u8>| -> Option<usize> {
                bits.clone().try_fold(0, |sum, bit| {
                    let part = if code >> bit & 1 == 1 { usize::from(byte(&mut from)?) } else { 0 };
                    Some(sum | part << (8 * (bit - bits.start)))
                })
            };
            let (start, length) = (number(0..4)?, number(4..7)?);
            let length = if length == 0 { 0x10000 } else { length };
            base.get(start..start.checked_add(length)?)?
        };
        out.extend_from_slice(piece);
        if out.len() as u64 > new {
            return None;
        }
    }
    (out.len() as u64 == new).then_some(out)
}
