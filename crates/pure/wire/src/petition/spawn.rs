//! What a child is asked for with. It is a wish: the child gets what each policy of its parent's gives, and no more.

use std::fmt;

use policy::mcp::TextPattern;
use policy::{Money, Target, ValuePattern};
use serde::{Deserialize, Serialize};

use super::text::{List, Name, Text};

/// Longest task, in bytes.
const MAX_TASK: usize = 32 * 1024;
/// Longest context, in bytes.
const MAX_CONTEXT: usize = 128 * 1024;
/// Longest argument of a command, in bytes.
const MAX_ARGUMENT: usize = 8 * 1024;
/// Longest path, in bytes.
const MAX_PATH: usize = 4095;

/// A child that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Spawn {
    /// What it is to do: its parent's words, never the operator's.
    pub task: Text<MAX_TASK>,
    /// What runs.
    pub run: Run,
    /// What it sees of its parent's workspace.
    pub files: List<Grant, 64>,
    /// What it may reach.
    pub network: List<Target, 64>,
    /// Which tools it may call, of a model's and of servers of MCP.
    pub tools: List<TextPattern, 64>,
    /// Which models it may ask.
    pub inference: Inference,
    /// Which secrets of the vault go with its requests, by name.
    pub credentials: List<Name, 16>,
    /// What of its parent's it may use up.
    pub budget: Budget,
    /// What its parent tells it beside the task.
    pub context: Option<Text<MAX_CONTEXT>>,
    /// Said twice, it is one child.
    pub key: Option<Name>,
}

/// What runs in a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// An agent that the operator set up, by its name.
    Agent(Name),
    /// A program and its arguments, as inside the parent's cell.
    Command(List<Text<MAX_ARGUMENT>, 64>),
}

/// A part of the parent's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// A file, or a directory with all that is below it.
    pub path: WorkspacePath,
    /// What for.
    pub access: Access,
}

/// What a child may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read it.
    Read,
    /// Read and change its own copy; what it changed comes back as a patch.
    Write,
}

/// A path below the root of the workspace: no `.`, `..` or empty part; `.` alone is the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

impl WorkspacePath {
    /// The path; `.` for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Models that a child may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// By name.
    #[serde(default)]
    pub models: List<ValuePattern, 32>,
}

/// What a child may use up; what is not said, the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Tokens of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money for models, such as `0.25 USD`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "money")]
    pub money: Option<Money>,
    /// Seconds, at most [`policy::MOST_TIME`].
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "seconds")]
    pub time: Option<u64>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Bytes that leave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<u64>,
}

/// How it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    task: Text<MAX_TASK>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<List<Text<MAX_ARGUMENT>, 64>>,
    #[serde(default)]
    files: List<Grant, 64>,
    #[serde(default)]
    network: List<Target, 64>,
    #[serde(default)]
    tools: List<TextPattern, 64>,
    #[serde(default)]
    inference: Inference,
    #[serde(default)]
    credentials: List<Name, 16>,
    #[serde(default)]
    budget: Budget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Text<MAX_CONTEXT>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Name>,
}

impl TryFrom<Form> for Spawn {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Spawn, &'static str> {
        let Form { task, agent, command, files, network, tools, inference, credentials, budget, context, key } = form;
        let run = match (agent, command) {
            (Some(agent), None) => Run::Agent(agent),
            (None, Some(command)) if !command.is_empty() => Run::Command(command),
            (None, Some(_)) => return Err("`command` names a program first"),
            _ => return Err("a child has either an `agent` or a `command`"),
        };
        if credentials.iter().any(|name| !policy::is_credential_name(name.as_str())) {
            return Err("a credential is named as in the vault: small letters, digits, `.`, `_` and `-`");
        }
        Ok(Spawn { task, run, files, network, tools, inference, credentials, budget, context, key })
    }
}

impl From<Spawn> for Form {
    fn from(spawn: Spawn) -> Form {
        let Spawn { task, run, files, network, tools, inference, credentials, budget, context, key } = spawn;
        let (agent, command) = match run {
            Run::Agent(agent) => (Some(agent), None),
            Run::Command(command) => (None, Some(command)),
        };
        Form { task, agent, command, files, network, tools, inference, credentials, budget, context, key }
    }
}

impl TryFrom<String> for WorkspacePath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<WorkspacePath, &'static str> {
        if text.len() > MAX_PATH || text.chars().any(char::is_control) {
            return Err("a path has no control character and at most 4,095 bytes");
        }
        if text.starts_with('/') {
            return Err("a path is one of the workspace, and does not begin with `/`; `.` is all of it");
        }
        if text == "." {
            return Ok(WorkspacePath(text));
        }
        let path = text.strip_suffix('/').unwrap_or(&text);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("a path has no `.`, `..` or empty part");
        }
        Ok(WorkspacePath(path.to_owned()))
    }
}

impl From<WorkspacePath> for String {
    fn from(path: WorkspacePath) -> String {
        path.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An amount, as it is written in a policy.
fn seconds<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let read = Option::<u64>::deserialize(input)?;
    if read.is_some_and(|seconds| seconds > policy::MOST_TIME) {
        return Err(serde::de::Error::custom("a time is at most a hundred years of seconds"));
    }
    Ok(read)
}

mod money {
    use policy::Money;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::ref_option)] // Serde hands it over so.
    pub(super) fn serialize<S: Serializer>(money: &Option<Money>, out: S) -> Result<S::Ok, S::Error> {
        match money {
            Some(money) => out.collect_str(money),
            None => out.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Money>, D::Error> {
        let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| D::Error::custom("an amount is written `0.25 USD`"))
    }
}
