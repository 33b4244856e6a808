//! The control socket of a running session: what others of the same operator ask of the process that holds it.
//!
//! A connection begins with one [`Hello`] and its [`Greeting`], and stays for any number of [`Ask`]s. Each carries a number
//! that its answer repeats, since one that takes long does not hold up the others; to who asked for [`Order::Events`] those
//! are told between the answers. The two ends may be of two builds: what runs outlives an upgrade. So what is asked is read
//! strictly, and of what is told a later build may say more.

mod read;

use std::path::PathBuf;

use policy::{Amounts, Policy};
use serde::{Deserialize, Serialize};

use crate::command::Problem;
use crate::question::{Card, Say};
use crate::{Labelled, Lent};

pub use read::{Heard, Reader, Unheard};

/// The socket's name in the session's directory.
pub const NAME: &str = "control";

/// The version that this build speaks best.
pub const VERSION: u32 = 2;
/// The oldest that it speaks. The first one knew no [`Hello`]: it asked once, in a message of its own.
pub const LEAST: u32 = 2;
/// Longest [`Hello`], in bytes.
pub const MAX_HELLO: usize = 4096;
/// Orders of one connection that may wait for their answers.
pub const MAX_OPEN: usize = 8;
/// Longest grace of a stop, in milliseconds: a day.
pub const MAX_GRACE: u64 = 86_400_000;

/// The first message of who asks: the versions that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest.
    pub least: u32,
    /// The newest.
    pub most: u32,
}

impl Hello {
    /// What this build speaks.
    pub const OURS: Hello = Hello { least: LEAST, most: VERSION };

    /// The newest version that both speak.
    #[must_use]
    pub fn agreed(self) -> Option<u32> {
        let version = self.most.min(VERSION);
        (version >= self.least.max(LEAST)).then_some(version)
    }
}

/// What a [`Hello`] is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Greeting {
    /// Ask.
    Hello {
        /// The version that is spoken from here on.
        version: u32,
        /// The version of the session's programs.
        build: String,
    },
    /// Nobody is heard here; nothing follows. The first version gave all its refusals this form, so both sides' words
    /// arrive at the other.
    Refused(Box<Problem>),
}

/// What is asked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Who asks chooses it; the answer repeats it.
    pub number: u32,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order", deny_unknown_fields)]
pub enum Order {
    /// Tell how it stands; answered by [`Answer::State`].
    State,
    /// Put another policy in force: all of this, or nothing. Answered by [`Answer::InForce`] or [`Answer::Overtaken`].
    Replace(Box<Replacement>),
    /// Ask the program to end, and end all after a while; answered by [`Answer::Done`] when it was asked.
    Stop {
        /// The signal that it is asked by.
        signal: u8,
        /// Milliseconds until all is ended, at most [`MAX_GRACE`].
        grace: u64,
    },
    /// Let nothing in the cell go on, nor below it; answered by [`Answer::Paused`] when nothing does.
    Pause,
    /// Let all go on; answered by [`Answer::Done`].
    Resume,
    /// Tell what happens, from now on, on this connection; answered by [`Answer::Done`].
    Events,
    /// Tell which questions wait for the operator; answered by [`Answer::Questions`].
    Questions,
    /// Answer one; answered by [`Answer::Done`] when that is recorded and the gate was told, of [`Say::Always`] as
    /// [`Order::Replace`] is.
    Answer {
        /// Its whole id.
        question: String,
        /// The policy's revision that it was shown under.
        revision: u32,
        /// The newest that waited when it was shown; without it the first that waits is meant alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newest: Option<u64>,
        /// The answer.
        say: Say,
    },
}

impl Order {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Order::State => "state",
            Order::Replace(_) => "replace",
            Order::Stop { .. } => "stop",
            Order::Pause => "pause",
            Order::Resume => "resume",
            Order::Events => "events",
            Order::Questions => "questions",
            Order::Answer { .. } => "answer",
        }
    }
}

/// All that a gate decides by.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The policy.
    pub policy: Policy,
    /// Secrets of the vault that its rules lend.
    pub credentials: Vec<Lent>,
    /// Texts that carry a label.
    pub labelled: Vec<Labelled>,
    /// What differs from the revision that it replaces, a line each.
    pub changes: Vec<String>,
    /// The revision that it takes the place of. Where another one is in force by now nothing is done.
    pub replaces: u32,
    /// It is what was in force before that revision.
    pub undoes: bool,
}

/// What a session says after its [`Greeting`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    /// To an [`Ask`].
    Answer {
        /// Its number.
        number: u32,
        /// What came of it.
        answer: Answer,
    },
    /// To who asked for [`Order::Events`].
    Event {
        /// What happened.
        event: Happened,
    },
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// How it stands.
    State(Box<State>),
    /// The gate decides by it.
    InForce {
        /// Which revision of the session's it is.
        revision: u32,
    },
    /// Nothing was changed: another revision is in force than the one that was to be replaced.
    Overtaken {
        /// Which.
        revision: u32,
    },
    /// Nothing in the cell goes on.
    Paused {
        /// By what.
        by: Means,
        /// Nor in so many sessions below it. A build that does not say it pauses that one alone.
        #[serde(default)]
        below: Option<u32>,
    },
    /// Questions that wait, the oldest first.
    Questions {
        /// Each as it is shown.
        cards: Vec<Card>,
    },
    /// It was done.
    Done,
    /// Nothing was done.
    Refused(Box<Problem>),
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its id.
    pub session: String,
    /// The name that the operator gave.
    pub name: Option<String>,
    /// The process that holds it.
    pub pid: u32,
    /// Pid 1 of its cell, as the host numbers it.
    pub cell: Option<u32>,
    /// Microseconds since the Unix epoch at which it began.
    pub started: u64,
    /// Its program has begun and not ended.
    pub running: bool,
    /// By what it is paused, where it is.
    pub paused: Option<Means>,
    /// It is to end soon.
    pub ending: bool,
    /// The name of its program, without the directory.
    pub agent: String,
    /// The workspace.
    pub workspace: PathBuf,
    /// `review`, `live` or `read-only`.
    pub mode: String,
    /// The policy that is in force.
    pub policy: String,
    /// Which of the session's that is.
    pub revision: u32,
    /// Questions that wait for the operator.
    #[serde(default)]
    pub asks: u32,
    /// How many were asked in the last hour.
    #[serde(default)]
    pub asks_hour: u32,
    /// How high the risk is, of 100.
    #[serde(default)]
    pub risk: u32,
    /// The policy is narrowed for it, until that is taken back.
    #[serde(default)]
    pub narrowed: bool,
    /// It is for its parent's risk: what takes that back takes this back.
    #[serde(default)]
    pub inherited: bool,
    /// What was recorded so far.
    #[serde(default)]
    pub counts: Counts,
}

/// What was recorded of a session so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that went through.
    pub allowed: u64,
    /// Connections, requests and names that did not.
    pub refused: u64,
    /// The record is longer than what was read of it yet: there may be more of each.
    #[serde(default)]
    pub behind: bool,
    /// Tokens, requests and money for models that answered.
    #[serde(default)]
    pub used: Amounts,
}

/// By what a cell is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The freezer of its control group: nothing inside can tell.
    ControlGroup,
    /// SIGSTOP to each of its processes: a parent sees its children stopped.
    Signal,
}

impl std::fmt::Display for Means {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Means::ControlGroup => "by its control group",
            Means::Signal => "by SIGSTOP",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Happened {
    /// The program began.
    Started,
    /// Another policy is in force.
    Replaced {
        /// Which revision.
        revision: u32,
    },
    /// There is more in the record than was told of before.
    Counted(Counts),
    /// Nothing in the cell goes on.
    Paused {
        /// By what.
        by: Means,
        /// Who asked for it.
        who: String,
    },
    /// All goes on.
    Resumed {
        /// Who asked for it.
        who: String,
    },
    /// Something speaks for an attack.
    Suspected {
        /// What: `instruction`, `secret`…
        name: String,
        /// What the risk comes to with it.
        score: u32,
        /// The event of the record that tells of it.
        recorded: String,
    },
    /// A question waits for the operator.
    Asked {
        /// It.
        card: Box<Card>,
    },
    /// A question waits no more.
    Ruled {
        /// Its id.
        question: String,
        /// `once`, `session`, `always`, `deny`; `expired` or `withdrawn` where nobody answered.
        answer: String,
    },
    /// It is to end soon.
    Stopping {
        /// Who asked for it.
        who: String,
    },
    /// Whoever is inside said how it goes.
    Reported {
        /// In his words, bounded.
        words: String,
        /// They are what the task came to.
        result: bool,
        /// What they may carry: all that was read inside.
        labels: Vec<policy::Label>,
        /// The event that tells of it.
        petition: record::EventId,
    },
    /// The cell is gone; nothing follows.
    Ended {
        /// The exit code.
        exit: u8,
        /// What ended it.
        reason: String,
    },
    /// Something of a later version. Read, never said.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests;
