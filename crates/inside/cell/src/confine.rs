//! What pid 1 and the agent's process give up: descriptors, capabilities, the right to gain privileges,
//! everything that Landlock does not grant.

mod paths;

pub(crate) use paths::{Domain, DomainError, Rules, abi};

use rustix::io::Errno;

/// Closes every descriptor from `first` on: an inherited file, directory or socket is a way out.
///
/// # Errors
/// The kernel's error.
pub(crate) fn close_from(first: u32) -> rustix::io::Result<()> {
    // SAFETY: close_range takes plain numbers. The caller ends in exec or _exit and drops nothing, so that no
    // owner closes a number that meanwhile is another's.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })
}

/// Empties the bounding and ambient sets, so that no exec can bring a capability back.
///
/// # Errors
/// The kernel's error.
pub(crate) fn empty_bounding_set() -> rustix::io::Result<()> {
    for capability in 0..64 {
        // SAFETY: prctl with plain numbers; EINVAL past the kernel's last capability ends the loop.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match check(result.into()) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    // SAFETY: as above. Kernels know this request since 4.3.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }.into())
}

/// Keeps only these capabilities, permitted and effective, none inheritable.
///
/// # Errors
/// The kernel's error; `EPERM` for one that is not held.
pub(crate) fn set_capabilities(keep: u64) -> rustix::io::Result<()> {
    write_capabilities(keep, 0)
}

/// Keeps of these capabilities what is held.
///
/// # Errors
/// The kernel's error.
pub(crate) fn narrow_capabilities(keep: u64) -> rustix::io::Result<()> {
    set_capabilities(keep & permitted()?)
}

/// Makes every capability that is permitted effective again (a change of uid clears that).
///
/// # Errors
/// The kernel's error.
pub(crate) fn raise_capabilities() -> rustix::io::Result<()> {
    set_capabilities(permitted()?)
}

/// Lets every capability that is permitted survive exec, for a cell in which that was accepted.
///
/// # Errors
/// The kernel's error.
pub(crate) fn keep_capabilities() -> rustix::io::Result<()> {
    let all = permitted()?;
    write_capabilities(all, all)?;
    for capability in (0..64_u64).filter(|capability| all & (1 << capability) != 0) {
        // SAFETY: prctl with plain numbers.
        let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) };
        check(raised.into())?;
    }
    Ok(())
}

const VERSION_3: u32 = 0x2008_0522;

fn permitted() -> rustix::io::Result<u64> {
    let header = [VERSION_3, 0];
    let mut data = [0_u32; 6];
    // SAFETY: capget reads a header of two 32-bit words and writes six, which live for the call.
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) })?;
    Ok(u64::from(data[1]) | u64::from(data[4]) << 32)
}

fn write_capabilities(keep: u64, inherit: u64) -> rustix::io::Result<()> {
    let header = [VERSION_3, 0];
    // Effective, permitted, inheritable; the lower 32 capabilities, then the upper.
    let half = |shift: u32| [(keep >> shift) as u32, (keep >> shift) as u32, (inherit >> shift) as u32];
    let data = [half(0), half(32)];
    // SAFETY: capset reads a header of two and data of six 32-bit words, which live for the call.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })
}

/// No exec gains privileges from here on.
///
/// # Errors
/// The kernel's error.
pub(crate) fn no_new_privileges() -> rustix::io::Result<()> {
    // SAFETY: prctl with plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())
}

fn check(result: libc::c_long) -> rustix::io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(last_error()) }
}

/// The error of the system call that just failed.
pub(crate) fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests;
