//! The control socket of a running session, in its directory: there another plane of the operator asks for another
//! policy.
//!
//! The session's loop hears it, so nothing here ever waits: sockets that do not block, a few peers at once, each with a
//! time to say all that it has to say. A cell does not see the state directory; who comes from another user or other
//! namespaces all the same is refused.

mod ask;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use wire::command::Problem;
use wire::control::{Answer, Ask, NAME, Order, VERSION};
use zeroize::Zeroize;

use crate::peer::{self, Stranger};
use crate::problem::{NO, problem};

pub(crate) use ask::ask;

/// Peers that are heard at once; others wait to be accepted.
const MOST: usize = 4;
/// Peers that may wait so.
const BACKLOG: i32 = 16;
/// How long a peer may take to say what it asks.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are taken from one peer in one turn of the loop.
const PIECE: usize = 64 * 1024;

/// The socket, and who came. Dropped, it is gone from the directory.
#[derive(Debug)]
pub(super) struct Control {
    directory: OwnedFd,
    listener: OwnedFd,
    peers: Vec<Peer>,
}

struct Peer {
    socket: OwnedFd,
    until: Instant,
    said: wire::Decoder<Ask>,
    /// All that it had to say.
    asked: Option<Order>,
}

/// Who waits for the answer to an order.
#[derive(Debug)]
pub(super) struct Asking(OwnedFd);

impl Control {
    /// Listens in a session's directory.
    ///
    /// # Errors
    /// The kernel's error: some file systems take no sockets.
    pub(super) fn open(session: &Path) -> io::Result<Control> {
        let directory = directory(session)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The file gets the mode of the socket.
        rustix::fs::fchmod(&listener, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&listener, &address(&directory)?)?;
        let control = Control { directory, listener, peers: Vec::new() };
        rustix::net::listen(&control.listener, BACKLOG)?;
        Ok(control)
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = (self.peers.len() < MOST).then(|| PollFd::new(&self.listener, PollFlags::IN));
        // Of one that said all only its end counts.
        let flags = |peer: &Peer| if peer.asked.is_none() { PollFlags::IN } else { PollFlags::RDHUP };
        listener.into_iter().chain(self.peers.iter().map(move |peer| PollFd::new(&peer.socket, flags(peer))))
    }

    /// When the first of the peers has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.peers.iter().filter(|peer| peer.asked.is_none()).map(|peer| peer.until).min()
    }

    /// Accepts and hears, as far as there is anything.
    pub(super) fn turn(&mut self, now: Instant) {
        for _ in self.peers.len()..MOST {
            let accepted = rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
            let Ok(socket) = accepted else { break };
            match peer::operator(&socket) {
                Ok(_) => {
                    self.peers.push(Peer { socket, until: now + PATIENCE, said: wire::Decoder::new(), asked: None });
                }
                Err(stranger) => Asking(socket).refuse(problem("E-PLANE-095", stranger, Stranger::HINT, NO)),
            }
        }
        self.peers = std::mem::take(&mut self.peers).into_iter().filter_map(|peer| peer.hear(now)).collect();
    }

    /// The next order of a peer that still waits for its answer.
    pub(super) fn next(&mut self) -> Option<(Order, Asking)> {
        while let Some(at) = self.peers.iter().position(|peer| peer.asked.is_some()) {
            let peer = self.peers.remove(at);
            if let (false, Some(order)) = (peer.is_gone(), peer.asked) {
                return Some((order, Asking(peer.socket)));
            }
        }
        None
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = rustix::fs::unlinkat(&self.directory, NAME, AtFlags::empty());
    }
}

impl Peer {
    /// Hears what it says. One that has ended, or had its time, is let go.
    fn hear(mut self, now: Instant) -> Option<Peer> {
        if self.asked.is_some() {
            return (!self.is_gone()).then_some(self);
        }
        let mut piece = [0; PIECE];
        let said = match rustix::net::recv(&self.socket, &mut piece[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return (now < self.until).then_some(self),
            Ok((_, 0)) | Err(_) => return None,
            Ok((_, length)) => self.said.push(&piece[..length]),
        };
        // It may have held a secret.
        piece.zeroize();
        match said.map(|mut all| (all.pop(), all.is_empty() && self.said.is_empty())) {
            Ok((None, _)) => return (now < self.until).then_some(self),
            Ok((Some(Ask { version: VERSION, order }), true)) => {
                self.asked = Some(order);
                return Some(self);
            }
            _ => {}
        }
        let cause = "what was asked is of another version than the plane of the session";
        let hint = "end the session and begin it anew, or ask with the programs that it was begun with";
        Asking(self.socket).refuse(problem("E-PLANE-095", cause, hint, NO));
        None
    }

    /// Nothing is done for one that no longer waits: it was told that nobody answered.
    fn is_gone(&self) -> bool {
        let peeked = rustix::net::recv(&self.socket, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Err(Errno::AGAIN | Errno::INTR))
    }
}

impl std::fmt::Debug for Peer {
    /// Without what it says.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Peer").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Asking {
    /// Answers. It fits into the socket's buffer; who does not take it goes without.
    pub(super) fn answer(self, answer: &Answer) {
        if let Ok(frame) = wire::encode(answer) {
            let _ = rustix::net::send(&self.0, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Answers that nothing was changed.
    pub(super) fn refuse(self, problem: Problem) {
        self.answer(&Answer::Refused(Box::new(problem)));
    }
}

fn directory(session: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(session, flags, Mode::empty())?)
}

/// The socket by its directory's descriptor: a path may be longer than the 108 bytes of an address.
fn address(directory: &OwnedFd) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()))?)
}

#[cfg(test)]
mod tests;
