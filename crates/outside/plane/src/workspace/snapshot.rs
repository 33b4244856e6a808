//! What the original looked like when the session began: the only way to see that someone else changed it since.

use super::beneath::absent;
use super::{Error, Tree, io};
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or FIFO.
    Special,
}

/// What a path looked like at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The kind of thing.
    pub node: Node,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner's user and group id.
    pub owner: (u32, u32),
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, u64),
    /// Change time: seconds and nanoseconds.
    pub ctime: (i64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Inode number.
    pub ino: u64,
    /// SHA-256 of a file's content or a link's target; `None` where only stat was taken.
    pub sha256: Option<[u8; 32]>,
}

impl Stamp {
    /// Takes the stamp of a path; `hash` reads the content too. `None` if nothing stands there.
    pub fn take(tree: &Tree, path: &Path, hash: bool) -> Result<Option<Self>, Error> {
        let Some((_, stat)) = tree.stat(path)? else { return Ok(None) };
        let node = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Node::File,
            FileType::Directory => Node::Directory,
            FileType::Symlink => Node::Symlink,
            _ => Node::Special,
        };
        let sha256 = match node {
            Node::File if hash => match sum(tree, path) {
                Err(Error::Io { source, .. }) if absent(&source) => return Ok(None),
                other => Some(other?),
            },
            Node::Symlink => Some(Sha256::digest(tree.link(path)?.as_os_str().as_bytes()).into()),
            _ => None,
        };
        Ok(Some(Self {
            node,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            ino: stat.st_ino,
            sha256,
        }))
    }

    /// Whether a later stamp shows the same thing. Equal times on the same inode are enough; else the hashes decide,
    /// and without hashes the answer is no.
    pub fn same(&self, later: &Self) -> bool {
        if self.node != later.node || self.mode != later.mode {
            return false;
        }
        let stat = |s: &Self| (s.mtime, s.ctime, s.size, s.ino);
        // A directory's times change with its entries, and those are judged one by one.
        self.node == Node::Directory
            || stat(self) == stat(later)
            || (self.sha256.is_some() && self.sha256 == later.sha256)
    }
}

/// Hashes a file's content.
pub(super) fn sum(tree: &Tree, path: &Path) -> Result<[u8; 32], Error> {
    let mut file = tree.file(path)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut block).map_err(io("read", path))? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&block[..n]),
        }
    }
}

/// Stamps of the original by path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    complete: bool,
    entries: BTreeMap<String, Option<Stamp>>,
}

impl Manifest {
    /// Records one path (at its first copy-up, say), or that nothing stands there.
    pub fn record(&mut self, lower: &Tree, path: &Path) -> Result<(), Error> {
        let stamp = Stamp::take(lower, path, true)?;
        self.entries.insert(seal(path), stamp);
        Ok(())
    }

    /// Records the whole original at session start; what is not in it was absent.
    pub fn record_all(&mut self, lower: &Tree, hash: bool) -> Result<(), Error> {
        let mut todo = vec![PathBuf::new()];
        while let Some(dir) = todo.pop() {
            for name in lower.names(&dir)? {
                let path = dir.join(name);
                let stamp = Stamp::take(lower, &path, hash)?;
                if stamp.as_ref().is_some_and(|s| s.node == Node::Directory) {
                    todo.push(path.clone());
                }
                self.entries.insert(seal(&path), stamp);
            }
        }
        self.complete = true;
        Ok(())
    }

    /// What was recorded: `None` if the path is not known, `Some(None)` if it was absent.
    pub fn get(&self, path: &Path) -> Option<Option<&Stamp>> {
        match self.entries.get(&seal(path)) {
            Some(entry) => Some(entry.as_ref()),
            None if self.complete => Some(None),
            None => None,
        }
    }
}

/// Paths are bytes and JSON is not: UTF-8 stays readable, anything else becomes hex behind a slash.
pub(super) fn seal(path: &Path) -> String {
    path.to_str().map_or_else(
        || path.as_os_str().as_bytes().iter().fold(String::from("/"), |s, b| format!("{s}{b:02x}")),
        str::to_owned,
    )
}

/// The inverse of `seal`.
pub(super) fn unseal(text: &str) -> PathBuf {
    let Some(hex) = text.strip_prefix('/') else { return PathBuf::from(text) };
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|s| u8::from_str_radix(s, 16).ok());
    PathBuf::from(OsString::from_vec(hex.as_bytes().chunks(2).filter_map(byte).collect()))
}
