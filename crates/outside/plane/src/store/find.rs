//! Which session is meant. A damaged directory is told of and never hides the others.

use std::path::Path;

use wire::command::{Problem, Select, SessionState};

use super::session::is_id;
use super::{SessionDirectory, Store};
use crate::problem::{NO, problem, quoted, state};

/// Sessions, and what could not be read.
#[derive(Debug, Default)]
pub struct Found {
    /// Newest first.
    pub sessions: Vec<SessionDirectory>,
    /// One line for each directory that holds no session.
    pub damaged: Vec<String>,
}

/// Every session, newest first.
///
/// # Errors
/// When the directory of sessions cannot be read.
pub fn sessions(store: &Store) -> Result<Found, Problem> {
    let mut found = Found::default();
    let (ids, others) = ids(store)?;
    found.damaged.extend(others.into_iter().map(|name| format!("`{name}` among the sessions is none: skipped")));
    for id in ids {
        match SessionDirectory::open(&store.sessions().join(&id)) {
            Ok(session) => found.sessions.push(session),
            // It began a moment ago, or left a moment ago.
            Err(_) if begins(store, &id) => {}
            Err(problem) => found.damaged.push(format!("session `{id}` is damaged: {}", quoted(&problem.cause))),
        }
    }
    Ok(found)
}

/// The session of exactly this id.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn session(store: &Store, id: &str) -> Result<SessionDirectory, Problem> {
    if !is_id(id) {
        return Err(nothing(id));
    }
    SessionDirectory::open(&store.sessions().join(id))
}

/// The session that is meant: by id, by name (the newest of that name that runs, else the newest), by a beginning that one id alone
/// has, or the newest whose workspace is or holds the directory.
///
/// # Errors
/// When there is none, or more than one.
pub fn select(store: &Store, select: &Select) -> Result<SessionDirectory, Problem> {
    match select.session.as_deref() {
        Some(text) => by_text(store, text),
        None => by_directory(store, &select.directory),
    }
}

fn by_text(store: &Store, text: &str) -> Result<SessionDirectory, Problem> {
    let (ids, _) = ids(store)?;
    if ids.iter().any(|id| id == text) {
        return SessionDirectory::open(&store.sessions().join(text));
    }
    let named = |session: &SessionDirectory| session.record.name.as_deref() == Some(text);
    if let Some(running) = running_named(store, text) {
        return Ok(running);
    }
    let (named, unread) = newest(store, &ids, named);
    let unread = match (named, unread) {
        (Some(named), None) => return Ok(named),
        (Some(named), Some(unread)) => return Err(unread.hides(&named)),
        (None, unread) => unread,
    };
    let beginning: Vec<_> = ids.iter().filter(|id| !text.is_empty() && id.starts_with(text)).collect();
    match beginning.as_slice() {
        [id] => SessionDirectory::open(&store.sessions().join(id)),
        [] => Err(unread.filter(|_| !text.is_empty()).map_or_else(|| nothing(text), Unread::may_be_meant)),
        several => Err(problem(
            "E-PLANE-012",
            format!("{} sessions begin with `{}`", several.len(), quoted(text)),
            &format!("write more of it, such as `{}`", several[0]),
            NO,
        )),
    }
}

/// The newest session of this name that runs.
pub fn running_named(store: &Store, name: &str) -> Option<SessionDirectory> {
    let named = |one: &SessionDirectory| one.record.name.as_deref() == Some(name);
    newest(store, &marked(store), |one| named(one) && one.state() == SessionState::Running).0
}

fn nothing(text: &str) -> Problem {
    let cause = format!("no session has the id or the name `{}`", quoted(text));
    problem("E-PLANE-011", cause, "`bastide ls` lists the sessions", NO)
}

fn by_directory(store: &Store, directory: &Path) -> Result<SessionDirectory, Problem> {
    let (ids, _) = ids(store)?;
    let holds = |session: &SessionDirectory| {
        // A sub-agent is named; who names none means what he began himself.
        let own = session.record.parent.is_none();
        own && session.record.trees.first().is_some_and(|workspace| directory.starts_with(&workspace.path))
    };
    match newest(store, &ids, holds) {
        (Some(session), None) => Ok(session),
        (Some(session), Some(unread)) => Err(unread.hides(&session)),
        (None, Some(unread)) => Err(unread.may_be_meant()),
        (None, None) => Err(problem(
            "E-PLANE-013",
            format!("no session worked on `{}`", quoted(&directory.to_string_lossy())),
            "name one that `bastide ls` lists",
            NO,
        )),
    }
}

/// A session that cannot be read, and why.
struct Unread {
    id: String,
    problem: Problem,
}

impl Unread {
    /// It is newer than the one that fits.
    fn hides(self, session: &SessionDirectory) -> Problem {
        let hint = format!("name the one that is meant: `{}` is the newest that can be read", session.record.id);
        let cause = format!("session `{}` is newer and cannot be read: {}", self.id, quoted(&self.problem.cause));
        Problem { cause, hint: Some(hint), ..self.problem }
    }

    /// Nothing else fits.
    fn may_be_meant(self) -> Problem {
        let hint =
            "name another by its id, as `bastide ls` lists them; `bastide help CODE` says what to do with this one";
        let hint = hint.replace("CODE", &self.problem.code);
        let cause = format!(
            "no session that can be read is meant, and session `{}` cannot be: {}",
            self.id,
            quoted(&self.problem.cause)
        );
        Problem { cause, hint: Some(hint), ..self.problem }
    }
}

/// The newest session that fits, and the newest that cannot be read before it: that one may be the one that is meant.
fn newest(
    store: &Store,
    ids: &[String],
    fits: impl Fn(&SessionDirectory) -> bool,
) -> (Option<SessionDirectory>, Option<Unread>) {
    let mut unread = None;
    for id in ids {
        match SessionDirectory::open(&store.sessions().join(id)) {
            Ok(session) if fits(&session) => return (Some(session), unread),
            Ok(_) => {}
            Err(_) if begins(store, id) || gone(&store.sessions().join(id)) => {}
            Err(problem) => unread = unread.or_else(|| Some(Unread { id: id.clone(), problem })),
        }
    }
    (None, unread)
}

/// Sessions that may run, newest first.
fn marked(store: &Store) -> Vec<String> {
    let entries = std::fs::read_dir(store.running()).into_iter().flatten().flatten();
    let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    ids.retain(|id| is_id(id));
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids
}

/// Names that can be ids, newest first, and the others.
///
/// # Errors
/// When the directory of sessions cannot be read.
pub fn ids(store: &Store) -> Result<(Vec<String>, Vec<String>), Problem> {
    let directory = store.sessions();
    let entries = std::fs::read_dir(&directory).map_err(|error| state("read", &directory, &error))?;
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(|error| state("read", &directory, &error))?;
        match entry.file_name().into_string() {
            Ok(name) if is_id(&name) && entry.file_type().is_ok_and(|kind| kind.is_dir()) => ids.push(name),
            Ok(name) => others.push(quoted(&name)),
            Err(name) => others.push(quoted(&name.to_string_lossy())),
        }
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    Ok((ids, others))
}

fn begins(store: &Store, id: &str) -> bool {
    gone(&store.sessions().join(id).join("session.json")) && std::fs::symlink_metadata(store.running().join(id)).is_ok()
}

/// Whether there is nothing. What merely cannot be looked at is not gone.
fn gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
