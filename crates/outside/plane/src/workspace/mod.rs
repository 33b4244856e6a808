//! The workspace: an overlay's upper layer is hostile input, and what it says is merged into the original by us.
//!
//! Never follows a symlink, never runs git or any program, never merges a path that changed on both sides, and
//! never touches the original before a journal that can finish the merge is on disk.
//!
//! How the plane uses it. For each overlay, at a session's start (before the cell is): [`Workspace::begin`] with
//! `changes/N` in the session's directory; it makes `upper`, `work` and `journal` there, and the cell mounts the first
//! two. While the session runs in mode `live`: a [`Live`] and its `step` on a timer. At any later time, from any
//! process: [`Workspace::open`], `recover` (first, always), `changes`, `diff`, `apply`, `discard`. What the operator
//! reviewed is the list that `changes` gave: keep it and hand the same to `apply`, which merges nothing else.
//! After an error of `apply` the original is as it was, or `recover` finishes what was committed.

mod act;
mod apply;
mod baseline;
mod beneath;
mod change;
mod choose;
mod diff;
mod discard;
mod flag;
mod git;
mod guard;
mod journal;
mod keep;
mod live;
mod overlay;
mod refuse;
mod scan;
mod seal;
mod stage;
mod stamp;
mod times;
mod view;

pub use apply::Steps;
pub use baseline::{Baseline, Conflict};
pub use beneath::Tree;
pub(crate) use beneath::let_owner_in;
pub use change::{Change, Kind, Refusal};
pub use choose::{Filter, Outcome, Reason};
pub use discard::Discarded;
pub use flag::{Flag, flags};
pub use git::{Beside, Fault, Held, Move, Unbrought, Unit};
pub use live::{Live, Step, Waits};
pub use stamp::{Node, Stamp, Time};
pub use view::{Copied, Seen, View};

use crate::checksum;
use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// One overlay of one session: the original, and what the cell changed.
#[derive(Debug)]
pub struct Workspace {
    upper: Tree,
    lower: Tree,
    journal: Tree,
    baseline: Baseline,
    owner: Option<(u32, u32)>,
    /// Of a sub-agent: the original of what it saw a copy of, and which parts of that it may change.
    onto: Option<(Tree, Seen)>,
}

impl Workspace {
    /// Begins a session: makes `upper`, `work` and `journal` in `changes` (which is made too, 0700) and takes the
    /// moment. Costs the same however large the original is. `owner` owns what a merge by root creates.
    pub fn begin(changes: &Path, original: &Path, owner: Option<(u32, u32)>) -> Result<Self, Error> {
        // What was made ahead is this session's, and empty.
        if rustix::fs::lstat(changes).is_err() {
            Self::prepare(changes)?;
        }
        let mut workspace = Self::places(changes, original, owner)?;
        // The overlay shows its upper's own root for the workspace's.
        let here = Path::new("");
        let (_, stat) = workspace.lower.stat(here)?.ok_or_else(|| io("open", original)(rustix::io::Errno::NOENT))?;
        let upper = workspace.upper.dir(here)?;
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            rustix::fs::fchown(&upper, Some(uid), Some(gid)).map_err(io("own", here))?;
        }
        rustix::fs::fchmod(&upper, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(io("set mode of", here))?;
        workspace.baseline = Baseline::begin(&workspace.journal, &workspace.lower)?;
        workspace.baseline.save(&workspace.journal, false)?;
        Ok(workspace)
    }

    /// Makes the places for a session's changes, before it begins.
    pub fn prepare(changes: &Path) -> Result<(), Error> {
        let make = |path: &Path| rustix::fs::mkdir(path, Mode::RWXU).map_err(io("make directory", path));
        make(changes)?;
        ["upper", "work", "journal"].iter().try_for_each(|part| make(&changes.join(part)))?;
        let draft = changes.join("journal/baseline.json.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::open(&draft, flags, Mode::RUSR | Mode::WUSR).map(drop).map_err(io("make", &draft))
    }

    /// Opens what `begin` began.
    pub fn open(changes: &Path, original: &Path, owner: Option<(u32, u32)>) -> Result<Self, Error> {
        let mut workspace = Self::places(changes, original, owner)?;
        // The cell sees it as the workspace itself, and can close it. That is no change that is merged; what lies in it is.
        let _ = workspace.upper.let_us_in();
        workspace.baseline = Baseline::load(&workspace.journal)?;
        if workspace.baseline.is_unbegun() {
            return Err(Error::Unbegun);
        }
        if workspace.baseline.holds(&workspace.lower)? { Ok(workspace) } else { Err(Error::Moved(original.to_owned())) }
    }

    /// The same of a sub-agent, which saw a copy: changes are those of the copy, and are merged into the original.
    pub fn open_view(changes: &Path, seen: &Seen, original: &Path, owner: Option<(u32, u32)>) -> Result<Self, Error> {
        let mut workspace = Self::open(changes, &seen.at, owner)?;
        workspace.onto = Some((Tree::open(original)?, seen.clone()));
        Ok(workspace)
    }

    fn places(changes: &Path, original: &Path, owner: Option<(u32, u32)>) -> Result<Self, Error> {
        let part = |name: &str| Tree::open(&changes.join(name));
        let (upper, lower, journal) = (part("upper")?, Tree::open(original)?, part("journal")?);
        Ok(Self { upper, lower, journal, baseline: Baseline::default(), owner, onto: None })
    }

    /// Everything that the cell changed, by path; `guards` are the policy's guarded paths. Of what is in conflict,
    /// `before` is what stands outside now, with its content.
    pub fn changes(&self, guards: &[PathBuf]) -> Result<Vec<Change>, Error> {
        let mut changes = self.scan(guards, scan::Reads::WHOLE)?;
        for change in changes.iter_mut().filter(|change| change.conflict.is_some() && change.git.is_none()) {
            // What cannot be read, or not in bounds, is not known, and goes by no name.
            if change.before.as_ref().is_some_and(|stood| stood.size > scan::LARGEST) {
                continue;
            }
            if let Ok(stood) = Stamp::take(self.original(), &change.path, true) {
                change.before = stood;
            }
        }
        Ok(changes)
    }

    /// Where what stood outside of this content is kept once a change was merged over it, from the directory `changes`.
    pub fn kept(sha256: &[u8; 32]) -> PathBuf {
        Path::new("journal").join(keep::place(sha256))
    }

    /// What is merged into.
    fn original(&self) -> &Tree {
        self.onto.as_ref().map_or(&self.lower, |(original, _)| original)
    }

    fn scan(&self, guards: &[PathBuf], reads: scan::Reads) -> Result<Vec<Change>, Error> {
        let changes = scan::scan(&self.upper, &self.lower, &self.baseline, guards, reads)?;
        if let Some((original, seen)) = &self.onto {
            return view::rebase(changes, &self.lower, original, seen);
        }
        Ok(changes)
    }

    /// As `changes`, but no longer than a running session can wait: what is too large for that is refused as such.
    fn changes_meanwhile(&self, guards: &[PathBuf]) -> Result<Vec<Change>, Error> {
        self.scan(guards, scan::Reads::LIVE)
    }

    /// How many changes there are, at most: files that are too large to be compared in passing count as changed.
    pub fn count(&self) -> Result<usize, Error> {
        self.changes_meanwhile(&[]).map(|changes| changes.len())
    }

    /// What a change does, as text for the operator's eyes: of the very content that its stamp is of.
    pub fn diff(&self, change: &Change) -> Result<String, Error> {
        match change.conflict {
            None => diff::diff(&self.upper, &self.lower, change),
            Some(_) => {
                diff::contested(&self.upper, self.original(), self.onto.is_some().then_some(&self.lower), change)
            }
        }
    }

    /// Merges what was reviewed.
    pub fn apply(&mut self, changes: &[Change], filter: &Filter) -> Result<Outcome, Error> {
        self.apply_in(changes, filter, &mut Steps::default())
    }

    /// As `apply`, counting its steps.
    pub fn apply_in(&mut self, changes: &[Change], filter: &Filter, steps: &mut Steps) -> Result<Outcome, Error> {
        let _lock = self.lock()?;
        let mut baseline = self.baseline.clone();
        let outcome = self.merge().apply(changes, filter, &mut baseline, steps);
        self.baseline = baseline;
        if outcome.as_ref().is_ok_and(|outcome| !outcome.merged.is_empty()) {
            self.settle();
        }
        outcome
    }

    /// Brings the commits of a git directory that both sides changed in beside the original's own, as `refs/bastide/SESSION/…`;
    /// nothing else there is touched. A sub-agent's copy is none of the original: of that nothing is brought in.
    pub fn bring_beside(&mut self, change: &Change, session: &str) -> Result<Beside, Error> {
        let Some(unit) = change.git.as_ref().filter(|_| self.onto.is_none() && change.refusal.is_none()) else {
            return Ok(Beside::default());
        };
        let (mut beside, unit) = git::beside(&self.upper, &self.lower, &change.path, unit, session)?;
        let Some(unit) = unit else { return Ok(beside) };
        let names: Vec<String> = unit.moves.iter().map(|moved| moved.name.clone()).collect();
        let one = Change { flags: Vec::new(), conflict: None, git: Some(Box::new(unit)), ..change.clone() };
        let outcome = self.apply(&[one], &Filter::default())?;
        if outcome.left.is_empty() {
            beside.refs.extend(names);
        } else {
            beside.why = Some(Unbrought::Left);
        }
        Ok(beside)
    }

    /// What cannot be told apart here is told as a change once more, which loses nothing.
    fn settle(&mut self) {
        let mut baseline = self.baseline.clone();
        if scan::settle(&self.upper, &self.lower, &mut baseline, scan::Reads::LIVE).is_ok()
            && baseline.save(&self.journal, false).is_ok()
        {
            self.baseline = baseline;
        }
    }

    /// Whether a merge was cut short.
    fn is_pending(&self) -> Result<bool, Error> {
        Ok(journal::Journal::load(&self.journal)?.is_some())
    }

    /// The same of what lies in `changes`, without the original.
    pub fn is_cut_short(changes: &Path) -> Result<bool, Error> {
        Ok(journal::Journal::load(&Tree::open(&changes.join("journal"))?)?.is_some())
    }

    /// Finishes or undoes a merge that was cut short.
    pub fn recover(&mut self) -> Result<Outcome, Error> {
        self.recover_in(&mut Steps::default())
    }

    /// As `recover`, counting its steps.
    pub fn recover_in(&mut self, steps: &mut Steps) -> Result<Outcome, Error> {
        let _lock = self.lock()?;
        let mut baseline = Baseline::load(&self.journal)?;
        let outcome = self.merge().recover(&mut baseline, steps);
        self.baseline = baseline;
        outcome
    }

    /// Throws away the changes beneath `paths` (empty: all) and says which. The cell must not be running.
    pub fn discard(&mut self, changes: &[Change], paths: &[PathBuf]) -> Result<Discarded, Error> {
        let _lock = self.lock()?;
        let (told, entries) = discard::choose(&self.upper, changes, paths)?;
        // First: an entry that is gone while its merge is remembered would be a removal of the cell's.
        self.baseline.forget(&entries);
        self.baseline.save(&self.journal, true)?;
        discard::remove(&self.upper, &entries)?;
        Ok(told)
    }

    /// Throws away all that lies in `changes`, also where nobody can tell what it is: too much, or an original that is
    /// gone. An unfinished merge is forgotten with it. The cell must not be running.
    pub fn empty(changes: &Path) -> Result<(), Error> {
        let journal = Tree::open(&changes.join("journal"))?;
        let _lock = lock(&journal)?;
        discard::empty(&Tree::open(&changes.join("upper"))?)
    }

    /// Removes what an overlay's mount left in its work directory: without permission bits, it keeps an ordinary user
    /// from removing the session. The cell must not be running.
    pub fn tidy(changes: &Path) -> Result<(), Error> {
        discard::empty(&Tree::open(&changes.join("work"))?)
    }

    /// Empties any directory that a cell filled and nobody looks at any more, whatever its permissions.
    pub fn clear(directory: &Path) -> Result<(), Error> {
        let top = Tree::open(directory)?;
        discard::open_up(&top)?;
        discard::empty(&top)
    }

    fn merge(&self) -> apply::Merge<'_> {
        let (lower, by_content) = (self.original(), self.onto.is_some());
        apply::Merge { upper: &self.upper, lower, journal: &self.journal, owner: self.owner, by_content }
    }

    fn lock(&self) -> Result<OwnedFd, Error> {
        lock(&self.journal)
    }
}

/// One process at a time changes anything; the lock goes with its descriptor. Waited for a moment: between fork and
/// exec a child of any thread holds every lock of its parent.
fn lock(journal: &Tree) -> Result<OwnedFd, Error> {
    let dir = journal.dir(Path::new(""))?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(dir),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(io("lock", Path::new("journal"))(error)),
        }
    }
    Err(Error::Busy)
}

const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// Why a workspace operation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused an operation on a path.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The path, relative to its tree.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A path is absolute, empty or climbs with `..`.
    #[error("path `{}` does not stay beneath its tree", .0.display())]
    Escapes(PathBuf),
    /// More entries than the engine walks.
    #[error("too many entries")]
    TooMany,
    /// A copy would take more bytes than it may.
    #[error("more than the {0} bytes that are left of the disk limit")]
    NoRoom(u64),
    /// An earlier merge did not finish: it must be recovered first.
    #[error("an earlier merge is unfinished; recover it first")]
    Pending,
    /// Another process merges or discards.
    #[error("another process is merging these changes")]
    Busy,
    /// No session began here, or a power cut took its beginning.
    #[error("the session's beginning was not recorded")]
    Unbegun,
    /// Another directory stands where the original was.
    #[error("`{}` is not the directory that the session began on", .0.display())]
    Moved(PathBuf),
    /// What is there now is not what was stamped: nothing that was shown of it would be what is merged.
    #[error("it was changed while it was looked at")]
    Unsettled,
    /// The journal or baseline cannot be read.
    #[error("journal is damaged: {0}")]
    Journal(#[from] checksum::Damaged),
    /// The injected step limit was reached (tests of crashes only).
    #[error("stopped before step `{0}`")]
    Interrupted(&'static str),
}

/// Turns a kernel error into ours, with the words that the operator needs.
fn io<E: Into<std::io::Error>>(what: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source: source.into() }
}
