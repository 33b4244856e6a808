//! Sessions and their sub-agents: who is below whom, and what led to one.

use std::collections::BTreeSet;
use std::io;

use record::{Children, EventId};
use wire::command::{AboveInfo, ChildInfo, Problem, SessionState};

use super::why::{Around, around};
use crate::store::{self, Events, SessionDirectory, Store};

/// Levels that are gone up: more than there can be.
const MOST: usize = 16;

/// The sub-agents of a session, by its own record.
///
/// # Errors
/// When that cannot be read.
pub(super) fn children(session: &SessionDirectory) -> io::Result<Vec<ChildInfo>> {
    let mut children = Children::default();
    Events::of(session).each(|entry| children.take(&entry.event))?;
    let info = |(child, of): (u32, &record::Child)| ChildInfo {
        child,
        session: of.session.clone(),
        budget: of.reserved,
        used: of.used,
    };
    Ok(children.iter().map(info).collect())
}

/// Every session below one that runs, those nearest to it first.
///
/// # Errors
/// When the sessions cannot be listed.
pub(super) fn below(store: &Store, id: &str) -> Result<Vec<SessionDirectory>, Problem> {
    let mut found = all_below(store, id)?;
    found.retain(|one| one.state() == SessionState::Running);
    Ok(found)
}

/// Every session below one, those nearest to it first.
///
/// # Errors
/// When the sessions cannot be listed.
pub(super) fn all_below(store: &Store, id: &str) -> Result<Vec<SessionDirectory>, Problem> {
    let mut all = store::sessions(store)?.sessions;
    let (mut known, mut found) = (BTreeSet::from([id.to_owned()]), Vec::new());
    loop {
        let (next, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|one| one.record.parent.as_ref().is_some_and(|parent| known.contains(&parent.session)));
        if next.is_empty() {
            break;
        }
        known.extend(next.iter().map(|one| one.record.id.clone()));
        found.extend(next);
        all = rest;
    }
    Ok(found)
}

/// Where each session further up asked for the next, the nearest first. What is no longer there ends it.
pub(super) fn above(store: &Store, session: &SessionDirectory) -> Vec<AboveInfo> {
    let (mut told, mut at) = (Vec::new(), session.record.parent.clone());
    while let Some(parent) = at.take().filter(|_| told.len() < MOST) {
        // The name of a directory: nothing else is one.
        let Ok(up) = store::session(store, &parent.session) else { break };
        let Ok(event) = parent.event.parse::<EventId>() else { break };
        let Around { entries, task } = around(&up, Some(event)).unwrap_or_default();
        let (what, causes) = match record::why(&entries, event) {
            Some(explanation) => (explanation.what, explanation.causes),
            None => ("not in its record".to_owned(), Vec::new()),
        };
        told.push(AboveInfo { session: up.record.id.clone(), event: event.to_string(), what, task, causes });
        at.clone_from(&up.record.parent);
    }
    told
}
