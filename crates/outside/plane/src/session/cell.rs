//! A cell as the plane sees it: a process on one socket, its reports, and the descriptors that ride with them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use plan::{Frame, Order, Plan, Report};

use crate::channel;

/// A running cell. Dropping it ends the cell.
#[derive(Debug)]
pub(super) struct Cell {
    socket: OwnedFd,
    bytes: Vec<u8>,
    /// Descriptors with the position in the stream at which they rode.
    descriptors: VecDeque<(u64, Vec<OwnedFd>)>,
    /// How many bytes of the stream were taken already.
    taken: u64,
    ended: bool,
}

impl Cell {
    /// Starts the launcher and tells it the plan.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(program: &Path, plan: &Plan) -> io::Result<Cell> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(program);
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null()).env_clear().current_dir("/");
        command.spawn()?;
        drop(command);
        let mut frame = Frame::encode(plan).map_err(io::Error::other)?;
        let sent = channel::send(&ours, &frame, &[]);
        // The plan holds the agent's environment.
        frame.fill(0);
        std::hint::black_box(&frame);
        sent?;
        Ok(Cell { socket: ours, bytes: Vec::new(), descriptors: VecDeque::new(), taken: 0, ended: false })
    }

    /// Tells it something; a cell that is gone needs no order.
    pub(super) fn order(&self, order: Order) {
        if let Ok(frame) = Frame::encode(&order) {
            let _ = channel::send(&self.socket, &frame, &[]);
        }
    }

    /// Reads what is there, and gives whole reports with their descriptors.
    ///
    /// # Errors
    /// The kernel's error, or a cell that speaks nonsense.
    pub(super) fn reports(&mut self) -> io::Result<Vec<(Report, Vec<OwnedFd>)>> {
        let position = self.taken + self.bytes.len() as u64;
        let mut riding = Vec::new();
        self.ended |= !channel::receive(&self.socket, &mut self.bytes, &mut riding)?;
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
        while self.descriptors.front().is_some_and(|(position, _)| *position < self.taken) {
            riding.extend(self.descriptors.pop_front().map(|(_, descriptors)| descriptors).unwrap_or_default());
        }
        Ok(Some((report, riding)))
    }

    /// Whether the stream ended: pid 1 is gone.
    pub(super) const fn is_over(&self) -> bool {
        self.ended
    }
}

impl AsFd for Cell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
