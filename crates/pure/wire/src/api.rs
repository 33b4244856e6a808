//! The daemon's HTTP API as data: which request of the command each method and path is, and how an answer is said.
//!
//! `docs/reference/api.yaml` describes it for others; a test compares both.

mod bodies;
#[cfg(test)]
mod total;

use std::path::PathBuf;

use serde::Serialize;

use crate::command::{LedgerRequest, PolicyRequest, Problem, Reply, Request, Run, Select, VaultRequest};

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
    Begin,
    Output,
    Remove,
    Export,
    Suggest,
    WhyFile,
    Collect,
    Policy,
    Presets,
    Trust,
    Vault,
    VaultSet,
    VaultRemove,
    Doctor,
    Prove,
    Prune,
    Tools,
    Graph,
    Replay,
    Upgrade,
}

/// Every route.
pub const ROUTES: [Route; 41] = [
    Route { method: "GET", path: "/version", asks: Asks::Version },
    Route { method: "GET", path: "/codes/{code}", asks: Asks::Explain },
    Route { method: "GET", path: "/sessions", asks: Asks::Ls },
    Route { method: "POST", path: "/sessions", asks: Asks::Begin },
    Route { method: "GET", path: "/sessions/{session}", asks: Asks::Show },
    Route { method: "GET", path: "/sessions/{session}/output", asks: Asks::Output },
    Route { method: "GET", path: "/sessions/{session}/events", asks: Asks::Events },
    Route { method: "GET", path: "/sessions/{session}/export", asks: Asks::Export },
    Route { method: "GET", path: "/sessions/{session}/verification", asks: Asks::Verify },
    Route { method: "GET", path: "/sessions/{session}/why", asks: Asks::Why },
    Route { method: "GET", path: "/sessions/{session}/why/{event}", asks: Asks::WhyEvent },
    Route { method: "POST", path: "/sessions/{session}/why-file", asks: Asks::WhyFile },
    Route { method: "GET", path: "/sessions/{session}/tools", asks: Asks::Tools },
    Route { method: "GET", path: "/sessions/{session}/graph", asks: Asks::Graph },
    Route { method: "POST", path: "/sessions/{session}/replay", asks: Asks::Replay },
    Route { method: "GET", path: "/sessions/{session}/changes", asks: Asks::Diff },
    Route { method: "POST", path: "/sessions/{session}/changes/apply", asks: Asks::Apply },
    Route { method: "POST", path: "/sessions/{session}/changes/discard", asks: Asks::Discard },
    Route { method: "POST", path: "/sessions/{session}/policy", asks: Asks::PolicyApply },
    Route { method: "POST", path: "/sessions/{session}/policy/undo", asks: Asks::PolicyUndo },
    Route { method: "GET", path: "/sessions/{session}/policy/suggestion", asks: Asks::Suggest },
    Route { method: "POST", path: "/sessions/{session}/pause", asks: Asks::Pause },
    Route { method: "POST", path: "/sessions/{session}/resume", asks: Asks::Resume },
    Route { method: "POST", path: "/sessions/{session}/stop", asks: Asks::Stop },
    Route { method: "GET", path: "/questions", asks: Asks::Questions },
    Route { method: "POST", path: "/questions/{question}/answer", asks: Asks::Answer },
    Route { method: "POST", path: "/sessions/{session}/remove", asks: Asks::Remove },
    Route { method: "POST", path: "/gc", asks: Asks::Collect },
    Route { method: "POST", path: "/policy", asks: Asks::Policy },
    Route { method: "GET", path: "/policy/presets", asks: Asks::Presets },
    Route { method: "POST", path: "/trust", asks: Asks::Trust },
    Route { method: "GET", path: "/vault", asks: Asks::Vault },
    Route { method: "POST", path: "/vault/{name}", asks: Asks::VaultSet },
    Route { method: "POST", path: "/vault/{name}/remove", asks: Asks::VaultRemove },
    Route { method: "GET", path: "/doctor", asks: Asks::Doctor },
    Route { method: "GET", path: "/upgrade", asks: Asks::Upgrade },
    Route { method: "GET", path: "/ledger/checkpoint", asks: Asks::Checkpoint },
    Route { method: "GET", path: "/ledger/key", asks: Asks::Key },
    Route { method: "POST", path: "/ledger/verification", asks: Asks::Prove },
    Route { method: "POST", path: "/ledger/prune", asks: Asks::Prune },
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
    /// Bytes or lines as they come.
    Stream {
        /// The same as a request.
        request: Box<Request>,
        /// Lines of JSON, not bytes.
        lines: bool,
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
    (segments.next()? == VERSION).then_some(())?;
    let rest: Vec<&str> = segments.collect();
    rest.iter().all(|segment| is_plain(segment)).then_some(rest)
}

fn is_plain(segment: &str) -> bool {
    let bytes = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&segment.len()) && segment.bytes().all(bytes) && !segment.starts_with('.')
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
        let name = || word(0).unwrap_or_default();
        let follow = match (self, query) {
            (_, None) => false,
            (Asks::Events | Asks::Output, Some("follow=true")) => true,
            (_, Some(query)) => return Err(Unread::Query(query.chars().take(200).collect())),
        };
        let mut bodiless = true;
        let mut with = || bodiless = false;
        let request = match self {
            Asks::Version => return bodies::empty(body).map(|()| Asked::Version),
            Asks::Ls => Request::Ls,
            Asks::Show => Request::Show(one()),
            Asks::Events => Request::Log { select: one(), follow },
            Asks::Output => Request::Logs { select: one(), follow },
            Asks::Export => Request::Ledger(LedgerRequest::Export(one())),
            Asks::Verify => Request::Verify(one()),
            Asks::Why | Asks::WhyEvent => Request::Why { select: one(), event: word(1) },
            Asks::Tools => Request::Tools(one()),
            Asks::Graph => Request::Graph { select: one(), all: true },
            Asks::Diff => Request::Diff(one()),
            Asks::Explain => Request::Explain { code: name() },
            Asks::PolicyUndo => Request::Policy(PolicyRequest::Undo(one())),
            Asks::Suggest => Request::Policy(PolicyRequest::Suggest(one())),
            Asks::Presets => Request::Policy(PolicyRequest::Presets),
            Asks::Pause => Request::Pause(one()),
            Asks::Resume => Request::Resume(one()),
            Asks::Questions => Request::Questions,
            Asks::Checkpoint => Request::Ledger(LedgerRequest::Checkpoint),
            Asks::Key => Request::Ledger(LedgerRequest::Key),
            Asks::Metrics => Request::Metrics,
            Asks::Vault => Request::Vault(VaultRequest::List),
            Asks::VaultRemove => Request::Vault(VaultRequest::Remove { name: name() }),
            Asks::Doctor => Request::Doctor(Box::new(Run { directory: PathBuf::from("/"), ..Run::default() })),
            Asks::Upgrade => Request::Upgrade,
            asks => {
                with();
                asks.read_body(name(), one(), body)?
            }
        };
        if bodiless {
            bodies::empty(body)?;
        }
        let request = Box::new(request);
        Ok(match self {
            Asks::Events => Asked::Events { request, goes_on: follow },
            Asks::Output => Asked::Stream { request, lines: false },
            Asks::Export => Asked::Stream { request, lines: true },
            _ => Asked::Once(request),
        })
    }

    /// Those that say more in a body.
    fn read_body(self, name: String, select: Select, body: &[u8]) -> Result<Request, Unread> {
        let paths = |body| Ok(Select { paths: bodies::paths(body)?, ..select.clone() });
        Ok(match self {
            Asks::Begin => Request::Run(Box::new(bodies::run(body)?)),
            Asks::Apply => Request::Apply(paths(body)?),
            Asks::Discard => Request::Discard(paths(body)?),
            Asks::Stop => Request::Stop { grace: bodies::grace(body)?, select },
            Asks::Answer => Request::Answer { question: name, say: bodies::json(body)? },
            Asks::Remove => Request::Remove(bodies::removal(name, body)?),
            Asks::Collect => Request::Remove(bodies::collection(body)?),
            Asks::WhyFile => Request::WhyFile { path: bodies::path(body)?, select },
            Asks::Replay => Request::Replay { policy: bodies::replay(body)?, select },
            Asks::Policy => Request::Policy(bodies::policy(body)?),
            Asks::PolicyApply => {
                let bodies::File { file } = bodies::json(body)?;
                Request::Policy(PolicyRequest::Apply { select, file })
            }
            Asks::Trust => {
                let bodies::File { file } = bodies::json(body)?;
                Request::Trust { file }
            }
            Asks::VaultSet => Request::Vault(bodies::secret(name, body)?),
            Asks::Prove => Request::Ledger(bodies::proof(body)?),
            // The others have none.
            _ => Request::Ledger(bodies::prune(body)?),
        })
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
