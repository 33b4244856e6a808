//! What one session records of its refused files: a listener, the cell that it is about, and the events of both.

use std::os::fd::{AsFd, BorrowedFd};

use record::Kind;

use super::{Census, Denial, Listener};

/// Hears one cell's denials and turns them into events.
#[derive(Debug)]
pub struct Watch {
    listener: Listener,
    census: Census,
}

impl Watch {
    /// Over a cell that root started as this host uid. None where nothing can be heard: see [`Listener::open`].
    #[must_use]
    pub fn over_user(uid: u32) -> Option<Self> {
        Some(Self { listener: Listener::open()?, census: Census::of_user(uid) })
    }

    /// What there is to record now. Never waits; to be called when readable, and about once a second.
    pub fn events(&mut self) -> Vec<Kind> {
        let census = self.census;
        let denials = self.listener.denials(&|caller| census.holds(caller));
        denials.into_iter().map(|denial| self.event(denial)).collect()
    }

    /// What is left to record when the cell is gone, with the count of what was not told, and a warning if the host's
    /// audit was too fast.
    pub fn finish(mut self) -> (Vec<Kind>, Option<String>) {
        let census = self.census;
        let denials = self.listener.last(&|caller| census.holds(caller));
        let mut events: Vec<_> = denials.into_iter().map(|denial| self.event(denial)).collect();
        events.extend(rest(self.listener.untold()));
        let warning = "some refused files were not recorded: the host's audit was faster than it could be read";
        (events, self.listener.lost().then(|| warning.into()))
    }

    fn event(&self, denial: Denial) -> Kind {
        let Denial { pid, program, access, path } = denial;
        let pid = pid.and_then(|pid| self.census.inside(pid));
        Kind::FileRefused { pid, program, access, path: Some(path), untold: 0 }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// The event that says how many denials were not told; none when all were.
fn rest(untold: u64) -> Option<Kind> {
    let event = Kind::FileRefused { pid: None, program: None, access: Vec::new(), path: None, untold };
    (untold > 0).then_some(event)
}
