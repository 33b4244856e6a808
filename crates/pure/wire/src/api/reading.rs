//! From a route and what stands in its places to the request that it asks.

use std::path::PathBuf;

use super::routes::{Asks, Route};
use super::target::{NEWEST, Query, Segment};
use super::{Asked, Form, Unread, bodies};
use crate::command::{Attach, CopyFile, Exec, LedgerRequest, PolicyRequest, Request, Run, Select, VaultRequest};

/// What a target says, in the places of a route.
struct Named {
    select: Select,
    /// Of what is no session, or beside one.
    words: Vec<String>,
    query: Query,
}

impl Named {
    fn read(route: &Route, segments: &[&Segment<'_>], query: Option<&str>) -> Result<Named, Unread> {
        let unread = || Unread::Query(query.unwrap_or_default().chars().take(200).collect());
        let mut query = Query::read(query)?;
        let mut words: Vec<Option<String>> = segments.iter().map(|segment| segment.word.clone()).collect();
        let session = if route.is_of_a_session() { words.remove(0) } else { None };
        let directory = query.directory.take();
        // The newest session of a directory, or one by its name: never both.
        let newest = route.is_of_a_session() && session.is_none();
        if newest != directory.is_some() {
            return Err(unread());
        }
        let asks = route.asks;
        let follows = !query.follow || asks.follows();
        let ended = query.ended.is_none() || asks == Asks::Watch;
        if !follows || !ended || query.all && asks != Asks::Graph {
            return Err(unread());
        }
        let words: Option<Vec<String>> = words.into_iter().collect();
        let words = words.ok_or_else(|| Unread::Path(NEWEST.into()))?;
        let directory = directory.unwrap_or_else(|| PathBuf::from("/"));
        Ok(Named { select: Select { session, directory, paths: Vec::new() }, words, query })
    }

    fn word(&self) -> String {
        self.words.first().cloned().unwrap_or_default()
    }

    /// With what the body says of paths.
    fn paths(self, body: &[u8]) -> Result<Select, Unread> {
        Ok(Select { paths: bodies::paths(body)?, ..self.select })
    }
}

impl Route {
    pub(super) fn read(&self, segments: &[&Segment<'_>], query: Option<&str>, body: &[u8]) -> Result<Asked, Unread> {
        let named = Named::read(self, segments, query)?;
        if self.asks == Asks::Version {
            return bodies::empty(body).map(|()| Asked::Version);
        }
        let form = if named.query.follow && self.asks == Asks::Events { Form::Events } else { self.form() };
        let request = match self.asks.read_bare(&named) {
            Some(request) => bodies::empty(body).map(|()| request)?,
            None => self.asks.read_body(named, body)?,
        };
        Ok(Asked::Request(Box::new(request), form))
    }
}

impl Asks {
    /// Whether what is to come can be asked for too.
    const fn follows(self) -> bool {
        matches!(self, Asks::Events | Asks::Output)
    }

    /// Those that say all in their target.
    fn read_bare(self, named: &Named) -> Option<Request> {
        let one = || named.select.clone();
        let follow = named.query.follow;
        Some(match self {
            Asks::Ls => Request::Ls,
            Asks::Show => Request::Show(one()),
            Asks::Events => Request::Log { select: one(), follow },
            Asks::Output => Request::Logs { select: one(), follow },
            Asks::Export => Request::Ledger(LedgerRequest::Export(one())),
            Asks::Verify => Request::Verify(one()),
            Asks::Why | Asks::WhyEvent => Request::Why { select: one(), event: named.words.first().cloned() },
            Asks::Tools => Request::Tools(one()),
            Asks::Graph => Request::Graph { select: one(), all: named.query.all },
            Asks::Diff => Request::Diff(one()),
            Asks::Explain => Request::Explain { code: named.word() },
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
            Asks::VaultRemove => Request::Vault(VaultRequest::Remove { name: named.word() }),
            Asks::Doctor => Request::Doctor(Box::new(Run { directory: PathBuf::from("/"), ..Run::default() })),
            Asks::Upgrade => Request::Upgrade,
            Asks::Watch => Request::Watch { ended: named.query.ended.unwrap_or(0) },
            Asks::Standby => Request::Standby,
            Asks::Daemon => Request::Daemon,
            _ => return None,
        })
    }

    /// Those that say more in a body.
    fn read_body(self, named: Named, body: &[u8]) -> Result<Request, Unread> {
        let name = named.word();
        let select = named.select.clone();
        Ok(match self {
            Asks::Begin => Request::Run(Box::new(bodies::run(body, true)?)),
            Asks::Run => Request::Run(Box::new(bodies::run(body, false)?)),
            Asks::DoctorAs => Request::Doctor(Box::new(bodies::run(body, false)?)),
            Asks::Apply => {
                let (paths, over) = bodies::merging(body)?;
                Request::Apply { select: Select { paths, ..select }, over }
            }
            Asks::Discard => Request::Discard(named.paths(body)?),
            Asks::DiffOf => Request::Diff(named.paths(body)?),
            Asks::Stop => Request::Stop { grace: bodies::grace(body)?, select },
            Asks::Answer => Request::Answer { question: name, say: bodies::json(body)? },
            Asks::Remove => Request::Remove(bodies::removal(select, body)?),
            Asks::Collect => Request::Remove(bodies::collection(body)?),
            Asks::Replay => Request::Replay { policy: bodies::replay(body)?, select },
            Asks::WhyFile => Request::WhyFile { path: bodies::path(body)?, select },
            Asks::Policy => Request::Policy(bodies::policy(body)?),
            Asks::PolicyApply => Request::Policy(PolicyRequest::Apply { select, file: bodies::file(body)? }),
            Asks::Labels => Request::Labels(bodies::json(body)?),
            Asks::Declassify => Request::Declassify(Box::new(bodies::json(body)?)),
            Asks::Trust => Request::Trust { file: bodies::file(body)? },
            Asks::VaultSet => Request::Vault(bodies::secret(name, body)?),
            Asks::Prove => Request::Ledger(bodies::proof(body)?),
            Asks::Prune => Request::Ledger(bodies::prune(body)?),
            Asks::Attach => {
                let bodies::Watching { types, terminal } = bodies::json(body)?;
                Request::Attach(Attach { select, types, terminal })
            }
            Asks::Exec => {
                let bodies::Within { command, workdir, environment, streams, terminal } = bodies::json(body)?;
                let (command, environment) = (bodies::words(command), environment.into_iter().collect());
                Request::Exec(Box::new(Exec { select, command, workdir, environment, streams, terminal }))
            }
            Asks::Copy => {
                let bodies::Carry { path, way } = bodies::json(body)?;
                Request::Copy(CopyFile { select, path, way })
            }
            Asks::Open => {
                let bodies::Port { port, at } = bodies::json(body)?;
                Request::Open { select, port, at }
            }
            Asks::Child => Request::Child(bodies::json_unsaid(body)?),
            Asks::Server => Request::Server(bodies::json_unsaid(body)?),
            // The others have no body.
            _ => return Err(Unread::Body("there should be none".into())),
        })
    }
}
