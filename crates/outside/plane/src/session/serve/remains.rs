//! What the end of a session waits for, and what it leaves for when its outcome was told.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::session::gate::Gate;
use crate::session::reap;

/// What remains of a session when its last program is gone: to be let go of when nobody waits for it.
#[derive(Debug)]
pub(in crate::session) struct Remains {
    /// A child of ours, which nobody waited for yet.
    pub(super) pid_1: Option<Pid>,
    /// The cell's mounts and what they were made of, and its door.
    pub(super) mounts: Vec<OwnedFd>,
    pub(super) gate: Option<Gate>,
}

impl Remains {
    /// Waits until pid 1 is gone, and with it all of the cell: its socket is closed.
    pub(in crate::session) fn wait_for_the_cell(&mut self) {
        match self.pid_1 {
            Some(pid_1) => while matches!(waitpid(Some(pid_1), WaitOptions::empty()), Err(Errno::INTR)) {},
            None => self.end_all(),
        }
    }

    /// Lets go of it, and waits until every process that was started for the session is gone.
    pub(in crate::session) fn let_go(mut self) {
        self.end_all();
    }

    fn end_all(&mut self) {
        // Before all others are waited for: its number would be another's.
        if let Some(gate) = self.gate.take() {
            gate.kill();
        }
        self.mounts.clear();
        reap();
    }
}
