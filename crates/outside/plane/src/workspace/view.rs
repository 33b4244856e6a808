//! A copy of parts of a workspace as a running cell sees it: the original under what was changed. A running overlay's
//! layers may not be another's, so what a sub-agent is granted is copied, sharing blocks where the file system can.
//!
//! Both layers are entered beneath only, no link is followed, and only files, directories and links come along: nothing
//! that the cell makes meanwhile leads this to another place. A file that is written just now is copied as it is just now.

use super::overlay::Marks;
use super::scan::kind;
use super::stage::{copy, own};
use super::{Change, Conflict, Error, Refusal, Stamp, Tree, io};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Most entries of one copy.
const MOST_ENTRIES: u64 = 200_000;
/// Most bytes of one.
const MOST_BYTES: u64 = 4 << 30;
/// What an entry takes at least.
const ENTRY: u64 = 4096;
/// Directories one within another.
const DEEPEST: usize = 128;
/// Longest file that is compared with the original; a longer one counts as another.
const COMPARED: u64 = 1 << 20;

/// A copy that a sub-agent sees in the place of its parent's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where the copy lies.
    pub at: PathBuf,
    /// What is in it, by paths below its root, and whether that may be changed.
    pub granted: Vec<(PathBuf, bool)>,
}

/// What was copied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What was granted and is not there, or is behind a link.
    pub missing: Vec<PathBuf>,
    /// What is no file, directory or link, or cannot be read.
    pub left: u64,
    /// Files whose content the cell made: the original has another one there, or none.
    pub made: Vec<PathBuf>,
    /// Names that the cell gave, and where its links lead.
    pub named: Vec<String>,
}

/// Copies what is granted below the root; `write` says of each path whether it may be changed. An empty path is the root.
pub struct View<'v> {
    upper: Option<Tree>,
    lower: Tree,
    into: Tree,
    granted: &'v [(PathBuf, bool)],
    left_out: &'v [PathBuf],
    most: u64,
    /// Bytes that the copy takes, as a look at the disk counts them.
    taken: u64,
    copied: Copied,
}

/// Where an entry that the cell sees lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Upper,
    Lower,
}

impl<'v> View<'v> {
    /// Of these layers into an empty directory.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub fn open(
        (lower, upper): (&Path, Option<&Path>),
        into: &Path,
        granted: &'v [(PathBuf, bool)],
        left_out: &'v [PathBuf],
    ) -> Result<View<'v>, Error> {
        let upper = upper.map(Tree::open).transpose()?;
        let (lower, into) = (Tree::open(lower)?, Tree::open(into)?);
        Ok(View { upper, lower, into, granted, left_out, most: u64::MAX, taken: 0, copied: Copied::default() })
    }

    /// Of no more than so many bytes.
    #[must_use]
    pub fn within(self, most: u64) -> View<'v> {
        View { most, ..self }
    }

    /// Copies.
    ///
    /// # Errors
    /// When there is more than is copied, or the kernel's error on the side of the copy.
    pub fn copy(mut self) -> Result<Copied, Error> {
        self.directory_like(Path::new(""))?;
        let mut paths: Vec<&PathBuf> = self.granted.iter().map(|(path, _)| path).collect();
        paths.sort();
        for path in paths {
            if self.left_out.iter().any(|out| path.starts_with(out)) {
                self.copied.missing.push(path.clone());
                continue;
            }
            // Made already with a directory above it.
            if self.into.stat(path)?.is_some() && !path.as_os_str().is_empty() {
                continue;
            }
            match self.find(path)? {
                Some((side, stat)) if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink => {
                    self.way_to(path)?;
                    self.entry(path, side, &stat, 0)?;
                }
                _ => self.copied.missing.push(path.clone()),
            }
        }
        self.close_what_is_only_read()?;
        Ok(self.copied)
    }

    /// The entry that the cell sees at a path, by what the layers say of each directory above it.
    fn find(&self, path: &Path) -> Result<Option<(Side, Stat)>, Error> {
        let mut shines_through = true;
        let mut at = PathBuf::new();
        for part in path.components() {
            // The directory that holds it.
            match self.look(&at, shines_through)? {
                Some((Side::Upper, stat)) if is_directory(&stat) => {
                    shines_through = shines_through && !self.is_opaque(&at, &stat);
                }
                Some((Side::Lower, stat)) if is_directory(&stat) => {}
                _ => return Ok(None),
            }
            at.push(part);
        }
        self.look(&at, shines_through)
    }

    /// What stands at a path whose directory is there; `below` says whether the original shines through.
    fn look(&self, path: &Path, below: bool) -> Result<Option<(Side, Stat)>, Error> {
        if let Some(upper) = &self.upper
            && let Some((_, stat)) = upper.stat(path)?
        {
            let Some(marks) = Marks::read(upper, path, &stat) else { return Ok(None) };
            // Content in another place than it seems: nothing that this could follow.
            if marks.whiteout(&stat) || marks.redirected() {
                return Ok(None);
            }
            return Ok(Some((Side::Upper, stat)));
        }
        if !below {
            return Ok(None);
        }
        Ok(self.lower.stat(path)?.map(|(_, stat)| (Side::Lower, stat)))
    }

    fn is_opaque(&self, path: &Path, stat: &Stat) -> bool {
        self.upper.as_ref().is_some_and(|upper| Marks::read(upper, path, stat).is_none_or(|marks| marks.opaque()))
    }

    /// Makes the directories above a path, empty but for what is granted.
    fn way_to(&mut self, path: &Path) -> Result<(), Error> {
        let mut at = PathBuf::new();
        for part in path.parent().into_iter().flat_map(Path::components) {
            at.push(part);
            if self.into.stat(&at)?.is_none() {
                self.directory_like(&at)?;
            }
        }
        Ok(())
    }

    /// Makes a directory with the owner and mode of what the cell sees there.
    fn directory_like(&mut self, path: &Path) -> Result<(), Error> {
        let Some((_, stat)) = self.find(path)? else { return Err(io("read", path)(rustix::io::Errno::NOENT)) };
        self.make_directory(path, &stat)
    }

    fn make_directory(&mut self, path: &Path, stat: &Stat) -> Result<(), Error> {
        self.count(0)?;
        if !path.as_os_str().is_empty() {
            let (parent, name) = self.into.parent(path)?;
            rustix::fs::mkdirat(&parent, name, Mode::RWXU).map_err(io("make directory", path))?;
        }
        let made = self.into.dir(path)?;
        own(&made, Some((stat.st_uid, stat.st_gid)), path)?;
        // Who owns it has to be able to copy into it.
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777) | Mode::RWXU;
        rustix::fs::fchmod(&made, mode).map_err(io("set mode of", path))
    }

    fn entry(&mut self, path: &Path, side: Side, stat: &Stat, depth: usize) -> Result<(), Error> {
        if self.left_out.iter().any(|out| path.starts_with(out)) {
            return Ok(());
        }
        if side == Side::Upper && self.lower.stat(path).is_ok_and(|stat| stat.is_none()) {
            self.copied.named.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.directory(path, side, stat, depth),
            FileType::RegularFile => self.file(path, side, stat),
            FileType::Symlink => self.link(path, side),
            _ => {
                self.copied.left += 1;
                Ok(())
            }
        }
    }

    fn directory(&mut self, path: &Path, side: Side, stat: &Stat, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(Error::TooMany);
        }
        if !path.as_os_str().is_empty() {
            self.make_directory(path, stat)?;
        }
        let through = side == Side::Lower || self.shines_through(path)?;
        for name in self.names(path, side, through) {
            let path = path.join(name);
            if self.into.stat(&path)?.is_some() {
                continue;
            }
            if let Some((side, stat)) = self.look(&path, through)? {
                self.entry(&path, side, &stat, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether the original's entries are seen in a directory of the upper layer: in it, and in every one above it.
    fn shines_through(&self, path: &Path) -> Result<bool, Error> {
        let Some(upper) = &self.upper else { return Ok(true) };
        for above in path.ancestors() {
            if let Some((_, stat)) = upper.stat(above)?
                && self.is_opaque(above, &stat)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The names that either layer has; what cannot be listed has none.
    fn names(&mut self, path: &Path, side: Side, through: bool) -> BTreeSet<OsString> {
        let mut names = BTreeSet::new();
        let mut add = |tree: &Tree| match tree.names(path) {
            Ok(found) => names.extend(found),
            Err(_) => self.copied.left += 1,
        };
        if let (Some(upper), Side::Upper) = (&self.upper, side) {
            add(upper);
        }
        let there = side == Side::Lower || matches!(self.lower.stat(path), Ok(Some((_, stat))) if is_directory(&stat));
        if through && there {
            add(&self.lower);
        }
        names
    }

    fn tree(&self, side: Side) -> &Tree {
        match (side, &self.upper) {
            (Side::Upper, Some(upper)) => upper,
            _ => &self.lower,
        }
    }

    fn file(&mut self, path: &Path, side: Side, stat: &Stat) -> Result<(), Error> {
        let Ok(from) = self.tree(side).file(path) else {
            self.copied.left += 1;
            return Ok(());
        };
        let size = from.metadata().map_err(io("stat", path))?.len();
        self.count(size)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mut into = File::from(self.into.create(path, flags, Mode::RUSR | Mode::WUSR)?);
        copy(&from, &mut into, size, path)?;
        if side == Side::Upper && !self.is_original(path, &from) {
            self.copied.made.push(path.to_owned());
        }
        own(&into, Some((stat.st_uid, stat.st_gid)), path)?;
        // No setuid bit, and no attribute, comes along.
        rustix::fs::fchmod(&into, Mode::from_raw_mode(stat.st_mode & 0o777)).map_err(io("set mode of", path))?;
        let modified = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
            last_modification: rustix::fs::Timespec {
                tv_sec: stat.st_mtime,
                tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
        };
        rustix::fs::futimens(&into, &modified).map_err(io("set time of", path))
    }

    /// Whether the original has this very content at a path: what was only opened to be written, or set another mode of.
    fn is_original(&self, path: &Path, made: &File) -> bool {
        let same = || -> std::io::Result<bool> {
            let Ok(original) = self.lower.file(path) else { return Ok(false) };
            let (size, one) = (made.metadata()?, original.metadata()?);
            if size.len() != one.len() || size.len() > COMPARED {
                return Ok(false);
            }
            let read = |file: &File| -> std::io::Result<Vec<u8>> {
                let mut bytes = vec![0; usize::try_from(COMPARED.min(size.len())).unwrap_or(0)];
                std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0).map(|()| bytes)
            };
            Ok(read(made)? == read(&original)?)
        };
        same().unwrap_or(false)
    }

    fn link(&mut self, path: &Path, side: Side) -> Result<(), Error> {
        let Ok(target) = self.tree(side).link(path) else {
            self.copied.left += 1;
            return Ok(());
        };
        self.count(0)?;
        if side == Side::Upper {
            self.copied.named.push(target.to_string_lossy().into_owned());
        }
        let (parent, name) = self.into.parent(path)?;
        rustix::fs::symlinkat(&target, &parent, name).map_err(io("link", path))
    }

    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.copied.entries += 1;
        self.copied.bytes = self.copied.bytes.saturating_add(bytes);
        if self.copied.entries > MOST_ENTRIES || self.copied.bytes > MOST_BYTES {
            return Err(Error::TooMany);
        }
        self.taken = self.taken.saturating_add(bytes.max(ENTRY));
        if self.taken > self.most {
            return Err(Error::NoRoom(self.most));
        }
        Ok(())
    }

    /// Takes the right to write from what is only to be read, so that a program hears it; what it changes there all the
    /// same is never given back.
    fn close_what_is_only_read(&self) -> Result<(), Error> {
        if self.granted.iter().all(|(_, write)| *write) {
            return Ok(());
        }
        let mut open = vec![PathBuf::new()];
        while let Some(at) = open.pop() {
            for name in self.into.names(&at)? {
                let path = at.join(name);
                let Some((_, stat)) = self.into.stat(&path)? else { continue };
                let kind = FileType::from_raw_mode(stat.st_mode);
                if kind == FileType::Directory {
                    open.push(path.clone());
                }
                if kind != FileType::Symlink && !writable(self.granted, &path) {
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
                    // A file that its owner may not read stays as closed as it is.
                    if let Ok(file) = self.into.at(&path, flags) {
                        let mode = Mode::from_raw_mode(stat.st_mode & 0o555);
                        rustix::fs::fchmod(&file, mode).map_err(io("set mode of", &path))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a path may be changed: by the nearest grant above it.
#[must_use]
pub(super) fn writable(granted: &[(PathBuf, bool)], path: &Path) -> bool {
    let above = granted.iter().filter(|(granted, _)| path.starts_with(granted));
    above.max_by_key(|(granted, _)| granted.components().count()).is_some_and(|(_, write)| *write)
}

/// Judges changes of the copy for a merge into the original, without those that the original has, since they were
/// merged: nobody merges into the copy.
pub(super) fn rebase(changes: Vec<Change>, copy: &Tree, original: &Tree, seen: &Seen) -> Result<Vec<Change>, Error> {
    let mut rest = Vec::new();
    for mut change in changes {
        if judge(&mut change, copy, original, seen)? {
            rest.push(change);
        }
    }
    Ok(rest)
}

/// Whether a change is still one to the original. Nobody else changes the copy, so what differs between the two was
/// changed outside, or is the parent's and not merged yet.
fn judge(change: &mut Change, copy: &Tree, original: &Tree, seen: &Seen) -> Result<bool, Error> {
    change.conflict = None;
    if !writable(&seen.granted, &change.path) {
        change.refusal = change.refusal.or(Some(Refusal::NotGranted));
    }
    if change.git.is_some() {
        // What a git directory holds belongs together, and the parent's may be another by now.
        change.conflict = Some(Conflict::ChangedOutside);
    }
    if change.refusal.is_some() || change.conflict.is_some() {
        return Ok(true);
    }
    let was = Stamp::take(copy, &change.path, true)?;
    let is = Stamp::take(original, &change.path, true)?;
    let what = |stamp: &Stamp| {
        let mode = (stamp.node != super::Node::Directory).then_some(stamp.mode & 0o777);
        (stamp.node, mode, stamp.sha256)
    };
    // Also of a directory, whose mode is no reason for a conflict, but may be the change.
    let whole = |stamp: &Stamp| (stamp.node, stamp.mode & 0o777, stamp.sha256);
    if change.after.as_ref().map(whole) == is.as_ref().map(whole) {
        return Ok(false);
    }
    if was.as_ref().map(what) != is.as_ref().map(what) {
        change.conflict = Some(Conflict::ChangedOutside);
        // What it would do to what stands there, which is not what the sub-agent did.
        let does = change.after.as_ref().and_then(|after| kind(is.as_ref(), after, false));
        change.kind = does.unwrap_or(change.kind);
    }
    change.before = is;
    Ok(true)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests;
