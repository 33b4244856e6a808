//! Every request of the command as a request of the API. Without a wildcard: whoever adds one does not compile until he
//! said which route asks it, and the command has no other way to ask a plane.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use super::bodies::OfPolicy;
use super::routes::Asks;
use super::target::{MOST, NEWEST, Query, is_plain, spell};
use super::{Form, MAX_BODY, MAX_HEAD, bodies, head};
use crate::command::{LedgerRequest, PolicyRequest, Removal, Request, Select, VaultRequest};
use crate::frame::FrameError;

/// A request as it is said.
pub struct Said {
    /// The method.
    pub method: &'static str,
    /// Path and query, behind the version.
    pub target: String,
    /// It may hold a secret.
    pub body: Zeroizing<Vec<u8>>,
    form: Form,
}

impl fmt::Debug for Said {
    /// Without the body.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.target)
    }
}

impl Said {
    /// Head and body.
    #[must_use]
    pub fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let head = head::write(self.method, &self.target, self.body.len(), self.form);
        // Made whole at once: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(head.len() + self.body.len()));
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Says a request.
///
/// # Errors
/// When it is longer than what is taken, a word in it is empty, or a path no UTF-8.
pub fn say(request: &Request) -> Result<Said, FrameError> {
    let mut saying = Saying::default();
    let asks = saying.put(request)?;
    let Some(route) = asks.route() else { return Err(FrameError::TooLong(0)) };
    let mut words = saying.words.iter();
    let mut target = String::new();
    for part in route.path[1..].split('/') {
        target.push('/');
        target.push_str(if part.starts_with('{') { words.next().map_or("", String::as_str) } else { part });
    }
    target.push_str(&saying.query.to_string());
    let said = Said { method: route.method, target, body: saying.body, form: route.form() };
    // Room for the rest of the head.
    if saying.unsayable || said.target.len() > MAX_HEAD - 512 || said.body.len() > MAX_BODY {
        return Err(FrameError::TooLong(said.target.len() + said.body.len()));
    }
    Ok(said)
}

/// What is put in the places of a route.
#[derive(Default)]
struct Saying {
    /// Each in its one spelling.
    words: Vec<String>,
    query: Query,
    body: Zeroizing<Vec<u8>>,
    /// Something has no spelling.
    unsayable: bool,
}

impl Saying {
    fn of(&mut self, select: &Select, asks: Asks) -> Asks {
        if let Some(session) = &select.session {
            return self.word(session, asks);
        }
        self.unsayable |= select.directory.to_str().is_none_or(|path| !path.starts_with('/'));
        self.words.push(NEWEST.to_owned());
        self.query.directory = Some(select.directory.clone());
        asks
    }

    fn word(&mut self, word: &str, asks: Asks) -> Asks {
        self.unsayable |= !(1..=MOST).contains(&word.len());
        self.words.push(spell(word));
        asks
    }

    fn body(&mut self, body: &impl Serialize, asks: Asks) -> Result<Asks, FrameError> {
        serde_json::to_writer(&mut *self.body, body)?;
        Ok(asks)
    }

    /// Of changes: of these paths, or of all.
    fn paths(&mut self, select: &Select, asks: Asks) -> Result<Asks, FrameError> {
        if !select.paths.is_empty() {
            self.body(&bodies::Paths { paths: select.paths.clone() }, asks)?;
        }
        Ok(self.of(select, asks))
    }

    fn put(&mut self, request: &Request) -> Result<Asks, FrameError> {
        Ok(match request {
            Request::Run(run) => {
                self.body(&bodies::Begin::of(run), if run.detached { Asks::Begin } else { Asks::Run })?
            }
            Request::Child(child) => self.body(child, Asks::Child)?,
            Request::Server(server) => self.body(server, Asks::Server)?,
            Request::Doctor(run) => self.body(&bodies::Begin::of(run), Asks::DoctorAs)?,
            Request::Standby => Asks::Standby,
            Request::Daemon => Asks::Daemon,
            Request::Diff(select) if select.paths.is_empty() => self.of(select, Asks::Diff),
            Request::Diff(select) => self.paths(select, Asks::DiffOf)?,
            Request::Apply { select, over } => {
                if !(select.paths.is_empty() && over.is_empty()) {
                    let body = bodies::Merging { paths: select.paths.clone(), over: over.clone() };
                    self.body(&body, Asks::Apply)?;
                }
                self.of(select, Asks::Apply)
            }
            Request::Discard(select) => self.paths(select, Asks::Discard)?,
            Request::Ls => Asks::Ls,
            Request::Watch { ended } => {
                self.query.ended = Some(*ended);
                Asks::Watch
            }
            Request::Show(select) => self.of(select, Asks::Show),
            Request::Stop { select, grace } => {
                self.of(select, Asks::Stop);
                self.body(&bodies::Grace { grace: *grace }, Asks::Stop)?
            }
            Request::Questions => Asks::Questions,
            Request::Answer { question, say } => {
                self.word(question, Asks::Answer);
                self.body(say, Asks::Answer)?
            }
            Request::Pause(select) => self.of(select, Asks::Pause),
            Request::Resume(select) => self.of(select, Asks::Resume),
            Request::Attach(asked) => {
                self.of(&asked.select, Asks::Attach);
                self.body(&bodies::Watching { types: asked.types, terminal: asked.terminal }, Asks::Attach)?
            }
            Request::Exec(asked) => {
                self.of(&asked.select, Asks::Exec);
                self.body(&bodies::Within::of(asked), Asks::Exec)?
            }
            Request::Copy(asked) => {
                self.of(&asked.select, Asks::Copy);
                self.body(&bodies::Carry { path: asked.path.clone(), way: asked.way }, Asks::Copy)?
            }
            Request::Open { select, port, at } => {
                self.of(select, Asks::Open);
                self.body(&bodies::Port { port: *port, at: *at }, Asks::Open)?
            }
            Request::Logs { select, follow } => {
                self.query.follow = *follow;
                self.of(select, Asks::Output)
            }
            Request::Remove(removal) => self.put_removal(removal)?,
            Request::Upgrade => Asks::Upgrade,
            Request::Log { select, follow } => {
                self.query.follow = *follow;
                self.of(select, Asks::Events)
            }
            Request::Verify(select) => self.of(select, Asks::Verify),
            Request::Ledger(ledger) => self.put_ledger(ledger)?,
            Request::Metrics => Asks::Metrics,
            Request::Why { select, event: None } => self.of(select, Asks::Why),
            Request::Why { select, event: Some(event) } => {
                self.of(select, Asks::WhyEvent);
                self.word(event, Asks::WhyEvent)
            }
            Request::Tools(select) => self.of(select, Asks::Tools),
            Request::Graph { select, all } => {
                self.query.all = *all;
                self.of(select, Asks::Graph)
            }
            Request::Replay { select, policy } => {
                self.of(select, Asks::Replay);
                self.body(&bodies::Replay { policy: policy.clone() }, Asks::Replay)?
            }
            Request::WhyFile { select, path } => {
                self.of(select, Asks::WhyFile);
                self.body(&bodies::Inside { path: path.clone() }, Asks::WhyFile)?
            }
            Request::Policy(policy) => self.put_policy(policy)?,
            Request::Labels(places) => self.body(places, Asks::Labels)?,
            Request::Declassify(asked) => self.body(asked, Asks::Declassify)?,
            Request::Trust { file } => self.body(&bodies::File { file: file.clone() }, Asks::Trust)?,
            Request::Vault(vault) => self.put_vault(vault)?,
            Request::Explain { code } => self.word(code, Asks::Explain),
        })
    }

    fn put_removal(&mut self, removal: &Removal) -> Result<Asks, FrameError> {
        match removal {
            Removal { sessions, before: None, force, dry_run: false }
                if sessions.len() == 1 && is_plain(&sessions[0]) =>
            {
                self.word(&sessions[0], Asks::Remove);
                self.body(&bodies::Rid { force: *force }, Asks::Remove)
            }
            other => self.body(&bodies::Collect::of(other), Asks::Collect),
        }
    }

    fn put_ledger(&mut self, ledger: &LedgerRequest) -> Result<Asks, FrameError> {
        Ok(match ledger {
            LedgerRequest::Checkpoint => Asks::Checkpoint,
            LedgerRequest::Key => Asks::Key,
            LedgerRequest::Verify(verify) => self.body(&bodies::Held::of(verify), Asks::Prove)?,
            LedgerRequest::Prune { before, keep } => {
                self.body(&bodies::Prune { before: *before, keep: *keep }, Asks::Prune)?
            }
            LedgerRequest::Export(select) => self.of(select, Asks::Export),
        })
    }

    fn put_policy(&mut self, policy: &PolicyRequest) -> Result<Asks, FrameError> {
        let mut ask = |body| self.body(&body, Asks::Policy);
        Ok(match policy {
            PolicyRequest::Check { file } => ask(OfPolicy::Check { file: file.clone() })?,
            PolicyRequest::Show { file } => ask(OfPolicy::Show { file: file.clone() })?,
            PolicyRequest::Explain { file, request, program } => {
                let (file, request, program) = (file.clone(), request.clone(), program.clone());
                ask(OfPolicy::Explain { file, request, program })?
            }
            PolicyRequest::Diff { old, new } => ask(OfPolicy::Diff { old: old.clone(), new: new.clone() })?,
            PolicyRequest::Test { file } => ask(OfPolicy::Test { file: file.clone() })?,
            PolicyRequest::Import { file, name } => ask(OfPolicy::Import { file: file.clone(), name: name.clone() })?,
            PolicyRequest::Presets => Asks::Presets,
            PolicyRequest::Suggest(select) => self.of(select, Asks::Suggest),
            PolicyRequest::Apply { select, file } => {
                self.of(select, Asks::PolicyApply);
                self.body(&bodies::File { file: file.clone() }, Asks::PolicyApply)?
            }
            PolicyRequest::Undo(select) => self.of(select, Asks::PolicyUndo),
        })
    }

    fn put_vault(&mut self, vault: &VaultRequest) -> Result<Asks, FrameError> {
        Ok(match vault {
            VaultRequest::Set { name, to, paths, value, derives } => {
                self.word(name, Asks::VaultSet);
                let (value, to, paths, derives) = (value.clone(), to.clone(), paths.clone(), derives.clone());
                self.body(&bodies::Keep { value, to, paths, derives }, Asks::VaultSet)?
            }
            VaultRequest::List => Asks::Vault,
            VaultRequest::Remove { name } => self.word(name, Asks::VaultRemove),
        })
    }
}
