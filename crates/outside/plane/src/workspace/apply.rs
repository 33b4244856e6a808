//! Merges reviewed changes into the original: stage copies, commit the journal, then rename them into place.
//!
//! A crash before the commit rolls back, one after it is redone. Every operation is safe to do twice, and looks at
//! the original once more before it acts: what someone else changed meanwhile is left alone and reported.

use super::beneath::{Tree, absent, sync};
use super::journal::{Act, Journal, Op, State};
use super::scan::{Change, Kind, conflict, escapes};
use super::snapshot::{Manifest, Node, Stamp, seal, unseal};
use super::{Error, Flag, io};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
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

/// Which changes to merge.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these paths and what lies beneath them; empty means all.
    pub paths: Vec<PathBuf>,
    /// Merge guarded paths too: only when the operator named them.
    pub guarded: bool,
    /// Hold back everything that has a flag (continuous merging).
    pub unflagged_only: bool,
}

/// Why a path was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The change is of a kind that is never merged.
    Refused,
    /// The original changed, or was never recorded.
    Conflict,
    /// The cell changed it after it was reviewed.
    ChangedSinceReview,
    /// Guarded, flagged, or part of the git unit.
    Held,
}

/// What a merge did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Paths merged.
    pub merged: Vec<PathBuf>,
    /// Paths left alone, and why.
    pub left: Vec<(PathBuf, Reason)>,
}

/// The places and rules of one merge.
#[derive(Debug)]
pub struct Merge<'a> {
    /// The overlay's upper layer.
    pub upper: &'a Tree,
    /// The original.
    pub lower: &'a Tree,
    /// Where the journal and the manifest lie; out of the cell's reach.
    pub journal: &'a Tree,
    /// Owner of what is created, if the merging process is root.
    pub owner: Option<(u32, u32)>,
}

impl Merge<'_> {
    /// Merges reviewed changes. After any error, `recover` completes or rolls back.
    pub fn apply(
        &self,
        changes: &[Change],
        filter: &Filter,
        manifest: &mut Manifest,
        steps: &mut Steps,
    ) -> Result<Outcome, Error> {
        if Journal::load(self.journal)?.is_some() {
            return Err(Error::Pending);
        }
        let mut outcome = Outcome::default();
        let chosen = self.choose(changes, filter, manifest, &mut outcome)?;
        let mut journal = Journal { state: State::Staging, owner: self.owner, ops: self.plan(&chosen)? };
        steps.step("write journal")?;
        journal.save(self.journal)?;
        let mut failed = BTreeSet::new();
        for op in &journal.ops {
            if let Act::Put { temp, link } = &op.act
                && !self.stage(op, &unseal(temp), *link, steps)?
            {
                failed.insert(op.path.clone());
                outcome.left.push((op.path(), Reason::ChangedSinceReview));
            }
        }
        for op in journal.ops.iter().filter(|op| failed.contains(&op.path)) {
            self.unstage(op)?;
        }
        journal.ops.retain(|op| !failed.contains(&op.path));
        journal.state = State::Committed;
        steps.step("commit journal")?;
        journal.save(self.journal)?;
        self.redo(&journal, manifest, &mut outcome, steps)?;
        Ok(outcome)
    }

    /// Completes or rolls back a merge that was cut short; does nothing if there is none.
    pub fn recover(&self, manifest: &mut Manifest, steps: &mut Steps) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let Some(journal) = Journal::load(self.journal)? else { return Ok(outcome) };
        if journal.state == State::Committed {
            self.redo(&journal, manifest, &mut outcome, steps)?;
            return Ok(outcome);
        }
        for op in &journal.ops {
            steps.step("roll back")?;
            self.unstage(op)?;
        }
        Journal::finish(self.journal)?;
        Ok(outcome)
    }

    fn choose<'c>(
        &self,
        changes: &'c [Change],
        filter: &Filter,
        manifest: &Manifest,
        outcome: &mut Outcome,
    ) -> Result<Vec<&'c Change>, Error> {
        let mut chosen = Vec::new();
        for change in changes.iter().filter(|change| wanted(change, changes, filter)) {
            let now = Stamp::take(self.lower, &change.path, true)?;
            let moved = match (&change.before, &now) {
                (None, None) => false,
                (Some(then), Some(now)) => !then.same(now),
                _ => true,
            };
            let reason = if change.refusal.is_some() {
                Some(Reason::Refused)
            } else if held(change, filter) {
                Some(Reason::Held)
            } else if moved || change.conflict.is_some() || conflict(manifest, &change.path, now.as_ref()).is_some() {
                Some(Reason::Conflict)
            } else {
                None
            };
            match reason {
                Some(reason) => outcome.left.push((change.path.clone(), reason)),
                None => chosen.push(change),
            }
        }
        Ok(chosen)
    }

    /// Removals deepest first, then directories from the top, copies, and modes last (a directory may end unwritable).
    fn plan(&self, chosen: &[&Change]) -> Result<Vec<Op>, Error> {
        let (mut ops, mut puts, mut modes) = (Vec::new(), Vec::new(), Vec::new());
        let id =
            format!("{}-{}", std::process::id(), rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_nsec);
        for change in chosen.iter().rev().filter(|change| change.kind == Kind::Removed) {
            ops.push(Op::new(&change.path, Act::Remove, change.before.clone(), None));
        }
        for change in chosen {
            let Some(after) = &change.after else { continue };
            let op = |act| Op::new(&change.path, act, change.before.clone(), Some(after.clone()));
            match (change.kind, after.node) {
                (Kind::Mode, _) => modes.push(op(Act::Mode)),
                (_, Node::Directory) => {
                    ops.push(op(Act::Directory));
                    modes.push(op(Act::Mode));
                }
                (_, node) => {
                    let name = format!(".bastide-{id}-{}", puts.len());
                    let temp = seal(&self.standing(&change.path)?.join(name));
                    puts.push(op(Act::Put { temp, link: node == Node::Symlink }));
                }
            }
        }
        ops.append(&mut puts);
        ops.extend(modes.into_iter().rev());
        Ok(ops)
    }

    /// The nearest directory above a path that the original has already: the same file system, so rename is atomic.
    fn standing(&self, path: &Path) -> Result<PathBuf, Error> {
        for dir in path.ancestors().skip(1) {
            if Stamp::take(self.lower, dir, false)?.is_some_and(|stamp| stamp.node == Node::Directory) {
                return Ok(dir.to_owned());
            }
        }
        Ok(PathBuf::new())
    }

    /// Copies one file or link beside its target and hashes the copy; `false` if it is not what was reviewed.
    fn stage(&self, op: &Op, temp: &Path, link: bool, steps: &mut Steps) -> Result<bool, Error> {
        let path = op.path();
        let Some(after) = &op.after else { return Ok(false) };
        steps.step("create copy")?;
        if link {
            let Ok(target) = self.upper.link(&path) else { return Ok(false) };
            // Judged again on the very bytes that are merged: the scan read the link more than once.
            if escapes(&path, &target) {
                return Ok(false);
            }
            let (parent, name) = self.lower.parent(temp)?;
            rustix::fs::symlinkat(&target, &parent, name).map_err(io("link", &path))?;
            sync(&parent, temp)?;
            return Ok(Stamp::take(self.lower, temp, true)?.and_then(|stamp| stamp.sha256) == after.sha256);
        }
        let Ok(mut from) = self.upper.file(&path) else { return Ok(false) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mut into = File::from(self.lower.create(temp, flags, Mode::from_raw_mode(0o600))?);
        steps.step("fill copy")?;
        let copied = copy(&mut from, &mut into, after.size, &path)?;
        self.own(&into, op, &path)?;
        rustix::fs::fchmod(&into, Mode::from_raw_mode(after.mode & 0o777)).map_err(io("set mode of", &path))?;
        steps.step("sync copy")?;
        into.sync_all().map_err(io("sync", &path))?;
        sync(self.lower.parent(temp)?.0, temp)?;
        Ok(Some(copied) == after.sha256)
    }

    /// Gives a copy the owner of what it replaces, or the operator's, when we may.
    fn own(&self, file: impl std::os::fd::AsFd, op: &Op, path: &Path) -> Result<(), Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let Some((uid, gid)) = op.before.as_ref().map(|stamp| stamp.owner).or(self.owner) else { return Ok(()) };
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(io("own", path))
    }

    fn unstage(&self, op: &Op) -> Result<(), Error> {
        match &op.act {
            Act::Put { temp, .. } => self.lower.remove(&unseal(temp), false),
            _ => Ok(()),
        }
    }

    fn redo(
        &self,
        journal: &Journal,
        manifest: &mut Manifest,
        outcome: &mut Outcome,
        steps: &mut Steps,
    ) -> Result<(), Error> {
        let merge = Merge { owner: journal.owner, ..*self };
        for op in &journal.ops {
            steps.step("act")?;
            let path = op.path();
            if merge.act(op, &path)? {
                manifest.record(self.lower, &path)?;
                outcome.merged.push(path);
            } else {
                merge.unstage(op)?;
                outcome.left.push((path, Reason::Conflict));
            }
        }
        outcome.merged.sort();
        outcome.merged.dedup();
        steps.step("save manifest")?;
        manifest.save(self.journal)?;
        steps.step("finish journal")?;
        Journal::finish(self.journal)
    }

    /// Does one operation, or sees that it is done; `false` if the original is not as it was recorded.
    fn act(&self, op: &Op, path: &Path) -> Result<bool, Error> {
        let now = Stamp::take(self.lower, path, true)?;
        let untouched = match (&op.before, &now) {
            (None, None) => true,
            (Some(then), Some(now)) => then.same(now),
            _ => false,
        };
        // A thing of another kind is removed before its successor is put: a crash between leaves nothing there.
        let replaces = matches!((&op.before, &op.after), (Some(a), Some(b)) if a.node != b.node);
        let ready = untouched || (replaces && now.is_none());
        let answer = match (&op.act, &op.after) {
            (Act::Remove, _) => self.clear(now.as_ref(), untouched, path),
            (Act::Directory, _) if now.as_ref().is_some_and(|stamp| stamp.node == Node::Directory) => Ok(true),
            (Act::Directory, _) if ready => self.directory(op, now.as_ref(), path),
            (Act::Put { temp, .. }, Some(after)) => {
                let temp = unseal(temp);
                match Stamp::take(self.lower, &temp, true)? {
                    None => Ok(now.is_some_and(|now| now.sha256 == after.sha256)),
                    Some(copy) if ready && copy.sha256 == after.sha256 => {
                        let other = now.as_ref().filter(|_| replaces);
                        self.clear(other, untouched, path).and_then(|_| self.put(&temp, op.before.is_none(), path))
                    }
                    Some(_) => Ok(false),
                }
            }
            (Act::Mode, Some(after)) => self.mode(now.as_ref(), op.before.as_ref(), after, path),
            _ => Ok(false),
        };
        match answer {
            // Someone else filled a directory or took the name between our look and our act.
            Err(Error::Io { source, .. }) if contested(&source) => Ok(false),
            other => other,
        }
    }

    fn clear(&self, now: Option<&Stamp>, untouched: bool, path: &Path) -> Result<bool, Error> {
        match now {
            None => Ok(true),
            Some(now) if untouched => self.lower.remove(path, now.node == Node::Directory).map(|()| true),
            Some(_) => Ok(false),
        }
    }

    fn directory(&self, op: &Op, now: Option<&Stamp>, path: &Path) -> Result<bool, Error> {
        self.clear(now, true, path)?;
        let (parent, name) = self.lower.parent(path)?;
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)).map_err(io("make directory", path))?;
        let fresh = Op { before: None, ..op.clone() };
        self.own(self.lower.dir(path)?, &fresh, path)?;
        sync(&parent, path).map(|()| true)
    }

    fn put(&self, temp: &Path, fresh: bool, path: &Path) -> Result<bool, Error> {
        let ((from, old), (into, new)) = (self.lower.parent(temp)?, self.lower.parent(path)?);
        let flags = if fresh { rustix::fs::RenameFlags::NOREPLACE } else { rustix::fs::RenameFlags::empty() };
        rustix::fs::renameat_with(&from, old, &into, new, flags).map_err(io("rename", path))?;
        sync(&into, path)?;
        sync(&from, path).map(|()| true)
    }

    fn mode(&self, now: Option<&Stamp>, before: Option<&Stamp>, after: &Stamp, path: &Path) -> Result<bool, Error> {
        let Some(now) = now.filter(|now| now.node == after.node) else { return Ok(false) };
        let expected = before.is_none_or(|then| then.node != now.node || then.same(now));
        if now.mode == after.mode || !expected {
            return Ok(now.mode == after.mode);
        }
        let fd = self.lower.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW)?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(after.mode & 0o1777)).map_err(io("set mode of", path))?;
        sync(&fd, path).map(|()| true)
    }
}

/// Whether the filter names a change, or needs it as the parent of one that it names.
fn wanted(change: &Change, all: &[Change], filter: &Filter) -> bool {
    let named = |path: &Path| filter.paths.is_empty() || filter.paths.iter().any(|wanted| path.starts_with(wanted));
    let parent = |below: &Change| below.path.starts_with(&change.path) && named(&below.path);
    let directory = change.after.as_ref().is_some_and(|after| after.node == Node::Directory);
    named(&change.path) || (directory && change.kind != Kind::Mode && all.iter().any(parent))
}

fn held(change: &Change, filter: &Filter) -> bool {
    let git = change.flags.contains(&Flag::Git);
    let guarded = change.flags.contains(&Flag::Guarded) && !filter.guarded;
    git || guarded || (filter.unflagged_only && !change.flags.is_empty())
}

fn contested(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    absent(error) || matches!(code, Some(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR))
}

/// Copies and hashes what was written; stops one byte past the reviewed size, so a growing file cannot fill the disk.
fn copy(from: &mut File, into: &mut File, size: u64, path: &Path) -> Result<[u8; 32], Error> {
    let (mut hash, mut block, mut from) = (Sha256::new(), vec![0; 64 << 10], from.take(size + 1));
    loop {
        match from.read(&mut block).map_err(io("read", path))? {
            0 => return Ok(hash.finalize().into()),
            n => {
                hash.update(&block[..n]);
                into.write_all(&block[..n]).map_err(io("write", path))?;
            }
        }
    }
}
