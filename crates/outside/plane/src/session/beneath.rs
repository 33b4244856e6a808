//! A plane that this one has hold something, at the other end of one socket, whose end is the end of both: one that waited for
//! whoever comes, or one that was started for it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::Pid;
use wire::command::{Order, Reply, Request};

use super::holder::Holder;
use crate::channel;
use crate::waiting::{Knocked, Taken, is_own};

/// It, or none yet, or none any more.
#[derive(Debug, Default)]
pub(super) struct Beneath {
    socket: Option<OwnedFd>,
    heard: wire::api::Hearing,
    /// What is to be said once it takes orders.
    unsaid: Vec<u8>,
    /// One that waits and may take it.
    knocked: Option<Knocked>,
    holder: Option<Holder>,
}

impl Beneath {
    /// None yet; the one that was `knocked` at, where that takes us.
    pub(super) fn after(knocked: Option<Knocked>) -> Beneath {
        Beneath { knocked, ..Beneath::default() }
    }

    /// Begins: with a plane of the build that this one is of, which gets nothing of this one's but the socket and what rides with
    /// the request.
    ///
    /// # Errors
    /// When none can be started or asked.
    pub(super) fn begin(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (ours, holder) = match self.knocked.take().and_then(Knocked::answered) {
            Some(Taken { socket, process }) => (socket, Some(Holder::Taken(process))),
            None => start()?,
        };
        self.holder = holder;
        let said = wire::api::say(request).map_err(io::Error::other)?.bytes();
        let sent = channel::send(&ours, &said, descriptors);
        self.socket = Some(ours);
        sent
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        self.socket.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN))
    }

    /// Whether it is gone, or never was.
    pub(super) const fn is_gone(&self) -> bool {
        self.socket.is_none()
    }

    /// What it says; none when it is gone.
    pub(super) fn hear(&mut self) -> Option<Vec<Reply>> {
        let socket = self.socket.as_ref()?;
        let mut bytes = vec![0; 64 * 1024];
        let heard = match rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Some(Vec::new()),
            Ok((_, length @ 1..)) => self.heard.push(&bytes[..length]).ok()?,
            _ => return None,
        };
        self.say();
        Some(heard)
    }

    /// Tells it something. One that does not take it hears it never: messages may be lost with their reader.
    pub(super) fn tell(&mut self, order: &Order) {
        if let Ok(frame) = wire::encode(order) {
            self.unsaid.extend_from_slice(&frame);
            self.say();
        }
    }

    /// Says what it was not told yet, once it takes frames.
    fn say(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.heard.is_upgraded() && !self.unsaid.is_empty()) {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let _ = rustix::net::send(socket, &std::mem::take(&mut self.unsaid), flags);
        }
    }

    /// Ends it: it ends all that it holds when it hears its client go.
    pub(super) fn dismiss(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Lets go of one that said its last; gives it where it is to be waited for. Any other broke the rules: it is ended, and
    /// with it all that it holds.
    pub(super) fn release(&mut self, said_its_last: bool) -> Option<Holder> {
        self.socket = None;
        self.knocked = None;
        let holder = self.holder.take()?;
        if said_its_last {
            return holder.is_there().then_some(holder);
        }
        holder.kill();
        None
    }
}

/// Starts one.
fn start() -> io::Result<(OwnedFd, Option<Holder>)> {
    let (ours, theirs) = channel::pair()?;
    let mut command = Command::new(own_program()?);
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    let pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
    Ok((ours, pid.map(Holder::Ours)))
}

/// The program of this process: by its name, unless another one lies there since.
fn own_program() -> io::Result<PathBuf> {
    let named = std::env::current_exe()?;
    Ok(if is_own(&named) { named } else { "/proc/self/exe".into() })
}
