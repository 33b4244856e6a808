//! Which session is meant, and what `ls` and `show` tell.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ::record::{Kind, Verdict, Wall};
use plane::store::ParentRecord;
use wire::command::{Reply, Request, SessionState};

use crate::room::{Room, connect, exec, file_refused, here, select, write};

fn listed(room: &Room) -> (Vec<Reply>, Vec<wire::command::SessionInfo>) {
    let (before, last) = room.ask(Request::Ls);
    let Ok(Reply::Sessions { sessions }) = last else { panic!("{last:?}") };
    (before, sessions)
}

#[test]
fn sessions_are_listed_newest_first_with_how_far_they_came() {
    let room = Room::new();
    let ended = room.ended("one", &[]);
    let running = room.begin("two", None);
    let lost = room.begin("three", None);
    let lost_id = lost.record.id.clone();
    drop(lost);
    let (_, sessions) = listed(&room);
    let told: Vec<_> = sessions.iter().map(|session| (session.id.as_str(), session.state)).collect();
    let (running_id, ended_id) = (running.record.id.as_str(), ended.record.id.as_str());
    let expected =
        [(lost_id.as_str(), SessionState::Lost), (running_id, SessionState::Running), (ended_id, SessionState::Ended)];
    assert_eq!(told, expected);
    assert_eq!((sessions[2].policy.as_str(), sessions[2].exit), ("hardened", Some(0)));
}

#[test]
fn a_damaged_session_hides_no_other() {
    let room = Room::new();
    let good = room.ended("one", &[]);
    let sessions = room.store().sessions();
    fs::write(room.ended("two", &[]).path.join("session.json"), "{\x1b[2J").unwrap();
    fs::remove_file(room.ended("three", &[]).path.join("session.json")).unwrap();
    // One that says it is another.
    let forged = room.ended("four", &[]);
    fs::copy(good.path.join("session.json"), forged.path.join("session.json")).unwrap();
    fs::create_dir(sessions.join("\x1b[2J")).unwrap();
    fs::write(sessions.join("0123456789a"), "a file").unwrap();
    std::os::unix::fs::symlink("/", sessions.join("0123456789b")).unwrap();
    let huge = room.ended("five", &[]);
    fs::File::create(huge.path.join("session.json")).unwrap().set_len(1 << 40).unwrap();
    let (before, shown) = listed(&room);
    assert_eq!(shown.iter().map(|session| &session.id).collect::<Vec<_>>(), [&good.record.id]);
    let notices: Vec<_> =
        before.iter().filter_map(|reply| if let Reply::Notice { text } = reply { Some(text) } else { None }).collect();
    assert_eq!(notices.len(), 7, "{notices:?}");
    assert!(notices.iter().all(|text| !text.chars().any(char::is_control)));
    assert_eq!(notices.iter().filter(|text| text.contains("is damaged: ")).count(), 4, "{notices:?}");
    assert_eq!(room.no(Request::Show(select(&forged.record.id))).code, "E-PLANE-014");
}

/// It may be the very one that is meant: to say that there is none would be untrue.
#[test]
fn a_damaged_session_is_never_taken_for_none() {
    let room = Room::new();
    let named = |work: &str, name: &str| {
        let mut session = room.ended(work, &[]);
        session.record.name = Some(name.into());
        session.save().unwrap();
        session
    };
    let (lost, other) = (named("one", "lost"), named("two", "other"));
    for damage in ["{", "cut", "gone", "huge"] {
        let file = lost.path.join("session.json");
        match damage {
            "gone" => fs::remove_file(&file).unwrap(),
            "huge" => fs::File::create(&file).unwrap().set_len(1 << 40).unwrap(),
            "cut" => fs::write(&file, &serde_json::to_vec(&lost.record).unwrap()[..40]).unwrap(),
            text => fs::write(&file, text).unwrap(),
        }
        for meant in [select("lost"), select("nobody"), here(&room.path("one")), select(&lost.record.id)] {
            let problem = room.no(Request::Show(meant.clone()));
            assert!(["E-PLANE-001", "E-PLANE-014"].contains(&problem.code.as_str()), "{damage}: {problem}");
            assert!(problem.cause.contains(&lost.record.id) && problem.hint.is_some(), "{meant:?}: {problem}");
        }
        // One that it cannot be is found all the same.
        for meant in [select("other"), select(&other.record.id), here(&room.path("two"))] {
            assert!(room.ask(Request::Show(meant)).1.is_ok(), "{damage}");
        }
        let (before, sessions) = listed(&room);
        assert_eq!(sessions.len(), 1);
        let told = |reply: &Reply| matches!(reply, Reply::Notice { text } if text.contains(&lost.record.id));
        assert!(before.iter().any(told), "{damage}: {before:?}");
    }
}

#[test]
fn a_session_is_meant_by_id_name_beginning_or_directory() {
    let room = Room::new();
    let first = room.ended("work", &[]);
    let mut second = room.ended("work", &[]);
    second.record.name = Some(first.record.id[..4].to_owned());
    second.save().unwrap();
    let other = room.ended("other", &[]);
    let shown = |request| match room.yes(Request::Show(request)) {
        Reply::Session(session) => session.id,
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(select(&first.record.id)), first.record.id);
    assert_eq!(shown(select(&first.record.id[..4])), second.record.id, "a name goes before a beginning");
    assert_eq!(shown(here(&room.path("work"))), second.record.id);
    assert_eq!(shown(here(&room.path("work/deep/down"))), second.record.id);
    assert_eq!(shown(here(&room.path("other"))), other.record.id);
    assert_eq!(room.no(Request::Show(here(&room.path("workshop")))).code, "E-PLANE-013");
    assert_eq!(room.no(Request::Show(select(&first.record.id[..5]))).code, "E-PLANE-012");
    for nothing in ["", "nobody\x1b[2J", "../sessions", "/", "."] {
        let problem = room.no(Request::Show(select(nothing)));
        assert_eq!((problem.code.as_str(), problem.exit), ("E-PLANE-011", 1), "{nothing:?}");
    }
}

#[test]
fn show_counts_what_the_segments_say() {
    let room = Room::new();
    let session = room.ended(
        "work",
        &[
            connect("a.example", 443, Verdict::Allowed),
            connect("b.example", 443, Verdict::Refused),
            connect("b.example", 443, Verdict::Asked),
            Kind::Resolve { name: "c.example".into(), verdict: Verdict::Refused, reason: None, times: 1 },
            exec(7, 1, "curl"),
            file_refused("/srv/a", 0),
            file_refused("/srv/b", 2),
        ],
    );
    let wall = |name: &str| vec![Wall { name: name.into(), holds: true, detail: String::new() }];
    write(
        &session,
        ::record::Segment::Plane,
        &[Kind::Walls { layers: wall("seccomp") }, Kind::Limits { limits: wall("memory") }],
    );
    let Reply::Session(shown) = room.yes(Request::Show(select(&session.record.id))) else { panic!() };
    let counted = |list: &[wire::command::Counted]| {
        list.iter().map(|count| format!("{} {}", count.what, count.times)).collect::<Vec<_>>()
    };
    assert_eq!(counted(shown.allowed.as_deref().unwrap()), ["a.example:443 1"]);
    assert_eq!(counted(shown.refused.as_deref().unwrap()), ["b.example:443 2", "c.example 1", "access to files 4"]);
    assert_eq!((shown.layers.unwrap()[0].name.as_str(), shown.limits.unwrap()[0].name.as_str()), ("seccomp", "memory"));
    assert_eq!(shown.pending, Some(0));
}

#[test]
fn a_list_fits_a_frame_whatever_was_run() {
    let room = Room::new();
    for _ in 0..8 {
        let mut session = room.ended("work", &[]);
        session.record.command = vec!["\u{1}".repeat(1 << 19)];
        session.save().unwrap();
    }
    let (before, sessions) = listed(&room);
    assert!(!sessions.is_empty() && sessions.len() < 8);
    assert!(matches!(&before[0], Reply::Notice { text } if text.ends_with("older sessions are not listed")));
}

/// Nobody is told to print himself what an agent printed: a terminal would obey it.
#[test]
fn what_a_sub_agent_printed_is_told_as_what_any_agent_did() {
    let room = Room::new();
    let parent = room.ended("work", &[]);
    let mut child = room.ended("work", &[]);
    let asks = |id: &str| Request::Logs { select: select(id), follow: false };
    let own = room.no(asks(&child.record.id));
    assert!(own.code == "E-PLANE-146" && own.cause.contains("was not kept"), "{own:?}");
    child.record.parent =
        Some(ParentRecord { session: parent.record.id.clone(), child: 1, event: "p2".into(), server: None });
    child.save().unwrap();
    let none = room.no(asks(&child.record.id));
    assert!(none.code == "E-PLANE-146" && none.cause.ends_with("nothing is kept"), "{none:?}");
    fs::write(child.path.join("stdout"), "words\n".repeat(30_000)).unwrap();
    fs::write(child.path.join("stderr"), "\u{1b}[2Joh\n").unwrap();
    let (told, last) = room.ask(asks(&child.record.id));
    assert!(matches!(last, Ok(Reply::LogEnd)));
    let at = told.iter().position(|reply| matches!(reply, Reply::Notice { text } if text.ends_with("its stderr")));
    let (out, err) = told.split_at(at.expect("both are told apart"));
    let all = |replies: &[Reply]| -> Vec<u8> {
        let bytes = |reply: &Reply| if let Reply::Output { bytes } = reply { bytes.clone() } else { Vec::new() };
        replies.iter().flat_map(bytes).collect()
    };
    assert!(all(out) == "words\n".repeat(30_000).into_bytes() && all(err) == b"\x1b[2Joh\n");
}

#[test]
fn the_state_is_for_its_owner_alone() {
    let room = Room::new();
    drop(room.begin("lost", None));
    let session = room.ended("work", &[connect("a.example", 443, Verdict::Refused)]);
    let file = room.path("work/policy.yaml");
    fs::write(&file, "x").unwrap();
    room.yes(Request::Trust { file });
    let _ = plane::store::repair(room.store());
    let mut todo = vec![room.store().root().to_owned()];
    let mut seen = 0;
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mode = meta.permissions().mode() & 0o777;
        // The segments of this test were written by the test itself.
        let ours = path.extension().is_none_or(|extension| extension != "segment") || !path.starts_with(&session.path);
        assert!(!ours || mode == if meta.is_dir() { 0o700 } else { 0o600 }, "{} {mode:o}", path.display());
        seen += 1;
        if meta.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 12, "{seen}");
}

/// A policy that could not be read was once shown as one without a name.
#[test]
fn a_damaged_policy_is_told_where_its_session_is() {
    let room = Room::new();
    let (damaged, gone, good) = (room.ended("one", &[]), room.ended("two", &[]), room.ended("three", &[]));
    fs::write(damaged.path.join("policy.json"), "").unwrap();
    fs::remove_file(gone.path.join("policy.json")).unwrap();
    let (before, sessions) = listed(&room);
    let policies: Vec<_> = sessions.iter().map(|session| session.policy.as_str()).collect();
    let told = before.iter().filter(|reply| matches!(reply, Reply::Notice { .. })).count();
    assert_eq!((policies.as_slice(), told), (&["hardened", "damaged", "damaged"][..], 2), "{before:?}");
    for session in [&damaged, &gone] {
        let (before, last) = room.ask(Request::Show(select(&session.record.id)));
        let told =
            |reply: &Reply| matches!(reply, Reply::Notice { text } if text.contains("is damaged: `policy.json`"));
        assert!(matches!(last, Ok(Reply::Session(shown)) if shown.policy == "damaged"));
        assert!(told(&before[0]), "{before:?}");
        assert_eq!(room.no(Request::Diff(select(&session.record.id))).code, "E-PLANE-014");
    }
    fs::remove_file(good.path.join("session.json")).unwrap();
    assert_eq!(room.no(Request::Show(select(&good.record.id))).code, "E-PLANE-014");
}

/// What only `show` tells stood in a list as if there were none of it.
#[test]
fn a_list_says_nothing_of_what_it_does_not_tell() {
    let room = Room::new();
    let session = room.ended("work", &[connect("a.example", 443, Verdict::Allowed)]);
    let (_, sessions) = listed(&room);
    let (listed, Reply::Session(shown)) =
        (serde_json::to_value(&sessions[0]).unwrap(), room.yes(Request::Show(select(&session.record.id))))
    else {
        panic!()
    };
    let shown = serde_json::to_value(shown).unwrap();
    for key in ["bodies", "pending", "layers", "limits", "allowed", "refused", "children"] {
        assert!(listed.get(key).is_none() && shown.get(key).is_some(), "{key}: {listed} {shown}");
    }
}
