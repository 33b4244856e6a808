//! One session on disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::{CanonicalPath, Policy, WorkspaceMode};
use record::{Origin, Segment};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use wire::command::{Built, Problem, SessionState};

use super::{DirectoryAhead, Store, ledger, order, private_directory, replace_soon, running, sync};
use crate::checksum;
use crate::problem::{NO, problem, state};
use crate::workspace::Seen;

/// How long somebody who lists sessions may hold a lock.
const LOOKING: Duration = Duration::from_millis(100);
/// How long the plane of a session that ended may.
const SETTLING: Duration = Duration::from_secs(10);

/// What was asked of a session, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id; sorts after that of every session before it.
    pub id: String,
    /// The name that the operator gave.
    pub name: Option<String>,
    /// Microseconds since the Unix epoch.
    pub started: u64,
    /// The same, once it ended in order.
    pub ended: Option<u64>,
    /// The exit code that was passed on.
    pub exit: Option<i32>,
    /// The command line, as the operator gave it or as it was found.
    pub command: Vec<String>,
    /// `review`, `live` or `read-only`.
    pub mode: WorkspaceMode,
    /// Risks accepted by name.
    pub accepted_risks: Vec<String>,
    /// The workspace, then the other trees that may change.
    pub trees: Vec<TreeRecord>,
    /// Directories of control groups that were made for it, to be removed.
    pub cgroups: Vec<PathBuf>,
    /// A home that ends with the session.
    pub fresh_home: Option<PathBuf>,
    /// What options of `run` add to the policy of a file, for as long as the session runs.
    #[serde(default)]
    pub options: Options,
    /// Of a sub-agent: whose.
    #[serde(default)]
    pub parent: Option<ParentRecord>,
    /// What it was begun with. Absent in the record of an older build.
    #[serde(default)]
    pub built: Option<Built>,
    /// The name of its private home beneath `homes`, where that stays after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Its record says which labels it began with. That of an older build does not.
    #[serde(default)]
    pub carries: bool,
}

/// Options of `run` about what a cell is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Paths that may be read.
    pub read: Vec<CanonicalPath>,
    /// Paths that may be changed under review.
    pub write: Vec<CanonicalPath>,
    /// What becomes of changes.
    pub mode: Option<WorkspaceMode>,
    /// Seconds after which the session ends.
    pub time: Option<u64>,
}

impl Options {
    /// Adds what they say to a policy. The mode only narrows.
    pub fn complete(&self, policy: &mut Policy) {
        for (list, paths) in [(&mut policy.files.read, &self.read), (&mut policy.files.write, &self.write)] {
            list.extend(paths.iter().cloned());
        }
        if let Some(seconds) = self.time {
            policy.limits.time = Some(policy.limits.time.map_or(seconds, |limit| limit.min(seconds)));
        }
        if let Some(mode) = self.mode {
            policy.files.workspace = policy.files.workspace.min(mode);
        }
    }
}

/// A tree whose changes are merged by the plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    /// Where it is, inside and outside.
    pub path: PathBuf,
    /// The session's directory for its changes.
    pub changes: PathBuf,
    /// Whose files are made by a merge, when the plane is root.
    pub owner: Option<(u32, u32)>,
    /// Of a sub-agent: the copy that it sees there.
    #[serde(default)]
    pub view: Option<Seen>,
}

/// Whose sub-agent a session is, or whose server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRecord {
    /// The parent's session.
    pub session: String,
    /// Which of its children this is; 0 where it is none.
    pub child: u32,
    /// The parent's event that tells of it.
    pub event: String,
    /// Which of its servers this is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A session's directory, and whether this plane holds it.
#[derive(Debug)]
pub struct SessionDirectory {
    /// Where.
    pub path: PathBuf,
    /// What is known of it.
    pub record: SessionRecord,
    lock: Option<File>,
}

impl SessionDirectory {
    /// Makes a new one, held by the caller.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(store: &Store, record: SessionRecord) -> Result<SessionDirectory, Problem> {
        SessionDirectory::create_from(store, record, None)
    }

    /// The same from one that was made ahead, where it lies in this state directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_from(
        store: &Store,
        mut record: SessionRecord,
        ahead: Option<DirectoryAhead>,
    ) -> Result<SessionDirectory, Problem> {
        let mut ahead = ahead.filter(|ahead| ahead.is_of(store));
        // Nobody judges what is running while this one is half made.
        let threshold = running::enter(store).map_err(|error| state("lock", &store.running(), &error))?;
        let failed = |error| state("write", store.root(), &error);
        let mut moment = order::after(store, record.started).map_err(failed)?;
        let path = loop {
            record.id = id(moment);
            let path = store.sessions().join(&record.id);
            match make_marked(store, &record.id, &path, &mut ahead) {
                Ok(lock) => {
                    order::note(store, &record.id).map_err(failed)?;
                    match lock {
                        Some(lock) => return Ok(SessionDirectory { path, record, lock: Some(lock) }),
                        None => break path,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => moment += 1,
                Err(error) => return Err(state("make", &path, &error)),
            }
        };
        let lock = File::options().create_new(true).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(|error| state("lock", &path, &error))?;
        // Waits: somebody who lists sessions may look at the lock for a moment.
        running::wait_for(&lock, FlockOperation::LockExclusive).map_err(|error| state("lock", &path, &error))?;
        drop(threshold);
        let changes = path.join("changes");
        private_directory(&changes).map_err(|error| state("make", &changes, &error))?;
        Ok(SessionDirectory { path, record, lock: Some(lock) })
    }

    /// Opens one that exists, without holding it.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn open(path: &Path) -> Result<SessionDirectory, Problem> {
        let file = path.join("session.json");
        let bytes = bounded(&file).map_err(|error| unread(path, "session.json", &error))?;
        let record: SessionRecord =
            checksum::read(&bytes).map_err(|error| damaged(path, &format!("`session.json`: {error}")))?;
        // A directory that says it is another session would let events pass for that one's.
        // Of all but servers one has a workspace.
        let served = record.parent.as_ref().is_some_and(|parent| parent.server.is_some());
        if path.file_name().is_none_or(|name| *name != *record.id) || record.trees.is_empty() && !served {
            return Err(damaged(path, &"it holds the record of another session, or of none"));
        }
        Ok(SessionDirectory { path: path.to_owned(), record, lock: None })
    }

    /// Holds it, if no other plane does.
    ///
    /// # Errors
    /// When another plane holds it.
    pub fn hold(&mut self) -> Result<(), Problem> {
        if self.lock.is_some() {
            return Ok(());
        }
        let file = self.path.join("lock");
        let lock = File::options().write(true).open(&file).map_err(|error| state("lock", &file, &error))?;
        // Who lists sessions looks at the lock for a moment, and the plane of one that ended brings it to disk; who runs
        // one holds it for good.
        let patience = if self.record.ended.is_some() { SETTLING } else { LOOKING };
        let until = Instant::now() + patience;
        loop {
            if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                self.lock = Some(lock);
                return Ok(());
            }
            if Instant::now() > until {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(problem(
            "E-PLANE-010",
            format!("session `{}` is held by another plane: it is still running, or being merged", self.record.id),
            "wait until it ends, or end its program; `bastide ls` shows how far it is",
            NO,
        ))
    }

    /// Takes over a lock that the caller already has.
    pub(super) fn held_by(mut self, lock: File) -> SessionDirectory {
        self.lock = Some(lock);
        self
    }

    /// Puts a session that is held on the list of those that may need repair, while its changes are merged.
    ///
    /// # Errors
    /// When the list cannot be changed.
    pub fn enter(&self) -> Result<(), Problem> {
        let store = self.store();
        let marked = running::enter(&store).and_then(|_threshold| match running::mark(&store, &self.record.id) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        marked.map_err(|error| state("write", &self.path, &error))
    }

    /// Lets a session that ended leave the list of those that may need repair. To be called last, when the record says
    /// that it ended. One whose control groups or fresh home could not be removed yet stays: the next start tries again.
    ///
    /// # Errors
    /// When the list cannot be changed; the next start then looks at the session again.
    pub fn leave(&self) -> Result<(), Problem> {
        self.mend();
        let mut made = self.record.cgroups.iter().chain(&self.record.fresh_home);
        if made.any(|path| fs::symlink_metadata(path).is_ok()) {
            return Ok(());
        }
        running::unmark(self.store().root(), &self.record.id).map_err(|error| state("write", &self.path, &error))
    }

    /// Cuts torn last lines off its segments, when nobody writes them any more. One that cannot be mended verifies as
    /// it is.
    pub(super) fn mend(&self) {
        for segment in [Segment::Plane, Segment::Gate] {
            let _ = ledger::mend(&self.segment(segment), &self.origin(segment));
        }
    }

    /// The state directory that it lies in.
    pub(crate) fn store(&self) -> Store {
        Store::at(self.path.parent().and_then(Path::parent).unwrap_or(Path::new("/")))
    }

    /// How far it came. A session that ended without an exit code was ended by a repair.
    #[must_use]
    pub fn state(&self) -> SessionState {
        match (self.record.ended, self.record.exit) {
            (Some(_), Some(_)) => return SessionState::Ended,
            (Some(_), None) => return SessionState::Lost,
            _ => {}
        }
        let lock = File::options().write(true).open(self.path.join("lock"));
        let free = lock.is_ok_and(|lock| rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared).is_ok());
        if free || self.lock.is_some() { SessionState::Lost } else { SessionState::Running }
    }

    /// Keeps the record, and notes its trees as directories that an agent can change: before it can. On disk when the
    /// session ended, with its policy: until then a power cut may take both, and what it took is refused, not guessed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<(), Problem> {
        for tree in self.record.trees.iter().filter(|_| self.record.ended.is_none()) {
            self.store().remember_tree(&tree.path).map_err(|error| state("write", &self.path, &error))?;
        }
        let file = self.path.join("session.json");
        let bytes = checksum::file_of(&self.record).map_err(|error| state("write", &file, &error.into()))?;
        replace_soon(&file, &bytes).map_err(|error| state("write", &file, &error))
    }

    /// Makes durable what was written of it, but what another process still holds.
    ///
    /// # Errors
    /// When the disk says so.
    pub fn settle(&self) -> io::Result<()> {
        let files = ["gate.segment", "session.json"].map(|name| self.path.join(name));
        for file in files.into_iter().chain(self.policy_files()?) {
            sync(&file)?;
        }
        File::open(&self.path)?.sync_all()
    }

    /// Where a segment lies.
    #[must_use]
    pub fn segment(&self, segment: Segment) -> PathBuf {
        self.path.join(match segment {
            Segment::Plane => "plane.segment",
            Segment::Gate => "gate.segment",
        })
    }

    /// Whose a segment is.
    #[must_use]
    pub fn origin(&self, segment: Segment) -> Origin {
        Origin { session: self.record.id.clone(), segment }
    }
}

/// Makes a session's directory, marked first; from one that was made ahead, with the lock that holds it. The mark goes again
/// where the id is an older session's.
fn make_marked(store: &Store, id: &str, path: &Path, ahead: &mut Option<DirectoryAhead>) -> io::Result<Option<File>> {
    running::mark(store, id)?;
    let made = match ahead {
        Some(ahead) => ahead.become_sessions(path),
        None => fs::DirBuilder::new().mode(0o700).create(path).map(|()| None),
    };
    if made.is_err() {
        running::unmark(store.root(), id)?;
    }
    made
}

/// Longest file of a session that is read whole.
const MAX_FILE: u64 = 16 << 20;

pub(super) fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE) {
        return Ok(bytes);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_FILE} bytes")))
}

/// That a file of a session's directory cannot be read: one that is gone, or has grown beyond all bounds, is damaged.
pub(super) fn unread(path: &Path, name: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => damaged(path, &format!("`{name}` is gone")),
        io::ErrorKind::FileTooLarge => damaged(path, &format!("`{name}`: {error}")),
        _ => state("read", &path.join(name), error),
    }
}

pub(super) fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Problem {
    problem(
        "E-PLANE-014",
        format!("the session's directory `{}` is damaged: {why}", path.display()),
        "its record may still be read: `less PATH/plane.segment`; to give it up, remove the directory",
        NO,
    )
}

const ID_LENGTH: u32 = 11;
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Whether a name can be a session's id.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == ID_LENGTH as usize && name.bytes().all(|byte| DIGITS.contains(&byte))
}

/// An id that sorts by time: microseconds in base 32, without letters that look alike.
fn id(moment: u64) -> String {
    (0..ID_LENGTH)
        .rev()
        .map(|place| char::from(DIGITS[usize::try_from(moment >> (5 * place) & 31).unwrap_or(0)]))
        .collect()
}

/// The moment that an id is of.
pub(super) fn moment(id: &str) -> Option<u64> {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).and_then(|place| u64::try_from(place).ok());
    id.bytes().try_fold(0_u64, |moment, byte| Some(moment << 5 | digit(byte)?)).filter(|_| is_id(id))
}

/// One for what is made ahead, which no session ever has: their moments do not come that far.
pub(super) fn id_ahead(moment: u64) -> String {
    id(moment | 1 << (5 * ID_LENGTH - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its plane told the client before it brought the session to disk: what the operator asks at once has to wait for
    /// that, and was refused as "still running".
    #[test]
    fn a_session_that_ended_is_waited_for_while_its_plane_settles() {
        let room = tempfile::tempdir().expect("a directory");
        let store = Store::open(None, room.path().to_str()).expect("made");
        let record = SessionRecord {
            id: String::new(),
            name: None,
            started: 1,
            ended: Some(2),
            exit: Some(0),
            command: vec!["true".into()],
            mode: WorkspaceMode::Review,
            accepted_risks: Vec::new(),
            trees: vec![TreeRecord { path: "/w".into(), changes: room.path().into(), owner: None, view: None }],
            cgroups: Vec::new(),
            fresh_home: None,
            options: Options::default(),
            parent: None,
            built: None,
            home: None,
            carries: true,
        };
        let settling = SessionDirectory::create(&store, record).expect("made");
        settling.save().expect("kept");
        let mut asked = SessionDirectory::open(&settling.path).expect("there");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(3 * LOOKING);
                drop(settling);
            });
            asked.hold().expect("its plane is done soon");
        });
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(id(1_800_000_000_000_000) < id(1_800_000_000_000_001));
        assert_eq!(id(1).len(), 11);
        assert_eq!(moment(&id(1_800_000_000_000_001)), Some(1_800_000_000_000_001));
        assert_eq!((moment("0000000000l"), moment("1")), (None, None));
        assert!(is_id(&id(u64::MAX)) && !is_id("..") && !is_id("0000000000l"));
    }
}
