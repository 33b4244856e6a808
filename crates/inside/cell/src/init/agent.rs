//! Starting the agent: everything that allocates is made before the fork, the child is measured while it waits,
//! and pid 1 forgets the command before it may go on.

use super::child::{self, Prepared};
use super::serve::Serving;
use super::still::Still;
use super::watch::Watcher;
use super::{Built, layer, report};
use crate::channel;
use crate::confine::{self, Domain, DomainError, Rules};
use crate::launch::failed;
use crate::measure::{self, Host, Scene};
use crate::seccomp::{self, Filters};
use libc::sock_filter;
use plan::{Failure, Layer, LayerSet, Order, Plan, Report, Stream};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Pid;
use std::ffi::CString;
use std::io::stdin;
use std::rc::Rc;

/// `CAP_SYS_PTRACE` in the cell's own user namespace: to see which program connects.
pub(super) const SYS_PTRACE: u64 = 1 << 19;

/// Starts the agent. The plan, which holds its environment, ends here.
pub(super) fn start(
    plan: Plan,
    mask: Mode,
    host: &Host,
    filters: Filters,
    mut built: Built,
) -> Result<Serving, Failure> {
    let watched = built.watcher.is_some();
    let terminal = plan.stdio.streams.iter().position(|stream| *stream == Stream::Terminal);
    let terminal = terminal.filter(|_| !plan.without.contains(Layer::RelayedStdio));
    let mut plan = plan;
    let Filters { agent, watcher, pid_1 } = filters;
    let prepared = prepare(&mut plan, mask, (agent, watched.then_some(watcher)), built.rules.take())?;
    let installed = prepared.filters();
    let Forked { agent, status, signals, domain } = fork(prepared, &built.stdio, terminal)?;
    confine::narrow_capabilities(SYS_PTRACE)
        .map_err(|errno| layer(Layer::Capabilities, "drop capabilities of pid 1", errno))?;
    let (attempts, _, listener) = child::wait(&status)?;
    let scene = Scene {
        without: plan.without,
        identity: &plan.identity,
        steps: &plan.root,
        host,
        processes: built.root.processes.as_fd(),
        agent: agent.as_raw_nonzero().get(),
        stdio: &built.stdio,
        attempts,
        filters: installed,
    };
    let walls = measure::walls(&scene)?;
    // What does not ride is let go of here, slowly.
    let parts = std::mem::take(&mut built.root.parts);
    report(&Report::Walls(walls), &parts[..parts.len().min(channel::MAX_DESCRIPTORS)])?;
    drop(parts);
    let without = plan.without;
    drop(plan);
    let Built { root, stdio, watcher, .. } = built;
    drop(stdio);
    let gate = watcher.map(Rc::new);
    let watchers = match (listener, &gate) {
        (Some(listener), Some(gate)) => vec![Watcher::new(listener, Rc::clone(gate), Some(agent))],
        _ => Vec::new(),
    };
    wait_to_begin()?;
    let release = || child::release(&status).map_err(|errno| failed("release the agent", errno));
    // A watched agent's exec is held until pid 1 answers it, which it does only once it is confined: the agent's
    // process may wake up meanwhile.
    if watched {
        release()?;
        confine_itself(&pid_1)?;
    } else {
        confine_itself(&pid_1)?;
        release()?;
    }
    let alone = without.contains(Layer::PidNamespace);
    let processes = root.processes;
    Ok(Serving {
        agent,
        status: Some(status),
        signals,
        watchers,
        gate,
        domain,
        processes,
        alone,
        paused: false,
        still: Still::default(),
    })
}

/// A process that is to become a program, and waits to be measured.
pub(super) struct Forked {
    pub(super) agent: Pid,
    /// Closed by its exec.
    pub(super) status: OwnedFd,
    /// What ended or stopped, as a descriptor.
    pub(super) signals: OwnedFd,
    /// What binds it.
    pub(super) domain: Option<Domain>,
}

/// Makes the process, with a group of its own in a session that the caller leads.
pub(super) fn fork(mut prepared: Prepared, stdio: &[OwnedFd; 3], terminal: Option<usize>) -> Result<Forked, Failure> {
    let signals = take_signals()?;
    lead_session(stdio, terminal).map_err(|errno| layer(Layer::RelayedStdio, "lead a session", errno))?;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let (status, theirs) = pair.map_err(|errno| failed("make a socket pair", errno))?;
    // SAFETY: the caller has one thread; the child may use everything it copied.
    let agent = unsafe { libc::fork() };
    if agent < 0 {
        // A limit on processes that the cell has used up.
        return Err(failed("fork", confine::last_error()));
    }
    if agent == 0 {
        child::run(&prepared, stdio, &theirs);
    }
    let domain = prepared.domain.take();
    // What was the command's is overwritten as it is freed; the child's copy ends in its exec.
    drop((prepared, theirs));
    let agent = Pid::from_raw(agent).ok_or_else(|| failed("fork", Errno::AGAIN))?;
    foreground(agent, stdio, terminal).map_err(|errno| layer(Layer::RelayedStdio, "lead a session", errno))?;
    Ok(Forked { agent, status, signals, domain })
}

/// Waits until the plane has recorded the session.
pub(super) fn wait_to_begin() -> Result<(), Failure> {
    match channel::receive(stdin()) {
        Ok(Some(Order::Begin)) => Ok(()),
        Ok(_) => Err(failed("wait for the word to begin", Errno::PIPE)),
        Err(errno) => Err(failed("wait for the word to begin", errno)),
    }
}

fn prepare(
    plan: &mut Plan,
    mask: Mode,
    (filter, watcher): (Vec<sock_filter>, Option<Vec<sock_filter>>),
    begun: Option<(Rules, usize)>,
) -> Result<Prepared, Failure> {
    let without: LayerSet = plan.without;
    let off = |layer| without.contains(layer);
    let domain = (!off(Layer::Landlock)).then(|| domain(plan, begun)).transpose().map_err(unruled)?;
    let Texts { program, directory, arguments, environment } = texts(&mut plan.command)?;
    Ok(Prepared {
        domain,
        filter: (!off(Layer::Seccomp)).then_some(filter),
        watcher,
        without,
        mask,
        limits: std::mem::take(&mut plan.limits.rlimits),
        oom_score_adj: plan.limits.oom_score_adj,
        entered: false,
        program,
        directory,
        arguments,
        environment,
    })
}

/// A command as the kernel takes it.
pub(super) struct Texts {
    pub(super) program: CString,
    pub(super) directory: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
}

/// Takes the command's texts, which are not copied.
pub(super) fn texts(command: &mut plan::Command) -> Result<Texts, Failure> {
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| failed("read the command: a NUL byte", Errno::INVAL));
    let texts = |list: Vec<Vec<u8>>| list.into_iter().map(text).collect::<Result<Vec<_>, _>>();
    Ok(Texts {
        program: text(std::mem::take(&mut command.program).into_bytes())?,
        directory: text(std::mem::take(&mut command.directory).into_bytes())?,
        arguments: texts(std::mem::take(&mut command.arguments))?,
        environment: texts(std::mem::take(&mut command.environment))?,
    })
}

/// What Landlock grants, in a ruleset that was begun ahead or anew.
fn domain(plan: &Plan, begun: Option<(Rules, usize)>) -> Result<Domain, DomainError> {
    let (mut rules, added) = match begun {
        Some((mut rules, added)) => {
            rules.add_missed()?;
            (rules, added)
        }
        None => (Rules::begin(None, !plan.without.contains(Layer::PrivateRoot))?, 0),
    };
    rules.add(plan.landlock.get(added..).unwrap_or_default())?;
    rules.domain()
}

/// The failure to build what Landlock grants.
pub(super) fn unruled(error: DomainError) -> Failure {
    layer(Layer::Landlock, &format!("build the Landlock rules: {error}"), Errno::NOSYS)
}

/// Signals come through a descriptor: children that ended or stopped, and a terminal that hung up.
fn take_signals() -> Result<OwnedFd, Failure> {
    super::serve::take_signals().map_err(|errno| failed("take signals", errno))
}

/// Leads a session of its own and owns the pty in it. The agent's process group then has a parent in the same
/// session and another group; without one it would be orphaned, and ^Z ignored in it.
fn lead_session(stdio: &[OwnedFd; 3], terminal: Option<usize>) -> rustix::io::Result<()> {
    match rustix::process::setsid() {
        // Outside a pid namespace of its own the launcher may have made it a leader already.
        Ok(_) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    match terminal {
        Some(index) => rustix::process::ioctl_tiocsctty(&stdio[index]),
        None => Ok(()),
    }
}

/// Gives the agent a process group of its own, in the foreground of the pty.
fn foreground(agent: Pid, stdio: &[OwnedFd; 3], terminal: Option<usize>) -> rustix::io::Result<()> {
    rustix::process::setpgid(Some(agent), Some(agent))?;
    match terminal {
        Some(index) => rustix::termios::tcsetpgrp(&stdio[index], agent),
        None => Ok(()),
    }
}

/// Pid 1's own filter, after its last fork, since children inherit it.
pub(super) fn confine_itself(filter: &[sock_filter]) -> Result<(), Failure> {
    let doing = "confine pid 1";
    confine::no_new_privileges().map_err(|errno| failed(doing, errno))?;
    seccomp::install(filter).map_err(|errno| failed(doing, errno))
}
