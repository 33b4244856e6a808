//! A sub-agent: what the plane of its parent asks of the plane that is to hold it, and what the two say to each other.

use std::path::PathBuf;

use policy::{Amounts, Conjunction, Label, Policy};
use record::EventId;
use serde::{Deserialize, Serialize};

use super::Run;
use crate::petition::{Access, Changed};
use crate::{Labelled, Secret, Words};

/// What to run, under what, and for whom.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildRun {
    /// The command, where it runs, and the operator's variables.
    pub run: Run,
    /// The parent's session.
    pub parent: String,
    /// Which of its children this is.
    pub child: u32,
    /// The parent's event that tells of it.
    pub event: EventId,
    /// What it is to do: the parent's words.
    pub task: String,
    /// What the parent tells it beside that.
    pub context: Option<String>,
    /// Every policy that must allow: the ceiling, the parent's, and last what was asked for.
    pub policies: Conjunction,
    /// The join of what the parent may have read: its words carry that.
    pub labels: Vec<Label>,
    /// Those of them that are of secrets alone.
    #[serde(default)]
    pub values: Vec<Label>,
    /// Why the texts are not all that carries a label there, where they are not.
    #[serde(default)]
    pub lacking: Option<String>,
    /// Texts that carry a label in the parent's session.
    pub labelled: Vec<Labelled>,
    /// Words of other agents that the parent heard.
    #[serde(default)]
    pub heard: Vec<Words>,
    /// The file that tells what left in drops from its parent's cell, from its own and from all others of the tree.
    pub drops: PathBuf,
    /// What its parent knows and the record may not: it may stand in the parent's words.
    pub secrets: Vec<Secret>,
    /// What the operator said to the first of the line.
    pub intent: Vec<String>,
    /// The parent's workspace, and what of it is granted.
    pub view: View,
    /// Trees and files of the host that the parent sees read-only.
    pub within: Vec<PathBuf>,
}

impl std::fmt::Debug for ChildRun {
    /// Without the words and texts.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ChildRun({} of {})", self.child, self.parent)
    }
}

/// A server of MCP: what to run, under what, and for whom.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerRun {
    /// The command, and the operator's variables.
    pub run: Run,
    /// The session that speaks to it.
    pub parent: String,
    /// What that one's policy calls it.
    pub server: String,
    /// The event of that session that tells of it.
    pub event: EventId,
    /// Its own policy.
    pub policy: Policy,
    /// Texts that carry a label in that session: what is said to it may hold them.
    pub labelled: Vec<Labelled>,
    /// Words of other agents that it heard.
    #[serde(default)]
    pub heard: Vec<Words>,
    /// The file that tells what left in drops from that session's cell, from its own and from all others of the tree.
    pub drops: PathBuf,
    /// What that session knows and the record may not.
    pub secrets: Vec<Secret>,
}

impl std::fmt::Debug for ServerRun {
    /// Without the texts.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ServerRun({} of {})", self.server, self.parent)
    }
}

/// A parent's workspace as it sees it, and what a child is to see of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The original, or the copy that the parent was given itself.
    pub lower: PathBuf,
    /// What the parent changed, where it can.
    pub upper: Option<PathBuf>,
    /// Paths below the workspace and what for; an empty path is all of it.
    pub granted: Vec<(PathBuf, Access)>,
    /// Paths below the workspace that the parent does not see, or that are guarded.
    pub left_out: Vec<PathBuf>,
    /// Bytes that are left of the parent's disk limit, where it has one.
    pub most: Option<u64>,
}

/// What a child came to, as its plane tells its parent's before the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildEnd {
    /// What it used up.
    pub used: Amounts,
    /// How many were begun below it.
    pub below: u32,
    /// The end of what it printed.
    pub words: Option<String>,
    /// What it changed where it may.
    pub changed: Vec<Changed>,
    /// How many more, beyond as many as are told.
    pub unlisted: u64,
    /// The same as a patch, where it is text and not too long.
    pub patch: Option<String>,
    /// The join of what it may have read.
    pub labels: Vec<Label>,
}

/// What a child says while it runs, and of it and of a server its plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "child", deny_unknown_fields)]
pub enum ChildWord {
    /// Its plane waits for [`Order::Begin`](super::Order::Begin): nothing of it runs before.
    Ready,
    /// Nothing in it goes on.
    Paused {
        /// Nor in so many sessions below it.
        below: u32,
    },
    /// It cannot be paused.
    Unpaused {
        /// Why, for the operator.
        why: String,
    },
    /// How it goes; or what the task came to.
    Report {
        /// Its words.
        words: String,
        /// They are its result.
        result: bool,
        /// What they carry.
        labels: Vec<Label>,
    },
    /// What it was granted of the workspace, and what is not there or lies behind a link.
    Missing {
        /// Below the workspace.
        paths: Vec<PathBuf>,
    },
    /// Something speaks for an attack in it.
    Suspected(Box<crate::Suspected>),
    /// A message to the parent.
    Message {
        /// Its words.
        words: String,
        /// What they carry.
        labels: Vec<Label>,
    },
}
