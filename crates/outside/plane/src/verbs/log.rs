//! `log`, `log --follow` and `log verify`.

use std::time::Duration;

use record::ledger::Known;
use record::{Segment, describe};
use rustix::event::{PollFd, PollFlags, Timespec};
use wire::command::{LogLine, Problem, Reply, Select, SessionState, Standing};

use super::gone;
use crate::channel::Client;
use crate::ledger::{Snapshot, check};
use crate::problem::{quoted, state};
use crate::store::{self, Events, SessionDirectory, Store};

/// How long a follower waits before it looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells every event, and goes on while the session runs if asked.
pub(super) fn log(store: &Store, client: &mut Client, select: &Select, follow: bool) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    gone::tell(store, client, &session);
    let mut events = Events::of(&session);
    loop {
        // Asked before reading: what was written until the end is then read before this ends.
        let over = !follow || state_now(&session) != SessionState::Running;
        tell(&session, client, &mut events)?;
        if over || client.is_gone() || left(client) {
            return Ok(Reply::LogEnd);
        }
    }
}

/// Tells what is there by now.
fn tell(session: &SessionDirectory, client: &mut Client, events: &mut Events) -> Result<(), Problem> {
    while let Some(next) = events.next_event().map_err(|error| state("read", &session.path, &error))? {
        client.reply(&match next {
            Ok(entry) => {
                let text = describe(&entry.event.kind);
                Reply::Event(Box::new(LogLine { id: entry.id, event: entry.event, text }))
            }
            Err(words) => Reply::Notice { text: format!("no event: {}", quoted(&words)) },
        });
        if client.is_gone() {
            break;
        }
    }
    Ok(())
}

/// The record on disk says that a session ended; what was read at the beginning does not.
fn state_now(session: &SessionDirectory) -> SessionState {
    SessionDirectory::open(&session.path).map_or(SessionState::Lost, |session| session.state())
}

/// Waits a little, and says whether the client hung up meanwhile.
fn left(client: &Client) -> bool {
    let mut polled = [PollFd::new(client, PollFlags::empty())];
    let pause = Timespec::try_from(PAUSE).ok();
    let _ = rustix::event::poll(&mut polled, pause.as_ref());
    polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Verifies both chains, and that the session is what the ledger knows of it.
pub(super) fn verify(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let in_order = session.state() == SessionState::Ended;
    let snapshot = Snapshot::take(store, None);
    let known = snapshot.as_ref().ok().and_then(|snapshot| snapshot.book.sessions().get(&session.record.id));
    let mut segments = Vec::new();
    for segment in [Segment::Plane, Segment::Gate] {
        let untold = known.is_none_or(|known| known.following(segment).under(u64::MAX) == 0);
        if segment == Segment::Gate && untold && std::fs::symlink_metadata(session.segment(segment)).is_err() {
            // A cell without a network has no gate.
            continue;
        }
        let (check, torn) = check(&session, segment, known.map(|known| known.following(segment)), in_order)?;
        if torn {
            let text = format!("the {} segment ends in half a line: its writer is at it, or was killed", check.segment);
            client.reply(&Reply::Notice { text });
        }
        segments.push(check);
    }
    let ledger = match &snapshot {
        Ok(snapshot) => standing(known, snapshot),
        // What it says of the session is not known.
        Err(error) => Some(Standing { faults: vec![quoted(&error.to_string())], ..Standing::default() }),
    };
    Ok(Reply::Verified { segments, ledger })
}

/// What the ledger says of a session, and what is wrong with it; nothing where it is whole and does not know the session.
fn standing(known: Option<&Known>, snapshot: &Snapshot) -> Option<Standing> {
    let faults: Vec<_> = snapshot.bad.iter().cloned().chain(snapshot.strayed()).collect();
    // What was taken out of it does not know the session either.
    if known.is_none() && faults.is_empty() {
        return None;
    }
    let under = |known: &Known, segment| known.following(segment).under(u64::MAX);
    let events = known.map_or(0, |known| under(known, Segment::Plane) + under(known, Segment::Gate));
    Some(Standing { entries: known.map_or(0, |known| known.cuts.len() as u64), events, faults })
}
