//! How an overlay writes down what it did: whiteouts, opaque directories, and where a copy came from.
//!
//! The kernel escapes what a cell writes under `user.overlay.` (it arrives as `user.overlay.overlay.`), so these
//! marks are the kernel's own word. Those under `trusted.overlay.` are not: to a mount with `userxattr` they are
//! attributes as any, and are copied up from an original that was once another overlay's layer.

use super::Tree;
use rustix::fs::{FileType, OFlags, Stat};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The marks on one entry of the upper layer.
#[derive(Debug, Default)]
pub(super) struct Marks {
    values: BTreeMap<String, Vec<u8>>,
    names: Vec<String>,
}

const OURS: &str = "user.overlay.";

impl Marks {
    /// Reads the marks of a file or directory; other entries have none. `None` if it cannot be opened.
    pub(super) fn read(upper: &Tree, path: &Path, stat: &Stat) -> Option<Self> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile && kind != FileType::Directory {
            return Some(Self::default());
        }
        let fd = upper.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY).ok()?;
        Self::of(&fd)
    }

    fn of(fd: &OwnedFd) -> Option<Self> {
        // The kernel's own bound on a list of names is 64 KiB.
        let mut list = vec![0; 4096];
        let size = match rustix::fs::flistxattr(fd, &mut list[..]) {
            Err(rustix::io::Errno::RANGE) => {
                list.resize(65536, 0);
                rustix::fs::flistxattr(fd, &mut list[..])
            }
            other => other,
        };
        let size = match size {
            Err(rustix::io::Errno::NOTSUP) => 0,
            other => other.ok()?,
        };
        let names = list[..size].split(|b| *b == 0).filter(|name| !name.is_empty());
        let mut marks = Self::default();
        for name in names.map(|name| String::from_utf8_lossy(name).into_owned()) {
            if let Some(short) = name.strip_prefix(OURS) {
                let mut value = vec![0; 256];
                let size = rustix::fs::fgetxattr(fd, name.as_str(), &mut value[..]).unwrap_or(0);
                value.truncate(size);
                marks.values.insert(short.to_owned(), value);
            }
            marks.names.push(name);
        }
        Some(marks)
    }

    /// Hides the original's entries: `x` only says that attribute whiteouts lie in the directory.
    pub(super) fn opaque(&self) -> bool {
        self.values.get("opaque").is_some_and(|value| value == b"y")
    }

    /// Content lies in another place than it seems.
    pub(super) fn redirected(&self) -> bool {
        self.values.contains_key("redirect") || self.values.contains_key("metacopy")
    }

    /// Whether the entry is a copy of something in the original.
    pub(super) fn copied(&self) -> bool {
        self.values.contains_key("origin")
    }

    /// The inode that was copied, where the kernel wrote it: for root, on file systems with 32-bit inode handles.
    /// An ordinary user's mount leaves the mark empty.
    pub(super) fn origin(&self) -> Option<u64> {
        let handle = self.values.get("origin")?;
        let inode_and_generation = handle.get(4) == Some(&1);
        let bytes = handle.get(21..25)?.try_into().ok()?;
        inode_and_generation.then_some(u64::from(u32::from_le_bytes(bytes)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|have| have == name)
    }

    /// Whether the entry says that the original's is gone.
    pub(super) fn whiteout(&self, stat: &Stat) -> bool {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => stat.st_rdev == 0,
            FileType::RegularFile => stat.st_size == 0 && self.values.contains_key("whiteout"),
            _ => false,
        }
    }
}
