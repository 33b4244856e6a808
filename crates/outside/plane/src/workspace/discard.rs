//! Throws changes away: removes entries from the upper layer, so that the original shows through again.
//!
//! Works through descriptors, one level at a time, so that neither deep trees nor directories without permission
//! bits stop it, and no link is ever followed.

use super::beneath::let_owner_in;
use super::overlay::Marks;
use super::{Change, Error, Tree, io};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Levels before a directory is moved up to be emptied later: bounds stack and descriptors.
const DEPTH: usize = 64;

/// What was thrown away, and what cannot be by itself: in a directory that was removed or made anew nothing of the
/// original shows through again until that directory is thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Paths whose changes are gone.
    pub gone: Vec<PathBuf>,
    /// Paths that are as they were.
    pub left: Vec<PathBuf>,
}

/// What is thrown away of `changes` beneath `paths` (empty: all), and the entries of `upper` to remove for it.
pub(super) fn choose(
    upper: &Tree,
    changes: &[Change],
    paths: &[PathBuf],
) -> Result<(Discarded, BTreeSet<PathBuf>), Error> {
    let named = |path: &Path| paths.is_empty() || paths.iter().any(|wanted| path.starts_with(wanted));
    let (mut told, mut entries, mut known) = (Discarded::default(), BTreeSet::new(), BTreeMap::new());
    for change in changes.iter().filter(|change| named(&change.path)) {
        let mut hiding = Vec::new();
        for above in change.path.ancestors().skip(1).filter(|above| change.before.is_some() && *above != Path::new(""))
        {
            if !known.contains_key(above) {
                known.insert(above.to_owned(), hides(upper, above)?);
            }
            hiding.extend(known[above].then(|| above.to_owned()));
        }
        if hiding.iter().all(|above| named(above)) {
            told.gone.push(change.path.clone());
            entries.insert(change.path.clone());
            // All that was changed in it goes, too.
            entries.extend(hiding);
        } else {
            told.left.push(change.path.clone());
        }
    }
    Ok((told, entries))
}

/// Whether nothing of the original's shows through an entry of the upper layer.
fn hides(upper: &Tree, path: &Path) -> Result<bool, Error> {
    let Some((_, stat)) = upper.stat(path)? else { return Ok(false) };
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(!directory || Marks::read(upper, path, &stat).is_none_or(|marks| marks.opaque()))
}

/// Removes entries from `upper`. The cell must not be running: the kernel does not promise what a mounted overlay
/// shows when its upper layer changes.
pub(super) fn remove(upper: &Tree, entries: &BTreeSet<PathBuf>) -> Result<(), Error> {
    let mut sweep = Sweep { root: upper.dir(Path::new(""))?, later: VecDeque::new(), moved: 0 };
    // Deepest first, so that what is not named keeps its directories.
    for path in entries.iter().rev() {
        if path.as_os_str().is_empty() {
            // A git directory that is the whole overlay.
            sweep.empty(&upper.dir(path)?, path, 0)?;
        } else if let Ok((parent, name)) = upper.parent(path) {
            let name = CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name)).unwrap_or_default();
            sweep.remove(&parent, &name, path, 0)?;
        }
    }
    sweep.rest()
}

/// Lets us into the top itself.
pub(super) fn open_up(top: &Tree) -> Result<(), Error> {
    top.let_us_in().map_err(io("set mode of", Path::new("")))
}

/// Empties a directory without asking what is in it.
pub(super) fn empty(top: &Tree) -> Result<(), Error> {
    let here = Path::new("");
    let mut sweep = Sweep { root: top.dir(here)?, later: VecDeque::new(), moved: 0 };
    sweep.empty(&top.dir(here)?, here, 0)?;
    sweep.rest()
}

struct Sweep {
    root: OwnedFd,
    later: VecDeque<CString>,
    moved: usize,
}

impl Sweep {
    fn remove(&mut self, parent: &OwnedFd, name: &CString, path: &Path, depth: usize) -> Result<(), Error> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {}
            Err(rustix::io::Errno::ACCESS) => {
                unlock(parent, path)?;
                return self.remove_again(parent, name, path, depth);
            }
            Err(error) => return Err(io("remove", path)(error)),
        }
        if depth >= DEPTH {
            return self.postpone(parent, name, path);
        }
        let handle = open(parent, name, OFlags::PATH).map_err(io("open", path))?;
        let stat = rustix::fs::fstat(&handle).map_err(io("stat", path))?;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if directory {
            unlock(&handle, path)?;
            let dir = open(parent, name, OFlags::RDONLY | OFlags::DIRECTORY).map_err(io("open", path))?;
            self.empty(&dir, path, depth + 1)?;
        }
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(parent, name, flags).map_err(io("remove", path))
    }

    /// Once more, now that the directory is open to us.
    fn remove_again(&mut self, parent: &OwnedFd, name: &CString, path: &Path, depth: usize) -> Result<(), Error> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Err(rustix::io::Errno::ACCESS) => Err(io("remove", path)(rustix::io::Errno::ACCESS)),
            _ => self.remove(parent, name, path, depth),
        }
    }

    fn empty(&mut self, dir: &OwnedFd, path: &Path, depth: usize) -> Result<(), Error> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).map_err(io("list", path))? {
            let name = entry.map_err(io("list", path))?.file_name().to_owned();
            if name.as_bytes() != b"." && name.as_bytes() != b".." {
                names.push(name);
            }
        }
        names.iter().try_for_each(|name| self.remove(dir, name, path, depth))
    }

    fn postpone(&mut self, parent: &OwnedFd, name: &CString, path: &Path) -> Result<(), Error> {
        let handle = open(parent, name, OFlags::PATH).map_err(io("open", path))?;
        unlock(&handle, path)?;
        loop {
            let place = CString::new(format!(".bastide-gone-{}", self.moved)).unwrap_or_default();
            self.moved += 1;
            match rustix::fs::renameat_with(parent, name, &self.root, &place, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(io("remove", path)(error)),
                Ok(()) => {
                    self.later.push_back(place);
                    return Ok(());
                }
            }
        }
    }

    fn rest(&mut self) -> Result<(), Error> {
        while let Some(name) = self.later.pop_front() {
            let root = self.root.try_clone().map_err(io("open", Path::new("")))?;
            self.remove(&root, &name, Path::new(""), 0)?;
        }
        Ok(())
    }
}

fn open(parent: &OwnedFd, name: &CString, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(parent, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn unlock(dir: impl AsFd, path: &Path) -> Result<(), Error> {
    let_owner_in(dir).map_err(io("set mode of", path))
}
