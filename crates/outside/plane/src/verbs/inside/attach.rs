//! `attach`: the screen as it is, then what is printed, and what is typed.
//!
//! What the program printed stands between the session, which waits for nobody, and the client, who may be slow: one that
//! falls behind is shown the screen anew instead of what it missed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use wire::Decoder;
use wire::command::{Attach, Order, Problem, Reply, Stream, Terminal};
use wire::streams::{Say, Told, Wants};

use super::screen::Screen;
use super::{Talk, orders, session, silent, wait};
use crate::channel::{self, Client};
use crate::problem::state;
use crate::store::{Printed, Store};

const PIECE: usize = 64 * 1024;
/// Bytes that wait for a client; beyond it he is shown the screen anew.
const BEHIND: usize = 256 * 1024;
/// Of a program without a terminal: so much of what it printed last is shown.
const TAIL: usize = 16 * 1024;
/// A screen that takes longer to make than this is made only as long as its session runs.
const LONG: Duration = Duration::from_secs(2);
/// Bytes of a screen in one reply.
const PART: usize = 64 * 1024;

/// What is shown of a program.
enum Shown {
    /// Its terminal's screen.
    Screen(Box<Screen>),
    /// It has none: what it printed last.
    Tail(VecDeque<u8>),
}

impl Shown {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Shown::Screen(screen) => screen.push(bytes),
            Shown::Tail(tail) => {
                tail.extend(bytes);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
        }
    }

    fn draw(&self) -> Vec<u8> {
        match self {
            Shown::Screen(screen) => screen.draw(),
            Shown::Tail(tail) => tail.iter().copied().collect(),
        }
    }
}

/// Watches until the client leaves or the session ends.
pub(in crate::verbs) fn attach(store: &Store, client: &mut Client, asked: &Attach) -> Result<Reply, Problem> {
    let session = session(store, &asked.select)?;
    let wants = Wants::Attach { types: asked.types, size: asked.terminal };
    let mut talk = Talk::begin(&session, wants)?;
    let Told::Attached { from, sizes } = talk.first()? else { return Err(talk.lost()) };
    let stream = talk.take(1).pop().ok_or_else(|| talk.lost())?;
    let begun = Instant::now();
    let goes_on = || !gone(&*client) && (begun.elapsed() < LONG || !gone(&talk));
    let shown = replay(&session.path, from, &sizes, &goes_on).map_err(|error| state("read", &session.path, &error))?;
    let (ours, theirs) = channel::pair().map_err(|error| silent(&talk.session, &error))?;
    for part in shown.draw().chunks(PART) {
        client.reply(&Reply::Screen { bytes: part.to_vec() });
    }
    client.reply_with(&Reply::Stdio { streams: [Stream::Terminal; 3] }, &[theirs.as_fd()]);
    drop(theirs);
    let mut carried = Carried { stream, ours, shown, out: VecDeque::new(), behind: false, typed: VecDeque::new() };
    carried.carry(client, &mut talk).map_err(|error| silent(&talk.session, &error))
}

/// Whether nobody holds the other end any more.
fn gone(end: impl AsFd) -> bool {
    let mut end = [PollFd::new(&end, PollFlags::RDHUP)];
    wait(&mut end, Some(Duration::ZERO)).unwrap_or(true)
}

/// What it shows after so many bytes, or after fewer where it need not go on.
fn replay(session: &Path, from: u64, sizes: &[(u64, Terminal)], goes_on: &dyn Fn() -> bool) -> io::Result<Shown> {
    let mut sizes = sizes.iter().copied().peekable();
    let mut shown = match sizes.next() {
        Some((_, size)) => Shown::Screen(Box::new(Screen::new(size))),
        None => Shown::Tail(VecDeque::new()),
    };
    let Some(mut printed) = Printed::of(session) else { return Ok(shown) };
    while printed.at() < from
        && goes_on()
        && let Some((_, bytes)) = printed.next_bytes()?
    {
        let mut at = printed.at() - bytes.len() as u64;
        let end = printed.at().min(from);
        let mut rest = &bytes[..usize::try_from(end.saturating_sub(at)).unwrap_or(0).min(bytes.len())];
        while let Some((since, size)) = sizes.next_if(|(since, _)| *since < end) {
            let (before, after) = rest.split_at(usize::try_from(since.saturating_sub(at)).unwrap_or(0).min(rest.len()));
            shown.push(before);
            if let Shown::Screen(screen) = &mut shown {
                screen.resize(size);
            }
            (at, rest) = (at + before.len() as u64, after);
        }
        shown.push(rest);
    }
    for (_, size) in sizes {
        if let Shown::Screen(screen) = &mut shown {
            screen.resize(size);
        }
    }
    Ok(shown)
}

/// Between the session and the client.
struct Carried {
    /// The session's end.
    stream: OwnedFd,
    /// The client's end.
    ours: OwnedFd,
    shown: Shown,
    /// For the client.
    out: VecDeque<u8>,
    /// It missed some, and is shown the screen when it has read the rest.
    behind: bool,
    /// For the program.
    typed: VecDeque<u8>,
}

impl Carried {
    fn carry(&mut self, client: &mut Client, talk: &mut Talk) -> io::Result<Reply> {
        let mut said = Decoder::new();
        let mut printing = true;
        loop {
            let out = if self.out.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let typed = if self.typed.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let mut wanted = vec![
                PollFd::new(&*client, PollFlags::IN),
                PollFd::new(&*talk, PollFlags::IN),
                PollFd::new(&self.ours, PollFlags::IN | out),
            ];
            if printing {
                wanted.push(PollFd::new(&self.stream, PollFlags::IN | typed));
            }
            wait(&mut wanted, None)?;
            let ready: Vec<bool> = wanted.iter().map(|one| !one.revents().is_empty()).collect();
            if ready[0] {
                match orders(client, &mut said) {
                    Some(orders) => orders.into_iter().for_each(|order| self.pass_on(talk, order)),
                    None => return Ok(Reply::LogEnd),
                }
            }
            if printing && ready[3] {
                printing = self.hear();
            }
            if ready[2] && !self.serve() {
                return Ok(Reply::LogEnd);
            }
            self.flush();
            if ready[1] {
                talk.receive();
            }
            while let Some(told) = talk.next() {
                match told {
                    Told::Ended { exit, reason } => return Ok(self.last(printing, exit, reason)),
                    Told::Refused(problem) => return Ok(Reply::Refused(problem)),
                    _ => {}
                }
            }
            if talk.over {
                let reason = "the session's plane is gone".into();
                return Ok(self.last(printing, crate::problem::NO, reason));
            }
        }
    }

    fn pass_on(&mut self, talk: &Talk, order: Order) {
        match order {
            Order::Size(size) => {
                if let Shown::Screen(screen) = &mut self.shown {
                    screen.resize(size);
                }
                talk.say(&Say::Size(size));
            }
            Order::Typed { line } => talk.say(&Say::Typed { line }),
            // Its keys are the program's; a signal ends the client.
            Order::Signal { .. } => {}
            // A parent's plane says it, which watches nothing.
            Order::Message { .. } | Order::Narrow { .. } | Order::Widen => {}
            Order::Begin | Order::Pause | Order::Resume => {}
        }
    }

    /// Takes what the program printed; false when there will be no more.
    fn hear(&mut self) -> bool {
        let mut piece = vec![0; PIECE];
        match rustix::net::recv(&self.stream, &mut piece[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => false,
            Ok((_, length)) => {
                self.shown.push(&piece[..length]);
                if !self.behind {
                    self.out.extend(&piece[..length]);
                    self.behind = self.out.len() > BEHIND;
                }
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Takes what the client types; false when it left.
    fn serve(&mut self) -> bool {
        let mut piece = [0; 4096];
        match rustix::net::recv(&self.ours, &mut piece[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => false,
            Ok((_, length)) => {
                self.typed.extend(&piece[..length]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    fn flush(&mut self) {
        give(&self.stream, &mut self.typed);
        give(&self.ours, &mut self.out);
        if self.behind && self.out.is_empty() {
            self.out.extend(self.shown.draw());
            self.behind = false;
            give(&self.ours, &mut self.out);
        }
    }

    /// All that was printed until the end reaches the client before he is told of it.
    fn last(&mut self, mut printing: bool, exit: u8, reason: String) -> Reply {
        while printing {
            let mut wanted = [PollFd::new(&self.stream, PollFlags::IN)];
            printing = wait(&mut wanted, Some(Duration::ZERO)).unwrap_or(false) && self.hear();
        }
        // Held open, the client reads it after its last word; one that is slow loses what its socket does not take.
        self.flush();
        Reply::Finished { exit, reason }
    }
}

fn give(to: &OwnedFd, bytes: &mut VecDeque<u8>) {
    while !bytes.is_empty() {
        let (first, _) = bytes.as_slices();
        match rustix::net::send(to, first, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => drop(bytes.drain(..sent)),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Output;

    #[test]
    fn a_screen_is_made_only_as_long_as_somebody_wants_it() {
        let session = tempfile::tempdir().expect("a directory");
        let mut output = Output::begin(session.path()).expect("begun");
        output.push(&b"early\r\n".repeat(10_000));
        output.push(b"late");
        let sizes = [(0, Terminal { rows: 5, columns: 20 })];
        let shown = |goes_on: &dyn Fn() -> bool| {
            let shown = replay(session.path(), output.length(), &sizes, goes_on).expect("read").draw();
            String::from_utf8_lossy(&shown).into_owned()
        };
        let (ours, theirs) = channel::pair().expect("a pair");
        assert!(shown(&|| !gone(&ours)).contains("late"));
        drop(theirs);
        let left = shown(&|| !gone(&ours));
        assert!(!left.contains("early") && !left.contains("late"), "{left:?}");
    }
}
