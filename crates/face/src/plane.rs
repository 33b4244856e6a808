//! The conversation with `bastided`: started beside this program, asked once, listened to until its last word. It is a
//! request of the HTTP API and its answer; how the two are said is `wire::api`'s.
//!
//! It lies in a process group of its own, so that a terminal's ^C and ^Z reach only the client. The end of the
//! socket tells either side that the other is gone; nothing here waits for a plane that died.

use crate::errors::Error;
use crate::waiting::Knocked;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wire::api::Hearing;
use wire::command::{Order, Reply, Request};
use zeroize::Zeroizing;

/// A pty and three pipes at most.
const MAX_DESCRIPTORS: usize = 4;
/// The first descriptor behind the standard streams.
const FIRST_OTHER: i32 = 3;
const CHUNK: usize = 4 * 1024;
/// How long a plane that closed its socket gets to exit, so that the message can say how it ended.
const FAREWELL: Duration = Duration::from_millis(500);

/// A running plane, asked one thing.
#[derive(Debug)]
pub struct Plane {
    socket: OwnedFd,
    /// None where it waited before us.
    child: Option<Child>,
    hearing: Hearing,
    /// Frames of orders that wait until the connection carries any.
    unsaid: Zeroizing<Vec<u8>>,
    replies: VecDeque<Reply>,
    descriptors: Vec<OwnedFd>,
    ended: bool,
}

impl Plane {
    /// Starts a plane and asks it.
    ///
    /// # Errors
    /// When it is not there, the request cannot be said, or it is gone before it was asked.
    pub fn ask(request: &Request) -> Result<Self, Error> {
        Self::ask_with(request, &[], true, None)
    }

    /// The same, with descriptors that ride with the request's first byte. Unless `sealed`, the plane also inherits
    /// what whoever started us left open, and so does all that it starts. One that waits and takes us is not started.
    ///
    /// # Errors
    /// As [`Plane::ask`].
    pub fn ask_with(
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        sealed: bool,
        waiting: Option<Knocked>,
    ) -> Result<Self, Error> {
        Self::ask_as(request, descriptors, How { sealed, detached: false, unheard: false }, waiting)
    }

    fn ask_as(
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        how: How,
        waiting: Option<Knocked>,
    ) -> Result<Self, Error> {
        // It may hold a secret.
        let said = wire::api::say(request).map_err(|_| Error::Unsayable)?.bytes();
        let (socket, child) = match waiting.and_then(Knocked::answered) {
            Some(socket) => (socket, None),
            None => begin(how)?,
        };
        let plane = Self {
            socket,
            child,
            hearing: Hearing::default(),
            unsaid: Zeroizing::default(),
            replies: VecDeque::new(),
            descriptors: Vec::new(),
            ended: false,
        };
        // A plane that is gone already may still have left its last word.
        let sent = if descriptors.is_empty() { Ok(0) } else { plane.send_with(&said[..1], descriptors) };
        let _ = sent.and_then(|sent| plane.send(&said[sent..], SendFlags::NOSIGNAL));
        Ok(plane)
    }

    /// Asks for a session that goes on without us: the plane leads a session of its own, and holds nothing of ours open.
    ///
    /// # Errors
    /// As [`Plane::ask`].
    pub fn ask_detached(request: &Request, waiting: Option<Knocked>) -> Result<Self, Error> {
        Self::ask_as(request, &[], How { sealed: true, detached: true, unheard: true }, waiting)
    }

    /// Asks, where nothing of it may reach our terminal: somebody draws on that.
    ///
    /// # Errors
    /// As [`Plane::ask`].
    pub fn ask_unheard(request: &Request) -> Result<Self, Error> {
        Self::ask_as(request, &[], How { sealed: true, detached: false, unheard: true }, None)
    }

    /// Leaves it. The process is to be waited for, when it has ended.
    #[must_use]
    pub fn leave(self) -> Option<Child> {
        self.child
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// When the plane ended before its last word, or speaks another language.
    pub fn reply(&mut self) -> Result<Reply, Error> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Ok(reply);
            }
            if self.ended {
                return Err(self.lost(false));
            }
            self.receive()?;
        }
    }

    /// What is known already, without waiting; [`Plane::receive`] brings more.
    pub fn known(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    /// Whether the plane closed its end.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Reads once; waits if nothing is there.
    ///
    /// # Errors
    /// When it speaks another language.
    pub fn receive(&mut self) -> Result<(), Error> {
        let mut bytes = [0; CHUNK];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = rustix::net::recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags);
        let message = match read {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            // A reset is how a plane ends that had not read all that it was sent.
            Err(_) => {
                self.ended = true;
                return Ok(());
            }
            Ok(message) => message,
        };
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                self.descriptors.extend(rights);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) || self.descriptors.len() > MAX_DESCRIPTORS {
            return Err(Error::Language);
        }
        self.ended = message.bytes == 0;
        self.replies.extend(self.hearing.push(&bytes[..message.bytes]).map_err(|_| Error::Language)?);
        self.say();
        Ok(())
    }

    /// The descriptors that came with the last [`Reply::Stdio`].
    pub fn descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Tells the plane something. One that is gone says so by the end of its stream; one that does not read is
    /// not waited for.
    pub fn order(&mut self, order: Order) {
        if let Ok(frame) = wire::encode(&order) {
            self.unsaid.extend_from_slice(&frame);
            self.say();
        }
    }

    /// Says the orders that it can hear by now.
    fn say(&mut self) {
        if self.hearing.is_upgraded() && !self.unsaid.is_empty() {
            let frames = std::mem::take(&mut self.unsaid);
            let _ = self.send(&frames, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Asks the plane to end the session; its last word is still heard.
    pub fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// How the plane ended without a last word; `started` says whether a program ran under it.
    pub fn lost(&mut self, started: bool) -> Error {
        let until = Instant::now() + FAREWELL;
        let status = loop {
            let Some(child) = &mut self.child else { break None };
            match child.try_wait() {
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        let how = status.map(|status| match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        });
        Error::PlaneLost { how: how.unwrap_or_else(|| "its end of the connection closed".to_owned()), started }
    }

    fn send_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Errno::NOBUFS);
        }
        let bytes = [IoSlice::new(bytes)];
        rustix::io::retry_on_intr(|| rustix::net::sendmsg(&self.socket, &bytes, &mut control, SendFlags::NOSIGNAL))
    }

    fn send(&self, mut bytes: &[u8], flags: SendFlags) -> rustix::io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.socket, bytes, flags) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Plane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How a plane is started.
#[derive(Debug, Clone, Copy)]
struct How {
    /// It inherits nothing that whoever started us left open.
    sealed: bool,
    /// It goes on without us.
    detached: bool,
    /// What it says beside its answers goes nowhere.
    unheard: bool,
}

/// Starts a plane of our own.
fn begin(how: How) -> Result<(OwnedFd, Option<Child>), Error> {
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|error| Error::NoPlane { cause: error.to_string() })?;
    Ok((ours, Some(start(theirs, how)?)))
}

fn start(socket: OwnedFd, how: How) -> Result<Child, Error> {
    let missing = |cause: std::io::Error| Error::NoPlane { cause: cause.to_string() };
    let program = beside().map_err(missing)?;
    // Its stdout is not ours: a plane that outlives us must not hold a pipe open that somebody reads.
    let mut command = Command::new(&program);
    command.envs([wire::ALLOCATOR]).stdin(Stdio::from(socket)).stdout(Stdio::null());
    if how.unheard {
        command.stderr(Stdio::null());
    }
    // One that leads a group could not lead a session.
    if !how.detached {
        command.process_group(0);
    }
    if how.sealed {
        // Nor is anything that the operator's shell left open: it would be in every process that holds a cell.
        close_fds::set_fds_cloexec(FIRST_OTHER, &[]);
    }
    command.spawn().map_err(|cause| Error::NoPlane { cause: format!("{}: {cause}", crate::words::name(&program)) })
}

/// Where `bastided` is.
///
/// # Errors
/// When this program's own place cannot be told.
pub fn beside() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("bastided"))
}
