//! The vocabulary of the record: one event, what it is called, and what caused it.
//!
//! Strings here are data. Those that an agent can choose (arguments, names, paths) are bounded and made
//! visible by [`crate::redact`] before they are written.

mod kind;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use kind::Kind;

/// Who writes a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The authority: sessions, walls, workspace.
    Plane,
    /// The door: names and connections.
    Gate,
}

impl Segment {
    /// The letter that stands for the segment in an [`EventId`].
    pub fn letter(self) -> char {
        match self {
            Self::Plane => 'p',
            Self::Gate => 'g',
        }
    }
}

/// The name of one event in a session: `p3`, `g12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The segment that holds the event.
    pub segment: Segment,
    /// Its place in that segment, from 1.
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.segment.letter(), self.seq)
    }
}

/// The text is not an event's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an event: want `p` or `g` and a number, as in `g12`")]
pub struct BadEventId;

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let (segment, digits) = match (text.strip_prefix('p'), text.strip_prefix('g')) {
            (Some(digits), _) => (Segment::Plane, digits),
            (_, Some(digits)) => (Segment::Gate, digits),
            _ => return Err(BadEventId),
        };
        // One event has one spelling: no sign, no leading zero.
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadEventId);
        }
        let seq = digits.parse().map_err(|_| BadEventId)?;
        Ok(Self { segment, seq })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(de::Error::custom)
    }
}

/// How it is known that one event led to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// By ids, bytes or process lineage.
    Observed,
    /// By time or likeness. Nothing may rest on it alone.
    Inferred,
}

/// An edge to an earlier event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The earlier event, possibly in the other segment.
    pub id: EventId,
    /// How the edge is known.
    pub known: Known,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the segment, from 1.
    pub seq: u64,
    /// Microseconds since the Unix epoch, by the writer's clock.
    pub at: u64,
    /// What led to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cause: Vec<Cause>,
    /// What it was.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It went through.
    Allowed,
    /// It did not.
    Refused,
    /// It waits for, or lacked, an operator's answer: nothing went through.
    Asked,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Asked => "asked",
        })
    }
}

/// One layer of the walls as it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// The layer's name.
    pub name: String,
    /// Whether a probe found it to hold.
    pub holds: bool,
    /// What the probe saw.
    pub detail: String,
}

/// One argument of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What its schema says of its values: `type`, `format`, and whether there are few of them, as JSON.
    pub says: String,
}

/// What an answer cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Millionths of the currency, rounded up.
    pub micros: u64,
    /// The currency's three letters.
    pub currency: String,
    /// The provider did not say what was used: it is what that may have cost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.micros / 1_000_000, self.micros % 1_000_000);
        let part = format!("{part:06}");
        let about = if self.estimated { "about " } else { "" };
        match part.trim_end_matches('0') {
            "" => write!(out, "{about}{whole} {}", self.currency),
            part => write!(out, "{about}{whole}.{part} {}", self.currency),
        }
    }
}

impl Kind {
    /// What was said, where it tells that.
    pub(crate) fn body(&self) -> Option<&str> {
        match self {
            Self::Said { words, .. } | Self::Petition { words, .. } => Some(words),
            Self::Tool { description, .. } => Some(description),
            Self::Evidence { quoted, .. } | Self::Risk { quoted, .. } => Some(quoted),
            Self::Answered { complaint, .. } => complaint.as_deref(),
            _ => None,
        }
    }
}

impl Event {
    /// Whether something did not go through, an unanswered question included.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.kind,
            Kind::Connect { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::Request { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::Mcp { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::Model { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::Petition { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::PetitionAnswered { verdict: Verdict::Refused | Verdict::Asked, .. }
                | Kind::Resolve { verdict: Verdict::Refused, .. }
                | Kind::FileRefused { path: Some(_), .. }
        )
    }
}
