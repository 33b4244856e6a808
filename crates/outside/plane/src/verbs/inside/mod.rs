//! What is asked of a running session at its second socket: `attach`, `exec`, `cp`, `open`. The session's own process does
//! it; this one passes on what is said, and ends when its client does.

mod attach;
mod exec;
mod open;
mod screen;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wire::Decoder;
use wire::command::{CopyFile, CopyWay, Order, Problem, Reply, Select, SessionState};
use wire::streams::{Call, Say, Told, VERSION, Wants};

use crate::channel::{self, Client};
use crate::problem::{NO, problem};
use crate::session::streams;
use crate::store::{self, SessionDirectory, Store};

pub(super) use attach::attach;
pub(super) use exec::exec;
pub(super) use open::open;

/// How long the session may take to begin with what is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a running session's second socket.
pub(super) struct Talk {
    session: String,
    socket: OwnedFd,
    decoder: Decoder<Told>,
    told: VecDeque<Told>,
    riding: VecDeque<OwnedFd>,
    over: bool,
}

impl Talk {
    /// Asks a session that runs for something.
    fn begin(session: &SessionDirectory, wants: Wants) -> Result<Talk, Problem> {
        let id = session.record.id.clone();
        if session.state() != SessionState::Running {
            let cause = format!("session `{id}` does not run");
            return Err(problem("E-PLANE-145", cause, "`bastide ls` shows which run", NO));
        }
        let socket = streams::dial(&session.path).map_err(|error| silent(&id, &error))?;
        let talk = Talk {
            session: id,
            socket,
            decoder: Decoder::new(),
            told: VecDeque::new(),
            riding: VecDeque::new(),
            over: false,
        };
        let frame = wire::encode(&Call { version: VERSION, wants }).map_err(|error| silent(&talk.session, &error))?;
        // One that refuses us may have done so before it has read all: it said why.
        let _ = channel::send(&talk.socket, &frame, &[]);
        Ok(talk)
    }

    /// Says something; one that is gone is heard of by its end.
    fn say(&self, say: &Say) {
        if let Ok(frame) = wire::encode(say) {
            let _ = channel::send(&self.socket, &frame, &[]);
        }
    }

    /// Reads what is there, after poll said that there is something.
    fn receive(&mut self) {
        let (mut bytes, mut riding) = (Vec::new(), Vec::new());
        let open = matches!(channel::receive(&self.socket, &mut bytes, &mut riding), Ok(true));
        self.riding.extend(riding);
        match self.decoder.push(&bytes) {
            Ok(told) => self.told.extend(told),
            Err(_) => self.over = true,
        }
        self.over |= !open;
    }

    /// What was told, in order.
    fn next(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// The first thing that is told.
    fn first(&mut self) -> Result<Told, Problem> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(told) = self.next() {
                return if let Told::Refused(problem) = told { Err(*problem) } else { Ok(told) };
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.over || left.is_zero() {
                return Err(silent(&self.session, &"it ended, or none came in time"));
            }
            if wait(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(left)).is_ok_and(|ready| ready) {
                self.receive();
            }
        }
    }

    /// Descriptors that rode with what was told last.
    fn take(&mut self, count: usize) -> Vec<OwnedFd> {
        let count = count.min(self.riding.len());
        self.riding.drain(..count).collect()
    }

    fn lost(&self) -> Problem {
        silent(&self.session, &"it ended")
    }
}

impl AsFd for Talk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Waits; says whether anything is ready.
fn wait(wanted: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<bool> {
    let patience = patience.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
    match poll(wanted, patience.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What the client says meanwhile; none when it is gone.
fn orders(client: &Client, decoder: &mut Decoder<Order>) -> Option<Vec<Order>> {
    let mut bytes = Vec::new();
    let open = matches!(channel::receive(client, &mut bytes, &mut Vec::new()), Ok(true));
    if open { decoder.push(&bytes).ok() } else { None }
}

fn silent(session: &str, why: &dyn std::fmt::Display) -> Problem {
    let cause = format!("the plane of session `{session}` gave no answer: {why}");
    problem("E-PLANE-095", cause, &format!("`bastide show {session}` tells how it stands"), NO)
}

/// The session that is meant.
fn session(store: &Store, select: &Select) -> Result<SessionDirectory, Problem> {
    store::select(store, select)
}

/// Opens a file of a session's, and hands it to the client, who reads or writes it.
pub(super) fn copy(store: &Store, client: &mut Client, asked: CopyFile) -> Result<Reply, Problem> {
    let CopyFile { select, path, way } = asked;
    let mut talk = Talk::begin(&session(store, &select)?, Wants::Open { path, way })?;
    let Told::File = talk.first()? else { return Err(talk.lost()) };
    let file = talk.take(1);
    let [file] = file.as_slice() else { return Err(talk.lost()) };
    let meta = rustix::fs::fstat(file).map_err(|errno| silent(&talk.session, &errno))?;
    // Beyond this nothing is read: a file that grows has no end.
    let length = if way == CopyWay::Out { u64::try_from(meta.st_size).unwrap_or(0) } else { 0 };
    let handed = Reply::Copying { length, executable: meta.st_mode & 0o100 != 0 };
    client.reply_with(&handed, &[file.as_fd()]);
    Ok(Reply::LogEnd)
}
