//! `help CODE`: what a code means.

use wire::command::{Problem, Reply};

use crate::codes;
use crate::problem::{NO, problem, quoted};

/// The long text of a code of the plane or of the policy's reader.
pub(super) fn code(code: &str) -> Result<Reply, Problem> {
    let upper = code.to_ascii_uppercase();
    match codes::explain(&upper).or_else(|| policy::read::explain_code(&upper)) {
        Some(text) => Ok(Reply::Text { text: format!("{upper}: {text}\n") }),
        None => Err(problem(
            "E-PLANE-070",
            format!("there is no code `{}`", quoted(code)),
            "a code looks like E-PLANE-011; it stands in brackets behind the word error",
            NO,
        )),
    }
}
