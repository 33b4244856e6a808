//! What stood at a path at one moment: the only way to see later that it changed.

use super::beneath::absent;
use super::{Error, Tree, io, seal};
use rustix::fs::{FileType, OFlags, Stat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// Seconds and nanoseconds.
pub type Time = (i64, u64);

/// What a path looked like at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The kind of thing.
    pub node: Node,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner's user and group id.
    pub owner: (u32, u32),
    /// Modification time.
    pub mtime: Time,
    /// Change time, which no user can set.
    pub ctime: Time,
    /// Size in bytes.
    pub size: u64,
    /// Inode number.
    pub ino: u64,
    /// SHA-256 of a file's content or a link's target; `None` where only stat was taken.
    #[serde(with = "seal::hash", default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
}

impl Stamp {
    /// Takes the stamp of a path; `hash` reads a file's content too. `None` if nothing stands there.
    pub fn take(tree: &Tree, path: &Path, hash: bool) -> Result<Option<Self>, Error> {
        let Some((fd, stat)) = tree.stat(path)? else { return Ok(None) };
        let mut stamp = Self::of(&stat);
        stamp.sha256 = match stamp.node {
            Node::File if hash => match sum(tree, path) {
                Err(Error::Io { source, .. }) if absent(&source) => return Ok(None),
                other => Some(other?),
            },
            Node::Symlink => {
                let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(io("read link", path))?;
                Some(Sha256::digest(target.as_bytes()).into())
            }
            _ => None,
        };
        Ok(Some(stamp))
    }

    /// The stamp that a stat gives, without a hash.
    pub(super) fn of(stat: &Stat) -> Self {
        let node = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Node::File,
            FileType::Directory => Node::Directory,
            FileType::Symlink => Node::Symlink,
            _ => Node::Special,
        };
        Self {
            node,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            ino: stat.st_ino,
            sha256: None,
        }
    }

    /// The mode that a merge gives: others' write bits and the special ones only where the original has them.
    pub(super) fn arriving(&self, before: Option<&Self>) -> u32 {
        const RISKY: u32 = 0o7022;
        let had = before.filter(|before| before.node == self.node).map_or(0, |before| before.mode & RISKY);
        let inherited = if self.node == Node::Directory { had & 0o2000 } else { 0 };
        if self.node == Node::Symlink { self.mode } else { (self.mode & !RISKY) | (self.mode & had) | inherited }
    }

    /// The stamp of a file of ours that is yet to be written with this content.
    pub(super) fn of_content(bytes: &[u8], mode: u32) -> Self {
        let sha256 = Some(Sha256::digest(bytes).into());
        let size = bytes.len() as u64;
        Self { node: Node::File, mode, owner: (0, 0), mtime: (0, 0), ctime: (0, 0), size, ino: 0, sha256 }
    }

    /// Whether a later stamp shows the same thing: same times on the same inode. A directory's times change with
    /// its entries, and those are judged one by one.
    pub fn same(&self, later: &Self) -> bool {
        let stat = |s: &Self| (s.mtime, s.ctime, s.size, s.ino);
        self.node == later.node
            && self.mode == later.mode
            && (self.node == Node::Directory || stat(self) == stat(later))
    }

    /// Whether a later stamp shows the same thing under another name: renaming sets the change time.
    pub(super) fn renamed(&self, later: &Self) -> bool {
        self.same(&Self { ctime: self.ctime, ..later.clone() })
    }
}

/// Whether both see the same, or both nothing.
pub(super) fn unchanged(then: Option<&Stamp>, now: Option<&Stamp>) -> bool {
    match (then, now) {
        (None, None) => true,
        (Some(then), Some(now)) => then.same(now),
        _ => false,
    }
}

/// Hashes a file's content.
pub(super) fn sum(tree: &Tree, path: &Path) -> Result<[u8; 32], Error> {
    let fd = tree.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY)?;
    let mut file = File::from(fd);
    digest(&mut file, path)
}

/// Hashes what a file holds from where it stands.
pub(super) fn digest(file: &mut File, path: &Path) -> Result<[u8; 32], Error> {
    let (mut hash, mut block) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut block).map_err(io("read", path))? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&block[..n]),
        }
    }
}
