//! Questions to the operator: what waits in a cell for his answer, and what he may answer.
//!
//! A gate holds what a policy says `ask` of and tells what it is ([`Wanted`]); the session's process makes it a question
//! ([`Queue`]), shows it ([`Card`]) and rules ([`Ruling`]). A grant is the smallest rule that lets it through: what is denied
//! is not lifted by any answer.

mod call;
mod card;
mod offer;
mod queue;
#[cfg(test)]
mod tests;

use policy::{Egress, Host, HostPattern, Request, Rule, Target, Tls};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use call::{Calling, MOST_DOUBTS, MOST_PLACES};
pub use card::{Card, Choice, referred};
pub use offer::{Endorses, Offer, Risk, Stand, lets, offer};
pub use queue::{Answered, Expired, Joined, LIFE, MOST_NEW, Question, Queue, Unanswered, WINDOW};

/// Longest target of a request that is asked about, in bytes: the operator is to see all of it.
pub const MOST_TARGET: usize = 2048;
/// Most programs of a chain that are told, and most bytes of one's path.
pub const MOST_CHAIN: usize = 16;
/// Bytes of one program's path, and of a host's name.
pub const MOST_NAME: usize = 1024;
/// Most bytes of what an agent says to it.
pub const MOST_WORDS: usize = 2048;
/// Longest time that a grant may be given for, in seconds: a day.
pub const MOST_SECONDS: u64 = 86_400;

/// What a program wants, and the policy says `ask` of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The process, as numbered inside, where the watcher knew it.
    pub pid: Option<u32>,
    /// The program and its ancestors, nearest first; empty when unknown.
    pub program: Vec<String>,
    /// The destination.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The request, where it is one; none is the connection itself.
    pub request: Option<Line>,
    /// The smallest rule that would allow it.
    pub rule: Rule,
    /// Events of the gate's that led to it: `g12`.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The call of a tool, where it is one that a model asks for in an answer from there.
    #[serde(default)]
    pub call: Option<Box<Calling>>,
    /// What the agent says to it: never more than words.
    #[serde(default)]
    pub words: String,
}

/// A request as far as the operator is asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The method.
    pub method: String,
    /// Path and query, as the program wrote them.
    pub target: String,
    /// It asks for a WebSocket.
    #[serde(default)]
    pub websocket: bool,
    /// What is said, where MCP is spoken: `tools/call search`.
    #[serde(default)]
    pub message: Option<String>,
    /// SHA-256 of its body, or of what a tool is called with, in hexadecimal; none where that was not there to be seen before
    /// the operator was asked.
    #[serde(default)]
    pub body: Option<String>,
}

/// Whether two things that are wanted come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// Whichever goes out has the same effect.
    Equal,
    /// One may be the other, said again: what the first one carries is not known.
    Perhaps,
    /// They differ.
    No,
}

impl Wanted {
    /// Whether all of it is short enough for the operator to be shown.
    #[must_use]
    pub fn fits(&self) -> bool {
        let line = |line: &Line| {
            let message = line.message.as_ref().is_none_or(|message| message.len() <= MOST_TARGET);
            line.target.len() <= MOST_TARGET && line.method.len() <= MOST_NAME && message
        };
        self.program.len() <= MOST_CHAIN
            && self.program.iter().all(|path| path.len() <= MOST_NAME)
            && self.request.as_ref().is_none_or(line)
            && self.causes.len() <= MOST_CHAIN
            && self.causes.iter().all(|cause| cause.len() <= 24)
            && self.words.len() <= MOST_WORDS
            && self.call.as_ref().is_none_or(|call| call.fits())
    }

    /// Whether the rule is about what is shown, and nothing else: what a card says is what is granted.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let host = HostPattern::from(&self.host);
        let Rule { to, programs, addresses, bounds, tls, credential, inference, .. } = &self.rule;
        let shown = programs.iter().all(|path| self.program.first().is_some_and(|own| path.takes(own)));
        let plain =
            addresses.is_empty() && !bounds.is_some() && *tls == Tls::Read && credential.is_none() && !inference;
        let about = self.request.is_some() == self.rule.is_about_requests();
        *to == Target { host, port: Some(self.port) } && shown && plain && about
    }

    /// Whether another one has the same smallest rule, or is the same call: a denial of the one is one of the other.
    #[must_use]
    pub fn is_same(&self, other: &Wanted) -> bool {
        match (&self.call, &other.call) {
            (None, None) => self.rule == other.rule,
            (Some(one), Some(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// A name of all that is the same by [`Wanted::is_same`], in hexadecimal.
    #[must_use]
    pub fn kind(&self) -> String {
        let text = match &self.call {
            None => serde_json::to_vec(&self.rule),
            Some(call) => serde_json::to_vec(&(&call.request, &call.doubted.effects)),
        };
        let digest = Sha256::digest(text.unwrap_or_default());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether another one may go out on the leave for this one. A rule leaves out the query and the body, so that both are
    /// compared here.
    pub(crate) fn alike(&self, other: &Wanted) -> Alike {
        let same =
            |one: &Line, other: &Line| Line { body: None, ..one.clone() } == Line { body: None, ..other.clone() };
        match (&self.request, &other.request) {
            _ if !self.is_same(other) => Alike::No,
            (None, None) => Alike::Equal,
            (Some(one), Some(other)) if same(one, other) => match (&one.body, &other.body) {
                (None, _) => Alike::Perhaps,
                (one, other) if one == other => Alike::Equal,
                _ => Alike::No,
            },
            _ => Alike::No,
        }
    }

    /// `POST /a/b`, where it is a request; `send_mail to send`, where it is a call.
    #[must_use]
    pub fn does(&self) -> Option<String> {
        if let Some(call) = &self.call {
            return Some(call.does());
        }
        self.request.as_ref().map(|line| {
            let what = line.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
            let kind = if line.websocket { " as a WebSocket" } else { "" };
            format!("{} {}{kind}{what}", line.method, line.target)
        })
    }

    /// Gives it to be decided; nothing where what it says cannot be read again. A message of MCP is left out.
    pub(crate) fn decide_by<T>(&self, decide: impl FnOnce(&Egress<'_>) -> T) -> Option<T> {
        let request = match &self.request {
            None => None,
            Some(line) => {
                let request = Request::new(&line.method, &line.target).ok()?;
                Some(if line.websocket { request.for_websocket() } else { request })
            }
        };
        let program = if self.program.is_empty() { None } else { Some(&*self.program) };
        Some(decide(&Egress { host: &self.host, port: self.port, program, request: request.as_ref() }))
    }
}

/// What becomes of something that a gate holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ruling", deny_unknown_fields)]
pub enum Ruling {
    /// It waits for the operator as this question.
    Waits {
        /// The question's id.
        question: String,
    },
    /// It is allowed by this rule, this once.
    Once {
        /// The question's id.
        question: String,
        /// The rule.
        rule: Box<Rule>,
    },
    /// Something was granted: it is decided again.
    Again,
    /// It does not go through.
    Refused {
        /// Why not, in words that the program may have.
        why: String,
        /// The operator said so; else nobody answered.
        denied: bool,
    },
}

/// What the operator answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say", try_from = "Said")]
pub enum Say {
    /// Those that waited when it was shown, or the next one where none does.
    Once,
    /// All like it, until the session ends, or for a while.
    Session {
        /// Seconds.
        #[serde(rename = "for")]
        seconds: Option<u64>,
        /// Also what lies beside it: the wider of the two rules, where the card offers one.
        wide: bool,
    },
    /// All like it: a rule of the policy from here on, that `policy undo` takes back.
    Always,
    /// None like it, for five minutes.
    Deny,
}

/// An answer as it is said. By itself an answer that has no fields would be taken with any: one that was meant for ten minutes
/// with no end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    say: Named,
    #[serde(default, rename = "for")]
    seconds: Option<u64>,
    #[serde(default)]
    wide: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    Once,
    Session,
    Always,
    Deny,
}

impl TryFrom<Said> for Say {
    type Error = &'static str;

    fn try_from(said: Said) -> Result<Say, &'static str> {
        match said {
            Said { say: Named::Session, seconds, wide } => Ok(Say::Session { seconds, wide }),
            Said { seconds: Some(_), .. } | Said { wide: true, .. } => Err("`for` and `wide` are of `session` alone"),
            Said { say: Named::Once, .. } => Ok(Say::Once),
            Said { say: Named::Always, .. } => Ok(Say::Always),
            Said { say: Named::Deny, .. } => Ok(Say::Deny),
        }
    }
}

impl Say {
    /// Its name, in the record and on a card.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Say::Once => "once",
            Say::Session { .. } => "session",
            Say::Always => "always",
            Say::Deny => "deny",
        }
    }
}
