//! What the verbs of the command answer. The fields' names are those of `--json`.

use std::path::PathBuf;

use record::why::Because;
use record::{Event, EventId, Explanation, Wall};
use serde::{Deserialize, Serialize};

/// One session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// The name that the operator gave, if any.
    pub name: Option<String>,
    /// How far it came.
    pub state: SessionState,
    /// Microseconds since the Unix epoch at which it began.
    pub started: u64,
    /// Microseconds since the Unix epoch at which it ended.
    pub ended: Option<u64>,
    /// The command line, as the operator gave it.
    pub command: Vec<String>,
    /// The workspace.
    pub workspace: PathBuf,
    /// `review`, `live` or `read-only`.
    pub mode: String,
    /// The name of the policy that is in force, or was last.
    pub policy: String,
    /// Which of the session's policies that is, counted from 1; absent where it cannot be read.
    pub revision: Option<u32>,
    /// What of what was said stands in the record, as the policy in force says; only `show` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bodies: Option<policy::Bodies>,
    /// Risks that were accepted by name.
    pub accepted_risks: Vec<String>,
    /// The exit code, once it ended.
    pub exit: Option<i32>,
    /// How many paths wait for `apply` or `discard`; only `show` counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// Layers as measured; only `show` tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<Wall>>,
    /// Limits as the host gives them; only `show` tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<Wall>>,
    /// What models answered; only `show` tells it, where there was something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelsInfo>,
    /// Destinations and how often each was allowed; only `show` tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<super::Counted>>,
    /// Destinations and how often each was refused; only `show` tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Vec<super::Counted>>,
    /// The last that whoever is inside reported, in his own words; only `show` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    /// What the process that holds it says, where it runs and answers.
    #[serde(default)]
    pub live: Option<LiveInfo>,
    /// Whose sub-agent it is.
    #[serde(default)]
    pub parent: Option<ParentInfo>,
    /// Its own sub-agents; only `show` tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<ChildInfo>>,
    /// What it was begun with, where it wrote that down.
    #[serde(default)]
    pub built: Option<super::Built>,
    /// Bytes that its changes and those of all below it take; as last looked at, `show` looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskInfo>,
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskInfo {
    /// A session's own: its changes, and the copy that it sees where it is a sub-agent; while it runs its home and its record, too.
    pub own: u64,
    /// What is its sub-agents', and theirs, whether they run or ended.
    pub below: u64,
}

/// Whose sub-agent a session is, or whose server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentInfo {
    /// The parent's session.
    pub session: String,
    /// Which of its sub-agents this is; 0 where it is none.
    pub child: u32,
    /// Which of its servers this is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A sub-agent of a session, by the session's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildInfo {
    /// Its number.
    pub child: u32,
    /// Its session, where it began.
    pub session: Option<String>,
    /// What it may use up, or could.
    pub budget: policy::Amounts,
    /// What it did, once it ended.
    pub used: Option<policy::Amounts>,
}

/// An event of a session further up, which led to one below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AboveInfo {
    /// The session.
    pub session: String,
    /// The event.
    pub event: String,
    /// It in words.
    pub what: String,
    /// What the operator had asked for last by then, where a model was told it.
    #[serde(default)]
    pub task: Option<String>,
    /// What led to it, nearest first.
    #[serde(default)]
    pub causes: Vec<Because>,
}

/// What the process that holds a running session says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveInfo {
    /// That process.
    pub pid: u32,
    /// Pid 1 of its cell, as the host numbers it.
    pub cell: Option<u32>,
    /// By what it is paused, where it is.
    pub paused: Option<crate::control::Means>,
    /// It is to end soon.
    pub ending: bool,
    /// Questions that wait for the operator.
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
}

/// What a session that ran was made to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlAnswer {
    /// It in words.
    pub text: String,
    /// How it stands now.
    pub session: SessionInfo,
}

/// What models answered in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsInfo {
    /// Answers that ended, however.
    pub answers: u64,
    /// Tokens that were asked, as providers count.
    pub input: u64,
    /// Tokens that were answered.
    pub output: u64,
    /// What they cost, where the policy has prices: an amount for each currency.
    pub cost: Vec<record::Cost>,
}

impl std::fmt::Display for ModelsInfo {
    /// One line. A currency is the record's word.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answers, input, output, cost } = self;
        let word = if *answers == 1 { "answer" } else { "answers" };
        write!(out, "{answers} {word}, {input} tokens asked, {output} answered")?;
        cost.iter().try_for_each(|cost| write!(out, ", {cost}"))
    }
}

/// How far a session came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// A plane holds it.
    Running,
    /// It ended in order.
    Ended,
    /// Its plane was killed.
    Lost,
}

/// The changes of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffAnswer {
    /// The session's id.
    pub session: String,
    /// Each change.
    pub changes: Vec<ChangeInfo>,
    /// How many there are, where the list holds fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// One change, or one unit of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeInfo {
    /// Relative to the workspace, absolute in another tree.
    pub path: String,
    /// `created`, `modified`, `removed`, `mode`, `replaced`, `git`.
    pub kind: String,
    /// What to look at twice: `hook`, `ci`, `build`, `guarded`…
    pub flags: Vec<String>,
    /// Why it will not be merged, where it will not.
    pub held: Option<String>,
    /// The unified diff, or a line that says what cannot be shown.
    pub diff: String,
}

/// What a merge or a throwing away did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeAnswer {
    /// The session's id.
    pub session: String,
    /// Paths that were merged, or thrown away.
    pub done: Vec<String>,
    /// Paths that were left as they are, each with the reason.
    pub left: Vec<(String, String)>,
    /// Paths where something was changed outside and went, each with the file that holds it now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<(String, String)>,
    /// How many there are, where the lists hold fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<MergeCounts>,
}

/// How many paths a merge or a throwing away met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeCounts {
    /// That were merged, or thrown away.
    pub done: u64,
    /// That were left as they are.
    pub left: u64,
}

/// One event of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its name, such as `g12`.
    pub id: EventId,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The same in one line.
    pub text: String,
}

/// What the verification of one segment proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentCheck {
    /// `plane` or `gate`.
    pub segment: String,
    /// How many events the proved chain holds.
    pub events: u64,
    /// The chain's end in hexadecimal, to compare with one kept elsewhere.
    pub head: String,
    /// Where and how it breaks.
    pub broken: Option<String>,
}

/// Why an event came out as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyAnswer {
    /// The session's id.
    pub session: String,
    /// What the operator had asked for last, where a model was told it.
    pub task: Option<String>,
    /// The explanation.
    pub explanation: Explanation,
    /// The option of `bastide run` that would allow it, checked by `decide`.
    pub option: Option<String>,
    /// The session runs, so that a policy with the suggested rule can be put in force in it.
    pub running: bool,
    /// Of a sub-agent: where each further up asked for the next, the nearest first.
    #[serde(default)]
    pub above: Vec<AboveInfo>,
}

/// What becomes of a path inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAnswer {
    /// The path.
    pub path: String,
    /// `absent`, `read-only`, `reviewed`, `hidden`, `guarded`…
    pub access: String,
    /// The rule that says so.
    pub rule: Option<String>,
    /// The policy's name.
    pub policy: String,
    /// The option of `bastide run` that would change it.
    pub option: Option<String>,
}

/// An answer about a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Whether the answer is yes.
    pub yes: bool,
    /// The words, line by line.
    pub text: String,
    /// The same as data.
    pub data: serde_json::Value,
}

/// The boundary as measured, and what was tried against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorAnswer {
    /// Every layer.
    pub layers: Vec<Wall>,
    /// Every limit.
    pub limits: Vec<Wall>,
    /// What was tried from inside.
    pub probes: Vec<Probe>,
    /// What the operator can do about what does not hold.
    pub remedies: Vec<Remedy>,
    /// Facts of the host: kernel, Landlock ABI, container, user.
    pub host: Vec<(String, String)>,
}

/// One attempt from inside a throwaway cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What was tried.
    pub probe: String,
    /// The layer that is to stop it.
    pub layer: String,
    /// Whether it was stopped.
    pub stopped: bool,
    /// What the kernel answered.
    pub detail: String,
}

/// What the operator can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// What is missing.
    pub missing: String,
    /// The command or setting that brings it.
    pub hint: String,
}
