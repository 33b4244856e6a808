//! What a killed plane left behind, put in order at the next start. Looks only at sessions that are marked as running,
//! never touches one that is held, and can itself be killed at any moment: the mark goes last.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use record::{Kind, Redactor, Segment};
use rustix::fs::FlockOperation;

use super::session::is_id;
use super::{Events, Ledger, SessionDirectory, Store, ahead, cgroup, clear, now, remove_cgroup, running};
use crate::ledger::{self, LedgerError};
use crate::problem::quoted;
use crate::verbs::changes;

/// The exit code in the record of a session whose plane was killed: that of a program that was killed.
const KILLED: i32 = 137;

/// Puts in order what killed planes left, and says what the operator must know, a line each. Costs one look at a
/// directory when there is nothing to do.
#[must_use]
pub fn repair(store: &Store) -> Vec<String> {
    let lost = match lost(store) {
        Ok(lost) => lost,
        Err(error) => return vec![format!("cannot look for lost sessions: {error}")],
    };
    let (mut words, mut untold) = (Vec::new(), Untold::default());
    for (id, lock) in lost {
        let done = one(store, &id, lock, &mut words, &mut untold);
        match done.and_then(|told| if told { running::unmark(store.root(), &id) } else { Ok(()) }) {
            Ok(()) => {}
            Err(error) => {
                let session = SessionDirectory::open(&store.sessions().join(&id));
                let ended = session.is_ok_and(|session| session.record.ended.is_some());
                let what = if ended { "session" } else { "lost session" };
                words.push(format!("{what} `{id}` is not in order yet: {}", quoted(&error.to_string())));
            }
        }
    }
    words.extend(untold.words());
    words
}

/// Waits for the planes of sessions that ended and are being brought to disk. One that cannot be waited for is passed over: it is
/// the next repair's.
pub fn wait_for_ended(store: &Store) {
    for entry in fs::read_dir(store.running()).into_iter().flatten().flatten() {
        let session = SessionDirectory::open(&store.sessions().join(entry.file_name()));
        // Whoever has the lock after that plane finds all of it told.
        let _ = session.ok().filter(|session| session.record.ended.is_some()).map(|mut session| session.hold());
    }
}

/// Sessions of which the ledger could not be told: they stay marked, and are told of in one line, however many they are.
#[derive(Default)]
struct Untold {
    why: Option<String>,
    sessions: u64,
}

impl Untold {
    /// Tells the ledger of a session, and says whether that is done. What failed once is not tried for each.
    fn tell(&mut self, store: &Store, session: &SessionDirectory, words: &mut Vec<String>) -> bool {
        if self.why.is_none() {
            match ledger::merge(store, session) {
                Ok(()) => return true,
                // It will not be another the next time.
                Err(error @ LedgerError::Strayed(_)) => {
                    words.push(format!("session `{}`: {}", session.record.id, quoted(&error.to_string())));
                    return true;
                }
                Err(error) => self.why = Some(error.to_string()),
            }
        }
        self.sessions += 1;
        false
    }

    fn words(&self) -> Option<String> {
        let why = self.why.as_ref()?;
        Some(format!("the ledger could not be told of {} sessions yet: {}", self.sessions, quoted(why)))
    }
}

/// Marked sessions that nobody holds, each with its lock now held by us.
fn lost(store: &Store) -> io::Result<Vec<(String, Option<File>)>> {
    if !marks(store)? {
        return Ok(Vec::new());
    }
    let _threshold = running::judge(store)?;
    let mut lost = Vec::new();
    for entry in fs::read_dir(store.running())? {
        let Ok(id) = entry?.file_name().into_string() else { continue };
        if !is_id(&id) {
            continue;
        }
        match File::options().write(true).open(store.sessions().join(&id).join("lock")) {
            Ok(lock) => match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => lost.push((id, Some(lock))),
                Err(_) => continue,
            },
            // Nothing is made outside the threshold: it was killed before there was anything to hold.
            Err(error) if error.kind() == io::ErrorKind::NotFound => lost.push((id, None)),
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

fn marks(store: &Store) -> io::Result<bool> {
    match fs::read_dir(store.running()) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts one in order, and says whether it is, all of it.
fn one(store: &Store, id: &str, lock: Option<File>, words: &mut Vec<String>, untold: &mut Untold) -> io::Result<bool> {
    let path = store.sessions().join(id);
    // The record is kept before anything is started: without one, nothing ran. Control groups may have been made.
    let began = fs::symlink_metadata(path.join("session.json")).is_ok();
    let unnamed = || {
        let mut groups = cgroup::of_session(id).into_iter().chain(ahead::groups_of(&path));
        groups.try_for_each(|group| remove_cgroup(&group))
    };
    let Some(lock) = lock.filter(|_| began) else {
        unnamed()?;
        crate::labels::forget(store, id).map_err(|problem| io::Error::other(problem.to_string()))?;
        return clear(&path).map(|()| true);
    };
    let session = match SessionDirectory::open(&path) {
        Ok(session) => session.held_by(lock),
        Err(problem) => {
            // What still runs of it is found by its name.
            unnamed()?;
            words.push(quoted(&problem.cause));
            return Ok(true);
        }
    };
    if untold.why.is_none() {
        match ledger::finish_pruning(store, &session) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error @ LedgerError::Host { .. }) => return Err(error.into()),
            Err(error) => untold.why = Some(error.to_string()),
        }
    }
    session.record.cgroups.iter().try_for_each(|group| remove_cgroup(group))?;
    session.mend();
    session.drop_draft()?;
    session.drop_control()?;
    if let Some(home) = session.record.fresh_home.as_deref() {
        fresh_home(store, home)?;
    }
    let unfinished = |problem| io::Error::other(format!("a merge is not finished: {problem}"));
    for line in changes::recover(&session).map_err(unfinished)? {
        words.push(format!("session `{id}`: {line}"));
    }
    let killed = session.record.ended.is_none();
    let session = end(session, words)?;
    if session.record.home.is_some() || session.record.mode == policy::WorkspaceMode::Live {
        crate::labels::close(store, &session, killed).map_err(|problem| io::Error::other(problem.to_string()))?;
    }
    Ok(untold.tell(store, &session, words))
}

/// Only a home within the state directory is removed.
fn fresh_home(store: &Store, home: &Path) -> io::Result<()> {
    let climbs = home.components().any(|part| part == std::path::Component::ParentDir);
    let ours = home.strip_prefix(store.root()).is_ok_and(|rest| rest.components().count() > 1);
    if climbs || !ours {
        return Err(io::Error::other(format!("`{}` is no home of a session", home.display())));
    }
    clear(home)
}

/// Marks a session as ended, in its segment and then in its record.
fn end(mut session: SessionDirectory, words: &mut Vec<String>) -> io::Result<SessionDirectory> {
    if session.record.ended.is_some() {
        return Ok(session);
    }
    let id = session.record.id.clone();
    let Recorded { ended, policy } = recorded(&session)?;
    match ended {
        // Killed between the segment and the record: it did end in order.
        Some((at, exit)) => (session.record.ended, session.record.exit) = (Some(at), Some(exit)),
        None => {
            match close(&session, policy) {
                Ok(()) => words.push(format!("session `{id}` was lost: its plane was killed; what it changed is kept")),
                Err(error) => words.push(format!("the record of lost session `{id}` cannot be ended: {error}")),
            }
            session.record.ended = Some(now());
        }
    }
    session.save().map_err(|problem| io::Error::other(problem.to_string()))?;
    session.settle()?;
    Ok(session)
}

/// What the plane's segment says.
#[derive(Default)]
struct Recorded {
    /// When and how the session ended.
    ended: Option<(u64, i32)>,
    /// A policy that was recorded and did not come into force.
    policy: Option<u32>,
}

fn recorded(session: &SessionDirectory) -> io::Result<Recorded> {
    let mut found = Recorded::default();
    Events::of(session).each(|entry| match entry.event.kind {
        _ if entry.id.segment != Segment::Plane => {}
        Kind::Ended { exit, reason } if reason != LOST => found.ended = Some((entry.event.at, exit)),
        Kind::Policy { revision, .. } => found.policy = Some(revision),
        Kind::PolicyNotTaken { .. } => found.policy = None,
        _ => {}
    })?;
    found.policy = found.policy.filter(|revision| session.revision().is_some_and(|in_force| in_force < *revision));
    Ok(found)
}

const LOST: &str = "lost: its plane was killed";
const UNKEPT: &str = "the plane was killed before it kept the gate's answer";

fn close(session: &SessionDirectory, policy: Option<u32>) -> io::Result<()> {
    let (path, origin) = (session.segment(Segment::Plane), session.origin(Segment::Plane));
    let mut ledger = if fs::symlink_metadata(&path).is_ok() {
        Ledger::resume(&path, &origin, Redactor::new())?
    } else {
        Ledger::begin(&path, &origin, Redactor::new())?
    };
    if let Some(revision) = policy {
        ledger.write(Kind::PolicyNotTaken { revision, reason: UNKEPT.into() })?;
    }
    ledger.write(Kind::Ended { exit: KILLED, reason: LOST.into() })?;
    ledger.checkpoint()
}
