//! What Landlock refused, as the kernel's audit tells it. Only listens, and only where audit is on already: never turns
//! it on, sets a rule, or takes the audit daemon's place, and decides nothing.
//!
//! The records go to a multicast group that any number may hear (`AUDIT_NLGRP_READLOG`). That takes CAP_AUDIT_READ in the
//! first user namespace: in practice this is root's.

mod census;
mod join;
mod line;
mod once;
mod socket;
mod watch;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::RecvFlags;

pub use census::Census;
pub use line::Caller;
pub use watch::Watch;

use join::Join;
use once::Once;

/// The group that every record is sent to, as a bit: `AUDIT_NLGRP_READLOG` is group 1.
const READ_LOG: u32 = 1;
/// Messages that one look takes: a host that audits much must not hold the session's loop.
const MOST_AT_ONCE: usize = 512;
/// Bytes that may wait in the socket. The default loses records on a host that audits much.
const BACKLOG: usize = 1 << 20;
/// Between two rounds of giving up on system calls that did not come; a refused call returns at once.
const ROUND: Duration = Duration::from_millis(200);

/// One file access that Landlock refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The process in the host's pid namespace; absent where audit keeps no system calls.
    pub pid: Option<u32>,
    /// The program's path, as that program sees it.
    pub program: Option<String>,
    /// The rights that were missing, without `fs.`: `read_file`, `make_dir`… Never empty.
    pub access: Vec<String>,
    /// The file, or the directory of what was to be made, as the program sees it. At most 4 KiB, any characters.
    pub path: String,
}

/// Hears denials for one session.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    join: Join,
    once: Once,
    lost: bool,
    next_round: Instant,
}

impl Listener {
    /// Listens, if audit is there and may be heard by this process. Where it is off there is nothing to hear; to ask
    /// would make the kernel start a thread for its answer, which a start would wait for.
    #[must_use]
    pub fn open() -> Option<Self> {
        let socket = socket::open(READ_LOG).ok()?;
        let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BACKLOG);
        if forced.is_err() {
            // The host's bound then holds, and a loss is said.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BACKLOG);
        }
        Some(Self {
            socket,
            join: Join::default(),
            once: Once::default(),
            lost: false,
            next_round: Instant::now() + ROUND,
        })
    }

    /// The denials that are there and that `ours` claims, each path and access once in a session, and at most 256.
    ///
    /// Never waits, and takes a bounded number of messages: more are still readable then. A denial whose system call was
    /// not told comes half a second later, so this is called from time to time even when nothing is readable.
    pub fn denials(&mut self, ours: &dyn Fn(Caller) -> bool) -> Vec<Denial> {
        let mut found = self.read(ours);
        let now = Instant::now();
        if self.next_round <= now {
            self.next_round = now + ROUND;
            found.extend(self.join.round());
        }
        self.tell(found)
    }

    /// The same for the last time: waits for no system call any more.
    pub fn last(&mut self, ours: &dyn Fn(Caller) -> bool) -> Vec<Denial> {
        let mut found = self.read(ours);
        found.extend(self.join.give_up());
        self.tell(found)
    }

    fn read(&mut self, ours: &dyn Fn(Caller) -> bool) -> Vec<Denial> {
        let (mut found, mut buffer) = (Vec::new(), Vec::new());
        for _ in 0..MOST_AT_ONCE {
            // Mostly nothing is there, in every session: the first look takes nothing, and needs no room.
            let peek = if buffer.is_empty() { RecvFlags::PEEK } else { RecvFlags::empty() };
            match socket::receive(&self.socket, &mut buffer, RecvFlags::DONTWAIT | peek) {
                Ok(_) if !peek.is_empty() => buffer = vec![0; socket::LONGEST],
                Ok(Some((kind, payload))) => {
                    if let Some((serial, record)) = line::parse(kind, payload) {
                        found.extend(self.join.take(serial, record, ours));
                    }
                }
                Ok(None) | Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => {
                    // What waits may wait for a record that was dropped.
                    self.lost = true;
                    found.extend(self.join.give_up());
                }
                Err(_) => break,
            }
        }
        found
    }

    fn tell(&mut self, found: Vec<Denial>) -> Vec<Denial> {
        found.into_iter().filter_map(|denial| self.once.take(denial)).collect()
    }

    /// How many denials were not told since the last call: repeated ones, and those past the bound.
    pub fn untold(&mut self) -> u64 {
        self.once.untold()
    }

    /// Whether the kernel dropped records because they came faster than they were read.
    #[must_use]
    pub const fn lost(&self) -> bool {
        self.lost
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
