//! What the agent's process gives up between fork and exec, in this order: descriptors, capabilities, the
//! right to gain privileges, everything that Landlock does not grant. The seccomp filter comes last, since
//! it forbids what these steps need.

mod paths;

pub(crate) use paths::Domain;

use rustix::io::Errno;

/// Lets exec close every descriptor from `first` on: an inherited file, directory or socket is a way out.
///
/// # Errors
/// The kernel's error.
pub(crate) fn seal_descriptors(first: u32) -> rustix::io::Result<()> {
    // SAFETY: close_range takes plain numbers and closes nothing yet, so that no owner is left with a
    // descriptor that is gone.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(result)
}

/// Clears every capability set but `keep`, which stays permitted and effective: the bounding and ambient
/// sets lose all, so that no exec can bring one back.
///
/// # Errors
/// The kernel's error.
pub(crate) fn drop_capabilities(keep: u64) -> rustix::io::Result<()> {
    for capability in 0..64 {
        // SAFETY: prctl with plain numbers; EINVAL past the kernel's last capability ends the loop.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match check(result.into()) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            // Without CAP_SETPCAP nothing can be dropped; the sets below are emptied all the same, and
            // `no new privileges` makes the bounding set meaningless.
            Err(Errno::PERM) => break,
            Err(error) => return Err(error),
        }
    }
    // SAFETY: as above. Kernels know this request since 4.3.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }.into())?;
    set_capabilities(keep)
}

fn set_capabilities(keep: u64) -> rustix::io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = (keep as u32, (keep >> 32) as u32);
    // Effective, permitted, inheritable; the lower 32 capabilities, then the upper.
    let data = [low, low, 0, high, high, 0];
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
    if result >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests;
