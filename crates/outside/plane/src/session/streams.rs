//! The second socket of a running session (`wire::streams`): who comes there, and what is said to him. What is done for him
//! is the session's (`serve/callers`).
//!
//! As at the control socket nothing here waits, and who comes is judged before a byte of him is read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use wire::Decoder;
use wire::command::{Problem, Stream};
use wire::streams::{Call, NAME, Say, Told};
use zeroize::Zeroize;

use super::cell::Cell;
use super::listener::{self, Listener};
use crate::channel;
use crate::peer::{Operator, Stranger};
use crate::problem::{NO, problem};

/// Callers at once; others wait to be accepted.
const MOST: usize = 32;
/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are read of one caller in one turn.
const PIECE: usize = 4 * 1024;

/// The socket, and who came. Dropped, what was begun for callers ends.
#[derive(Debug)]
pub(super) struct Streams {
    listener: Listener,
    pub(super) callers: Vec<Caller>,
    /// Processes that entered the cell and are about to end.
    ending: Vec<Child>,
}

/// Somebody who came.
#[derive(Debug)]
pub(super) struct Caller {
    socket: OwnedFd,
    /// Who it is: his uid, and the process that he asks by.
    pub(super) who: String,
    calls: Decoder<Call>,
    says: Decoder<Say>,
    pub(super) stage: Stage,
    until: Instant,
    /// It is gone, and what was begun for it ends.
    pub(super) gone: bool,
}

/// What is done for a caller.
#[derive(Debug)]
pub(super) enum Stage {
    /// It did not say yet what it wants.
    Fresh,
    /// It watches, under this number.
    Watching(u64),
    /// It waits until pid 1 has handed out what it takes to enter the cell.
    Waiting(Box<plan::Entry>, [Stream; 3]),
    /// A process in the cell works for it.
    Inside(Box<Inside>),
    /// Nothing more.
    Over,
}

/// A process that entered the cell.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) cell: Cell,
    pub(super) child: Option<Child>,
    pub(super) streams: [Stream; 3],
    /// A program runs there.
    pub(super) program: bool,
    pub(super) started: bool,
    /// It ended, or was never begun, and the caller knows.
    pub(super) told: bool,
    /// When it is ended that was asked to end.
    pub(super) kill_at: Option<Instant>,
}

/// What a caller said.
#[derive(Debug)]
pub(super) enum Heard {
    Call(Call),
    Say(Say),
    /// It is gone, or said nonsense.
    Gone,
}

impl Streams {
    /// Listens in a session's directory.
    ///
    /// # Errors
    /// The kernel's error: some file systems take no sockets.
    pub(super) fn open(session: &Path) -> io::Result<Streams> {
        Ok(Streams { listener: Listener::open(session, NAME)?, callers: Vec::new(), ending: Vec::new() })
    }

    /// What the session's loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = (self.callers.len() < MOST).then(|| self.listener.wanted());
        listener.into_iter().chain(self.callers.iter().flat_map(Caller::wanted))
    }

    /// When something is to be done that nobody says.
    pub(super) fn due(&self) -> Option<Instant> {
        self.callers.iter().filter_map(Caller::due).min()
    }

    /// Takes who came, and lets go of processes that have ended.
    pub(super) fn turn(&mut self, now: Instant) {
        for _ in self.callers.len()..MOST {
            let Some((socket, who)) = self.listener.accept() else { break };
            match who {
                Ok(operator) => self.callers.push(Caller::new(socket, &operator, now)),
                Err(stranger) => {
                    let refused = problem("E-PLANE-095", stranger, Stranger::HINT, NO);
                    say(&socket, &Told::Refused(Box::new(refused)), &[]);
                }
            }
        }
        self.ending.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// Lets go of a process whose end of the socket is closed.
    pub(super) fn bury(&mut self, child: Option<Child>) {
        self.ending.extend(child);
    }
}

impl Caller {
    fn new(socket: OwnedFd, operator: &Operator, now: Instant) -> Caller {
        let (calls, says) = (Decoder::new(), Decoder::new());
        Caller { socket, who: operator.who(), calls, says, stage: Stage::Fresh, until: now + PATIENCE, gone: false }
    }

    fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let inside = if let Stage::Inside(inside) = &self.stage { Some(&inside.cell) } else { None };
        let inside = inside.filter(|cell| !cell.is_over()).map(|cell| PollFd::new(cell, PollFlags::IN));
        let socket = (!self.gone).then(|| PollFd::new(&self.socket, PollFlags::IN));
        socket.into_iter().chain(inside)
    }

    fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Fresh | Stage::Waiting(..) => Some(self.until),
            Stage::Inside(inside) => inside.kill_at,
            Stage::Watching(_) | Stage::Over => None,
        }
    }

    /// Whether it has had its time.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// It gets some time for what follows.
    pub(super) fn wait(&mut self, now: Instant) {
        self.until = now + PATIENCE;
    }

    /// What it says, as far as it is there.
    pub(super) fn hear(&mut self) -> Vec<Heard> {
        if self.gone {
            return Vec::new();
        }
        let mut piece = [0; PIECE];
        let length = match rustix::net::recv(&self.socket, &mut piece[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Vec::new(),
            Ok((_, 0)) | Err(_) => return vec![Heard::Gone],
            Ok((_, length)) => length,
        };
        let heard = if matches!(self.stage, Stage::Fresh) {
            // Whoever says more before he was answered says nonsense.
            let calls = self.calls.push(&piece[..length]).ok();
            calls.filter(|calls| calls.len() <= 1).map(|calls| calls.into_iter().map(Heard::Call).collect())
        } else {
            self.says.push(&piece[..length]).ok().map(|says| says.into_iter().map(Heard::Say).collect())
        };
        // It may have held a password.
        piece.zeroize();
        heard.unwrap_or_else(|| vec![Heard::Gone])
    }

    /// Tells it something, with descriptors. One that takes nothing is done with.
    pub(super) fn tell(&mut self, told: &Told, riding: &[OwnedFd]) {
        let riding: Vec<BorrowedFd<'_>> = riding.iter().map(AsFd::as_fd).collect();
        if !say(&self.socket, told, &riding) {
            self.stage = Stage::Over;
        }
    }

    /// Tells it that nothing is done for it, or no more.
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.tell(&Told::Refused(Box::new(problem)), &[]);
        self.stage = Stage::Over;
    }
}

/// Says something at once, or not at all: what is said is little, and nobody is waited for.
fn say(socket: &OwnedFd, told: &Told, riding: &[BorrowedFd<'_>]) -> bool {
    let Ok(frame) = wire::encode(told) else { return false };
    channel::send_now(socket, &frame, riding, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
}

/// A connection to a running session's socket.
///
/// # Errors
/// When nobody listens there.
pub(crate) fn dial(session: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    listener::connect(&socket, session, NAME)?;
    Ok(socket)
}
