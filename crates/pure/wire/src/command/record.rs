//! What a record is asked beside its events: the tools that a model was told of, its decisions made again, what led to what.

use record::EventId;
use record::graph::Graph;
use record::replay::Difference;
use serde::{Deserialize, Serialize};

use super::Counted;

/// The tools of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolsAnswer {
    /// The session's id.
    pub session: String,
    /// By name, and those of servers behind the others.
    pub tools: Vec<ToolInfo>,
    /// Tools that are not told of here, since there are too many.
    pub left: u64,
    /// Requests that were read, by what they do.
    #[serde(default)]
    pub requests: Vec<RequestInfo>,
}

/// Requests of one method to one destination that do the same, and why that is concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestInfo {
    /// Where they went: `HOST:PORT`.
    pub to: String,
    /// The method.
    pub method: String,
    /// What they do.
    pub effects: Vec<String>,
    /// Why that is concluded.
    pub why: String,
    /// How many there were.
    pub count: u64,
    /// How many of those did not go through.
    pub held: u64,
    /// The last of them.
    pub event: EventId,
}

/// One tool, and what is concluded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolInfo {
    /// Its name: the model's, or a server's word.
    pub name: String,
    /// The server of MCP that offers it, `HOST:PORT/PATH`.
    pub server: Option<String>,
    /// The event that told of it last; none where it was called and nobody was told of it.
    pub event: Option<EventId>,
    /// In how many ways it was told of.
    pub ways: u64,
    /// What a server hints at. No conclusion rests on it.
    pub hints: Vec<String>,
    /// How often it was called, as far as is known.
    pub calls: u64,
    /// How many of those did not go through.
    pub withheld: u64,
    /// What is concluded, by the policies that conclude alike.
    pub concluded: Vec<Concluded>,
    /// What is not known, in words.
    pub unknown: Vec<String>,
}

/// What policies conclude of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concluded {
    /// Their names, ceiling first.
    pub policies: Vec<String>,
    /// What it does.
    pub effects: Vec<String>,
    /// Why that is concluded.
    pub why: String,
    /// What its arguments are.
    pub arguments: Vec<ArgumentInfo>,
}

/// What is concluded of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentInfo {
    /// Its name.
    pub name: String,
    /// What it is to the call.
    pub role: String,
    /// Why that is concluded.
    pub why: String,
}

/// The decisions of a session and of those below it, made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayAnswer {
    /// The session's id.
    pub session: String,
    /// The policy that took the place of its own; none where each decided again that was in force.
    pub policy: Option<String>,
    /// How many sessions.
    pub sessions: u64,
    /// How many decisions were made again.
    pub decided: u64,
    /// Those that come out otherwise.
    pub differences: Vec<Difference>,
    /// How many more do, which are not told.
    pub more: u64,
    /// Refused by no policy, and so not asked of one.
    pub beside: u64,
    /// Not made again, by why.
    pub left: Vec<Counted>,
}

/// What led to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphAnswer {
    /// The session's id.
    pub session: String,
    /// Its events, and those of all that is below.
    pub graph: Graph,
}
