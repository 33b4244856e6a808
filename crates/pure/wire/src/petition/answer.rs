//! What a petition is answered. All words in it are for whoever is inside: nothing here tells of the host.

use policy::Label;
use serde::{Deserialize, Serialize};

use super::Child;
use super::spawn::Budget;

/// What came of a petition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// To `ask`.
    Question(Question),
    /// To `spawn`: it begins.
    Spawned(Box<Spawned>),
    /// To `wait`: what there is, perhaps nothing.
    News {
        /// How each child that was asked for stands.
        children: Vec<ChildState>,
        /// Messages that were not given before.
        messages: Vec<Message>,
    },
    /// To `result`.
    Result(Box<ChildResult>),
    /// To `send`, `cancel` and `report`: it was done.
    Done,
    /// Nothing was done.
    Denied(Denial),
}

/// A question to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What it is called; none where the operator did not have to be asked, or said so before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How it stands.
    pub state: QuestionState,
    /// The same in words: what to do now.
    pub words: String,
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionState {
    /// Nobody answered yet; asked again, it is the same question.
    Waiting,
    /// It may be done.
    Granted,
    /// It may not.
    Denied,
}

/// A child that begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Its number among the children.
    pub child: Child,
    /// What it was asked for with and does not get.
    pub cut: Vec<Cut>,
    /// What it may use up.
    pub budget: Budget,
    /// It began before, by the same key.
    pub again: bool,
}

/// Something that a child does not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// What, as it was asked for: `network api.github.com`.
    pub what: String,
    /// Why not.
    pub why: String,
    /// By which policy.
    pub by: String,
}

/// How a child stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildState {
    /// Which.
    pub child: Child,
    /// How.
    pub standing: Standing,
    /// Its last report: its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What those words carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

/// How far a child came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Standing {
    /// It runs.
    Running,
    /// It ended.
    Ended {
        /// With this.
        exit: u8,
        /// Why.
        reason: String,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose.
    pub from: Sender,
    /// Its words: the sender's.
    pub words: String,
    /// The join of what the sender had read.
    pub labels: Vec<Label>,
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The parent.
    Parent,
    /// A child.
    Child(Child),
}

/// What a child came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildResult {
    /// Which.
    pub child: Child,
    /// How it ended.
    pub standing: Standing,
    /// What it reported as its result: its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What it changed.
    pub changed: Vec<Changed>,
    /// How many more paths, beyond as many as are told.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unlisted: u64,
    /// The same as a patch, unless that is too long or no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// What it used up.
    pub used: Budget,
    /// The join of all that it read.
    pub labels: Vec<Label>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde asks.
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A path that a child changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The path, below the workspace.
    pub path: String,
    /// `added`, `modified`, `removed`…
    pub change: String,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Which kind of no.
    pub reason: Reason,
    /// In words.
    pub why: String,
    /// What to do instead.
    pub hint: String,
}

/// Which kind of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The policy does not give it.
    NotGranted,
    /// There is no such child, message or parent.
    NoSuch,
    /// A bound was reached.
    TooMuch,
    /// Not at this moment.
    NotNow,
    /// It makes no sense as it was said.
    Unfit,
}

impl Denial {
    /// One in these words.
    #[must_use]
    pub fn new(reason: Reason, why: impl Into<String>, hint: impl Into<String>) -> Denial {
        Denial { reason, why: why.into(), hint: hint.into() }
    }
}

impl Answer {
    /// What its words carry: whoever gets them has read that.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        let (states, messages, result) = match self {
            Answer::News { children, messages } => (&children[..], &messages[..], None),
            Answer::Result(result) => (&[][..], &[][..], Some(&result.labels)),
            _ => (&[][..], &[][..], None),
        };
        let states = states.iter().flat_map(|state| &state.labels);
        states.chain(messages.iter().flat_map(|message| &message.labels)).chain(result.into_iter().flatten())
    }
}
