//! A clock that somebody set a year ahead or back between sessions, and within one.

use std::fs;

use ::record::{Kind, Redactor, Segment, Writer};
use plane::ledger::merge;
use plane::store::SessionDirectory;
use wire::command::{LedgerRequest, Reply, Request};

use crate::ledgers::{checkpoint, faults};
use crate::room::{BEGAN, Room, here, select, started, write};

const YEAR: u64 = 366 * 86_400 * 1_000_000;

/// One that began and ended when the clock said this, on one workspace.
fn ended(room: &Room, clock: u64) -> SessionDirectory {
    let mut session = room.begin_at(clock, "work", None);
    write(&session, Segment::Plane, &[started(&session), Kind::Ended { exit: 0, reason: "exited".into() }]);
    write(&session, Segment::Gate, &[]);
    (session.record.ended, session.record.exit) = (Some(clock + 9), Some(0));
    session.save().unwrap();
    session.leave().unwrap();
    merge(room.store(), &session).unwrap();
    SessionDirectory::open(&session.path).unwrap()
}

fn listed(room: &Room) -> Vec<String> {
    match room.yes(Request::Ls) {
        Reply::Sessions { sessions } => sessions.into_iter().map(|session| session.id).collect(),
        other => panic!("{other:?}"),
    }
}

/// Ids were once the clock's alone: after it was set back, what was begun last counted as older than all before it. `apply`
/// and `discard` without a name then meant another session, and `log prune --keep` gave up the wrong one.
#[test]
fn the_session_that_began_last_is_the_newest_whatever_the_clock_says() {
    let room = Room::new();
    let clocks = [BEGAN, BEGAN + YEAR, BEGAN, BEGAN - YEAR, BEGAN - YEAR, BEGAN + 5];
    let sessions: Vec<_> = clocks.iter().map(|clock| ended(&room, *clock)).collect();
    let mut newest_first: Vec<_> = sessions.iter().map(|session| session.record.id.clone()).collect();
    newest_first.reverse();
    assert_eq!(listed(&room), newest_first);
    // When it began is told as the clock had it.
    assert_eq!(sessions.iter().map(|session| session.record.started).collect::<Vec<_>>(), clocks);
    let Reply::Session(shown) = room.yes(Request::Show(here(&room.path("work")))) else { panic!() };
    assert_eq!(shown.id, newest_first[0]);
    let held = checkpoint(&room);
    let Reply::Pruned(pruned) = room.yes(Request::Ledger(LedgerRequest::Prune { before: None, keep: Some(1) })) else {
        panic!()
    };
    assert_eq!((pruned.done.len(), pruned.left.len()), (5, 0), "{pruned:?}");
    assert_eq!(listed(&room), newest_first[..1]);
    assert_eq!(faults(&room, &held), [""; 0]);
}

/// Whatever the note of the newest session says, a session begins, and sorts after those that are there.
#[test]
fn the_note_of_the_newest_session_is_a_hint() {
    for note in [None, Some(""), Some("\0\0\0\0\0\0\0\0\0\0\0"), Some("zzzzzzzzzzz"), Some("00000000001"), Some("x")] {
        let room = Room::new();
        let first = ended(&room, BEGAN + YEAR);
        let file = room.store().root().join("newest");
        match note {
            Some(note) => fs::write(&file, note).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let second = ended(&room, BEGAN);
        let sorts = second.record.id > first.record.id;
        // One that is an id is believed: at worst the order is the clock's.
        assert!(sorts || note == Some("00000000001"), "{note:?}");
        assert_eq!(fs::read_to_string(&file).unwrap().get(..11), Some(second.record.id.as_str()), "{note:?}");
    }
}

/// Times of events may go back and forth: the record verifies, is told whole, and the ledger takes it.
#[test]
fn a_record_whose_clock_was_set_is_whole() {
    let room = Room::new();
    let mut session = room.begin("work", None);
    let (mut writer, redactor) = (Writer::new(&session.origin(Segment::Plane)), Redactor::new());
    let mut text = Vec::new();
    let events = [started(&session), Kind::GateLost, Kind::GateLost, Kind::Ended { exit: 0, reason: "exited".into() }];
    for (clock, event) in [BEGAN, BEGAN + YEAR, BEGAN - YEAR, 0].into_iter().zip(events) {
        text.extend(writer.append(&redactor, clock, Vec::new(), event).unwrap().1);
    }
    fs::write(session.segment(Segment::Plane), text).unwrap();
    write(&session, Segment::Gate, &[Kind::GateStarted { incarnation: 1 }]);
    (session.record.ended, session.record.exit) = (Some(0), Some(0));
    session.save().unwrap();
    session.leave().unwrap();
    merge(room.store(), &session).unwrap();
    let id = session.record.id.clone();
    drop(session);
    let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(&id))) else { panic!() };
    assert!(segments.iter().all(|segment| segment.broken.is_none()), "{segments:?}");
    let (told, _) = room.ask(Request::Log { select: select(&id), follow: false });
    let order: Vec<String> = told
        .iter()
        .filter_map(|reply| if let Reply::Event(line) = reply { Some(line.id.to_string()) } else { None })
        .collect();
    // Each segment in its own order.
    assert_eq!(order.iter().filter(|id| id.starts_with('p')).collect::<Vec<_>>(), ["p1", "p2", "p3", "p4"]);
    assert_eq!(order.len(), 5);
    assert_eq!(faults(&room, &checkpoint(&room)), [""; 0]);
}
