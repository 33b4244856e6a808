//! One direction of the relay: from one descriptor to another, filtered where a terminal reads.

use super::filter::Filter;
use super::typed::Typed;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// What a pipe or terminal takes without blocking once it polls writable.
const PIECE: usize = 1024;
const CHUNK: usize = 16 * 1024;

/// One direction; dropping it closes both ends where no other flow holds them, which tells either side.
#[derive(Debug)]
pub struct Flow {
    from: Rc<OwnedFd>,
    to: Rc<OwnedFd>,
    filter: Option<Filter>,
    /// Reads what the operator types, and what came of that.
    typed: Option<Typed>,
    lines: Vec<String>,
    pending: Vec<u8>,
    sent: usize,
    output: bool,
    /// The operator's side is a terminal: its end means that nobody is there any more.
    terminal: bool,
    ended: bool,
    hung_up: bool,
    /// Why what the program wrote could not be passed on.
    lost: Option<Errno>,
    /// The key by which the operator leaves, and whether he did.
    leave: Option<u8>,
    left: bool,
}

impl Flow {
    /// The operator's input to the program.
    #[must_use]
    pub fn input(from: Rc<OwnedFd>, to: Rc<OwnedFd>) -> Self {
        let terminal = rustix::termios::isatty(&from);
        Self { typed: terminal.then(Typed::default), ..Self::new(from, to, terminal, false) }
    }

    /// The program's output, filtered if it goes to a terminal; a file or pipe gets every byte.
    #[must_use]
    pub fn output(from: Rc<OwnedFd>, to: Rc<OwnedFd>) -> Self {
        let terminal = rustix::termios::isatty(&to);
        Self { filter: terminal.then(Filter::new), ..Self::new(from, to, terminal, true) }
    }

    fn new(from: Rc<OwnedFd>, to: Rc<OwnedFd>, terminal: bool, output: bool) -> Self {
        let (pending, lines) = (Vec::new(), Vec::new());
        let (ended, hung_up, lost, leave, left) = (false, false, None, None, false);
        Self {
            from,
            to,
            filter: None,
            typed: None,
            lines,
            pending,
            sent: 0,
            output,
            terminal,
            ended,
            hung_up,
            lost,
            leave,
            left,
        }
    }

    /// The same, behind something that is shown first.
    #[must_use]
    pub fn showing(mut self, bytes: &[u8]) -> Self {
        match &mut self.filter {
            Some(filter) => filter.push(bytes, &mut self.pending),
            None => self.pending.extend_from_slice(bytes),
        }
        self
    }

    /// The same, until the operator presses this key at his terminal.
    #[must_use]
    pub fn until(mut self, key: u8) -> Self {
        self.leave = self.terminal.then_some(key);
        self
    }

    pub(super) fn left(&self) -> bool {
        self.left
    }

    pub(super) fn is_output(&self) -> bool {
        self.output
    }

    pub(super) fn waits_for_reader(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn wants(&self) -> PollFd<'_> {
        if self.pending.is_empty() {
            PollFd::new(&self.from, PollFlags::IN)
        } else {
            PollFd::new(&self.to, PollFlags::OUT)
        }
    }

    pub(super) fn finished(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    pub(super) fn hung_up(&self) -> bool {
        self.hung_up
    }

    pub(super) fn lost(&self) -> Option<Errno> {
        self.lost
    }

    /// The lines that the operator typed, before the program can have them.
    pub(super) fn typed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    pub(super) fn advance(&mut self) {
        let reading = self.pending.is_empty();
        let result = if reading { self.read() } else { self.write() };
        match result {
            Ok(()) | Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO is how a pty says that its other side is gone, EPIPE that the reader went away.
            Err(error) => {
                self.hung_up |= self.terminal && reading != self.output;
                self.lost = Some(error).filter(|error| self.output && !reading && !self.is_left(*error));
                self.ended = true;
                self.flush_filter();
            }
        }
    }

    fn read(&mut self) -> rustix::io::Result<()> {
        let mut chunk = [0; CHUNK];
        let read = rustix::io::read(&self.from, &mut chunk)?;
        if read == 0 {
            // A raw terminal has no end of file but this one; a cooked one has ^D.
            self.hung_up |= self.terminal && !self.output && is_raw(&self.from);
            self.ended = true;
            self.flush_filter();
            return Ok(());
        }
        let key = self.leave.and_then(|key| chunk[..read].iter().position(|byte| *byte == key));
        self.left |= key.is_some();
        let read = key.unwrap_or(read);
        if let Some(typed) = &mut self.typed {
            self.lines.extend(typed.push(&chunk[..read]));
        }
        match &mut self.filter {
            Some(filter) => filter.push(&chunk[..read], &mut self.pending),
            None => self.pending.extend_from_slice(&chunk[..read]),
        }
        Ok(())
    }

    fn write(&mut self) -> rustix::io::Result<()> {
        let rest = &self.pending[self.sent..];
        match rustix::io::write(&self.to, &rest[..rest.len().min(PIECE)]) {
            Ok(written) => self.sent += written,
            Err(error @ (Errno::INTR | Errno::AGAIN)) => return Err(error),
            Err(error) => {
                self.pending.clear();
                self.sent = 0;
                self.filter = None;
                return Err(error);
            }
        }
        if self.sent == self.pending.len() {
            self.pending.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// How a reader goes that has enough, and a terminal that nobody looks at any more.
    fn is_left(&self, error: Errno) -> bool {
        matches!(error, Errno::PIPE | Errno::CONNRESET) || self.terminal && error == Errno::IO
    }

    fn flush_filter(&mut self) {
        if let Some(mut filter) = self.filter.take() {
            filter.finish(&mut self.pending);
        }
    }
}

/// A terminal that hung up has no attributes either, and no line to edit.
fn is_raw(terminal: &OwnedFd) -> bool {
    rustix::termios::tcgetattr(terminal)
        .map_or(true, |mode| !mode.local_modes.contains(rustix::termios::LocalModes::ICANON))
}
