//! What the plane does for a running session by the clock: merges in `live`, and looks at how much was written.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::WorkspaceMode;
use record::Kind;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::labels;
use crate::store::{SessionDirectory, TreeRecord, sync};
use crate::workspace::{Live, Workspace};

/// Between two merges of `live`.
const MERGE: Duration = Duration::from_millis(700);
/// From the start until what it noted goes to the disk, which a start does not wait for.
const SETTLE: Duration = Duration::from_millis(300);
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_secs(2);
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

/// The chores of one session.
#[derive(Debug)]
pub(super) struct Chores {
    live: Vec<(Workspace, Live)>,
    guards: Vec<PathBuf>,
    trees: Vec<PathBuf>,
    disk: Option<u64>,
    /// What the start wrote and did not bring to the disk.
    notes: Vec<PathBuf>,
    settle: Option<Instant>,
    next_merge: Option<Instant>,
    next_look: Option<Instant>,
}

/// What a round of chores found.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What the record is to say.
    pub(super) events: Vec<Kind>,
    /// Something that the operator must know.
    pub(super) warnings: Vec<String>,
    /// The disk limit was passed: so many bytes are there.
    pub(super) too_much: Option<u64>,
}

impl Chores {
    /// The chores that a session's mode and its limit on the disk ask for; `home` counts like the trees.
    pub(super) fn new(session: &SessionDirectory, guards: Vec<PathBuf>, disk: Option<u64>, home: &Path) -> Chores {
        let (now, trees, mode) = (Instant::now(), &session.record.trees, session.record.mode);
        let open = |tree: &TreeRecord| Workspace::open(&tree.changes, &tree.path, tree.owner).ok();
        let live = if mode == WorkspaceMode::Live {
            trees.iter().filter_map(open).map(|workspace| (workspace, Live::default())).collect()
        } else {
            Vec::new()
        };
        let next_merge = (!live.is_empty()).then_some(now + MERGE);
        let trees = trees.iter().map(|tree| tree.changes.join("upper")).chain([home.to_owned()]).collect();
        let (notes, settle) = (labels::files(session), Some(now + SETTLE));
        Chores { live, guards, trees, disk, notes, settle, next_merge, next_look: disk.map(|_| now + LOOK) }
    }

    /// When they are next due.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.settle, self.next_merge, self.next_look].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn round(&mut self, now: Instant) -> Round {
        let mut round = Round::default();
        if self.settle.is_some_and(|due| due <= now) {
            for note in std::mem::take(&mut self.notes) {
                if let Err(error) = sync(&note) {
                    round.warnings.push(format!("`{}` is not on disk: {error}", note.display()));
                }
            }
            self.settle = None;
        }
        if self.next_merge.is_some_and(|due| due <= now) {
            self.merge(&mut round);
            self.next_merge = Some(now + MERGE);
        }
        if self.next_look.is_some_and(|due| due <= now) {
            let written = self.trees.iter().map(|tree| bytes(tree)).sum::<u64>();
            round.too_much = self.disk.filter(|limit| written > *limit).map(|_| written);
            self.next_look = Some(now + LOOK);
        }
        round
    }

    /// The last merges, after the cell ended: twice, since what is merged must have been seen unchanged.
    pub(super) fn finish(&mut self) -> Round {
        let mut round = Round::default();
        self.merge(&mut round);
        self.merge(&mut round);
        round
    }

    fn merge(&mut self, round: &mut Round) {
        for (workspace, live) in &mut self.live {
            match live.step(workspace, &self.guards) {
                Ok(step) if !step.merged.is_empty() => {
                    let paths = step.merged.iter().map(|path| path.to_string_lossy().into_owned()).collect();
                    round.events.push(Kind::Merge { paths, state: "merged".into() });
                }
                Ok(_) => {}
                Err(error) => round.warnings.push(format!("changes could not be merged: {error}")),
            }
        }
    }
}

/// Bytes that a tree takes on disk. Walked by descriptor: a path may be made longer than the kernel opens; and into each
/// directory at once, so that no number of them side by side hides any. What cannot be entered or counted to its end counts
/// as it was seen so far, and a file without a name not at all: the limit is soft.
fn bytes(tree: &Path) -> u64 {
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
