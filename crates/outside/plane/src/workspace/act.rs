//! One operation on the original. Each can be done twice, and looks once more before it acts: what somebody else
//! changed meanwhile is left alone.

use super::beneath::absent;
use super::journal::{Act, Op};
use super::stage::own;
use super::stamp::unchanged;
use super::{Error, Node, Reason, Stamp, Tree, io};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::path::Path;

/// Does operations on one original.
pub(super) struct Actor<'a> {
    pub(super) lower: &'a Tree,
    pub(super) owner: Option<(u32, u32)>,
    /// The copies were made by this very process, in a directory that nobody else enters.
    pub(super) fresh: bool,
    /// Inodes that stand under several names of this merge: when one goes, the change time of all is another.
    pub(super) shared: BTreeSet<u64>,
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
        let untouched = self.untouched(op.before.as_ref(), now.as_ref());
        // A thing of another kind is removed before its successor is put: a crash between leaves nothing there.
        let replaces = matches!((&op.before, &op.after), (Some(a), Some(b)) if a.node != b.node);
        let ready = untouched || (replaces && now.is_none());
        let directory = now.as_ref().is_some_and(|stamp| stamp.node == Node::Directory);
        match (&op.act, &op.after) {
            (Act::Expect | Act::Settle, _) => Ok(true),
            (Act::Remove, _) => self.clear(now.as_ref(), untouched, path),
            (Act::Directory, _) if directory => Ok(true),
            (Act::Directory, _) if ready => self.directory(now.as_ref(), path),
            (Act::Import { .. }, _) if now.as_ref().is_some_and(|stamp| stamp.node == Node::File) => Ok(true),
            (Act::Put { .. } | Act::Import { .. }, Some(after)) => {
                let temp = op.act.temp().unwrap_or_default();
                match Stamp::take(self.lower, &temp, !self.fresh)? {
                    None => self.arrived(after, path),
                    // A crash between an exchange and the removal of what stood there before.
                    Some(_) if !self.fresh && self.arrived(after, path)? => Ok(true),
                    Some(copy) if ready && (self.fresh || copy.sha256 == after.sha256) => {
                        self.clear(now.as_ref().filter(|_| replaces), untouched, path)?;
                        // Whoever holds git's lock is alone: the lock itself becomes the file, as git does it.
                        match now.filter(|_| !replaces && op.group.is_none()) {
                            Some(now) => self.exchange(&temp, &now, path),
                            None => self.put(&temp, op.before.is_none() || replaces, path),
                        }
                    }
                    Some(_) => Ok(false),
                }
            }
            (Act::Mode, Some(after)) => self.mode(now.as_ref(), op.before.as_ref(), after, path),
            _ => Ok(false),
        }
    }

    /// Whether nobody but this merge changed what stands there.
    fn untouched(&self, before: Option<&Stamp>, now: Option<&Stamp>) -> bool {
        let ours = |then: &Stamp, now: &Stamp| self.shared.contains(&then.ino) && then.renamed(now);
        unchanged(before, now) || before.zip(now).is_some_and(|(then, now)| ours(then, now))
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

    fn arrived(&self, after: &Stamp, path: &Path) -> Result<bool, Error> {
        Ok(Stamp::take(self.lower, path, true)?.is_some_and(|now| now.sha256 == after.sha256))
    }

    /// Puts a copy in the place of what stood there, and looks once more at what it took away: if somebody saved the
    /// file after our look, his goes back, and ours is left.
    fn exchange(&self, temp: &Path, stood: &Stamp, path: &Path) -> Result<bool, Error> {
        let swap = || -> Result<rustix::io::Result<()>, Error> {
            let ((from, old), (into, new)) = (self.lower.parent(temp)?, self.lower.parent(path)?);
            Ok(rustix::fs::renameat_with(&from, old, &into, new, RenameFlags::EXCHANGE))
        };
        match swap()? {
            Ok(()) => {}
            // A filesystem that cannot: then only the look before counts.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return self.put(temp, false, path),
            Err(error) => return Err(io("exchange", path)(error)),
        }
        if Stamp::take(self.lower, temp, false)?.is_some_and(|taken| stood.renamed(&taken)) {
            return self.lower.remove(temp, false).map(|()| true);
        }
        swap()?.map_err(io("exchange", path)).map(|()| false)
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
        let expected = before.is_none_or(|then| then.node != now.node || self.untouched(Some(then), Some(now)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    type Save = fn(&Path);

    /// Each of these saves lies between our look and our act.
    #[test]
    fn what_somebody_saves_in_the_moment_of_a_merge_is_kept() {
        let room = tempfile::tempdir().expect("a directory");
        let at = |name: &str| room.path().join(name);
        let lower = Tree::open(room.path()).expect("opens");
        let actor = Actor { lower: &lower, owner: None, fresh: true, shared: BTreeSet::new() };
        let saves: [(&str, Save); 4] = [
            ("nobody", |_| {}),
            ("in place", |file| fs::write(file, "his words").expect("saved")),
            ("by rename", |file| {
                fs::write(file.with_extension("new"), "his").expect("saved");
                fs::rename(file.with_extension("new"), file).expect("saved");
            }),
            ("a removal", |file| fs::remove_file(file).expect("removed")),
        ];
        for (how, save) in saves {
            fs::write(at("file"), "old").expect("written");
            fs::write(at("copy"), "new").expect("written");
            let stood = Stamp::take(&lower, Path::new("file"), false).expect("read").expect("there");
            save(&at("file"));
            let saved = fs::read(at("file")).ok();
            let done = actor.exchange(Path::new("copy"), &stood, Path::new("file"));
            if how == "nobody" {
                assert!(done.expect("exchanged") && !at("copy").exists());
                assert_eq!(fs::read(at("file")).expect("there"), b"new");
            } else {
                assert!(matches!(done, Ok(false) | Err(Error::Io { .. })), "{how}");
                assert_eq!(fs::read(at("file")).ok(), saved, "{how}");
                assert_eq!(fs::read(at("copy")).expect("kept"), b"new", "{how}");
            }
        }
    }

    #[test]
    fn an_exchange_that_a_crash_cut_short_is_seen_to_be_done() {
        let room = tempfile::tempdir().expect("a directory");
        let lower = Tree::open(room.path()).expect("opens");
        let actor = Actor { lower: &lower, owner: None, fresh: false, shared: BTreeSet::new() };
        let write = |name: &str, words: &str| fs::write(room.path().join(name), words).expect("written");
        let stamp = |name: &str| Stamp::take(&lower, Path::new(name), true).expect("read");
        write("copy", "old");
        write("file", "new");
        let put = Act::Put { temp: crate::workspace::seal::seal(Path::new("copy")) };
        let op = Op::new(Path::new("file"), put, stamp("copy"), stamp("file"));
        assert_eq!(actor.act(&op).expect("done"), None);
        // What he saved since is not taken for ours.
        write("file", "his");
        assert_eq!(actor.act(&op).expect("done"), Some(Reason::Conflict));
    }
}
