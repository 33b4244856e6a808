//! `watch`: the operator's screen. What is a state machine ([`screen`]) stands apart from what reads keys and asks planes,
//! which is here. It sleeps until a key, news or a second passes.

mod asked;
mod draw;
mod hand;
mod keys;
mod list;
mod model;
mod screen;
mod timeline;

#[cfg(test)]
mod draw_tests;
#[cfg(test)]
pub(crate) mod scene;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratatui_core::terminal::Terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::termios::{QueueSelector, tcflush};
use signal_hook::consts;

use crate::errors::Error;
use crate::exit;
use crate::terminal::alternate::Alternate;
use crate::terminal::cells::Cells;
use crate::terminal::mode;
use crate::terminal::signals::{Signals, ends, ignored};
use asked::{Asked, Came, words_of};
use draw::{Paint, draw};
use hand::Effect;
use keys::Keys;
use model::Now;
use screen::Screen;

/// How long an escape waits for what may follow it.
const ESCAPE: Duration = Duration::from_millis(50);
/// Nothing is drawn more often.
const FRAME: Duration = Duration::from_millis(40);
/// Ages change.
const SECOND: Duration = Duration::from_secs(1);
/// How long it takes until a plane that was lost is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// Shows all sessions until it is left.
///
/// # Errors
/// Where there is no terminal, or no plane can be asked.
pub(crate) fn watch(read_only: bool, json: bool) -> Result<u8, Error> {
    if json {
        let hint =
            "`bastide log --follow --json` prints a session's events, `bastide ls --json` the sessions".to_owned();
        return Err(Error::Usage { cause: "`watch` is a screen, and prints no JSON".to_owned(), hint, run: false });
    }
    let host = |cause| Error::Host { what: "use the terminal", cause };
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    if !mode::is_drawn_on() || !rustix::termios::isatty(input) || !rustix::termios::isatty(output) {
        return Err(Error::NoTerminal);
    }
    // Caught before the screen is taken: none ends us without giving it back.
    let signals = Signals::watch(&ignored()).map_err(host)?;
    let alternate = Alternate::enter(input, output).map_err(host)?.ok_or(Error::NoTerminal)?;
    let cells = Cells::of(output.try_clone_to_owned().map_err(host)?);
    let mut terminal = Terminal::new(cells).map_err(host)?;
    let size = terminal.size().map_err(host)?;
    let mut watching = Watching {
        screen: Screen::new(read_only, (size.width, size.height)),
        asked: Asked::default(),
        signals,
        alternate,
        keys: Keys::default(),
        paint: Paint { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) },
        began: Instant::now(),
        again: Instant::now(),
    };
    match watching.run(&mut terminal) {
        Ok(code) => Ok(code),
        // A terminal that hung up.
        Err(cause) if cause.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(exit::by_signal(HANG_UP)),
        Err(cause) => Err(host(cause)),
    }
}

const HANG_UP: u8 = 1;

/// What reads, asks and draws.
struct Watching {
    screen: Screen,
    asked: Asked,
    signals: Signals,
    alternate: Alternate,
    keys: Keys,
    paint: Paint,
    began: Instant,
    /// When a plane may be asked again that was lost.
    again: Instant,
}

/// What woke us.
#[derive(Debug, Default)]
struct Ready {
    keys: bool,
    gone: bool,
    signals: bool,
    planes: Vec<usize>,
}

impl Watching {
    fn run(&mut self, terminal: &mut Terminal<Cells>) -> io::Result<u8> {
        let (mut second, mut frame, mut changed) = (Instant::now(), Instant::now(), true);
        loop {
            let now = Instant::now();
            if now >= second {
                second = now + SECOND;
                changed = true;
                self.asked.gather();
                self.keep_asking();
            }
            if changed && now >= frame {
                self.draw(terminal)?;
                (changed, frame) = (false, Instant::now() + FRAME);
            }
            let due = if changed { frame.min(second) } else { second };
            let ready = self.wait(due)?;
            if ready.gone {
                return Ok(exit::by_signal(HANG_UP));
            }
            let mut pressed = Vec::new();
            if ready.keys {
                let mut bytes = [0; 1024];
                match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
                    Ok(0) => return Ok(exit::by_signal(HANG_UP)),
                    Ok(read) => pressed = self.keys.push(&bytes[..read]),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
            } else if self.keys.waits() {
                pressed.extend(self.keys.settle());
            }
            changed |= !pressed.is_empty() || !ready.planes.is_empty();
            for effect in self.screen.keys(&pressed, self.now()) {
                if let Effect::Quit = effect {
                    return Ok(exit::DONE);
                }
                self.carry_out(effect, terminal)?;
            }
            for came in self.asked.hear(&ready.planes) {
                self.take(came);
            }
            if ready.signals {
                for signal in self.signals.take() {
                    if let Some(code) = self.signalled(signal, terminal)? {
                        return Ok(code);
                    }
                    changed = true;
                }
            }
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let ticks = self.began.elapsed().as_millis();
        let short = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        Now { wall: short(wall), ticks: short(ticks) }
    }

    fn draw(&mut self, terminal: &mut Terminal<Cells>) -> io::Result<()> {
        let (now, paint) = (self.now(), self.paint);
        terminal.draw(|frame| draw(&mut self.screen, frame.buffer_mut(), now, paint))?;
        if self.screen.drawn(self.now()) {
            // What was typed before it stood there was not meant for it.
            let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
        }
        Ok(())
    }

    fn wait(&self, due: Instant) -> io::Result<Ready> {
        let input = rustix::stdio::stdin();
        let mut wanted = vec![
            PollFd::from_borrowed_fd(input, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        wanted.extend(self.asked.sockets().into_iter().map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
        let left = due.saturating_duration_since(Instant::now());
        let left = if self.keys.waits() { left.min(ESCAPE) } else { left };
        match poll(&mut wanted, Timespec::try_from(left).ok().as_ref()) {
            Ok(_) => {}
            // The signal lies on its socket by now.
            Err(Errno::INTR) => return Ok(Ready { signals: true, ..Ready::default() }),
            Err(error) => return Err(error.into()),
        }
        let woke: Vec<PollFlags> = wanted.iter().map(PollFd::revents).collect();
        let gone = woke[0].intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
        let planes = (0..woke.len() - 2).filter(|at| !woke[at + 2].is_empty()).collect();
        Ok(Ready { keys: woke[0].contains(PollFlags::IN), gone, signals: !woke[1].is_empty(), planes })
    }

    /// Asks how sessions stand, where nobody tells any more.
    fn keep_asking(&mut self) {
        if self.asked.watches() || Instant::now() < self.again {
            return;
        }
        self.again = Instant::now() + AGAIN;
        self.screen.model.forget();
        if let Err(error) = self.asked.watch() {
            self.screen.say(&words_of(&error));
        }
    }

    fn take(&mut self, came: Came) {
        match came {
            Came::News(news) => self.screen.news(news, self.now()),
            Came::Event(line) => self.screen.event(line),
            Came::RecordEnd => self.screen.timeline.over = true,
            Came::Page(epoch, page) => self.screen.page(epoch, page),
            Came::Said(text) => self.screen.say(&text),
            Came::Lost(why) => {
                self.screen.model.whole = false;
                self.screen.say(&why);
                self.again = Instant::now() + AGAIN;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, terminal: &mut Terminal<Cells>) -> io::Result<()> {
        let epoch = self.screen.epoch;
        let asked = match effect {
            Effect::Look(look) => self.asked.look(look, epoch),
            Effect::Follow(session) => self.asked.follow(&session),
            Effect::Act(act) => self.asked.act(&act),
            Effect::Copy(id) => {
                terminal.backend_mut().copy(&id);
                Ok(())
            }
            Effect::Suspend => {
                self.suspend(terminal)?;
                Ok(())
            }
            Effect::Redraw => return terminal.clear(),
            Effect::Quit => Ok(()),
        };
        if let Err(error) = asked {
            self.screen.say(&words_of(&error));
        }
        Ok(())
    }

    fn signalled(&mut self, signal: i32, terminal: &mut Terminal<Cells>) -> io::Result<Option<u8>> {
        match signal {
            consts::SIGTSTP => self.suspend(terminal)?,
            consts::SIGCONT => {
                self.alternate.again()?;
                terminal.clear()?;
            }
            signal if ends(signal) => return Ok(Some(exit::by_signal(u8::try_from(signal).unwrap_or(0)))),
            _ => {}
        }
        Ok(None)
    }

    /// Stops here, with the terminal as the operator had it.
    fn suspend(&mut self, terminal: &mut Terminal<Cells>) -> io::Result<()> {
        self.alternate.leave()?;
        // A stop signal that is not caught; where no shell could ever send the other, the kernel does not stop us.
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TTOU);
        self.signals.forget(consts::SIGCONT);
        self.alternate.again()?;
        terminal.clear()
    }
}
