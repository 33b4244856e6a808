//! The watcher: calls that pid 1 sees before they happen, told to the gate before they may go on.
//!
//! A gate that does not read holds the cell's connects and executions back, never pid 1: the one sighting that
//! does not fit waits, and orders are obeyed meanwhile. What cannot be told in the end is not done. Nothing here
//! judges an address or a program.

use super::held::{Call, Processes};
use super::sight;
use crate::seccomp;
use plan::{Frame, MAX_SIGHTING};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::Pid;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a sighting waits for a gate that does not read. A gate that was killed is replaced well before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pid 1's side of the watcher.
pub(super) struct Watcher {
    listener: OwnedFd,
    gate: Rc<OwnedFd>,
    /// The agent, which is pid 1's child; none where this watches a program that entered.
    agent: Option<u32>,
    /// The first execution was not seen yet: until then its program is ours.
    first: bool,
    known: Processes,
    waiting: Option<Waiting>,
}

/// A sighting that did not fit into the socket.
struct Waiting {
    call: Call,
    frame: Vec<u8>,
    since: Instant,
}

impl Watcher {
    /// Watches with this listener and tells on this socket.
    pub(super) fn new(listener: OwnedFd, gate: Rc<OwnedFd>, agent: Option<Pid>) -> Watcher {
        // Kernels before 6.6 go without: a watched call costs twice as much there.
        let _ = seccomp::wake_up_in_sync(listener.as_fd());
        let agent = agent.map(|agent| agent.as_raw_nonzero().get().cast_unsigned());
        Watcher { listener, gate, agent, first: true, known: Processes::default(), waiting: None }
    }

    /// What to poll, and for what: the listener, or the socket when a sighting waits for room in it.
    pub(super) fn awaited(&self) -> (BorrowedFd<'_>, PollFlags) {
        if self.is_waiting() { (self.gate.as_fd(), PollFlags::OUT) } else { (self.listener.as_fd(), PollFlags::IN) }
    }

    /// Whether a sighting waits.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// When a waiting sighting is given up, from now.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.waiting.as_ref().map(|waiting| PATIENCE.saturating_sub(waiting.since.elapsed()))
    }

    /// Takes one held call and tells of it.
    pub(super) fn announce(&mut self, processes: BorrowedFd<'_>) {
        let Ok(call) = Call::receive(self.listener.as_fd()) else { return };
        let sighting = if i64::from(call.number) == libc::SYS_connect {
            sight::connect(&call, &mut self.known, processes, self.agent.unwrap_or(0))
        } else {
            // Of one that entered nothing else is bound by its filter yet.
            let ours = self.agent.is_none_or(|agent| call.thread == agent);
            let by = (self.first && ours).then_some("bastide-cell");
            self.first &= by.is_none();
            Some(sight::execute(&call, processes, by))
        };
        let Some(sighting) = sighting else { return call.go_on(self.listener.as_fd()) };
        match Frame::encode(&sighting) {
            Ok(frame) if frame.len() - 4 <= MAX_SIGHTING => self.tell(call, frame, Instant::now()),
            // The bounds of what is read make this impossible.
            _ => call.refuse(self.listener.as_fd(), Errno::ACCESS),
        }
    }

    /// Tries again to tell what waits.
    pub(super) fn retry(&mut self) {
        if let Some(Waiting { call, frame, since }) = self.waiting.take() {
            self.tell(call, frame, since);
        }
    }

    fn tell(&mut self, call: Call, frame: Vec<u8>, since: Instant) {
        let listener = self.listener.as_fd();
        // What was read by pid was the caller's only if it is held still; and a dead one needs no answer.
        if !call.is_held(listener) {
            return;
        }
        // A frame is its length, four bytes, and the message; a packet needs no length.
        match rustix::net::send(self.gate.as_fd(), &frame[4..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => call.go_on(listener),
            Err(Errno::AGAIN | Errno::INTR) if since.elapsed() < PATIENCE => {
                self.waiting = Some(Waiting { call, frame, since });
            }
            Err(_) if i64::from(call.number) == libc::SYS_connect => call.refuse(listener, Errno::CONNREFUSED),
            // Nobody is left who keeps a record: neither gate nor plane holds the other end.
            Err(Errno::PIPE) => call.go_on(listener),
            Err(_) => call.refuse(listener, Errno::AGAIN),
        }
    }
}
