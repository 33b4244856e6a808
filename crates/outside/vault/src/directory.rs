//! The directory of the vault, by its descriptor: files that are the owner's alone, each written whole or not at all.
//!
//! It knows nothing of what it keeps. No link is followed, and no path is looked up twice.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::error::{Exposure, VaultError};

/// What a file is called that is not whole yet.
const UNFINISHED: &str = ".new";

pub(crate) struct Directory {
    path: PathBuf,
    descriptor: File,
}

/// Held as long as something is written. The lock goes with its descriptor, whatever becomes of the process.
pub(crate) struct Writing(#[allow(dead_code)] File);

/// What became of reading a file.
pub(crate) enum Found {
    Nothing,
    Exposed(Exposure),
    Bytes(Zeroizing<Vec<u8>>),
}

impl Directory {
    /// Opens it, made where it is not there, and removes what a crash left half written.
    pub(crate) fn open(path: &Path) -> Result<Directory, VaultError> {
        make(path).map_err(|cause| VaultError::Host { what: "make", path: path.into(), cause })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(VaultError::Exposed { path: path.into(), how: Exposure::Kind });
            }
            other => {
                other.map_err(|error| VaultError::Host { what: "open", path: path.into(), cause: error.into() })?
            }
        };
        let directory = Directory { path: path.into(), descriptor: descriptor.into() };
        let stat = rustix::fs::fstat(&directory.descriptor).map_err(|error| directory.host("read", "", error))?;
        if let Some(how) = exposure(&stat, FileType::Directory) {
            return Err(VaultError::Exposed { path: path.into(), how });
        }
        // Who writes at this moment cleans up himself.
        if let Ok(writing) = directory.lock(FlockOperation::NonBlockingLockExclusive) {
            directory.sweep(&writing)?;
        }
        Ok(directory)
    }

    /// Waits until nobody else writes.
    pub(crate) fn write(&self) -> Result<Writing, VaultError> {
        let writing = self.lock(FlockOperation::LockExclusive).map_err(|error| self.host("lock", "", error))?;
        self.sweep(&writing)?;
        Ok(writing)
    }

    /// Through a descriptor of its own: a lock belongs to what was opened, not to who holds it.
    fn lock(&self, operation: FlockOperation) -> Result<Writing, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own: File = rustix::fs::openat(&self.descriptor, ".", flags, Mode::empty())?.into();
        rustix::io::retry_on_intr(|| rustix::fs::flock(&own, operation))?;
        Ok(Writing(own))
    }

    /// Names of what is there, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>, VaultError> {
        let mut names = Vec::new();
        let entries = Dir::read_from(&self.descriptor).map_err(|error| self.host("list", "", error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.host("list", "", error))?;
            // What is not UTF-8 was not written here.
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a file of at most `most` bytes, which is the owner's alone.
    pub(crate) fn read(&self, name: &str, most: usize) -> Result<Found, VaultError> {
        // A pipe of that name is opened, and refused, without waiting for who would write to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = match rustix::fs::openat(&self.descriptor, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Found::Exposed(Exposure::Kind)),
            other => other.map_err(|error| self.host("open", name, error))?.into(),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| self.host("read", name, error))?;
        if let Some(how) = exposure(&stat, FileType::RegularFile) {
            return Ok(Found::Exposed(how));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(most));
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        file.take(limit).read_to_end(&mut bytes).map_err(|error| self.host("read", name, error))?;
        Ok(Found::Bytes(bytes))
    }

    /// Puts a file there, whole and on disk when it returns; one that is there already is replaced only where that is
    /// asked for.
    pub(crate) fn put(&self, _: &Writing, name: &str, bytes: &[u8], replace: bool) -> Result<(), VaultError> {
        let fresh = format!("{name}{UNFINISHED}");
        let written = self.put_as(&fresh, name, bytes, replace);
        if written.is_err() {
            // What is left is removed at the next opening.
            let _ = rustix::fs::unlinkat(&self.descriptor, &fresh, AtFlags::empty());
        }
        written.map_err(|error| self.host("write", name, error))
    }

    fn put_as(&self, fresh: &str, name: &str, bytes: &[u8], replace: bool) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file: File = rustix::fs::openat(&self.descriptor, fresh, flags, Mode::RUSR | Mode::WUSR)?.into();
        file.write_all(bytes)?;
        file.sync_all()?;
        let how = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(&self.descriptor, fresh, &self.descriptor, name, how)?;
        self.descriptor.sync_all()
    }

    /// Removes a file; false where there is none.
    pub(crate) fn remove(&self, _: &Writing, name: &str) -> Result<bool, VaultError> {
        match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            other => other.map_err(|error| self.host("remove", name, error))?,
        }
        self.descriptor.sync_all().map_err(|error| self.host("write", "", error))?;
        Ok(true)
    }

    /// What is not whole belongs to nobody while the lock is ours.
    fn sweep(&self, writing: &Writing) -> Result<(), VaultError> {
        for name in self.names()?.iter().filter(|name| name.ends_with(UNFINISHED)) {
            self.remove(writing, name)?;
        }
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }

    pub(crate) fn host(&self, what: &'static str, name: &str, cause: impl Into<io::Error>) -> VaultError {
        VaultError::Host { what, path: self.path(name), cause: cause.into() }
    }
}

/// Makes a directory, on disk when it returns; one that is there already serves.
fn make(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all(),
    }
}

/// Whether somebody else comes near.
fn exposure(stat: &Stat, kind: FileType) -> Option<Exposure> {
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Some(Exposure::Kind);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Some(Exposure::Owner);
    }
    (stat.st_mode & 0o077 != 0).then_some(Exposure::Mode)
}
