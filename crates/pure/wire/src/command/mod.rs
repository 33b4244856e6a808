//! The command: what the operator's client asks of the plane, and what the plane answers.
//!
//! One connection carries one [`Request`] and then [`Reply`]s until one that [`Reply::is_last`] says is the last.
//! While a session runs, the client also sends [`Order`]s.

mod answer;
mod child;
mod labels;
mod ledger;
mod live;
mod record;
mod run;
mod vault;
mod watch;

pub use answer::{
    AboveInfo, ChangeInfo, Checked, ChildInfo, ControlAnswer, DiffAnswer, DiskInfo, DoctorAnswer, FileAnswer, LiveInfo,
    LogLine, MergeAnswer, MergeCounts, ModelsInfo, ParentInfo, Probe, Remedy, SegmentCheck, SessionInfo, SessionState,
    WhyAnswer,
};
pub use child::{ChildEnd, ChildRun, ChildWord, ServerRun, View};
pub use labels::{Declassify, LabelsAnswer, MarkInfo, PlaceInfo, Places, ReleaseInfo, TakenInfo};
pub use ledger::{CheckpointInfo, Held, LedgerProof, LedgerRequest, LedgerVerify, PruneAnswer, PrunedDay, Standing};
pub use live::{Attach, Built, CopyFile, CopyWay, Exec, Removal, Removed, Spoken, UpgradeAnswer};
pub use record::{ArgumentInfo, Concluded, GraphAnswer, ReplayAnswer, RequestInfo, ToolInfo, ToolsAnswer};
pub use run::{Counted, Outcome, Run, SURROUNDINGS, Stream, Terminal};
pub use vault::{Derives, Grant, SecretText, VaultEntry, VaultRequest};
pub use watch::{News, Share, Watched};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::question::{Card, Say};

/// What the client asks, once per connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb", deny_unknown_fields)]
pub enum Request {
    /// Run a program in a cell.
    Run(Box<Run>),
    /// Run a sub-agent. Asked by the plane of its parent, and by nobody else.
    Child(Box<ChildRun>),
    /// Run a server of MCP in a cell of its own; the line on which it is spoken with rides with this frame. Asked by the plane
    /// of the session that speaks to it, and by nobody else.
    Server(Box<ServerRun>),
    /// Measure the boundary in a throwaway cell.
    Doctor(Box<Run>),
    /// Keep a plane waiting for the next run, as long as this client stays.
    Standby,
    /// Serve the API of this state directory, and keep a plane waiting, as long as this client stays.
    Daemon,
    /// What a session changed.
    Diff(Select),
    /// Merge it.
    Apply {
        /// Which session, and which paths.
        select: Select,
        /// These very paths, absolute, also over what was changed outside; where there are any, all is not meant.
        over: Vec<PathBuf>,
    },
    /// Throw it away.
    Discard(Select),
    /// The sessions.
    Ls,
    /// How all that run stand, and the newest of those that ended, and what changes, as long as this client stays; answered
    /// by [`Reply::News`].
    Watch {
        /// How many of those that ended.
        ended: u32,
    },
    /// One session.
    Show(Select),
    /// Ask the program of a running session to end, and end all of it after a while; answered by [`Reply::Controlled`] when
    /// it has ended.
    Stop {
        /// Which.
        select: Select,
        /// Milliseconds until all is ended.
        grace: u64,
    },
    /// Which questions wait for the operator, of all sessions; answered by [`Reply::Questions`].
    Questions,
    /// Answer one; answered by [`Reply::Answered`].
    Answer {
        /// Its id, or a beginning of it that no other has, and behind a dot the newest that waited when it was shown.
        question: String,
        /// The answer.
        say: Say,
    },
    /// Let nothing in a running session go on.
    Pause(Select),
    /// Let it go on.
    Resume(Select),
    /// Watch a session whose program's output its own process keeps, and type into it.
    Attach(Attach),
    /// What a session that nobody watches printed; answered by [`Reply::Output`]s.
    Logs {
        /// Which.
        select: Select,
        /// Go on while it runs.
        follow: bool,
    },
    /// Run another program in the cell of a running session.
    Exec(Box<Exec>),
    /// Copy one file out of a running session, or into it; answered by [`Reply::Copying`].
    Copy(CopyFile),
    /// Show a port of a running cell on the host's loopback, as long as this client stays.
    Open {
        /// Which session.
        select: Select,
        /// The port inside.
        port: u16,
        /// The port outside; any that is free when absent.
        at: Option<u16>,
    },
    /// Remove sessions that ended.
    Remove(Removal),
    /// Which running sessions the programs on disk could not speak with.
    Upgrade,
    /// The events of one session.
    Log {
        /// Which.
        select: Select,
        /// Go on while it runs.
        follow: bool,
    },
    /// Verify the chains of one session.
    Verify(Select),
    /// Of the ledger of all sessions.
    Ledger(LedgerRequest),
    /// Counters of all sessions, for Prometheus; answered by [`Reply::Page`].
    Metrics,
    /// Why an event came out as it did.
    Why {
        /// Which session.
        select: Select,
        /// The event, such as `g12`; the last refusal when absent.
        event: Option<String>,
    },
    /// The tools that a session's models were told of, and what is concluded of them.
    Tools(Select),
    /// Make the decisions of a session's record again, and of those below it.
    Replay {
        /// Which.
        select: Select,
        /// The policy that takes the place of its own; none where each decides that was in force.
        policy: Option<PathBuf>,
    },
    /// What led to what in a session, and in those below it.
    Graph {
        /// Which.
        select: Select,
        /// As much of it as there is room for.
        all: bool,
    },
    /// What becomes of a path inside, by the session's policy or by the default one.
    WhyFile {
        /// Which session.
        select: Select,
        /// The path, absolute.
        path: PathBuf,
    },
    /// Check, show, explain, compare, test or suggest a policy, or put another one in force.
    Policy(PolicyRequest),
    /// Which labels what sessions left behind carries; answered by [`Reply::Labels`].
    Labels(Places),
    /// Take some away; answered by [`Reply::Labels`].
    Declassify(Box<Declassify>),
    /// Trust the present content of a file found in a workspace.
    Trust {
        /// The file, absolute.
        file: PathBuf,
    },
    /// Keep, list or forget secrets.
    Vault(VaultRequest),
    /// What a code such as `E-POLICY-003` means; answered by [`Reply::Text`].
    Explain {
        /// The code, as typed.
        code: String,
    },
}

/// A session and paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// Id, name, or a unique beginning of an id; the newest session of `directory` when absent.
    pub session: Option<String>,
    /// The client's working directory.
    pub directory: PathBuf,
    /// Only these paths, absolute; empty means all.
    pub paths: Vec<PathBuf>,
}

/// `bastide policy …`. Files are absolute paths, or the name of a blueprint or preset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "policy", deny_unknown_fields)]
pub enum PolicyRequest {
    /// Is it understood?
    Check {
        /// Which.
        file: PathBuf,
    },
    /// Print it with all that it extends.
    Show {
        /// Which.
        file: Option<PathBuf>,
    },
    /// What it decides on one request.
    Explain {
        /// Which.
        file: PathBuf,
        /// `HOST:PORT`, or an absolute path.
        request: String,
        /// The program that asks.
        program: Option<PathBuf>,
    },
    /// What one allows and another does not.
    Diff {
        /// Before.
        old: PathBuf,
        /// After.
        new: PathBuf,
    },
    /// Run the examples that it holds.
    Test {
        /// Which.
        file: PathBuf,
    },
    /// The blueprints that take arguments.
    Presets,
    /// The smallest policy of a whole run.
    Suggest(Select),
    /// A policy of another language as one of this.
    Import {
        /// Which.
        file: PathBuf,
        /// What to call it.
        name: Option<String>,
    },
    /// Put it in force in a session that runs.
    Apply {
        /// Which session.
        select: Select,
        /// Which policy.
        file: PathBuf,
    },
    /// Go back to the policy that was in force before.
    Undo(Select),
}

/// What the client says while a session runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order", deny_unknown_fields)]
pub enum Order {
    /// Send this signal to the program's process group.
    Signal {
        /// The signal's number.
        number: u8,
    },
    /// The client's terminal has another size by now.
    Size(Terminal),
    /// The operator typed this line. It may be a password, and is never written anywhere.
    Typed {
        /// The line.
        line: SecretText,
    },
    /// The parent of a sub-agent sends it a message.
    Message {
        /// The parent's words.
        words: String,
        /// What they carry.
        labels: Vec<policy::Label>,
    },
    /// The parent of a sub-agent is narrowed under risk, and it is with it.
    Narrow {
        /// The parent's risk.
        score: u32,
    },
    /// The parent is narrowed no more.
    Widen,
    /// The parent still wants the sub-agent, or the server, which said [`ChildWord::Ready`]: its program is begun.
    Begin,
    /// The parent is being paused, and what it began with it; answered by [`ChildWord::Paused`] or [`ChildWord::Unpaused`].
    Pause,
    /// The parent goes on.
    Resume,
}

/// What the plane answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply", deny_unknown_fields)]
pub enum Reply {
    /// A line for the operator while long work goes on, or one that he must see.
    Notice {
        /// One line.
        text: String,
    },
    /// The outer ends of the program's stdio ride with this frame: the pty first if any stream is one (once), then
    /// for each piped stream its end, in order.
    Stdio {
        /// How each of stdin, stdout and stderr was made.
        streams: [Stream; 3],
    },
    /// The program runs.
    Started {
        /// The session's id.
        session: String,
    },
    /// The program was stopped by this signal; `Order::Signal` with SIGCONT goes on.
    Stopped {
        /// The signal's number.
        signal: u8,
    },
    /// A sub-agent says something to its parent.
    Child(ChildWord),
    /// What a sub-agent came to, before its outcome.
    ChildEnd(Box<ChildEnd>),
    /// The program runs, and its session goes on without this client.
    Detached {
        /// The session's id.
        session: String,
        /// Its name.
        name: Option<String>,
        /// It ran already, under this name.
        #[serde(default)]
        already: bool,
    },
    /// What the program shows now, before what it prints from here on.
    Screen {
        /// For a terminal.
        bytes: Vec<u8>,
    },
    /// Something that a program printed.
    Output {
        /// As it did.
        bytes: Vec<u8>,
    },
    /// The program of an `exec` ended, or who watched is to watch no more.
    Finished {
        /// The exit code.
        exit: u8,
        /// What ended it.
        reason: String,
    },
    /// A file of a session's, open; its descriptor rides with this frame.
    Copying {
        /// Its length in bytes at this moment.
        length: u64,
        /// It may be executed.
        executable: bool,
    },
    /// A port is shown at this address; [`Reply::Finished`] follows in the end.
    Opened {
        /// Where.
        address: std::net::SocketAddr,
    },
    /// What was removed.
    Removed(Box<Removed>),
    /// Who could not be spoken with.
    Upgrade(Box<UpgradeAnswer>),
    /// The session ended.
    Ended(Box<Outcome>),
    /// Nothing was done.
    Refused(Box<Problem>),
    /// Sessions.
    Sessions {
        /// Newest first.
        sessions: Vec<SessionInfo>,
    },
    /// What who watches is told; more follows.
    News(News),
    /// One session.
    Session(Box<SessionInfo>),
    /// What a session that ran was made to do.
    Controlled(Box<ControlAnswer>),
    /// Questions that wait, one of each session in turn.
    Questions {
        /// Each as it is shown.
        cards: Vec<Card>,
    },
    /// A question was answered.
    Answered {
        /// What came of it, in words.
        text: String,
        /// The question, as it was.
        card: Box<Card>,
        /// The answer.
        say: Say,
    },
    /// Changes.
    Diff(Box<DiffAnswer>),
    /// A merge, or a throwing away.
    Merged(Box<MergeAnswer>),
    /// One event; more may follow.
    Event(Box<LogLine>),
    /// No event follows.
    LogEnd,
    /// What verification proved.
    Verified {
        /// One for each segment.
        segments: Vec<SegmentCheck>,
        /// What the ledger knows of the session, where it knows it.
        #[serde(default)]
        ledger: Option<Standing>,
    },
    /// The newest checkpoint of the ledger.
    Checkpoint(Box<CheckpointInfo>),
    /// What the ledger proves.
    Proved(Box<LedgerProof>),
    /// Sessions whose segments were removed.
    Pruned(Box<PruneAnswer>),
    /// A line for a program; more may follow, and [`Reply::LogEnd`] in the end.
    Line {
        /// JSON, without its end.
        text: String,
    },
    /// Lines for a program, as they are.
    Page {
        /// Each with its end.
        text: String,
    },
    /// Why an event came out as it did.
    Why(Box<WhyAnswer>),
    /// Tools.
    Tools(Box<ToolsAnswer>),
    /// Decisions made again.
    Replayed(Box<ReplayAnswer>),
    /// What led to what.
    Graph(Box<GraphAnswer>),
    /// Labels of what sessions left behind.
    Labels(Box<LabelsAnswer>),
    /// What becomes of a path.
    File(FileAnswer),
    /// What was asked of a policy: whether the answer is yes, and the words.
    Policy(Checked),
    /// The boundary.
    Doctor(Box<DoctorAnswer>),
    /// What the vault keeps, without any value.
    Vault {
        /// By name.
        secrets: Vec<VaultEntry>,
    },
    /// Words for the operator.
    Text {
        /// Lines, each with its end.
        text: String,
    },
}

impl Reply {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        !matches!(
            self,
            Reply::Notice { .. }
                | Reply::Stdio { .. }
                | Reply::Started { .. }
                | Reply::Screen { .. }
                | Reply::Output { .. }
                | Reply::Opened { .. }
                | Reply::Stopped { .. }
                | Reply::Child(_)
                | Reply::ChildEnd(_)
                | Reply::Event(_)
                | Reply::News(_)
                | Reply::Line { .. }
        )
    }
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {cause}")]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Stable, such as `E-PLANE-004`.
    pub code: String,
    /// One line, without the code.
    pub cause: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// The exit code that says so.
    pub exit: u8,
}
