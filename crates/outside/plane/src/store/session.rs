//! One session on disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policy::{Conjunction, Policy};
use record::{Origin, Segment};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use wire::command::{Problem, SessionState};

use super::{Store, private_directory, replace};
use crate::problem::{NO, problem, state};

/// What was asked of a session, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id; sorts by the time it began.
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
    pub mode: policy::WorkspaceMode,
    /// Risks accepted by name.
    pub accepted_risks: Vec<String>,
    /// The workspace, then the other trees that may change.
    pub trees: Vec<TreeRecord>,
    /// Directories of control groups that were made for it, to be removed.
    pub cgroups: Vec<PathBuf>,
    /// A home that ends with the session.
    pub fresh_home: Option<PathBuf>,
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
    /// The moment before which the original was what the cell saw: seconds and nanoseconds since the Unix epoch.
    pub since: (i64, i64),
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
    pub fn create(store: &Store, mut record: SessionRecord) -> Result<SessionDirectory, Problem> {
        let mut moment = record.started;
        let path = loop {
            record.id = id(moment);
            let path = store.sessions().join(&record.id);
            match fs::create_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => moment += 1,
                Err(error) => return Err(state("make", &path, &error)),
            }
        };
        let lock = File::options().create_new(true).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(|error| state("lock", &path, &error))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| state("lock", &path, &error.into()))?;
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
        let bytes = fs::read(&file).map_err(|error| state("read", &file, &error))?;
        let record = serde_json::from_slice(&bytes).map_err(|error| state("read", &file, &error.into()))?;
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
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => self.lock = Some(lock),
            Err(_) => {
                return Err(problem(
                    "E-PLANE-010",
                    format!("session `{}` is still running", self.record.id),
                    "wait until it ends, or end its program",
                    NO,
                ));
            }
        }
        Ok(())
    }

    /// How far it came.
    #[must_use]
    pub fn state(&self) -> SessionState {
        if self.record.ended.is_some() {
            return SessionState::Ended;
        }
        let lock = File::options().write(true).open(self.path.join("lock"));
        let free = lock.is_ok_and(|lock| rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
        if free || self.lock.is_some() { SessionState::Lost } else { SessionState::Running }
    }

    /// Keeps the record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<(), Problem> {
        let file = self.path.join("session.json");
        let bytes = serde_json::to_vec(&self.record).map_err(|error| state("write", &file, &error.into()))?;
        replace(&file, &bytes).map_err(|error| state("write", &file, &error))
    }

    /// Keeps the policies that are in force.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_policy(&self, policies: &[Policy]) -> Result<(), Problem> {
        let file = self.path.join("policy.json");
        let bytes = serde_json::to_vec(policies).map_err(|error| state("write", &file, &error.into()))?;
        replace(&file, &bytes).map_err(|error| state("write", &file, &error))
    }

    /// The policies that were in force.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn policy(&self) -> Result<Conjunction, Problem> {
        let file = self.path.join("policy.json");
        let bytes = fs::read(&file).map_err(|error| state("read", &file, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| state("read", &file, &error.into()))
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

/// An id that sorts by time: microseconds in base 32, without letters that look alike.
fn id(moment: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..11).rev().map(|place| char::from(DIGITS[usize::try_from(moment >> (5 * place) & 31).unwrap_or(0)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        assert!(id(1_800_000_000_000_000) < id(1_800_000_000_000_001));
        assert_eq!(id(1).len(), 11);
    }
}
