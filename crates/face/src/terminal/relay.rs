//! Carries bytes between the operator's stdio and a cell's pty or pipes.
//!
//! The cell never holds a descriptor of the operator's: a host pipe could be reopened for writing through
//! /proc/self/fd. The relay never sets `O_NONBLOCK` on descriptors that it was given, since the shell shares
//! them: it writes only what poll says fits.

use super::filter::Filter;
use super::signals::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::Result;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// What a pipe or terminal takes without blocking once it polls writable.
const PIECE: usize = 1024;
const CHUNK: usize = 16 * 1024;

/// Something other than bytes that the caller has to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal to forward to the program.
    Signal(i32),
    /// The operator's terminal changed its size.
    Resize,
    /// The control descriptor has something to read, or hung up.
    Control,
}

/// One direction; dropping it closes both ends, which tells either side.
#[derive(Debug)]
pub struct Flow {
    from: Rc<OwnedFd>,
    to: Rc<OwnedFd>,
    filter: Option<Filter>,
    pending: Vec<u8>,
    /// The relay ends when all flows that count have ended: output counts, input does not.
    counts: bool,
    ended: bool,
}

impl Flow {
    /// The operator's input to the program. Its end closes `to` where no other flow holds it.
    #[must_use]
    pub fn input(from: Rc<OwnedFd>, to: Rc<OwnedFd>) -> Self {
        Self { from, to, filter: None, pending: Vec::new(), counts: false, ended: false }
    }

    /// The program's output, filtered if it goes to a terminal; a file or pipe gets every byte.
    #[must_use]
    pub fn output(from: Rc<OwnedFd>, to: Rc<OwnedFd>) -> Self {
        let filter = rustix::termios::isatty(&to).then(Filter::new);
        Self { from, to, filter, pending: Vec::new(), counts: true, ended: false }
    }

    fn wants(&self) -> PollFd<'_> {
        if self.pending.is_empty() {
            PollFd::new(&self.from, PollFlags::IN)
        } else {
            PollFd::new(&self.to, PollFlags::OUT)
        }
    }

    fn finished(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    fn advance(&mut self) {
        let result = if self.pending.is_empty() { self.read() } else { self.write() };
        match result {
            Ok(()) | Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO is how a pty says that the last program closed it, EPIPE that the reader went away.
            Err(_) => {
                self.ended = true;
                self.flush_filter();
            }
        }
    }

    fn read(&mut self) -> rustix::io::Result<()> {
        let mut chunk = [0; CHUNK];
        let read = rustix::io::read(&self.from, &mut chunk)?;
        match &mut self.filter {
            _ if read == 0 => {
                self.ended = true;
                self.flush_filter();
            }
            Some(filter) => filter.push(&chunk[..read], &mut self.pending),
            None => self.pending.extend_from_slice(&chunk[..read]),
        }
        Ok(())
    }

    fn write(&mut self) -> rustix::io::Result<()> {
        let piece = &self.pending[..self.pending.len().min(PIECE)];
        match rustix::io::write(&self.to, piece) {
            Ok(written) => drop(self.pending.drain(..written)),
            Err(error @ (Errno::INTR | Errno::AGAIN)) => return Err(error),
            Err(error) => {
                self.pending.clear();
                self.filter = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn flush_filter(&mut self) {
        if let Some(mut filter) = self.filter.take() {
            filter.finish(&mut self.pending);
        }
    }
}

/// Relays until every output flow has ended, or `event` breaks; then passes on what is already there.
pub fn run(
    mut flows: Vec<Flow>,
    signals: &mut Signals,
    control: Option<&OwnedFd>,
    mut event: impl FnMut(Event) -> ControlFlow<()>,
) -> Result<()> {
    while flows.iter().any(|flow| flow.counts) {
        let ready = wait(&flows, signals, control)?;
        advance(&mut flows, &ready.flows);
        let mut events = Vec::new();
        if ready.signals {
            events.extend(signals.take().into_iter().map(as_event));
        }
        if ready.control {
            events.push(Event::Control);
        }
        if events.into_iter().any(|one| event(one).is_break()) {
            return drain(flows);
        }
    }
    Ok(())
}

fn as_event(signal: i32) -> Event {
    if signal == signal_hook::consts::SIGWINCH { Event::Resize } else { Event::Signal(signal) }
}

struct Ready {
    flows: Vec<bool>,
    signals: bool,
    control: bool,
}

fn wait(flows: &[Flow], signals: &Signals, control: Option<&OwnedFd>) -> Result<Ready> {
    let mut wanted: Vec<PollFd<'_>> = flows.iter().map(Flow::wants).collect();
    wanted.push(PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN));
    wanted.extend(control.map(|control| PollFd::new(control, PollFlags::IN)));
    match poll(&mut wanted, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = wanted.iter().map(|one| !one.revents().is_empty()).collect();
    let count = flows.len();
    Ok(Ready { signals: ready[count], control: ready.get(count + 1) == Some(&true), flows: ready[..count].to_vec() })
}

fn advance(flows: &mut Vec<Flow>, ready: &[bool]) {
    for (flow, _) in flows.iter_mut().zip(ready).filter(|(_, ready)| **ready) {
        flow.advance();
    }
    flows.retain(|flow| !flow.finished());
}

/// Passes on the output that is there now. A reader that does not read is not waited for.
fn drain(mut flows: Vec<Flow>) -> Result<()> {
    flows.retain(|flow| flow.counts);
    while !flows.is_empty() {
        let mut wanted: Vec<PollFd<'_>> = flows.iter().map(Flow::wants).collect();
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut wanted, Some(&now))? == 0 {
            return Ok(());
        }
        let ready: Vec<bool> = wanted.iter().map(|one| !one.revents().is_empty()).collect();
        advance(&mut flows, &ready);
    }
    Ok(())
}

/// Gives the pty `to` the size of the terminal `from`; nothing if `from` is none.
pub fn copy_size(from: impl AsFd, to: impl AsFd) -> Result<()> {
    match rustix::termios::tcgetwinsize(from) {
        Ok(size) => Ok(rustix::termios::tcsetwinsize(to, size)?),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn pipe() -> (Rc<OwnedFd>, Rc<OwnedFd>) {
        let (read, write) = rustix::pipe::pipe().expect("pipe");
        (Rc::new(read), Rc::new(write))
    }

    fn file(fd: Rc<OwnedFd>) -> std::fs::File {
        std::fs::File::from(Rc::into_inner(fd).expect("the only holder"))
    }

    #[test]
    fn bytes_pass_a_pipe_unfiltered_to_the_end() {
        let (inner_read, inner_write) = pipe();
        let (outer_read, outer_write) = pipe();
        let sent: Vec<u8> = (0..300_000_u32).flat_map(|n| [b'\x1b', b'[', b'c', n as u8]).collect();
        let expected = sent.clone();
        let mut inner = file(inner_write);
        let writer = std::thread::spawn(move || inner.write_all(&sent));
        let mut outer = file(outer_read);
        let reader = std::thread::spawn(move || {
            let mut found = Vec::new();
            outer.read_to_end(&mut found).map(|_| found)
        });
        let flows = vec![Flow::output(inner_read, outer_write)];
        let mut signals = Signals::watch().expect("signals");
        run(flows, &mut signals, None, |_| ControlFlow::Continue(())).expect("relay");
        writer.join().expect("writer").expect("written");
        assert_eq!(reader.join().expect("reader").expect("read"), expected);
    }

    #[test]
    fn a_reader_that_left_ends_the_flow() {
        let (inner_read, inner_write) = pipe();
        let (outer_read, outer_write) = pipe();
        drop(outer_read);
        rustix::io::write(&inner_write, b"x").expect("write");
        let mut signals = Signals::watch().expect("signals");
        run(vec![Flow::output(inner_read, outer_write)], &mut signals, None, |_| ControlFlow::Continue(()))
            .expect("relay");
        assert_eq!(rustix::io::write(&inner_write, b"x"), Err(Errno::PIPE));
    }

    #[test]
    fn control_breaks_after_what_is_there_was_passed() {
        let (inner_read, inner_write) = pipe();
        let (outer_read, outer_write) = pipe();
        let (control, hangup) = pipe();
        rustix::io::write(&inner_write, b"last words").expect("write");
        drop(hangup);
        let mut signals = Signals::watch().expect("signals");
        let flows = vec![Flow::output(inner_read, outer_write)];
        run(flows, &mut signals, Some(&control), |event| {
            assert_eq!(event, Event::Control);
            ControlFlow::Break(())
        })
        .expect("relay");
        let mut found = String::new();
        file(outer_read).read_to_string(&mut found).expect("read");
        assert_eq!(found, "last words");
    }
}
