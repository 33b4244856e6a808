//! `log`, `log --follow` and `log verify`.

use std::time::Duration;

use record::{Segment, Verifier, describe};
use rustix::event::{PollFd, PollFlags, Timespec};
use wire::command::{LogLine, Problem, Reply, SegmentCheck, Select, SessionState};

use crate::channel::Client;
use crate::problem::{quoted, state};
use crate::store::{self, Events, Line, Lines, SessionDirectory, Store};

/// How long a follower waits before it looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells every event, and goes on while the session runs if asked.
pub(super) fn log(store: &Store, client: &mut Client, select: &Select, follow: bool) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
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

/// Verifies both chains.
pub(super) fn verify(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let in_order = session.state() == SessionState::Ended;
    let mut segments = Vec::new();
    for (segment, name) in [(Segment::Plane, "plane"), (Segment::Gate, "gate")] {
        let path = session.segment(segment);
        if std::fs::symlink_metadata(&path).is_err() && segment == Segment::Gate {
            // A cell without a network has no gate.
            continue;
        }
        let (check, torn) = check(&session, segment, name, in_order)?;
        if torn {
            let text = format!("the {name} segment ends in half a line: its writer is at it, or was killed");
            client.reply(&Reply::Notice { text });
        }
        segments.push(check);
    }
    Ok(Reply::Verified { segments })
}

/// Proves one chain, line by line. Says also whether its end is torn where that is no break.
fn check(
    session: &SessionDirectory,
    segment: Segment,
    name: &str,
    in_order: bool,
) -> Result<(SegmentCheck, bool), Problem> {
    let path = session.segment(segment);
    let failed = |error: &std::io::Error| state("read", &path, error);
    let (mut lines, mut verifier) = (Lines::new(path.clone()), Verifier::new(&session.origin(segment)));
    let mut broken = std::fs::symlink_metadata(&path).err().map(|error| format!("it cannot be read: {error}"));
    while broken.is_none() {
        broken = match lines.next_line().map_err(|error| failed(&error))? {
            None => break,
            Some(Line::Whole(line)) => verifier.line(line).err().map(|broken| broken.to_string()),
            Some(Line::TooLong) => {
                Some(format!("line {}: longer than any event", verifier.clone().finish().events + 1))
            }
        };
    }
    let proved = verifier.finish();
    let torn = broken.is_none() && lines.is_torn();
    if torn && in_order {
        broken = Some(format!("line {}: the last line is incomplete", proved.events + 1));
    }
    let check = SegmentCheck { segment: name.into(), events: proved.events, head: proved.head.hex(), broken };
    Ok((check, torn && !in_order))
}
