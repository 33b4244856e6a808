//! Every verb but those that start a cell: what it reads from the store, and what it answers.

pub mod changes;
mod explain;
mod family;
mod file;
mod generation;
mod gone;
mod graph;
pub mod import;
mod inside;
mod labels;
mod ledger;
mod log;
mod logs;
pub mod metrics;
mod policy;
mod questions;
mod remove;
mod replay;
mod running;
mod sessions;
mod tools;
mod trust;
mod upgrade;
mod vault;
mod watch;
mod why;

use std::path::{Path, PathBuf};

use wire::command::{Problem, Reply, Request};

use crate::channel::Client;
use crate::problem::{NO, problem};
use crate::store::Store;

pub(crate) use upgrade::built;

/// Where the questions are asked.
#[derive(Debug, Clone)]
pub struct Place {
    /// The state.
    pub store: Store,
    /// The operator's home.
    pub home: PathBuf,
}

impl Place {
    /// What this process's own variables say.
    ///
    /// # Errors
    /// When they name no place for the state.
    pub fn of_environment() -> Result<Place, Problem> {
        let variable = |name| std::env::var(name).ok();
        let (home, state) = (variable("HOME"), variable("XDG_STATE_HOME"));
        let store = Store::open(home.as_deref(), state.as_deref())?;
        Ok(Place { store, home: home.map_or_else(|| PathBuf::from("/"), PathBuf::from) })
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }
}

/// Answers one request; events and notices go to the client before.
///
/// # Errors
/// Why it was not done.
pub fn answer(client: &mut Client, request: Request) -> Result<Reply, Problem> {
    // What a code means is told even where there is no place for the state.
    if let Request::Explain { code } = request {
        return explain::code(&code);
    }
    answer_in(&Place::of_environment()?, client, request)
}

/// The same, in a place.
///
/// # Errors
/// Why it was not done.
pub fn answer_in(place: &Place, client: &mut Client, request: Request) -> Result<Reply, Problem> {
    let store = &place.store;
    match request {
        Request::Ls => sessions::ls(store, client),
        Request::Watch { ended } => watch::watch(store, client, ended),
        Request::Show(select) => sessions::show(store, client, &select),
        Request::Stop { select, grace } => running::stop(store, &select, grace),
        Request::Questions => questions::list(store, client),
        Request::Answer { question, say } => questions::answer(store, &question, say),
        Request::Pause(select) => running::pause(store, &select),
        Request::Resume(select) => running::resume(store, &select),
        Request::Attach(asked) => inside::attach(store, client, &asked),
        Request::Logs { select, follow } => logs::logs(store, client, &select, follow),
        Request::Exec(asked) => inside::exec(store, client, *asked),
        Request::Copy(asked) => inside::copy(store, client, asked),
        Request::Open { select, port, at } => inside::open(store, client, &select, (port, at)),
        Request::Remove(asked) => remove::remove(store, client, &asked),
        Request::Upgrade => upgrade::check(store),
        Request::Log { select, follow } => log::log(store, client, &select, follow),
        Request::Verify(select) => log::verify(store, client, &select),
        Request::Ledger(request) => ledger::answer(store, client, request),
        Request::Metrics => metrics::metrics(store, client),
        Request::Why { select, event } => why::why(store, client, &select, event.as_deref()),
        Request::WhyFile { select, path } => file::why_file(place, &select, &path),
        Request::Tools(select) => tools::tools(store, &select),
        Request::Replay { select, policy } => replay::replay(place, &select, policy.as_deref()),
        Request::Graph { select, all } => graph::graph(store, &select, all),
        Request::Diff(select) => changes::diff(store, client, &select),
        Request::Apply { select, over } => changes::apply(store, client, &select, &over),
        Request::Discard(select) => changes::discard(store, client, &select),
        Request::Policy(request) => policy::answer(place, client, request),
        Request::Labels(asked) => labels::labels(store, client, &asked),
        Request::Declassify(asked) => labels::declassify(place, client, &asked),
        Request::Trust { file } => trust::trust(store, &file),
        Request::Vault(request) => vault::answer(store, request),
        Request::Explain { code } => explain::code(&code),
        Request::Run(_)
        | Request::Child(_)
        | Request::Server(_)
        | Request::Doctor(_)
        | Request::Standby
        | Request::Daemon => {
            Err(problem("E-PLANE-071", "this request starts a cell, and is not answered here", "", NO))
        }
    }
}
