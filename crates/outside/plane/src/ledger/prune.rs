//! Old sessions go, and what they were stays provable: their cuts, and a leaf that says that they were pruned and what
//! they had come to. That leaf is on disk before anything is removed, and the session is marked as unfinished before
//! that: a kill at any moment leaves it whole, or to be removed by the next start.

use std::fs;
use std::io;

use record::Segment;
use record::ledger::{Known, Leaf, Pruned};
use wire::command::{Problem, PruneAnswer};

use super::{LedgerError, Log, Snapshot, check, merge_after, refused};
use crate::problem::quoted;
use crate::store::{self, SessionDirectory, Store, clear, now};
use crate::verbs::changes;

/// Which sessions are old.
#[derive(Debug, Clone, Copy)]
pub enum Old {
    /// Those that ended before, in microseconds since the Unix epoch.
    Before(u64),
    /// All but so many, the newest.
    AllBut(u64),
}

/// What becomes of changes that nobody reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreviewed {
    /// They stay, and the session with them.
    Stays,
    /// They go with it: the operator said so.
    GivenUp,
}

/// Sessions that are held at once.
const AT_ONCE: usize = 100;

/// Removes what is old. What cannot go stays, and is told with the reason. What killed planes left is to be put in order
/// before: what an earlier one began to remove is then gone.
///
/// # Errors
/// When the sessions or the ledger cannot be read.
pub fn prune(store: &Store, old: Old) -> Result<PruneAnswer, Problem> {
    let (mut answer, mut sessions) = (PruneAnswer::default(), store::sessions(store)?.sessions);
    sessions.retain(|session| session.record.ended.is_some());
    let chosen: Vec<_> = match old {
        Old::Before(moment) => sessions.into_iter().filter(|one| one.record.ended < Some(moment)).collect(),
        // The newest are first.
        Old::AllBut(keep) => sessions.into_iter().skip(usize::try_from(keep).unwrap_or(usize::MAX)).collect(),
    };
    // The oldest first: what a kill leaves is then the newer part.
    all(store, chosen.into_iter().rev().collect(), Unreviewed::Stays, &mut answer)?;
    Ok(answer)
}

/// Removes these, in this order.
///
/// # Errors
/// When the ledger cannot be read.
pub fn remove(store: &Store, sessions: Vec<SessionDirectory>, unreviewed: Unreviewed) -> Result<PruneAnswer, Problem> {
    let mut answer = PruneAnswer::default();
    all(store, sessions, unreviewed, &mut answer)?;
    Ok(answer)
}

fn all(
    store: &Store,
    mut rest: Vec<SessionDirectory>,
    unreviewed: Unreviewed,
    answer: &mut PruneAnswer,
) -> Result<(), Problem> {
    while !rest.is_empty() {
        let more = rest.split_off(rest.len().min(AT_ONCE));
        some(store, rest, unreviewed, answer)?;
        rest = more;
    }
    Ok(())
}

/// Prunes some of them. The ledger is read once for all: they are held, so that nobody tells it more of them.
fn some(
    store: &Store,
    sessions: Vec<SessionDirectory>,
    unreviewed: Unreviewed,
    answer: &mut PruneAnswer,
) -> Result<(), Problem> {
    let mut taken = Vec::new();
    for mut session in sessions {
        match may_go(&mut session, unreviewed).and_then(|()| session.enter().map_err(|problem| problem.cause)) {
            Ok(()) => taken.push(session),
            Err(why) => answer.left.push((session.record.id.clone(), quoted(&why))),
        }
    }
    let book = Snapshot::take(store, None).map_err(refused)?.book;
    let (mut sound, mut leaves) = (Vec::new(), Vec::new());
    for session in taken {
        let known = book.sessions().get(&session.record.id);
        if known.is_some_and(|known| known.pruned.is_some()) {
            // Told of already, by one that could not go on.
            sound.push(session);
            continue;
        }
        match leaf(store, &session, known) {
            Ok(leaf) => {
                leaves.push(leaf);
                sound.push(session);
            }
            Err(why) => leave(&session, &why, answer),
        }
    }
    let told = if leaves.is_empty() { Ok(()) } else { Log::wait(store).and_then(|log| log.append(&leaves)) };
    if let Err(error) = told {
        // They stay marked: whether the entries came to the disk, the next start sees.
        let why = quoted(&error.to_string());
        answer.left.extend(sound.into_iter().map(|session| (session.record.id, why.clone())));
        return Ok(());
    }
    for session in sound {
        match take_away(store, &session) {
            Ok(()) => answer.done.push(session.record.id),
            // It stays marked: the next start removes what is left of it.
            Err(error) => answer.left.push((session.record.id, quoted(&error.to_string()))),
        }
    }
    Ok(())
}

/// What stays is as it was.
fn leave(session: &SessionDirectory, why: &str, answer: &mut PruneAnswer) {
    let _ = session.leave();
    answer.left.push((session.record.id.clone(), quoted(why)));
}

/// Holds a session that may go: it ended, and nothing waits for a review.
///
/// # Errors
/// Why it stays.
pub fn may_go(session: &mut SessionDirectory, unreviewed: Unreviewed) -> Result<(), String> {
    let why = |problem: Problem| problem.cause;
    session.hold().map_err(why)?;
    if session.record.ended.is_none() {
        return Err("it has not ended in order: `bastide ls` puts it in order".into());
    }
    if unreviewed == Unreviewed::GivenUp {
        return Ok(());
    }
    let id = &session.record.id;
    match changes::pending(session) {
        Ok(0) => Ok(()),
        Ok(1) => Err("1 changed path waits: `bastide apply` or `bastide discard` it first".into()),
        Ok(waiting) => Err(format!("{waiting} changed paths wait: `bastide apply` or `bastide discard` them first")),
        Err(problem) => Err(format!(
            "what it changed cannot be counted, {}: `bastide discard {id}` throws that away, `bastide rm --force {id}` \
             the session with it",
            problem.cause
        )),
    }
}

/// What the ledger is to hold of a pruned session. One that is not what the ledger says is evidence, and stays.
fn leaf(store: &Store, session: &SessionDirectory, known: Option<&Known>) -> Result<Leaf, String> {
    // Up to its end, so that nothing of it goes without a trace.
    merge_after(store, session, known).map_err(|error| error.to_string())?;
    for segment in [Segment::Plane, Segment::Gate] {
        if segment == Segment::Gate && fs::symlink_metadata(session.segment(segment)).is_err() {
            // A cell without a network has no gate.
            continue;
        }
        let (check, _) = check(session, segment, None, false).map_err(|problem| problem.cause)?;
        if let Some(broken) = check.broken {
            return Err(format!("its record does not verify, {}: {broken}", check.segment));
        }
    }
    let counts = store::counts(session).map_err(|error| error.to_string())?.counts;
    Ok(Leaf::Pruned(Box::new(Pruned { at: now(), session: session.record.id.clone(), counts })))
}

/// Removes the session, its description first: what is half removed then counts as one that never began.
fn take_away(store: &Store, session: &SessionDirectory) -> io::Result<()> {
    match fs::remove_file(session.path.join("session.json")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    clear(&session.path)?;
    store::unmark(store, &session.record.id)
}

/// Removes a marked session of which the ledger says that it was pruned, and says whether it was one.
///
/// # Errors
/// When the ledger cannot be read, or the session not be removed.
pub fn finish_pruning(store: &Store, session: &SessionDirectory) -> Result<bool, LedgerError> {
    let snapshot = Snapshot::take(store, None)?;
    let known = snapshot.book.sessions().get(&session.record.id);
    if known.is_none_or(|known| known.pruned.is_none()) {
        return Ok(false);
    }
    take_away(store, session).map(|()| true).map_err(LedgerError::host("remove", &session.path))
}
