//! What the kernel counts for a user and for all user namespaces that are made as him together, and how much of that one
//! cell may take: a program that took all of it would leave none to the operator, to root's services where root is he.

use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;

/// Groups of watches on files, and watches, by their names in /proc/sys/user: of the counts there that need no capability,
/// those whose calls a cell's filter lets through.
const COUNTS: [&str; 2] = ["max_inotify_instances", "max_inotify_watches"];
/// The operator keeps as much as one cell has.
const PART: u64 = 2;

/// What one cell may take of each count; none where the host has no such limit.
pub(crate) struct Shares([Option<u64>; COUNTS.len()]);

impl Shares {
    /// Looks at the limits of the user namespace that the caller is in, which is to be the host's.
    pub(crate) fn look() -> Shares {
        Shares(COUNTS.map(|name| {
            let whole: u64 = fs::read_to_string(format!("/proc/sys/user/{name}")).ok()?.trim().parse().ok()?;
            Some(whole / PART)
        }))
    }

    /// Sets the limits of the user namespace that the caller is in now, which is to be the cell's own, through a /proc.
    ///
    /// # Errors
    /// The kernel's error. Where this host's /proc has no such file, or does not let it be written, it stays as it was: this is a
    /// limit, and no wall.
    pub(crate) fn hold(&self, processes: BorrowedFd<'_>) -> rustix::io::Result<()> {
        for (name, share) in COUNTS.iter().zip(self.0) {
            let Some(share) = share else { continue };
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(processes, format!("sys/user/{name}"), flags, Mode::empty()) {
                Err(Errno::NOENT | Errno::ROFS | Errno::ACCESS | Errno::PERM) => continue,
                other => other?,
            };
            rustix::io::write(&file, share.to_string().as_bytes())?;
        }
        Ok(())
    }
}
