//! The plane's answers as text of 80 columns without colour, or as JSON; and the exit code that each means.
//!
//! Names, arguments and file contents are an agent's words: shown with nothing in them that a terminal obeys.

mod boundary;
pub(crate) mod card;
mod changes;
mod graph;
mod labels;
mod ledger;
mod record;
mod replay;
mod sessions;
mod table;
mod tools;
mod vault;

pub(crate) use sessions::state;
pub(crate) use table::time;

use crate::errors::wrap;
use crate::{exit, words};
use serde::Serialize;
use wire::command::{LogLine, Reply, SegmentCheck, Standing};
use wire::question::{Card, Say};

/// How answers are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Limits decide too.
    pub(crate) limits: bool,
    /// A graph in Graphviz's language.
    pub(crate) dot: bool,
    /// Nothing of a graph is left out.
    pub(crate) all: bool,
}

/// One event in one line.
pub(crate) fn event(line: &LogLine, how: &Shown) -> String {
    if how.json { compact(line) } else { record::line(line) }
}

/// A line of JSON that the plane made.
pub(crate) fn line(text: &str) -> String {
    words::json(text) + "\n"
}

/// What `log verify` answers of one session.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) segments: Vec<SegmentCheck>,
    pub(crate) ledger: Option<Standing>,
}

/// What `approve` answers of one question.
#[derive(Debug, Serialize)]
struct Answered {
    text: String,
    card: Box<Card>,
    say: Say,
}

/// The last reply and what it means; `None` for one that no such verb has.
pub(crate) fn last(reply: Reply, how: &Shown) -> Option<(String, u8)> {
    let json = how.json;
    let answered = match reply {
        Reply::Sessions { sessions } => (either(json, &sessions, |all| sessions::list(all)), exit::DONE),
        Reply::Session(session) => (either(json, &*session, sessions::one), exit::DONE),
        Reply::Controlled(answer) => (either(json, &*answer, |answer| lines(&answer.text)), exit::DONE),
        Reply::Questions { cards } => (either(json, &cards, |cards| card::all(cards)), exit::DONE),
        Reply::Answered { text, card, say } => {
            let answered = Answered { text, card, say };
            (either(json, &answered, |answered| lines(&answered.text)), exit::DONE)
        }
        Reply::Diff(answer) => (either(json, &*answer, changes::diff), exit::DONE),
        Reply::Merged(answer) => {
            let code = if answer.left.is_empty() { exit::DONE } else { exit::NO };
            (either(json, &*answer, changes::merged), code)
        }
        Reply::LogEnd => (String::new(), exit::DONE),
        Reply::Verified { segments, ledger } => {
            // No chain at all proves nothing.
            let broken = segments.is_empty() || segments.iter().any(|segment| segment.broken.is_some());
            let broken = broken || ledger.as_ref().is_some_and(|standing| !standing.faults.is_empty());
            let answer = Verified { segments, ledger };
            (either(json, &answer, record::verified), if broken { exit::NO } else { exit::DONE })
        }
        // What is kept elsewhere is kept byte by byte.
        Reply::Checkpoint(answer) => (either(json, &*answer, |answer| lines(&answer.note)), exit::DONE),
        Reply::Proved(proof) => {
            let code = if proof.faults.is_empty() { exit::DONE } else { exit::NO };
            (either(json, &*proof, ledger::proved), code)
        }
        Reply::Pruned(answer) => {
            let code = if answer.left.is_empty() { exit::DONE } else { exit::NO };
            (either(json, &*answer, ledger::pruned), code)
        }
        Reply::Removed(answer) => {
            let code = if answer.left.is_empty() { exit::DONE } else { exit::NO };
            (either(json, &*answer, sessions::removed), code)
        }
        Reply::Upgrade(answer) => {
            let whole = answer.sessions.iter().all(|session| session.stops.is_empty());
            (either(json, &*answer, sessions::upgrade), if whole { exit::DONE } else { exit::NO })
        }
        Reply::Page { text } => (if json { document(&text) } else { lines(&text) }, exit::DONE),
        Reply::Why(answer) => (either(json, &*answer, record::why), exit::DONE),
        Reply::Labels(answer) => (either(json, &*answer, labels::list), exit::DONE),
        Reply::Tools(answer) => (either(json, &*answer, tools::list), exit::DONE),
        Reply::Replayed(answer) => {
            let code = if answer.differences.is_empty() { exit::DONE } else { exit::DIFFERS };
            (either(json, &*answer, replay::differences), code)
        }
        Reply::Graph(answer) if how.dot => (graph::dot(&answer.graph), exit::DONE),
        Reply::Graph(answer) => (either(json, &*answer, |answer| graph::tree(answer, how.all)), exit::DONE),
        Reply::File(answer) => (either(json, &answer, record::file), exit::DONE),
        Reply::Policy(checked) => {
            let code = if checked.yes { exit::DONE } else { exit::NO };
            (either(json, &checked, |checked| lines(&checked.text)), code)
        }
        Reply::Doctor(answer) => {
            let code = if boundary::holds(&answer, how.limits) { exit::DONE } else { exit::NO };
            (either(json, &*answer, |answer| boundary::doctor(answer, how.limits)), code)
        }
        Reply::Vault { secrets } => (either(json, &secrets, |all| vault::list(all)), exit::DONE),
        Reply::Text { text } => {
            (if json { document(&text) } else { lines(&text).lines().map(wrap).collect() }, exit::DONE)
        }
        _ => return None,
    };
    Some(answered)
}

fn either<T: Serialize>(json: bool, answer: &T, text: impl FnOnce(&T) -> String) -> String {
    if json { document(answer) } else { text(answer) }
}

/// Words of the plane's, with the last line's end.
fn lines(text: &str) -> String {
    let mut shown = words::plain(text);
    if !shown.is_empty() && !shown.ends_with('\n') {
        shown.push('\n');
    }
    shown
}

/// Answers are plain values, which always have a JSON form.
pub(crate) fn document<T: Serialize + ?Sized>(answer: &T) -> String {
    words::json(&serde_json::to_string_pretty(answer).unwrap_or_default()) + "\n"
}

fn compact<T: Serialize>(answer: &T) -> String {
    words::json(&serde_json::to_string(answer).unwrap_or_default()) + "\n"
}
