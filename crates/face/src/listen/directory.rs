//! The directory of a door that runs. One that was killed leaves its own behind, and the next one takes that away.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use tempfile::TempDir;

const PREFIX: &str = "bastide-door-";
/// How old one is that is taken away: it is locked only after it was made.
const OLD: Duration = Duration::from_secs(60);

/// It ends with this.
#[derive(Debug)]
pub(super) struct Directory {
    made: TempDir,
    /// Locked for as long.
    _lock: File,
}

impl Directory {
    /// Makes one, and takes away what others left.
    ///
    /// # Errors
    /// When none can be made.
    pub(super) fn make(within: &Path) -> io::Result<Directory> {
        take_away(within, SystemTime::now());
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(within)?;
        let lock = lock(made.path())?;
        Ok(Directory { made, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.made.path()
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let opened = File::from(open(directory, flags, Mode::empty())?);
    flock(&opened, FlockOperation::NonBlockingLockExclusive)?;
    Ok(opened)
}

/// Those of ours that nobody holds. What cannot be taken away stays.
fn take_away(within: &Path, now: SystemTime) {
    let us = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(within).into_iter().flatten().flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let Some(meta) = named.then(|| entry.metadata().ok()).flatten() else { continue };
        let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok());
        if meta.is_dir() && meta.uid() == us && age.is_some_and(|age| age >= OLD) {
            let _ = lock(&entry.path()).map(|_held| fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_one_left_is_taken_away_and_no_other() {
        let within = tempfile::tempdir().expect("a directory");
        let held = Directory::make(within.path()).expect("made");
        let left = within.path().join("bastide-door-left");
        fs::create_dir(&left).expect("made");
        fs::write(left.join("trusted.pem"), "pem").expect("written");
        let other = within.path().join("bastide-other");
        fs::create_dir(&other).expect("made");
        take_away(within.path(), SystemTime::now());
        assert!(left.exists(), "it may just be made");
        take_away(within.path(), SystemTime::now() + OLD);
        assert!(!left.exists() && other.exists() && held.path().exists());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists());
    }
}
