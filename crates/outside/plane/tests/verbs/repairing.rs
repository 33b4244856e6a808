//! What a killed plane leaves is put in order at the next start, and a running session is never touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ::record::{Kind, Segment};
use plane::store::{Ledger, SessionDirectory, repair};
use wire::command::{Reply, Request, SessionState};

use crate::room::{Room, select, spawn, started, text, write};

fn marks(room: &Room) -> usize {
    fs::read_dir(room.store().running()).map_or(0, Iterator::count)
}

fn last_reason(room: &Room, id: &str) -> Option<String> {
    let (replies, _) = room.ask(Request::Log { select: select(id), follow: false });
    replies.iter().rev().find_map(|reply| match reply {
        Reply::Event(line) => match &line.event.kind {
            Kind::Ended { reason, .. } => Some(reason.clone()),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_lost_session_is_ended_and_a_running_one_is_not() {
    let room = Room::new();
    let running = room.begin("running", None);
    write(&running, Segment::Plane, &[started(&running)]);
    let mut lost = room.begin("lost", None);
    let fresh = room.store().homes().join("fresh");
    fs::create_dir_all(fresh.join("a/closed")).unwrap();
    fs::write(fresh.join("a/closed/file"), "x").unwrap();
    fs::set_permissions(fresh.join("a/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    std::os::unix::fs::symlink("/usr", fresh.join("link")).unwrap();
    lost.record.fresh_home = Some(fresh.clone());
    lost.save().unwrap();
    let mut torn = text(&lost.origin(Segment::Plane), &[started(&lost), Kind::GateLost]);
    torn.truncate(torn.len() - 5);
    fs::write(lost.segment(Segment::Plane), torn).unwrap();
    let id = lost.record.id.clone();
    drop(lost);
    assert_eq!(marks(&room), 2);
    let words = repair(room.store());
    assert!(words.len() == 1 && words[0].contains(&id), "{words:?}");
    assert_eq!(marks(&room), 1);
    assert!(!fresh.exists() && fs::metadata("/usr/bin").is_ok());
    let after = SessionDirectory::open(&room.store().sessions().join(&id)).unwrap();
    assert!(after.record.ended.is_some() && after.state() == SessionState::Lost);
    assert_eq!(last_reason(&room, &id).as_deref(), Some("lost: its plane was killed"));
    let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(&id))) else { panic!() };
    assert_eq!((segments[0].events, &segments[0].broken), (2, &None));
    assert_eq!(SessionDirectory::open(&running.path).unwrap().state(), SessionState::Running);
    assert_eq!(last_reason(&room, &running.record.id), None);
    assert!(repair(room.store()).is_empty(), "a second time there is nothing to do");
}

#[test]
fn a_plane_killed_at_any_moment_of_a_session_is_repaired() {
    let room = Room::new();
    let store = room.store();
    // Before its directory was made.
    fs::create_dir_all(store.running()).unwrap();
    fs::write(store.running().join("0000000000a"), "").unwrap();
    // Before the lock was.
    fs::write(store.running().join("0000000000b"), "").unwrap();
    fs::create_dir(store.sessions().join("0000000000b")).unwrap();
    // Before the record was kept: nothing ran.
    let early = room.begin("early", None);
    fs::remove_file(early.path.join("session.json")).unwrap();
    // Before the segment began.
    let silent = room.begin("silent", None).record.id.clone();
    // After the end was recorded in the segment alone.
    let ending = room.begin("ending", None);
    write(&ending, Segment::Plane, &[started(&ending), Kind::Ended { exit: 3, reason: "exited".into() }]);
    // After it was recorded in both, and before the session left.
    let mut leaving = room.begin("leaving", None);
    write(&leaving, Segment::Plane, &[started(&leaving), Kind::Ended { exit: 4, reason: "exited".into() }]);
    (leaving.record.ended, leaving.record.exit) = (Some(5), Some(4));
    leaving.save().unwrap();
    let (ending_path, leaving_path, early_path) = (ending.path.clone(), leaving.path.clone(), early.path.clone());
    drop((early, ending, leaving));
    let _ = repair(store);
    assert_eq!(marks(&room), 0);
    assert!(!early_path.exists() && !store.sessions().join("0000000000b").exists());
    let end = |path: &std::path::Path| {
        let session = SessionDirectory::open(path).unwrap();
        (session.state(), session.record.exit)
    };
    assert_eq!(end(&ending_path), (SessionState::Ended, Some(3)));
    assert_eq!(end(&leaving_path), (SessionState::Ended, Some(4)));
    assert_eq!(last_reason(&room, &silent).as_deref(), Some("lost: its plane was killed"));
    let (before, _) = room.ask(Request::Ls);
    assert!(!before.iter().any(|reply| matches!(reply, Reply::Notice { .. })), "{before:?}");
}

#[test]
fn nothing_outside_the_state_and_the_control_groups_is_removed() {
    let room = Room::new();
    let precious = room.path("precious");
    fs::create_dir(&precious).unwrap();
    let inside = room.store().root().join("../../../precious");
    for home in [&precious, &inside, &room.store().homes(), &room.store().root().to_owned()] {
        let mut lost = room.begin("work", None);
        lost.record.fresh_home = Some(home.clone());
        lost.save().unwrap();
        drop(lost);
    }
    let mut lost = room.begin("work", None);
    lost.record.cgroups = vec![precious.clone()];
    lost.save().unwrap();
    drop(lost);
    let words = repair(room.store());
    assert_eq!(words.iter().filter(|line| line.contains("not in order yet")).count(), 5, "{words:?}");
    assert!(precious.exists() && room.store().homes().exists());
    assert_eq!(marks(&room), 5, "the next start looks again");
}

#[test]
fn old_sessions_are_not_even_looked_at() {
    let room = Room::new();
    let old = room.ended("work", &[]);
    fs::write(old.path.join("session.json"), "no longer one").unwrap();
    fs::set_permissions(room.store().sessions(), fs::Permissions::from_mode(0o000)).unwrap();
    assert!(repair(room.store()).is_empty());
    fs::set_permissions(room.store().sessions(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn starts_at_once_do_not_take_one_another_for_lost() {
    let room = Room::new();
    let left = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut session = room.begin("work", None);
                    write(&session, Segment::Plane, &[started(&session)]);
                    assert!(repair(room.store()).is_empty());
                    (session.record.ended, session.record.exit) = (Some(5), Some(0));
                    session.save().unwrap();
                    session.leave().unwrap();
                    left.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((left.into_inner(), marks(&room)), (80, 0));
    let Reply::Sessions { sessions } = room.yes(Request::Ls) else { panic!() };
    assert!(sessions.len() == 80 && sessions.iter().all(|session| session.exit == Some(0)));
}

/// The kernel's control groups are root's here; what an ordinary user was given is removed in the same way.
#[test]
fn a_control_group_is_emptied_and_removed() {
    let mount = std::path::Path::new("/sys/fs/cgroup");
    let parents = [mount.to_owned(), mount.join("pids"), mount.join("freezer")];
    let name = format!("bastide-test-{}", std::process::id());
    let made = parents.iter().map(|parent| parent.join(&name)).find(|group| {
        let is_group = fs::create_dir(group).is_ok() && fs::symlink_metadata(group.join("cgroup.procs")).is_ok();
        if !is_group {
            // The place where version 1 mounts its controllers takes directories, too.
            let _ = fs::remove_dir(group);
        }
        is_group
    });
    let Some(group) = made else {
        eprintln!("no control group can be made here: not tested");
        return;
    };
    fs::create_dir(group.join("inner")).unwrap();
    let mut child = spawn(std::process::Command::new("sleep").arg("60"));
    fs::write(group.join("inner/cgroup.procs"), child.id().to_string()).unwrap();
    let room = Room::new();
    let mut lost = room.begin("work", None);
    lost.record.cgroups = vec![group.clone()];
    lost.save().unwrap();
    drop(lost);
    let ended = std::thread::spawn(move || child.wait().unwrap());
    let words = repair(room.store());
    assert!(!group.exists(), "{words:?}");
    assert!(!ended.join().unwrap().success());
    assert_eq!(marks(&room), 0);
}

#[test]
fn what_could_not_be_removed_at_the_end_is_the_next_starts() {
    let room = Room::new();
    let mut session = room.begin("work", None);
    let home = session.path.join("home");
    fs::create_dir_all(home.join("closed")).unwrap();
    fs::set_permissions(home.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    session.record.fresh_home = Some(home.clone());
    (session.record.ended, session.record.exit) = (Some(5), Some(7));
    session.save().unwrap();
    session.leave().unwrap();
    assert_eq!(marks(&room), 1);
    let path = session.path.clone();
    drop(session);
    let words = repair(room.store());
    assert!(words.is_empty() && !home.exists() && marks(&room) == 0, "{words:?}");
    assert_eq!(SessionDirectory::open(&path).unwrap().record.exit, Some(7));
}

#[test]
fn a_line_that_a_full_disk_tore_is_cut_off_at_the_end_and_by_a_repair() {
    for repaired in [false, true] {
        let room = Room::new();
        let mut session = room.begin("work", None);
        write(&session, Segment::Plane, &[started(&session), Kind::Ended { exit: 1, reason: "exited".into() }]);
        let mut torn = text(&session.origin(Segment::Gate), &[Kind::GateLost, Kind::GateLost]);
        torn.truncate(torn.len() - 5);
        fs::write(session.segment(Segment::Gate), torn).unwrap();
        (session.record.ended, session.record.exit) = (Some(5), Some(1));
        session.save().unwrap();
        let id = session.record.id.clone();
        if repaired {
            drop(session);
            assert!(repair(room.store()).is_empty());
        } else {
            session.leave().unwrap();
        }
        let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(&id))) else { panic!() };
        let told: Vec<_> = segments.iter().map(|segment| (segment.events, segment.broken.is_none())).collect();
        assert_eq!((told, marks(&room)), (vec![(2, true), (1, true)], 0));
    }
}

#[test]
fn a_control_group_that_no_record_names_is_removed() {
    let mount = std::path::Path::new("/sys/fs/cgroup");
    let room = Room::new();
    let early = room.begin("work", None);
    fs::remove_file(early.path.join("session.json")).unwrap();
    let name = format!("bastide-{}", early.record.id);
    drop(early);
    let group = [mount.join("pids"), mount.join("freezer"), mount.to_owned()].into_iter().find_map(|parent| {
        let group = parent.join(&name);
        let made = fs::create_dir(&group).is_ok() && fs::symlink_metadata(group.join("cgroup.procs")).is_ok();
        if !made {
            let _ = fs::remove_dir(&group);
        }
        made.then_some(group)
    });
    let Some(group) = group else {
        eprintln!("no control group can be made here: not tested");
        return;
    };
    let words = repair(room.store());
    assert!(!group.exists() && marks(&room) == 0, "{words:?}");
}

/// What the test below kills: begins, records and ends one session after another in the state it is given.
#[test]
#[ignore = "a part of the test below"]
fn sessions_one_after_another() {
    let Ok(home) = std::env::var("BASTIDE_TEST_HOME") else { return };
    let room = Room::at(std::path::Path::new(&home));
    for number in 0.. {
        let _ = repair(room.store());
        let mut session = room.begin(&format!("work{}", number % 3), None);
        let (segment, origin) = (session.segment(Segment::Plane), session.origin(Segment::Plane));
        let mut ledger = Ledger::begin(&segment, &origin, ::record::Redactor::new()).unwrap();
        ledger.write(started(&session)).unwrap();
        (0..20).for_each(|_| assert!(ledger.write(Kind::GateLost).is_ok()));
        ledger.write(Kind::Ended { exit: 0, reason: "exited".into() }).unwrap();
        (session.record.ended, session.record.exit) = (Some(5), Some(0));
        session.save().unwrap();
        session.leave().unwrap();
    }
}

#[test]
fn kill_9_at_random_moments_leaves_nothing_that_the_next_start_does_not_repair() {
    let room = Room::with_children();
    for round in 0..25_u64 {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "repairing::sessions_one_after_another", "--ignored"]);
        command.env("BASTIDE_TEST_HOME", room.directory.path()).stdout(std::process::Stdio::null());
        let mut child = spawn(&mut command);
        // Spread over the start, the first sessions and later ones.
        std::thread::sleep(std::time::Duration::from_micros(2_000 + round * round * 170));
        child.kill().unwrap();
        child.wait().unwrap();
        let words = repair(room.store());
        assert!(!words.iter().any(|line| line.contains("not in order")), "{words:?}");
        assert_eq!(marks(&room), 0);
    }
    let (before, last) = room.ask(Request::Ls);
    assert!(!before.iter().any(|reply| matches!(reply, Reply::Notice { .. })), "{before:?}");
    let Ok(Reply::Sessions { sessions }) = last else { panic!() };
    assert!(!sessions.is_empty());
    for session in sessions {
        let Reply::Verified { segments, .. } = room.yes(Request::Verify(select(&session.id))) else { panic!() };
        assert_eq!(segments[0].broken, None);
        assert_ne!(session.state, SessionState::Running);
    }
}
