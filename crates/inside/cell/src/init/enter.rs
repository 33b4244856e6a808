//! `bastide-cell enter`: goes into a cell that stands, for one errand: a program, a file, connections.
//!
//! A program is started behind the very walls that the agent is behind: its namespaces, its Landlock ruleset, its filters, its
//! uid, no capability; all of it measured on the waiting process as on the agent's, and what does not hold is not run. It
//! is a domain of its own, so neither can signal or trace the other. The other two errands give up the same before they
//! look at anything of the cell. This process itself is in no cell's pid namespace: nothing inside can see it.

use super::agent::{self, Forked, SYS_PTRACE, Texts, confine_itself, wait_to_begin};
use super::child::{self, Prepared};
use super::serve::Serving;
use super::still::Still;
use super::{follow_the_plane, give_up, layer, report};
use crate::confine::{self, Domain};
use crate::launch::failed;
use crate::measure::{self, Host, Scene};
use crate::namespaces::{self, Handed};
use crate::seccomp::{self, Filters};
use crate::{channel, stdio, wipe};
use plan::{Command, Entry, Errand, Failure, Layer, LayerSet, Limits, Order, Report, Stdio, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::fs;
use std::io::stdin;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How long a connection within the cell may take.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Enters a cell and does one errand there. Returns the process's exit code.
pub(crate) fn run() -> u8 {
    wipe::forget_environment();
    match enter() {
        Ok(code) => code,
        Err(failure) => give_up(failure),
    }
}

/// What a process has that entered.
struct Inside {
    entry: Entry,
    domain: Domain,
    host: Host,
    mask: Mode,
    filters: Filters,
}

fn enter() -> Result<u8, Failure> {
    follow_the_plane()?;
    confine::close_from(3).map_err(|errno| failed("close inherited descriptors", errno))?;
    let told = channel::receive_with::<Entry>(stdin()).map_err(|errno| failed("read the errand", errno))?;
    // A plane that left is nobody to tell.
    let Some((entry, riding)) = told else { return Ok(crate::launch::NOT_BUILT) };
    if entry.version != plan::VERSION {
        return Err(failed("read the errand: it is of another version", Errno::PROTO));
    }
    let mut riding = riding.into_iter();
    let ruleset = riding.next().ok_or_else(|| failed("take the cell's walls", Errno::BADF))?;
    // Out of the way of the low numbers, which the process fills that is started.
    let ruleset =
        rustix::io::fcntl_dupfd_cloexec(ruleset, 16).map_err(|errno| failed("keep the cell's walls", errno))?;
    let handed: Handed =
        riding.collect::<Vec<_>>().try_into().map_err(|_| failed("take the cell's walls", Errno::BADF))?;
    let mask = rustix::process::umask(Mode::empty());
    let host = Host::look().map_err(|errno| failed("look at the host's namespaces", errno))?;
    join(&entry.limits)?;
    let filters = Filters::compile().map_err(|_| Failure {
        layer: Some(Layer::Seccomp),
        ..failed("compile the system call filters", Errno::INVAL)
    })?;
    let apart = matches!(&entry.errand, Errand::Execute { stdio, .. } if stdio.streams.contains(&Stream::Terminal));
    namespaces::join(&handed, &entry.identity, apart)?;
    drop(handed);
    follow_the_plane()?;
    // Others of this uid are alive inside.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| failed("make this process not dumpable", errno))?;
    let capabilities = |errno| layer(Layer::Capabilities, "drop capabilities", errno);
    if entry.identity.privileged {
        confine::raise_capabilities().map_err(capabilities)?;
    }
    confine::empty_bounding_set().map_err(capabilities)?;
    let mut inside = Inside { entry, domain: Domain::of(ruleset), host, mask, filters };
    let nothing = Errand::Reach { port: 0 };
    match std::mem::replace(&mut inside.entry.errand, nothing) {
        Errand::Execute { stdio, command } => execute(inside, &stdio, command),
        Errand::Open { beneath, path, write, executable } => {
            rustix::process::umask(inside.mask);
            give_up_all(&inside)?;
            open(&beneath, &path, write, executable)
        }
        Errand::Reach { port } => {
            give_up_all(&inside)?;
            reach(port)
        }
    }
}

/// The cell's control groups, before the host's paths are left.
fn join(limits: &Limits) -> Result<(), Failure> {
    for join in &limits.join {
        fs::write(join, "0")
            .map_err(|error| failed(&format!("join `{join}`"), Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
    if limits.oom_score_adj != 0 {
        // A hint to the kernel, which what is started inherits.
        let _ = fs::write("/proc/self/oom_score_adj", limits.oom_score_adj.to_string());
    }
    Ok(())
}

/// Becomes as little as the agent is, for good.
fn give_up_all(inside: &Inside) -> Result<(), Failure> {
    confine::set_capabilities(0).map_err(|errno| layer(Layer::Capabilities, "drop capabilities", errno))?;
    confine::no_new_privileges().map_err(|errno| layer(Layer::NoNewPrivileges, "give privileges up", errno))?;
    inside.domain.enter().map_err(|errno| layer(Layer::Landlock, "enter the domain", errno))?;
    seccomp::install(&inside.filters.agent).map_err(|errno| layer(Layer::Seccomp, "install the filter", errno))
}

/// Starts a program, and serves it to its end.
fn execute(inside: Inside, wanted: &Stdio, mut command: Command) -> Result<u8, Failure> {
    let Inside { entry, domain, host, mask, filters } = inside;
    let Filters { agent, watcher, pid_1 } = filters;
    let ends = stdio::make(wanted).map_err(|errno| layer(Layer::RelayedStdio, "make stdio", errno))?;
    report(&Report::Stdio, &ends.outer)?;
    let stdio::Ends { inner, outer } = ends;
    drop(outer);
    let terminal = wanted.streams.iter().position(|stream| *stream == Stream::Terminal);
    if !command.program.contains('/') {
        command.program = found(&command)?;
    }
    let Texts { program, directory, arguments, environment } = agent::texts(&mut command)?;
    let without = LayerSet::default();
    let prepared = Prepared {
        program,
        arguments,
        environment,
        directory,
        domain: Some(domain),
        filter: Some(agent),
        watcher: Some(watcher),
        without,
        mask,
        limits: entry.limits.rlimits,
        oom_score_adj: entry.limits.oom_score_adj,
        entered: true,
    };
    let installed = prepared.filters();
    let Forked { agent, status, signals, domain: _ } = agent::fork(prepared, &inner, terminal)?;
    let narrow =
        |keep| confine::narrow_capabilities(keep).map_err(|errno| layer(Layer::Capabilities, "drop them", errno));
    narrow(SYS_PTRACE)?;
    let (attempts, number, listener) = child::wait(&status)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let processes =
        rustix::fs::open("/proc", flags, Mode::empty()).map_err(|errno| failed("open the cell's /proc", errno))?;
    let scene = Scene {
        without,
        identity: &entry.identity,
        // What the root was built from was measured when it was.
        steps: &[],
        host: &host,
        processes: processes.as_fd(),
        agent: number,
        stdio: &inner,
        attempts,
        filters: installed,
    };
    let walls = measure::walls(&scene)?;
    narrow(0)?;
    report(&Report::Walls(walls), &[])?;
    drop(inner);
    // Only pid 1 serves it: with nobody who does, what it watches is refused.
    report(&Report::Watcher, listener.as_slice())?;
    drop(listener);
    wait_to_begin()?;
    confine_itself(&pid_1)?;
    child::release(&status).map_err(|errno| failed("release the program", errno))?;
    let serving = Serving {
        agent,
        status: Some(status),
        signals,
        watchers: Vec::new(),
        gate: None,
        domain: None,
        processes,
        alone: false,
        paused: false,
        still: Still::default(),
    };
    Ok(serving.serve())
}

/// Where PATH, as the program will have it, leads to.
fn found(command: &Command) -> Result<String, Failure> {
    let path = command.environment.iter().rev().find_map(|one| one.strip_prefix(b"PATH="));
    let path = String::from_utf8_lossy(path.unwrap_or(b"/usr/bin:/bin")).into_owned();
    let places = path.split(':').filter(|place| place.starts_with('/'));
    let candidates = places.map(|place| format!("{place}/{}", command.program));
    let runs = |path: &String| {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && !fs::metadata(path).is_ok_and(|of| of.is_dir())
    };
    let nowhere = || Failure { exit: 127, ..failed(&format!("find `{}` in the cell", command.program), Errno::NOENT) };
    candidates.into_iter().find(runs).filter(|_| !command.program.is_empty()).ok_or_else(nowhere)
}

/// Opens one regular file beneath a directory, and hands it out.
fn open(beneath: &str, path: &str, write: bool, executable: bool) -> Result<u8, Failure> {
    let refused = |errno: Errno| failed(&format!("open `{path}` in `{beneath}`"), errno);
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from = rustix::fs::openat(CWD, beneath, directory, Mode::empty()).map_err(refused)?;
    let way = if write { OFlags::WRONLY | OFlags::CREATE } else { OFlags::RDONLY };
    // Without waiting: what is no file might have nobody at its other end.
    let flags = way | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mode = match (write, executable) {
        (false, _) => Mode::empty(),
        (true, true) => Mode::from_raw_mode(0o777),
        (true, false) => Mode::from_raw_mode(0o666),
    };
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let file = rustix::fs::openat2(&from, path, flags, mode, resolve).map_err(refused)?;
    let kind = rustix::fs::fstat(&file).map_err(refused)?;
    if FileType::from_raw_mode(kind.st_mode) != FileType::RegularFile {
        let errno =
            if FileType::from_raw_mode(kind.st_mode) == FileType::Directory { Errno::ISDIR } else { Errno::INVAL };
        return Err(refused(errno));
    }
    report(&Report::File, &[file])?;
    Ok(0)
}

/// Connects as often as it is told to, until nobody tells it any more.
fn reach(port: u16) -> Result<u8, Failure> {
    report(&Report::Started { pid: 0 }, &[])?;
    while let Ok(Some(order)) = channel::receive::<Order>(stdin()) {
        if order != Order::Connect {
            break;
        }
        let (errno, riding) = match connect(port) {
            Ok(connected) => (0, vec![connected]),
            Err(errno) => (errno.raw_os_error(), Vec::new()),
        };
        report(&Report::Connected(errno), &riding)?;
    }
    Ok(0)
}

/// A connection to the cell's own loopback, of either family.
fn connect(port: u16) -> rustix::io::Result<OwnedFd> {
    let at = |address: IpAddr| connect_to(SocketAddr::new(address, port));
    at(Ipv4Addr::LOCALHOST.into()).or_else(|errno| at(Ipv6Addr::LOCALHOST.into()).map_err(|_| errno))
}

fn connect_to(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => return Ok(socket),
        Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    if poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&PATIENCE))? == 0 {
        return Err(Errno::TIMEDOUT);
    }
    rustix::net::sockopt::socket_error(&socket)??;
    Ok(socket)
}
