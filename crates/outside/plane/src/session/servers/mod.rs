//! Servers of MCP in cells of their own: sessions beside the one whose agent speaks to them, each held by a plane of its own.
//! The session's gate asks for one and has the other end of its line; not a byte of what the two say comes through here.
//!
//! One socket binds the planes, as with sub-agents: its end ends the server at once. The end of its line does, too.

mod adopt;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFd;
use wire::MAX_LINES;
use wire::command::{Reply, Request, ServerRun};

pub(super) use adopt::Serves;

use super::beneath::Beneath;
use super::holder::Holder;
use crate::channel;

/// How often one server may end by itself before it is not begun again.
pub(super) const MOST_ENDS: u32 = 4;

/// The servers of a session, by the number of each, which counts up.
#[derive(Debug, Default)]
pub(super) struct Servers {
    all: BTreeMap<u32, Served>,
    last: u32,
    /// Lines that the gate has the other ends of, and nothing is behind yet.
    lines: Vec<Option<OwnedFd>>,
    /// How often each ended by itself.
    ends: BTreeMap<String, u32>,
    /// Planes that said their last and bring their sessions to disk.
    leaving: Vec<Holder>,
}

/// One that was begun.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) server: String,
    /// Its line, where the gate still has the other end.
    pub(super) line: Option<u32>,
    pub(super) session: Option<String>,
    pub(super) plane: Beneath,
}

impl Servers {
    /// Makes lines for a gate: the ends that it gets. What was behind those of the one before is to end.
    ///
    /// # Errors
    /// The kernel's error.
    pub(super) fn new_lines(&mut self) -> io::Result<Vec<OwnedFd>> {
        self.leave_lines();
        let pairs = (0..MAX_LINES).map(|_| channel::pair()).collect::<io::Result<Vec<_>>>()?;
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        self.lines = ours.into_iter().map(Some).collect();
        Ok(theirs)
    }

    /// The gate is gone, and with it all that was said.
    pub(super) fn leave_lines(&mut self) {
        self.lines.clear();
        for served in self.all.values_mut() {
            served.line = None;
        }
        self.dismiss();
    }

    /// The end of a line that nothing was behind yet.
    pub(super) fn line(&mut self, line: u32) -> Option<OwnedFd> {
        self.lines.get_mut(usize::try_from(line).ok()?)?.take()
    }

    /// How often a server ended by itself.
    pub(super) fn ends(&self, server: &str) -> u32 {
        self.ends.get(server).copied().unwrap_or(0)
    }

    /// Starts the plane of one; its line is closed here.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub(super) fn begin(&mut self, run: ServerRun, (line, end): (u32, OwnedFd)) -> io::Result<()> {
        let (server, mut plane) = (run.server.clone(), Beneath::default());
        plane.begin(&Request::Server(Box::new(run)), &[end.as_fd()])?;
        self.last += 1;
        self.all.insert(self.last, Served { server, line: Some(line), session: None, plane });
        Ok(())
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.all.values().filter_map(|served| served.plane.wanted())
    }

    /// What each says; none of one whose plane is gone.
    pub(super) fn hear(&mut self) -> Vec<(u32, Option<Vec<Reply>>)> {
        self.leaving.retain(Holder::is_there);
        self.all.iter_mut().map(|(number, served)| (*number, served.plane.hear())).collect()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Served> {
        self.all.get_mut(&number)
    }

    /// The planes of all.
    pub(super) fn planes(&self) -> impl Iterator<Item = &Beneath> {
        self.all.values().map(|served| &served.plane)
    }

    /// The same, to be told something.
    pub(super) fn planes_mut(&mut self) -> impl Iterator<Item = &mut Beneath> {
        self.all.values_mut().map(|served| &mut served.plane)
    }

    /// Those that were told to pause and did not answer.
    pub(super) fn pausing(&self) -> Vec<u32> {
        self.all.iter().filter(|(_, served)| served.plane.is_pausing()).map(|(number, _)| *number).collect()
    }

    /// The numbers of all.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.all.keys().copied().collect()
    }

    /// Lets go of one that ended, or is to; counts it where it did by itself.
    pub(super) fn release(&mut self, number: u32, said_its_last: bool) -> Option<Served> {
        let mut served = self.all.remove(&number)?;
        self.leaving.extend(served.plane.release(said_its_last));
        if served.line.is_some() {
            *self.ends.entry(served.server.clone()).or_default() += 1;
        }
        Some(served)
    }

    /// Nobody speaks on a line any more: what is behind it ends.
    pub(super) fn part(&mut self, line: u32) {
        drop(self.line(line));
        self.all.values().filter(|served| served.line == Some(line)).for_each(|served| served.plane.dismiss());
    }

    /// Tells each that it is to end now.
    pub(super) fn dismiss(&self) {
        self.all.values().for_each(|served| served.plane.dismiss());
    }
}
