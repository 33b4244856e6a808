//! What stood outside, before a merge that the operator named puts the session's version over it: kept under its hash.
//!
//! It lies beside the journal, out of the cell's reach, as long as the session does. Copied and hashed before anything
//! of the original is touched, so that what goes is what was kept, or nothing goes.

use super::beneath::sync;
use super::seal::hex;
use super::stage::copy;
use super::stamp::digest;
use super::{Error, Node, Reason, Stamp, Tree, io};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where it lies, beside the journal.
const OUTSIDE: &str = "outside";

/// Where content of this hash is kept, below the journal's directory.
pub(super) fn place(sha256: &[u8; 32]) -> PathBuf {
    Path::new(OUTSIDE).join(hex(sha256))
}

/// Keeps what stands at a path of the original, a link as where it points; `Some` says why not, and then it stays
/// there. Of a directory nothing is kept: all that is in it is a change of its own.
pub(super) fn keep(journal: &Tree, lower: &Tree, path: &Path, stood: &Stamp) -> Result<Option<Reason>, Error> {
    let Some(sha256) = stood.sha256 else {
        return Ok((stood.node != Node::Directory).then_some(Reason::Conflict));
    };
    let top = journal.dir(Path::new(""))?;
    match rustix::fs::mkdirat(&top, OUTSIDE, Mode::RWXU) {
        Ok(()) => sync(&top, Path::new(OUTSIDE))?,
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(io("make directory", Path::new(OUTSIDE))(error)),
    }
    let (draft, kept) = (Path::new(OUTSIDE).join("new"), place(&sha256));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let mut into = File::from(journal.create(&draft, flags, Mode::RUSR | Mode::WUSR)?);
    match stood.node {
        Node::File => {
            let Ok(from) = lower.file(path) else { return Ok(Some(Reason::Conflict)) };
            copy(&from, &mut into, stood.size, path)?;
        }
        Node::Symlink => {
            let Ok(target) = lower.link(path) else { return Ok(Some(Reason::Conflict)) };
            into.write_all(target.as_os_str().as_bytes()).map_err(io("write", &draft))?;
        }
        Node::Directory | Node::Special => return Ok(Some(Reason::Conflict)),
    }
    into.rewind().map_err(io("read", &draft))?;
    if digest(&mut into, &draft)? != sha256 {
        journal.remove(&draft, false)?;
        return Ok(Some(Reason::Conflict));
    }
    into.sync_all().map_err(io("sync", &draft))?;
    let ((dir, old), (_, new)) = (journal.parent(&draft)?, journal.parent(&kept)?);
    rustix::fs::renameat(&dir, old, &dir, new).map_err(io("rename", &kept))?;
    sync(&dir, &kept).map(|()| None)
}
