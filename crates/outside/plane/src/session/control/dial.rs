//! The other end: asks a running session.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde::Serialize;
use wire::command::Problem;
use wire::control::{Answer, Ask, Greeting, Happened, Hello, NAME, Order, Told};
use zeroize::Zeroizing;

use crate::channel;

/// How long the session may take: its gate has two seconds, and others may have asked before. Nothing is done for who no
/// longer waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The session does not hear us, and says why.
    Refused(Box<Problem>),
    /// Nobody listens, or none came in time.
    Silent(io::Error),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::Refused(problem) => problem.fmt(out),
            Unanswered::Silent(error) => error.fmt(out),
        }
    }
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Unanswered {
        Unanswered::Silent(error)
    }
}

/// A connection to a running session.
#[derive(Debug)]
pub(crate) struct Dialled {
    socket: OwnedFd,
    bytes: Vec<u8>,
    number: u32,
    happened: VecDeque<Happened>,
}

/// Asks one thing.
///
/// # Errors
/// When nobody listens in that directory, or no answer comes.
pub(crate) fn ask(session: &Path, order: Order) -> Result<Answer, Unanswered> {
    Dialled::dial(session, PATIENCE)?.ask(order)
}

impl Dialled {
    /// Connects, and agrees on a version. Each answer may take so long.
    ///
    /// # Errors
    /// As in [`ask`].
    pub(crate) fn dial(session: &Path, patience: Duration) -> Result<Dialled, Unanswered> {
        let socket = connect(session, patience)?;
        let mut dialled = Dialled { socket, bytes: Vec::new(), number: 0, happened: VecDeque::new() };
        dialled.say(&Hello::OURS)?;
        match dialled.hear()? {
            Greeting::Hello { .. } => Ok(dialled),
            Greeting::Refused(problem) => Err(Unanswered::Refused(problem)),
        }
    }

    /// Asks, and waits for the answer; what happens meanwhile is kept.
    ///
    /// # Errors
    /// As in [`ask`].
    pub(crate) fn ask(&mut self, order: Order) -> Result<Answer, Unanswered> {
        self.number += 1;
        self.say(&Ask { number: self.number, order })?;
        loop {
            match self.hear()? {
                Told::Answer { number, answer } if number == self.number => return Ok(answer),
                Told::Answer { .. } => {}
                Told::Event { event } => self.happened.push_back(event),
            }
        }
    }

    /// The next that happens, waited for so long; none when the session is gone.
    ///
    /// # Errors
    /// When nothing happens in this time.
    pub(crate) fn next_event(&mut self, patience: Duration) -> io::Result<Option<Happened>> {
        if let Some(event) = self.happened.pop_front() {
            return Ok(Some(event));
        }
        set_socket_timeout(&self.socket, Timeout::Recv, Some(patience))?;
        loop {
            match self.hear_or_end()? {
                Some(Told::Event { event }) => return Ok(Some(event)),
                Some(Told::Answer { .. }) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether something that happened lies here already: the socket need not tell of it.
    pub(crate) fn holds(&self) -> bool {
        !self.happened.is_empty() || self.length().is_some_and(|length| self.bytes.len() >= 4 + length)
    }

    /// Of the message that is being heard.
    fn length(&self) -> Option<usize> {
        let prefix = self.bytes.first_chunk::<4>()?;
        Some(usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX - 4))
    }

    /// One that refuses us may do so before it has heard all: it said why.
    fn say<T: Serialize>(&self, message: &T) -> io::Result<()> {
        // It may hold a secret.
        let frame = Zeroizing::new(wire::encode(message).map_err(io::Error::other)?);
        let _ = channel::send(&self.socket, &frame, &[]);
        Ok(())
    }

    fn hear<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<T> {
        self.hear_or_end()?.ok_or_else(|| io::Error::other("it ended before it answered"))
    }

    fn hear_or_end<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(length) = self.length() {
                if length > wire::MAX_FRAME {
                    return Err(io::Error::other("its answer is too long"));
                }
                if self.bytes.len() >= 4 + length {
                    let rest = self.bytes.split_off(4 + length);
                    let frame = std::mem::replace(&mut self.bytes, rest);
                    return wire::decode(&frame).map(Some).map_err(io::Error::other);
                }
            }
            match channel::receive(&self.socket, &mut self.bytes, &mut Vec::new()) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // It ended before it had read all.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(late(error)),
            }
        }
    }
}

impl AsFd for Dialled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn connect(session: &Path, patience: Duration) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    for way in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, way, Some(patience))?;
    }
    super::listener::connect(&socket, session, NAME).map_err(late)?;
    Ok(socket)
}

fn late(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) {
        return io::Error::new(io::ErrorKind::TimedOut, "no answer came in time");
    }
    error
}
