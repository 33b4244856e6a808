//! Hands a compiled filter to the kernel for the calling thread and all that it will start.
//!
//! Filters only ever add up: nothing takes one off again. The caller has set no-new-privs or holds CAP_SYS_ADMIN,
//! or the kernel refuses.

use crate::confine::last_error;
use libc::{c_uint, c_ulong, sock_filter, sock_fprog};
use rustix::io::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const SET_MODE_FILTER: c_uint = 1;
const NEW_LISTENER: c_ulong = 1 << 3;
/// A signal no longer restarts a held call, only a fatal one ends it: no call is announced twice (Linux 5.19).
const WAIT_KILLABLE_RECV: c_ulong = 1 << 5;
/// `_IOW('!', 4, __u64)`.
const SET_FLAGS: c_ulong = 0x4008_2104;
const SYNC_WAKE_UP: c_ulong = 1;

/// Installs `program` on the calling thread.
pub(crate) fn install(program: &[sock_filter]) -> Result<()> {
    attach(program, 0).map(drop)
}

/// Installs `program` and returns the descriptor on which its `Notify` calls arrive, close-on-exec.
/// The kernel grants one such listener per thread's chain of filters; a second is EBUSY.
pub(crate) fn install_watcher(program: &[sock_filter]) -> Result<OwnedFd> {
    let fd = attach(program, NEW_LISTENER | WAIT_KILLABLE_RECV)?;
    // SAFETY: with NEW_LISTENER a success is a descriptor that the kernel has just made and nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets the held thread and the watcher hand one CPU to each other (Linux 6.6): halves the cost of a watched call.
pub(crate) fn wake_up_in_sync(listener: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the descriptor is borrowed, so open; this request takes its argument by value and writes nothing.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS as _, SYNC_WAKE_UP) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

fn attach(program: &[sock_filter], flags: c_ulong) -> Result<RawFd> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let filter = sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` and the `len` instructions it points at live across the call; the kernel copies them and,
    // the `*mut` of the C header notwithstanding, never writes them. A bad program is EINVAL.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const filter) };
    match RawFd::try_from(result) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(last_error()),
    }
}
