//! Checks a pack and its index by resolving every object and hashing it.
//!
//! git believes an index: one that names an old object but points at other bytes would change what the operator's
//! files are. So the index is not believed here.

use super::object::{Hash, LARGEST};
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
    let mut by_offset: Vec<_> = entries.offsets.iter().map(|(name, offset)| (*offset, name)).collect();
    by_offset.sort();
    let mut resolver = Resolver { pack, entries: &entries, kept: HashMap::new(), bytes: 0, work: 0 };
    for (offset, name) in &by_offset {
        let (kind, content) = resolver.resolve(*offset)?;
        let mut hash = Hash::new(entries.hash);
        hash.update(format!("{} {}\0", kind.word()?, content.len()).as_bytes());
        hash.update(&content);
        if hash.finish() != **name {
            return None;
        }
    }
    Some(by_offset.len())
}

/// Whether an index names an object; reads a few pages of it.
pub(super) fn names(index: &File, object: &[u8]) -> bool {
    let find = || -> Option<bool> {
        let (mut low, mut high) = fanout(index, *object.first()?)?;
        let mut name = vec![0; object.len()];
        while low < high {
            let middle = low.midpoint(high);
            index.read_exact_at(&mut name, 1032 + u64::from(middle) * object.len() as u64).ok()?;
            match name.as_slice().cmp(object) {
                std::cmp::Ordering::Equal => return Some(true),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Some(false)
    };
    find().unwrap_or(false)
}

fn fanout(index: &File, first: u8) -> Option<(u32, u32)> {
    let at = |n: u64| {
        let mut word = [0; 4];
        index.read_exact_at(&mut word, 8 + 4 * n).ok().map(|()| u32::from_be_bytes(word))
    };
    let low = if first == 0 { 0 } else { at(u64::from(first) - 1)? };
    Some((low, at(u64::from(first))?))
}

struct Index {
    hash: usize,
    offsets: HashMap<Vec<u8>, u64>,
}

impl Index {
    /// Reads version 2, whose trailer names the pack's.
    fn read(index: &File, pack: &File) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut file = index;
        file.seek(SeekFrom::Start(0)).ok()?;
        file.take(1 << 30).read_to_end(&mut bytes).ok()?;
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
        let mut found = HashMap::with_capacity(count);
        for n in 0..count {
            let name = bytes.get(names + n * hash..names + (n + 1) * hash)?;
            let offset = match word(offsets + n * 4)? {
                small if small >> 31 == 0 => u64::from(small),
                long => {
                    let at = large + (long & 0x7fff_ffff) as usize * 8;
                    u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?)
                }
            };
            found.insert(name.to_vec(), offset);
        }
        (found.len() == count).then_some(Self { hash, offsets: found })
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
    entries: &'a Index,
    kept: HashMap<u64, (Kind, Rc<Vec<u8>>)>,
    bytes: usize,
    work: u64,
}

impl Resolver<'_> {
    /// Follows deltas down to a whole object, then builds back up.
    fn resolve(&mut self, offset: u64) -> Option<(Kind, Rc<Vec<u8>>)> {
        let (mut chain, mut at) = (Vec::new(), offset);
        let (kind, mut content) = loop {
            if let Some((kind, content)) = self.kept.get(&at) {
                break (*kind, content.clone());
            }
            let (kind, base, bytes) = self.entry(at)?;
            match base {
                None => break (kind, self.keep(at, kind, bytes)),
                Some(base) => {
                    chain.push((at, bytes));
                    at = base;
                }
            }
            if chain.len() > CHAIN {
                return None;
            }
        };
        while let Some((at, delta)) = chain.pop() {
            let built = patch(&content, &delta)?;
            self.work = self.work.checked_add(built.len() as u64).filter(|work| *work <= WORK)?;
            content = self.keep(at, kind, built);
        }
        Some((kind, content))
    }

    fn keep(&mut self, at: u64, kind: Kind, content: Vec<u8>) -> Rc<Vec<u8>> {
        self.bytes += content.len();
        if self.bytes > KEPT {
            self.kept.clear();
            self.bytes = content.len();
        }
        let content = Rc::new(content);
        self.kept.insert(at, (kind, content.clone()));
        content
    }

    /// One entry as it lies in the pack: its kind, the base that a delta builds on, and what it inflates to.
    fn entry(&mut self, offset: u64) -> Option<(Kind, Option<u64>, Vec<u8>)> {
        let mut from = BufReader::with_capacity(4096, At { file: self.pack, offset });
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
                let mut name = vec![0; self.entries.hash];
                from.read_exact(&mut name).ok()?;
                Some(*self.entries.offsets.get(&name)?)
            }
            _ => return None,
        };
        self.work = self.work.checked_add(size).filter(|work| *work <= WORK && size <= LARGEST)?;
        let mut bytes = Vec::new();
        ZlibDecoder::new(from).take(size + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == size).then_some((Kind(kind), base, bytes))
    }
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
fn patch(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
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
    if old != base.len() as u64 || new > LARGEST {
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
