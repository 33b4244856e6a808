//! A session's directory that is made before there is a session: without a name, a record or a mark, and nobody's. Each
//! file that is made costs a start more than all else that is done with it.
//!
//! It lies beside the sessions, held by the plane that waits, and so do control groups that bear its name. Those of a plane that
//! was killed go when the next are made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags};

use super::{Store, cgroup, clear, now, private_directory, remove_cgroup, session};
use crate::workspace::Workspace;

/// Files that are written beside the one that they then replace.
const DRAFTS: [&str; 2] = ["session.new", "policy.new"];

/// In the session's directory: under which name its control groups were made.
const GROUPS: &str = "groups";

/// Dropped, it is removed.
#[derive(Debug)]
pub struct DirectoryAhead {
    path: PathBuf,
    id: String,
    lock: Option<File>,
}

impl DirectoryAhead {
    /// Makes one, held by the caller.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn make(store: &Store) -> io::Result<DirectoryAhead> {
        let place = store.root().join("ahead");
        private_directory(&place)?;
        // One at a time makes and removes, until what it made is held.
        let threshold = File::open(&place)?;
        rustix::fs::flock(&threshold, FlockOperation::LockExclusive)?;
        remove_unheld(&place)?;
        let id = session::id_ahead(now());
        let path = place.join(&id);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let mut ahead = DirectoryAhead { path, id, lock: None };
        let make = |name: &str| File::options().create_new(true).write(true).mode(0o600).open(ahead.path.join(name));
        let lock = make("lock")?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        DRAFTS.iter().try_for_each(|name| make(name).map(drop))?;
        std::os::unix::fs::symlink(&ahead.id, ahead.path.join(GROUPS))?;
        ahead.lock = Some(lock);
        let changes = ahead.path.join("changes");
        private_directory(&changes)?;
        Workspace::prepare(&changes.join("0")).map_err(io::Error::other)?;
        Ok(ahead)
    }

    /// By what its control groups are named.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it lies in this state directory.
    pub(super) fn is_of(&self, store: &Store) -> bool {
        self.path.parent().is_some_and(|place| place.parent() == Some(store.root()))
    }

    /// Makes it a session's: its path becomes another one, which must be free. Gives the lock, still held.
    ///
    /// # Errors
    /// The kernel's error; it then is what it was.
    pub(super) fn become_sessions(&mut self, path: &Path) -> io::Result<Option<File>> {
        rustix::fs::renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE)?;
        Ok(self.lock.take())
    }
}

impl Drop for DirectoryAhead {
    fn drop(&mut self) {
        // Without its lock it is a session's.
        if self.lock.is_some() {
            let _ = clear(&self.path);
        }
    }
}

/// What planes left that are gone.
fn remove_unheld(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let held = File::options().write(true).open(path.join("lock")).is_ok_and(|lock| {
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
        });
        if !held {
            groups_of(&path).iter().try_for_each(|group| remove_cgroup(group))?;
            clear(&path)?;
        }
    }
    Ok(())
}

/// Control groups that were made for a directory before it was a session's, wherever they lie.
pub(super) fn groups_of(directory: &Path) -> Vec<PathBuf> {
    let named = fs::read_link(directory.join(GROUPS)).ok();
    let id = named.as_deref().and_then(Path::to_str).filter(|id| session::is_id(id));
    id.map(cgroup::of_session).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_plane_left_goes_and_what_is_held_stays() {
        let room = tempfile::tempdir().expect("a directory");
        let store = Store::open(None, room.path().to_str()).expect("made");
        let place = store.root().join("ahead");
        fs::create_dir_all(place.join("left/changes")).expect("left");
        let held = place.join("held");
        fs::create_dir_all(&held).expect("made");
        let lock = File::create(held.join("lock")).expect("made");
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("held");
        let ahead = DirectoryAhead::make(&store).expect("made");
        assert!(ahead.is_of(&store) && ahead.path.join("changes/0/upper").is_dir());
        assert!(!place.join("left").exists() && held.exists());
        let path = ahead.path.clone();
        drop(ahead);
        assert!(!path.exists());
        drop(lock);
        let mut ahead = DirectoryAhead::make(&store).expect("made");
        assert!(!held.exists());
        let taken = store.sessions().join("taken");
        fs::create_dir(&taken).expect("made");
        assert!(ahead.become_sessions(&taken).is_err(), "another session's");
        assert!(ahead.become_sessions(&store.sessions().join("own")).expect("free").is_some());
        drop(ahead);
        assert!(store.sessions().join("own/session.new").exists());
    }
}
