//! Merges reviewed changes into the original: stage copies, commit the journal, then rename them into place.
//!
//! A crash before the commit rolls back, one after it is redone; so does a full disk.

use super::act::{Actor, fatal};
use super::beneath::{Tree, sync};
use super::choose::choose;
use super::journal::{Act, Journal, Op, State};
use super::keep::keep;
use super::seal::{seal, unseal};
use super::stage::{Source, Task, scratch, stage, unstage};
use super::stamp::unchanged;
use super::times::Times;
use super::{Baseline, Change, Error, Filter, Kind, Node, Outcome, Reason, Stamp, git, io};
use rustix::fs::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Counts the steps that change anything, and stops before one: how tests prove recovery at every crash point.
#[derive(Debug, Default)]
pub struct Steps {
    limit: Option<usize>,
    taken: usize,
}

impl Steps {
    /// Stops before step number `limit`.
    pub fn limited(limit: usize) -> Self {
        Self { limit: Some(limit), taken: 0 }
    }

    fn step(&mut self, name: &'static str) -> Result<(), Error> {
        if self.limit.is_some_and(|limit| self.taken >= limit) {
            return Err(Error::Interrupted(name));
        }
        self.taken += 1;
        Ok(())
    }
}

/// The places and rules of one merge.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    /// The overlay's upper layer.
    pub(super) upper: &'a Tree,
    /// The original.
    pub(super) lower: &'a Tree,
    /// Where the journal and the baseline lie; out of the cell's reach.
    pub(super) journal: &'a Tree,
    /// Owner of what is created, if the merging process is root.
    pub(super) owner: Option<(u32, u32)>,
    /// Changes were compared with the original by content, which the beginning of their session says nothing of.
    pub(super) by_content: bool,
}

impl Merge<'_> {
    /// Merges reviewed changes. An error leaves nothing half: what was not committed is rolled back at once.
    pub(super) fn apply(
        &self,
        changes: &[Change],
        filter: &Filter,
        baseline: &mut Baseline,
        steps: &mut Steps,
    ) -> Result<Outcome, Error> {
        if Journal::load(self.journal)?.is_some() {
            return Err(Error::Pending);
        }
        let mut outcome = Outcome::default();
        let judge = (!self.by_content).then_some(&*baseline);
        let chosen = choose(self.lower, judge, changes, filter, &mut outcome)?;
        if chosen.is_empty() {
            return Ok(outcome);
        }
        let staging = format!(".bastide-{}", nonce());
        let tasks = self.plan(&chosen, &staging)?;
        let ops = tasks.iter().map(|task| task.op.clone()).collect();
        let mut journal = Journal { state: State::Staging, owner: self.owner, staging, ops };
        steps.step("write journal")?;
        journal.save(self.journal)?;
        let decided: Vec<&Change> = chosen.into_iter().filter(|change| filter.decides(change)).collect();
        let staged = self.stage(&mut journal, (&tasks, &decided), baseline, &mut outcome, steps);
        if let Err(error) = staged {
            if !matches!(error, Error::Interrupted(_)) {
                self.roll_back(&journal, &mut Steps::default())?;
            }
            return Err(error);
        }
        journal.state = State::Committed;
        steps.step("commit journal")?;
        journal.save(self.journal)?;
        self.redo(&journal, true, baseline, &mut outcome, steps)?;
        Ok(outcome)
    }

    /// Completes or rolls back a merge that was cut short; does nothing if there is none.
    pub(super) fn recover(&self, baseline: &mut Baseline, steps: &mut Steps) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let Some(journal) = Journal::load(self.journal)? else { return Ok(outcome) };
        match journal.state {
            State::Committed => self.redo(&journal, false, baseline, &mut outcome, steps)?,
            State::Staging => self.roll_back(&journal, steps)?,
        }
        Ok(outcome)
    }

    /// Removals deepest first, then directories from the top, copies, and modes last (a directory may end unwritable).
    fn plan(&self, chosen: &[&Change], staging: &str) -> Result<Vec<Task>, Error> {
        let (mut tasks, mut puts, mut modes) = (Vec::new(), Vec::new(), Vec::new());
        let task = |op, source| Task { op, source };
        for change in chosen.iter().rev().filter(|change| change.kind == Kind::Removed) {
            tasks.push(task(Op::new(&change.path, Act::Remove, change.before.clone(), None), Source::None));
        }
        for change in chosen {
            if let Some(unit) = &change.git {
                puts.extend(git::plan(
                    self.upper,
                    self.lower,
                    &change.path,
                    unit,
                    &mut |n| temp(staging, n),
                    puts.len(),
                )?);
                continue;
            }
            let Some(after) = &change.after else { continue };
            let op = |act| Op::new(&change.path, act, change.before.clone(), Some(after.clone()));
            match (change.kind, after.node) {
                (Kind::Mode, _) => modes.push(task(op(Act::Mode), Source::None)),
                (_, Node::Directory) => {
                    tasks.push(task(op(Act::Directory), Source::None));
                    modes.push(task(op(Act::Mode), Source::None));
                }
                _ => puts.push(task(op(Act::Put { temp: temp(staging, puts.len()) }), Source::Upper)),
            }
        }
        tasks.append(&mut puts);
        tasks.extend(modes.into_iter().rev());
        Ok(tasks)
    }

    /// Makes every copy and makes them durable, of what goes for `decided` changes too; what cannot be copied as
    /// reviewed leaves the journal.
    fn stage(
        &self,
        journal: &mut Journal,
        (tasks, decided): (&[Task], &[&Change]),
        baseline: &mut Baseline,
        outcome: &mut Outcome,
        steps: &mut Steps,
    ) -> Result<(), Error> {
        steps.step("make staging directory")?;
        self.in_root(baseline, || {
            let (root, staging) = (self.lower.dir(Path::new(""))?, Path::new(&journal.staging));
            rustix::fs::mkdirat(&root, staging, Mode::RWXU).map_err(io("make directory", staging))
        })?;
        let mut failed = BTreeMap::new();
        for change in decided {
            steps.step("keep what stands outside")?;
            let Some(stood) = &change.before else { continue };
            if let Some(reason) = keep(self.journal, self.lower, &change.path, stood)? {
                failed.insert(change.path.clone(), reason);
            }
        }
        let files = tasks.iter().filter(|task| matches!(task.source, Source::Upper));
        let times = Times::of(files.filter_map(|task| task.op.after.as_ref()));
        for task in tasks {
            if failed.contains_key(&task.op.reported()) {
                continue;
            }
            steps.step("copy")?;
            let reason = match stage(self.upper, self.lower, self.owner, &journal.staging, (task, &times)) {
                Err(error) if fatal(&error) => return Err(error),
                // Somebody holds git's own lock on what this would change.
                Err(_) if task.op.group.is_some() => Some(Reason::Conflict),
                Err(_) => Some(Reason::Unwritable),
                Ok(reason) => reason,
            };
            if let Some(reason) = reason {
                failed.insert(task.op.reported(), reason);
            }
        }
        // With every lock held and every copy made: is the git directory still what was reviewed?
        for op in journal.ops.iter().filter(|op| op.group.is_some()) {
            if !self.as_reviewed(op)? {
                failed.insert(op.reported(), Reason::Conflict);
            }
        }
        for op in journal.ops.iter().filter(|op| failed.contains_key(&op.reported())) {
            self.unstage(op, &journal.staging)?;
        }
        journal.ops.retain(|op| !failed.contains_key(&op.reported()));
        outcome.left.extend(failed);
        steps.step("sync copies")?;
        self.sync(journal.ops.iter().filter_map(|op| op.act.temp()).collect())
    }

    /// Whether an operation of a group finds what was reviewed, or what it would make.
    fn as_reviewed(&self, op: &Op) -> Result<bool, Error> {
        let now = Stamp::take(self.lower, &op.path(), false)?;
        let directory = now.as_ref().is_some_and(|stamp| stamp.node == Node::Directory);
        let any = matches!(op.act, Act::Import { .. } | Act::Mode | Act::Settle)
            || (matches!(op.act, Act::Directory) && directory);
        Ok(any || unchanged(op.before.as_ref(), now.as_ref()))
    }

    /// A lock that was not made by us is another's: only where our own staging directory stands is it ours to remove.
    fn unstage(&self, op: &Op, staging: &str) -> Result<(), Error> {
        let ours = |temp: &Path| -> Result<bool, Error> {
            let copy = Stamp::take(self.lower, temp, true)?;
            let after = op.after.as_ref().and_then(|after| after.sha256);
            Ok(temp.starts_with(staging) || copy.is_none_or(|copy| copy.sha256 == after))
        };
        match op.act.temp() {
            Some(temp) if ours(&temp)? => unstage(self.lower, op),
            _ => Ok(()),
        }
    }

    fn roll_back(&self, journal: &Journal, steps: &mut Steps) -> Result<(), Error> {
        for op in &journal.ops {
            steps.step("roll back")?;
            self.unstage(op, &journal.staging)?;
        }
        self.lower.remove(&scratch(&journal.staging), false)?;
        self.lower.remove(Path::new(&journal.staging), true)?;
        Journal::finish(self.journal)
    }

    fn redo(
        &self,
        journal: &Journal,
        fresh: bool,
        baseline: &mut Baseline,
        outcome: &mut Outcome,
        steps: &mut Steps,
    ) -> Result<(), Error> {
        let actor = Actor { lower: self.lower, owner: journal.owner, fresh, shared: journal.shared() };
        let mut left = BTreeMap::new();
        for op in &journal.ops {
            steps.step("act")?;
            let path = op.path();
            let quiet = baseline.quiet(self.lower, &path)?;
            // What cannot be looked at is left by the act itself, which says why.
            let linked = self.lower.stat(&path).ok().flatten().filter(|(_, stat)| stat.st_nlink > 1);
            match actor.act(op)? {
                None => {
                    // What was only looked at is nothing that we made: where somebody else did, it stays a conflict.
                    if !matches!(op.act, Act::Settle | Act::Expect) {
                        baseline.record(self.lower, &path, quiet)?;
                    }
                    if let Some((file, _)) = linked {
                        baseline.touch(file).map_err(io("stat", &path))?;
                    }
                    if op.group.is_none() || matches!(op.act, Act::Settle) {
                        baseline.settle(&path, op.after.as_ref());
                    }
                    outcome.merged.push(op.reported());
                }
                Some(reason) => {
                    left.insert(op.reported(), reason);
                }
            }
            if !fresh || !matches!(op.act, Act::Put { .. }) || left.contains_key(&op.reported()) {
                self.unstage(op, &journal.staging)?;
            }
        }
        steps.step("sync original")?;
        self.sync(journal.ops.iter().map(Op::path).collect())?;
        self.in_root(baseline, || self.lower.remove(Path::new(&journal.staging), true))?;
        outcome.merged.sort();
        outcome.merged.dedup();
        outcome.merged.retain(|path| !left.contains_key(path));
        outcome.left.extend(left);
        steps.step("save baseline")?;
        baseline.save(self.journal, true)?;
        steps.step("finish journal")?;
        Journal::finish(self.journal)
    }

    /// Adds or removes our own entry in the original's root, which is no change by somebody else.
    fn in_root(&self, baseline: &mut Baseline, act: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let root = Path::new("");
        let quiet = baseline.quiet(self.lower, root)?;
        act()?;
        if quiet { baseline.record(self.lower, root, false) } else { Ok(()) }
    }

    /// Makes files and their directories durable: one by one while they are few, else the whole file system at once.
    fn sync(&self, paths: Vec<PathBuf>) -> Result<(), Error> {
        let here = Path::new("");
        if paths.len() > 8 {
            return rustix::fs::syncfs(self.lower.dir(here)?).map_err(io("sync", here));
        }
        let parents: BTreeSet<PathBuf> = paths.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        for path in &paths {
            if let Ok(file) = self.lower.file(path) {
                sync(file, path)?;
            }
        }
        for dir in &parents {
            if let Ok(fd) = self.lower.dir(dir) {
                sync(fd, dir)?;
            }
        }
        sync(self.lower.dir(here)?, here)
    }
}

fn temp(staging: &str, n: usize) -> String {
    seal(&unseal(staging).join(n.to_string()))
}

fn nonce() -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    format!("{}-{}-{}", std::process::id(), now.tv_sec, now.tv_nsec)
}
