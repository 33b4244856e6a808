//! One who asks: what it said, what waits for an answer, and what it has not read yet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::Serialize;
use wire::command::Problem;
use wire::control::{Answer, Ask, Greeting, Happened, Heard, MAX_OPEN, Order, Reader, Told, Unheard, VERSION};
use zeroize::Zeroize;

use crate::peer::Operator;
use crate::problem::{NO, problem, quoted};

/// How long a peer may take to say what it began to say.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one may stay that wants nothing.
const IDLE: Duration = Duration::from_secs(10);
/// Bytes that are taken from one peer in one turn of the loop.
const PIECE: usize = 64 * 1024;
/// Bytes that wait for one that does not read. Beyond it is let go.
const MOST_UNREAD: usize = 1024 * 1024;

/// One connection.
pub(super) struct Peer {
    reader: Reader,
    /// Heard, and not begun yet.
    waiting: VecDeque<Ask>,
    until: Instant,
    who: String,
    line: Rc<Line>,
}

/// Its socket, and what goes out over it.
#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    out: RefCell<Out>,
}

#[derive(Debug, Default)]
struct Out {
    pending: Vec<u8>,
    /// Orders that were begun and not answered yet.
    open: usize,
    follows: bool,
    /// It takes no more, or is to get no more than what is pending.
    closed: bool,
}

/// Who waits for the answer to an order. Each is answered once; dropped unanswered, its place is free again.
#[derive(Debug)]
pub(in crate::session) struct Asking {
    number: u32,
    who: String,
    /// Nobody waits for the answer of what the session asks of itself.
    line: Option<Rc<Line>>,
}

impl std::fmt::Debug for Peer {
    /// Without what it says: that may be secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Peer").field("who", &self.who).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Peer {
    pub(super) fn new(socket: OwnedFd, operator: &Operator, now: Instant) -> Peer {
        Peer {
            reader: Reader::default(),
            waiting: VecDeque::new(),
            until: now + PATIENCE,
            who: operator.who(),
            line: Rc::new(Line { socket, out: RefCell::default() }),
        }
    }

    pub(super) fn wanted(&self) -> PollFd<'_> {
        let out = self.line.out.borrow();
        // Of one with enough that waits only its end counts.
        let mut flags = if self.is_full(&out) { PollFlags::RDHUP } else { PollFlags::IN };
        if !out.pending.is_empty() {
            flags |= PollFlags::OUT;
        }
        PollFd::new(&self.line.socket, flags)
    }

    /// When it has had its time: none where it waits for us, or is told what happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let out = self.line.out.borrow();
        let keeps = self.waiting.is_empty() && out.open == 0 && !out.follows;
        (keeps || self.reader.is_waiting()).then_some(self.until)
    }

    fn is_full(&self, out: &Out) -> bool {
        self.waiting.len() + out.open >= MAX_OPEN
    }

    /// Tells and hears, as far as it goes; false when it is to be let go.
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        self.line.flush();
        if self.line.out.borrow().closed {
            return false;
        }
        self.hear(now) && self.due().is_none_or(|due| now < due)
    }

    fn hear(&mut self, now: Instant) -> bool {
        if !self.is_full(&self.line.out.borrow()) {
            let mut piece = [0; PIECE];
            match rustix::net::recv(&self.line.socket, &mut piece[..], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok((_, 0)) | Err(_) => return false,
                Ok((_, length)) => {
                    if !self.reader.is_waiting() {
                        self.until = now + PATIENCE;
                    }
                    self.reader.push(&piece[..length]);
                }
            }
            // It may have held a secret.
            piece.zeroize();
        }
        while !self.is_full(&self.line.out.borrow()) {
            match self.reader.next_message() {
                Ok(None) => break,
                Ok(Some(heard)) => self.heard(heard, now),
                Err(unheard) => {
                    self.line.say(&Greeting::Refused(Box::new(not_understood(unheard))));
                    return false;
                }
            }
        }
        true
    }

    fn heard(&mut self, heard: Heard, now: Instant) {
        self.until = now + IDLE;
        match heard {
            Heard::Hello(version) => {
                self.line.say(&Greeting::Hello { version, build: env!("CARGO_PKG_VERSION").into() });
            }
            Heard::Ask(ask) => self.waiting.push_back(ask),
            Heard::Unknown { number, order } => {
                let cause = format!("the session does not know the order `{}`, or not in this form", quoted(&order));
                let answer = Answer::Refused(Box::new(problem("E-PLANE-100", cause, OTHER_BUILD, NO)));
                self.line.say(&Told::Answer { number, answer });
            }
        }
    }

    /// Nothing is done for one that no longer waits: it was told that nobody answered.
    pub(super) fn is_gone(&self) -> bool {
        let peeked = rustix::net::recv(&self.line.socket, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Ok((_, 1)) | Err(Errno::AGAIN | Errno::INTR))
    }

    /// What it asks first.
    pub(super) fn first(&self) -> Option<&Order> {
        self.waiting.front().map(|ask| &ask.order)
    }

    pub(super) fn take(&mut self) -> Option<(Order, Asking)> {
        let Ask { number, order } = self.waiting.pop_front()?;
        self.line.out.borrow_mut().open += 1;
        Some((order, Asking { number, who: self.who.clone(), line: Some(Rc::clone(&self.line)) }))
    }

    pub(super) fn follows(&self) -> bool {
        self.line.out.borrow().follows
    }

    pub(super) fn tell(&self, happened: &Happened) {
        self.line.say(&Told::Event { event: happened.clone() });
    }
}

impl Line {
    /// Says something, now or when there is room. One that does not read is let go: nothing it misses may be a part.
    fn say<T: Serialize>(&self, message: &T) {
        let frame = wire::encode(message);
        let mut out = self.out.borrow_mut();
        match frame {
            Ok(frame) if !out.closed && out.pending.len() + frame.len() <= MOST_UNREAD => {
                out.pending.extend_from_slice(&frame);
            }
            _ => out.closed = true,
        }
        drop(out);
        self.flush();
    }

    fn flush(&self) {
        let mut out = self.out.borrow_mut();
        while !out.pending.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, &out.pending, flags) {
                Ok(sent) => drop(out.pending.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    out.closed = true;
                    return;
                }
            }
        }
    }
}

impl Asking {
    /// What the session asks of itself, and by what.
    pub(in crate::session) fn own(who: String) -> Asking {
        Asking { number: 0, who, line: None }
    }

    /// Who it is: his uid, and the process that he asks by.
    pub(in crate::session) fn who(&self) -> &str {
        &self.who
    }

    /// Answers.
    pub(in crate::session) fn answer(self, answer: &Answer) {
        if let Some(line) = &self.line {
            line.say(&Told::Answer { number: self.number, answer: answer.clone() });
        }
    }

    /// Answers that nothing was done.
    pub(in crate::session) fn refuse(self, problem: Problem) {
        self.answer(&Answer::Refused(Box::new(problem)));
    }

    pub(super) fn follow(&self) {
        if let Some(line) = &self.line {
            line.out.borrow_mut().follows = true;
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            let mut out = line.out.borrow_mut();
            out.open = out.open.saturating_sub(1);
        }
    }
}

const OTHER_BUILD: &str = "the session goes on with the programs that it began with: ask with those";

fn not_understood(unheard: Unheard) -> Problem {
    let cause = match unheard {
        Unheard::Version { least, most } => {
            format!("the session speaks version {VERSION} of its control socket, and who asks {least} to {most}")
        }
        Unheard::Nonsense => "what was asked is no message of a session's control socket".to_owned(),
    };
    let hint = "ask with the programs that the session was begun with, or end it and begin it anew";
    problem("E-PLANE-100", cause, hint, NO)
}
