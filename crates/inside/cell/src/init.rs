//! Pid 1 of the cell: builds the walls from inside, starts the agent, reaps, carries out orders.

mod agent;

use crate::launch::{failed, wait_until_mapped};
use crate::{channel, confine, namespaces, net, root, stdio};
use plan::{Ending, Failure, Layer, Order, Plan, Report};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use std::io::stdin;

/// `CAP_SYS_PTRACE` in the cell's own user namespace: to see which program connects.
const SYS_PTRACE: u64 = 1 << 19;

/// Runs pid 1 to its end, which ends every process of the cell. Returns its exit code.
pub(crate) fn run(plan: Plan, launcher: OwnedFd) -> u8 {
    match build(&plan, launcher).and_then(|inner| agent::start(plan, inner)) {
        Ok(agent) => {
            // The plane may be gone already; then the loop sees the end of the socket at once.
            let _ = channel::send(stdin(), &Report::Started { pid: agent.as_raw_nonzero().get().cast_unsigned() }, &[]);
            serve(agent)
        }
        Err(failure) => {
            let exit = failure.exit;
            let _ = channel::send(stdin(), &Report::Failed(failure), &[]);
            exit
        }
    }
}

/// Builds every wall that is pid 1's own, and gives the agent's side of stdio.
fn build(plan: &Plan, launcher: OwnedFd) -> Result<[OwnedFd; 3], Failure> {
    if !plan.without.contains(Layer::UtsNamespace) {
        rustix::system::sethostname(plan.identity.hostname.as_bytes())
            .map_err(|errno| layer(Layer::UtsNamespace, "set the hostname", errno))?;
    }
    if !plan.without.contains(Layer::NetworkNamespace) {
        network(plan)?;
    }
    root::enter(plan).map_err(|error| layer(Layer::PrivateRoot, &error.doing, error.errno))?;
    if plan.identity.privileged {
        namespaces::enter_user()?;
        wait_until_mapped(&launcher).map_err(|errno| failed("wait for the id maps", errno))?;
    }
    namespaces::become_agent(&plan.identity)?;
    let ends = stdio::make(&plan.stdio).map_err(|errno| layer(Layer::RelayedStdio, "make stdio", errno))?;
    report(&Report::Stdio, &ends.outer)?;
    confine::drop_capabilities(SYS_PTRACE)
        .map_err(|errno| layer(Layer::Capabilities, "drop capabilities of pid 1", errno))?;
    // The agent has the same uid: what is not dumpable it can neither trace nor read.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("make pid 1 not dumpable", errno))?;
    Ok(ends.inner)
}

fn network(plan: &Plan) -> Result<(), Failure> {
    let raised = (|| {
        let v6 = std::path::Path::new("/proc/self/net/if_inet6").exists();
        net::route::capture_everything(v6)?;
        net::fence::raise(&plan.door, v6)?;
        net::sockets::open(&plan.door, v6)
    })();
    let sockets = raised.map_err(|errno| layer(Layer::NetworkNamespace, "lead the network to the door", errno))?;
    report(&Report::Door, &sockets)
}

fn report(report: &Report, descriptors: &[OwnedFd]) -> Result<(), Failure> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    channel::send(stdin(), report, &borrowed).map_err(|errno| failed("report to the plane", errno))
}

fn layer(layer: Layer, doing: &str, errno: Errno) -> Failure {
    Failure { layer: Some(layer), ..failed(doing, errno) }
}

/// Reaps and obeys until the agent ended or the plane is gone. Returning ends the cell: the kernel kills
/// every process of a pid namespace whose pid 1 is gone.
fn serve(agent: Pid) -> u8 {
    let Ok(ended) = rustix::process::pidfd_open(agent, PidfdFlags::empty()) else { return 125 };
    loop {
        let input = stdin();
        let mut ready = [PollFd::new(&input, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
        if poll(&mut ready, None).is_err_and(|errno| errno != Errno::INTR) {
            return 125;
        }
        let (ordered, over) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
        if over {
            let ending = ending_of(agent);
            let _ = channel::send(stdin(), &Report::Ended(ending), &[]);
            return 0;
        }
        if ordered {
            match channel::receive(stdin()) {
                Ok(Some(Order::Signal(number))) => signal(agent, number),
                Ok(Some(Order::Kill)) | Ok(None) | Err(_) => return 0,
            }
        }
    }
}

fn signal(agent: Pid, number: u8) {
    if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
        // A group that is gone already needs no signal.
        let _ = rustix::process::kill_process_group(agent, signal);
    }
}

fn ending_of(agent: Pid) -> Ending {
    match rustix::process::waitpid(Some(agent), WaitOptions::empty()) {
        Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, Some(signal)) => Ending::Signalled(u8::try_from(signal).unwrap_or(9)),
            (None, None) => Ending::Signalled(9),
        },
        _ => Ending::Signalled(9),
    }
}
