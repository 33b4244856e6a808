//! The bodies of requests, said and read: strict, and absolute where they name files, since a plane has no directory in which
//! another name would mean something.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use policy::WorkspaceMode;
use serde::{Deserialize, Serialize};

use super::Unread;
use super::target::{NEWEST, is_plain};
use crate::command::{
    CopyWay, Derives, Exec, LedgerRequest, LedgerVerify, PolicyRequest, Removal, Run, SecretText, Select, Stream,
    Terminal, VaultRequest,
};

/// The name of the risk under which a variable may hold a secret.
const CREDENTIAL_INSIDE: &str = "credential-inside";

pub(super) fn empty(body: &[u8]) -> Result<(), Unread> {
    if body.is_empty() { Ok(()) } else { Err(Unread::Body("there should be none".into())) }
}

// Apart for each, as its like below: who reads one body would have room on the stack for all.
#[inline(never)]
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
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paths {
    /// Absolute; none means all.
    #[serde(default)]
    pub(super) paths: Vec<PathBuf>,
}

/// About changes that are merged.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Merging {
    /// Absolute; none means all, where none is to go over others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) paths: Vec<PathBuf>,
    /// Absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) over: Vec<PathBuf>,
}

pub(super) fn merging(body: &[u8]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Unread> {
    let Merging { paths, over } = json_or_none(body)?;
    absolute(paths.iter().chain(&over)).map(|()| (paths, over))
}

pub(super) fn file(body: &[u8]) -> Result<PathBuf, Unread> {
    json(body).map(|File { file }| file)
}

pub(super) fn paths(body: &[u8]) -> Result<Vec<PathBuf>, Unread> {
    let Paths { paths } = json_or_none(body)?;
    absolute(paths.iter()).map(|()| paths)
}

/// About a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Absolute, or the name of a blueprint or preset.
    pub(super) file: PathBuf,
}

/// About a path inside.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inside {
    pub(super) path: PathBuf,
}

pub(super) fn path(body: &[u8]) -> Result<PathBuf, Unread> {
    let Inside { path } = json(body)?;
    absolute(std::iter::once(&path)).map(|()| path)
}

/// The policy by which decisions are made again; none where each decides that was in force.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// Absolute, or the name of a blueprint or preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<PathBuf>,
}

pub(super) fn replay(body: &[u8]) -> Result<Option<PathBuf>, Unread> {
    let Replay { policy } = json_or_none(body)?;
    Ok(policy)
}

/// To end a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grace {
    /// Milliseconds until all is ended.
    pub(super) grace: u64,
}

/// How long a session that is asked to end has where nothing else is said, and at most: milliseconds.
const GRACE: u64 = 10_000;
const LONGEST_GRACE: u64 = 24 * 60 * 60 * 1000;

pub(super) fn grace(body: &[u8]) -> Result<u64, Unread> {
    let Grace { grace } = if body.is_empty() { Grace { grace: GRACE } } else { json(body)? };
    if grace <= LONGEST_GRACE { Ok(grace) } else { Err(Unread::Body("`grace` is longer than a day".into())) }
}

/// A word of a command: text, or bytes that are none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Word {
    Text(String),
    Bytes(Vec<u8>),
}

impl Word {
    fn all(words: &[Vec<u8>]) -> Vec<Word> {
        let word = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
            Ok(text) => Word::Text(text.to_owned()),
            Err(_) => Word::Bytes(bytes.clone()),
        };
        words.iter().map(word).collect()
    }
}

pub(super) fn words(words: Vec<Word>) -> Vec<Vec<u8>> {
    let bytes = |word| match word {
        Word::Text(text) => text.into_bytes(),
        Word::Bytes(bytes) => bytes,
    };
    words.into_iter().map(bytes).collect()
}

/// To begin a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    #[serde(default)]
    command: Vec<Word>,
    directory: PathBuf,
    policy: Option<PathBuf>,
    workspace: Option<PathBuf>,
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
    patience: Option<u32>,
    answers: Option<PathBuf>,
    /// By default terminals where there is a `terminal`, else pipes.
    streams: Option<[Stream; 3]>,
    /// Without one the program has pipes, and nothing to read.
    terminal: Option<Terminal>,
    #[serde(default)]
    unless_up: bool,
    /// By default those of the process that answers.
    #[serde(default)]
    surroundings: BTreeMap<String, String>,
}

impl Begin {
    /// What a run says. Of a variable that is set twice the later value counts.
    pub(super) fn of(run: &Run) -> Begin {
        Begin {
            command: Word::all(&run.command),
            directory: run.directory.clone(),
            policy: run.policy.clone(),
            workspace: run.workspace.clone(),
            mode: run.mode,
            allow: run.allow.clone(),
            read: run.read.clone(),
            write: run.write.clone(),
            environment: run.environment.iter().cloned().collect(),
            accept_risks: run.accept_risks.clone(),
            name: run.name.clone(),
            workdir: run.workdir.clone(),
            timeout: run.timeout,
            fresh_home: run.fresh_home,
            patience: run.patience,
            answers: run.answers.clone(),
            streams: Some(run.streams),
            terminal: run.terminal,
            unless_up: run.unless_up,
            surroundings: run.surroundings.iter().cloned().collect(),
        }
    }

    /// What no session may begin with.
    fn judge(&self) -> Result<(), Unread> {
        let paths = [&self.directory].into_iter().chain(&self.workdir).chain(&self.workspace).chain(&self.answers);
        absolute(paths.chain(&self.read).chain(&self.write))?;
        if let Some(name) = self.name.as_deref().filter(|name| !is_plain(name)) {
            return Err(Unread::Body(format!("`{}` is no name of a session", short(name))));
        }
        if self.timeout.is_some_and(|seconds| seconds > policy::MOST_TIME) {
            return Err(Unread::Body("`timeout` is longer than a hundred years".into()));
        }
        if self.timeout == Some(0) {
            return Err(Unread::Body("`timeout` is no time: leave it out for none".into()));
        }
        if self.unless_up && self.name.is_none() {
            return Err(Unread::Body("`unless_up` needs a `name`".into()));
        }
        let accepts = |name: &str| {
            let one = format!("{CREDENTIAL_INSIDE}={name}");
            self.accept_risks.iter().any(|risk| risk == CREDENTIAL_INSIDE || *risk == one)
        };
        let mut secrets = self.environment.iter().filter(|(name, value)| crate::looks_secret(name, value));
        match secrets.find(|(name, _)| !accepts(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let name = short(name);
                Err(Unread::Body(format!("`{name}` looks like a secret, and `{CREDENTIAL_INSIDE}` is not accepted")))
            }
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A run. One that is `detached` goes on by itself; any other lasts as long as who asks.
pub(super) fn run(body: &[u8], detached: bool) -> Result<Run, Unread> {
    let begin: Begin = json(body)?;
    begin.judge()?;
    let stream = if begin.terminal.is_some() { Stream::Terminal } else { Stream::Pipe };
    Ok(Run {
        command: words(begin.command),
        directory: begin.directory,
        policy: begin.policy,
        workspace: begin.workspace,
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
        patience: begin.patience,
        answers: begin.answers,
        detached,
        unless_up: begin.unless_up,
        streams: begin.streams.unwrap_or([stream; 3]),
        terminal: begin.terminal,
        surroundings: begin.surroundings.into_iter().collect(),
    })
}

/// To watch a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watching {
    #[serde(default)]
    pub(super) types: bool,
    pub(super) terminal: Option<Terminal>,
}

/// To run another program in a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    pub(super) command: Vec<Word>,
    pub(super) workdir: Option<PathBuf>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) streams: [Stream; 3],
    pub(super) terminal: Option<Terminal>,
}

impl Within {
    pub(super) fn of(exec: &Exec) -> Within {
        Within {
            command: Word::all(&exec.command),
            workdir: exec.workdir.clone(),
            environment: exec.environment.iter().cloned().collect(),
            streams: exec.streams,
            terminal: exec.terminal,
        }
    }
}

/// To copy a file out of a session, or into it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carry {
    pub(super) path: PathBuf,
    pub(super) way: CopyWay,
}

/// To show a port of a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Port {
    pub(super) port: u16,
    pub(super) at: Option<u16>,
}

/// To remove one session.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rid {
    #[serde(default)]
    pub(super) force: bool,
}

pub(super) fn removal(select: Select, body: &[u8]) -> Result<Removal, Unread> {
    let Rid { force } = json_or_none(body)?;
    let session = select.session.ok_or_else(|| Unread::Path(NEWEST.into()))?;
    Ok(Removal { sessions: vec![session], before: None, force, dry_run: false })
}

/// To remove what is old, or several sessions. One of both is named.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Collect {
    /// Microseconds since the Unix epoch.
    before: Option<u64>,
    sessions: Option<Vec<String>>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
}

impl Collect {
    pub(super) fn of(removal: &Removal) -> Collect {
        let sessions = (removal.before.is_none() || !removal.sessions.is_empty()).then(|| removal.sessions.clone());
        Collect { before: removal.before, sessions, force: removal.force, dry_run: removal.dry_run }
    }
}

pub(super) fn collection(body: &[u8]) -> Result<Removal, Unread> {
    let Collect { before, sessions, force, dry_run } = json(body)?;
    if before.is_some() == sessions.is_some() {
        return Err(Unread::Body("one of `before` and `sessions` is needed".into()));
    }
    Ok(Removal { sessions: sessions.unwrap_or_default(), before, force, dry_run })
}

/// To keep a secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    pub(super) value: SecretText,
    pub(super) to: String,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    pub(super) derives: Option<Derives>,
}

pub(super) fn secret(name: String, body: &[u8]) -> Result<VaultRequest, Unread> {
    let Keep { value, to, paths, derives } = json_unsaid(body)?;
    Ok(VaultRequest::Set { name, value, to, paths, derives })
}

/// The same as [`json`], where what is wrong is not repeated: a secret is in it.
#[inline(never)]
pub(super) fn json_unsaid<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unread> {
    serde_json::from_slice(body)
        .map_err(|error| Unread::Body(format!("no such object, at line {} column {}", error.line(), error.column())))
}

/// What a policy is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
pub(super) enum OfPolicy {
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
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    session: Option<String>,
    /// Of the newest session of a directory.
    directory: Option<PathBuf>,
    checkpoint: Option<String>,
    key: Option<String>,
}

impl Held {
    pub(super) fn of(verify: &LedgerVerify) -> Held {
        let select = verify.select.as_ref();
        Held {
            session: select.and_then(|select| select.session.clone()),
            directory: select.filter(|select| select.session.is_none()).map(|select| select.directory.clone()),
            checkpoint: verify.checkpoint.clone(),
            key: verify.key.clone(),
        }
    }
}

pub(super) fn proof(body: &[u8]) -> Result<LedgerRequest, Unread> {
    let Held { session, directory, checkpoint, key } = json_or_none(body)?;
    absolute(directory.iter())?;
    let select = match (session, directory) {
        (None, None) => None,
        (session @ Some(_), None) => Some(Select { session, directory: "/".into(), paths: Vec::new() }),
        (None, Some(directory)) => Some(Select { session: None, directory, paths: Vec::new() }),
        (Some(_), Some(_)) => return Err(Unread::Body("one of `session` and `directory` is enough".into())),
    };
    Ok(LedgerRequest::Verify(LedgerVerify { select, checkpoint, key }))
}

/// To remove old records. One of both is named.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prune {
    /// Microseconds since the Unix epoch.
    pub(super) before: Option<u64>,
    pub(super) keep: Option<u64>,
}

pub(super) fn prune(body: &[u8]) -> Result<LedgerRequest, Unread> {
    match json(body)? {
        Prune { before: None, keep: None } | Prune { before: Some(_), keep: Some(_) } => {
            Err(Unread::Body("one of `before` and `keep` is needed".into()))
        }
        Prune { before, keep } => Ok(LedgerRequest::Prune { before, keep }),
    }
}
