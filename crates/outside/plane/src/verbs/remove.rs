//! `rm` and `gc`: sessions that ended go, and homes that nothing used since. What they were stays provable, as after a prune;
//! what was changed and never reviewed stays, unless it is given up by name.

use std::path::Path;

use wire::command::{Problem, Removal, Removed, Reply, Select};

use crate::channel::Client;
use crate::labels;
use crate::ledger::{self, Unreviewed};
use crate::problem::{NO, problem, quoted, state};
use crate::session::home_of;
use crate::store::{self, SessionDirectory, Store};

/// Removes what is named, or what is old.
pub(super) fn remove(store: &Store, client: &mut Client, asked: &Removal) -> Result<Reply, Problem> {
    for text in store::repair(store) {
        client.reply(&Reply::Notice { text });
    }
    let chosen = if let Some(before) = asked.before { old(store, before)? } else { named(store, &asked.sessions)? };
    let unreviewed = if asked.force { Unreviewed::GivenUp } else { Unreviewed::Stays };
    let mut removed = Removed { dry_run: asked.dry_run, ..Removed::default() };
    if asked.dry_run {
        for mut session in chosen {
            match ledger::may_go(&mut session, unreviewed) {
                Ok(()) => removed.sessions.push(session.record.id.clone()),
                Err(why) => removed.left.push((session.record.id.clone(), quoted(&why))),
            }
        }
    } else {
        let done = ledger::remove(store, chosen, unreviewed)?;
        (removed.sessions, removed.left) = (done.done, done.left);
    }
    if let Some(before) = asked.before {
        homes(store, before, &mut removed)?;
    }
    Ok(Reply::Removed(Box::new(removed)))
}

fn named(store: &Store, names: &[String]) -> Result<Vec<SessionDirectory>, Problem> {
    if names.is_empty() {
        return Err(problem("E-PLANE-151", "no session is named", "`bastide rm SESSION`; `bastide ls` lists them", NO));
    }
    let mut chosen: Vec<SessionDirectory> = Vec::new();
    for name in names {
        let select = Select { session: Some(name.clone()), ..Select::default() };
        let session = store::select(store, &select)?;
        if chosen.iter().all(|one| one.record.id != session.record.id) {
            chosen.push(session);
        }
    }
    Ok(chosen)
}

/// Sessions that ended before; the oldest first, so that what a kill leaves is the newer part.
fn old(store: &Store, before: u64) -> Result<Vec<SessionDirectory>, Problem> {
    let mut sessions = store::sessions(store)?.sessions;
    sessions.retain(|session| session.record.ended.is_some_and(|ended| ended < before));
    sessions.reverse();
    Ok(sessions)
}

/// Homes of which no session is left, and in which nothing changed since.
fn homes(store: &Store, before: u64, removed: &mut Removed) -> Result<(), Problem> {
    let gone = |id: &String| removed.dry_run && removed.sessions.contains(id);
    let read = |error: std::io::Error| state("read", &store.homes(), &error);
    // Nobody begins meanwhile, and would take one.
    let _threshold = store::alone(store).map_err(read)?;
    let found = store::sessions(store)?;
    let left = found.sessions.iter().filter(|session| !gone(&session.record.id));
    let used: Vec<_> = left.filter_map(|session| home_of(store, session)).collect();
    if !found.damaged.is_empty() || store::half_made(store).map_err(read)? {
        removed.left.push(("homes".into(), "a session cannot be read, and may use any of them".into()));
        return Ok(());
    }
    let called = |home: &Path| home.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let homes = store::homes_before(store, before).map_err(read)?;
    removed.left.extend(homes.unread.iter().map(|(home, error)| (called(home), quoted(&error.to_string()))));
    for home in homes.unused {
        let name = called(&home);
        if used.contains(&home) {
            continue;
        }
        match if removed.dry_run { Ok(()) } else { gone_with_labels(store, &home) } {
            Ok(()) => removed.homes.push(name),
            Err(error) => removed.left.push((name, quoted(&error.to_string()))),
        }
    }
    Ok(())
}

/// A home goes, and what is noted of it after it: where that stays, a new home of the name begins with it.
fn gone_with_labels(store: &Store, home: &Path) -> std::io::Result<()> {
    store::clear(home)?;
    labels::drop_home(store, home).map_err(|problem| std::io::Error::other(problem.to_string()))
}
