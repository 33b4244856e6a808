//! The ledger of all sessions: merged, signed, verified against a checkpoint that was kept elsewhere; and what was changed
//! meanwhile is noticed.

use std::fs;
use std::path::Path;

use ::record::{Kind, Segment, Verdict};
use plane::ledger::{Merging, Pace, merge};
use plane::store::{SessionDirectory, repair};
use wire::command::{CheckpointInfo, LedgerProof, LedgerRequest, LedgerVerify, Reply, Request};

use crate::room::{Room, connect, select, started, text, write};

/// A session that ended and is in the ledger.
pub(crate) fn merged(room: &Room, work: &str, events: &[Kind]) -> SessionDirectory {
    let session = room.ended(work, events);
    merge(room.store(), &session).unwrap();
    session
}

pub(crate) fn checkpoint(room: &Room) -> CheckpointInfo {
    match room.yes(Request::Ledger(LedgerRequest::Checkpoint)) {
        Reply::Checkpoint(info) => *info,
        other => panic!("{other:?}"),
    }
}

fn key(room: &Room) -> String {
    match room.yes(Request::Ledger(LedgerRequest::Key)) {
        Reply::Page { text } => text,
        other => panic!("{other:?}"),
    }
}

fn proof(room: &Room, asked: LedgerVerify) -> LedgerProof {
    match room.yes(Request::Ledger(LedgerRequest::Verify(asked))) {
        Reply::Proved(proof) => *proof,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn against(room: &Room, held: &CheckpointInfo) -> LedgerProof {
    proof(room, LedgerVerify { checkpoint: Some(held.note.clone()), ..LedgerVerify::default() })
}

pub(crate) fn faults(room: &Room, held: &CheckpointInfo) -> Vec<String> {
    against(room, held).faults
}

fn three(room: &Room) -> [SessionDirectory; 3] {
    let allowed = connect("a.example", 443, Verdict::Allowed);
    [
        merged(room, "one", &[allowed.clone(), Kind::GateLost]),
        merged(room, "two", &[]),
        merged(room, "three", &[allowed]),
    ]
}

#[test]
fn a_checkpoint_is_extended_by_what_comes_later() {
    let room = Room::new();
    assert_eq!(room.no(Request::Ledger(LedgerRequest::Checkpoint)).code, "E-PLANE-112");
    let printed = key(&room);
    let sessions = three(&room);
    let held = checkpoint(&room);
    assert_eq!((held.size, held.note.lines().count()), (3, 6));
    assert!(held.note.starts_with(&format!("{}\n3\n", held.origin)) && held.time.is_some(), "{}", held.note);
    assert_eq!(printed.split('+').nth(1), Some(held.key_id.as_str()));
    assert_eq!(key(&room), printed);
    let proved = against(&room, &held);
    assert_eq!((proved.faults.as_slice(), proved.sessions, proved.under, proved.after), (&[][..], 3, 9, 0));
    assert!(proved.held.is_some_and(|held| held.elsewhere && held.size == 3));
    // Something is appended to a session, as a merge of its changes does, and another session ends.
    let path = sessions[1].segment(Segment::Plane);
    let origin = sessions[1].origin(Segment::Plane);
    let mut ledger = plane::store::Ledger::resume(&path, &origin, ::record::Redactor::new()).unwrap();
    ledger.write(Kind::Merge { paths: vec!["a".into()], state: "merged".into() }).unwrap();
    merge(room.store(), &sessions[1]).unwrap();
    merged(&room, "four", &[Kind::GateLost]);
    let proved = against(&room, &held);
    assert_eq!((proved.faults.as_slice(), proved.sessions, proved.under, proved.after), (&[][..], 4, 9, 4));
    // The key that was kept says the same, and so does one session alone.
    let asked = LedgerVerify {
        select: Some(select(&sessions[0].record.id)),
        checkpoint: Some(held.note.clone()),
        key: Some(printed),
    };
    let proved = proof(&room, asked);
    assert_eq!((proved.faults.as_slice(), proved.sessions, proved.under), (&[][..], 1, 4));
    // Without a checkpoint, this machine's own word is compared with.
    let proved = proof(&room, LedgerVerify::default());
    assert!(proved.faults.is_empty() && proved.held.is_some_and(|held| !held.elsewhere && held.size == 5));
}

/// Its outcome was told, and its plane still brings it to disk.
#[test]
fn a_checkpoint_waits_for_a_session_that_ended() {
    let room = Room::new();
    let mut session = room.ended("one", &[Kind::GateLost]);
    session.hold().unwrap();
    session.enter().unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            merge(room.store(), &session).unwrap();
            session.leave().unwrap();
            drop(session);
        });
        assert_eq!(checkpoint(&room).size, 1);
    });
}

/// Each byte of each segment, one after the other.
#[test]
fn any_byte_of_any_segment_that_is_changed_is_noticed() {
    let room = Room::new();
    let sessions = three(&room);
    let held = checkpoint(&room);
    for session in &sessions {
        for segment in [Segment::Plane, Segment::Gate] {
            let (path, letter) = (session.segment(segment), segment.letter());
            let whole = fs::read(&path).unwrap();
            // Every third byte, each with another bit: each line has each of its parts touched.
            for at in (0..whole.len()).step_by(3) {
                let mut changed = whole.clone();
                changed[at] ^= 1 << (at % 7);
                fs::write(&path, &changed).unwrap();
                let faults = faults(&room, &held);
                let line = whole[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
                let id = &session.record.id;
                let named = faults.iter().any(|fault| fault.starts_with(&format!("session `{id}`: ")));
                assert!(faults.len() == 1 && named, "byte {at}: {faults:?}");
                let place = format!("event {letter}{line}:");
                // A line's end that is gone takes the next line with it, or the last away.
                assert!(faults[0].contains(&place) || whole[at] == b'\n', "byte {at} of line {line}: {faults:?}");
            }
            fs::write(&path, &whole).unwrap();
        }
    }
    assert!(faults(&room, &held).is_empty());
}

#[test]
fn what_is_cut_off_rewritten_moved_or_gone_is_told_by_name() {
    let room = Room::new();
    let sessions = three(&room);
    let held = checkpoint(&room);
    let told = |change: &dyn Fn()| {
        let place = room.store().root().join("sessions");
        let kept = room.path("kept");
        copy(&place, &kept);
        change();
        let faults = faults(&room, &held);
        fs::remove_dir_all(&place).unwrap();
        fs::rename(&kept, &place).unwrap();
        faults.join("; ")
    };
    let gate = sessions[0].segment(Segment::Gate);
    let id = &sessions[0].record.id;
    let lines = fs::read_to_string(&gate).unwrap();
    let (first, second) = lines.split_once('\n').unwrap();
    let cut = told(&|| fs::write(&gate, format!("{first}\n")).unwrap());
    let short = "truncated: entry 1 of the ledger holds 2 events, 1 are there: from g2 on";
    assert_eq!(cut, format!("session `{id}`: gate: {short}"));
    let moved = told(&|| fs::write(&gate, format!("{second}{first}\n")).unwrap());
    assert!(moved.contains("changed at event g1"), "{moved}");
    // Written anew as a whole by whoever may write there: its chain is sound.
    let anew = text(&sessions[0].origin(Segment::Gate), &[Kind::GateLost, Kind::GateLost]);
    let rewritten = told(&|| fs::write(&gate, &anew).unwrap());
    let other = "rewritten: entry 1 of the ledger holds another hash of g2; changed between g1 and g2";
    assert_eq!(rewritten, format!("session `{id}`: gate: {other}"));
    let unwritten = told(&|| fs::remove_file(&gate).unwrap());
    assert!(unwritten.contains("gate: it cannot be read"), "{unwritten}");
    let gone = told(&|| fs::remove_dir_all(&sessions[1].path).unwrap());
    assert_eq!(gone, format!("session `{}` is missing: it was not pruned", sessions[1].record.id));
    let swapped = told(&|| {
        fs::copy(sessions[2].segment(Segment::Gate), &gate).unwrap();
    });
    assert!(swapped.contains("changed at event g1"), "{swapped}");
    assert!(faults(&room, &held).is_empty());
    // `log verify` of the one session knows it, too, without any checkpoint.
    fs::write(&gate, &anew).unwrap();
    let Reply::Verified { segments, ledger } = room.yes(Request::Verify(select(id))) else { panic!() };
    assert!(segments[1].broken.as_ref().is_some_and(|words| words.starts_with("rewritten")), "{segments:?}");
    assert_eq!(ledger.map(|standing| (standing.entries, standing.events)), Some((1, 4)));
    // A cell without a network has no gate; one that had one has its record.
    fs::remove_file(&gate).unwrap();
    let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(id))) else { panic!() };
    let gone = segments.iter().find(|segment| segment.segment == "gate").and_then(|segment| segment.broken.as_ref());
    assert!(gone.is_some_and(|words| words.starts_with("it cannot be read")), "{segments:?}");
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() { copy(&entry.path(), &to) } else { drop(fs::copy(entry.path(), to)) }
    }
}

/// Whoever may write in the state directory may also make log, tree, checkpoint and key anew. Who holds a checkpoint
/// knows.
#[test]
fn a_ledger_that_was_made_anew_or_set_back_is_noticed_by_who_holds_a_checkpoint() {
    let room = Room::new();
    let first = merged(&room, "one", &[Kind::GateLost]);
    let place = room.store().ledger();
    let earlier = room.path("earlier");
    copy(&place, &earlier);
    merged(&room, "two", &[Kind::GateLost]);
    let (held, kept) = (checkpoint(&room), key(&room));
    let latest = room.path("latest");
    copy(&place, &latest);
    let restore = |from: &Path| {
        fs::remove_dir_all(&place).unwrap();
        copy(from, &place);
    };
    // Set back to an earlier state that was signed.
    restore(&earlier);
    let told = faults(&room, &held).join("; ");
    assert!(told.contains("truncated: it covers 2 entries, the ledger holds 1"), "{told}");
    // Made anew from the sessions that are there, under a new key.
    fs::remove_dir_all(&place).unwrap();
    fs::rename(&first.path, room.path("hidden")).unwrap();
    for session in plane::store::sessions(room.store()).unwrap().sessions.into_iter().rev() {
        merge(room.store(), &session).unwrap();
    }
    let told = faults(&room, &held).join("; ");
    assert!(told.starts_with("key differs") && told.contains(&held.key_id), "{told}");
    let asked =
        LedgerVerify { checkpoint: Some(held.note.clone()), key: Some(kept.clone()), ..LedgerVerify::default() };
    let told = proof(&room, asked).faults.join("; ");
    assert!(told.contains("of another log") && told.contains("key differs: this machine signs"), "{told}");
    assert!(told.contains("truncated: it covers 2 entries"), "{told}");
    // An entry changed, with the key that signs at hand: the log cannot be what was signed.
    restore(&latest);
    fs::rename(room.path("hidden"), &first.path).unwrap();
    let log = fs::read_to_string(place.join("log")).unwrap();
    fs::write(place.join("log"), log.replacen("\"at\":1", "\"at\":2", 1)).unwrap();
    let told = faults(&room, &held).join("; ");
    assert!(told.contains("the first 2 entries of the ledger are not those that it covers"), "{told}");
    // Nor is anything signed on top of it, once the tree that was kept does not hide it any more.
    fs::remove_file(place.join("tree")).unwrap();
    let session = room.ended("three", &[]);
    assert!(merge(room.store(), &session).is_err_and(|error| error.to_string().contains("damaged")));
    let refused = room.no(Request::Ledger(LedgerRequest::Checkpoint));
    assert_eq!(refused.code, "E-PLANE-110");
}

/// Who takes entries out of the log takes out what it knows of a session, too: that is no ledger that never was.
#[test]
fn a_log_that_was_emptied_is_told_whatever_is_asked_of_it() {
    let room = Room::new();
    let [one, ..] = three(&room);
    let log = room.store().ledger().join("log");
    let whole = fs::read_to_string(&log).unwrap();
    let faults = || match room.yes(Request::Verify(select(&one.record.id))) {
        Reply::Verified { ledger, .. } => ledger.map(|standing| standing.faults),
        other => panic!("{other:?}"),
    };
    let counted = || {
        let (before, page) = room.ask(Request::Metrics);
        let Ok(Reply::Page { text }) = page else { panic!("{page:?}") };
        (format!("{before:?}").contains("E-PLANE-110"), text.lines().any(|line| line == "bastide_ledger_damaged 1"))
    };
    assert_eq!((faults(), counted()), (Some(Vec::new()), (false, false)));
    for damaged in [Some(String::new()), None, Some(whole.replacen('{', "[", 1))] {
        match &damaged {
            Some(text) => fs::write(&log, text).unwrap(),
            None => fs::remove_file(&log).unwrap(),
        }
        assert!(faults().is_some_and(|faults| !faults.is_empty()), "{damaged:?}");
        assert_eq!(counted(), (true, true), "{damaged:?}");
        assert_eq!(room.no(Request::Ledger(LedgerRequest::Checkpoint)).code, "E-PLANE-110", "{damaged:?}");
        fs::write(&log, &whole).unwrap();
    }
    assert_eq!((faults(), counted()), (Some(Vec::new()), (false, false)));
}

#[test]
fn a_checkpoint_or_a_key_that_is_none_is_refused_with_a_hint() {
    let room = Room::new();
    three(&room);
    let held = checkpoint(&room);
    let ask = |checkpoint: &str, key: Option<&str>| {
        let (checkpoint, key) = (Some(checkpoint.to_owned()), key.map(str::to_owned));
        Request::Ledger(LedgerRequest::Verify(LedgerVerify { select: None, checkpoint, key }))
    };
    for bad in ["", "x", &held.note.replace('\n', "\r\n"), held.note.split("\n\n").next().unwrap()] {
        let problem = room.no(ask(bad, None));
        assert!(problem.code == "E-PLANE-113" && problem.hint.is_some() && problem.exit == 1, "{problem:?}");
    }
    for bad in ["", "x", "a+00000000+AAAA"] {
        assert_eq!(room.no(ask(&held.note, Some(bad))).code, "E-PLANE-114");
    }
    // Changed, and so signed by nobody.
    let told = faults(&room, &CheckpointInfo { note: held.note.replacen("\n3\n", "\n2\n", 1), ..held.clone() });
    assert!(told.len() == 1 && told[0].starts_with("key differs: its signature is not the key's"), "{told:?}");
}

/// A plane was killed between two of the steps of an append.
#[test]
fn an_append_that_was_cut_short_is_finished_by_the_next() {
    let room = Room::new();
    merged(&room, "one", &[Kind::GateLost]);
    let place = room.store().ledger();
    let (log, before) = (place.join("log"), room.path("before"));
    copy(&place, &before);
    merged(&room, "two", &[Kind::GateLost]);
    let whole = fs::read(&log).unwrap();
    let begun = fs::read(before.join("log")).unwrap().len();
    for kept in [begun, begun + 1, begun + (whole.len() - begun) / 2, whole.len() - 1, whole.len()] {
        for also in [&[][..], &["tree"], &["tree", "checkpoint"]] {
            fs::remove_dir_all(&place).unwrap();
            copy(&before, &place);
            fs::write(&log, &whole[..kept]).unwrap();
            // A power cut may take these; the log was on disk before they were made.
            also.iter().for_each(|name| fs::write(place.join(name), "").unwrap());
            let held = checkpoint(&room);
            assert_eq!(held.size, if kept == whole.len() { 2 } else { 1 });
            merged(&room, "more", &[]);
            assert!(faults(&room, &held).is_empty(), "{kept} {also:?}");
            assert_eq!(checkpoint(&room).size, held.size + 1);
        }
    }
}

#[test]
fn a_session_that_goes_on_is_told_of_in_steps() {
    let room = Room::new();
    let session = room.begin("work", None);
    let pace = Pace { time: std::time::Duration::ZERO, events: 1000, step: 300, rest: 0 };
    let mut merging = Merging::of(&session, pace);
    merging.step().unwrap();
    merging.tell_in_passing(room.store()).unwrap();
    assert!(!room.store().ledger().exists(), "nothing was there to be told");
    write(&session, Segment::Plane, &[started(&session)]);
    write(&session, Segment::Gate, &vec![Kind::GateLost; 20]);
    let mut steps = 0;
    while {
        merging.step().unwrap();
        merging.due().is_some()
    } {
        merging.tell_in_passing(room.store()).unwrap();
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
    merging.tell_in_passing(room.store()).unwrap();
    let held = checkpoint(&room);
    assert!(held.size > 5);
    // Nothing new, nothing told.
    merging.tell_in_passing(room.store()).unwrap();
    assert_eq!(checkpoint(&room).size, held.size);
    let proved = against(&room, &held);
    assert_eq!((proved.faults.as_slice(), proved.under, proved.after), (&[][..], 21, 0));
    // A gate that was taken over writes what it likes: it is told up to there, and the record says where it breaks.
    let gate = session.segment(Segment::Gate);
    let mut broken = fs::read(&gate).unwrap();
    broken.extend(b"nonsense\n");
    fs::write(&gate, broken).unwrap();
    write(&session, Segment::Plane, &[started(&session), Kind::Ended { exit: 0, reason: "exited".into() }]);
    merging.finish(room.store()).unwrap();
    let told = faults(&room, &held);
    assert!(told.len() == 1 && told[0].contains("gate: changed at event g21"), "{told:?}");
    // Whoever holds the ledger does not hold up a session that goes on.
    let log = plane::ledger::Log::wait(room.store()).unwrap();
    let mut other = Merging::of(&session, pace);
    other.step().unwrap();
    let before = std::time::Instant::now();
    other.tell_in_passing(room.store()).unwrap();
    assert!(before.elapsed() < std::time::Duration::from_secs(1));
    drop(log);
}

#[test]
fn a_lost_session_is_told_of_by_the_repair_and_one_that_cannot_be_stays_marked() {
    let room = Room::new();
    merged(&room, "one", &[]);
    let lost = room.begin("work", None);
    write(&lost, Segment::Plane, &[started(&lost)]);
    let id = lost.record.id.clone();
    drop(lost);
    let log = room.store().ledger().join("log");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, &whole[..10]).unwrap();
    let words = repair(room.store());
    let told = words.iter().filter(|line| line.contains("told of 1 sessions yet: the ledger is damaged")).count();
    assert_eq!((told, words.len()), (1, 2), "{words:?}");
    fs::write(&log, &whole).unwrap();
    // Others that wait are told of in the same line.
    let (key, kept) = (room.store().ledger().join("key"), room.path("kept"));
    fs::rename(&key, &kept).unwrap();
    let ended = room.ended("two", &[]);
    ended.enter().unwrap();
    let words = repair(room.store());
    assert!(words.len() == 1 && words[0].contains("told of 2 sessions yet: the ledger's key"), "{words:?}");
    fs::rename(&kept, &key).unwrap();
    assert!(repair(room.store()).is_empty());
    let proved = against(&room, &checkpoint(&room));
    assert!(proved.faults.is_empty() && proved.sessions == 3 && proved.notes.is_empty(), "{proved:?}");
    let Reply::Verified { ledger, .. } = room.yes(Request::Verify(select(&id))) else { panic!() };
    assert_eq!(ledger.map(|standing| standing.events), Some(2));
    // One that is no longer what was told of it is told of no more, and that is said.
    let changed = merged(&room, "two", &[Kind::GateLost]);
    changed.enter().unwrap();
    fs::write(changed.segment(Segment::Gate), "").unwrap();
    let size = checkpoint(&room).size;
    let words = repair(room.store());
    assert!(words.len() == 1 && words[0].contains("not what the ledger knows of it: truncated"), "{words:?}");
    assert_eq!(checkpoint(&room).size, size);
    assert!(repair(room.store()).is_empty());
}

#[test]
fn a_session_is_exported_line_by_line() {
    let room = Room::new();
    let session = room.ended("work", &[connect("evil.test", 443, Verdict::Refused)]);
    let (replies, last) = room.ask(Request::Ledger(LedgerRequest::Export(select(&session.record.id))));
    assert!(matches!(last, Ok(Reply::LogEnd)));
    let line = |reply: &Reply| match reply {
        Reply::Line { text } => Some(serde_json::from_str::<serde_json::Value>(text).unwrap()),
        _ => None,
    };
    let lines: Vec<_> = replies.iter().filter_map(line).collect();
    let classes: Vec<_> = lines.iter().map(|line| line["class_uid"].as_u64().unwrap()).collect();
    assert_eq!(classes, [6002, 4001, 6002]);
    assert_eq!((&lines[1]["disposition"], &lines[1]["policy"]["name"]), (&"Blocked".into(), &"hardened".into()));
}

/// An empty answer of a record that is gone said that nothing happened; only `log verify` told.
#[test]
fn whoever_reads_a_record_is_told_that_a_segment_is_gone() {
    let room = Room::new();
    let session = merged(&room, "work", &[connect("evil.test", 443, Verdict::Refused)]);
    let without = room.ended("other", &[]);
    fs::remove_file(without.segment(Segment::Gate)).unwrap();
    let told = |session: &SessionDirectory| {
        let id = &session.record.id;
        let asked = [
            Request::Log { select: select(id), follow: false },
            Request::Show(select(id)),
            Request::Why { select: select(id), event: None },
            Request::Ledger(LedgerRequest::Export(select(id))),
        ];
        let said = |request| {
            let notice = |reply: &Reply| match reply {
                Reply::Notice { text } => text.contains("is gone").then(|| text.clone()),
                _ => None,
            };
            room.ask(request).0.iter().filter_map(notice).collect::<Vec<_>>().join("; ")
        };
        asked.map(said)
    };
    assert_eq!(told(&session), [""; 4]);
    assert_eq!(told(&without), [""; 4], "a cell without a network has no gate");
    fs::remove_file(session.segment(Segment::Gate)).unwrap();
    assert!(told(&session).iter().all(|words| words.contains("`gate.segment`") && !words.contains("`plane.")));
    fs::remove_file(session.segment(Segment::Plane)).unwrap();
    assert!(told(&session).iter().all(|words| words.contains("`gate.segment`") && words.contains("`plane.segment`")));
}
