//! When the session began, and what was merged since: enough to see that somebody else changed the original.
//!
//! Nothing of the original is read at the start. A change time cannot be set by users, so what changed after the
//! beginning says so itself; our own merges are remembered by their stamps.

use super::seal::{seal, unseal};
use super::stamp::Time;
use super::{Error, Node, Stamp, Tree, io};
use rustix::fs::{FileType, Mode};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Why a change is not merged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// The original changed since the session began, or since it was last merged.
    ChangedOutside,
    /// The original that the cell changed is gone.
    RemovedOutside,
    /// A directory above was renamed, replaced or given other permissions.
    ParentMoved,
}

/// The beginning of a session on one original.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Baseline {
    began: Time,
    /// Wall clock minus time since boot, in seconds: shows that the clock was set back.
    offset: i64,
    /// Device and inode of the original's root.
    root: (u64, u64),
    merged: BTreeMap<String, Option<Stamp>>,
    /// What the upper layer held of what was merged, and where it held that something is gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    settled: BTreeMap<String, Option<Entry>>,
    /// Inodes of the original that lost a name by a merge of ours, and the change time that this gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    touched: BTreeMap<u64, Time>,
    /// Directories of the upper layer that nothing of the original shows through and that were merged, and what they lacked
    /// of it then that was not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    anew: BTreeMap<String, BTreeSet<String>>,
}

/// An entry of the upper layer, as far as it takes to see that the cell did not touch it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    node: Node,
    ino: u64,
    /// Of a directory neither: both change with what lies in it.
    ctime: Time,
    size: u64,
    /// Of a directory, without the bits that arrive only where the original has them.
    mode: u32,
}

impl Entry {
    fn of(stamp: &Stamp) -> Self {
        let (node, ino) = (stamp.node, stamp.ino);
        match node {
            Node::Directory => Self { node, ino, ctime: (0, 0), size: 0, mode: stamp.mode & 0o755 },
            _ => Self { node, ino, ctime: stamp.ctime, size: stamp.size, mode: 0 },
        }
    }
}

impl Baseline {
    /// Takes the moment from the file system's own clock. Changing a stat-ed inode hands out a fine time on kernels
    /// with multigrain times, and every later change anywhere gets that time or a later one; other kernels hand
    /// out the last tick, and a change within it counts as later.
    pub(super) fn begin(probe: &Tree, lower: &Tree) -> Result<Self, Error> {
        let here = Path::new("");
        let dir = probe.dir(here)?;
        let mode = || -> rustix::io::Result<Time> {
            rustix::fs::fchmod(&dir, Mode::RWXU)?;
            let stat = rustix::fs::fstat(&dir)?;
            Ok((stat.st_ctime, stat.st_ctime_nsec))
        };
        mode()
            .and_then(|_| mode())
            .map_err(io("take the time of", here))
            .and_then(|began| Ok(Self { began, offset: offset(), root: root(lower)?, ..Self::default() }))
    }

    /// Whether no session's beginning was recorded.
    pub(super) fn is_unbegun(&self) -> bool {
        self.root == (0, 0)
    }

    /// Whether the original's root is still the directory of the beginning.
    pub(super) fn holds(&self, lower: &Tree) -> Result<bool, Error> {
        Ok(self.root == root(lower)?)
    }

    /// Remembers what a merge of ours left at a path; and the directory that it changed by that, if `quiet` said
    /// before that nobody else had.
    pub(super) fn record(&mut self, lower: &Tree, path: &Path, quiet: bool) -> Result<(), Error> {
        for path in path.parent().filter(|_| quiet).into_iter().chain([path]) {
            self.merged.insert(seal(path), Stamp::take(lower, path, false)?);
        }
        Ok(())
    }

    /// Remembers what the upper layer held at a path when it was merged; none where it held that something is gone.
    pub(super) fn settle(&mut self, path: &Path, upper: Option<&Stamp>) {
        self.settled.insert(seal(path), upper.map(Entry::of));
    }

    /// Whether what the upper layer holds there was merged, and not touched by the cell since. What becomes of the original
    /// after that is no business of the session's: that it differs is no change of the cell's.
    pub(super) fn is_settled(&self, path: &Path, upper: Option<&Stamp>) -> bool {
        self.settled.get(&seal(path)).is_some_and(|then| *then == upper.map(Entry::of))
    }

    /// Remembers of a directory that the cell made anew what it lacks and was not merged: what appears in it later is no
    /// removal of the cell's, who never saw it.
    pub(super) fn settle_anew(&mut self, path: &Path, left: Vec<OsString>) {
        self.anew.insert(seal(path), left.iter().map(|name| seal(Path::new(name))).collect());
    }

    /// What a directory that the cell made anew, and that was merged, lacked and was not merged.
    pub(super) fn left_anew(&self, path: &Path) -> Option<&BTreeSet<String>> {
        self.anew.get(&seal(path))
    }

    /// Remembers that a file which stood under a name of this merge is a changed one under its others, by nobody else.
    pub(super) fn touch(&mut self, file: impl AsFd) -> rustix::io::Result<()> {
        let stat = rustix::fs::fstat(file)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 0 {
            self.touched.insert(stat.st_ino, (stat.st_ctime, stat.st_ctime_nsec));
        }
        Ok(())
    }

    /// Whether a merge of ours left something at a path.
    pub(super) fn has_merged(&self, path: &Path) -> bool {
        matches!(self.merged.get(&seal(path)), Some(Some(_)))
    }

    /// Forgets what was merged at these paths and beneath them: what the upper layer no longer holds was thrown away
    /// by the operator, not removed by the cell.
    pub(super) fn forget(&mut self, paths: &BTreeSet<PathBuf>) {
        let stays = |path: &str| !unseal(path).ancestors().any(|above| paths.contains(above));
        self.merged.retain(|path, _| stays(path));
        self.settled.retain(|path, _| stays(path));
        self.anew.retain(|path, _| stays(path));
    }

    /// Whether nobody else added to or removed from the directory of a path.
    pub(super) fn quiet(&self, lower: &Tree, path: &Path) -> Result<bool, Error> {
        let dir = path.parent().unwrap_or(Path::new(""));
        Ok(Stamp::take(lower, dir, false)?.is_some_and(|now| !self.entries_moved(dir, &now)))
    }

    /// Judges the original's entry against the beginning.
    pub(super) fn conflict(&self, path: &Path, now: Option<&Stamp>) -> Option<Conflict> {
        match (self.merged.get(&seal(path)), now) {
            (Some(None) | None, None) => None,
            (Some(Some(then)), Some(now)) if then.same(now) => None,
            (_, Some(now)) if now.node == Node::Directory => None,
            (Some(Some(_)), None) => Some(Conflict::RemovedOutside),
            (None | Some(None), Some(now)) => self.late(now).then_some(Conflict::ChangedOutside),
            (Some(Some(_)), Some(_)) => Some(Conflict::ChangedOutside),
        }
    }

    /// Whether an entry was added to or removed from a directory by somebody else.
    pub(super) fn entries_moved(&self, dir: &Path, now: &Stamp) -> bool {
        match self.merged.get(&seal(dir)) {
            Some(Some(then)) => then.ino != now.ino || then.ctime != now.ctime,
            _ => self.late(now),
        }
    }

    /// Whether a directory itself was renamed, replaced or chmod-ed by somebody else: its entries change both of its
    /// times, those acts only one. `origin` is the inode that the cell's copy was made from, where it is known.
    pub(super) fn directory_moved(&self, dir: &Path, now: &Stamp, origin: Option<u64>) -> bool {
        let known = self.merged.get(&seal(dir)).and_then(Option::as_ref);
        if known.is_some_and(|then| then.ino == now.ino && then.ctime == now.ctime) {
            return false;
        }
        let replaced = known.is_some_and(|then| then.ino != now.ino)
            || known.is_none() && origin.is_some_and(|origin| origin != now.ino);
        replaced || (self.entries_moved(dir, now) && now.ctime != now.mtime)
    }

    fn late(&self, now: &Stamp) -> bool {
        let set_back = (self.offset - offset()).max(0);
        let ours = self.touched.get(&now.ino) == Some(&now.ctime);
        now.ctime >= (self.began.0 - set_back, self.began.1) && !ours
    }
}

fn offset() -> i64 {
    // A second of slack: the two clocks are read one after the other, and slewing is no step.
    let (wall, boot) = (clock_gettime(ClockId::Realtime), clock_gettime(ClockId::Boottime));
    let nanos = (wall.tv_sec - boot.tv_sec) * 1_000_000_000 + wall.tv_nsec - boot.tv_nsec;
    (nanos + 500_000_000).div_euclid(1_000_000_000)
}

fn root(lower: &Tree) -> Result<(u64, u64), Error> {
    let here = Path::new("");
    let (_, stat) = lower.stat(here)?.ok_or_else(|| io("open", here)(rustix::io::Errno::NOENT))?;
    Ok((stat.st_dev, stat.st_ino))
}
