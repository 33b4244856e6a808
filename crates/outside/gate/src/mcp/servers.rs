//! What a session knows of servers that speak MCP: how they described what they offer when that was first seen, and what
//! they still wait for.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;

use policy::Host;
use policy::mcp::{Grant, Id, Kind};
use record::EventId;
use sense::meaning::Hints;
use sha2::{Digest, Sha256};

use crate::asked::Asked;

/// Things whose descriptions are remembered.
const PINS: usize = 4096;
/// Descriptions that are recorded: one that changes is told each time.
const TOLD: usize = 16_384;
/// Questions of servers that programs may still answer, and answers that may still come.
const OPEN: usize = 1024;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    host: Host,
    port: u16,
    path: String,
}

impl Place {
    pub(crate) fn of(asked: &Asked) -> Place {
        let path = asked.asks.as_deref().map_or("", |asks| asks.request.path()).to_owned();
        Place { host: asked.host.clone(), port: asked.port, path }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}{}", self.host, self.port, self.path)
    }
}

/// What a question is known by.
#[derive(Debug)]
pub(crate) enum Question {
    /// One of the server's own messages.
    Message(Id),
    /// What an answer wanted before it goes on.
    Input(String),
}

/// What comes of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Same,
    /// It was another one, told by this event.
    Changed(Option<EventId>),
    /// There is no room to remember it.
    Full,
}

/// What stands for a place and something there. Whoever names it may do so at any length, and of this there is a bound.
type Key = [u8; 32];

type Pins = HashMap<Key, ([u8; 32], Option<EventId>)>;

/// One session's servers.
#[derive(Debug, Default)]
pub struct Servers {
    pins: RefCell<Pins>,
    told: Cell<usize>,
    /// What is said of tools by their names, wherever they are.
    hints: RefCell<HashMap<Key, Hints>>,
    questions: RefCell<HashMap<Key, Option<Grant>>>,
    unanswered: RefCell<HashSet<Key>>,
}

/// A text is quoted by how it is written here, so that no two things have one.
fn key(place: &Place, what: impl fmt::Debug) -> Key {
    Sha256::digest(format!("{:?}", (place, what))).into()
}

fn of_question(place: &Place, question: &Question) -> Key {
    match question {
        Question::Message(id) => key(place, ("message", id)),
        Question::Input(name) => key(place, ("input", name)),
    }
}

fn of_tool(name: &str) -> Key {
    Sha256::digest(name).into()
}

impl Servers {
    /// What a description is to the first one.
    pub(crate) fn look(&self, place: &Place, kind: Kind, name: &str, digest: [u8; 32]) -> Seen {
        let pins = self.pins.borrow();
        match pins.get(&key(place, (kind, name))) {
            Some((first, _)) if *first == digest => Seen::Same,
            _ if self.told.get() >= TOLD => Seen::Full,
            Some((_, event)) => Seen::Changed(*event),
            None if pins.len() >= PINS => Seen::Full,
            None => Seen::First,
        }
    }

    /// Remembers a description, told by this event.
    pub(crate) fn pin(&self, place: &Place, kind: Kind, name: &str, (digest, event): ([u8; 32], EventId)) {
        self.told.set(self.told.get() + 1);
        self.pins.borrow_mut().insert(key(place, (kind, name)), (digest, Some(event)));
    }

    /// Remembers what a server says of what a tool does: never less than was said before.
    pub(crate) fn hint(&self, tool: &str, said: Hints) {
        let (tool, mut hints) = (of_tool(tool), self.hints.borrow_mut());
        if hints.len() < PINS || hints.contains_key(&tool) {
            hints.entry(tool).and_modify(|known| *known = known.and(said)).or_insert(said);
        }
    }

    /// What is said of a tool, by the name that a model knows it by: `search`, or `mcp__notes__search`.
    pub(crate) fn hinted(&self, called: &str) -> Hints {
        let own = called.rsplit("__").next().unwrap_or(called);
        let hints = self.hints.borrow();
        let known = |name: &str| hints.get(&of_tool(name)).copied().unwrap_or_default();
        if own == called { known(called) } else { known(called).and(known(own)) }
    }

    /// Whether a server said what a tool is for; where more were told of than are known, one may have.
    pub(crate) fn describe(&self, called: &str) -> bool {
        let own = called.rsplit("__").next().unwrap_or(called);
        let hints = self.hints.borrow();
        hints.len() >= PINS || [called, own].iter().any(|name| hints.contains_key(&of_tool(name)))
    }

    /// A question goes on to the program, by what is granted; not where too many do.
    pub(crate) fn ask(&self, place: &Place, question: Question, by: Option<Grant>) -> bool {
        let mut questions = self.questions.borrow_mut();
        let fits = questions.len() < OPEN;
        if fits {
            questions.insert(of_question(place, &question), by);
        }
        fits
    }

    /// By what a program was asked this, if it was; it is then answered.
    pub(crate) fn answer(&self, place: &Place, question: Question) -> Option<Option<Grant>> {
        self.questions.borrow_mut().remove(&of_question(place, &question))
    }

    /// An answer broke off: it may be gone on with.
    pub(crate) fn leave(&self, place: &Place, id: &Id) {
        let mut unanswered = self.unanswered.borrow_mut();
        if unanswered.len() < OPEN {
            unanswered.insert(key(place, id));
        }
    }

    /// Whether an answer is still waited for; it then is no more.
    pub(crate) fn resume(&self, place: &Place, id: &Id) -> bool {
        self.unanswered.borrow_mut().remove(&key(place, id))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use record::Segment;

    fn place(path: &str) -> Place {
        Place { host: Host::parse("a.example").unwrap(), port: 443, path: path.into() }
    }

    #[test]
    fn a_description_is_pinned_at_one_place_and_no_more_than_fit() {
        let (servers, event) = (Servers::default(), EventId { segment: Segment::Gate, seq: 7 });
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [1; 32]), Seen::First);
        servers.pin(&place("/a"), Kind::Tool, "x", ([1; 32], event));
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [1; 32]), Seen::Same);
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [2; 32]), Seen::Changed(Some(event)));
        assert_eq!(servers.look(&place("/b"), Kind::Tool, "x", [2; 32]), Seen::First);
        assert_eq!(servers.look(&place("/a"), Kind::Prompt, "x", [2; 32]), Seen::First);
        (0..PINS).for_each(|at| servers.pin(&place("/a"), Kind::Tool, &at.to_string(), ([1; 32], event)));
        assert_eq!(servers.look(&place("/b"), Kind::Tool, "x", [2; 32]), Seen::Full);
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [1; 32]), Seen::Same);
        let servers = Servers::default();
        (0..TOLD).for_each(|_| servers.pin(&place("/a"), Kind::Tool, "x", ([1; 32], event)));
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [2; 32]), Seen::Full);
        assert_eq!(servers.look(&place("/a"), Kind::Tool, "x", [1; 32]), Seen::Same);
    }

    #[test]
    fn what_is_said_of_a_tool_only_makes_more_of_it() {
        let servers = Servers::default();
        let reads = Hints { reads: Some(true), ..Hints::default() };
        let destroys = Hints { reads: Some(false), destroys: Some(true), ..Hints::default() };
        servers.hint("search", reads);
        assert_eq!(servers.hinted("search"), reads);
        assert_eq!(servers.hinted("mcp__notes__search"), reads);
        servers.hint("search", destroys);
        servers.hint("search", reads);
        assert_eq!(servers.hinted("mcp__notes__search"), destroys);
        assert_eq!(servers.hinted("find"), Hints::default());
        assert!(servers.describe("search") && servers.describe("mcp__notes__search") && !servers.describe("find"));
        for n in 0..2 * PINS {
            servers.hint(&n.to_string(), reads);
        }
        assert_eq!(servers.hints.borrow().len(), PINS);
        assert!(servers.describe("find"));
    }

    #[test]
    fn a_question_is_answered_once_and_where_it_was_asked() {
        let servers = Servers::default();
        let question = || Question::Message(Id::Number(1));
        assert_eq!(servers.answer(&place("/a"), question()), None);
        assert!(servers.ask(&place("/a"), question(), Some(Grant::Roots)));
        assert_eq!(servers.answer(&place("/b"), question()), None);
        assert_eq!(servers.answer(&place("/a"), Question::Input("1".into())), None);
        assert_eq!(servers.answer(&place("/a"), question()), Some(Some(Grant::Roots)));
        assert_eq!(servers.answer(&place("/a"), question()), None);
        let filled = (0..OPEN).filter(|at| servers.ask(&place("/a"), Question::Input(at.to_string()), None)).count();
        assert_eq!(filled, OPEN);
        assert!(!servers.ask(&place("/a"), question(), None));
        servers.leave(&place("/a"), &Id::Number(3));
        assert!(servers.resume(&place("/a"), &Id::Number(3)) && !servers.resume(&place("/a"), &Id::Number(3)));
    }
}
