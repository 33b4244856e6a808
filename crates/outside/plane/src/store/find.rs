//! Which session is meant. A damaged directory is told of and never hides the others.

use std::path::Path;

use wire::command::{Problem, Select};

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
            Err(problem) => found.damaged.push(format!("session `{id}` cannot be shown: {}", quoted(&problem.cause))),
        }
    }
    Ok(found)
}

/// The session that is meant: by id, by name (the newest of that name), by a beginning that one id alone has, or the
/// newest whose workspace is or holds the directory.
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
    if let Some(named) = newest(store, &ids, |session| session.record.name.as_deref() == Some(text))? {
        return Ok(named);
    }
    let beginning: Vec<_> = ids.iter().filter(|id| !text.is_empty() && id.starts_with(text)).collect();
    match beginning.as_slice() {
        [id] => SessionDirectory::open(&store.sessions().join(id)),
        [] => Err(problem(
            "E-PLANE-011",
            format!("no session has the id or the name `{}`", quoted(text)),
            "`bastide ls` lists the sessions",
            NO,
        )),
        several => Err(problem(
            "E-PLANE-012",
            format!("{} sessions begin with `{}`", several.len(), quoted(text)),
            &format!("write more of it, such as `{}`", several[0]),
            NO,
        )),
    }
}

fn by_directory(store: &Store, directory: &Path) -> Result<SessionDirectory, Problem> {
    let (ids, _) = ids(store)?;
    let holds = |session: &SessionDirectory| {
        session.record.trees.first().is_some_and(|workspace| directory.starts_with(&workspace.path))
    };
    newest(store, &ids, holds)?.ok_or_else(|| {
        problem(
            "E-PLANE-013",
            format!("no session worked on `{}`", quoted(&directory.to_string_lossy())),
            "name one that `bastide ls` lists",
            NO,
        )
    })
}

/// The newest session that fits. A newer one that cannot be read may be the one that is meant: then none is taken.
fn newest(
    store: &Store,
    ids: &[String],
    fits: impl Fn(&SessionDirectory) -> bool,
) -> Result<Option<SessionDirectory>, Problem> {
    let mut unread = None;
    for id in ids {
        match SessionDirectory::open(&store.sessions().join(id)) {
            Ok(session) if fits(&session) => {
                return match unread {
                    None => Ok(Some(session)),
                    Some((newer, problem)) => Err(hidden(newer, &session, problem)),
                };
            }
            Ok(_) => {}
            Err(_) if begins(store, id) || left(store, id) => {}
            Err(problem) => unread = unread.or(Some((id, problem))),
        }
    }
    Ok(None)
}

fn hidden(newer: &str, session: &SessionDirectory, problem: Problem) -> Problem {
    let hint = format!("name the one that is meant: `{}` is the newest that can be read", session.record.id);
    let cause = format!("session `{newer}` is newer and cannot be read: {}", quoted(&problem.cause));
    Problem { cause, hint: Some(hint), ..problem }
}

/// Names that can be ids, newest first, and the others.
fn ids(store: &Store) -> Result<(Vec<String>, Vec<String>), Problem> {
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
    let gone = std::fs::symlink_metadata(store.sessions().join(id).join("session.json")).is_err();
    gone && std::fs::symlink_metadata(store.running().join(id)).is_ok()
}

fn left(store: &Store, id: &str) -> bool {
    std::fs::symlink_metadata(store.sessions().join(id)).is_err()
}
