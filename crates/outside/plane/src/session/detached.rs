//! A session whose program's stdio its own process keeps: it goes on with nobody there. What the program prints is kept
//! (`store::output`) and told to whoever watches; one of those may type.
//!
//! Nothing here understands what is printed. Who watches holds the program up as a terminal does, as long as he takes what is
//! printed; one that takes nothing is let go. The bytes are hostile and stay bytes; `verbs/attach` makes a screen of them, in a process of its own.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::termios::Winsize;
use wire::command::{Stream, Terminal};

use crate::channel;
use crate::store::Output;

/// Bytes that are read of the program in one turn of the session's loop.
const PIECE: usize = 16 * 1024;
/// Bytes that wait for one who watches; beyond it nothing more is read of the program until he took some.
const MOST_UNREAD: usize = 1024 * 1024;
/// How long the program waits for one who takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that wait for a program that does not read what is typed; beyond it they are lost, as in a terminal.
const MOST_TYPED: usize = 64 * 1024;
/// Those who watch at once.
const MOST_WATCHERS: usize = 16;
/// Sizes that are remembered.
const MOST_SIZES: usize = 64;
/// Of a terminal that nobody said the size of.
pub(super) const SIZE: Terminal = Terminal { rows: 24, columns: 80 };

/// The outer ends of a program's stdio, and who watches.
#[derive(Debug)]
pub(super) struct Kept {
    /// The pty, where there is one.
    pty: Option<OwnedFd>,
    /// The ends of pipes that are still read.
    pipes: Vec<OwnedFd>,
    output: Output,
    /// Sizes that the terminal had, each since so many bytes were printed.
    sizes: Vec<(u64, Terminal)>,
    /// Typed, and not taken by the program yet.
    typed: VecDeque<u8>,
    watchers: Vec<Watcher>,
    number: u64,
}

/// Somebody who watches.
#[derive(Debug)]
struct Watcher {
    number: u64,
    stream: OwnedFd,
    unread: VecDeque<u8>,
    /// When he last took some of it, or there was none.
    took: Instant,
    types: bool,
}

/// Why nobody can watch, or type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwatched {
    /// Somebody types already.
    Typed,
    /// The program has no terminal to type into.
    Pipes,
    /// Too many watch.
    Full,
    /// No socket could be made.
    Kernel,
}

impl Kept {
    /// Keeps the outer ends of a program's stdio: as they come with [`plan::Report::Stdio`].
    ///
    /// # Errors
    /// When there is no place for what is printed, or other ends came than the streams need.
    pub(super) fn keep(
        session: &Path,
        streams: [Stream; 3],
        size: Option<Terminal>,
        ends: Vec<OwnedFd>,
    ) -> io::Result<Kept> {
        let mut ends = ends.into_iter();
        let pty = if streams.contains(&Stream::Terminal) { ends.next() } else { None };
        let mut pipes: Vec<OwnedFd> = ends.collect();
        if streams[0] == Stream::Pipe && !pipes.is_empty() {
            // Nobody will ever write there: that is the end of its input.
            drop(pipes.remove(0));
        }
        for end in pty.iter().chain(&pipes) {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        let output = Output::begin(session)?;
        let sizes = if pty.is_some() { vec![(0, size.unwrap_or(SIZE))] } else { Vec::new() };
        Ok(Kept { pty, pipes, output, sizes, typed: VecDeque::new(), watchers: Vec::new(), number: 0 })
    }

    /// What the session's loop is to wait for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let reads = if self.waits_until().is_none() { PollFlags::IN } else { PollFlags::empty() };
        let typed = if self.typed.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let ends = self
            .pty
            .iter()
            .map(move |pty| (pty, reads | typed))
            .chain(self.pipes.iter().map(move |pipe| (pipe, reads)));
        // One whose other end is closed says so whether it is asked or not.
        let asked = ends.filter(|(_, flags)| !flags.is_empty()).map(|(end, flags)| PollFd::new(end, flags));
        asked.chain(self.watchers.iter().map(Watcher::wanted))
    }

    /// Until when it waits for somebody who watches; none where the program is read.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let behind = self.watchers.iter().filter(|watcher| watcher.unread.len() > MOST_UNREAD);
        behind.map(|watcher| watcher.took + PATIENCE).max()
    }

    /// Carries what can be carried.
    pub(super) fn turn(&mut self, now: Instant) {
        if self.waits_until().is_none() {
            self.read();
        }
        let typed = &mut self.typed;
        self.watchers.retain_mut(|watcher| watcher.tell(now) && watcher.hear(typed));
        self.type_on();
    }

    fn read(&mut self) {
        let mut printed = Vec::new();
        if let Some(pty) = &self.pty
            && !read(pty, &mut printed)
        {
            self.pty = None;
        }
        self.pipes.retain(|pipe| read(pipe, &mut printed));
        if !printed.is_empty() {
            self.output.push(&printed);
            self.watchers.iter_mut().for_each(|watcher| watcher.unread.extend(&printed));
        }
    }

    /// Reads what is left when the program has ended, whoever is behind: it is no more than the kernel holds.
    pub(super) fn finish(&mut self) {
        loop {
            let before = self.output.length();
            self.read();
            if self.output.length() == before {
                return self.turn(Instant::now());
            }
        }
    }

    fn type_on(&mut self) {
        let Some(pty) = &self.pty else { return self.typed.clear() };
        while !self.typed.is_empty() {
            let (first, _) = self.typed.as_slices();
            match rustix::io::write(pty, first) {
                Ok(written) => drop(self.typed.drain(..written)),
                Err(Errno::INTR) => {}
                // It does not read now, or never will.
                Err(_) => return,
            }
        }
    }

    /// Lets somebody watch from here on: its number, and the other end of its stream.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn watch(&mut self, types: bool) -> Result<(u64, OwnedFd), Unwatched> {
        if types && self.sizes.is_empty() {
            return Err(Unwatched::Pipes);
        }
        if types && self.watchers.iter().any(|watcher| watcher.types) {
            return Err(Unwatched::Typed);
        }
        if self.watchers.len() >= MOST_WATCHERS {
            return Err(Unwatched::Full);
        }
        let (stream, theirs) = channel::pair().map_err(|_| Unwatched::Kernel)?;
        self.number += 1;
        let (unread, took) = (VecDeque::new(), Instant::now());
        self.watchers.push(Watcher { number: self.number, stream, unread, took, types });
        Ok((self.number, theirs))
    }

    /// Whether it still watches.
    pub(super) fn is_watched_by(&self, number: u64) -> bool {
        self.watchers.iter().any(|watcher| watcher.number == number)
    }

    /// It watches no more.
    pub(super) fn unwatch(&mut self, number: u64) {
        self.watchers.retain(|watcher| watcher.number != number);
    }

    /// How many bytes were printed, and the sizes that the terminal had.
    pub(super) fn so_far(&self) -> (u64, Vec<(u64, Terminal)>) {
        (self.output.length(), self.sizes.clone())
    }

    /// Gives the terminal another size.
    pub(super) fn resize(&mut self, size: Terminal) {
        let Some(pty) = &self.pty else { return };
        if self.sizes.last().is_some_and(|(_, last)| *last == size) || size.rows == 0 || size.columns == 0 {
            return;
        }
        let window = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        // One whose program has ended takes none and needs none.
        if rustix::termios::tcsetwinsize(pty, window).is_ok() {
            if self.sizes.len() >= MOST_SIZES {
                self.sizes.remove(0);
            }
            self.sizes.push((self.output.length(), size));
        }
    }

    /// How many bytes of what was printed could not be kept.
    pub(super) const fn lost(&self) -> u64 {
        self.output.lost()
    }
}

impl Watcher {
    fn wanted(&self) -> PollFd<'_> {
        let out = if self.unread.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        PollFd::new(&self.stream, PollFlags::IN | out)
    }

    /// Tells what was printed, as far as it reads; false for one that takes nothing, or is gone.
    fn tell(&mut self, now: Instant) -> bool {
        let before = self.unread.len();
        while !self.unread.is_empty() {
            let (first, _) = self.unread.as_slices();
            match rustix::net::send(&self.stream, first, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(self.unread.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        if self.unread.is_empty() || self.unread.len() < before {
            self.took = now;
        }
        self.unread.len() <= MOST_UNREAD || now.saturating_duration_since(self.took) < PATIENCE
    }

    /// Takes what it types; false when it is gone.
    fn hear(&self, typed: &mut VecDeque<u8>) -> bool {
        let mut piece = [0; 4096];
        loop {
            match rustix::net::recv(&self.stream, &mut piece[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return false,
                Ok((_, length)) if self.types => {
                    let room = MOST_TYPED.saturating_sub(typed.len()).min(length);
                    typed.extend(&piece[..room]);
                }
                // Who only watches says nothing.
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// Reads once what is there; false at the end.
fn read(from: impl AsFd, into: &mut Vec<u8>) -> bool {
    into.reserve(PIECE);
    match rustix::io::read(from, spare_capacity(into)) {
        Ok(0) => false,
        Ok(_) => true,
        Err(Errno::AGAIN | Errno::INTR) => true,
        // So a pty says that its other side is gone.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Printed;

    /// Two pipes as stdout and stderr, and the writing end of the first.
    fn piped(session: &Path) -> (Kept, OwnedFd) {
        let (input, output) = (rustix::pipe::pipe().expect("a pipe"), rustix::pipe::pipe().expect("a pipe"));
        let errors = rustix::pipe::pipe().expect("a pipe");
        let ends = vec![input.1, output.0, errors.0];
        (Kept::keep(session, [Stream::Pipe; 3], None, ends).expect("kept"), output.1)
    }

    /// Prints so many pieces, and turns in between; how many bytes the reader got.
    fn print(kept: &mut Kept, program: &OwnedFd, pieces: usize, reader: &OwnedFd, now: Instant) -> usize {
        let mut seen = 0;
        for _ in 0..pieces {
            // The pipe is full when nothing is read.
            let _ = rustix::io::write(program, &[b'x'; 16 * 1024]);
            kept.turn(now);
            let mut piece = vec![0; 64 * 1024];
            while let Ok((_, length)) = rustix::net::recv(reader, &mut piece[..], RecvFlags::DONTWAIT) {
                seen += length;
                kept.turn(now);
            }
        }
        seen
    }

    #[test]
    fn who_takes_nothing_is_let_go_and_the_program_goes_on() {
        let session = tempfile::tempdir().expect("a directory");
        let (mut kept, program) = piped(session.path());
        rustix::io::ioctl_fionbio(&program, true).expect("set");
        assert_eq!(kept.watch(true).map(drop), Err(Unwatched::Pipes));
        let (slow, _unread) = kept.watch(false).expect("watches");
        let (quick, reads) = kept.watch(false).expect("watches");
        let now = Instant::now();
        let mut seen = print(&mut kept, &program, 200, &reads, now);
        let until = kept.waits_until().expect("one is behind");
        assert!(until > now && kept.is_watched_by(slow) && seen < 200 * 16 * 1024);
        let later = until + Duration::from_millis(1);
        seen += print(&mut kept, &program, 200, &reads, later);
        assert!(!kept.is_watched_by(slow) && kept.is_watched_by(quick) && kept.waits_until().is_none());
        assert!(seen > 200 * 16 * 1024);
        drop(program);
        kept.finish();
        let mut printed = Printed::of(session.path()).expect("kept");
        while printed.next_bytes().expect("read").is_some() {}
        assert_eq!((printed.at(), printed.at()), (kept.so_far().0, seen as u64));
    }

    #[test]
    fn who_is_slow_and_takes_some_gets_all() {
        let session = tempfile::tempdir().expect("a directory");
        let (mut kept, program) = piped(session.path());
        rustix::io::ioctl_fionbio(&program, true).expect("set");
        let (slow, reads) = kept.watch(false).expect("watches");
        let (mut now, mut seen, mut written) = (Instant::now(), 0, 0);
        let mut piece = vec![0; 64 * 1024];
        while written < 3 * MOST_UNREAD {
            written += rustix::io::write(&program, &[b'x'; 16 * 1024]).unwrap_or(0);
            now += PATIENCE / 2;
            kept.turn(now);
            seen += rustix::net::recv(&reads, &mut piece[..], RecvFlags::DONTWAIT).map_or(0, |(_, length)| length);
        }
        assert!(kept.is_watched_by(slow));
        drop(program);
        kept.finish();
        while let Ok((_, length)) = rustix::net::recv(&reads, &mut piece[..], RecvFlags::DONTWAIT) {
            seen += length;
            kept.turn(now);
        }
        assert_eq!(seen, written);
    }
}
