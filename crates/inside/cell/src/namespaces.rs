//! Namespaces and the identity in them.
//!
//! An ordinary user makes a user namespace first and owns everything in it. Root makes the others first, so
//! that they belong to the host's user namespace and no capability of the cell reaches them, and enters a
//! user namespace last, as a host uid that owns nothing else.

use plan::{Identity, Layer, LayerSet};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What could not be done, and the kernel's error.
#[derive(Debug)]
pub(crate) struct NamespaceError {
    /// The layer that this belongs to.
    pub(crate) layer: Layer,
    /// The kernel's error.
    pub(crate) errno: Errno,
}

/// Every namespace of a cell but the user's, with the layer that it is.
const NAMESPACES: [(Layer, libc::c_int); 6] = [
    (Layer::PrivateRoot, libc::CLONE_NEWNS),
    (Layer::PidNamespace, libc::CLONE_NEWPID),
    (Layer::NetworkNamespace, libc::CLONE_NEWNET),
    (Layer::IpcNamespace, libc::CLONE_NEWIPC),
    (Layer::UtsNamespace, libc::CLONE_NEWUTS),
    (Layer::CgroupNamespace, libc::CLONE_NEWCGROUP),
];

/// The flags of every namespace that was not switched off. The mount namespace is always made: without a
/// private root it still holds the workspace's overlay.
fn wanted(without: LayerSet) -> libc::c_int {
    NAMESPACES
        .into_iter()
        .filter(|(layer, _)| *layer == Layer::PrivateRoot || !without.contains(*layer))
        .fold(0, |flags, (_, flag)| flags | flag)
}

/// Leaves the host's namespaces. The caller is single-threaded; the next child it makes is pid 1.
///
/// # Errors
/// The user namespace refused, or one of the others.
pub(crate) fn leave(identity: &Identity, without: LayerSet) -> Result<(), NamespaceError> {
    if !identity.privileged {
        unshare(Layer::UserNamespace, libc::CLONE_NEWUSER)?;
        map_self(identity)?;
    }
    match unshare(Layer::PrivateRoot, wanted(without)) {
        Ok(()) => Ok(()),
        Err(whole) => Err(first_refused(without).unwrap_or(whole)),
    }
}

/// Which namespace it was, found one by one after the whole call failed.
fn first_refused(without: LayerSet) -> Option<NamespaceError> {
    let flags = wanted(without);
    NAMESPACES.into_iter().filter(|(_, flag)| flags & flag != 0).find_map(|(layer, flag)| unshare(layer, flag).err())
}

/// Enters a user namespace of its own, last, in a cell that root started. The maps are written by the
/// launcher (see [`map_child`]), which alone may map another uid.
///
/// # Errors
/// The kernel's error.
pub(crate) fn enter_user() -> Result<(), NamespaceError> {
    unshare(Layer::UserNamespace, libc::CLONE_NEWUSER)
}

/// Maps an ordinary user to himself: the only map that he may write.
fn map_self(identity: &Identity) -> Result<(), NamespaceError> {
    write_maps(&host_processes()?, "self", identity, true)
}

/// The host's /proc. The launcher opens it before it makes pid 1, whose change of root is the launcher's too.
///
/// # Errors
/// The kernel's error.
pub(crate) fn host_processes() -> Result<OwnedFd, NamespaceError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/proc", flags, Mode::empty()).map_err(refused)
}

/// Writes the maps of a child that entered its user namespace. Needs CAP_SETUID in the host's.
///
/// # Errors
/// The kernel's error.
pub(crate) fn map_child(processes: &OwnedFd, pid: u32, identity: &Identity) -> Result<(), NamespaceError> {
    write_maps(processes, &pid.to_string(), identity, false)
}

fn write_maps(
    processes: &OwnedFd,
    process: &str,
    identity: &Identity,
    deny_groups: bool,
) -> Result<(), NamespaceError> {
    let write = |file: &str, text: String| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(processes, format!("{process}/{file}"), flags, Mode::empty()).map_err(refused)?;
        rustix::io::write(&file, text.as_bytes()).map(drop).map_err(refused)
    };
    if deny_groups {
        // The kernel's condition for a gid map without privilege: else a group that denies could be left.
        write("setgroups", "deny".into())?;
    }
    write("gid_map", format!("{} {} 1", identity.inside_gid, identity.host_gid))?;
    write("uid_map", format!("{} {} 1", identity.inside_uid, identity.host_uid))
}

fn refused(errno: Errno) -> NamespaceError {
    NamespaceError { layer: Layer::UserNamespace, errno }
}

/// Becomes the agent's uid and gid with no other group, once the maps are written.
///
/// # Errors
/// The kernel's error.
pub(crate) fn become_agent(identity: &Identity) -> Result<(), NamespaceError> {
    let (uid, gid) = (identity.inside_uid, identity.inside_gid);
    if identity.privileged {
        // SAFETY: setgroups reads no element when the count is 0.
        check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) })?;
    }
    // SAFETY: plain numbers; the raw calls change this thread, which is the process's only one.
    check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: as above.
    check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

fn unshare(layer: Layer, flags: libc::c_int) -> Result<(), NamespaceError> {
    // SAFETY: unshare takes plain flags; the launcher has one thread and shares nothing that it would lose.
    check(layer, unsafe { libc::unshare(flags) }.into())
}

fn check(layer: Layer, result: libc::c_long) -> Result<(), NamespaceError> {
    if result >= 0 {
        return Ok(());
    }
    let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
    Err(NamespaceError { layer, errno })
}

#[cfg(test)]
mod tests;
