//! What the operator reads when something failed: a stable code, one line of cause, a hint with a command.

mod codes;

pub use codes::explain;

use crate::{exit, words};
use thiserror::Error;
use wire::command::Problem;

/// What ends a program whose plane is gone.
const KILLED: u8 = 9;
/// Width that lines are wrapped to.
const WIDTH: usize = 80;

/// A failure of the command itself, or one that the plane told.
#[derive(Debug, Error)]
pub enum Error {
    /// No plane could be started.
    #[error("cannot start the plane: {cause}")]
    NoPlane {
        /// Why.
        cause: String,
    },
    /// `help` was asked about something unknown.
    #[error("no such error code or verb: {topic}")]
    UnknownTopic {
        /// What was asked about, quoted.
        topic: String,
    },
    /// The plane ended before it had answered.
    #[error("the plane ended without an answer: {how}")]
    PlaneLost {
        /// How it ended.
        how: String,
        /// Whether a program ran under it, which is killed with its cell.
        started: bool,
    },
    /// The plane's answer has another form.
    #[error("the plane's answer is not understood")]
    Language,
    /// The request is longer than a frame.
    #[error("the request cannot be passed on: it is too long")]
    Unsayable,
    /// A path is no UTF-8.
    #[error("{path} cannot be passed on: it is not UTF-8")]
    NotText {
        /// The path, quoted.
        path: String,
        /// The nearest directory above it that is UTF-8, quoted.
        above: String,
    },
    /// The command line is wrong.
    #[error("{cause}")]
    Usage {
        /// What is wrong.
        cause: String,
        /// What to write instead.
        hint: String,
        /// Whether it is of `run`, where 2 could be the program's own.
        run: bool,
    },
    /// What was to be a secret's value is none. It is never shown.
    #[error("the value cannot be taken: {cause}")]
    Value {
        /// Why.
        cause: &'static str,
    },
    /// The question for a value was answered by a signal.
    #[error("no value was given: signal {signal}")]
    Interrupted {
        /// The signal's number.
        signal: u8,
    },
    /// The answer cannot be written.
    #[error("the answer cannot be written: {cause}")]
    Answer {
        /// Why.
        cause: std::io::Error,
    },
    /// A word names a file, and begins a session's id.
    #[error("{word} is a file, and the beginning of a session's id")]
    TwoMeanings {
        /// The word, quoted.
        word: String,
    },
    /// A variable looks like a secret. The value is never shown.
    #[error("the value of `{name}` looks like a secret, and everything inside can be read by the agent")]
    Secret {
        /// The variable.
        name: String,
        /// It was for a program that enters a session.
        enters: bool,
    },
    /// More than one variable looks like a secret.
    #[error("{count} variables look like secrets; `--accept-risk credential-inside` lets in one")]
    Secrets {
        /// How many.
        count: usize,
    },
    /// The workspace holds everything.
    #[error("`--workspace` {path} is refused: {what}")]
    Workspace {
        /// The path, quoted.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The outcome cannot be written.
    #[error("`--outcome` {path} cannot be written: {cause}")]
    Outcome {
        /// The path, quoted.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A file that an option names cannot be read or written.
    #[error("`{option}` {path} cannot be {done}: {cause}")]
    File {
        /// The option.
        option: &'static str,
        /// The path, quoted.
        path: String,
        /// `read` or `written`.
        done: &'static str,
        /// Why not.
        cause: std::io::Error,
    },
    /// What draws on a terminal has none.
    #[error("`watch` draws on a terminal, and there is none that it could draw on")]
    NoTerminal,
    /// More is asked at once than is waited for.
    #[error("too much is asked at once")]
    Busy,
    /// Something of the host that the command itself needs.
    #[error("cannot {what}: {cause}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        cause: std::io::Error,
    },
    /// What the plane answered.
    #[error("{}", words::plain(&.0.cause))]
    Plane(Box<Problem>),
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NoPlane { .. } => "E-FACE-001",
            Self::UnknownTopic { .. } => "E-FACE-002",
            Self::PlaneLost { .. } => "E-FACE-003",
            Self::Language => "E-FACE-004",
            Self::Unsayable | Self::NotText { .. } => "E-FACE-005",
            Self::Secret { .. } | Self::Secrets { .. } => "E-FACE-006",
            Self::Workspace { .. } => "E-FACE-007",
            Self::Outcome { .. } => "E-FACE-008",
            Self::Host { .. } => "E-FACE-009",
            Self::Usage { .. } => "E-FACE-010",
            Self::Answer { .. } => "E-FACE-011",
            Self::TwoMeanings { .. } => "E-FACE-012",
            Self::Value { .. } | Self::Interrupted { .. } => "E-FACE-013",
            Self::File { .. } => "E-FACE-014",
            Self::NoTerminal => "E-FACE-015",
            Self::Busy => "E-FACE-016",
            Self::Plane(problem) => &problem.code,
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::UnknownTopic { .. }
            | Self::TwoMeanings { .. }
            | Self::NoTerminal
            | Self::Usage { run: false, .. } => exit::USAGE,
            Self::Answer { .. } | Self::Value { .. } | Self::File { .. } | Self::Busy => exit::NO,
            Self::Interrupted { signal } => exit::by_signal(*signal),
            Self::PlaneLost { started: true, .. } => exit::by_signal(KILLED),
            Self::Plane(problem) => problem.exit,
            _ => exit::NOT_RUN,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Plane(problem) => return problem.hint.as_deref().map(words::plain),
            Self::Usage { hint, .. } => return Some(hint.clone()),
            Self::NotText { above, .. } => return Some(format!("name the directory above it: {above}")),
            Self::Value { .. } | Self::Interrupted { .. } => {
                "give one line on stdin: `bastide vault set NAME --to HOST < FILE`"
            }
            Self::Answer { .. } => "write it where there is room; what was asked is done",
            Self::TwoMeanings { .. } => "write `./` before the file, or the session's whole id",
            Self::UnknownTopic { .. } => "`bastide --help` lists the verbs",
            Self::Secret { enters: true, .. } => {
                "leave it out: `exec` lets none in; a session begins with one by `bastide run --accept-risk \
                 credential-inside --env …`"
            }
            Self::Secret { .. } => {
                "leave it out, or let this one in: `bastide run --accept-risk credential-inside --env …`"
            }
            Self::NoTerminal => "`bastide ls` lists sessions, `bastide log --follow` prints what happens in one",
            Self::Busy => "wait until something was answered, and press the key again",
            Self::Secrets { .. } => "leave all but one out",
            Self::Workspace { .. } => "name the directory to work on: `bastide run --workspace DIR -- …`",
            Self::File { option: "cp", done: "read", path, .. } if path == "'-'" => {
                "standard input is not read: name a file; one that is called `-` is `./-`"
            }
            Self::File { option: "cp", done: "read", .. } => "name a file that you can read: `ls -l` shows it",
            Self::File { option: "--key", done: "read", .. } => {
                "name the file that holds what `bastide log key` printed"
            }
            Self::File { done: "read", .. } => "name the file that holds what `bastide log checkpoint` printed",
            Self::File { .. } => "name a file in a directory that you can write to",
            Self::Outcome { .. } => "name a file in a directory that you can write to",
            _ => return Some(format!("`bastide help {}` says what to look at", self.code())),
        };
        Some(hint.to_owned())
    }

    /// The lines for stderr; `colour` only adds to the words.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let (on, off) = if colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let cause = wrap(&format!("error[{}]: {self}", words::plain(self.code())));
        let cause = cause.replacen("error", &format!("{on}error{off}"), 1);
        let hint = self.hint().map(|hint| wrap(&format!("hint: {hint}"))).unwrap_or_default();
        format!("{cause}{hint}")
    }

    /// The same for `--json`, as one line.
    #[must_use]
    pub fn json(&self) -> String {
        let error =
            serde_json::json!({ "error": { "code": self.code(), "cause": self.to_string(), "hint": self.hint() } });
        words::json(&error.to_string()) + "\n"
    }
}

/// Whether lines on stderr may be coloured.
#[must_use]
pub fn colour() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && crate::terminal::mode::is_coloured()
}

/// Wraps one line; what follows the first is indented. Line ends that `text` brings are kept.
#[must_use]
pub fn wrap(text: &str) -> String {
    text.split('\n').map(wrap_line).collect()
}

fn wrap_line(text: &str) -> String {
    let (mut lines, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            lines.push_str("\n  ");
            width = 2;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
