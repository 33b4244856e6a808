//! Pid 1 while the agent runs: tells of its start, its stops and its end, reaps orphans, obeys orders, and lets
//! the watcher speak. Returning ends the cell: the kernel kills every process of a pid namespace whose pid 1 is
//! gone.

use super::still::Still;
use super::watch::Watcher;
use super::{child, give_up, text};
use crate::confine::{Domain, last_error};
use crate::{channel, namespaces};
use plan::{Ending, Order, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::io::stdin;
use std::mem::MaybeUninit;
use std::rc::Rc;

/// A cell that stands.
pub(super) struct Serving {
    /// The agent's process, which leads its group.
    pub(super) agent: Pid,
    /// Closed by the agent's exec.
    pub(super) status: Option<OwnedFd>,
    /// SIGCHLD and SIGHUP as a descriptor.
    pub(super) signals: OwnedFd,
    /// The connect watchers, where there is a door: the agent's, and one for each program that entered.
    pub(super) watchers: Vec<Watcher>,
    /// Where they tell, where there is a door.
    pub(super) gate: Option<Rc<OwnedFd>>,
    /// What binds the agent, for who enters.
    pub(super) domain: Option<Domain>,
    /// The cell's /proc.
    pub(super) processes: OwnedFd,
    /// There is no pid namespace whose end would end every process.
    pub(super) alone: bool,
    /// Every process but this one was told to stop.
    pub(super) paused: bool,
    /// What is held for that.
    pub(super) still: Still,
}

/// What woke pid 1.
struct Awake {
    ordered: bool,
    signalled: bool,
    started: bool,
    /// Of each watcher, in its order.
    watchers: [Stirred; MOST_WATCHERS],
    /// How many of them there are.
    count: usize,
}

/// Watchers at once: the agent's, and those of programs that entered. In arrays, so that a loop that serves an idle cell
/// never comes to the allocator.
const MOST_WATCHERS: usize = 33;

/// What a watcher has to do.
#[derive(Clone, Copy, Default)]
struct Stirred {
    seen: bool,
    /// No process is left that its filter binds.
    deserted: bool,
    room: bool,
}

impl Stirred {
    /// By what was told of the descriptor that it awaits; `waits`: that is for a sighting which did not fit.
    fn by(told: PollFlags, waits: bool) -> Stirred {
        let (any, seen) = (!told.is_empty(), told.contains(PollFlags::IN));
        if waits {
            Stirred { room: any, ..Stirred::default() }
        } else {
            Stirred { seen, deserted: any && !seen, room: false }
        }
    }
}

impl Serving {
    /// Serves until the agent ended or the plane is gone. The exit code of pid 1.
    pub(super) fn serve(mut self) -> u8 {
        let code = loop {
            let Ok(awake) = self.wait() else { break 125 };
            if let Some(code) = self.turn(&awake) {
                break code;
            }
        };
        if self.alone {
            end_children(self.processes.as_fd());
        }
        code
    }

    fn turn(&mut self, awake: &Awake) -> Option<u8> {
        if awake.ordered && !self.obey() {
            return Some(0);
        }
        if awake.started
            && let Some(code) = self.tell_start()
        {
            return Some(code);
        }
        if awake.signalled
            && let Some(ending) = self.reap()
        {
            let _ = channel::send(stdin(), &Report::Ended(ending), &[]);
            return Some(0);
        }
        for (watcher, stirred) in self.watchers.iter_mut().zip(&awake.watchers[..awake.count]) {
            if stirred.seen {
                watcher.announce(self.processes.as_fd());
            } else if stirred.room || watcher.patience().is_some_and(|left| left.is_zero()) {
                watcher.retry();
            }
        }
        // One that came meanwhile was not looked at.
        let mut stirred = awake.watchers[..awake.count].iter();
        self.watchers.retain(|_| stirred.next().is_none_or(|stirred| !stirred.deserted));
        None
    }

    fn wait(&self) -> rustix::io::Result<Awake> {
        let input = stdin();
        let control = input.as_fd();
        let status = self.status.as_ref().map(AsFd::as_fd);
        let count = self.watchers.len();
        let mut room: [PollFd<'_>; 3 + MOST_WATCHERS] =
            std::array::from_fn(|_| PollFd::from_borrowed_fd(control, PollFlags::empty()));
        room[0] = PollFd::from_borrowed_fd(control, PollFlags::IN);
        room[1] = PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN);
        for (watcher, place) in self.watchers.iter().zip(&mut room[2..]) {
            let (fd, flags) = watcher.awaited();
            *place = PollFd::from_borrowed_fd(fd, flags);
        }
        // Last, since it is there for a moment only: what is absent is not polled.
        if let Some(status) = status {
            room[2 + count] = PollFd::from_borrowed_fd(status, PollFlags::IN);
        }
        let ready = &mut room[..2 + count + usize::from(status.is_some())];
        let patience = self.watchers.iter().filter_map(Watcher::patience).min();
        let patience = patience.and_then(|left| Timespec::try_from(left).ok());
        match poll(ready, patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let told = |index: usize| ready.get(index).map_or(PollFlags::empty(), PollFd::revents);
        let mut watchers = [Stirred::default(); MOST_WATCHERS];
        for (at, watcher) in self.watchers.iter().enumerate() {
            watchers[at] = Stirred::by(told(2 + at), watcher.is_waiting());
        }
        let (ordered, signalled) = (!told(0).is_empty(), !told(1).is_empty());
        Ok(Awake { ordered, signalled, started: !told(2 + count).is_empty(), watchers, count })
    }

    /// The agent's process executed its command, or says why not.
    fn tell_start(&mut self) -> Option<u8> {
        let status = self.status.take()?;
        if let Some(failure) = child::outcome(&status) {
            return Some(give_up(failure));
        }
        let pid = self.agent.as_raw_nonzero().get().cast_unsigned();
        // The plane may be gone already; then the loop sees the end of the socket at once.
        let _ = channel::send(stdin(), &Report::Started { pid }, &[]);
        // Now that nobody waits for pid 1.
        text::let_go();
        None
    }

    /// Carries out one order; false when the cell is to end.
    fn obey(&mut self) -> bool {
        let (order, riding) = match channel::receive_with(stdin()) {
            Ok(Some((order, riding))) => (order, riding),
            Ok(None) | Err(_) => return false,
        };
        match order {
            // The operator's shell continues his client, which passes that on; the cell goes on when it is told to.
            Order::Signal(number) if self.paused && i32::from(number) == libc::SIGCONT => {}
            Order::Signal(number) => self.signal(number),
            Order::Pause => {
                self.paused = !self.alone && self.still.hold(self.processes.as_fd());
                let _ = channel::send(stdin(), &Report::Paused(self.paused), &[]);
            }
            Order::Resume => {
                if std::mem::take(&mut self.paused) {
                    self.still.release();
                }
            }
            Order::Enter => self.hand_out(),
            Order::Watch => {
                // One too many is nobody's: what it watches is refused.
                if let (Some(gate), Some(listener)) = (&self.gate, riding.into_iter().next())
                    && self.watchers.len() < MOST_WATCHERS
                {
                    self.watchers.push(Watcher::new(listener, Rc::clone(gate), None));
                }
            }
            // What comes twice or not at all is no order.
            Order::Kill | Order::Begin | Order::Connect => return false,
        }
        true
    }

    /// Hands out what it takes to enter the cell; nothing where a layer is missing.
    fn hand_out(&self) {
        let handed = namespaces::hand_out(&self.processes).ok();
        let riding: Vec<BorrowedFd<'_>> = match (&self.domain, &handed) {
            (Some(domain), Some(handed)) if !self.alone => {
                std::iter::once(domain.ruleset()).chain(handed.iter().map(AsFd::as_fd)).collect()
            }
            _ => Vec::new(),
        };
        let _ = channel::send(stdin(), &Report::Namespaces, &riding);
    }

    fn signal(&self, number: u8) {
        if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
            // A group that is gone already needs no signal.
            let _ = rustix::process::kill_process_group(self.agent, signal);
        }
    }

    /// Reaps whoever ended; how the agent did, if it was among them.
    fn reap(&mut self) -> Option<Ending> {
        let mut taken = [0_u8; 128];
        if let Ok(128) = rustix::io::read(&self.signals, &mut taken)
            && u32::from_ne_bytes([taken[0], taken[1], taken[2], taken[3]]) == libc::SIGHUP as u32
        {
            // The pty hung up: the kernel tells the session's leader only.
            self.signal(libc::SIGHUP as u8);
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            if self.still.took(pid, status, self.paused) || pid != self.agent {
                continue;
            }
            match status.stopping_signal() {
                // It did not stop by itself: the client is not to stop with it.
                Some(_) if status.stopped() && self.paused => {}
                Some(signal) if status.stopped() => {
                    let stopped = Report::Stopped(u8::try_from(signal).unwrap_or(19));
                    let _ = channel::send(stdin(), &stopped, &[]);
                }
                _ => return Some(ending(status)),
            }
        }
        None
    }
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Ending::Signalled(u8::try_from(signal).unwrap_or(9)),
        (None, None) => Ending::Signalled(9),
    }
}

/// Blocks SIGCHLD and SIGHUP and gives the descriptor on which they arrive. Of who started the plane SIGCHLD may be ignored: then
/// the kernel tells nobody that a child ended.
pub(super) fn take_signals() -> rustix::io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is used, and lives for the calls; signalfd returns a
    // new descriptor that nobody else owns.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
        if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) != 0 {
            return Err(last_error());
        }
        match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            fd if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(last_error()),
        }
    }
}

/// Without a pid namespace: kills the children, whose own become ours, until none is left.
fn end_children(processes: BorrowedFd<'_>) {
    let own = rustix::process::getpid().as_raw_nonzero();
    for _ in 0..1000 {
        let path = format!("{own}/task/{own}/children");
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(processes, path, flags, rustix::fs::Mode::empty()) else { return };
        let mut bytes = [0; 4096];
        let got = rustix::io::read(&file, &mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..got]).into_owned();
        for child in text.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)) {
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}
