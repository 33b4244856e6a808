//! `log`, `log --follow`, `log verify` and `why` on records as they are and as they are not.

use std::fs::{self, File};
use std::io::Write;

use ::record::{Kind, Segment, Verdict};
use plane::store::Ledger;
use wire::command::{Reply, Request, SegmentCheck, WhyAnswer};

use crate::room::{Room, connect, exec, file_refused, select, started, text, write};

fn lines(replies: &[Reply]) -> Vec<(String, String)> {
    let line = |reply: &Reply| match reply {
        Reply::Event(line) => Some((line.id.to_string(), line.text.clone())),
        _ => None,
    };
    replies.iter().filter_map(line).collect()
}

fn log(room: &Room, id: &str) -> Vec<Reply> {
    let (replies, last) = room.ask(Request::Log { select: select(id), follow: false });
    assert!(matches!(last, Ok(Reply::LogEnd)));
    replies
}

#[test]
fn both_segments_are_told_by_time() {
    let room = Room::new();
    let session = room.ended("work", &[connect("a.example", 443, Verdict::Allowed), Kind::GateLost]);
    let told = lines(&log(&room, &session.record.id));
    assert_eq!(told.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["p1", "g1", "p2", "g2"]);
    assert_eq!(told[1].1, "connection of `/usr/bin/curl` to `a.example:443` allowed");
}

#[test]
fn hostile_lines_steer_nothing_and_end_nothing() {
    let room = Room::new();
    let session = room.ended("work", &[connect("a\x1b[2J\u{202e}.example", 443, Verdict::Refused)]);
    // What a gate that was taken over could write: a raw escape, a huge line, a forged number, no event at all.
    let mut gate = File::options().append(true).open(session.segment(Segment::Gate)).unwrap();
    let hash = "0".repeat(64);
    let raw = r#"{"seq":1,"at":5,"kind":"resolve","name":"\u001b[2J","verdict":"refused","reason":null}"#;
    writeln!(gate, "{hash} {raw}\n{}\n{hash} not json\x1b[2J", "x".repeat(1 << 20)).unwrap();
    writeln!(gate, "{hash} {{\"seq\":77,\"at\":18446744073709551615,\"kind\":\"gate-lost\"}}").unwrap();
    write!(gate, "{hash} {{\"seq").unwrap();
    let replies = log(&room, &session.record.id);
    let told = lines(&replies);
    let ids: Vec<_> = told.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["p1", "g1", "g2", "p2", "g5"], "{told:?}");
    assert!(told.iter().all(|(_, text)| !text.chars().any(char::is_control)));
    let notices = replies.iter().filter(|reply| matches!(reply, Reply::Notice { .. })).count();
    assert_eq!(notices, 2);
    assert_eq!(room.no(why_request(&session.record.id, Some("g77"))).code, "E-PLANE-016");
}

#[test]
fn following_ends_when_the_session_does_and_all_is_told() {
    let room = Room::new();
    let mut session = room.begin("work", None);
    let origin = session.origin(Segment::Plane);
    let mut ledger = Ledger::begin(&session.segment(Segment::Plane), &origin, ::record::Redactor::new()).unwrap();
    ledger.write(started(&session)).unwrap();
    let id = session.record.id.clone();
    let told = std::thread::scope(|scope| {
        let follower = scope.spawn(|| room.ask(Request::Log { select: select(&id), follow: true }).0);
        // The gate's segment comes into being while it is followed.
        let gate = session.origin(Segment::Gate);
        let line = text(&gate, &[Kind::GateStarted { incarnation: 1 }]);
        let mut file = File::create(session.segment(Segment::Gate)).unwrap();
        for part in line.chunks(line.len() / 3 + 1) {
            file.write_all(part).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        ledger.write(Kind::Ended { exit: 3, reason: "exited".into() }).unwrap();
        (session.record.ended, session.record.exit) = (Some(1), Some(3));
        session.save().unwrap();
        lines(&follower.join().unwrap())
    });
    assert_eq!(told.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["p1", "g1", "p2"]);
}

#[test]
fn following_stops_when_the_client_hangs_up() {
    let room = Room::new();
    let session = room.begin("work", None);
    write(&session, Segment::Plane, &[started(&session)]);
    let (ours, theirs) = plane::channel::pair().unwrap();
    let request = Request::Log { select: select(&session.record.id), follow: true };
    let mut client = plane::channel::Client::new(ours);
    let place = room.place.clone();
    let follower = std::thread::spawn(move || plane::verbs::answer_in(&place, &mut client, request).is_ok());
    drop(theirs);
    assert!(follower.join().unwrap());
}

fn verified(room: &Room, id: &str) -> (usize, Vec<SegmentCheck>) {
    let (before, last) = room.ask(Request::Verify(select(id)));
    let Ok(Reply::Verified { segments, .. }) = last else { panic!("{last:?}") };
    (before.iter().filter(|reply| matches!(reply, Reply::Notice { .. })).count(), segments)
}

#[test]
fn a_record_verifies_until_a_byte_is_changed() {
    let room = Room::new();
    let session = room.ended("work", &[Kind::GateLost, connect("a.example", 443, Verdict::Allowed), Kind::GateLost]);
    let (_, segments) = verified(&room, &session.record.id);
    let told: Vec<_> =
        segments.iter().map(|check| (check.segment.as_str(), check.events, check.broken.is_none())).collect();
    assert_eq!(told, [("plane", 2, true), ("gate", 3, true)]);
    assert_eq!(segments[1].head.len(), 64);
    let path = session.segment(Segment::Gate);
    let whole = fs::read(&path).unwrap();
    let second = whole.iter().position(|&byte| byte == b'\n').unwrap() + 100;
    let mut changed = whole.clone();
    changed[second] ^= 1;
    fs::write(&path, &changed).unwrap();
    let (_, segments) = verified(&room, &session.record.id);
    assert_eq!(segments[1].events, 1);
    assert!(segments[1].broken.as_ref().is_some_and(|words| words.starts_with("line 2:")), "{segments:?}");
    // One session's segment is no other's.
    let other = room.ended("work", &[]);
    fs::write(other.segment(Segment::Gate), &whole).unwrap();
    assert!(verified(&room, &other.record.id).1[1].broken.is_some());
    // A segment that is gone is not verified.
    fs::remove_file(other.segment(Segment::Plane)).unwrap();
    assert!(verified(&room, &other.record.id).1[0].broken.is_some());
}

#[test]
fn a_torn_last_line_is_no_break_while_its_writer_may_be_at_it() {
    let room = Room::new();
    let running = room.begin("work", None);
    for segment in [Segment::Plane, Segment::Gate] {
        let mut torn = text(&running.origin(segment), &[Kind::GateLost, Kind::GateLost]);
        torn.truncate(torn.len() - 3);
        fs::write(running.segment(segment), torn).unwrap();
    }
    let id = running.record.id.clone();
    let told = |(notices, segments): (usize, Vec<SegmentCheck>)| {
        (notices, segments.iter().map(|check| (check.events, check.broken.is_some())).collect::<Vec<_>>())
    };
    assert_eq!(told(verified(&room, &id)), (2, vec![(1, false), (1, false)]));
    drop(running);
    assert_eq!(told(verified(&room, &id)), (2, vec![(1, false), (1, false)]), "lost");
    let ended = room.ended("work", &[Kind::GateLost, Kind::GateLost]);
    let mut torn = fs::read(ended.segment(Segment::Gate)).unwrap();
    torn.truncate(torn.len() - 3);
    fs::write(ended.segment(Segment::Gate), torn).unwrap();
    assert_eq!(told(verified(&room, &ended.record.id)), (0, vec![(2, false), (1, true)]), "ended in order");
}

fn why_request(id: &str, event: Option<&str>) -> Request {
    Request::Why { select: select(id), event: event.map(str::to_owned) }
}

fn why(room: &Room, id: &str, event: Option<&str>) -> WhyAnswer {
    match room.yes(why_request(id, event)) {
        Reply::Why(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_is_explained_with_its_programs_and_the_smallest_rule() {
    let room = Room::new();
    let session = room.ended(
        "work",
        &[
            exec(3, 1, "/bin/sh"),
            exec(7, 3, "/usr/bin/other"),
            exec(7, 3, "/usr/bin/curl"),
            connect("api.example.com", 443, Verdict::Asked),
            connect("ok.example.com", 443, Verdict::Allowed),
            exec(7, 3, "/usr/bin/later"),
        ],
    );
    let answer = why(&room, &session.record.id, None);
    assert_eq!(answer.explanation.id.to_string(), "g4");
    assert_eq!(answer.explanation.program, ["/usr/bin/curl", "/bin/sh"]);
    assert_eq!(answer.option.as_deref(), Some("--allow api.example.com:443"));
    // What the record suggests is its writer's word: only what was computed is told.
    let rule = answer.explanation.suggestion.unwrap();
    assert_eq!(rule, "{to: \"api.example.com:443\", programs: [\"/usr/bin/curl\"]}");
    let causes: Vec<_> = answer.explanation.causes.iter().map(|because| because.id.to_string()).collect();
    assert_eq!(causes, ["g3", "g1"], "the last start of the process, then of its parent");
    let allowed = why(&room, &session.record.id, Some("g5"));
    assert_eq!((allowed.option, allowed.explanation.suggestion), (None, None));
    for (event, code) in [("x1", "E-PLANE-015"), ("g01", "E-PLANE-015"), ("g99", "E-PLANE-016")] {
        assert_eq!(room.no(why_request(&session.record.id, Some(event))).code, code);
    }
    assert_eq!(room.no(why_request(&room.ended("work", &[]).record.id, None)).code, "E-PLANE-017");
}

/// Behind a proxy that had another password by then, all that was told was that nothing is refused.
#[test]
fn what_was_let_out_and_failed_is_told_where_nothing_was_refused() {
    let room = Room::new();
    let close = |note: &str| Kind::Close {
        connect: "g1".parse().unwrap(),
        sent: 0,
        received: 0,
        address: None,
        note: Some(note.into()),
    };
    let allowed = connect("a.example", 443, Verdict::Allowed);
    let session = room.ended("work", &[allowed.clone(), close("the upstream proxy answered 407")]);
    let told = room.no(why_request(&session.record.id, None));
    assert!(
        told.code == "E-PLANE-017" && told.cause.contains("g2") && told.cause.contains("proxy answered 407"),
        "{told}"
    );
    assert!(told.hint.as_ref().is_some_and(|hint| hint.contains("no rule changes that")), "{told}");
    let session = room.ended("work", &[allowed]);
    assert!(!room.no(why_request(&session.record.id, None)).cause.contains("nothing:"));
}

#[test]
fn a_refused_file_is_explained_and_an_option_is_named_only_where_it_would_help() {
    let room = Room::new();
    let session =
        room.ended("work", &[exec(7, 1, "/usr/bin/curl"), file_refused("/srv/a", 0), file_refused("/proc/7/comm", 0)]);
    let answer = |event| why(&room, &session.record.id, Some(event));
    let (useful, useless) = (answer("g2"), answer("g3"));
    assert_eq!(useful.option.as_deref(), Some("--write /srv/a"));
    assert_eq!((useless.option, useless.explanation.suggestion), (None, None), "the cell makes that itself");
    assert_eq!(useless.explanation.rule.as_deref(), Some("landlock"));
    assert_eq!(useless.explanation.causes[0].id.to_string(), "g1");
}

#[test]
fn the_rule_is_one_that_decide_takes_or_none() {
    let room = Room::new();
    let mut policy = plane::policy_file::look_at_policy(None, &room.place.home).unwrap();
    let target = |text: &str| policy::Rule::to(policy::Target::parse(text).unwrap());
    policy.network.deny.push(target("denied.example"));
    policy.network.allow.push(target("inner.example"));
    let special = |by: &str| match connect("inner.example", 443, Verdict::Refused) {
        Kind::Connect { pid, program, host, address, port, verdict, reason, suggestion, .. } => Kind::Connect {
            pid,
            program,
            host,
            address,
            port,
            verdict,
            rule: Some(by.into()),
            reason,
            suggestion,
            times: 1,
        },
        other => other,
    };
    let session = room.begin("work", Some(policy));
    let resolve = |name: &str| Kind::Resolve { name: name.into(), verdict: Verdict::Refused, reason: None, times: 1 };
    // Which port was wanted is not known, and nothing allows that name without one.
    let own = room.ended("own", &[resolve("host.bastide")]);
    let told = why(&room, &own.record.id, None);
    assert_eq!((told.explanation.suggestion, told.option.as_deref()), (None, Some("--allow host.bastide:PORT")));
    write(
        &session,
        Segment::Gate,
        &[
            connect("denied.example", 443, Verdict::Refused),
            connect("fd00::1", 80, Verdict::Refused),
            special("10.1.2.3 (private)"),
            resolve("some.example"),
            resolve("denied.example"),
            connect("not a host\x07", 80, Verdict::Refused),
            connect("host.bastide", 5432, Verdict::Refused),
            connect("127.0.0.1", 5432, Verdict::Refused),
        ],
    );
    let mut closed = plane::policy_file::look_at_policy(None, &room.place.home).unwrap();
    closed.network.deny.push(target("*.bastide"));
    let denied = room.begin("own", Some(closed));
    write(&denied, Segment::Gate, &[resolve("host.bastide")]);
    assert_eq!(why(&room, &denied.record.id, None).option, None);
    let option = |event: &str| why(&room, &session.record.id, Some(event)).option;
    assert_eq!(option("g1"), None, "no allow rule lifts a deny rule");
    assert_eq!(option("g2").as_deref(), Some("--allow '[fd00::1]:80'"));
    assert_eq!(option("g3").as_deref(), Some("--allow 10.1.2.3:443"));
    assert_eq!(option("g4").as_deref(), Some("--allow some.example"));
    assert_eq!(option("g5"), None);
    assert_eq!(option("g6"), None);
    assert_eq!(option("g7").as_deref(), Some("--allow host.bastide:5432"));
    assert_eq!(option("g8"), None, "the host's loopback has no other way");
}

/// The figure of `log verify`: `cargo test -p bastide-plane --test verbs -- --ignored --nocapture rate`.
#[test]
#[ignore = "a measurement"]
fn rate_of_verification() {
    const EVENTS: usize = 300_000;
    let room = Room::new();
    let events: Vec<_> = (0..EVENTS).map(|n| connect(&format!("n{n}.example"), 443, Verdict::Allowed)).collect();
    let session = room.ended("work", &events);
    let bytes = fs::metadata(session.segment(Segment::Gate)).unwrap().len();
    for _ in 0..5 {
        let begun = std::time::Instant::now();
        let (_, segments) = verified(&room, &session.record.id);
        assert_eq!((segments[1].events, &segments[1].broken), (EVENTS as u64, &None));
        let seconds = begun.elapsed().as_secs_f64();
        println!("{EVENTS} events of {} bytes: {:.0} events/s", bytes / EVENTS as u64, EVENTS as f64 / seconds);
    }
}
