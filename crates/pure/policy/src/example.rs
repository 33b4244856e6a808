//! Examples in a policy: what its writer says must come out, run by `bastide policy test`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mcp::Message;
use crate::{
    Access, CanonicalPath, Conjunction, Decision, Egress, FileAnswer, Host, Method, Outcome, Place, Policy, Request,
    RequestError, decide, explain, file, print,
};

/// One example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Example {
    /// A request to leave the cell.
    Connect {
        /// The destination.
        host: Host,
        /// Its port.
        port: u16,
        /// The executable; none is an unknown program.
        program: Option<CanonicalPath>,
        /// What becomes of it.
        expect: Outcome,
    },
    /// One HTTP request.
    Request {
        /// The destination.
        host: Host,
        /// Its port.
        port: u16,
        /// The method.
        method: Method,
        /// The path, as a request has it.
        path: String,
        /// The executable; none is an unknown program.
        program: Option<CanonicalPath>,
        /// What becomes of it.
        expect: Outcome,
    },
    /// A tool of a server that speaks MCP is called.
    Call {
        /// The destination.
        host: Host,
        /// Its port.
        port: u16,
        /// The path, as a request has it.
        path: String,
        /// The tool.
        tool: String,
        /// What it is called with: texts by their names.
        arguments: BTreeMap<String, String>,
        /// The executable; none is an unknown program.
        program: Option<CanonicalPath>,
        /// What becomes of it.
        expect: Outcome,
    },
    /// Reading a file.
    Read {
        /// Which.
        path: ExamplePath,
        /// What becomes of it.
        expect: Reading,
    },
    /// Changing a file.
    Write {
        /// Which.
        path: ExamplePath,
        /// What becomes of it.
        expect: Writing,
    },
}

/// The path of an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExamplePath {
    /// Of the host.
    Absolute(CanonicalPath),
    /// Of the workspace, written without a leading `/`.
    Workspace(String),
}

/// What becomes of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The host's file shows.
    Readable,
    /// It does not, hidden or never named.
    Absent,
    /// It does not, by a `hide` rule.
    Hidden,
}

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writing {
    /// Merged by review or continuously.
    Writable,
    /// Kept, but held back from merging.
    Guarded,
    /// Not possible, or never merged.
    Refused,
}

/// How one example came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// The example as written.
    pub example: String,
    /// Whether what came out was expected.
    pub passed: bool,
    /// What came out, in one word of the language.
    pub found: String,
    /// Why, for the operator.
    pub text: String,
}

/// Runs a policy's examples. Each is judged by what a cell is judged by: [`decide`] and [`file`].
#[must_use]
pub fn run_tests(policy: &Policy, place: &Place<'_>) -> Vec<TestOutcome> {
    let conjunction = Conjunction::new(vec![policy.clone()]);
    let run = |example: &Example| {
        let (found, text, passed) = judge(policy, &conjunction, place, example);
        TestOutcome { example: example.to_string(), passed, found: found.into(), text }
    };
    policy.tests.iter().map(run).collect()
}

fn judge(
    policy: &Policy,
    conjunction: &Conjunction,
    place: &Place<'_>,
    example: &Example,
) -> (&'static str, String, bool) {
    let look = |path: &ExamplePath| path.resolve(place).map(|path| file(policy, place, &path));
    match example {
        Example::Connect { host, port, program, expect } => {
            let chain = chain(program.as_ref());
            let egress = Egress { host, port: *port, program: chain.as_deref(), request: None };
            let (found, text) = egress_comes_to(conjunction, &egress);
            (found.name(), text, found == *expect)
        }
        Example::Request { host, port, method, path, program, expect } => {
            let request = Request::new(method.as_str(), path);
            asked(conjunction, (host, *port), program.as_ref(), request, *expect)
        }
        Example::Call { host, port, path, tool, arguments, program, expect } => {
            let arguments = arguments.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            let request = Request::new("POST", path).map(|request| request.saying(Message::call(tool, arguments)));
            asked(conjunction, (host, *port), program.as_ref(), request, *expect)
        }
        Example::Read { path, expect } => {
            let answer = look(path);
            let shows = answer.as_ref().map_or(Reading::Absent, reading);
            let passed = shows == *expect || (*expect == Reading::Absent && shows == Reading::Hidden);
            (shows.name(), told(answer), passed)
        }
        Example::Write { path, expect } => {
            let answer = look(path);
            let found = answer.as_ref().map_or(Writing::Refused, writing);
            (found.name(), told(answer), found == *expect)
        }
    }
}

fn asked(
    conjunction: &Conjunction,
    (host, port): (&Host, u16),
    program: Option<&CanonicalPath>,
    request: Result<Request, RequestError>,
    expect: Outcome,
) -> (&'static str, String, bool) {
    match request {
        Ok(request) => {
            let chain = chain(program);
            let egress = Egress { host, port, program: chain.as_deref(), request: Some(&request) };
            let (found, text) = egress_comes_to(conjunction, &egress);
            (found.name(), text, found == expect)
        }
        Err(error) => (Outcome::Deny.name(), error.to_string(), expect == Outcome::Deny),
    }
}

fn told(answer: Option<FileAnswer>) -> String {
    answer.map_or_else(|| "the path is too long".into(), |answer| answer.to_string())
}

fn chain(program: Option<&CanonicalPath>) -> Option<Vec<String>> {
    program.map(|path| vec![path.as_str().to_owned()])
}

fn egress_comes_to(conjunction: &Conjunction, egress: &Egress<'_>) -> (Outcome, String) {
    let explained = || {
        let members = explain(conjunction, egress).members;
        members.into_iter().map(|member| member.text).collect::<Vec<_>>().join("; ")
    };
    match decide(conjunction, egress) {
        Decision::Allow(_) => (Outcome::Allow, explained()),
        Decision::Read => (Outcome::Read, explained()),
        Decision::Ask(refusal) => (Outcome::Ask, refusal.to_string()),
        Decision::Deny(refusal) => (Outcome::Deny, refusal.to_string()),
    }
}

fn reading(answer: &FileAnswer) -> Reading {
    match answer.access {
        Access::Readable | Access::Writable => Reading::Readable,
        Access::Hidden => Reading::Hidden,
        Access::Absent | Access::Passage => Reading::Absent,
    }
}

fn writing(answer: &FileAnswer) -> Writing {
    match (answer.access, &answer.guarded) {
        (Access::Writable, None) => Writing::Writable,
        (Access::Writable, Some(_)) => Writing::Guarded,
        _ => Writing::Refused,
    }
}

impl ExamplePath {
    fn resolve(&self, place: &Place<'_>) -> Option<CanonicalPath> {
        match self {
            ExamplePath::Absolute(path) => Some(path.clone()),
            ExamplePath::Workspace(name) => {
                CanonicalPath::parse(&format!("{}/{name}", place.workspace.as_str().trim_end_matches('/'))).ok()
            }
        }
    }
}

impl Reading {
    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reading::Readable => "readable",
            Reading::Absent => "absent",
            Reading::Hidden => "hidden",
        }
    }
}

impl Writing {
    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Writing::Writable => "writable",
            Writing::Guarded => "guarded",
            Writing::Refused => "refused",
        }
    }
}

impl fmt::Display for ExamplePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExamplePath::Absolute(path) => formatter.write_str(&print::quoted(path.as_str())),
            ExamplePath::Workspace(name) => formatter.write_str(&print::quoted(name)),
        }
    }
}

impl fmt::Display for Example {
    /// The example as it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Example::Connect { host, port, program, expect } => {
                let program = program.as_ref().map(|path| format!(", program: {}", print::quoted(path.as_str())));
                let program = program.unwrap_or_default();
                write!(formatter, "{{connect: \"{host}:{port}\"{program}, expect: {}}}", expect.name())
            }
            Example::Request { host, port, method, path, program, expect } => {
                let program = program.as_ref().map(|path| format!(", program: {}", print::quoted(path.as_str())));
                let (program, method) = (program.unwrap_or_default(), method.as_str());
                let request = print::quoted(&format!("{method} {host}:{port}{path}"));
                write!(formatter, "{{request: {request}{program}, expect: {}}}", expect.name())
            }
            Example::Call { host, port, path, tool, arguments, program, expect } => {
                let (to, tool) = (print::quoted(&format!("{host}:{port}{path}")), print::quoted(tool));
                write!(formatter, "{{to: {to}, tool: {tool}")?;
                let said =
                    |(name, value): (&String, &String)| format!("{}: {}", print::quoted(name), print::quoted(value));
                if !arguments.is_empty() {
                    let said: Vec<String> = arguments.iter().map(said).collect();
                    write!(formatter, ", arguments: {{{}}}", said.join(", "))?;
                }
                if let Some(path) = program {
                    write!(formatter, ", program: {}", print::quoted(path.as_str()))?;
                }
                write!(formatter, ", expect: {}}}", expect.name())
            }
            Example::Read { path, expect } => write!(formatter, "{{read: {path}, expect: {}}}", expect.name()),
            Example::Write { path, expect } => write!(formatter, "{{write: {path}, expect: {}}}", expect.name()),
        }
    }
}
