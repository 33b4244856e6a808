//! Pid 1 of the cell: builds the walls from inside, starts the agent, and serves it to its end.

mod agent;
mod child;
mod enter;
mod held;
mod serve;
mod sight;
mod text;
mod watch;

pub(crate) use child::WAITING;
pub(crate) use enter::run as enter;

use crate::launch::{Launch, failed, wait_until_mapped};
use crate::{channel, confine, namespaces, root, stdio};
use plan::{Failure, Layer, Plan, Report};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::stdin;

/// What stands once the walls that are pid 1's own are built.
struct Built {
    /// What is left of building the root.
    root: root::Entered,
    /// The agent's side of stdio.
    stdio: [OwnedFd; 3],
    /// Pid 1's end of the watcher's socket pair, where there is a door.
    watcher: Option<OwnedFd>,
}

/// Runs pid 1 to its end, which ends every process of the cell. Returns its exit code.
pub(crate) fn run(launch: Launch) -> u8 {
    match start(launch) {
        Ok(serving) => serving.serve(),
        Err(failure) => give_up(failure),
    }
}

/// Tells that nothing was run.
fn give_up(failure: Failure) -> u8 {
    let exit = failure.exit;
    // With the plane gone there is nobody left to tell.
    let _ = channel::send(stdin(), &Report::Failed(failure), &[]);
    exit
}

fn start(launch: Launch) -> Result<serve::Serving, Failure> {
    let Launch { plan, passed, mask, host, filters, owners, watcher, launcher } = launch;
    follow_the_plane()?;
    if plan.without.contains(Layer::PidNamespace) {
        // Orphans come to us there too, to be ended with the agent.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| failed("adopt orphans", errno))?;
    }
    let (root, stdio) = build(&plan, passed, &owners, launcher)?;
    drop(owners);
    agent::start(plan, mask, &host, filters, Built { root, stdio, watcher })
}

/// The plane is pid 1's parent: nothing of the cell outlives it. A change of uid clears this.
fn follow_the_plane() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| failed("follow the plane", errno))
}

/// Builds every wall that is pid 1's own. Gives what is left of the root and the agent's side of stdio.
fn build(
    plan: &Plan,
    passed: Vec<OwnedFd>,
    owners: &crate::owner::Owners,
    launcher: OwnedFd,
) -> Result<(root::Entered, [OwnedFd; 3]), Failure> {
    let off = |layer| plan.without.contains(layer);
    if !off(Layer::UtsNamespace) {
        rustix::system::sethostname(plan.identity.hostname.as_bytes())
            .map_err(|errno| layer(Layer::UtsNamespace, "set the hostname", errno))?;
    }
    let entered = root::enter(plan, owners).map_err(|error| layer(Layer::PrivateRoot, &error.doing, error.errno))?;
    if plan.identity.privileged && !off(Layer::UserNamespace) {
        namespaces::enter_user()?;
        wait_until_mapped(&launcher).map_err(|errno| failed("wait for the id maps", errno))?;
    }
    drop(launcher);
    namespaces::become_agent(plan)?;
    follow_the_plane()?;
    let capabilities = |errno| layer(Layer::Capabilities, "drop capabilities of pid 1", errno);
    if plan.identity.privileged {
        confine::raise_capabilities().map_err(capabilities)?;
    }
    let stdio = streams(plan, passed)?;
    if !off(Layer::Capabilities) {
        confine::empty_bounding_set().map_err(capabilities)?;
    }
    // The agent has the same uid: what is not dumpable it can neither trace nor read.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("make pid 1 not dumpable", errno))?;
    Ok((entered, stdio))
}

/// Stdio of our own making, or what the plane passed along where that was accepted.
fn streams(plan: &Plan, passed: Vec<OwnedFd>) -> Result<[OwnedFd; 3], Failure> {
    let refused = |errno| layer(Layer::RelayedStdio, "make stdio", errno);
    if plan.without.contains(Layer::RelayedStdio) {
        return passed.try_into().map_err(|_| refused(Errno::BADF));
    }
    let ends = stdio::make(&plan.stdio).map_err(refused)?;
    report(&Report::Stdio, &ends.outer)?;
    Ok(ends.inner)
}

fn report(report: &Report, descriptors: &[OwnedFd]) -> Result<(), Failure> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    channel::send(stdin(), report, &borrowed).map_err(|errno| failed("report to the plane", errno))
}

fn layer(layer: Layer, doing: &str, errno: Errno) -> Failure {
    Failure { layer: Some(layer), ..failed(doing, errno) }
}
