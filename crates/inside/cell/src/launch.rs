//! The launcher: leaves the host's namespaces, reads the plan, makes pid 1 as the plane's own child, and
//! is gone before the agent starts.

use crate::owner::Owners;
use crate::{channel, confine, init, measure, namespaces, net, seccomp, wipe};
use plan::{Failure, Foundation, Layer, Plan, Report};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::fs;
use std::io::stdin;

/// The walls could not be built; nothing was run.
pub(crate) const NOT_BUILT: u8 = 125;

/// All that pid 1 gets from the launcher.
pub(crate) struct Launch {
    /// What to build.
    pub(crate) plan: Plan,
    /// Stdio that the plane passed along, where relaying was switched off.
    pub(crate) passed: Vec<OwnedFd>,
    /// The host as it was seen before it was left.
    pub(crate) host: measure::Host,
    /// The operator's mask of permission bits, for the agent.
    pub(crate) mask: Mode,
    /// The system call filters.
    pub(crate) filters: seccomp::Filters,
    /// Maps of the owners that the plan names.
    pub(crate) owners: Owners,
    /// Pid 1's end of the watcher's socket pair, where there is a door.
    pub(crate) watcher: Option<OwnedFd>,
    /// To the launcher, which writes the id maps.
    pub(crate) launcher: OwnedFd,
}

/// What stands before the plan is known.
struct Founded {
    mask: Mode,
    host: measure::Host,
    filters: seccomp::Filters,
    watcher: Option<OwnedFd>,
}

/// Runs the launcher, and in the child pid 1. Returns the process's exit code.
pub(crate) fn run() -> u8 {
    wipe::forget_environment();
    match launch() {
        Ok(code) => code,
        Err(failure) => {
            // With the plane gone there is nobody left to tell.
            let _ = channel::send(stdin(), &Report::Failed(failure), &[]);
            NOT_BUILT
        }
    }
}

fn launch() -> Result<u8, Failure> {
    // Dies with the plane from here on; a plane that died before has closed the control socket.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| failed("follow the plane", errno))?;
    let told = channel::receive::<Foundation>(stdin()).map_err(|errno| failed("read the foundation", errno))?;
    // A plane that left is nobody to tell.
    let Some(foundation) = told else { return Ok(NOT_BUILT) };
    let founded = found(&foundation)?;
    let told = channel::receive_with::<Plan>(stdin()).map_err(|errno| failed("read the plan", errno))?;
    // A plane that refuses the run after all says nothing more.
    let Some((plan, passed)) = told else { return Ok(NOT_BUILT) };
    if plan.foundation() != foundation {
        return Err(failed("read the plan: it stands on another foundation", Errno::PROTO));
    }
    make_pid_1(plan, passed, founded)
}

/// Leaves the host, and leads the network to the door: all that needs no policy.
fn found(foundation: &Foundation) -> Result<Founded, Failure> {
    if foundation.version != plan::VERSION {
        return Err(failed("read the plan: it is of another version", Errno::PROTO));
    }
    let without = foundation.without;
    if !without.contains(Layer::SealedDescriptors) {
        // Nothing is open yet but the control socket; what else was inherited is no business of pid 1 either.
        confine::close_from(3).map_err(|errno| failed("close inherited descriptors", errno))?;
    }
    // What is built has the permissions that the plan names, whatever the operator takes from his own files.
    let mask = rustix::process::umask(Mode::empty());
    let host = measure::Host::look().map_err(|errno| failed("look at the host's namespaces", errno))?;
    namespaces::leave(foundation.inside, without)?;
    let networked = !without.contains(Layer::NetworkNamespace);
    let watcher = networked.then(|| net::lead_to_the_door(&foundation.door)).transpose()?;
    let filters = seccomp::Filters::compile().map_err(|_| Failure {
        layer: Some(Layer::Seccomp),
        ..failed("compile the system call filters", Errno::INVAL)
    })?;
    Ok(Founded { mask, host, filters, watcher })
}

/// Makes pid 1 as the plane's own child, and maps its ids.
fn make_pid_1(plan: Plan, passed: Vec<OwnedFd>, founded: Founded) -> Result<u8, Failure> {
    for join in &plan.limits.join {
        fs::write(join, "0")
            .map_err(|error| failed(&format!("join `{join}`"), Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
    let owners = Owners::of(&plan).map_err(|errno| Failure {
        layer: Some(Layer::HostUid),
        ..failed("make a map for the owner of a tree", errno)
    })?;
    namespaces::leave_last(plan.without)?;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(|errno| failed("make a socket pair", errno))?;
    let processes = namespaces::host_processes()?;
    match clone_sibling().map_err(|errno| failed("make pid 1", errno))? {
        None => {
            drop((ours, processes));
            let Founded { mask, host, filters, watcher } = founded;
            Ok(init::run(Launch { plan, passed, mask, host, filters, owners, watcher, launcher: theirs }))
        }
        Some(child) => {
            drop(theirs);
            let mounts = namespaces::mounts(&processes)?;
            let born = channel::send(stdin(), &Report::Born { pid: child }, &[mounts.as_fd()]);
            born.map_err(|errno| failed("report", errno))?;
            let mapped = plan.identity.privileged && !plan.without.contains(Layer::UserNamespace);
            if mapped { map(&ours, &processes, child, &plan) } else { Ok(()) }.map(|()| 0)
        }
    }
}

/// Waits until pid 1 entered its user namespace, and maps it.
fn map(pair: &OwnedFd, processes: &OwnedFd, child: u32, plan: &Plan) -> Result<(), Failure> {
    let mut byte = [0];
    match rustix::net::recv(pair, &mut byte[..], RecvFlags::empty()) {
        Ok((_, 1)) => {}
        // Pid 1 failed earlier and has reported why.
        _ => return Ok(()),
    }
    namespaces::map_child(processes, child, plan)?;
    rustix::net::send(pair, &byte, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|errno| failed("tell pid 1 that it is mapped", errno))
}

/// Pid 1's side of [`map`].
pub(crate) fn wait_until_mapped(pair: &OwnedFd) -> rustix::io::Result<()> {
    rustix::net::send(pair.as_fd(), &[1], SendFlags::NOSIGNAL)?;
    let mut byte = [0];
    match rustix::net::recv(pair, &mut byte[..], RecvFlags::empty())? {
        (_, 1) => Ok(()),
        _ => Err(Errno::PIPE),
    }
}

/// Forks with the launcher's own parent as the child's parent; `None` in the child.
fn clone_sibling() -> rustix::io::Result<Option<u32>> {
    // SAFETY: a fork by another name: no shared memory, no new stack. The launcher has one thread, so the
    // child may use everything it copied.
    let result = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT, 0, 0, 0, 0) };
    match u32::try_from(result) {
        Ok(0) => Ok(None),
        Ok(child) => Ok(Some(child)),
        Err(_) => Err(confine::last_error()),
    }
}

/// A failure outside any one layer.
pub(crate) fn failed(doing: &str, errno: Errno) -> Failure {
    Failure { layer: None, doing: doing.into(), errno: errno.raw_os_error(), exit: NOT_BUILT }
}

impl From<namespaces::NamespaceError> for Failure {
    fn from(error: namespaces::NamespaceError) -> Failure {
        let doing = format!("build the layer `{}`", error.layer.name());
        Failure { layer: Some(error.layer), ..failed(&doing, error.errno) }
    }
}
