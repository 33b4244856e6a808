//! What can happen: every kind of event, with what is told of it.

use policy::Amounts;
use serde::{Deserialize, Serialize};

use super::{Argument, Cost, EventId, Verdict, Wall};

/// What an event was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A session began.
    SessionStart {
        /// The session's id.
        session: String,
        /// The command line, as the operator gave it.
        command: Vec<String>,
        /// The workspace's path.
        workspace: String,
        /// `review`, `live` or `read-only`.
        mode: String,
        /// The policy's name or hash.
        policy: String,
        /// What was accepted by `--accept-risk`.
        accepted_risks: Vec<String>,
    },
    /// The walls were built and measured.
    Walls {
        /// Every layer.
        layers: Vec<Wall>,
    },
    /// What the limits came to on this host.
    Limits {
        /// Every limit that the policy names; `holds` is false where the host enforces it only in part.
        limits: Vec<Wall>,
    },
    /// A program was started.
    Exec {
        /// The process, as numbered inside the cell.
        pid: u32,
        /// Its parent.
        parent: u32,
        /// The program that asked for it, as the kernel tells.
        by: String,
        /// The program asked for: the caller's words.
        claimed: String,
        /// Its arguments: the caller's words.
        arguments: Vec<String>,
    },
    /// A name was looked up.
    Resolve {
        /// The name.
        name: String,
        /// Whether it may resolve.
        verdict: Verdict,
        /// Why not.
        reason: Option<String>,
        /// How often; more than once where refusals came too fast to be recorded one by one.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
    },
    /// A connection was asked for.
    Connect {
        /// The process, when the watcher knew it.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// The name, or the address where none was looked up.
        host: String,
        /// The address that was pinned.
        address: Option<String>,
        /// The port.
        port: u16,
        /// What was decided.
        verdict: Verdict,
        /// The rule that decided.
        rule: Option<String>,
        /// Why it was not allowed.
        reason: Option<String>,
        /// The smallest rule that would allow it.
        suggestion: Option<String>,
        /// How often; more than once where refusals came too fast to be recorded one by one.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u64,
    },
    /// A request was made where they are read. One that was allowed goes on a connection that follows, or that is among
    /// its causes.
    Request {
        /// The process, when the watcher knew it.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// The name, or the address where none was looked up.
        host: String,
        /// The port.
        port: u16,
        /// The method; empty where the request could not be read.
        method: String,
        /// The path and the query, as the program wrote them.
        target: String,
        /// It asked for a WebSocket.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        websocket: bool,
        /// What it does beyond reading, and why that is concluded: `send: its method is `POST``.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        does: Option<String>,
        /// What was decided.
        verdict: Verdict,
        /// The rule that decided.
        rule: Option<String>,
        /// Why it was not allowed.
        reason: Option<String>,
        /// The smallest rule that would allow it.
        suggestion: Option<String>,
    },
    /// A message of MCP: said to a server, in the place of its [`Kind::Request`]; or by one, where that wants what it is not
    /// granted, or describes what it offers in another way than before.
    Mcp {
        /// The process, when the watcher knew it.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// The name, or the address where none was looked up.
        host: String,
        /// The port.
        port: u16,
        /// The path and the query, as the program wrote them.
        target: String,
        /// `tools/call` and the like; empty where the program answers what the server asked.
        method: String,
        /// The tool, the resource or the prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The beginning of what a tool is called with.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        words: String,
        /// The server said it.
        #[serde(default, skip_serializing_if = "no")]
        server: bool,
        /// What was decided.
        verdict: Verdict,
        /// The rule that decided.
        rule: Option<String>,
        /// Why it was not allowed.
        reason: Option<String>,
        /// The smallest rule that would allow it.
        suggestion: Option<String>,
    },
    /// Whoever is inside asked the planes outside for something, at `bastide.internal`.
    Petition {
        /// The process, when the watcher knew it.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// What it asked for: `spawn`, `report`…; empty where that could not be read.
        verb: String,
        /// The beginning of what it said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        words: String,
        /// What those words may carry, as far as is known: all that was read inside.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        labels: Vec<String>,
        /// Refused here, or handed on.
        verdict: Verdict,
        /// The flow rule that refused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Why it was refused.
        reason: Option<String>,
    },
    /// A petition that was handed on was answered by something else than that it was done.
    PetitionAnswered {
        /// Its [`Kind::Petition`].
        petition: EventId,
        /// Refused, or still asked.
        verdict: Verdict,
        /// In words.
        reason: String,
    },
    /// Something was said in a conversation with a model, or by a server of tools, for the first time as far as this record
    /// knows.
    Said {
        /// Who says it, by the request's own claim: `system`, `user`, `assistant`, `tool`; `server` of MCP.
        speaker: String,
        /// `text`, `thinking`, `tool-call`, `tool-result`, `description`, or the type of what is no text.
        form: String,
        /// The name of the tool that is called, or described.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// As much of it as is kept, see [`crate::Bodies`].
        words: String,
        /// SHA-256 of what is meant, in hexadecimal.
        digest: String,
        /// Whose words they are known to be: `attested` the operator's, `delivered` by the model, `untrusted` where a tool
        /// gave them, `unmatched` where the program put them into the model's mouth, `withheld` from it by the gate; else `new`.
        standing: String,
    },
    /// A tool, as a model or a program was told of it: when it is first seen, and each time that it is told of in another way.
    /// It holds what is needed to conclude again what the tool does.
    Tool {
        /// Its name.
        name: String,
        /// The server of MCP that offers it, `HOST:PORT/PATH`; absent where a request to a model declares it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// `function`, or the wire's own type; `mcp` where a server offers it.
        form: String,
        /// As much of its description as is kept.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Its arguments, as its schema tells of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<Argument>,
        /// What a server hints at, `readOnlyHint: true`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<String>,
        /// SHA-256 of all that is told of it, in hexadecimal.
        digest: String,
    },
    /// A model was asked. What was new in it was said just before, and is among its causes.
    Model {
        /// The process, when the watcher knew it.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// Where the program asked.
        host: String,
        /// What for: `POST /v1/messages`.
        asked: String,
        /// The model that the program names.
        model: String,
        /// Who is asked, and for which model; absent where nobody is.
        provider: Option<String>,
        /// What was decided.
        verdict: Verdict,
        /// The rule that decided.
        rule: Option<String>,
        /// Why it was not allowed; of one that was, that it was translated, and which attempt came to nothing before.
        reason: Option<String>,
    },
    /// A model's answer ended.
    Answered {
        /// Its [`Kind::Model`].
        model: EventId,
        /// Tokens of the request, as the provider counts.
        input: Option<u64>,
        /// Tokens of the answer.
        output: Option<u64>,
        /// Why the model stopped, in the provider's word.
        stop: Option<String>,
        /// Whether the answer said that it was over.
        whole: bool,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// What the provider says of that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complaint: Option<String>,
        /// What it cost, where the policy says what its model costs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Cost>,
    },
    /// What speaks against something that was asked, or tells where it comes from.
    Evidence {
        /// What it shows: a label that is carried, or of what an answer makes public; or whose words are followed.
        what: String,
        /// Where that stands: a file, a block of the conversation.
        source: String,
        /// How it was wrapped; empty for what stood there plainly.
        how: String,
        /// The words, as they stand in the source; as much of them as is kept.
        quoted: String,
    },
    /// Something speaks for an attack: named evidence, which raises the session's risk and decides nothing.
    Risk {
        /// `instruction`, `hidden-text`, `encoded-instruction`, `changed-description`, `new-destination`, `drift`, `secret`.
        name: String,
        /// Why it counts as that.
        why: String,
        /// Where it stands: a result of a tool, an answer of a host, a call; or the sub-agent that it is of.
        source: String,
        /// Where in that it begins and ends, in bytes.
        from: u64,
        /// As above.
        to: u64,
        /// The words there, as much of them as is kept; of a secret only how long it is.
        quoted: String,
        /// What it adds.
        weight: u32,
        /// What the risk comes to with it, of 100.
        score: u32,
    },
    /// An allowed connection ended.
    Close {
        /// Its [`Kind::Connect`].
        connect: EventId,
        /// Bytes that left the cell.
        sent: u64,
        /// Bytes that came in.
        received: u64,
        /// The address that answered, where it is not the first that was pinned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Why there was no connection, or by which detour it was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Landlock refused access to a file. Told only where the host's audit was on already; each path and access once.
    FileRefused {
        /// The process, as numbered inside the cell, where it could still be asked.
        pid: Option<u32>,
        /// The program, as the kernel tells; absent where audit keeps no system calls.
        program: Option<String>,
        /// What was asked for, in the kernel's words without `fs.`: `read_file`, `make_dir`…
        access: Vec<String>,
        /// The file, or the directory of what was to be made; absent where the event only counts.
        path: Option<String>,
        /// Refusals before this event that were not told: repeated ones, or one too many.
        #[serde(default, skip_serializing_if = "none")]
        untold: u64,
    },
    /// A gate began to serve the cell.
    GateStarted {
        /// From 1, one more for each gate that the cell had.
        incarnation: u32,
    },
    /// The gate died; the cell has no network until the next one.
    GateLost,
    /// Another policy was asked for while the session ran. From here on the gate may decide by it, and does unless
    /// [`Kind::PolicyNotTaken`] follows.
    Policy {
        /// Which of the session: it began with 1.
        revision: u32,
        /// The policy's name.
        name: String,
        /// What differs from the one before, a line each; no variable's value is among it.
        changes: Vec<String>,
        /// The revision that it takes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<u32>,
    },
    /// The gate decides by this policy from here on, in its own segment: it orders its decisions with policies.
    DecidesBy {
        /// Which of the session.
        revision: u32,
    },
    /// A policy that was asked for did not come into force: the one before stays.
    PolicyNotTaken {
        /// Which.
        revision: u32,
        /// Why not.
        reason: String,
    },
    /// The operator asked something of the session while it ran.
    Ordered {
        /// `pause`, `resume` or `stop`.
        order: String,
        /// Who asked: his uid, and the process that he did it by.
        who: String,
    },
    /// The session is a sub-agent of another one, whose program asked for it. It is the first event after the beginning.
    ChildOf {
        /// The parent's session.
        session: String,
        /// Which of its children this is.
        child: u32,
        /// The parent's [`Kind::ChildReserved`] of it.
        event: EventId,
        /// What it is to do: the parent's words.
        task: String,
        /// What the parent may have read, and these words with it.
        labels: Vec<String>,
    },
    /// Labels of what the session may read from here on: what of its workspace carries one, what earlier sessions left in its
    /// home, its workspace and what else it sees, and what sub-agents and its parent said.
    Carried {
        /// Labels of texts, and of who wrote them.
        labels: Vec<String>,
        /// Labels of secrets alone, each of which is known as it stands: a summary of one is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        values: Vec<String>,
        /// Where from, in words: a place, and the sessions that left them there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        from: Vec<String>,
    },
    /// What the session leaves behind carries labels.
    Left {
        /// Where: its private home, or a tree that its changes are merged into.
        place: String,
        /// Which paths there; none where it is all of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
        /// Those of texts, and of who wrote them.
        labels: Vec<String>,
        /// Those of secrets alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        values: Vec<String>,
    },
    /// The operator took labels away from what the session left behind.
    Declassified {
        /// Where.
        place: String,
        /// Which paths there; none where it is all of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
        /// Which labels.
        labels: Vec<String>,
        /// Files whose content as it stands carries them no more, whoever left it.
        contents: u64,
        /// Who: his uid.
        who: String,
        /// Why, in his words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// So much of what the session may use up is a sub-agent's from here on, until [`Kind::ChildEnded`].
    ChildReserved {
        /// Its number among the session's children.
        child: u32,
        /// What it is to do: the agent's words.
        task: String,
        /// What it may use up.
        budget: Amounts,
        /// How many it may begin below itself, in all.
        #[serde(default, skip_serializing_if = "few")]
        below: u32,
        /// What it was asked for with and does not get.
        cut: Vec<String>,
    },
    /// A sub-agent has a session.
    ChildBegan {
        /// Which.
        child: u32,
        /// Its session.
        session: String,
    },
    /// A sub-agent is gone, or never was: what it did not use up is the session's again.
    ChildEnded {
        /// Which.
        child: u32,
        /// Its session, where it had one.
        session: Option<String>,
        /// Its exit code, where it ended in order.
        exit: Option<i32>,
        /// What ended it.
        reason: String,
        /// What it used up.
        used: Amounts,
        /// How many were begun below it, in all.
        #[serde(default, skip_serializing_if = "few")]
        below: u32,
    },
    /// The session is a server of MCP of another one, in a cell of its own. It is the first event after the beginning.
    ServerOf {
        /// The session whose agent speaks to it.
        session: String,
        /// What that one's policy calls it.
        server: String,
        /// That session's [`Kind::ServerBegins`] of it.
        event: EventId,
    },
    /// Something is said to a server of MCP, so it is begun in a cell of its own.
    ServerBegins {
        /// What the policy calls it.
        server: String,
        /// Its command line, as the policy says it.
        command: Vec<String>,
    },
    /// It has a session.
    ServerBegan {
        /// What the policy calls it.
        server: String,
        /// Its session.
        session: String,
    },
    /// It is gone, or never was.
    ServerEnded {
        /// What the policy calls it.
        server: String,
        /// Its session, where it had one.
        session: Option<String>,
        /// Its exit code, where it ended in order.
        exit: Option<i32>,
        /// What ended it.
        reason: String,
    },
    /// The operator is asked about something that a gate holds.
    Question {
        /// What the question is called.
        question: String,
        /// The process, as numbered inside the cell, where it is known.
        pid: Option<u32>,
        /// The program and its ancestors, nearest first; empty when unknown.
        program: Vec<String>,
        /// The name, or the address where none was looked up.
        host: String,
        /// The port.
        port: u16,
        /// The request, where it is one: `POST /a/b`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        does: Option<String>,
        /// The smallest rule that would allow it.
        rule: String,
        /// The policy's revision that it is asked under.
        revision: u32,
        /// What speaks for care.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<String>,
    },
    /// What became of a question, before it has an effect.
    Ruled {
        /// The question.
        question: String,
        /// `once`, `session`, `always`, `deny`; `expired` or `withdrawn` where nobody answered.
        answer: String,
        /// Who answered: his uid, and the process that he did it by; or the file that did. Why, where nobody answered.
        who: String,
        /// The rule that was granted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Seconds for which it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
        /// How many waited.
        waiting: u64,
    },
    /// A path of the workspace differs from the original.
    WorkspaceChange {
        /// The path, relative to the workspace.
        path: String,
        /// `added`, `modified`, `removed`…
        change: String,
    },
    /// Changes were merged into the original, or dropped.
    Merge {
        /// Which paths.
        paths: Vec<String>,
        /// How far it came.
        state: String,
    },
    /// The session ended.
    Ended {
        /// The exit code that was passed on.
        exit: i32,
        /// What ended it.
        reason: String,
    },
    /// Something that a later version writes. Read, never written.
    #[serde(other)]
    Unknown,
}

const fn once() -> u64 {
    1
}

/// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_once(times: &u64) -> bool {
    *times == 1
}

/// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn no(is: &bool) -> bool {
    !*is
}

/// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn few(count: &u32) -> bool {
    *count == 0
}

/// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn none(count: &u64) -> bool {
    *count == 0
}
