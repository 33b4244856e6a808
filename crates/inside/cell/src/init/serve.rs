//! Pid 1 while the agent runs: tells of its start, its stops and its end, reaps orphans, obeys orders, and lets
//! the watcher speak. Returning ends the cell: the kernel kills every process of a pid namespace whose pid 1 is
//! gone.

use super::watch::Watcher;
use super::{child, give_up, text};
use crate::channel;
use crate::confine::last_error;
use plan::{Ending, Order, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::io::stdin;
use std::mem::MaybeUninit;

/// A cell that stands.
pub(super) struct Serving {
    /// The agent's process, which leads its group.
    pub(super) agent: Pid,
    /// Closed by the agent's exec.
    pub(super) status: Option<OwnedFd>,
    /// SIGCHLD and SIGHUP as a descriptor.
    pub(super) signals: OwnedFd,
    /// The connect watcher, where there is a door.
    pub(super) watcher: Option<Watcher>,
    /// The cell's /proc.
    pub(super) processes: OwnedFd,
    /// There is no pid namespace whose end would end every process.
    pub(super) alone: bool,
    /// Every process but this one was told to stop.
    pub(super) paused: bool,
}

/// What woke pid 1.
struct Awake {
    ordered: bool,
    signalled: bool,
    started: bool,
    seen: bool,
    /// No process is left that the watcher's filter binds.
    deserted: bool,
    room: bool,
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
        if awake.deserted {
            self.watcher = None;
        }
        if let Some(watcher) = &mut self.watcher {
            if awake.seen {
                watcher.announce(self.processes.as_fd());
            } else if awake.room || watcher.patience().is_some_and(|left| left.is_zero()) {
                watcher.retry();
            }
        }
        None
    }

    fn wait(&self) -> rustix::io::Result<Awake> {
        let input = stdin();
        let control = input.as_fd();
        let watcher = self.watcher.as_ref();
        // What is absent is polled for nothing.
        let optional = |fd: Option<BorrowedFd<'_>>, flags| match fd {
            Some(_) => flags,
            None => PollFlags::empty(),
        };
        let status = self.status.as_ref().map(AsFd::as_fd);
        let (listener, gate) = (watcher.and_then(Watcher::readable), watcher.and_then(Watcher::writable));
        let mut ready = [
            PollFd::from_borrowed_fd(control, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(status.unwrap_or(control), optional(status, PollFlags::IN)),
            PollFd::from_borrowed_fd(listener.unwrap_or(control), optional(listener, PollFlags::IN)),
            PollFd::from_borrowed_fd(gate.unwrap_or(control), optional(gate, PollFlags::OUT)),
        ];
        let patience = watcher.and_then(Watcher::patience).and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut ready, patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let on = |index: usize, there: bool| there && !ready[index].revents().is_empty();
        let seen = listener.is_some() && ready[3].revents().contains(PollFlags::IN);
        Ok(Awake {
            ordered: on(0, true),
            signalled: on(1, true),
            started: on(2, status.is_some()),
            seen,
            deserted: on(3, listener.is_some()) && !seen,
            room: on(4, gate.is_some()),
        })
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
        match channel::receive(stdin()) {
            // The operator's shell continues his client, which passes that on; the cell goes on when it is told to.
            Ok(Some(Order::Signal(number))) if self.paused && i32::from(number) == libc::SIGCONT => {}
            Ok(Some(Order::Signal(number))) => self.signal(number),
            Ok(Some(Order::Pause)) => {
                self.paused = !self.alone && everyone(Signal::STOP);
                let _ = channel::send(stdin(), &Report::Paused(self.paused), &[]);
            }
            Ok(Some(Order::Resume)) => {
                if std::mem::take(&mut self.paused) {
                    everyone(Signal::CONT);
                }
            }
            // What comes twice or not at all is no order.
            Ok(Some(Order::Kill | Order::Begin)) | Ok(None) | Err(_) => return false,
        }
        true
    }

    fn signal(&self, number: u8) {
        if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
            // A group that is gone already needs no signal.
            let _ = rustix::process::kill_process_group(self.agent, signal);
        }
    }

    /// Reaps whoever ended; how the agent did, if it was among them.
    fn reap(&self) -> Option<Ending> {
        let mut taken = [0_u8; 128];
        if let Ok(128) = rustix::io::read(&self.signals, &mut taken)
            && u32::from_ne_bytes([taken[0], taken[1], taken[2], taken[3]]) == libc::SIGHUP as u32
        {
            // The pty hung up: the kernel tells the session's leader only.
            self.signal(libc::SIGHUP as u8);
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            if pid != self.agent {
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

/// Signals every process of our pid namespace but ourselves, at once: none is made meanwhile. Only for a pid 1.
fn everyone(signal: Signal) -> bool {
    // The group of number 1 is the kernel's way to say all: `kill(-1)`. Elsewhere that would be the host's.
    rustix::process::getpid() == Pid::INIT && rustix::process::kill_process_group(Pid::INIT, signal).is_ok()
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Ending::Signalled(u8::try_from(signal).unwrap_or(9)),
        (None, None) => Ending::Signalled(9),
    }
}

/// Blocks SIGCHLD and SIGHUP and gives the descriptor on which they arrive.
pub(super) fn take_signals() -> rustix::io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is used, and lives for the calls; signalfd returns a
    // new descriptor that nobody else owns.
    unsafe {
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
