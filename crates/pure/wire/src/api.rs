//! The daemon's HTTP API as data: which request of the command each method and path is, and how an answer is said.
//!
//! `docs/reference/api.yaml` describes it for others; a test compares both.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::{LedgerRequest, PolicyRequest, Problem, Reply, Request, Select};

/// Bytes of the longest body.
pub const MAX_BODY: usize = 1 << 20;
/// The version in every path. It only gains fields; a program that reads it ignores those that it does not know.
pub const VERSION: &str = "v1";
/// The socket's name in the state directory.
pub const NAME: &str = "api";

/// A method and a path, in which `{…}` stands for one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Below the version, with a slash in front.
    pub path: &'static str,
    asks: Asks,
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Version,
    Ls,
    Show,
    Events,
    Verify,
    Why,
    WhyEvent,
    Diff,
    Apply,
    Discard,
    PolicyApply,
    PolicyUndo,
    Explain,
    Stop,
    Pause,
    Resume,
    Questions,
    Answer,
    Checkpoint,
    Key,
    Metrics,
}

/// Every route.
pub const ROUTES: [Route; 21] = [
    Route { method: "GET", path: "/version", asks: Asks::Version },
    Route { method: "GET", path: "/codes/{code}", asks: Asks::Explain },
    Route { method: "GET", path: "/sessions", asks: Asks::Ls },
    Route { method: "GET", path: "/sessions/{session}", asks: Asks::Show },
    Route { method: "GET", path: "/sessions/{session}/events", asks: Asks::Events },
    Route { method: "GET", path: "/sessions/{session}/verification", asks: Asks::Verify },
    Route { method: "GET", path: "/sessions/{session}/why", asks: Asks::Why },
    Route { method: "GET", path: "/sessions/{session}/why/{event}", asks: Asks::WhyEvent },
    Route { method: "GET", path: "/sessions/{session}/changes", asks: Asks::Diff },
    Route { method: "POST", path: "/sessions/{session}/changes/apply", asks: Asks::Apply },
    Route { method: "POST", path: "/sessions/{session}/changes/discard", asks: Asks::Discard },
    Route { method: "POST", path: "/sessions/{session}/policy", asks: Asks::PolicyApply },
    Route { method: "POST", path: "/sessions/{session}/policy/undo", asks: Asks::PolicyUndo },
    Route { method: "POST", path: "/sessions/{session}/pause", asks: Asks::Pause },
    Route { method: "POST", path: "/sessions/{session}/resume", asks: Asks::Resume },
    Route { method: "POST", path: "/sessions/{session}/stop", asks: Asks::Stop },
    Route { method: "GET", path: "/questions", asks: Asks::Questions },
    Route { method: "POST", path: "/questions/{question}/answer", asks: Asks::Answer },
    Route { method: "GET", path: "/ledger/checkpoint", asks: Asks::Checkpoint },
    Route { method: "GET", path: "/ledger/key", asks: Asks::Key },
    Route { method: "GET", path: "/metrics", asks: Asks::Metrics },
];

/// What was asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Which versions there are.
    Version,
    /// What a plane answers once.
    Once(Box<Request>),
    /// Events, one by one.
    Events {
        /// The same as a request.
        request: Box<Request>,
        /// Also those to come.
        goes_on: bool,
    },
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
}

impl Unread {
    /// The status that says so.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Unread::Path(_) => 404,
            Unread::Method { .. } => 405,
            Unread::Query(_) | Unread::Body(_) => 400,
        }
    }
}

/// The body of a request about changes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paths {
    /// Absolute; none means all.
    #[serde(default)]
    paths: Vec<PathBuf>,
}

/// The body of a request about a policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Absolute, or the name of a blueprint or preset.
    file: PathBuf,
}

/// The body of a request to end a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grace {
    /// Milliseconds until all is ended.
    grace: u64,
}

/// How long a session that is asked to end has where nothing else is said, and at most: milliseconds.
const GRACE: u64 = 10_000;
const LONGEST_GRACE: u64 = 24 * 60 * 60 * 1000;

/// What answers a request that was answered.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// Lines for the operator.
    pub notices: &'a [String],
    /// The plane's last word.
    pub answer: &'a Reply,
}

/// Reads a request: method, target as it stands in the head, body.
///
/// # Errors
/// Why it is none.
pub fn read(method: &str, target: &str, body: &[u8]) -> Result<Asked, Unread> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let unknown = || Unread::Path(path.chars().take(200).collect());
    let segments = segments(path).ok_or_else(unknown)?;
    let mut takes = None;
    for route in &ROUTES {
        let Some(words) = route.means(&segments) else { continue };
        if route.method == method {
            return route.asks.read(&words, query, body);
        }
        takes = Some(route.method);
    }
    match takes {
        Some(takes) => Err(Unread::Method { method: method.chars().take(20).collect(), takes }),
        None => Err(unknown()),
    }
}

/// The segments behind the version. One of other bytes than ids and names are made of is none: nothing is decoded, so
/// that nothing can be read in two ways.
fn segments(path: &str) -> Option<Vec<&str>> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let plain = |segment: &&str| {
        let bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=128).contains(&segment.len()) && segment.bytes().all(bytes) && !segment.starts_with('.')
    };
    (segments.next()? == VERSION).then_some(())?;
    let rest: Vec<&str> = segments.collect();
    rest.iter().all(plain).then_some(rest)
}

impl Route {
    /// What stands in the places that are free, when the path is this one's.
    fn means<'a>(&self, segments: &[&'a str]) -> Option<Vec<&'a str>> {
        let pattern: Vec<&str> = self.path[1..].split('/').collect();
        (pattern.len() == segments.len()).then_some(())?;
        let mut words = Vec::new();
        for (own, segment) in pattern.iter().zip(segments) {
            if own.starts_with('{') {
                words.push(*segment);
            } else if own != segment {
                return None;
            }
        }
        Some(words)
    }
}

impl Asks {
    fn read(self, words: &[&str], query: Option<&str>, body: &[u8]) -> Result<Asked, Unread> {
        let word = |at: usize| words.get(at).map(ToString::to_string);
        let select = |paths| Select { session: word(0), directory: PathBuf::from("/"), paths };
        let one = || select(Vec::new());
        let follow = match (self, query) {
            (_, None) => false,
            (Asks::Events, Some("follow=true")) => true,
            (_, Some(query)) => return Err(Unread::Query(query.chars().take(200).collect())),
        };
        let request = match self {
            Asks::Version => return empty(body).map(|()| Asked::Version),
            Asks::Ls => Request::Ls,
            Asks::Show => Request::Show(one()),
            Asks::Events => Request::Log { select: one(), follow },
            Asks::Verify => Request::Verify(one()),
            Asks::Why | Asks::WhyEvent => Request::Why { select: one(), event: word(1) },
            Asks::Diff => Request::Diff(one()),
            Asks::Explain => Request::Explain { code: word(0).unwrap_or_default() },
            Asks::Apply => Request::Apply(select(paths(body)?)),
            Asks::Discard => Request::Discard(select(paths(body)?)),
            Asks::PolicyUndo => Request::Policy(PolicyRequest::Undo(one())),
            Asks::Pause => Request::Pause(one()),
            Asks::Resume => Request::Resume(one()),
            Asks::Stop => Request::Stop { select: one(), grace: grace(body)? },
            Asks::Questions => Request::Questions,
            Asks::Answer => Request::Answer { question: word(0).unwrap_or_default(), say: json(body)? },
            Asks::Checkpoint => Request::Ledger(LedgerRequest::Checkpoint),
            Asks::Key => Request::Ledger(LedgerRequest::Key),
            Asks::Metrics => Request::Metrics,
            Asks::PolicyApply => {
                let File { file } = json(body)?;
                Request::Policy(PolicyRequest::Apply { select: one(), file })
            }
        };
        if !matches!(self, Asks::Apply | Asks::Discard | Asks::PolicyApply | Asks::Stop | Asks::Answer) {
            empty(body)?;
        }
        let request = Box::new(request);
        Ok(if self == Asks::Events { Asked::Events { request, goes_on: follow } } else { Asked::Once(request) })
    }
}

fn empty(body: &[u8]) -> Result<(), Unread> {
    if body.is_empty() { Ok(()) } else { Err(Unread::Body("there should be none".into())) }
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unread> {
    serde_json::from_slice(body).map_err(|error| Unread::Body(error.to_string()))
}

fn grace(body: &[u8]) -> Result<u64, Unread> {
    let Grace { grace } = if body.is_empty() { Grace { grace: GRACE } } else { json(body)? };
    if grace <= LONGEST_GRACE { Ok(grace) } else { Err(Unread::Body("`grace` is longer than a day".into())) }
}

/// Paths are absolute: the daemon has no directory in which another would mean something.
fn paths(body: &[u8]) -> Result<Vec<PathBuf>, Unread> {
    let Paths { paths } = if body.is_empty() { Paths::default() } else { json(body)? };
    match paths.iter().find(|path| !Path::is_absolute(path)) {
        None => Ok(paths),
        Some(path) => Err(Unread::Body(format!("`{}` is no absolute path", path.display()))),
    }
}

/// The status of a plane's answer.
#[must_use]
pub fn status(answer: &Reply) -> u16 {
    match answer {
        Reply::Refused(problem) => refused(problem),
        _ => 200,
    }
}

fn refused(problem: &Problem) -> u16 {
    match problem.code.as_str() {
        "E-PLANE-011" => 404,
        code if code.starts_with("E-POLICY-") => 422,
        "E-PLANE-001" => 503,
        _ => 409,
    }
}

#[cfg(test)]
mod tests;
