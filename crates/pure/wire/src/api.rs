//! The HTTP API of a plane as data: which request of the command each method and path is, how the command says it, and how
//! an answer is said and heard. The command speaks it with the plane that it starts, and other programs with the daemon.
//!
//! `docs/reference/api.yaml` describes it for others; a test compares both.

mod bodies;
mod head;
mod hearing;
mod reading;
mod routes;
mod say;
mod target;
mod telling;

use crate::command::{Problem, Reply, Request};

pub use head::{Head, PROTOCOL};
pub use hearing::{Hearing, Unheard};
pub use routes::{ROUTES, Route};
pub use say::{Said, say};
pub use telling::{Telling, go_on, refused, unread, upgraded, versions};

/// Bytes of the longest body: what a parent's plane tells of a sub-agent, with the texts that carry a label, fits.
pub const MAX_BODY: usize = crate::frame::MAX_FRAME;
/// Bytes of the longest head.
pub const MAX_HEAD: usize = 16 * 1024;
/// The version in every path. It only gains fields; a program that reads it ignores those that it does not know.
pub const VERSION: &str = "v1";
/// The socket's name in the state directory.
pub const NAME: &str = "api";

/// What was asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Which versions there are.
    Version,
    /// A request of the command's, and how it is answered.
    Request(Box<Request>, Form),
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Once, as a whole.
    Whole,
    /// In lines of JSON, as they come.
    Lines,
    /// In server-sent events, as they come.
    Events,
    /// In bytes as they are.
    Bytes,
    /// In frames, on a connection that is HTTP no longer: orders and descriptors go both ways.
    Frames,
}

/// Why a request is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // Each message says it.
pub enum Unread {
    #[error("the path is none of this API: `{0}`")]
    Path(String),
    #[error("`{method}` is not what this path takes, but `{takes}`")]
    Method { method: String, takes: &'static str },
    #[error("the query `{0}` means nothing here")]
    Query(String),
    #[error("the body is not as it should be: {0}")]
    Body(String),
    #[error("the head is not as it should be: {0}")]
    Head(String),
    #[error("the head is longer than {} bytes", MAX_HEAD)]
    HeadTooLong,
    #[error("the body is longer than {} bytes", MAX_BODY)]
    TooLong,
    #[error("the length of the body is not said: `Content-Length` is needed")]
    Length,
    #[error("the request did not come in time")]
    Late,
    #[error("it is no HTTP/1.1")]
    Version,
    #[error("the answer is no HTTP: ask with `Connection: Upgrade` and `Upgrade: {}`", PROTOCOL)]
    Upgrade,
}

impl Unread {
    /// The status that says so.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Unread::Path(_) => 404,
            Unread::Method { .. } => 405,
            Unread::Query(_) | Unread::Body(_) | Unread::Head(_) => 400,
            Unread::Late => 408,
            Unread::Length => 411,
            Unread::TooLong => 413,
            Unread::Upgrade => 426,
            Unread::HeadTooLong => 431,
            Unread::Version => 505,
        }
    }
}

/// Reads a request: method, target as it stands in the head, body.
///
/// # Errors
/// Why it is none.
pub fn read(method: &str, target: &str, body: &[u8]) -> Result<Asked, Unread> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let unknown = || Unread::Path(path.chars().take(200).collect());
    let segments = target::segments(path).ok_or_else(unknown)?;
    let mut takes = None;
    for route in &ROUTES {
        let Some(words) = route.means(&segments) else { continue };
        if route.method == method {
            return route.read(&words, query, body);
        }
        takes = Some(route.method);
    }
    match takes {
        Some(takes) => Err(Unread::Method { method: method.chars().take(20).collect(), takes }),
        None => Err(unknown()),
    }
}

/// The status of a plane's answer.
#[must_use]
pub fn status(answer: &Reply) -> u16 {
    match answer {
        Reply::Refused(problem) => of_problem(problem),
        _ => 200,
    }
}

fn of_problem(problem: &Problem) -> u16 {
    match problem.code.as_str() {
        // No such session, event, code, secret, question.
        "E-PLANE-011" | "E-PLANE-016" | "E-PLANE-070" | "E-PLANE-085" | "E-PLANE-120" => 404,
        "E-PLANE-015" | "E-PLANE-067" | "E-PLANE-176" => 400,
        code if code.starts_with("E-POLICY-") => 422,
        "E-PLANE-001" => 503,
        _ => 409,
    }
}

#[cfg(test)]
mod tests;
