//! Reads an overlay's upper layer and says what it would change in the original. Writes nothing, and never fails
//! for one entry's sake: what cannot be read or merged is said and refused.

use super::beneath::absent;
use super::overlay::Marks;
use super::refuse::refusal;
use super::seal::seal;
use super::stamp::sum;
use super::{Baseline, Change, Conflict, Error, Flag, Kind, Node, Refusal, Stamp, Tree, flags, git, guard};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Deeper than any project and shallow enough for the stack.
const DEPTH: usize = 256;
/// Entries of one scan.
const ENTRIES: usize = 1_000_000;
/// Bytes of the largest file that is merged, and of all that one scan reads: sparse files cost nothing to make.
pub(super) const LARGEST: u64 = 2 << 30;
const READ: u64 = 32 << 30;
/// The longest tick by which a file system tells times apart, twice, in nanoseconds.
const TICK: i64 = 20_000_000;
const SECOND: i64 = 1_000_000_000;

/// How much of files one scan reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reads {
    largest: u64,
    all: u64,
}

impl Reads {
    /// When the operator waits for it.
    pub(super) const WHOLE: Self = Self { largest: LARGEST, all: READ };
    /// While a session runs, again and again between its other duties: what is more waits for the operator.
    pub(super) const LIVE: Self = Self { largest: 64 << 20, all: 256 << 20 };
}

/// Scans `upper` against `lower`; `guards` are the policy's guarded paths. Git directories are folded into one change.
pub(super) fn scan(
    upper: &Tree,
    lower: &Tree,
    baseline: &Baseline,
    guards: &[PathBuf],
    reads: Reads,
) -> Result<Vec<Change>, Error> {
    let mut scan = Scan::begin(upper, lower, baseline, guards, reads)?;
    scan.all()?;
    scan.leave_out_what_is_settled();
    scan.guard_what_is_reached();
    scan.changes.sort_by(|a, b| a.path.cmp(&b.path));
    let (changes, reached) = (std::mem::take(&mut scan.changes), &scan.reached);
    let judge = |path: &Path, node: Node, mode: u32| {
        let mut found = flags(path, (node, mode), guards);
        found.extend(guard::touches(reached, path, false).then_some(Flag::Guarded));
        found
    };
    git::fold(upper, lower, changes, scan.whole, &judge)
}

/// Remembers, after a merge, what is none of the cell's changes from now on, whatever becomes of the original: files that it
/// copied and that are as they were, and what appears in directories that it made anew.
pub(super) fn settle(upper: &Tree, lower: &Tree, baseline: &mut Baseline, reads: Reads) -> Result<(), Error> {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let before = (now.tv_sec - i64::from(now.tv_nsec < TICK), ((now.tv_nsec + SECOND - TICK) % SECOND).unsigned_abs());
    let mut scan = Scan::begin(upper, lower, baseline, &[], reads)?;
    scan.all()?;
    let (mut alike, anew) = (scan.alike, scan.anew);
    // What is written within the same tick may show no other time: the cell may still run.
    alike.retain(|(_, stamp)| stamp.ctime < before);
    alike.iter().for_each(|(path, stamp)| baseline.settle(path, Some(stamp)));
    anew.into_iter().for_each(|(path, left)| baseline.settle_anew(&path, left));
    Ok(())
}

/// What the cell sees of the original in a directory, and so what is written down of what it removes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// All: the kernel leaves a whiteout for what is removed.
    Original,
    /// Nothing, because the cell made the directory. What a merge of ours put into the original's since is no layer
    /// below to the kernel, which leaves no whiteout for it.
    Own,
    /// Nothing, because the directory or one above was made anew: all of the original's is gone.
    Nothing,
}

/// Where the walk stands.
#[derive(Clone, Copy)]
struct Place {
    /// A directory above was moved by somebody else.
    moved: bool,
    sees: Sees,
    /// A directory above looks like a repository without being called `.git`.
    bare: bool,
    /// A file `config` beside would be a repository's.
    config: bool,
    depth: usize,
}

struct Scan<'a> {
    upper: &'a Tree,
    lower: &'a Tree,
    baseline: &'a Baseline,
    guards: &'a [PathBuf],
    /// The original is a git directory itself.
    whole: bool,
    changes: Vec<Change>,
    /// What guards lead to through the original's links.
    reached: BTreeSet<PathBuf>,
    /// Directories that were merged as they are.
    settled: BTreeSet<PathBuf>,
    /// Files of the upper layer that are as the original's, but for git's own, which are missed where they are gone.
    alike: Vec<(PathBuf, Stamp)>,
    /// Directories that nothing of the original shows through, and what is missing in each.
    anew: Vec<(PathBuf, Vec<OsString>)>,
    reads: Reads,
    read: u64,
}

impl<'a> Scan<'a> {
    fn begin(
        upper: &'a Tree,
        lower: &'a Tree,
        baseline: &'a Baseline,
        guards: &'a [PathBuf],
        reads: Reads,
    ) -> Result<Self, Error> {
        let whole = git::repository(lower)?;
        let (changes, alike, anew) = (Vec::new(), Vec::new(), Vec::new());
        let (reached, settled) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { upper, lower, baseline, guards, whole, changes, reached, settled, alike, anew, reads, read: 0 })
    }

    fn all(&mut self) -> Result<(), Error> {
        // What it is called and who may enter it says nothing of what lies in it: it is the same directory.
        let moved = !self.baseline.holds(self.lower)?;
        let root = Place { moved, sees: Sees::Original, bare: false, config: false, depth: 0 };
        self.directory(Path::new(""), root)
    }

    fn directory(&mut self, dir: &Path, place: Place) -> Result<(), Error> {
        let listed = self.upper.names(dir).and_then(|names| {
            let missing = self.missing(dir, &names, place.sees)?;
            if place.sees == Sees::Nothing {
                self.anew.push((dir.to_owned(), missing.clone()));
            }
            Ok((names, missing))
        });
        let Ok((names, missing)) = listed else {
            return self.push(dir, Kind::Modified, (None, None), Some(Refusal::Unreadable), place);
        };
        if place.depth >= DEPTH {
            return self.push(dir, Kind::Modified, (None, None), Some(Refusal::TooDeep), place);
        }
        let (bare, config) = self.repository(dir, &names);
        let inside = Place { depth: place.depth + 1, bare: place.bare || bare, config, ..place };
        for guard in self.guards {
            guard::reached(self.lower, dir, guard, &mut self.reached);
        }
        for name in missing {
            self.removed(&dir.join(name), inside)?;
        }
        for name in names {
            self.entry(&dir.join(name), inside)?;
        }
        Ok(())
    }

    /// The original's names that are gone from a directory without a whiteout.
    fn missing(&self, dir: &Path, names: &[OsString], sees: Sees) -> Result<Vec<OsString>, Error> {
        if sees == Sees::Original {
            return Ok(Vec::new());
        }
        let mut missing = match self.lower.names(dir) {
            Err(Error::Io { source, .. }) if absent(&source) => return Ok(Vec::new()),
            other => other?,
        };
        let here: BTreeSet<_> = names.iter().collect();
        missing.retain(|name| !here.contains(name));
        let left = self.baseline.left_anew(dir);
        let gone =
            |name: &OsString| sees == Sees::Nothing && left.is_none_or(|left| left.contains(&seal(Path::new(name))));
        missing.retain(|name| gone(name) || self.baseline.has_merged(&dir.join(name)));
        Ok(missing)
    }

    /// Whether git would take this directory for a repository, or for one's common directory, though it is not called
    /// `.git`; and whether it is on the way to one, so that a `config` in it counts. Both layers together are judged:
    /// a repository can be completed over several merges, and a fixture that is one already must not change.
    fn repository(&self, dir: &Path, names: &[OsString]) -> (bool, bool) {
        let root = dir.as_os_str().is_empty();
        if (root && self.whole) || dir.iter().any(|part| part == ".git") {
            return (false, false);
        }
        let here = |name: &str| {
            let above = names.iter().any(|have| have.eq_ignore_ascii_case(name));
            above || !matches!(self.lower.stat(&dir.join(name)), Ok(None))
        };
        let [head, objects, refs] = ["HEAD", "objects", "refs"].map(here);
        let common = objects && refs;
        (common || (head && here("commondir")), head || objects || refs)
    }

    /// Leaves out directories that were merged, but for those that something new lies in.
    fn leave_out_what_is_settled(&mut self) {
        let (settled, changes) = (std::mem::take(&mut self.settled), std::mem::take(&mut self.changes));
        let fresh = changes.iter().map(|change| &change.path).filter(|path| !settled.contains(*path));
        let holding: BTreeSet<PathBuf> = fresh.flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
        let stays = |change: &Change| !settled.contains(&change.path) || holding.contains(&change.path);
        self.changes = changes.into_iter().filter(stays).collect();
    }

    /// Flags what is no guarded name itself, but what one leads to.
    fn guard_what_is_reached(&mut self) {
        for change in &mut self.changes {
            let directory = change.after.as_ref().or(change.before.as_ref()).is_some_and(|s| s.node == Node::Directory);
            if guard::touches(&self.reached, &change.path, directory) && !change.flags.contains(&Flag::Guarded) {
                change.flags.push(Flag::Guarded);
            }
        }
    }

    fn entry(&mut self, path: &Path, place: Place) -> Result<(), Error> {
        let seen = self.upper.stat(path).ok().flatten();
        let marks = seen.as_ref().and_then(|(_, stat)| Marks::read(self.upper, path, stat));
        let (Some((_, stat)), Some(marks)) = (seen, marks) else {
            let before = Stamp::take(self.lower, path, false).ok().flatten();
            return self.push(path, Kind::Modified, (before, None), Some(Refusal::Unreadable), place);
        };
        if marks.whiteout(&stat) {
            return self.removed(path, place);
        }
        if self.baseline.is_settled(path, Some(&Stamp::of(&stat))) {
            if Stamp::of(&stat).node != Node::Directory {
                return Ok(());
            }
            self.settled.insert(path.to_owned());
        }
        let Ok((before, mut after, fault)) = self.stamps(path, Stamp::of(&stat)) else {
            return self.push(path, Kind::Modified, (None, Some(Stamp::of(&stat))), Some(Refusal::Unreadable), place);
        };
        let was = before.as_ref().map(|stamp| stamp.node);
        let is_directory = after.node == Node::Directory;
        if was == Some(Node::Directory) && !is_directory {
            self.children_removed(path, place)?;
        }
        let refusal = fault.or_else(|| refusal(self.upper, path, &after, &marks));
        if refusal.is_none() {
            after.mode = after.arriving(before.as_ref());
        }
        let moved = place.moved || self.moved(path, before.as_ref(), &marks, is_directory, place.sees)?;
        if let Some(kind) = kind(before.as_ref(), &after, fault.is_some() || refusal == Some(Refusal::Redirect)) {
            self.push(path, kind, (before, Some(after)), refusal, Place { moved, ..place })?;
        } else if !is_directory && !self.whole && path.iter().all(|part| part != ".git") {
            self.alike.push((path.to_owned(), after));
        }
        if is_directory {
            // Only the topmost is marked: what the cell makes below an opaque directory bears no mark of its own.
            let sees = match place.sees {
                Sees::Nothing => Sees::Nothing,
                _ if marks.opaque() => Sees::Nothing,
                _ if marks.copied() => Sees::Original,
                _ => Sees::Own,
            };
            self.directory(path, Place { moved, sees, ..place })?;
        }
        Ok(())
    }

    /// Both sides. Contents are read only as far as they decide something: the original's where it has the same size.
    fn stamps(&mut self, path: &Path, mut after: Stamp) -> Result<(Option<Stamp>, Stamp, Option<Refusal>), Error> {
        let mut before = Stamp::take(self.lower, path, false)?;
        match after.node {
            Node::File => {
                if after.size > self.reads.largest.min(self.reads.all - self.read) {
                    return Ok((before, after, Some(Refusal::TooLarge)));
                }
                self.read += after.size;
                after.sha256 = Some(sum(self.upper, path)?);
                if let Some(before) = before.as_mut().filter(|b| b.node == Node::File && b.size == after.size) {
                    before.sha256 = Some(sum(self.lower, path)?);
                }
            }
            Node::Symlink => {
                after = Stamp::take(self.upper, path, true)?.filter(|now| now.same(&after)).unwrap_or(after)
            }
            Node::Directory | Node::Special => {}
        }
        Ok((before, after, None))
    }

    /// Whether what the cell copied is not where it was.
    fn moved(
        &self,
        path: &Path,
        before: Option<&Stamp>,
        marks: &Marks,
        directory: bool,
        sees: Sees,
    ) -> Result<bool, Error> {
        Ok(match before {
            Some(before) if directory && before.node == Node::Directory => {
                self.baseline.directory_moved(path, before, marks.origin())
            }
            Some(_) => false,
            // A lower directory is never renamed by the cell, a file may be: then its own directory did not change, or
            // is one in which the cell never saw it.
            None if directory => marks.copied(),
            None => marks.copied() && sees == Sees::Original && !self.baseline.quiet(self.lower, path)?,
        })
    }

    fn removed(&mut self, path: &Path, place: Place) -> Result<(), Error> {
        if self.baseline.is_settled(path, None) {
            return Ok(());
        }
        let before = match Stamp::take(self.lower, path, false) {
            Ok(Some(before)) => before,
            Ok(None) => return Ok(()),
            Err(_) => return self.push(path, Kind::Removed, (None, None), Some(Refusal::Unreadable), place),
        };
        if before.node == Node::Directory {
            self.children_removed(path, place)?;
        }
        self.push(path, Kind::Removed, (Some(before), None), None, place)
    }

    fn children_removed(&mut self, path: &Path, place: Place) -> Result<(), Error> {
        if place.depth >= DEPTH {
            return self.push(path, Kind::Removed, (None, None), Some(Refusal::TooDeep), place);
        }
        for name in self.lower.names(path).unwrap_or_default() {
            self.removed(&path.join(name), Place { depth: place.depth + 1, ..place })?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        path: &Path,
        kind: Kind,
        (before, after): (Option<Stamp>, Option<Stamp>),
        refusal: Option<Refusal>,
        place: Place,
    ) -> Result<(), Error> {
        if self.changes.len() >= ENTRIES {
            return Err(Error::TooMany);
        }
        let gone = before.is_none() && place.moved;
        // A directory's entries change its times as chmod does: the cell's mode is never put over one set outside.
        let late = |before: &Stamp| before.node == Node::Directory && self.baseline.entries_moved(path, before);
        let conflict = match self.baseline.conflict(path, before.as_ref()) {
            None if gone => Some(Conflict::RemovedOutside),
            None if kind == Kind::Mode && before.as_ref().is_some_and(late) => Some(Conflict::ChangedOutside),
            None if place.moved => Some(Conflict::ParentMoved),
            other => other,
        };
        let thing = after.as_ref().or(before.as_ref()).map_or((Node::Special, 0), |stamp| (stamp.node, stamp.mode));
        let mut flags = flags(path, thing, self.guards);
        let named = |name: &str| path.file_name().is_some_and(|have| have.eq_ignore_ascii_case(name));
        let sends = named("commondir") || (place.config && named("config") && thing.0 != Node::Directory);
        if (place.bare || sends) && !flags.contains(&Flag::Git) {
            flags.push(Flag::Git);
        }
        self.changes.push(Change { path: path.to_owned(), kind, after, before, flags, refusal, conflict, git: None });
        Ok(())
    }
}

/// How two stamps differ, by content; times do not count. `refused` entries are said even where they do not differ.
pub(super) fn kind(before: Option<&Stamp>, after: &Stamp, refused: bool) -> Option<Kind> {
    let Some(before) = before else { return Some(Kind::Created) };
    let same = before.sha256 == after.sha256 && after.node != Node::Special;
    if before.node != after.node {
        Some(Kind::Replaced)
    } else if refused || !same {
        Some(Kind::Modified)
    } else {
        (before.mode != after.mode && after.node != Node::Symlink).then_some(Kind::Mode)
    }
}
