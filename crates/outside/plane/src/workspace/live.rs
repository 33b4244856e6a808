//! Continuous merging: what is settled, plain and uncontested goes out while the session runs; the rest waits.
//!
//! Never merges what has a flag, a guard, a refusal or a conflict, and never what changed since the last step. Nor what a
//! name with a dot hides: tools read such files of a directory by themselves, and no list knows them all.

use super::{Change, Error, Filter, Kind, Reason, Stamp, Workspace, seal};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Hidden names that no tool runs, and that most repositories have.
const PLAIN: &[&str] = &[".gitignore", ".gitkeep", ".keep"];

/// Changes that one step merges: bounds what a step costs.
const BATCH: usize = 2_000;

/// What a session merges while it runs. Time is the caller's: each `step` compares with the one before.
#[derive(Debug, Default)]
pub struct Live {
    seen: BTreeMap<PathBuf, Vec<Option<Stamp>>>,
    told: BTreeSet<(PathBuf, Waits)>,
}

/// What one step did.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Paths merged.
    pub merged: Vec<PathBuf>,
    /// Paths that wait for the operator, each told once for each reason.
    pub held: Vec<(PathBuf, Waits)>,
    /// Something is not settled yet, or more is to be merged: step again even if nothing more happens.
    pub unfinished: bool,
}

/// Why a path waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waits {
    /// Never merged.
    Refused,
    /// The original changed too.
    Conflict,
    /// The host would run or trust it, or may since it is hidden, or the policy guards it.
    Flagged,
    /// The original's file system refused it.
    Unwritable,
}

impl Live {
    /// Merges what has settled since the last step.
    pub fn step(&mut self, workspace: &mut Workspace, guards: &[PathBuf]) -> Result<Step, Error> {
        // Nobody else merges while the session runs: what is in memory is what is on disk.
        if workspace.is_pending()? {
            workspace.recover()?;
        }
        let changes = workspace.changes_meanwhile(guards)?;
        let (mut step, mut ready, mut seen) = (Step::default(), Vec::new(), BTreeMap::new());
        for change in changes {
            let looks = looks(&change);
            let settled = self.seen.get(&change.path) == Some(&looks);
            seen.insert(change.path.clone(), looks);
            match waits(&change) {
                Some(why) => self.tell(&mut step, change.path, why),
                None if !settled || ready.len() >= BATCH => step.unfinished = true,
                None => ready.push(change),
            }
        }
        self.seen = seen;
        // A directory goes only when all that lies in it does: what waits binds it in `choose`.
        let ready = self.bound(ready);
        if ready.is_empty() {
            return Ok(step);
        }
        let outcome = workspace.apply(&ready, &Filter { unflagged_only: true, ..Filter::default() })?;
        for (path, reason) in outcome.left {
            match reason {
                Reason::ChangedSinceReview => step.unfinished = true,
                Reason::Held | Reason::Bound | Reason::GitHeld => {}
                Reason::Refused | Reason::GitUnsafe => self.tell(&mut step, path, Waits::Refused),
                Reason::Conflict => self.tell(&mut step, path, Waits::Conflict),
                Reason::Unwritable => self.tell(&mut step, path, Waits::Unwritable),
            }
        }
        step.merged = outcome.merged;
        Ok(step)
    }

    /// Leaves out removals of directories that hold something which is not ready.
    fn bound(&self, ready: Vec<Change>) -> Vec<Change> {
        let going: BTreeSet<PathBuf> = ready.iter().map(|change| change.path.clone()).collect();
        let stays = |change: &Change| {
            let below = self.seen.range::<PathBuf, _>(&change.path..).skip(1);
            below.take_while(|(path, _)| path.starts_with(&change.path)).any(|(path, _)| !going.contains(path))
        };
        let removes = |change: &Change| matches!(change.kind, Kind::Removed | Kind::Replaced);
        let parent_stays = |change: &Change| {
            change.path.ancestors().skip(1).any(|dir| self.seen.contains_key(dir) && !going.contains(dir))
        };
        ready.iter().filter(|c| !(parent_stays(c) || removes(c) && stays(c))).cloned().collect()
    }

    fn tell(&mut self, step: &mut Step, path: PathBuf, why: Waits) {
        if self.told.insert((path.clone(), why)) {
            step.held.push((path, why));
        }
    }
}

fn waits(change: &Change) -> Option<Waits> {
    let git = change.git.as_ref();
    if change.refusal.is_some() {
        Some(Waits::Refused)
    } else if change.conflict.is_some() {
        Some(Waits::Conflict)
    } else if git.is_some_and(|unit| unit.is_empty()) {
        Some(Waits::Flagged)
    } else {
        let plain = change.flags.is_empty() || (git.is_some() && change.flags == [super::Flag::Git]);
        let hides = match git {
            // What a unit brings to life counts, not that it lies in `.git`.
            Some(unit) => unit.paths.iter().any(|(path, _)| hidden(&seal::unseal(path))),
            None => hidden(&change.path),
        };
        (!plain || hides).then_some(Waits::Flagged)
    }
}

/// Whether a name begins with a dot, its own or one above it.
fn hidden(path: &Path) -> bool {
    let plain = |name: &OsStr| PLAIN.iter().any(|plain| name == *plain);
    path.iter().any(|name| name.as_bytes().starts_with(b".") && !plain(name))
}

/// What must be the same twice: every stamp that the change carries.
fn looks(change: &Change) -> Vec<Option<Stamp>> {
    let unit = change.git.iter().flat_map(|unit| unit.stamps());
    [change.after.clone()].into_iter().chain(unit).collect()
}
