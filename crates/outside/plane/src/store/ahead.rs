//! A session's directory that is made before there is a session: without a name, a record or a mark, and nobody's. Each
//! file that is made costs a start more than all else that is done with it.
//!
//! It lies beside the sessions, held by the plane that waits. One whose plane was killed goes when the next is made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags};

use super::{Store, clear, private_directory};
use crate::workspace::Workspace;

/// Files that are written beside the one that they then replace.
const DRAFTS: [&str; 2] = ["session.new", "policy.new"];

/// Dropped, it is removed.
#[derive(Debug)]
pub struct DirectoryAhead {
    path: PathBuf,
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
        remove_unheld(&place)?;
        let path = place.join(std::process::id().to_string());
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let mut ahead = DirectoryAhead { path, lock: None };
        let make = |name: &str| File::options().create_new(true).write(true).mode(0o600).open(ahead.path.join(name));
        let lock = make("lock")?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        DRAFTS.iter().try_for_each(|name| make(name).map(drop))?;
        ahead.lock = Some(lock);
        let changes = ahead.path.join("changes");
        private_directory(&changes)?;
        Workspace::prepare(&changes.join("0")).map_err(io::Error::other)?;
        Ok(ahead)
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

/// What planes left that are gone. One that is being made is not held yet, and is its plane's whose number it bears.
fn remove_unheld(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let lock = File::options().write(true).open(path.join("lock"));
        let held = lock.as_ref().is_ok_and(|lock| {
            rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
        });
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
        let making = lock.is_err() && number.is_some_and(|pid| pid != std::process::id() && lives(pid));
        if !held && !making {
            clear(&path)?;
        }
    }
    Ok(())
}

fn lives(pid: u32) -> bool {
    fs::symlink_metadata(format!("/proc/{pid}")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_plane_left_goes_and_what_is_held_stays() {
        let room = tempfile::tempdir().expect("a directory");
        let store = Store::open(None, room.path().to_str()).expect("made");
        let place = store.root().join("ahead");
        fs::create_dir_all(place.join("1234567890/changes")).expect("left");
        let held = place.join("1234567891");
        fs::create_dir_all(&held).expect("made");
        let lock = File::create(held.join("lock")).expect("made");
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("held");
        let ahead = DirectoryAhead::make(&store).expect("made");
        assert!(ahead.is_of(&store) && ahead.path.join("changes/0/upper").is_dir());
        assert!(!place.join("1234567890").exists() && held.exists());
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
