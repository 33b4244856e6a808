//! A cell as the plane sees it: a process on one socket, its reports, and the descriptors that ride with them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use plan::{Entry, Foundation, Frame, Order, Plan, Report};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::channel;

/// A running cell. Dropping it ends the cell.
#[derive(Debug)]
pub(super) struct Cell {
    socket: OwnedFd,
    bytes: Vec<u8>,
    /// Descriptors with the position in the stream behind the bytes that they came with: the kernel ends a read with
    /// the message that brought descriptors, so those bytes are that message's.
    descriptors: VecDeque<(u64, Vec<OwnedFd>)>,
    /// How many bytes of the stream were taken already.
    taken: u64,
    ended: bool,
    /// A child of ours, until it is waited for.
    launcher: Option<Pid>,
}

impl Cell {
    /// Starts the launcher; it waits for its foundation.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(program: &Path) -> io::Result<Cell> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(program);
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
        let launcher = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
        Ok(Cell { socket: ours, bytes: Vec::new(), descriptors: VecDeque::new(), taken: 0, ended: false, launcher })
    }

    /// Waits until the launcher of a cell that is made ahead is gone, and pid 1 is there or never will be.
    pub(super) fn wait_for_launcher(&mut self) {
        if let Some(launcher) = self.launcher.take() {
            while matches!(waitpid(Some(launcher), WaitOptions::empty()), Err(Errno::INTR)) {}
        }
    }

    /// Starts a process that enters a cell for this errand, with what its pid 1 handed out. It is heard without waiting.
    ///
    /// # Errors
    /// When the program cannot be started, or told what to do.
    pub(super) fn enter(program: &Path, entry: &Entry, handed: &[OwnedFd]) -> io::Result<(Cell, Child)> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(program);
        command.arg("enter").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
        let child = command.spawn()?;
        let mut frame = Frame::encode(entry).map_err(io::Error::other)?;
        let handed: Vec<BorrowedFd<'_>> = handed.iter().map(AsFd::as_fd).collect();
        let sent = channel::send(&ours, &frame, &handed);
        // It holds the session's environment.
        frame.fill(0);
        std::hint::black_box(&frame);
        unless_gone(sent)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let (bytes, descriptors, launcher) = (Vec::new(), VecDeque::new(), None);
        Ok((Cell { socket: ours, bytes, descriptors, taken: 0, ended: false, launcher }, child))
    }

    /// Tells it what it can begin with. One that is gone says why by its last report, or by its end.
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn found(&self, foundation: &Foundation) -> io::Result<()> {
        let frame = Frame::encode(foundation).map_err(io::Error::other)?;
        unless_gone(channel::send(&self.socket, &frame, &[]))
    }

    /// Tells it the plan, after which it builds and runs; `stdio` is the client's own, where the layer that relays it
    /// was left out by name. One that is gone says why as in [`Cell::found`].
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn build(&self, plan: &Plan, stdio: &[OwnedFd]) -> io::Result<()> {
        let mut frame = Frame::encode(plan).map_err(io::Error::other)?;
        let stdio: Vec<BorrowedFd<'_>> = stdio.iter().map(AsFd::as_fd).collect();
        let sent = channel::send(&self.socket, &frame, &stdio);
        // The plan holds the agent's environment.
        frame.fill(0);
        std::hint::black_box(&frame);
        unless_gone(sent)
    }

    /// Tells it something; a cell that is gone needs no order.
    pub(super) fn order(&self, order: Order) {
        self.order_with(order, &[]);
    }

    /// The same, with descriptors.
    pub(super) fn order_with(&self, order: Order, riding: &[BorrowedFd<'_>]) {
        if let Ok(frame) = Frame::encode(&order) {
            let _ = channel::send(&self.socket, &frame, riding);
        }
    }

    /// Reads what is there, and gives whole reports with their descriptors.
    ///
    /// # Errors
    /// The kernel's error, or a cell that speaks nonsense.
    pub(super) fn reports(&mut self) -> io::Result<Vec<(Report, Vec<OwnedFd>)>> {
        let mut riding = Vec::new();
        self.ended |= match channel::receive(&self.socket, &mut self.bytes, &mut riding) {
            // How a launcher ends that had not read its plan.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
            other => !other?,
        };
        let position = self.taken + self.bytes.len() as u64;
        if !riding.is_empty() {
            self.descriptors.push_back((position, riding));
        }
        let mut reports = Vec::new();
        while let Some(report) = self.next()? {
            reports.push(report);
        }
        Ok(reports)
    }

    fn next(&mut self) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
        let Some(prefix) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let end = 4 + Frame::length(*prefix).map_err(io::Error::other)?;
        if self.bytes.len() < end {
            return Ok(None);
        }
        let report = Frame::decode(&self.bytes[4..end]).map_err(io::Error::other)?;
        self.bytes.drain(..end);
        self.taken += end as u64;
        let mut riding = Vec::new();
        while self.descriptors.front().is_some_and(|(position, _)| *position <= self.taken) {
            riding.extend(self.descriptors.pop_front().map(|(_, descriptors)| descriptors).unwrap_or_default());
        }
        Ok(Some((report, riding)))
    }

    /// Whether the stream ended: pid 1 is gone.
    pub(super) const fn is_over(&self) -> bool {
        self.ended
    }
}

fn unless_gone(sent: io::Result<()>) -> io::Result<()> {
    match sent {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl AsFd for Cell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_stay_with_the_report_that_they_rode_on() {
        let (ours, theirs) = channel::pair().expect("a pair");
        let mut cell = Cell {
            socket: ours,
            bytes: Vec::new(),
            descriptors: VecDeque::new(),
            taken: 0,
            ended: false,
            launcher: None,
        };
        let send = |report: &Report, descriptors: &[BorrowedFd<'_>]| {
            channel::send(&theirs, &Frame::encode(report).expect("encodes"), descriptors).expect("sends");
        };
        let (born, started) = (Report::Born { pid: 7 }, Report::Started { pid: 2 });
        send(&born, &[]);
        send(&Report::Stdio, &[theirs.as_fd(), theirs.as_fd()]);
        send(&Report::Door, &[theirs.as_fd()]);
        send(&started, &[]);
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.extend(cell.reports().expect("reads").into_iter().map(|(report, riding)| (report, riding.len())));
        }
        assert_eq!(seen, [(born, 0), (Report::Stdio, 2), (Report::Door, 1), (started, 0)]);
    }
}
