//! The control socket of a running session, in its directory: there others of the operator ask how it stands, for another
//! policy, for a pause, or for its end.
//!
//! The session's loop hears it, so nothing here ever waits: sockets that do not block, a few peers at once, each with a
//! time to say what it began to say. A connection stays for further orders. A cell does not see the state directory; who
//! comes from within one, or is another user, is refused all the same.

mod dial;
mod peers;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::net::SendFlags;
use wire::command::Problem;
use wire::control::{Greeting, Happened, NAME, Order};

use super::listener::{self, Listener};
use crate::peer::Stranger;
use crate::problem::{NO, problem};

pub(crate) use dial::{Dialled, Unanswered, ask};
pub(super) use peers::Asking;
use peers::Peer;

/// Peers that are heard at once; others wait to be accepted.
const MOST: usize = 8;
/// Peers that may be told what happens: two places are left for who asks.
const MOST_FOLLOW: usize = MOST - 2;

/// The socket, and who came.
#[derive(Debug)]
pub(super) struct Control {
    listener: Listener,
    peers: Vec<Peer>,
}

impl Control {
    /// Listens in a session's directory.
    ///
    /// # Errors
    /// The kernel's error: some file systems take no sockets.
    pub(super) fn open(session: &Path) -> io::Result<Control> {
        Ok(Control { listener: Listener::open(session, NAME)?, peers: Vec::new() })
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = (self.peers.len() < MOST).then(|| self.listener.wanted());
        listener.into_iter().chain(self.peers.iter().map(Peer::wanted))
    }

    /// When the first of the peers has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.peers.iter().filter_map(Peer::due).min()
    }

    /// Accepts, hears and tells, as far as there is anything.
    pub(super) fn turn(&mut self, now: Instant) {
        for _ in self.peers.len()..MOST {
            let Some((socket, who)) = self.listener.accept() else { break };
            match who {
                Ok(operator) => self.peers.push(Peer::new(socket, &operator, now)),
                Err(stranger) => refuse(&socket, problem("E-PLANE-095", stranger, Stranger::HINT, NO)),
            }
        }
        self.peers.retain_mut(|peer| peer.turn(now));
    }

    /// The next order that can be carried out now, of a peer that still waits for its answer. Who had one comes last.
    pub(super) fn next(&mut self, now: impl Fn(&Order) -> bool) -> Option<(Order, Asking)> {
        self.peers.retain(|peer| !peer.is_gone());
        let at = self.peers.iter().position(|peer| peer.first().is_some_and(&now))?;
        let mut peer = self.peers.remove(at);
        let next = peer.take();
        self.peers.push(peer);
        next
    }

    /// Tells who asked for it what happens, from now on.
    ///
    /// # Errors
    /// When too many are told already.
    pub(super) fn follow(&mut self, asking: &Asking) -> Result<(), Problem> {
        if self.peers.iter().filter(|peer| peer.follows()).count() >= MOST_FOLLOW {
            let cause = format!("{MOST_FOLLOW} connections are told already what happens in this session");
            return Err(problem("E-PLANE-102", cause, "end one of them, or ask how it stands now and then", NO));
        }
        asking.follow();
        Ok(())
    }

    /// Whether anybody is told what happens.
    pub(super) fn is_followed(&self) -> bool {
        self.peers.iter().any(Peer::follows)
    }

    /// Tells what happened.
    pub(super) fn tell(&mut self, happened: &Happened) {
        self.peers.iter_mut().filter(|peer| peer.follows()).for_each(|peer| peer.tell(happened));
    }
}

/// Refuses one who is not heard at all: it fits into the socket's buffer, and he may read it when he has said his.
fn refuse(socket: &OwnedFd, problem: Problem) {
    if let Ok(frame) = wire::encode(&Greeting::Refused(Box::new(problem))) {
        let _ = rustix::net::send(socket, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

#[cfg(test)]
mod tests;
