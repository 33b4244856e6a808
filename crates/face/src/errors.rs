//! What the operator reads when something failed: a stable code, one line of cause, a hint with a command.

use crate::exit;
use thiserror::Error;

/// Width that lines are wrapped to.
const WIDTH: usize = 80;

/// A failure of the command itself.
#[derive(Debug, Error)]
pub enum Error {
    /// No plane answers.
    #[error("cannot reach the plane, so `{verb}` was not done")]
    NoPlane {
        /// What was asked for.
        verb: &'static str,
    },
    /// `help` was asked about something unknown.
    #[error("no such error code or verb: {topic}")]
    UnknownTopic {
        /// What was asked about, quoted.
        topic: String,
    },
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPlane { .. } => "E-FACE-001",
            Self::UnknownTopic { .. } => "E-FACE-002",
        }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::NoPlane { .. } => exit::NOT_RUN,
            Self::UnknownTopic { .. } => exit::USAGE,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NoPlane { .. } => "`bastide help E-FACE-001` says what to look at",
            Self::UnknownTopic { .. } => "`bastide --help` lists the verbs",
        }
    }

    /// The lines for stderr; `colour` only adds to the words.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let (on, off) = if colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let cause = wrap(&format!("error[{}]: {self}", self.code()));
        let cause = cause.replacen("error", &format!("{on}error{off}"), 1);
        format!("{cause}{}", wrap(&format!("hint: {}", self.hint())))
    }

    /// The same for `--json`.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "code": self.code(), "cause": self.to_string(), "hint": self.hint() } })
    }
}

/// Whether lines on stderr may be coloured.
#[must_use]
pub fn colour() -> bool {
    use std::io::IsTerminal;
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

/// The long explanation of a code, if there is such a code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    match code {
        "E-FACE-001" => Some(
            "E-FACE-001: cannot reach the plane\n\nThe command only asks; `bastided` does. It was not found beside the \
             command,\nor did not answer. Nothing was run and nothing was changed.\n\nhint: `ls \"$(dirname \"$(command -v bastide)\")\"` \
             shows whether bastided is there\n",
        ),
        "E-FACE-002" => Some(
            "E-FACE-002: no such error code or verb\n\nCodes look like E-FACE-001 and stand in brackets behind `error`.\n\n\
             hint: `bastide --help` lists the verbs\n",
        ),
        _ => None,
    }
}

fn wrap(text: &str) -> String {
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
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_fits() {
        for error in [Error::NoPlane { verb: "policy" }, Error::UnknownTopic { topic: "'x' ".repeat(60) }] {
            assert!(explain(error.code()).is_some_and(|text| text.lines().all(|line| line.len() <= WIDTH)));
            assert!(error.render(false).lines().all(|line| line.len() <= WIDTH));
            assert!(error.render(false).contains("\nhint: "));
            assert!(!error.render(false).contains('\x1b') && error.render(true).contains('\x1b'));
        }
    }
}
