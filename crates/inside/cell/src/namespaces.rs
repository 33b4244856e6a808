//! Namespaces and the identity in them.
//!
//! An ordinary user makes a user namespace first and owns everything in it. Root makes the others first, so
//! that they belong to the host's user namespace and no capability of the cell reaches them, and enters a
//! user namespace last, as a host uid that owns nothing else.

use crate::confine::last_error;
use plan::{Identity, Layer, LayerSet, Plan};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
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

/// Those that are left last: helpers are made in the host's pid namespace before, and the cgroup namespace has the
/// cell's own groups as its root, so they are joined before. The mounts are the host's at that moment, however long the
/// launcher waited for its plan.
const LAST: libc::c_int = libc::CLONE_NEWPID | libc::CLONE_NEWCGROUP | libc::CLONE_NEWNS;

/// The flags of every namespace that was not switched off. The mount namespace is always made: without a
/// private root it still holds the workspace's overlay.
fn wanted(without: LayerSet) -> libc::c_int {
    NAMESPACES
        .into_iter()
        .filter(|(layer, _)| *layer == Layer::PrivateRoot || !without.contains(*layer))
        .fold(0, |flags, (_, flag)| flags | flag)
}

/// What the cell's uid and gid are to the kernel: root's where that was accepted.
pub(crate) fn kernel_ids(plan: &Plan) -> (u32, u32) {
    if plan.identity.privileged && plan.without.contains(Layer::HostUid) {
        return (0, 0);
    }
    (plan.identity.host_uid, plan.identity.host_gid)
}

/// Leaves the host's namespaces but those of [`leave_last`]; an ordinary user first becomes who he is `inside`. The
/// caller is single-threaded.
///
/// # Errors
/// The user namespace refused, or one of the others.
pub(crate) fn leave(inside: Option<(u32, u32)>, without: LayerSet) -> Result<(), NamespaceError> {
    if let Some(inside) = inside
        && !without.contains(Layer::UserNamespace)
    {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        unshare(Layer::UserNamespace, libc::CLONE_NEWUSER)?;
        map_self(inside, own)?;
    }
    leave_all(wanted(without) & !LAST)
}

/// Leaves the mount and pid namespaces: the next child that the caller makes is pid 1.
///
/// # Errors
/// The kernel's error.
pub(crate) fn leave_last(without: LayerSet) -> Result<(), NamespaceError> {
    leave_all(wanted(without) & LAST & !libc::CLONE_NEWCGROUP)
}

/// Leaves the cgroup namespace: the cell's own groups, which the caller has joined, are the root of the new one.
///
/// # Errors
/// The kernel's error.
pub(crate) fn leave_groups(without: LayerSet) -> Result<(), NamespaceError> {
    leave_all(wanted(without) & libc::CLONE_NEWCGROUP)
}

fn leave_all(flags: libc::c_int) -> Result<(), NamespaceError> {
    match unshare(Layer::PrivateRoot, flags) {
        Ok(()) => Ok(()),
        Err(whole) => Err(first_refused(flags).unwrap_or(whole)),
    }
}

/// Which namespace it was, found one by one after the whole call failed.
fn first_refused(flags: libc::c_int) -> Option<NamespaceError> {
    NAMESPACES.into_iter().filter(|(_, flag)| flags & flag != 0).find_map(|(layer, flag)| unshare(layer, flag).err())
}

/// Enters the agent's user namespace, last, in a cell that root started.
///
/// # Errors
/// The kernel's error.
pub(crate) fn enter_user(agents: BorrowedFd<'_>) -> Result<(), NamespaceError> {
    // SAFETY: takes a descriptor, which is open, and a flag; pid 1 has one thread and shares nothing that it would lose.
    let entered = unsafe { libc::setns(agents.as_raw_fd(), libc::CLONE_NEWUSER) };
    check(Layer::UserNamespace, entered.into())
}

/// Maps an ordinary user, and nobody else: the only map that he may write.
fn map_self(inside: (u32, u32), own: (u32, u32)) -> Result<(), NamespaceError> {
    let processes = host_processes()?;
    let write = |file: &str, text: String| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&processes, format!("self/{file}"), flags, Mode::empty()).map_err(refused)?;
        rustix::io::write(&file, text.as_bytes()).map(drop).map_err(refused)
    };
    // The kernel's condition for a gid map without privilege: else a group that denies could be left.
    write("setgroups", "deny".into())?;
    write("gid_map", format!("{} {} 1", inside.1, own.1))?;
    write("uid_map", format!("{} {} 1", inside.0, own.0))
}

/// The host's /proc. The launcher opens it before it makes pid 1, whose change of root is the launcher's too.
///
/// # Errors
/// The kernel's error.
pub(crate) fn host_processes() -> Result<OwnedFd, NamespaceError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/proc", flags, Mode::empty()).map_err(refused)
}

/// The mount namespace that the launcher and its child have.
///
/// # Errors
/// The kernel's error.
pub(crate) fn mounts(processes: &OwnedFd) -> Result<OwnedFd, NamespaceError> {
    let opened = rustix::fs::openat(processes, "self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    opened.map_err(|errno| NamespaceError { layer: Layer::PrivateRoot, errno })
}

fn refused(errno: Errno) -> NamespaceError {
    NamespaceError { layer: Layer::UserNamespace, errno }
}

/// Becomes the agent's uid and gid with no other group, once the maps are written. Without a user namespace of
/// its own those are the kernel's ids.
///
/// # Errors
/// The kernel's error.
pub(crate) fn become_agent(plan: &Plan) -> Result<(), NamespaceError> {
    let mapped = !plan.without.contains(Layer::UserNamespace);
    let ids = if mapped { (plan.identity.inside_uid, plan.identity.inside_gid) } else { kernel_ids(plan) };
    become_ids(ids, plan.identity.privileged)
}

fn become_ids((uid, gid): (u32, u32), privileged: bool) -> Result<(), NamespaceError> {
    if privileged {
        // Leaving uid 0 would clear the capabilities that later steps need; in a user namespace that maps no 0
        // nothing is cleared.
        // SAFETY: prctl with plain numbers.
        check(Layer::HostUid, unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }.into())?;
        // SAFETY: setgroups reads no element when the count is 0.
        check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) })?;
    }
    // SAFETY: plain numbers; the raw calls change this thread, which is the process's only one.
    check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: as above.
    check(Layer::HostUid, unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// The namespaces of a cell that stands, as its pid 1 handed them out: user, mount, pid, network, IPC, UTS, cgroup.
pub(crate) type Handed = [OwnedFd; 7];

/// Opens the namespaces of the calling process, which is pid 1.
///
/// # Errors
/// The kernel's error.
pub(crate) fn hand_out(processes: impl rustix::fd::AsFd) -> rustix::io::Result<Handed> {
    let open = |name: &str| {
        let path = format!("self/ns/{name}");
        rustix::fs::openat(processes.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    };
    Ok([open("user")?, open("mnt")?, open("pid")?, open("net")?, open("ipc")?, open("uts")?, open("cgroup")?])
}

/// Terminals of a program that entered.
const TERMINALS: u32 = 256;

/// Enters a cell that stands and becomes its agent's uid and gid; the next child that the caller makes is in its pid
/// namespace. An ordinary user owns what his user namespace owns, so he enters that first; for root it is the last.
/// `apart`: with terminals of its own, in a copy of the cell's mounts. The agent has the same uid, and would read there what
/// the operator types.
///
/// # Errors
/// The kernel's error, with the first layer that could not be entered.
pub(crate) fn join(handed: &Handed, identity: &Identity, apart: bool) -> Result<(), NamespaceError> {
    let [user, mounts, pid, net, ipc, uts, cgroup] = handed;
    let user = (Layer::UserNamespace, user, libc::CLONE_NEWUSER);
    let others = [
        (Layer::NetworkNamespace, net, libc::CLONE_NEWNET),
        (Layer::IpcNamespace, ipc, libc::CLONE_NEWIPC),
        (Layer::UtsNamespace, uts, libc::CLONE_NEWUTS),
        (Layer::CgroupNamespace, cgroup, libc::CLONE_NEWCGROUP),
        (Layer::PidNamespace, pid, libc::CLONE_NEWPID),
        (Layer::PrivateRoot, mounts, libc::CLONE_NEWNS),
    ];
    let (first, last) = if identity.privileged { (None, Some(user)) } else { (Some(user), None) };
    for (layer, namespace, kind) in first.into_iter().chain(others).chain(last) {
        // SAFETY: takes a descriptor, which is open, and a plain number; the caller has one thread and shares nothing.
        check(layer, unsafe { libc::setns(namespace.as_raw_fd(), kind) }.into())?;
        if apart && layer == Layer::PrivateRoot {
            unshare(layer, libc::CLONE_NEWNS)?;
            crate::root::terminals_apart(TERMINALS).map_err(|errno| NamespaceError { layer, errno })?;
        }
    }
    become_ids((identity.inside_uid, identity.inside_gid), identity.privileged)
}

fn unshare(layer: Layer, flags: libc::c_int) -> Result<(), NamespaceError> {
    // SAFETY: unshare takes plain flags; the launcher has one thread and shares nothing that it would lose.
    check(layer, unsafe { libc::unshare(flags) }.into())
}

fn check(layer: Layer, result: libc::c_long) -> Result<(), NamespaceError> {
    if result >= 0 { Ok(()) } else { Err(NamespaceError { layer, errno: last_error() }) }
}

#[cfg(test)]
mod tests;
