//! Files of a place, entered from its root by descriptors alone: no link is followed, nothing is waited for, and there is an end.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::problem::quoted;

/// Entries that are looked through, and how deep.
const ENTRIES: usize = 200_000;
const DEPTH: usize = 64;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Who is shown each file, with its path from the root; says why no more is to be shown.
type Show<'s> = &'s mut dyn FnMut(&Path, File) -> Result<(), String>;

/// Shows each regular file at a path and beneath it. What is gone, or became a link, is left out: it cannot be read inside by that
/// path either. What cannot be read now can be made readable inside, by its owner: the rest is shown, and then that is told.
///
/// # Errors
/// Why it ended early, or what could not be read.
pub(super) fn files(root: &Path, path: &Path, show: Show<'_>) -> Result<(), String> {
    let mut walk = Walk { entries: 0, unread: None, show };
    walk.from(root, path)?;
    walk.unread.map_or(Ok(()), Err)
}

struct Walk<'w> {
    entries: usize,
    /// The first that could not be read.
    unread: Option<String>,
    show: Show<'w>,
}

impl Walk<'_> {
    fn from(&mut self, root: &Path, path: &Path) -> Result<(), String> {
        let (flags, mut above) = (DIRECTORY.difference(OFlags::NOFOLLOW), PathBuf::new());
        let opened = rustix::fs::openat(CWD, root, flags, Mode::empty());
        let Some(mut directory) = self.there(opened, &above) else { return Ok(()) };
        let mut names = path.components().peekable();
        if names.peek().is_none() {
            return self.directory(&directory, &above, 0);
        }
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                return self.entry(&directory, name.as_os_str(), &above, 0);
            }
            above.push(name);
            let opened = rustix::fs::openat(&directory, name.as_os_str(), DIRECTORY, Mode::empty());
            let Some(next) = self.there(opened, &above) else { break };
            directory = next;
        }
        Ok(())
    }

    /// What was got of a path; where it is there and was not got, that is noted.
    fn there<T>(&mut self, got: rustix::io::Result<T>, path: &Path) -> Option<T> {
        match got {
            Ok(got) => return Some(got),
            // Gone, or another thing: a link, a file where a directory was, a socket.
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => {}
            Err(error) => {
                let name = if path.as_os_str().is_empty() { "it".into() } else { path.to_string_lossy() };
                let told = || format!("`{}` cannot be read: {error}", quoted(&name));
                self.unread.get_or_insert_with(told);
            }
        }
        None
    }

    fn directory(&mut self, directory: &OwnedFd, name: &Path, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("directories lie more than {DEPTH} deep"));
        }
        let Some(entries) = self.there(Dir::read_from(directory), name) else { return Ok(()) };
        let mut names: Vec<CString> = Vec::new();
        for entry in entries {
            let Some(entry) = self.there(entry, name) else { break };
            self.entries += 1;
            if self.entries > ENTRIES {
                return Err(format!("there are more than {ENTRIES} files"));
            }
            if entry.file_name() != c"." && entry.file_name() != c".." {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort_unstable();
        names.iter().try_for_each(|entry| self.entry(directory, OsStr::from_bytes(entry.to_bytes()), name, depth))
    }

    fn entry(&mut self, directory: &OwnedFd, name: &OsStr, above: &Path, depth: usize) -> Result<(), String> {
        let path = above.join(name);
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let Some(stat) = self.there(stat, &path) else { return Ok(()) };
        let open = |flags| rustix::fs::openat(directory, name, flags, Mode::empty());
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match self.there(open(DIRECTORY), &path) {
                Some(inner) => self.directory(&inner, &path, depth + 1),
                None => Ok(()),
            },
            FileType::RegularFile => match self.there(open(FILE), &path) {
                Some(file) => (self.show)(&path, File::from(file)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
