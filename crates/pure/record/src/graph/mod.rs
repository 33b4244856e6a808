//! What led to what in a session and those below it, as one graph: a node for each event that is a what or a why, an edge for
//! each cause, and how that is known.
//!
//! An edge is *observed* where the record names it, or ids do: a question and its answer, a sub-agent and who asked for it. It is
//! *inferred* by time, by a process's number, or by a name. Nothing may rest on an inferred one.

mod class;
mod link;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

pub use class::Class;
use link::Links;

use crate::event::{EventId, Kind, Known, Verdict};
use crate::read::Entry;
use crate::why::describe;

/// Bytes of all words and names of a graph: it goes out in one frame.
const ROOM: usize = 5 << 20;
/// Bytes of an edge, and of a node's fields, beside its words and names.
const EACH: usize = 96;
/// Characters of one node's words.
const WORDS: usize = 400;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What edges call it: `SESSION/EVENT`.
    pub node: String,
    /// The session.
    pub session: String,
    /// The event.
    pub id: EventId,
    /// Microseconds since the Unix epoch, by its writer's clock.
    pub at: u64,
    /// What kind of thing it is.
    pub class: Class,
    /// What it was, in one line: others' words are quoted in it.
    pub what: String,
    /// What was decided, where something was.
    pub verdict: Option<Verdict>,
    /// The rule that decided.
    pub rule: Option<String>,
}

/// One event led to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The earlier one.
    pub from: String,
    /// The later one.
    pub to: String,
    /// How that is known.
    pub known: Known,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// In the order in which they were read: by session, and within one by time.
    pub nodes: Vec<Node>,
    /// By the later of their events.
    pub edges: Vec<Edge>,
    /// Events that have no node since there are too many.
    pub left: u64,
}

/// Makes a graph of the events of one session after another, a parent before its children.
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    most: usize,
    room: usize,
    known: HashSet<String>,
    links: Links,
    /// The session that is read.
    session: String,
    /// Which event of which session asked for a session.
    begun: BTreeMap<String, String>,
}

impl Builder {
    /// Of so many nodes.
    #[must_use]
    pub fn new(most: usize) -> Builder {
        let (known, links, begun) = (HashSet::new(), Links::default(), BTreeMap::new());
        Builder { graph: Graph::default(), most, room: ROOM, known, links, session: String::new(), begun }
    }

    /// The events that follow are this session's.
    pub fn session(&mut self, id: &str) {
        self.session = id.to_owned();
        self.links = Links::default();
    }

    /// Takes the next event.
    pub fn take(&mut self, entry: &Entry) {
        let Entry { id, event } = entry;
        let from = self.links.of(*id, event);
        if let Kind::ChildBegan { session, .. } | Kind::ServerBegan { session, .. } = &event.kind {
            self.begun.insert(session.clone(), self.named(*id));
        }
        let Some(class) = Class::of(&event.kind) else { return };
        let node = self.named(*id);
        let (verdict, rule) = decided(&event.kind);
        let (what, rule) = (bounded(&describe(&event.kind)), rule.map(|rule| bounded(&crate::redact::visible(rule))));
        let size = 3 * node.len() + 2 * what.len() + rule.as_ref().map_or(0, |rule| 2 * rule.len()) + EACH;
        let room = self.room.checked_sub(size).filter(|_| self.graph.nodes.len() < self.most);
        let Some(room) = room else { return self.graph.left += 1 };
        if !self.known.insert(node.clone()) {
            return;
        }
        self.room = room;
        self.graph.nodes.push(Node {
            node: node.clone(),
            session: self.session.clone(),
            id: *id,
            at: event.at,
            class,
            what,
            verdict,
            rule,
        });
        let mut told = HashSet::new();
        let named: Vec<(String, Known)> = from.into_iter().map(|(id, known)| (self.named(id), known)).collect();
        let above = match class {
            Class::Session => self.begun.get(&self.session).cloned().map(|of| (of, Known::Observed)),
            _ => None,
        };
        for (from, known) in named.into_iter().chain(above) {
            // What is not there, what comes later by its own account, and itself lead nowhere.
            if from != node && self.known.contains(&from) && told.insert(from.clone()) {
                self.room = self.room.saturating_sub(from.len() + node.len() + EACH);
                self.graph.edges.push(Edge { from, to: node.clone(), known });
            }
        }
    }

    fn named(&self, id: EventId) -> String {
        format!("{}/{id}", self.session)
    }

    /// What was made.
    #[must_use]
    pub fn finish(self) -> Graph {
        self.graph
    }
}

fn decided(kind: &Kind) -> (Option<Verdict>, Option<&str>) {
    match kind {
        Kind::Connect { verdict, rule, .. }
        | Kind::Request { verdict, rule, .. }
        | Kind::Mcp { verdict, rule, .. }
        | Kind::Model { verdict, rule, .. }
        | Kind::Petition { verdict, rule, .. } => (Some(*verdict), rule.as_deref()),
        Kind::Resolve { verdict, .. } | Kind::PetitionAnswered { verdict, .. } => (Some(*verdict), None),
        Kind::FileRefused { path: Some(_), .. } => (Some(Verdict::Refused), None),
        _ => (None, None),
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
