//! What a session takes on disk, with all below it: its changes, the copy that a sub-agent sees, and those of its sub-agents,
//! which stay after their end until they are removed. Each session notes its own sum, so that nobody above it walks its trees.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::session::bounded;
use super::{SessionDirectory, Store, private_directory, replace_soon};
use crate::checksum;

/// Bytes in one unit of `st_blocks`.
const BLOCK: u64 = 512;
/// Files that one look counts; a tree that holds more is judged by these.
const MOST_FILES: usize = 500_000;
/// What an entry takes at least: its place in a directory, and its inode, which a file system may have no more of.
const ENTRY: u64 = 4096;
/// Levels that are open at once, each with two descriptors, and directories below them that wait, each with one.
const LEVELS: usize = 128;
const WAITING: usize = 256;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Where each session notes its sum, and where a session notes who is below it.
const NOTE: &str = "disk";
const BELOW: &str = "below";

/// Bytes on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Its own changes, and the copy that it sees where it is a sub-agent.
    pub own: u64,
    /// What is its sub-agents', and theirs.
    pub below: u64,
}

impl Weight {
    /// Of a session as it lies there. Its home is not the session's.
    #[must_use]
    pub fn of(session: &SessionDirectory) -> Weight {
        let trees = session.record.trees.iter();
        let changes: u64 = trees.map(|tree| bytes(&tree.changes.join("upper"))).sum();
        Weight { own: changes.saturating_add(copy(&session.path)), below: below(&session.path) }
    }

    /// As the session noted it last.
    #[must_use]
    pub fn noted(session: &Path) -> Option<Weight> {
        bounded(&session.join(NOTE)).ok().and_then(|bytes| checksum::read(&bytes).ok())
    }

    /// Notes it, for who lists sessions and for the session above.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(self, session: &Path) -> io::Result<()> {
        replace_soon(&session.join(NOTE), &checksum::file_of(&self)?)
    }

    /// The sum.
    #[must_use]
    pub const fn whole(self) -> u64 {
        self.own.saturating_add(self.below)
    }
}

/// Notes that a session is below another, before anything is copied for it. What is above it counts it from then on.
///
/// # Errors
/// When it cannot be written, or the one above is gone.
pub fn stands_below(store: &Store, above: &str, session: &Path) -> io::Result<()> {
    let Some(id) = session.file_name() else { return Err(ErrorKind::InvalidInput.into()) };
    let place = store.sessions().join(above).join(BELOW);
    private_directory(&place)?;
    fs::write(place.join(id), "")
}

/// What all below a session take. One that is being begun notes nothing yet: of that its copy counts, as far as it is.
#[must_use]
pub fn below(session: &Path) -> u64 {
    let Some(sessions) = session.parent() else { return 0 };
    let Ok(entries) = fs::read_dir(session.join(BELOW)) else { return 0 };
    let of = |entry: fs::DirEntry| {
        let path = sessions.join(entry.file_name());
        if !path.is_dir() {
            // It was removed.
            let _ = fs::remove_file(entry.path());
            return 0;
        }
        Weight::noted(&path).map_or_else(|| copy(&path), Weight::whole)
    };
    entries.flatten().map(of).fold(0, u64::saturating_add)
}

/// Its part of the record.
pub fn record(session: &Path) -> u64 {
    let length = |name| fs::metadata(session.join(name)).map_or(0, |meta| meta.len());
    ["plane.segment", "gate.segment"].into_iter().map(length).fold(0, u64::saturating_add)
}

/// The copy that a sub-agent sees; nothing where a session is none.
pub fn copy(session: &Path) -> u64 {
    bytes(&session.join("view"))
}

/// Bytes that a tree takes on disk. Walked by descriptor: a path may be made longer than the kernel opens; and into each
/// directory at once, so that no number of them side by side hides any. What cannot be entered or counted to its end counts
/// as it was seen so far, and a file without a name not at all: the limit is soft.
pub fn bytes(tree: &Path) -> u64 {
    let Ok(root) = rustix::fs::open(tree, DIRECTORY, Mode::empty()) else { return 0 };
    let (mut waiting, mut sum, mut seen) = (vec![root], 0_u64, 0);
    while let Some(top) = waiting.pop() {
        let mut levels: Vec<(OwnedFd, Dir)> = Dir::read_from(&top).map(|entries| (top, entries)).into_iter().collect();
        while let Some((directory, entries)) = levels.last_mut() {
            let Some(Ok(entry)) = entries.next() else {
                levels.pop();
                continue;
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&*directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let blocks = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK);
            sum = sum.saturating_add(blocks.max(ENTRY));
            seen += 1;
            if seen > MOST_FILES {
                return sum;
            }
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                continue;
            }
            let Ok(below) = rustix::fs::openat(&*directory, name, DIRECTORY, Mode::empty()) else { continue };
            if levels.len() >= LEVELS {
                waiting.extend((waiting.len() < WAITING).then_some(below));
            } else if let Ok(entries) = Dir::read_from(&below) {
                levels.push((below, entries));
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Paths longer than the kernel opens once hid what lay there.
    #[test]
    fn what_lies_deep_counts_too() {
        let tree = tempfile::tempdir().expect("a directory");
        let name = "d".repeat(200);
        let mut at = rustix::fs::open(tree.path(), DIRECTORY, Mode::empty()).expect("open");
        // Deeper than the levels that are open at once.
        for _ in 0..2 * LEVELS + 10 {
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).expect("made");
            at = rustix::fs::openat(&at, name.as_str(), DIRECTORY, Mode::empty()).expect("open");
        }
        let file = rustix::fs::openat(&at, "f", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).expect("made");
        rustix::io::write(&file, &[1; 200_000]).expect("written");
        assert!(bytes(tree.path()) >= 200_000);
    }

    /// Files without content once counted as nothing, and more directories than are held open hid what lay in them.
    #[test]
    fn what_is_empty_counts_and_what_lies_side_by_side_hides_nothing() {
        let tree = tempfile::tempdir().expect("a directory");
        for n in 0..1500 {
            fs::create_dir(tree.path().join(format!("d{n}"))).expect("made");
            fs::write(tree.path().join(format!("d{n}/empty")), "").expect("written");
        }
        assert!(bytes(tree.path()) >= 2 * 1500 * ENTRY, "{}", bytes(tree.path()));
        let before = bytes(tree.path());
        for n in 0..1500 {
            fs::write(tree.path().join(format!("d{n}/empty")), [1; 3 * ENTRY as usize]).expect("written");
        }
        assert!(bytes(tree.path()) >= before + 1500 * 2 * ENTRY, "{}", bytes(tree.path()));
    }

    #[test]
    fn what_was_written_is_counted_in_blocks() {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir(tree.path().join("deep")).expect("made");
        fs::write(tree.path().join("deep/file"), vec![1; 100_000]).expect("written");
        let found = bytes(tree.path());
        assert!((100_000..400_000).contains(&found), "{found}");
    }
}
