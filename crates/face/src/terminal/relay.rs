//! Carries bytes between the operator's stdio and a cell's pty or pipes.
//!
//! The cell never holds a descriptor of the operator's: a host pipe could be reopened for writing through
//! /proc/self/fd. The relay never sets `O_NONBLOCK` on descriptors that it was given, since the shell shares
//! them: it writes only what poll says fits.

use super::flow::Flow;
use super::signals::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long the cell's side may stay silent, once its session ended, before the rest is given up.
const SILENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How long it may go on saying something then: what is left in a pipe is read in a moment.
const REST: Duration = Duration::from_secs(5);

/// Something other than bytes that the caller has to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal was raised.
    Signal(i32),
    /// The control descriptor has something to read, or hung up.
    Control,
    /// The operator's terminal is gone.
    HangUp,
    /// He pressed the key by which he leaves.
    Leave,
}

/// The flows of one session.
#[derive(Debug, Default)]
pub struct Relay {
    flows: Vec<Flow>,
    lost: Option<Errno>,
}

impl Relay {
    /// Carries these.
    #[must_use]
    pub fn new(flows: Vec<Flow>) -> Self {
        Self { flows, lost: None }
    }

    /// Waits until something happens, moves the bytes that can be moved, and tells the rest. `None` where nothing
    /// happened for as long as `patience`.
    pub fn turn(
        &mut self,
        signals: &mut Signals,
        control: BorrowedFd<'_>,
        patience: Option<&Timespec>,
    ) -> Result<Option<Vec<Event>>> {
        let ready = wait(&self.flows, &[signals.as_fd(), control], patience)?;
        if !ready.any {
            return Ok(None);
        }
        let mut events = Vec::new();
        if ready.others[0] {
            events.extend(signals.take().into_iter().map(Event::Signal));
        }
        if self.advance(&ready.flows) {
            events.push(Event::HangUp);
        }
        if self.flows.iter().any(Flow::left) {
            events.push(Event::Leave);
        }
        if ready.others[1] {
            events.push(Event::Control);
        }
        Ok(Some(events))
    }

    /// The lines that the operator typed in the last turn. The program gets them in the next one.
    pub fn typed(&mut self) -> Vec<String> {
        self.flows.iter_mut().flat_map(Flow::typed).collect()
    }

    /// Passes on what the program left behind. A reader that is slow is waited for, unless a signal comes; a
    /// cell's side that is silent is not, nor one that goes on for longer than what a pipe holds takes: somebody else writes there.
    pub fn drain(&mut self, signals: &mut Signals) -> Result<()> {
        self.flows.retain(|flow| flow.is_output());
        let until = Instant::now() + REST;
        while !self.flows.is_empty() {
            let reading = self.flows.iter().any(Flow::waits_for_reader);
            let ready = wait(&self.flows, &[signals.as_fd()], (!reading).then_some(&SILENCE))?;
            let over = !reading && Instant::now() > until;
            if !ready.any || over || (ready.others[0] && signals.take().into_iter().any(super::signals::ends)) {
                break;
            }
            self.advance(&ready.flows);
        }
        Ok(())
    }

    /// Why something that the program wrote could not be passed on, where it was not that nobody reads it.
    #[must_use]
    pub fn lost(&self) -> Option<Errno> {
        self.lost
    }

    /// Whether the operator's terminal hung up.
    fn advance(&mut self, ready: &[bool]) -> bool {
        for (flow, _) in self.flows.iter_mut().zip(ready).filter(|(_, ready)| **ready) {
            flow.advance();
        }
        let hung_up = self.flows.iter().any(Flow::hung_up);
        self.lost = self.lost.or_else(|| self.flows.iter().find_map(Flow::lost));
        self.flows.retain(|flow| !flow.finished());
        hung_up
    }
}

struct Ready {
    any: bool,
    flows: Vec<bool>,
    others: Vec<bool>,
}

fn wait(flows: &[Flow], others: &[BorrowedFd<'_>], patience: Option<&Timespec>) -> Result<Ready> {
    let mut wanted: Vec<PollFd<'_>> = flows.iter().map(Flow::wants).collect();
    wanted.extend(others.iter().map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN)));
    let any = match poll(&mut wanted, patience) {
        Ok(count) => count > 0,
        // The signal that interrupted is on the socket by now.
        Err(Errno::INTR) => true,
        Err(error) => return Err(error.into()),
    };
    let mut ready: Vec<bool> = wanted.iter().map(|one| any && !one.revents().is_empty()).collect();
    let others = ready.split_off(flows.len());
    Ok(Ready { any, flows: ready, others })
}

/// Gives the pty `to` the size of the terminal `from`; nothing if `from` is none.
pub fn copy_size(from: impl AsFd, to: impl AsFd) -> Result<()> {
    match rustix::termios::tcgetwinsize(from) {
        Ok(size) => Ok(rustix::termios::tcsetwinsize(to, size)?),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
