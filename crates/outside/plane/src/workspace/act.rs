//! One operation on the original. Each can be done twice, and looks once more before it acts: what somebody else
//! changed meanwhile is left alone.

use super::beneath::absent;
use super::journal::{Act, Op};
use super::stage::own;
use super::stamp::unchanged;
use super::{Error, Node, Reason, Stamp, Tree, io};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::path::Path;

/// Does operations on one original.
pub(super) struct Actor<'a> {
    pub(super) lower: &'a Tree,
    pub(super) owner: Option<(u32, u32)>,
    /// The copies were made by this very process, in a directory that nobody else enters.
    pub(super) fresh: bool,
}

impl Actor<'_> {
    /// Does one operation, or sees that it is done; `Some` says why the original was left alone.
    pub(super) fn act(&self, op: &Op) -> Result<Option<Reason>, Error> {
        match self.attempt(op, &op.path()) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(Reason::Conflict)),
            Err(Error::Io { source, .. }) if contested(&source) => Ok(Some(Reason::Conflict)),
            Err(error) if fatal(&error) => Err(error),
            Err(_) => Ok(Some(Reason::Unwritable)),
        }
    }

    fn attempt(&self, op: &Op, path: &Path) -> Result<bool, Error> {
        let now = Stamp::take(self.lower, path, false)?;
        let untouched = unchanged(op.before.as_ref(), now.as_ref());
        // A thing of another kind is removed before its successor is put: a crash between leaves nothing there.
        let replaces = matches!((&op.before, &op.after), (Some(a), Some(b)) if a.node != b.node);
        let ready = untouched || (replaces && now.is_none());
        let directory = now.as_ref().is_some_and(|stamp| stamp.node == Node::Directory);
        match (&op.act, &op.after) {
            (Act::Expect, _) => Ok(true),
            (Act::Remove, _) => self.clear(now.as_ref(), untouched, path),
            (Act::Directory, _) if directory => Ok(true),
            (Act::Directory, _) if ready => self.directory(now.as_ref(), path),
            (Act::Import { .. }, _) if now.as_ref().is_some_and(|stamp| stamp.node == Node::File) => Ok(true),
            (Act::Put { .. } | Act::Import { .. }, Some(after)) => {
                let temp = op.act.temp().unwrap_or_default();
                match Stamp::take(self.lower, &temp, !self.fresh)? {
                    None => Ok(Stamp::take(self.lower, path, true)?.is_some_and(|now| now.sha256 == after.sha256)),
                    Some(copy) if ready && (self.fresh || copy.sha256 == after.sha256) => {
                        self.clear(now.as_ref().filter(|_| replaces), untouched, path)?;
                        self.put(&temp, op.before.is_none() || replaces, path)
                    }
                    Some(_) => Ok(false),
                }
            }
            (Act::Mode, Some(after)) => self.mode(now.as_ref(), op.before.as_ref(), after, path),
            _ => Ok(false),
        }
    }

    fn clear(&self, now: Option<&Stamp>, untouched: bool, path: &Path) -> Result<bool, Error> {
        match now {
            None => Ok(true),
            Some(now) if untouched => self.lower.remove(path, now.node == Node::Directory).map(|()| true),
            Some(_) => Ok(false),
        }
    }

    fn directory(&self, now: Option<&Stamp>, path: &Path) -> Result<bool, Error> {
        self.clear(now, true, path)?;
        let (parent, name) = self.lower.parent(path)?;
        rustix::fs::mkdirat(&parent, name, Mode::RWXU).map_err(io("make directory", path))?;
        own(self.lower.dir(path)?, self.owner, path)?;
        Ok(true)
    }

    fn put(&self, temp: &Path, fresh: bool, path: &Path) -> Result<bool, Error> {
        let ((from, old), (into, new)) = (self.lower.parent(temp)?, self.lower.parent(path)?);
        let flags = if fresh { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        rustix::fs::renameat_with(&from, old, &into, new, flags).map_err(io("rename", path))?;
        Ok(true)
    }

    fn mode(&self, now: Option<&Stamp>, before: Option<&Stamp>, after: &Stamp, path: &Path) -> Result<bool, Error> {
        let Some(now) = now.filter(|now| now.node == after.node) else { return Ok(false) };
        // What a directory inherited (setgid) stays; nothing else but plain bits ever arrives.
        let inherited = if now.node == Node::Directory { now.mode & 0o2000 } else { 0 };
        let wanted = (after.mode & 0o1777) | inherited;
        let expected = before.is_none_or(|then| then.node != now.node || then.same(now));
        if now.mode == wanted || !expected {
            return Ok(now.mode == wanted);
        }
        let fd = self.lower.at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW)?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(wanted)).map_err(io("set mode of", path))?;
        Ok(true)
    }
}

/// Somebody else filled a directory or took the name between our look and our act.
fn contested(error: &std::io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    absent(error) || matches!(code, Some(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR))
}

/// Whether an error is of the whole merge and not of one path.
pub(super) fn fatal(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return true };
    let code = source.raw_os_error().map(Errno::from_raw_os_error);
    code.is_none()
        || matches!(
            code,
            Some(Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::STALE)
        )
}
