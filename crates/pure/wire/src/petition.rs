//! The agent's petition: what whoever is inside may ask of the planes outside. Nobody says who asks, since that is known by
//! the channel that it came on. No verb names a policy, a session, or a path of the host: a child is named by its number
//! among one's own children, and a file by its place in one's own workspace.
//!
//! Every type here checks itself as it is read, so a petition that exists is within its bounds, at whichever end of a frame.

mod answer;
mod spawn;
mod text;

use std::fmt;

use policy::{Host, Label, Method};
use record::EventId;
use serde::{Deserialize, Serialize};

pub use answer::{
    Answer, Changed, ChildResult, ChildState, Cut, Denial, Message, Question, QuestionState, Reason, Sender, Spawned,
    Standing,
};
pub use spawn::{Access, Budget, Grant, Inference, Run, Spawn, WorkspacePath};
pub use text::{List, Name, Text};

/// Longest petition as it is said, in bytes.
pub const MAX_PETITION: usize = 256 * 1024;
/// Petitions of one cell that may wait for their answers.
pub const MAX_OPEN: usize = 32;
/// Longest time that one may ask to wait, in seconds.
pub const MAX_WAIT: u32 = 60;
/// Longest words of a message, in bytes.
pub const MAX_WORDS: usize = 16 * 1024;
/// Longest words of a report that are no result, and of a reason, in bytes.
pub const MAX_LINE: usize = 2048;

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // `Petition` tells what each asks.
pub enum Verb {
    Whoami,
    Ask,
    Spawn,
    Wait,
    Send,
    Result,
    Cancel,
    Report,
}

impl Verb {
    /// Every one.
    pub const ALL: [Verb; 8] =
        [Verb::Whoami, Verb::Ask, Verb::Spawn, Verb::Wait, Verb::Send, Verb::Result, Verb::Cancel, Verb::Report];

    /// The name as it is said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Whoami => "whoami",
            Verb::Ask => "ask",
            Verb::Spawn => "spawn",
            Verb::Wait => "wait",
            Verb::Send => "send",
            Verb::Result => "result",
            Verb::Cancel => "cancel",
            Verb::Report => "report",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// Whether asking it changes nothing.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        matches!(self, Verb::Whoami | Verb::Wait | Verb::Result)
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Petition {
    /// What may I do? Answered by the gate.
    Whoami,
    /// May I reach this? The operator is asked, where the policy lets him be.
    Ask(Ask),
    /// Begin a child.
    Spawn(Box<Spawn>),
    /// Wait until a child ends or a message comes.
    Wait(Wait),
    /// Say something to a child, or to the parent.
    Send(Send),
    /// What did a child that ended come to?
    Result(Of),
    /// End a child and all that are below it.
    Cancel(Of),
    /// How it goes; what it came to.
    Report(Report),
}

/// Which of one's own children, from 1 in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Child(pub u32);

impl fmt::Display for Child {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// A destination that is asked for: one host and one port, no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// The port; 443 where none was said.
    pub port: u16,
}

/// What [`Petition::Ask`] asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where to.
    pub to: Destination,
    /// By which method; none is a connection, or every one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::method")]
    pub method: Option<Method>,
    /// At which path, as it would be said; none is every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<MAX_LINE>>,
    /// What for: the agent's words.
    pub why: Text<MAX_LINE>,
    /// Seconds to wait for the answer.
    #[serde(default)]
    pub seconds: Seconds,
}

/// What [`Petition::Wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// This child; none is whichever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Child>,
    /// For so long.
    #[serde(default = "Seconds::most")]
    pub seconds: Seconds,
}

/// Seconds that a petition may wait: at most [`MAX_WAIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Seconds(u32);

impl Seconds {
    /// As long as one may wait.
    #[must_use]
    pub const fn most() -> Seconds {
        Seconds(MAX_WAIT)
    }

    /// How many.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Seconds {
    type Error = String;

    fn try_from(seconds: u32) -> Result<Seconds, String> {
        if seconds <= MAX_WAIT { Ok(Seconds(seconds)) } else { Err(format!("one waits at most {MAX_WAIT} seconds")) }
    }
}

impl From<Seconds> for u32 {
    fn from(seconds: Seconds) -> u32 {
        seconds.0
    }
}

/// What [`Petition::Send`] sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// To this child; none is the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Child>,
    /// What.
    pub words: Text<MAX_WORDS>,
    /// Said twice, it is sent once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
}

/// Which child is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// It.
    pub child: Child,
}

/// What [`Petition::Report`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How it goes.
    pub words: Text<MAX_WORDS>,
    /// It is what the task came to: the parent gets it with the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub result: bool,
}

/// A petition on its way from the gate to the session's process. The gate recorded it and says with what it comes: neither
/// is the agent's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Petitioned {
    /// Its answer repeats it; no two of one gate have the same.
    pub number: u64,
    /// The event that tells of it, which knows the program.
    pub event: EventId,
    /// The join of what whoever asks has read, as far as it is known.
    pub labels: Vec<Label>,
    /// It.
    pub petition: Petition,
}

/// Why words are no petition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is too long.
    #[error("it is longer than {MAX_PETITION} bytes")]
    TooLong,
    /// It is not what that verb takes.
    #[error("{verb} does not take this: {why}", verb = .verb.name())]
    Form {
        /// The verb.
        verb: Verb,
        /// What is wrong, in bounded words.
        why: String,
    },
}

impl Petition {
    /// Reads what a verb is asked with: one JSON object, already known to hold no name twice.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn read(verb: Verb, with: serde_json::Value) -> Result<Petition, Unread> {
        // Serde would take a list for the same in order.
        if !with.is_object() {
            return Err(Unread::Form { verb, why: "it is one JSON object".into() });
        }
        let why = match Self::take(verb, with.clone()) {
            Ok(petition) => return Ok(petition),
            Err(why) => why.to_string(),
        };
        let field = Self::amiss(verb, &with, &why).map(|field| format!("`{field}`: ")).unwrap_or_default();
        // Serde repeats the value that it did not like: those are the agent's words, and may be long.
        Err(Unread::Form { verb, why: text::bounded(&(field + &why)) })
    }

    fn take(verb: Verb, with: serde_json::Value) -> Result<Petition, serde_json::Error> {
        use serde_json::from_value;
        match verb {
            Verb::Whoami => from_value::<Nothing>(with).map(|Nothing {}| Petition::Whoami),
            Verb::Ask => from_value(with).map(Petition::Ask),
            Verb::Spawn => from_value(with).map(Petition::Spawn),
            Verb::Wait => from_value(with).map(Petition::Wait),
            Verb::Send => from_value(with).map(Petition::Send),
            Verb::Result => from_value(with).map(Petition::Result),
            Verb::Cancel => from_value(with).map(Petition::Cancel),
            Verb::Report => from_value(with).map(Petition::Report),
        }
    }

    /// Which field is amiss: with nothing in its place something else is. Serde does not say; of a field that is unknown or
    /// missing it does.
    fn amiss(verb: Verb, with: &serde_json::Value, why: &str) -> Option<String> {
        let fields = with.as_object().filter(|fields| fields.len() <= MOST_FIELDS && !why.contains(" field `"))?;
        let other = |field: &&String| {
            let mut without = fields.clone();
            without.remove(*field);
            Self::take(verb, without.into()).err().is_none_or(|error| error.to_string() != why)
        };
        fields.keys().find(other).cloned()
    }

    /// What is asked.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Petition::Whoami => Verb::Whoami,
            Petition::Ask(_) => Verb::Ask,
            Petition::Spawn(_) => Verb::Spawn,
            Petition::Wait(_) => Verb::Wait,
            Petition::Send(_) => Verb::Send,
            Petition::Result(_) => Verb::Result,
            Petition::Cancel(_) => Verb::Cancel,
            Petition::Report(_) => Verb::Report,
        }
    }
}

/// More than any verb has.
const MOST_FIELDS: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl TryFrom<String> for Destination {
    type Error = String;

    fn try_from(text: String) -> Result<Destination, String> {
        let target = policy::Target::parse(&text).map_err(|why| why.to_string())?;
        let host = match target.host {
            policy::HostPattern::Exact(name) => Host::Name(name),
            policy::HostPattern::Address(address) => Host::Address(address),
            _ => return Err("it is one name or address, no pattern".into()),
        };
        Ok(Destination { host, port: target.port.unwrap_or(443) })
    }
}

impl From<Destination> for String {
    fn from(to: Destination) -> String {
        to.to_string()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests;
