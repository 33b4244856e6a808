//! `approve`: the questions that wait, one after the other at a terminal, and an answer to one by its id.

use crate::args::Approve;
use crate::errors::Error;
use crate::exit;
use crate::plane::Plane;
use crate::show::card;
use crate::terminal::mode::RawMode;
use crate::terminal::signals::{self, Signals};
use crate::verbs::{Read, print};
use crate::words;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;
use wire::command::{Reply, Request};
use wire::question::{Card, Say};

/// How long a card stands before a key counts: what was typed before it was there was not meant for it.
const PAUSE: Duration = Duration::from_millis(300);
const END: u8 = 4;
const INTERRUPT: u8 = 3;

/// What the command line asks for.
pub(crate) enum Asked {
    /// One request and its answer.
    Once(Box<Request>),
    /// The same of a call: of another question it would mean what was not asked for.
    OfCall(String, Say),
    /// One card.
    Card(String),
    /// Cards one after the other.
    InTurn,
}

/// Tells what `approve` is to do; a terminal on both sides is asked.
pub(crate) fn asked(approve: Approve, json: bool) -> Asked {
    let say = say(&approve);
    match (approve.question, say) {
        (Some(question), Some(say)) if approve.value || approve.source => Asked::OfCall(question, say),
        (Some(question), Some(say)) => Asked::Once(Box::new(Request::Answer { question, say })),
        (Some(question), None) => Asked::Card(question),
        (None, _) if !json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => Asked::InTurn,
        (None, _) => Asked::Once(Box::new(Request::Questions)),
    }
}

fn say(approve: &Approve) -> Option<Say> {
    let seconds = approve.lasts.map(|time| time.as_secs());
    match approve {
        Approve { once: true, .. } => Some(Say::Once),
        Approve { always: true, .. } => Some(Say::Always),
        Approve { deny: true, .. } => Some(Say::Deny),
        Approve { value: true, .. } => Some(Say::Session { seconds: None, wide: false }),
        Approve { source: true, .. } => Some(Say::Session { seconds: None, wide: true }),
        Approve { session: true, wide, .. } | Approve { lasts: Some(_), wide, .. } => {
            Some(Say::Session { seconds, wide: *wide })
        }
        _ => None,
    }
}

/// The request that answers a question about a call. What else a question is of, it never becomes that: it would be
/// another.
///
/// # Errors
/// When it is about a connection or a request.
pub(crate) fn of_call(question: String, say: Say) -> Result<Request, Error> {
    let cards = waiting()?;
    let mut found = cards.iter().filter(|card| card.id.starts_with(&question));
    // Where there is none, or more than one, the plane says so.
    if let (Some(card), None) = (found.next(), found.next())
        && card.call.is_none()
    {
        let id = words::line(card.short(), 16);
        return Err(Error::Usage {
            cause: format!("question {id} is about a connection or a request: `--value` and `--source` are of a call"),
            hint: format!(
                "`bastide approve {id}` shows it; `--once`, `--session`, `--for`, `--always` or `--deny` answers"
            ),
            run: false,
        });
    }
    Ok(Request::Answer { question, say })
}

/// Shows one card.
pub(crate) fn one(question: &str, json: bool) -> Result<u8, Error> {
    let found: Vec<Card> = waiting()?.into_iter().filter(|card| card.is(question)).collect();
    let text = if json {
        words::json(&serde_json::to_string_pretty(&found).unwrap_or_default()) + "\n"
    } else {
        card::all(&found)
    };
    print(&text)?;
    Ok(if found.is_empty() { exit::NO } else { exit::DONE })
}

/// Shows what waits, a card at a time, and takes a key for each; ends when each was shown.
pub(crate) fn in_turn() -> Result<u8, Error> {
    let mut shown = BTreeSet::new();
    loop {
        let cards = waiting()?;
        let Some(card) = cards.iter().find(|card| !shown.contains(&card.id)) else {
            print(if shown.is_empty() { "nothing waits for an answer\n" } else { "that was all\n" })?;
            return Ok(exit::DONE);
        };
        shown.insert(card.id.clone());
        let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
        let width = if width == 0 { card::WIDTH } else { width };
        if print(&format!("{}{}", card::one(card, width), card::keys(card, width)))? == Read::Left {
            return Ok(exit::DONE);
        }
        match key(card)? {
            Key::Say(say) => answer(card, say)?,
            Key::Next => print("left open\n").map(drop)?,
            Key::Quit => {
                print("\n")?;
                return Ok(exit::DONE);
            }
        }
    }
}

/// What a key means.
enum Key {
    Say(Say),
    Next,
    Quit,
}

fn key(card: &Card) -> Result<Key, Error> {
    let failed = |cause| Error::Answer { cause };
    let stdin = std::io::stdin();
    // A signal that would end us gives the terminal back first.
    let mut signals = Signals::watch(&signals::ignored()).map_err(failed)?;
    let raw = RawMode::enter(stdin.as_fd()).map_err(failed)?;
    std::thread::sleep(PAUSE);
    let _ = tcflush(&stdin, QueueSelector::IFlush);
    let chosen = loop {
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        match poll(&mut wanted, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let typed = !wanted[0].revents().is_empty();
        if let Some(signal) = signals.take().into_iter().find(|signal| signals::ends(*signal)) {
            return Err(Error::Interrupted { signal: u8::try_from(signal).unwrap_or_default() });
        }
        if !typed {
            continue;
        }
        let mut byte = [0];
        if rustix::io::read(&stdin, &mut byte[..]).map_err(|error| failed(error.into()))? == 0 {
            break Key::Quit;
        }
        let say = match byte[0].to_ascii_lowercase() {
            b'q' | END | INTERRUPT => break Key::Quit,
            b'n' => break Key::Next,
            letter => card::KEYS.iter().find(|(key, _)| *key == letter).map(|(_, say)| *say),
        };
        // A key that this card does not offer does nothing.
        if let Some(say) = say.filter(|say| card.offers(*say)) {
            break Key::Say(say);
        }
    };
    drop(raw);
    Ok(chosen)
}

/// A question that changed meanwhile is told of, and comes again as another.
fn answer(card: &Card, say: Say) -> Result<(), Error> {
    let mut plane = Plane::ask(&Request::Answer { question: card.reference(), say })?;
    loop {
        match plane.reply()? {
            Reply::Answered { text, .. } => return print(&words::plain(&text)).map(drop),
            Reply::Refused(problem) => {
                let line = format!("{}: {}\n", problem.code, words::line(&problem.cause, 400));
                return print(&line).map(drop);
            }
            Reply::Notice { .. } => {}
            _ => return Err(Error::Language),
        }
    }
}

fn waiting() -> Result<Vec<Card>, Error> {
    let mut plane = Plane::ask(&Request::Questions)?;
    loop {
        match plane.reply()? {
            Reply::Questions { cards } => return Ok(cards),
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Notice { text } => {
                let _ = writeln!(std::io::stderr(), "bastide: {}", words::line(&text, 1000));
            }
            _ => return Err(Error::Language),
        }
    }
}
