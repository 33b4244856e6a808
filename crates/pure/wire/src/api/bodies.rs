//! The bodies of requests: strict, and absolute where they name files, since the daemon has no directory in which another
//! name would mean something.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use policy::WorkspaceMode;
use serde::Deserialize;

use super::Unread;
use crate::command::{
    Derives, LedgerRequest, LedgerVerify, PolicyRequest, Removal, Run, SecretText, Select, Stream, Terminal,
    VaultRequest,
};

/// The name of the risk under which a variable may hold a secret.
const CREDENTIAL_INSIDE: &str = "credential-inside";

pub(super) fn empty(body: &[u8]) -> Result<(), Unread> {
    if body.is_empty() { Ok(()) } else { Err(Unread::Body("there should be none".into())) }
}

pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unread> {
    serde_json::from_slice(body).map_err(|error| Unread::Body(error.to_string()))
}

/// The same, where none at all means what is said by default.
fn json_or_none<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<T, Unread> {
    if body.is_empty() { Ok(T::default()) } else { json(body) }
}

fn absolute<'p>(mut paths: impl Iterator<Item = &'p PathBuf>) -> Result<(), Unread> {
    match paths.find(|path| !Path::is_absolute(path)) {
        None => Ok(()),
        Some(path) => Err(Unread::Body(format!("`{}` is no absolute path", path.display()))),
    }
}

/// About changes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paths {
    /// Absolute; none means all.
    #[serde(default)]
    paths: Vec<PathBuf>,
}

pub(super) fn paths(body: &[u8]) -> Result<Vec<PathBuf>, Unread> {
    let Paths { paths } = json_or_none(body)?;
    absolute(paths.iter()).map(|()| paths)
}

/// About a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Absolute, or the name of a blueprint or preset.
    pub(super) file: PathBuf,
}

/// About a path inside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inside {
    path: PathBuf,
}

pub(super) fn path(body: &[u8]) -> Result<PathBuf, Unread> {
    let Inside { path } = json(body)?;
    absolute(std::iter::once(&path)).map(|()| path)
}

/// The policy by which decisions are made again; none where each decides that was in force.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// Absolute, or the name of a blueprint or preset.
    policy: Option<PathBuf>,
}

pub(super) fn replay(body: &[u8]) -> Result<Option<PathBuf>, Unread> {
    let Replay { policy } = json_or_none(body)?;
    Ok(policy)
}

/// To end a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grace {
    /// Milliseconds until all is ended.
    grace: u64,
}

/// How long a session that is asked to end has where nothing else is said, and at most: milliseconds.
const GRACE: u64 = 10_000;
const LONGEST_GRACE: u64 = 24 * 60 * 60 * 1000;

pub(super) fn grace(body: &[u8]) -> Result<u64, Unread> {
    let Grace { grace } = if body.is_empty() { Grace { grace: GRACE } } else { json(body)? };
    if grace <= LONGEST_GRACE { Ok(grace) } else { Err(Unread::Body("`grace` is longer than a day".into())) }
}

/// To begin a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    #[serde(default)]
    command: Vec<String>,
    directory: PathBuf,
    policy: Option<PathBuf>,
    mode: Option<WorkspaceMode>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    read: Vec<PathBuf>,
    #[serde(default)]
    write: Vec<PathBuf>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    accept_risks: Vec<String>,
    name: Option<String>,
    workdir: Option<PathBuf>,
    timeout: Option<u64>,
    #[serde(default)]
    fresh_home: bool,
    /// Without one the program has pipes, and nothing to read.
    terminal: Option<Terminal>,
    #[serde(default)]
    unless_up: bool,
}

/// A run that goes on by itself. What its process inherits is the daemon's.
pub(super) fn run(body: &[u8]) -> Result<Run, Unread> {
    let begin: Begin = json(body)?;
    absolute([&begin.directory].into_iter().chain(&begin.workdir).chain(&begin.read).chain(&begin.write))?;
    if let Some(name) = begin.name.as_deref().filter(|name| !super::is_plain(name)) {
        return Err(Unread::Body(format!("`{}` is no name of a session", name.chars().take(64).collect::<String>())));
    }
    if begin.unless_up && begin.name.is_none() {
        return Err(Unread::Body("`unless_up` needs a `name`".into()));
    }
    let secret = begin.environment.iter().find(|(name, value)| crate::looks_secret(name, value));
    if let Some((name, _)) = secret.filter(|_| !begin.accept_risks.iter().any(|risk| risk == CREDENTIAL_INSIDE)) {
        let name: String = name.chars().take(64).collect();
        return Err(Unread::Body(format!("`{name}` looks like a secret, and `{CREDENTIAL_INSIDE}` is not accepted")));
    }
    let stream = if begin.terminal.is_some() { Stream::Terminal } else { Stream::Pipe };
    Ok(Run {
        command: begin.command.into_iter().map(String::into_bytes).collect(),
        directory: begin.directory,
        policy: begin.policy,
        mode: begin.mode,
        allow: begin.allow,
        read: begin.read,
        write: begin.write,
        environment: begin.environment.into_iter().collect(),
        accept_risks: begin.accept_risks,
        name: begin.name,
        workdir: begin.workdir,
        timeout: begin.timeout,
        fresh_home: begin.fresh_home,
        detached: true,
        unless_up: begin.unless_up,
        streams: [stream; 3],
        terminal: begin.terminal,
        ..Run::default()
    })
}

/// To remove one session.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rid {
    #[serde(default)]
    force: bool,
}

pub(super) fn removal(session: String, body: &[u8]) -> Result<Removal, Unread> {
    let Rid { force } = json_or_none(body)?;
    Ok(Removal { sessions: vec![session], before: None, force, dry_run: false })
}

/// To remove what is old.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Collect {
    /// Microseconds since the Unix epoch.
    before: u64,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
}

pub(super) fn collection(body: &[u8]) -> Result<Removal, Unread> {
    let Collect { before, force, dry_run } = json(body)?;
    Ok(Removal { sessions: Vec::new(), before: Some(before), force, dry_run })
}

/// To keep a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keep {
    value: SecretText,
    to: String,
    #[serde(default)]
    paths: Vec<String>,
    derives: Option<Derives>,
}

pub(super) fn secret(name: String, body: &[u8]) -> Result<VaultRequest, Unread> {
    // What is wrong with it is not repeated: the value is in it.
    let read = serde_json::from_slice(body)
        .map_err(|error| Unread::Body(format!("no such object, at line {} column {}", error.line(), error.column())));
    let Keep { value, to, paths, derives } = read?;
    Ok(VaultRequest::Set { name, value, to, paths, derives })
}

/// What a policy is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
enum OfPolicy {
    Check { file: PathBuf },
    Show { file: Option<PathBuf> },
    Explain { file: PathBuf, request: String, program: Option<PathBuf> },
    Test { file: PathBuf },
    Diff { old: PathBuf, new: PathBuf },
    Import { file: PathBuf, name: Option<String> },
}

pub(super) fn policy(body: &[u8]) -> Result<PolicyRequest, Unread> {
    Ok(match json(body)? {
        OfPolicy::Check { file } => PolicyRequest::Check { file },
        OfPolicy::Show { file } => PolicyRequest::Show { file },
        OfPolicy::Explain { file, request, program } => PolicyRequest::Explain { file, request, program },
        OfPolicy::Test { file } => PolicyRequest::Test { file },
        OfPolicy::Diff { old, new } => PolicyRequest::Diff { old, new },
        OfPolicy::Import { file, name } => PolicyRequest::Import { file, name },
    })
}

/// To verify against what was kept elsewhere.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    session: Option<String>,
    checkpoint: Option<String>,
    key: Option<String>,
}

pub(super) fn proof(body: &[u8]) -> Result<LedgerRequest, Unread> {
    let Held { session, checkpoint, key } = json_or_none(body)?;
    let select = session.map(|session| Select { session: Some(session), directory: "/".into(), paths: Vec::new() });
    Ok(LedgerRequest::Verify(LedgerVerify { select, checkpoint, key }))
}

/// To remove old records. One of both is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prune {
    /// Microseconds since the Unix epoch.
    before: Option<u64>,
    keep: Option<u64>,
}

pub(super) fn prune(body: &[u8]) -> Result<LedgerRequest, Unread> {
    match json(body)? {
        Prune { before: None, keep: None } | Prune { before: Some(_), keep: Some(_) } => {
            Err(Unread::Body("one of `before` and `keep` is needed".into()))
        }
        Prune { before, keep } => Ok(LedgerRequest::Prune { before, keep }),
    }
}
