//! Files of a place, entered from its root by descriptors alone: no link is followed, nothing is waited for, and there is an end.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

/// Entries that are looked through, and how deep.
const ENTRIES: usize = 200_000;
const DEPTH: usize = 64;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Who is shown each file, with its path from the root; says why no more is to be shown.
type Show<'s> = &'s mut dyn FnMut(&Path, File) -> Result<(), String>;

/// Shows each regular file at a path and beneath it. What is gone, cannot be entered, or became a link is left out: it cannot be
/// read inside by that path either.
///
/// # Errors
/// Why it ended early.
pub(super) fn files(root: &Path, path: &Path, show: Show<'_>) -> Result<(), String> {
    let Ok(mut directory) = rustix::fs::openat(CWD, root, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty()) else {
        return Ok(());
    };
    let mut walk = Walk { entries: 0, show };
    let mut above = PathBuf::new();
    let mut names = path.components().peekable();
    if names.peek().is_none() {
        return walk.directory(&directory, &above, 0);
    }
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return walk.entry(&directory, name.as_os_str(), &above, 0);
        }
        let Ok(next) = rustix::fs::openat(&directory, name.as_os_str(), DIRECTORY, Mode::empty()) else { break };
        directory = next;
        above.push(name);
    }
    Ok(())
}

struct Walk<'w> {
    entries: usize,
    show: Show<'w>,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &OwnedFd, name: &Path, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("directories lie more than {DEPTH} deep"));
        }
        let Ok(entries) = Dir::read_from(directory) else { return Ok(()) };
        let mut names: Vec<CString> = Vec::new();
        for entry in entries.flatten() {
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
        let Ok(stat) = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        let path = above.join(name);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match rustix::fs::openat(directory, name, DIRECTORY, Mode::empty()) {
                Ok(inner) => self.directory(&inner, &path, depth + 1),
                Err(_) => Ok(()),
            },
            FileType::RegularFile => match rustix::fs::openat(directory, name, FILE, Mode::empty()) {
                Ok(file) => (self.show)(&path, File::from(file)),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
