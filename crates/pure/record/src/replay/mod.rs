//! The decisions of a record, made again: by the policies that were in force, or by others.
//!
//! What the record does not hold enough of is counted by why, never passed over; so is what no policy decided. Nothing is read
//! but events: whoever calls brings the policies. A record is read twice, since an answer of the operator's may stand after
//! what it let through where a clock was set.

mod asked;
mod judge;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use policy::Conjunction;
use serde::{Deserialize, Serialize};

use crate::event::{Event, EventId, Kind, Segment, Verdict};
use crate::read::Entry;

/// Events that are remembered as what others belong to.
const MANY: usize = 4096;
/// Answers of the operator's that are remembered.
const ANSWERS: usize = 65_536;

/// What a first reading of a record tells.
#[derive(Debug, Default)]
pub struct Heard {
    /// Rules that the operator granted, as written.
    answered: HashSet<String>,
    /// Revisions that did not come into force.
    failed: BTreeSet<u32>,
    /// Revisions that there were.
    revisions: BTreeSet<u32>,
    /// The gate says by which policy it decides.
    marked: bool,
}

/// The policies that decide, by revision.
#[derive(Debug, Clone, Copy)]
pub struct Under<'p> {
    /// Those that were in force, as far as they are kept.
    pub recorded: &'p BTreeMap<u32, Conjunction>,
    /// Those that take their place.
    pub instead: Option<&'p BTreeMap<u32, Conjunction>>,
}

/// A decision that comes out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The session; empty until whoever replays several says it.
    #[serde(default)]
    pub session: String,
    /// The event.
    pub event: EventId,
    /// What it was, in one line.
    pub what: String,
    /// What the policy in force said: `asked` too where the operator's answer let it through.
    pub before: Verdict,
    /// What the policy says.
    pub after: Verdict,
    /// The rule by which it does; absent where none matches.
    pub rule: Option<String>,
    /// Why it does not allow it.
    pub reason: Option<String>,
}

/// Why a recorded decision is not made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Each says it in words.
pub enum Left {
    Policy,
    Elsewhere,
    Cut,
    Headers,
    Arguments,
    Address,
    Unread,
    Bodies,
    Conversation,
    Models,
    Risk,
    Moment,
    Files,
}

impl Left {
    /// The same in words: what was not recorded.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Left::Policy => "the policy that was in force is kept no more",
            Left::Elsewhere => "its policy is not made from the one that is replaced",
            Left::Cut => "what was asked is recorded in part",
            Left::Headers => "a rule asks for headers, which are not recorded",
            Left::Arguments => "a tool's arguments are not recorded whole",
            Left::Address => "the address that a name led to is not recorded",
            Left::Unread => "requests would be decided that were not read",
            Left::Bodies => "a flow rule judges what was said, which is not recorded",
            Left::Conversation => "a call is judged by its whole conversation, which is not recorded",
            Left::Models => "a request to a model was refused for what it asks, which is not recorded",
            Left::Risk => "it was asked about under risk, to which no revision of the policy had been narrowed",
            Left::Moment => "a petition is judged by what was free at its moment",
            Left::Files => "a file was refused by Landlock, of which no policy is asked again",
        }
    }
}

/// What becomes of one event.
#[derive(Debug, PartialEq, Eq)]
pub enum Again {
    /// It is no decision.
    None,
    /// It comes out as it did.
    Same,
    /// It does not.
    Differs(Box<Difference>),
    /// It is not made again.
    Left(Left),
    /// It was refused by no policy: a limit, a time, what could not be read, a name without an address.
    Beside,
}

/// Makes the decisions of one record again, event by event, in the order of both segments by time.
#[derive(Debug)]
pub struct Replay<'p> {
    heard: &'p Heard,
    under: Under<'p>,
    /// The revisions that the gate has decided by, the last one now.
    revisions: Vec<u32>,
    /// Requests that were let out, which connections are made for.
    requests: Few<Kind>,
    /// Labels that evidence names.
    labels: Few<String>,
}

/// The newest of something.
#[derive(Debug)]
struct Few<T> {
    known: HashMap<EventId, T>,
    order: VecDeque<EventId>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few { known: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Few<T> {
    fn keep(&mut self, id: EventId, one: T) {
        if self.known.insert(id, one).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MANY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Heard {
    /// Takes one event of the first reading.
    pub fn take(&mut self, entry: &Entry) {
        match &entry.event.kind {
            Kind::Ruled { answer, rule: Some(rule), .. }
                if matches!(answer.as_str(), "once" | "session") && self.answered.len() < ANSWERS =>
            {
                self.answered.insert(rule.clone());
            }
            Kind::Policy { revision, .. } => {
                self.revisions.insert(*revision);
            }
            Kind::PolicyNotTaken { revision, .. } => {
                self.failed.insert(*revision);
            }
            Kind::DecidesBy { .. } if entry.id.segment == Segment::Gate => self.marked = true,
            _ => {}
        }
    }

    /// Every revision that may have been in force, the first one among them.
    pub fn revisions(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::once(1).chain(self.revisions.iter().copied()).filter(|one| !self.failed.contains(one) || self.marked)
    }
}

impl<'p> Replay<'p> {
    /// Begins a second reading.
    #[must_use]
    pub fn new(heard: &'p Heard, under: Under<'p>) -> Replay<'p> {
        Replay { heard, under, revisions: vec![1], requests: Few::default(), labels: Few::default() }
    }

    /// Makes the decision of one event again.
    pub fn decide(&mut self, entry: &Entry) -> Again {
        let Entry { id, event } = entry;
        match &event.kind {
            Kind::DecidesBy { revision } if id.segment == Segment::Gate => self.revisions.push(*revision),
            Kind::Policy { revision, .. } if !self.heard.marked && !self.heard.failed.contains(revision) => {
                self.revisions.push(*revision);
            }
            // The gate that had taken it is gone; the next one goes on by what is in force.
            Kind::GateStarted { .. } => {
                while self.revisions.len() > 1
                    && self.revisions.last().is_some_and(|last| self.heard.failed.contains(last))
                {
                    self.revisions.pop();
                }
            }
            Kind::Evidence { what, .. } => {
                if let Some(label) = what.strip_prefix("carries ") {
                    self.labels.keep(*id, label.to_owned());
                }
            }
            _ => {}
        }
        let again = self.again(*id, event);
        if let Kind::Request { verdict: Verdict::Allowed, .. } | Kind::Mcp { verdict: Verdict::Allowed, .. } =
            &event.kind
        {
            self.requests.keep(*id, event.kind.clone());
        }
        again
    }

    fn again(&self, id: EventId, event: &Event) -> Again {
        if !told::is_decision(&event.kind) {
            return Again::None;
        }
        let revision = self.revisions.last().copied().unwrap_or(1);
        let Some(recorded) = self.under.recorded.get(&revision) else { return Again::Left(Left::Policy) };
        let by = match self.under.instead {
            None => recorded,
            Some(instead) => match instead.get(&revision) {
                Some(by) => by,
                None => return Again::Left(Left::Elsewhere),
            },
        };
        // A gate narrows itself before a revision says so.
        if told::is_narrowed(&event.kind) && !(recorded.is_narrowed() && by.is_narrowed()) {
            return Again::Left(Left::Risk);
        }
        let before = match self.before(event, recorded) {
            Ok(before) => before,
            Err(again) => return again,
        };
        match self.judge(event, by, recorded) {
            Err(again) => again,
            Ok(after) if after.verdict == before => Again::Same,
            Ok(after) => Again::Differs(Box::new(Difference {
                session: String::new(),
                event: id,
                what: crate::why::describe(&event.kind),
                before,
                after: after.verdict,
                rule: after.rule,
                reason: after.reason,
            })),
        }
    }
}

#[cfg(test)]
mod tests;
