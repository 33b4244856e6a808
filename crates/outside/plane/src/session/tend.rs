//! What the plane does for a running session by the clock: merges in `live`, and looks at how much was written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::WorkspaceMode;
use record::Kind;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::store::{SessionRecord, TreeRecord};
use crate::workspace::{Live, Workspace};

/// Between two merges of `live`.
const MERGE: Duration = Duration::from_millis(700);
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_secs(2);
/// Bytes in one unit of `st_blocks`.
const BLOCK: u64 = 512;
/// Files that one look counts; a tree that holds more is judged by these.
const MOST_FILES: usize = 500_000;
/// Directories that wait to be looked at, each with a descriptor.
const MOST_OPEN: usize = 512;
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The chores of one session.
#[derive(Debug)]
pub(super) struct Chores {
    live: Vec<(Workspace, Live)>,
    guards: Vec<PathBuf>,
    trees: Vec<PathBuf>,
    disk: Option<u64>,
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
    pub(super) fn new(record: &SessionRecord, guards: Vec<PathBuf>, disk: Option<u64>, home: &Path) -> Chores {
        let (now, trees, mode) = (Instant::now(), &record.trees, record.mode);
        let open = |tree: &TreeRecord| Workspace::open(&tree.changes, &tree.path, tree.owner).ok();
        let live = if mode == WorkspaceMode::Live {
            trees.iter().filter_map(open).map(|workspace| (workspace, Live::default())).collect()
        } else {
            Vec::new()
        };
        let next_merge = (!live.is_empty()).then_some(now + MERGE);
        let trees = trees.iter().map(|tree| tree.changes.join("upper")).chain([home.to_owned()]).collect();
        Chores { live, guards, trees, disk, next_merge, next_look: disk.map(|_| now + LOOK) }
    }

    /// When they are next due.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.next_merge, self.next_look].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn round(&mut self, now: Instant) -> Round {
        let mut round = Round::default();
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

/// Bytes that a tree takes on disk. Walked by descriptor: a path may be made longer than the kernel opens. What cannot
/// be entered or counted to its end counts as it was seen so far: the limit is soft.
fn bytes(tree: &Path) -> u64 {
    let Ok(root) = rustix::fs::open(tree, DIRECTORY, Mode::empty()) else { return 0 };
    let (mut todo, mut sum, mut seen) = (vec![root], 0_u64, 0);
    while let Some(directory) = todo.pop() {
        let Ok(entries) = Dir::read_from(&directory) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            sum = sum.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK));
            seen += 1;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && todo.len() < MOST_OPEN {
                todo.extend(rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty()));
            }
        }
        if seen > MOST_FILES {
            break;
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
        for _ in 0..30 {
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).expect("made");
            at = rustix::fs::openat(&at, name.as_str(), DIRECTORY, Mode::empty()).expect("open");
        }
        let file = rustix::fs::openat(&at, "f", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).expect("made");
        rustix::io::write(&file, &[1; 200_000]).expect("written");
        assert!(bytes(tree.path()) >= 200_000);
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
