//! Why the plane did not do what it was asked: each kind with its stable code, its hint and its exit code.

use std::fmt::Display;
use wire::command::Problem;

/// Nothing was run.
pub const NOT_RUN: u8 = 125;
/// The program was not found inside.
pub const NOT_FOUND: u8 = 127;
/// The answer is no, or the request is wrong.
pub const NO: u8 = 1;

/// A problem with its hint.
#[must_use]
pub fn problem(code: &str, cause: impl Display, hint: &str, exit: u8) -> Problem {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Problem { code: code.into(), cause: cause.to_string(), hint, exit }
}

/// The state directory or a file in it cannot be used.
#[must_use]
pub fn state(what: &str, path: &std::path::Path, error: &std::io::Error) -> Problem {
    problem(
        "E-PLANE-001",
        format!("cannot {what} `{}`: {error}", path.display()),
        "look at the file system that holds the state directory: `df -h ~/.local/state`",
        NOT_RUN,
    )
}
