//! `approve`: the questions that wait, one after the other at a terminal, and an answer to one by its id.

use crate::args::Approve;
use crate::errors::Error;
use crate::exit;
use crate::plane::Plane;
use crate::show::card;
use crate::terminal::mode::RawMode;
use crate::verbs::{Read, print};
use crate::words;
use rustix::termios::{QueueSelector, tcflush};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Read as _, Write};
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
    /// One card.
    Card(String),
    /// Cards one after the other.
    InTurn,
}

/// Tells what `approve` is to do; a terminal on both sides is asked.
pub(crate) fn asked(approve: Approve, json: bool) -> Asked {
    let say = say(&approve);
    match (approve.question, say) {
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

/// Shows one card.
pub(crate) fn one(question: &str, json: bool) -> Result<u8, Error> {
    let found: Vec<Card> = waiting()?.into_iter().filter(|card| card.id.starts_with(question)).collect();
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
        if print(&format!("{}{}", card::one(card), card::keys(card)))? == Read::Left {
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
    let raw = RawMode::enter(stdin.as_fd()).map_err(failed)?;
    std::thread::sleep(PAUSE);
    let _ = tcflush(&stdin, QueueSelector::IFlush);
    let chosen = loop {
        let mut byte = [0];
        if stdin.lock().read(&mut byte).map_err(failed)? == 0 {
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
    let mut plane = Plane::ask(&Request::Answer { question: card.id.clone(), say })?;
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
