//! The index: parsed, and written anew by us. The cell's own is never merged, since it can say of a file that it is not
//! to be looked at, or that it is unchanged.
//!
//! What arrives holds names, modes and objects. What git remembers of files on disk comes from the original's own index
//! where an entry is the same, and is nothing elsewhere: git then reads the file and sees what it is.

use super::super::{Error, Tree, refuse::git_alias, seal::hex};
use super::object::Hash;
use super::part::{Part, part};
use super::refs::bytes;
use super::store::Objects;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Largest index that is merged.
const LARGEST: u64 = 64 << 20;
/// Bytes of an entry before the object's name: what git remembers of the file, the mode among it.
const STAT: usize = 40;
const MODE: std::ops::Range<usize> = 24..28;
const GITLINK: u32 = 0o160_000;

/// An index as far as it is merged: entries by name and stage.
#[derive(Debug)]
pub(super) struct Index {
    hash: usize,
    entries: BTreeMap<(Vec<u8>, u16), Entry>,
}

impl Index {
    /// What it stages, as a hash: every path with its stage, mode and object.
    pub(super) fn says(&self) -> [u8; 32] {
        let mut sum = Sha256::new();
        for ((name, stage), entry) in &self.entries {
            for part in [name, &stage.to_le_bytes()[..], &entry.stat[MODE], &entry.id] {
                sum.update((part.len() as u64).to_le_bytes());
                sum.update(part);
            }
        }
        sum.finalize().into()
    }

    /// Whether both stage the same: what git remembers of files on disk does not count.
    pub(super) fn same(&self, other: &Self) -> bool {
        let pairs = || self.entries.iter().zip(&other.entries);
        self.entries.len() == other.entries.len() && pairs().all(|(one, two)| one.0 == two.0 && one.1.same(two.1))
    }
}

#[derive(Debug, Clone)]
struct Entry {
    stat: [u8; STAT],
    id: Vec<u8>,
}

impl Entry {
    fn mode(&self) -> u32 {
        self.stat[MODE].try_into().map_or(0, u32::from_be_bytes)
    }

    fn same(&self, other: &Self) -> bool {
        self.id == other.id && self.mode() == other.mode()
    }
}

/// Whether a path in a git directory is an index.
pub(super) fn is_index(root: &Path, path: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|path| matches!(part(path), Part::Index))
}

/// Reads an index; `None` if it is of another version, hides anything, is none, or is not the one of this hash.
pub(super) fn read(tree: &Tree, path: &Path, sum: Option<[u8; 32]>) -> Result<Option<Index>, Error> {
    let same = |bytes: &Vec<u8>| sum.is_none_or(|sum| <[u8; 32]>::from(Sha256::digest(bytes)) == sum);
    Ok(bytes(tree, path, LARGEST)?.filter(same).and_then(|bytes| parse(&bytes)))
}

/// What a merge puts in the original's place for the cell's index.
pub(super) fn rewritten(old: Option<&Index>, new: &Index) -> Vec<u8> {
    let mut out = b"DIRC\0\0\0\x02".to_vec();
    out.extend(u32::try_from(new.entries.len()).unwrap_or(u32::MAX).to_be_bytes());
    for ((name, stage), entry) in &new.entries {
        let known = old.and_then(|old| old.entries.get(&(name.clone(), *stage))).filter(|known| known.same(entry));
        let mut stat = [0; STAT];
        stat[MODE].copy_from_slice(&entry.stat[MODE]);
        let begin = out.len();
        out.extend(known.map_or(stat, |known| known.stat));
        out.extend(&entry.id);
        let length = u16::try_from(name.len()).unwrap_or(0xfff).min(0xfff);
        out.extend((stage << 12 | length).to_be_bytes());
        out.extend(name);
        out.resize(begin + padded(out.len() - begin), 0);
    }
    let mut sum = Hash::new(new.hash);
    sum.update(&out);
    out.extend(sum.finish());
    out
}

/// Paths that the new index stages otherwise than the old one, with their modes; `None` if an entry is one that git
/// would not make, names an object that is nowhere, or another repository that was not there before.
pub(super) fn staged(old: Option<&Index>, new: &Index, objects: &Objects<'_>) -> Option<BTreeMap<PathBuf, u32>> {
    let mut changed = BTreeMap::new();
    for (key, entry) in &new.entries {
        if old.and_then(|old| old.entries.get(key)).is_some_and(|known| known.same(entry)) {
            continue;
        }
        let path = PathBuf::from(OsStr::from_bytes(&key.0));
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let ours = plain && !path.ancestors().any(git_alias);
        if !ours || entry.mode() == GITLINK || !objects.is_there(&hex(&entry.id)) {
            return None;
        }
        changed.insert(path, entry.mode());
    }
    Some(changed)
}

fn padded(length: usize) -> usize {
    // At least one zero, up to a multiple of eight.
    (length + 8) & !7
}

fn parse(bytes: &[u8]) -> Option<Index> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if !bytes.starts_with(b"DIRC") || ![2, 3].contains(&word(4)?) {
        return None;
    }
    [20, 32].into_iter().find_map(|hash| {
        let body = bytes.len().checked_sub(hash)?;
        let mut sum = Hash::new(hash);
        sum.update(&bytes[..body]);
        (sum.finish() == bytes[body..]).then(|| entries(&bytes[..body], word(8)?, hash))?
    })
}

/// An entry with any bit beside its stage hides something: a file that is not looked at, or is only meant to be added.
fn entries(bytes: &[u8], count: u32, hash: usize) -> Option<Index> {
    let (mut at, mut entries) = (12, BTreeMap::new());
    for _ in 0..count {
        let stat: [u8; STAT] = bytes.get(at..at + STAT)?.try_into().ok()?;
        let id = bytes.get(at + STAT..at + STAT + hash)?.to_vec();
        let head = at + STAT + hash + 2;
        let flags = u16::from_be_bytes(bytes.get(head - 2..head)?.try_into().ok()?);
        let length = bytes.get(head..)?.iter().position(|b| *b == 0)?;
        let name = bytes[head..head + length].to_vec();
        let entry = Entry { stat, id };
        let known = [0o100_644, 0o100_755, 0o120_000, GITLINK].contains(&entry.mode());
        if flags & 0xc000 != 0 || !known || name.is_empty() {
            return None;
        }
        entries.insert((name, flags >> 12 & 3), entry);
        at += padded(head + length - at);
    }
    // Other extensions are caches, but these make git look elsewhere.
    let mut rest = bytes.get(at..)?;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[4..8].try_into().ok()?) as usize;
        if rest.starts_with(b"link") || rest.starts_with(b"sdir") {
            return None;
        }
        rest = rest.get(8 + size..)?;
    }
    (rest.is_empty() && entries.len() == count as usize).then_some(Index { hash, entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_hides_is_none_and_a_written_one_reads_again() {
        let mut stat = [7; STAT];
        stat[MODE].copy_from_slice(&0o100_644_u32.to_be_bytes());
        let entry = Entry { stat, id: vec![3; 20] };
        let index = Index { hash: 20, entries: [((b"a/b".to_vec(), 0), entry)].into() };
        let fresh = parse(&rewritten(None, &index)).expect("reads");
        assert_eq!(fresh.entries[&(b"a/b".to_vec(), 0)].stat[..24], [0; 24]);
        let kept = rewritten(Some(&index), &index);
        assert_eq!(parse(&kept).expect("reads").entries[&(b"a/b".to_vec(), 0)].stat[..24], [7; 24]);
        for bit in [0x80, 0x40] {
            let mut hides = kept.clone();
            hides[12 + STAT + 20] |= bit;
            let body = hides.len() - 20;
            let mut sum = Hash::new(20);
            sum.update(&hides[..body]);
            let sum = sum.finish();
            hides[body..].copy_from_slice(&sum);
            assert!(parse(&hides).is_none(), "{bit:x}");
        }
        assert!(parse(&kept[..kept.len() - 1]).is_none());
    }
}
