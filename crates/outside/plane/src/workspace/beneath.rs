//! A directory tree that is only ever entered from its root, by the kernel's own rule.
//!
//! Every lookup is one `openat2` that refuses symlinks, magic links, mounts and leaving the tree (an
//! overlay shows nothing of what is mounted in its lower layer), so a hostile tree that
//! changes between two calls can make a call fail but never make it reach another place.

use super::{Error, io};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// A tree that is opened only beneath its root.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Opens the root; the path itself is the operator's and may hold symlinks.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).map_err(io("open", root))?;
        Ok(Self { root })
    }

    /// Lets us into the root itself, of a tree that is ours.
    pub(super) fn let_us_in(&self) -> rustix::io::Result<()> {
        let_owner_in(&self.root)
    }

    /// Where the root lies now, for a link that names it in full.
    pub(super) fn place(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.root.as_raw_fd())).ok()
    }

    /// Opens a path beneath the root with the given flags.
    pub(super) fn at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
        self.create(path, flags, Mode::empty())
    }

    /// As `at`, with the mode of a file to be made.
    pub(super) fn create(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Error> {
        let checked = inner(path)?;
        let rules =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        // EAGAIN: a rename raced the lookup and the kernel could not be sure; a hostile tree can repeat it, so bounded.
        for _ in 0..16 {
            match rustix::fs::openat2(&self.root, checked, flags | OFlags::CLOEXEC, mode, rules) {
                Err(rustix::io::Errno::AGAIN) => {}
                answer => return answer.map_err(io("open", path)),
            }
        }
        Err(io("open", path)(rustix::io::Errno::AGAIN))
    }

    /// What stands at a path, without following it; `None` if nothing does.
    pub(super) fn stat(&self, path: &Path) -> Result<Option<(OwnedFd, Stat)>, Error> {
        match self.at(path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd).map_err(io("stat", path))?;
                Ok(Some((fd, stat)))
            }
            // A parent that is a file or a symlink means that the path itself does not exist.
            Err(Error::Io { source, .. }) if absent(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file for reading; anything else that took its place is an error, and never blocks.
    pub(super) fn file(&self, path: &Path) -> Result<File, Error> {
        let fd = self.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY)?;
        let stat = rustix::fs::fstat(&fd).map_err(io("stat", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io("read", path)(rustix::io::Errno::INVAL));
        }
        Ok(File::from(fd))
    }

    /// Opens a directory for listing and fsync.
    pub(super) fn dir(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, path: &Path) -> Result<Vec<OsString>, Error> {
        let fd = self.dir(path)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(io("list", path))? {
            let entry = entry.map_err(io("list", path))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The parent directory, opened, and the last name.
    pub(super) fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Error> {
        let name = path.file_name().ok_or_else(|| Error::Escapes(path.to_owned()))?;
        Ok((self.dir(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// Where a symlink points.
    pub(super) fn link(&self, path: &Path) -> Result<PathBuf, Error> {
        let fd = self.at(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(io("read link", path))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Removes a file, link or empty directory; one that is gone already is no error.
    pub(super) fn remove(&self, path: &Path, directory: bool) -> Result<(), Error> {
        let (parent, name) = match self.parent(path) {
            Err(Error::Io { source, .. }) if absent(&source) => return Ok(()),
            other => other?,
        };
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match rustix::fs::unlinkat(&parent, name, flags) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(io("remove", path)(error)),
        }
    }
}

/// Gives the owner of a directory his way into it back, where the cell that wrote there took it. Through /proc, because that
/// reaches the very inode that is held open.
pub(crate) fn let_owner_in(dir: impl AsFd) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&dir)?.st_mode);
    if mode.contains(Mode::RWXU) {
        return Ok(());
    }
    rustix::fs::chmod(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()), mode | Mode::RWXU)
}

/// Makes a directory's entries durable.
pub(super) fn sync(fd: impl AsFd, path: &Path) -> Result<(), Error> {
    rustix::fs::fsync(fd).map_err(io("sync", path))
}

/// Whether the error says that nothing stands at the path.
pub(super) fn absent(error: &std::io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    use rustix::io::Errno;
    matches!(code, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Refuses what the kernel would refuse too, with a better name, and maps the root to `.`.
fn inner(path: &Path) -> Result<&Path, Error> {
    if path.as_os_str().as_bytes().is_empty() {
        return Ok(Path::new("."));
    }
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(path) } else { Err(Error::Escapes(path.to_owned())) }
}
