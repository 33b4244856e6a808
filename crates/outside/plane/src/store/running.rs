//! Which sessions may need repair: those that began and did not leave. A thousand old sessions cost nothing at a start.
//!
//! A session is marked before its directory exists and unmarked last, so a plane killed at any moment leaves a mark.
//! Marking and making happen on the threshold, shared among beginners; a repair judges marks with the threshold to
//! itself, so it never takes a session that is half made for one that is lost.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{Store, private_directory};

/// Steps on the threshold, beside others that begin.
pub(super) fn enter(store: &Store) -> io::Result<File> {
    threshold(store, FlockOperation::LockShared)
}

/// Takes the threshold for itself.
pub(super) fn judge(store: &Store) -> io::Result<File> {
    threshold(store, FlockOperation::LockExclusive)
}

fn threshold(store: &Store, how: FlockOperation) -> io::Result<File> {
    let directory = match File::open(store.running()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private_directory(&store.running())?;
            File::open(store.running())?
        }
        other => other?,
    };
    wait_for(&directory, how)?;
    Ok(directory)
}

/// Waits for a lock that is only ever held for moments.
pub(super) fn wait_for(lock: impl AsFd, how: FlockOperation) -> io::Result<()> {
    loop {
        match rustix::fs::flock(&lock, how) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Marks a session.
pub(super) fn mark(store: &Store, id: &str) -> io::Result<()> {
    File::options().create_new(true).write(true).mode(0o600).open(store.running().join(id)).map(drop)
}

/// Takes the mark off; one that is off already is no error.
pub(super) fn unmark(root: &Path, id: &str) -> io::Result<()> {
    match std::fs::remove_file(root.join("running").join(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
