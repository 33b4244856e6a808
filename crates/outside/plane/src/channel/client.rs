//! The operator's client, at the other end of one connection: one request of the HTTP API, and its answer. What a request
//! means and how an answer is said is `wire::api`'s; here is only the socket.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, Shutdown};
use wire::api::{self, Asked, Form, Head, MAX_HEAD, Telling, Unread};
use wire::command::{Problem, Reply, Request};
use zeroize::Zeroizing;

use super::{MAX_DESCRIPTORS, retry, send};
use crate::problem::{NO, NOT_RUN, problem};

/// How long a request may take to come from whoever connected, and what he says after one that was refused is still taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of what is taken then.
const MOST_LEFT: usize = 2 * api::MAX_BODY;

/// Who is at the other end.
#[derive(Debug, Default)]
pub enum Origin {
    /// Who started this plane, or was let in where one waits.
    #[default]
    Ours,
    /// Who connected to the daemon's socket, and was judged there. The descriptor is his place among those that are
    /// answered: it is free when this is closed.
    Daemon(OwnedFd),
}

/// The operator's client.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    gone: bool,
    telling: Telling,
    origin: Origin,
}

impl Client {
    /// Speaks on this socket, in frames until it was asked otherwise.
    #[must_use]
    pub const fn new(socket: OwnedFd) -> Client {
        Client { socket, gone: false, telling: Telling::new(Form::Frames), origin: Origin::Ours }
    }

    /// The same, with who is at the other end.
    #[must_use]
    pub fn of(socket: OwnedFd, origin: Origin) -> Client {
        Client { origin, ..Client::new(socket) }
    }

    /// The request, and the descriptors that ride with its first byte; none where none came that is understood, of which it
    /// was told, or where it is answered already. Orders may follow it at once, so no byte after it is read.
    #[inline(never)]
    pub fn request(&mut self) -> Option<(Box<Request>, Vec<OwnedFd>)> {
        let mut descriptors = Vec::new();
        let until = matches!(self.origin, Origin::Daemon(_)).then(|| Instant::now() + PATIENCE);
        let asked = match self.read(&mut descriptors, until) {
            Ok(asked) => asked,
            Err(Unasked::Unread(unread)) => {
                let words = unasked(unread.to_string());
                self.refuse(&api::unread(&unread, &words));
                return None;
            }
            Err(Unasked::Gone) => return None,
        };
        let (request, form) = match asked {
            Asked::Version => {
                self.say(&api::versions(env!("CARGO_PKG_VERSION")), &[]);
                return None;
            }
            Asked::Request(request, form) => (request, form),
        };
        if matches!(self.origin, Origin::Daemon(_)) && matches!(*request, Request::Child(_) | Request::Server(_)) {
            let words = unasked("the plane of a session asks that, and nobody else");
            self.refuse(&api::refused(403, &words));
            return None;
        }
        if form == Form::Frames {
            self.say(&api::upgraded(), &[]);
        }
        self.telling = Telling::new(form);
        Some((request, descriptors))
    }

    /// Whether it came through the daemon.
    #[must_use]
    pub const fn is_of_the_daemon(&self) -> bool {
        matches!(self.origin, Origin::Daemon(_))
    }

    fn read(&self, descriptors: &mut Vec<OwnedFd>, until: Option<Instant>) -> Result<Asked, Unasked> {
        let head = Head::read(&self.read_head(descriptors, until)?)?;
        if head.waits && head.length > 0 {
            send(&self.socket, &api::go_on(), &[]).map_err(|_| Unasked::Gone)?;
        }
        // It may hold a secret. Made whole at once: what grows leaves copies behind.
        let mut body = Zeroizing::new(vec![0; head.length]);
        let mut filled = 0;
        while filled < body.len() {
            filled += self.receive(&mut body[filled..], RecvFlags::empty(), until)?;
        }
        Ok(head.asks(&body)?)
    }

    /// Exactly a head. It is looked at before it is taken, so that what follows stays.
    fn read_head(&self, descriptors: &mut Vec<OwnedFd>, until: Option<Instant>) -> Result<Vec<u8>, Unasked> {
        let mut head = vec![0];
        wait(&self.socket, until)?;
        self.begin(&mut head, descriptors)?;
        let mut seen = vec![0; MAX_HEAD];
        loop {
            let length = self.receive(&mut seen, RecvFlags::PEEK, until)?;
            let before = head.len();
            head.extend_from_slice(&seen[..length]);
            let end = Head::end(&head);
            head.truncate(end.unwrap_or(head.len()));
            let mut taken = 0;
            while taken < head.len() - before {
                taken += self.receive(&mut seen[..head.len() - before - taken], RecvFlags::empty(), until)?;
            }
            match end {
                Some(end) if end <= MAX_HEAD => return Ok(head),
                None if head.len() <= MAX_HEAD => {}
                _ => return Err(Unread::HeadTooLong.into()),
            }
        }
    }

    /// The first byte, with what rides on it.
    fn begin(&self, byte: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<(), Unasked> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let bytes = &mut [io::IoSliceMut::new(byte)];
        let message = retry(|| rustix::net::recvmsg(&self.socket, bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC))
            .map_err(gone)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if message.bytes == 1 { Ok(()) } else { Err(Unasked::Gone) }
    }

    fn receive(&self, buffer: &mut [u8], flags: RecvFlags, until: Option<Instant>) -> Result<usize, Unasked> {
        wait(&self.socket, until)?;
        match retry(|| rustix::net::recv(&self.socket, &mut *buffer, flags)).map_err(gone)? {
            (_, 0) => Err(Unasked::Gone),
            (length, _) => Ok(length),
        }
    }

    /// Tells why nothing is done. What he says meanwhile is taken, so that he hears it: a socket that is closed on unread
    /// bytes breaks the connection.
    fn refuse(&mut self, answer: &[u8]) {
        self.say(answer, &[]);
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        let until = Some(Instant::now() + PATIENCE);
        let (mut piece, mut taken) = (vec![0; MAX_HEAD], 0);
        while let Ok(length) = self.receive(&mut piece, RecvFlags::empty(), until) {
            taken += length;
            if taken > MOST_LEFT {
                return;
            }
        }
    }

    /// Answers; a client that is gone is no error here, the session sees its end elsewhere.
    pub fn reply(&mut self, reply: &Reply) {
        self.reply_with(reply, &[]);
    }

    /// Answers with descriptors: in frames alone.
    pub fn reply_with(&mut self, reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
        let said = self.telling.say(reply).or_else(|error| {
            let words = problem("E-PLANE-098", format!("the answer cannot be told: {error}"), "ask for less", NOT_RUN);
            self.telling.say(&Reply::Refused(Box::new(words)))
        });
        match said {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => self.say(&bytes, descriptors),
            Err(_) => self.gone = true,
        }
        if self.telling.is_over() {
            // Whoever reads to the end has it, even where this process goes on with a session.
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
            self.origin = Origin::Ours;
        }
    }

    fn say(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        self.gone |= send(&self.socket, bytes, descriptors).is_err();
    }

    /// Whether an answer could not be sent.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.gone
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Why there is no request.
#[derive(Debug)]
enum Unasked {
    /// It is none that is understood.
    Unread(Unread),
    /// Who would have asked is gone.
    Gone,
}

impl From<Unread> for Unasked {
    fn from(unread: Unread) -> Unasked {
        Unasked::Unread(unread)
    }
}

fn gone(_: Errno) -> Unasked {
    Unasked::Gone
}

/// Waits until something is there to be read.
fn wait(socket: &OwnedFd, until: Option<Instant>) -> Result<(), Unasked> {
    let Some(until) = until else { return Ok(()) };
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return Err(Unread::Late.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(gone(error)),
        }
    }
}

/// What is no request of the API.
pub(crate) fn unasked(cause: impl Into<String>) -> Problem {
    problem("E-PLANE-099", cause.into(), "docs/reference/api.yaml tells what can be asked", NO)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
