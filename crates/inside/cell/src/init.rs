//! Pid 1 of the cell: builds the walls from inside, starts the agent, and serves it to its end.

mod agent;
mod child;
mod enter;
mod held;
mod serve;
mod sight;
mod still;
mod text;
mod watch;

pub(crate) use child::WAITING;
pub(crate) use enter::run as enter;

use crate::confine::Rules;
use crate::launch::{self, Launch, NOT_BUILT, Task, failed};
use crate::owner::Owners;
use crate::root::{Entered, Root};
use crate::shares::Shares;
use crate::{channel, confine, namespaces, stdio};
use plan::{Failure, Foundation, Layer, Plan, Report};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::stdin;

/// What stands once the walls that are pid 1's own are built.
struct Built {
    /// What is left of building the root.
    root: Entered,
    /// The agent's side of stdio.
    stdio: [OwnedFd; 3],
    /// What Landlock grants so far, and how many rules of the plan that were.
    rules: Option<(Rules, usize)>,
    /// Pid 1's end of the watcher's socket pair, where there is a door.
    watcher: Option<OwnedFd>,
}

/// Runs pid 1 to its end, which ends every process of the cell. Returns its exit code.
pub(crate) fn run(launch: Launch) -> u8 {
    match start(launch) {
        Ok(Some(serving)) => serving.serve(),
        // A plane that has no session for it says nothing more.
        Ok(None) => NOT_BUILT,
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

fn start(launch: Launch) -> Result<Option<serve::Serving>, Failure> {
    let Launch { task, mask, host, shares, filters, mut owners, watcher } = launch;
    follow_the_plane()?;
    let (plan, passed, root, rules) = match task {
        Task::Plan(plan, passed) => {
            let root = Root::begin(plan.without).map_err(unrooted)?;
            (plan, passed, root, None)
        }
        Task::Ground(foundation) => {
            let Some((plan, passed, root, rules)) = wait_on_ground(foundation, &mut owners)? else { return Ok(None) };
            (plan, passed, root, Some(rules))
        }
    };
    if plan.without.contains(Layer::PidNamespace) {
        // Orphans come to us there too, to be ended with the agent.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| failed("adopt orphans", errno))?;
    }
    let (root, stdio) = build(&plan, passed, &owners, (root, &shares))?;
    drop(owners);
    agent::start(plan, mask, &host, filters, Built { root, stdio, rules, watcher }).map(Some)
}

/// What a plan that came later goes on with: the plan, what was passed along with it, the root as far as it stands, and the
/// Landlock rules of that part with their number.
type Awaited = (Plan, Vec<OwnedFd>, Root, (Rules, usize));

/// Makes the ground, waits for the plan, and joins its control groups; none where no plan comes. Nothing of a session is
/// known before, and whoever waits here serves one session.
fn wait_on_ground(mut foundation: Foundation, owners: &mut Owners) -> Result<Option<Awaited>, Failure> {
    let Some(ground) = foundation.ground.take() else { return Ok(None) };
    let mut root = Root::begin(foundation.without).map_err(unrooted)?;
    let join = |root: &Root, groups: &[String]| {
        groups
            .iter()
            .try_for_each(|group| root.write_on_host(group, b"0").map_err(|errno| launch::cannot_join(group, errno)))
    };
    join(&root, &ground.join)?;
    namespaces::leave_groups(foundation.without)?;
    root.build(&ground.steps, foundation.without, owners).map_err(unrooted)?;
    let mut rules = Rules::begin(root.place(), true).map_err(agent::unruled)?;
    rules.add(&ground.rules).map_err(agent::unruled)?;
    let told = channel::receive_with::<Plan>(stdin()).map_err(|errno| failed("read the plan", errno))?;
    let Some((mut plan, passed)) = told else { return Ok(None) };
    launch::stands(&plan, &foundation)?;
    if !plan.limits.join.is_empty() {
        // Others than those that were made ahead: they are the root of what is seen then.
        join(&root, &plan.limits.join)?;
        namespaces::leave_groups(plan.without)?;
    }
    // What stands already needed no owner of its own.
    owners.complete(&plan, root.processes()).map_err(launch::unmapped)?;
    root.skip(ground.steps.len());
    let ruled = ground.rules.len();
    ground.complete(&mut plan);
    Ok(Some((plan, passed, root, (rules, ruled))))
}

fn unrooted(error: crate::root::RootError) -> Failure {
    layer(Layer::PrivateRoot, &error.doing, error.errno)
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
    owners: &Owners,
    (root, shares): (Root, &Shares),
) -> Result<(Entered, [OwnedFd; 3]), Failure> {
    let off = |layer| plan.without.contains(layer);
    if !off(Layer::UtsNamespace) {
        rustix::system::sethostname(plan.identity.hostname.as_bytes())
            .map_err(|errno| layer(Layer::UtsNamespace, "set the hostname", errno))?;
    }
    let entered = root.enter(plan, owners).map_err(unrooted)?;
    if let Some(agents) = owners.agents() {
        namespaces::enter_user(agents)?;
    }
    if !off(Layer::UserNamespace) {
        shares.hold(entered.processes.as_fd()).map_err(|errno| failed("bound the cell's share", errno))?;
    }
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
