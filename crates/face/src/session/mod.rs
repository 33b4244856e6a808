//! `bastide run`: asks the plane for a cell, carries the program's stdio and signals, and says how it ended.
//!
//! Whatever happens, the operator's terminal is put back before a line of ours is written, and a plane that
//! died ends the session: nothing here waits for it.

pub mod asked;
mod ending;
mod holes;
pub mod outcome;
pub mod refused;
mod streams;
mod watching;

use crate::args;
use crate::errors::Error;
use crate::plane::{self, Plane};
use crate::terminal::mode::{self, Kept, RawMode};
use crate::terminal::relay::{Event, Relay, copy_size};
use crate::terminal::signals::{self, Signals};
use crate::waiting::{Knocked, begin_daemon, may_begin};
use crate::{exit, words};
use rustix::event::Timespec;
use rustix::process::Signal;
use signal_hook::consts;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wire::command::{Order, Outcome, Reply, Request, Stream, Terminal};

use watching::Watch;
pub(crate) use watching::{attach, exec};

/// The risk under which the program gets our standard streams themselves.
const DIRECT: &str = "without-relayed-stdio";
/// The risk under which it also gets what whoever started us left open.
const UNSEALED: &str = "without-sealed-descriptors";
/// A second ^C within this time ends a session that did not start yet.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long a plane gets to end a session whose operator is gone.
const FAREWELL: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Runs what the flags name, and says how to exit.
///
/// # Errors
/// When nothing was run, or the plane was lost.
pub fn run(flags: &args::Run, json: bool) -> Result<u8, Error> {
    // First, so that a plane that waits is awake when the request is ready.
    let beside = plane::beside().ok().filter(|_| flags.accept_risk.is_empty());
    let waiting = beside.as_deref().and_then(Knocked::at);
    let daemon = beside.filter(|_| waiting.is_none() && may_begin());
    let request = asked::asked(flags)?;
    let secret = refused::looking_secret(&flags.env).first().map(|name| (*name).to_owned());
    let file = flags.outcome.as_deref().map(outcome::OutcomeFile::prepare).transpose()?;
    let accepted = |name: &str| flags.accept_risk.iter().any(|risk| risk == name);
    let direct = accepted(DIRECT);
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let lent: &[_] = if direct { &ours } else { &[] };
    let terminal = request.streams[0] == Stream::Terminal;
    let plane = Plane::ask_with(&Request::Run(Box::new(request)), lent, !accepted(UNSEALED), waiting)?;
    let signals = Signals::watch(&signals::ignored()).map_err(|cause| Error::Host { what: "watch signals", cause })?;
    let mut session = Session::new(plane, signals, json);
    session.daemon = daemon;
    session.terminal = terminal;
    if direct {
        session.lend()?;
    }
    let ended = session.hold();
    let lost = session.relay.lost();
    session.put_back();
    let outcome = match ended? {
        End::Outcome(outcome) => outcome,
        End::Left(code) => return Ok(code),
        End::Finished(..) => return Err(Error::Language),
    };
    ending::tell(&outcome, secret.as_deref(), json);
    let written = file.map_or(Ok(()), |file| file.write(&ending::json(&outcome)));
    let passed_on = lost.map_or(Ok(()), |error| Err(undelivered(error.into())));
    Ok(written.and(passed_on).map_or_else(|error| untold(&error, outcome.exit), |()| outcome.exit))
}

/// The program ran, and its outcome or output has no room: that is no success, and not "nothing was run".
fn untold(error: &Error, code: u8) -> u8 {
    say(&error.render(crate::errors::colour()));
    if code == exit::DONE { exit::NO } else { code }
}

/// How a session ended for this client.
enum End {
    Outcome(Box<Outcome>),
    /// The operator did not wait for it.
    Left(u8),
    /// What was watched, or run in a session, ended: its exit code, and why.
    Finished(u8, String),
}

struct Session {
    plane: Plane,
    signals: Signals,
    relay: Relay,
    raw: Option<RawMode>,
    /// The terminal's mode, where the program has the terminal itself.
    lent: Option<Kept>,
    /// We told the program to stop: its word that it did is no news.
    stopping: bool,
    pty: Option<Rc<OwnedFd>>,
    started: bool,
    interrupted: Option<Instant>,
    hung_up: bool,
    /// What is typed comes from a terminal.
    terminal: bool,
    json: bool,
    /// What begins when the program has: none was there.
    daemon: Option<PathBuf>,
    /// It goes on without us, and is watched.
    watch: Option<Watch>,
    /// What it shows before anything is carried.
    screen: Vec<u8>,
}

impl Session {
    fn new(plane: Plane, signals: Signals, json: bool) -> Self {
        let relay = Relay::default();
        let (raw, lent, pty, interrupted) = (None, None, None, None);
        let (stopping, started, hung_up) = (false, false, false);
        let (watch, screen, daemon) = (None, Vec::new(), None);
        Self {
            plane,
            signals,
            relay,
            raw,
            lent,
            stopping,
            pty,
            started,
            interrupted,
            hung_up,
            terminal: false,
            json,
            daemon,
            watch,
            screen,
        }
    }

    /// Until the last word, the loss of the plane, or the operator's leave.
    fn hold(&mut self) -> Result<End, Error> {
        loop {
            while let Some(reply) = self.plane.known() {
                if let Some(end) = self.hear(reply)? {
                    self.drain();
                    return Ok(end);
                }
            }
            if self.plane.ended() {
                self.drain();
                return if self.hung_up { Ok(left(consts::SIGHUP)) } else { Err(self.plane.lost(self.started)) };
            }
            if let Some(end) = self.turn()? {
                return Ok(end);
            }
        }
    }

    fn turn(&mut self) -> Result<Option<End>, Error> {
        let patience = self.hung_up.then_some(&FAREWELL);
        let events = self.relay.turn(&mut self.signals, self.plane.as_fd(), patience).map_err(relaying)?;
        let Some(events) = events else { return Ok(Some(left(consts::SIGHUP))) };
        for line in self.relay.typed() {
            self.plane.order(Order::Typed { line: line.into() });
        }
        for event in events {
            match event {
                Event::Control => self.plane.receive()?,
                Event::Leave => return Ok(Some(watching::LEFT)),
                Event::HangUp if self.watch.is_some() => return Ok(Some(watching::LEFT)),
                Event::HangUp => self.hang_up(),
                Event::Signal(signal) if self.watch.is_some() && signals::ends(signal) => {
                    return Ok(Some(left(signal)));
                }
                Event::Signal(consts::SIGINT) if self.again() => return Ok(Some(left(consts::SIGINT))),
                Event::Signal(signal) => self.signal(signal),
            }
        }
        Ok(None)
    }

    /// Takes one reply; how it ended is the last.
    fn hear(&mut self, reply: Reply) -> Result<Option<End>, Error> {
        match reply {
            Reply::Notice { text } => self.notice(&text),
            Reply::Stdio { streams } => self.connect(streams)?,
            Reply::Started { .. } => {
                self.started = true;
                if let Some(beside) = self.daemon.take() {
                    begin_daemon(&beside);
                }
            }
            Reply::Stopped { .. } => self.stop(),
            Reply::Ended(outcome) => return Ok(Some(End::Outcome(outcome))),
            Reply::Finished { exit, reason } => return Ok(Some(End::Finished(exit, reason))),
            Reply::LogEnd => return Ok(Some(watching::LEFT)),
            Reply::Screen { bytes } => self.screen.extend(bytes),
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            _ => return Err(Error::Language),
        }
        Ok(None)
    }

    fn connect(&mut self, streams: [Stream; 3]) -> Result<(), Error> {
        if let Some(watch) = self.watch {
            return self.connect_watch(watch);
        }
        let connected = streams::connect(streams, self.plane.descriptors())?;
        if streams[0] == Stream::Terminal {
            self.raw = RawMode::enter(rustix::stdio::stdin()).map_err(terminal)?;
        }
        self.pty = connected.pty;
        self.relay = Relay::new(connected.flows);
        self.resize();
        Ok(())
    }

    /// One stream, both ways, behind what the program shows by now.
    fn connect_watch(&mut self, watch: Watch) -> Result<(), Error> {
        let came = self.plane.descriptors();
        if watch == Watch::Types {
            self.raw = RawMode::enter(rustix::stdio::stdin()).map_err(terminal)?;
        }
        let flows = streams::watch(came, std::mem::take(&mut self.screen), watch == Watch::Types)?;
        self.relay = Relay::new(flows);
        self.started = true;
        Ok(())
    }

    /// The program gets our streams themselves, and nothing is relayed.
    fn lend(&mut self) -> Result<(), Error> {
        self.lent = Kept::of(rustix::stdio::stdin()).map_err(terminal)?;
        Ok(())
    }

    fn signal(&mut self, signal: i32) {
        match signal {
            consts::SIGWINCH => self.resize(),
            // The program is not stopped with who watches it.
            consts::SIGTSTP if self.watch.is_some() => self.suspend(),
            consts::SIGTSTP => {
                self.order(signal);
                self.stopping = self.started;
                self.suspend();
            }
            consts::SIGCONT => self.go_on(),
            consts::SIGHUP if self.terminal && !rustix::termios::isatty(rustix::stdio::stdin()) => {
                // It went before anything was relayed, which would have told. The program need not care for the signal.
                self.order(signal);
                self.hang_up();
            }
            _ => self.order(signal),
        }
    }

    /// The program was stopped: on a terminal so are we, with all that the shell started beside us.
    fn stop(&mut self) {
        if std::mem::take(&mut self.stopping) {
            // We may have gone on meanwhile.
            return self.order(consts::SIGCONT);
        }
        if self.raw.is_none() && self.lent.is_none() {
            return;
        }
        let _ = rustix::process::kill_current_process_group(Signal::TSTP);
        self.signals.forget(consts::SIGTSTP);
        self.suspend();
    }

    /// Stops here, with the terminal as the operator had it; the next line is reached by SIGCONT.
    fn suspend(&mut self) {
        if let Some(raw) = &self.raw {
            let _ = raw.restore();
            clear_screens();
        }
        // A stop signal that is not caught; where no shell could ever send the other, the kernel does not stop us and
        // the program goes on at once.
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TTOU);
        self.signals.forget(consts::SIGCONT);
        self.go_on();
    }

    fn go_on(&mut self) {
        if self.raw.as_ref().map(RawMode::again).is_some() {
            self.resize();
        }
        if self.watch.is_none() {
            self.order(consts::SIGCONT);
        }
    }

    fn resize(&mut self) {
        if self.watch == Some(Watch::Types)
            && let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin())
        {
            return self.plane.order(Order::Size(Terminal { rows: size.ws_row, columns: size.ws_col }));
        }
        let Some(pty) = &self.pty else { return };
        let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        if let Some(terminal) = ours.into_iter().find(|one| rustix::termios::isatty(one)) {
            // A pty whose cell just ended takes no size and needs none.
            let _ = copy_size(terminal, pty);
        }
    }

    fn hang_up(&mut self) {
        self.hung_up = true;
        self.plane.hang_up();
    }

    /// Whether this ^C is the second in a short time, and nothing runs yet that could handle it.
    fn again(&mut self) -> bool {
        let before = self.interrupted.replace(Instant::now());
        !self.started && before.is_some_and(|before| before.elapsed() < IMPATIENCE)
    }

    fn order(&mut self, signal: i32) {
        if let Ok(number) = u8::try_from(signal) {
            self.plane.order(Order::Signal { number });
        }
    }

    fn drain(&mut self) {
        // What cannot be passed on any more has no reader.
        let _ = self.relay.drain(&mut self.signals);
    }

    fn notice(&self, text: &str) {
        if !self.json {
            let end = if self.raw.is_some() { "\r\n" } else { "\n" };
            say(&format!("bastide: {}{end}", words::line(text, 1000)));
        }
    }

    /// The terminal as the operator had it.
    fn put_back(&mut self) {
        self.relay = Relay::default();
        drop(self.raw.take());
        let lent = self.lent.take().is_some();
        if self.pty.take().is_some() || lent {
            clear_screens();
        }
    }
}

fn left(signal: i32) -> End {
    End::Left(exit::by_signal(u8::try_from(signal).unwrap_or(0)))
}

fn terminal(cause: std::io::Error) -> Error {
    Error::Host { what: "use the terminal", cause }
}

fn undelivered(cause: std::io::Error) -> Error {
    Error::Host { what: "write the program's output", cause }
}

fn relaying(cause: std::io::Error) -> Error {
    Error::Host { what: "carry the program's input and output", cause }
}

fn clear_screens() {
    // Standard streams mostly are the same terminal: one reset is enough.
    let ours = [rustix::stdio::stdout(), rustix::stdio::stderr()];
    if let Some(terminal) = ours.into_iter().find(|one| rustix::termios::isatty(one)) {
        let _ = mode::reset(terminal);
    }
}

/// Writes to stderr; when that is closed nobody is left to tell.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
