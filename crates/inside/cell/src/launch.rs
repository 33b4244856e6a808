//! The launcher: leaves the host's namespaces, makes pid 1 as the plane's own child, and is gone before the agent
//! starts. Pid 1 is made when the plan is read; where there is ground to be made ahead, before, and pid 1 reads the plan.

use crate::owner::Owners;
use crate::shares::Shares;
use crate::{channel, confine, init, measure, namespaces, net, seccomp, wipe};
use plan::{Failure, Foundation, Layer, LayerSet, Plan, Report};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::fs;
use std::io::stdin;

/// The walls could not be built; nothing was run.
pub(crate) const NOT_BUILT: u8 = 125;

/// What pid 1 is to build.
pub(crate) enum Task {
    /// A whole cell, whose control groups the launcher has joined, with stdio that the plane passed along, where relaying was
    /// switched off.
    Plan(Plan, Vec<OwnedFd>),
    /// What the plan will stand on, and then what the plan says.
    Ground(Foundation),
}

/// All that pid 1 gets from the launcher.
pub(crate) struct Launch {
    /// What to build.
    pub(crate) task: Task,
    /// The host as it was seen before it was left.
    pub(crate) host: measure::Host,
    /// The operator's mask of permission bits, for the agent.
    pub(crate) mask: Mode,
    /// What the cell may take of what the kernel counts for the operator.
    pub(crate) shares: Shares,
    /// The system call filters.
    pub(crate) filters: seccomp::Filters,
    /// The agent's user namespace and maps of the owners of trees, as far as they are known.
    pub(crate) owners: Owners,
    /// Pid 1's end of the watcher's socket pair, where there is a door.
    pub(crate) watcher: Option<OwnedFd>,
}

/// What stands before the plan is known.
struct Founded {
    mask: Mode,
    host: measure::Host,
    shares: Shares,
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
    if foundation.ground.is_some() {
        return park(foundation, founded).map(|code| code.unwrap_or(0));
    }
    let told = channel::receive_with::<Plan>(stdin()).map_err(|errno| failed("read the plan", errno))?;
    // A plane that refuses the run after all says nothing more.
    let Some((plan, passed)) = told else { return Ok(NOT_BUILT) };
    stands(&plan, &foundation)?;
    build(plan, passed, founded).map(|code| code.unwrap_or(0))
}

/// Refuses a plan for another cell than this one.
pub(crate) fn stands(plan: &Plan, on: &Foundation) -> Result<(), Failure> {
    if plan.stands_on(on) {
        Ok(())
    } else {
        Err(failed("read the plan: it stands on another foundation", Errno::PROTO))
    }
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
    let shares = Shares::look();
    namespaces::leave(foundation.inside, without)?;
    let networked = !without.contains(Layer::NetworkNamespace);
    let watcher = networked.then(|| net::lead_to_the_door(&foundation.door)).transpose()?;
    let filters = seccomp::Filters::compile().map_err(|_| Failure {
        layer: Some(Layer::Seccomp),
        ..failed("compile the system call filters", Errno::INVAL)
    })?;
    Ok(Founded { mask, host, shares, filters, watcher })
}

/// Makes pid 1 of a cell that is built at once. Its exit code in pid 1; none in the launcher.
fn build(plan: Plan, passed: Vec<OwnedFd>, founded: Founded) -> Result<Option<u8>, Failure> {
    for join in &plan.limits.join {
        fs::write(join, "0").map_err(|error| cannot_join(join, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
    let processes = namespaces::host_processes()?;
    let mut owners = Owners::default();
    owners.complete(&plan, processes.as_fd()).map_err(unmapped)?;
    namespaces::leave_groups(plan.without)?;
    let without = plan.without;
    make_pid_1(Task::Plan(plan, passed), without, owners, founded)
}

/// Makes pid 1 of a cell that waits for its session.
fn park(foundation: Foundation, founded: Founded) -> Result<Option<u8>, Failure> {
    // Such a cell is made for most sessions, and those have every wall.
    let Some(ground) = foundation.ground.as_ref().filter(|_| foundation.without == LayerSet::default()) else {
        return Err(failed("read the foundation: nothing is made ahead of a cell without a layer", Errno::PROTO));
    };
    let owners = Owners::ahead(ground, namespaces::host_processes()?.as_fd()).map_err(unmapped)?;
    make_pid_1(Task::Ground(foundation), LayerSet::default(), owners, founded)
}

/// The failure to join a control group.
pub(crate) fn cannot_join(group: &str, errno: Errno) -> Failure {
    failed(&format!("join `{group}`"), errno)
}

/// The failure to make a user namespace for others.
pub(crate) fn unmapped(errno: Errno) -> Failure {
    Failure { layer: Some(Layer::HostUid), ..failed("map the agent, or the owner of a tree", errno) }
}

/// Makes pid 1 as the plane's own child.
fn make_pid_1(task: Task, without: LayerSet, owners: Owners, founded: Founded) -> Result<Option<u8>, Failure> {
    let processes = namespaces::host_processes()?;
    namespaces::leave_last(without)?;
    match clone_sibling().map_err(|errno| failed("make pid 1", errno))? {
        None => {
            drop(processes);
            let Founded { mask, host, shares, filters, watcher } = founded;
            Ok(Some(init::run(Launch { task, mask, host, shares, filters, owners, watcher })))
        }
        Some(child) => {
            let mounts = namespaces::mounts(&processes)?;
            let born = channel::send(stdin(), &Report::Born { pid: child }, &[mounts.as_fd()]);
            born.map(|()| None).map_err(|errno| failed("report", errno))
        }
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
