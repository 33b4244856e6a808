//! Makes the copies that a merge will rename into place, and hashes the copies: what arrives is what was reviewed.

use super::journal::{Act, Op};
use super::refuse::escapes;
use super::seal::unseal;
use super::stamp::{BLOCK, digest, hole};
use super::times::Times;
use super::{Error, Node, Reason, Tree, git, io};
use rustix::fs::{Gid, Mode, OFlags, RenameFlags, Uid};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where a copy's bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Nowhere: the operation needs no copy.
    None,
    /// The upper layer.
    Upper,
    /// The upper layer, and they must be the git object or pack that their name says.
    Object(git::Object),
    /// The upper layer, and they must be these bytes followed by lines of a reflog.
    Log(Vec<u8>),
    /// Our own words.
    Content(Vec<u8>),
}

/// One operation and its source.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) op: Op,
    pub(super) source: Source,
}

/// Makes one copy; `Some` says why it is not one.
pub(super) fn stage(
    upper: &Tree,
    lower: &Tree,
    owner: Option<(u32, u32)>,
    staging: &str,
    (task, times): (&Task, &Times),
) -> Result<Option<Reason>, Error> {
    let (Some(temp), Some(after)) = (task.op.act.temp(), &task.op.after) else { return Ok(None) };
    if after.node == Node::Symlink {
        return link(upper, lower, &task.op.path(), &temp);
    }
    if temp.starts_with(staging) {
        return file(upper, lower, owner, &temp, (task, times));
    }
    // A lock of git's appears whole, or a crash could leave one that nobody knows to be ours.
    let scratch = scratch(staging);
    let reason = file(upper, lower, owner, &scratch, (task, times))?;
    if reason.is_some() {
        lower.remove(&scratch, false)?;
        return Ok(reason);
    }
    let ((from, old), (into, new)) = (lower.parent(&scratch)?, lower.parent(&temp)?);
    match rustix::fs::renameat_with(&from, old, &into, new, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(None),
        Err(error) => {
            lower.remove(&scratch, false)?;
            // Somebody runs git there now.
            if error == rustix::io::Errno::EXIST { Ok(Some(Reason::Conflict)) } else { Err(io("lock", &temp)(error)) }
        }
    }
}

/// Where a lock is written before it appears.
pub(super) fn scratch(staging: &str) -> PathBuf {
    unseal(staging).join("lock")
}

fn file(
    upper: &Tree,
    lower: &Tree,
    owner: Option<(u32, u32)>,
    temp: &Path,
    (task, times): (&Task, &Times),
) -> Result<Option<Reason>, Error> {
    let path = task.op.path();
    let Some(after) = &task.op.after else { return Ok(None) };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let create = || lower.create(temp, flags, Mode::RUSR | Mode::WUSR).map(File::from);
    let mut into = match &task.source {
        Source::None => return Ok(None),
        Source::Content(bytes) => {
            let mut into = create()?;
            into.write_all(bytes).map_err(io("write", &path))?;
            into
        }
        Source::Upper | Source::Object(_) | Source::Log(_) => {
            let Ok(from) = upper.file(&path) else { return Ok(Some(Reason::ChangedSinceReview)) };
            let mut into = create()?;
            copy(&from, &mut into, after.size, &path)?;
            into
        }
    };
    own(&into, task.op.before.as_ref().map(|stamp| stamp.owner).or(owner), &path)?;
    rustix::fs::fchmod(&into, Mode::from_raw_mode(after.mode & 0o777)).map_err(io("set mode of", &path))?;
    into.rewind().map_err(io("read", &path))?;
    if Some(digest(&mut into, &path)?) != after.sha256 {
        return Ok(Some(Reason::ChangedSinceReview));
    }
    if let Source::Upper = task.source {
        rustix::fs::futimens(&into, &times.at(after)).map_err(io("set times of", &path))?;
    }
    let sound = match &task.source {
        Source::Object(object) => object.check(&mut into, lower),
        Source::Log(old) => grown(&mut into, old, &path)?,
        Source::None | Source::Upper | Source::Content(_) => true,
    };
    Ok((!sound).then_some(Reason::GitUnsafe))
}

/// Whether a copy is the old reflog and more of its kind.
fn grown(copy: &mut File, old: &[u8], path: &Path) -> Result<bool, Error> {
    let mut bytes = Vec::new();
    copy.rewind().and_then(|()| copy.read_to_end(&mut bytes)).map_err(io("read", path))?;
    Ok(bytes.strip_prefix(old).is_some_and(git::lines_of_a_log))
}

fn link(upper: &Tree, lower: &Tree, path: &Path, temp: &Path) -> Result<Option<Reason>, Error> {
    let Ok(target) = upper.link(path) else { return Ok(Some(Reason::ChangedSinceReview)) };
    // Judged again on the very bytes that are merged: the scan read the link more than once.
    if escapes(path, &target) {
        return Ok(Some(Reason::Refused));
    }
    let (parent, name) = lower.parent(temp)?;
    rustix::fs::symlinkat(&target, &parent, name).map_err(io("link", path))?;
    Ok(None)
}

/// Gives a copy the owner of what it replaces, or the operator's, when we may.
pub(super) fn own(file: impl std::os::fd::AsFd, owner: Option<(u32, u32)>, path: &Path) -> Result<(), Error> {
    let Some((uid, gid)) = owner.filter(|_| rustix::process::geteuid().is_root()) else { return Ok(()) };
    rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(io("own", path))
}

/// Removes a staged copy.
pub(super) fn unstage(lower: &Tree, op: &Op) -> Result<(), Error> {
    match &op.act {
        Act::Put { temp } | Act::Import { temp } => lower.remove(&unseal(temp), false),
        _ => Ok(()),
    }
}

/// Copies by sharing extents, within the kernel, or by hand; stops one byte past the reviewed size, so that a file
/// that grows cannot fill the disk, and its hash betrays it.
pub(super) fn copy(from: &File, into: &mut File, size: u64, path: &Path) -> Result<(), Error> {
    let small = size < 64 << 10;
    let fits = || from.metadata().is_ok_and(|now| now.len() == size);
    if !small && fits() && rustix::fs::ioctl_ficlone(&*into, from).is_ok() {
        return Ok(());
    }
    let mut left = size + 1;
    while !small && left > 0 {
        // What costs nothing on the disk does not here either.
        let over = hole(from).map_err(io("read", path))?.saturating_mul(BLOCK as u64).min(left);
        into.seek(SeekFrom::Current(i64::try_from(over).unwrap_or(0))).map_err(io("write", path))?;
        left -= over;
        let chunk = usize::try_from(left.min(16 << 20)).unwrap_or(16 << 20);
        match rustix::fs::copy_file_range(from, None, &*into, None, chunk) {
            Ok(0) => left = 0,
            Ok(n) => left = left.saturating_sub(n as u64),
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => break,
            Err(error) => return Err(io("copy", path)(error)),
        }
    }
    let mut rest = from.take(left);
    std::io::copy(&mut rest, into).map_err(io("copy", path))?;
    // It may end in a hole.
    into.stream_position().and_then(|end| into.set_len(end)).map_err(io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_hole_is_copied_as_one() {
        let size = 100 << 20;
        for marks in [&[][..], &[0], &[70 << 20], &[5, size - 1]] {
            let [mut from, mut into] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
            from.set_len(size).expect("sized");
            for mark in marks {
                from.seek(SeekFrom::Start(*mark)).and_then(|_| from.write_all(b"x")).expect("written");
            }
            from.rewind().expect("rewound");
            copy(&from, &mut into, size, Path::new("x")).expect("copied");
            let meta = into.metadata().expect("there");
            assert!(meta.len() == size && meta.blocks() * 512 <= 2 * (17 << 20), "{} of {}", meta.blocks(), meta.len());
            for file in [&mut from, &mut into] {
                file.rewind().expect("rewound");
            }
            let path = Path::new("x");
            assert_eq!(digest(&mut from, path).expect("read"), digest(&mut into, path).expect("read"));
        }
    }

    #[test]
    fn what_grew_is_copied_one_byte_too_far() {
        for length in [100_001, 1 << 40] {
            let [from, mut into] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
            from.set_len(length).expect("sized");
            copy(&from, &mut into, 100_000, Path::new("x")).expect("copied");
            assert!((100_001..=16 << 20).contains(&into.metadata().expect("there").len()));
        }
    }
}
