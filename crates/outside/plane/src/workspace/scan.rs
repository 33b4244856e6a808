//! Reads an overlay's upper layer and says what it would change in the original. Writes nothing.

use super::beneath::Tree;
use super::snapshot::{Manifest, Node, Stamp};
use super::{Error, Flag, flags, io};
use rustix::fs::{FileType, OFlags};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// New file, link or directory.
    Created,
    /// Other content.
    Modified,
    /// Another kind of thing stands there now.
    Replaced,
    /// Gone.
    Removed,
    /// Same content, other permission bits.
    Mode,
}

/// Why a change is never merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A device, socket or FIFO.
    Special,
    /// Setuid or setgid bit.
    Setuid,
    /// File capabilities.
    Capabilities,
    /// A symlink that is absolute or leaves the workspace.
    EscapingLink,
    /// A file or link named `.git`, which would send git elsewhere.
    Gitfile,
    /// An alternates file, which would make git read objects elsewhere.
    Alternates,
    /// An overlay redirect or metacopy: content lies in another place than it seems.
    Redirect,
    /// It changed or could not be read while it was looked at.
    Unreadable,
}

/// Why a change is not merged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The original changed since it was recorded.
    ChangedOutside,
    /// Nobody recorded what the original was.
    Unrecorded,
}

/// One path that the cell changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// What happened.
    pub kind: Kind,
    /// What stands in the upper layer; `None` if removed. Merging checks the copy against it.
    pub after: Option<Stamp>,
    /// What stood in the original when scanned.
    pub before: Option<Stamp>,
    /// What to look at twice.
    pub flags: Vec<Flag>,
    /// Never merged, for this reason.
    pub refusal: Option<Refusal>,
    /// Not merged by itself, for this reason.
    pub conflict: Option<Conflict>,
}

/// Scans `upper` against `lower`; `guards` are the policy's guarded paths.
pub fn scan(upper: &Tree, lower: &Tree, manifest: &Manifest, guards: &[PathBuf]) -> Result<Vec<Change>, Error> {
    let mut scan = Scan { upper, lower, manifest, guards, changes: Vec::new() };
    scan.directory(Path::new(""), false, 0)?;
    scan.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan.changes)
}

/// Deeper than any project and shallow enough for the stack.
const DEPTH: usize = 256;

struct Scan<'a> {
    upper: &'a Tree,
    lower: &'a Tree,
    manifest: &'a Manifest,
    guards: &'a [PathBuf],
    changes: Vec<Change>,
}

impl Scan<'_> {
    fn directory(&mut self, dir: &Path, hidden: bool, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::TooDeep(dir.to_owned()));
        }
        let names = self.upper.names(dir)?;
        if hidden {
            let kept: BTreeSet<_> = names.iter().collect();
            for name in self.lower.names(dir)?.iter().filter(|name| !kept.contains(name)) {
                self.removed(&dir.join(name), depth + 1)?;
            }
        }
        for name in names {
            self.entry(&dir.join(name), depth + 1)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        if whiteout(self.upper, path)? {
            return self.removed(path, depth);
        }
        let before = Stamp::take(self.lower, path, true)?;
        let after = match Stamp::take(self.upper, path, true) {
            Ok(Some(after)) => after,
            // Gone or swapped since it was listed, or unreadable: said, not merged.
            Ok(None) | Err(_) => {
                self.push(path, Kind::Modified, before, None, Some(Refusal::Unreadable));
                return Ok(());
            }
        };
        let was = before.as_ref().map(|stamp| stamp.node);
        let is_directory = after.node == Node::Directory;
        if was == Some(Node::Directory) && !is_directory {
            self.children_removed(path, depth)?;
        }
        if let Some(kind) = kind(before.as_ref(), &after) {
            let refusal = refusal(self.upper, path, &after);
            self.push(path, kind, before, Some(after), refusal);
        } else if is_directory && redirected(self.upper, path) {
            self.push(path, Kind::Modified, before, Some(after), Some(Refusal::Redirect));
        }
        if is_directory {
            let hidden = was == Some(Node::Directory) && opaque(self.upper, path);
            self.directory(path, hidden, depth)?;
        }
        Ok(())
    }

    fn removed(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        let Some(before) = Stamp::take(self.lower, path, true)? else { return Ok(()) };
        if before.node == Node::Directory {
            self.children_removed(path, depth)?;
        }
        self.push(path, Kind::Removed, Some(before), None, None);
        Ok(())
    }

    fn children_removed(&mut self, path: &Path, depth: usize) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::TooDeep(path.to_owned()));
        }
        for name in self.lower.names(path)? {
            self.removed(&path.join(name), depth + 1)?;
        }
        Ok(())
    }

    fn push(&mut self, path: &Path, kind: Kind, before: Option<Stamp>, after: Option<Stamp>, refusal: Option<Refusal>) {
        let conflict = conflict(self.manifest, path, before.as_ref());
        let file = after.as_ref().filter(|stamp| stamp.node == Node::File);
        let flags = flags(path, file.map(|stamp| stamp.mode), self.guards);
        self.changes.push(Change { path: path.to_owned(), kind, after, before, flags, refusal, conflict });
    }
}

/// How two stamps differ, by content; times do not count.
fn kind(before: Option<&Stamp>, after: &Stamp) -> Option<Kind> {
    let Some(before) = before else { return Some(Kind::Created) };
    if before.node != after.node {
        Some(Kind::Replaced)
    } else if before.sha256 != after.sha256 || after.node == Node::Special {
        Some(Kind::Modified)
    } else {
        (before.mode != after.mode && after.node != Node::Symlink).then_some(Kind::Mode)
    }
}

/// Judges the original against what was recorded. A path that nobody recorded is a conflict unless nothing is there.
pub(super) fn conflict(manifest: &Manifest, path: &Path, now: Option<&Stamp>) -> Option<Conflict> {
    match (manifest.get(path), now) {
        (Some(None) | None, None) => None,
        (Some(Some(then)), Some(now)) if then.same(now) => None,
        (None, Some(_)) => Some(Conflict::Unrecorded),
        _ => Some(Conflict::ChangedOutside),
    }
}

fn refusal(upper: &Tree, path: &Path, after: &Stamp) -> Option<Refusal> {
    let name = |wanted: &str| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
    let alternates = name("alternates") || name("http-alternates");
    if after.node == Node::Special {
        Some(Refusal::Special)
    } else if name(".git") && after.node != Node::Directory {
        Some(Refusal::Gitfile)
    } else if alternates && path.parent().is_some_and(|dir| dir.ends_with("objects/info")) {
        Some(Refusal::Alternates)
    } else if after.mode & 0o6000 != 0 {
        Some(Refusal::Setuid)
    } else if redirected(upper, path) {
        Some(Refusal::Redirect)
    } else if after.node == Node::File && xattr(upper, path, "security.capability").is_some() {
        Some(Refusal::Capabilities)
    } else if after.node == Node::Symlink {
        match upper.link(path) {
            Ok(target) => escapes(path, &target).then_some(Refusal::EscapingLink),
            Err(_) => Some(Refusal::Unreadable),
        }
    } else {
        None
    }
}

/// Whether a link's target is absolute, or its words ever climb above the workspace.
pub(super) fn escapes(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    // Climbing after descending is refused too: what was descended into may itself be a link elsewhere.
    let mut descended = false;
    for part in target.components() {
        match part {
            Component::Normal(_) => descended = true,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 && !descended => depth -= 1,
            _ => return true,
        }
    }
    false
}

fn whiteout(upper: &Tree, path: &Path) -> Result<bool, Error> {
    let Some((_, stat)) = upper.stat(path)? else { return Ok(false) };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => stat.st_rdev == 0,
        FileType::RegularFile if stat.st_size == 0 => marked(upper, path, "whiteout").is_some(),
        _ => false,
    })
}

fn opaque(upper: &Tree, path: &Path) -> bool {
    // `x` on a directory only says that xattr whiteouts lie in it; `y` hides the original's entries.
    marked(upper, path, "opaque").is_some_and(|value| value == b"y")
}

fn redirected(upper: &Tree, path: &Path) -> bool {
    marked(upper, path, "redirect").is_some() || marked(upper, path, "metacopy").is_some()
}

fn marked(upper: &Tree, path: &Path, name: &str) -> Option<Vec<u8>> {
    ["user.overlay.", "trusted.overlay."].iter().find_map(|prefix| xattr(upper, path, &format!("{prefix}{name}")))
}

/// An extended attribute of a file or directory; links have none that matter.
fn xattr(upper: &Tree, path: &Path, name: &str) -> Option<Vec<u8>> {
    let fd = upper.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY).ok()?;
    let mut value = vec![0; 256];
    match rustix::fs::fgetxattr(&fd, name, &mut value[..]).map_err(io::<rustix::io::Errno>("read attribute", path)) {
        Ok(size) => {
            value.truncate(size);
            Some(value)
        }
        // Larger than any value we know: present all the same.
        Err(Error::Io { source, .. }) if source.raw_os_error() == Some(rustix::io::Errno::RANGE.raw_os_error()) => {
            Some(value)
        }
        Err(_) => None,
    }
}
