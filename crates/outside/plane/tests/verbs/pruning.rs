//! Old sessions are pruned: their segments go, and what they were stays provable, whatever is killed meanwhile.

use std::fs;

use ::record::{Kind, Segment, Verdict};
use plane::store::{SessionDirectory, repair};
use wire::command::{LedgerRequest, PruneAnswer, Reply, Request};

use crate::ledgers::{against, checkpoint, faults, merged};
use crate::room::{BEGAN, Room, connect, select, spawn, started, write};

fn prune(room: &Room, before: Option<u64>, keep: Option<u64>) -> PruneAnswer {
    match room.yes(Request::Ledger(LedgerRequest::Prune { before, keep })) {
        Reply::Pruned(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn metrics(room: &Room) -> String {
    match room.yes(Request::Metrics) {
        Reply::Page { text } => text,
        other => panic!("{other:?}"),
    }
}

fn figure(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {page}")).parse().unwrap()
}

/// Other states of the same user have theirs, and so has a cell that is kept ready.
#[test]
fn a_gate_that_no_session_of_this_state_began_is_not_counted() {
    let room = Room::with_children();
    drop(room.ended("work", &[]));
    for (program, name) in [("/bin/sh", "bastided"), ("/bin/sleep", "bastide-gate")] {
        fs::copy(program, room.path(name)).unwrap();
    }
    let gate = format!("{} 60 & wait", room.path("bastide-gate").display());
    let mut plane = spawn(std::process::Command::new(room.path("bastided")).args(["-c", &gate]));
    let below = format!("/proc/{0}/task/{0}/children", plane.id());
    let begun = || {
        let child = fs::read_to_string(&below).unwrap_or_default();
        let name = fs::read_to_string(format!("/proc/{}/comm", child.trim())).unwrap_or_default();
        (name.trim() == "bastide-gate").then(|| child.trim().parse::<i32>().ok()).flatten()
    };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let gate = loop {
        assert!(std::time::Instant::now() < until, "it does not begin");
        match begun() {
            Some(gate) => break gate,
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let page = metrics(&room);
    let _ = rustix::process::Pid::from_raw(gate)
        .map(|gate| rustix::process::kill_process(gate, rustix::process::Signal::KILL));
    plane.wait().unwrap();
    assert_eq!(figure(&page, "bastide_gates"), 0, "{page}");
}

#[test]
fn what_is_pruned_stays_provable_and_counted() {
    let room = Room::new();
    let allowed = connect("a.example", 443, Verdict::Allowed);
    let old: Vec<_> = (0..3).map(|_| merged(&room, "work", std::slice::from_ref(&allowed))).collect();
    let held = checkpoint(&room);
    let newest = merged(&room, "work", &[allowed.clone(), allowed]);
    let before = metrics(&room);
    assert_eq!(figure(&before, "bastide_connections_total{decision=\"allowed\"}"), 5);
    assert_eq!(figure(&before, "bastide_sessions{state=\"ended\"}"), 4);
    // Nobody asked for anything that is old.
    assert_eq!(prune(&room, Some(BEGAN), None), PruneAnswer::default());
    assert_eq!(prune(&room, None, None), PruneAnswer::default());
    let answer = prune(&room, None, Some(1));
    assert_eq!(answer.done, old.iter().map(|session| session.record.id.clone()).collect::<Vec<_>>());
    assert!(answer.left.is_empty() && old.iter().all(|session| !session.path.exists()) && newest.path.exists());
    let proved = against(&room, &held);
    assert_eq!((proved.faults.as_slice(), proved.sessions, proved.under, proved.after), (&[][..], 1, 0, 4));
    assert_eq!(proved.pruned.iter().map(|day| day.sessions).sum::<u64>(), 3);
    assert!(against(&room, &checkpoint(&room)).faults.is_empty());
    // A counter that went down would be taken for a new beginning.
    let after = metrics(&room);
    for line in before.lines().filter(|line| line.contains("_total")) {
        assert!(after.lines().any(|one| one == line), "{line}");
    }
    assert_eq!(figure(&after, "bastide_sessions{state=\"pruned\"}"), 3);
    assert_eq!(figure(&after, "bastide_sessions{state=\"ended\"}"), 1);
    // The newest is old by its date.
    assert_eq!(prune(&room, Some(BEGAN + 10), None).done, [newest.record.id]);
    assert!(faults(&room, &held).is_empty());
}

/// Who removes a session's directory cannot pass that off as pruning without an entry that says so.
#[test]
fn a_session_that_is_merely_gone_was_not_pruned() {
    let room = Room::new();
    let sessions: Vec<_> = (0..2).map(|_| merged(&room, "work", &[])).collect();
    let held = checkpoint(&room);
    prune(&room, None, Some(1));
    fs::remove_dir_all(&sessions[1].path).unwrap();
    let told = faults(&room, &held);
    assert!(told.len() == 1 && told[0].contains(&sessions[1].record.id), "{told:?}");
}

#[test]
fn what_waits_runs_or_does_not_verify_stays() {
    let room = Room::new();
    let changed = merged(&room, "work", &[]);
    plane::workspace::Workspace::begin(&changed.record.trees[0].changes, &changed.record.trees[0].path, None).unwrap();
    fs::write(changed.record.trees[0].changes.join("upper/new.txt"), "words").unwrap();
    let forged = merged(&room, "work", &[Kind::GateLost]);
    fs::write(forged.segment(Segment::Gate), "").unwrap();
    // Its chain is broken already, where it was told of.
    let broken = room.ended("work", &[Kind::GateLost]);
    fs::write(broken.segment(Segment::Gate), "nonsense\n").unwrap();
    plane::ledger::merge(room.store(), &broken).unwrap();
    let mut busy = merged(&room, "work", &[]);
    busy.hold().unwrap();
    let running = room.begin("work", None);
    write(&running, Segment::Plane, &[started(&running)]);
    let held = checkpoint(&room);
    let answer = prune(&room, None, Some(0));
    assert!(answer.done.is_empty(), "{answer:?}");
    let told: Vec<_> = answer.left.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    let why = |session: &SessionDirectory| {
        told.iter().find(|(id, _)| *id == session.record.id).map_or("", |(_, why)| *why).to_owned()
    };
    assert!(why(&changed).contains("`bastide apply` or `bastide discard`"), "{told:?}");
    assert!(why(&forged).contains("not what the ledger knows of it: truncated"), "{told:?}");
    assert!(why(&broken).contains("does not verify, gate: line 1"), "{told:?}");
    assert!(why(&busy).contains("is held by another plane"), "{told:?}");
    for session in [&changed, &forged, &broken, &busy, &running] {
        assert!(session.path.join("session.json").exists());
    }
    drop((running, busy));
    let told = faults(&room, &held);
    let named = |session: &SessionDirectory| told.iter().any(|fault| fault.contains(&session.record.id));
    assert!(told.len() == 2 && named(&forged) && named(&broken), "{told:?}");
}

/// What the test below kills: ends sessions, tells the ledger of them, and prunes the older ones.
#[test]
#[ignore = "a part of the test below"]
fn sessions_that_are_pruned() {
    let Ok(home) = std::env::var("BASTIDE_TEST_HOME") else { return };
    let room = Room::at(std::path::Path::new(&home));
    loop {
        for number in 0..3 {
            let _ = repair(room.store());
            merged(&room, &format!("work{number}"), &vec![Kind::GateLost; 10]);
        }
        prune(&room, None, Some(2));
    }
}

#[test]
fn kill_9_at_random_moments_leaves_a_ledger_that_the_next_start_makes_whole() {
    let room = Room::with_children();
    let (mut held, mut pruned, mut losses) = (None, 0, 0);
    // On a busy host it takes longer until there is something to prune: then it is killed later, too.
    for round in 0..100_u64 {
        if round >= 30 && pruned > 5 {
            break;
        }
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "pruning::sessions_that_are_pruned", "--ignored"]);
        command.env("BASTIDE_TEST_HOME", room.directory.path()).stdout(std::process::Stdio::null());
        let mut child = spawn(&mut command);
        std::thread::sleep(std::time::Duration::from_micros(3_000 + round * round * 211));
        child.kill().unwrap();
        child.wait().unwrap();
        let words = repair(room.store());
        assert!(!words.iter().any(|line| line.contains("not in order")), "{words:?}");
        // What was held before any kill still holds, and what is there now can be held.
        if let Some(held) = &held {
            let told = faults(&room, held);
            assert!(told.is_empty(), "round {round}: {told:?}");
        }
        if fs::metadata(room.store().ledger().join("log")).is_ok_and(|log| log.len() > 0) {
            let newest = checkpoint(&room);
            let proved = against(&room, &newest);
            assert!(proved.faults.is_empty(), "round {round}: {proved:?}");
            pruned = proved.pruned.iter().map(|day| day.sessions).sum::<u64>();
            let page = metrics(&room);
            assert_eq!(figure(&page, "bastide_sessions{state=\"pruned\"}"), pruned);
            // Each is counted once, whether it is still there or not, and what was counted stays.
            let there =
                figure(&page, "bastide_sessions{state=\"ended\"}") + figure(&page, "bastide_sessions{state=\"lost\"}");
            let now = figure(&page, "bastide_gates_lost_total");
            assert!(now >= losses && now <= 10 * (there + pruned), "{losses}: {page}");
            losses = now;
            held = Some(newest);
        }
    }
    assert!(pruned > 5, "only {pruned} were pruned: it was killed too early");
}

/// `gc` and `rm` once kept every session of which the workspace was gone, and named no way to be rid of it.
#[test]
fn a_session_whose_workspace_is_gone_goes_or_says_how() {
    let room = Room::new();
    let begun = |work: &str| {
        let session = merged(&room, work, &[]);
        plane::workspace::Workspace::begin(&session.record.trees[0].changes, &room.path(work), None).unwrap();
        session
    };
    let (untouched, anew, changed) = (begun("one"), begun("two"), begun("three"));
    fs::write(changed.record.trees[0].changes.join("upper/new.txt"), "words").unwrap();
    // Nothing was ever begun there: its server, or a session of `bastide gate`.
    let mut read_only = merged(&room, "four", &[]);
    read_only.record.mode = policy::WorkspaceMode::ReadOnly;
    read_only.save().unwrap();
    for work in ["one", "two", "three", "four"] {
        fs::remove_dir_all(room.path(work)).unwrap();
    }
    fs::create_dir(room.path("two")).unwrap();
    let id = &changed.record.id;
    let answer = prune(&room, None, Some(0));
    assert_eq!(answer.done, [&untouched, &anew, &read_only].map(|session| session.record.id.clone()));
    let why = &answer.left[0].1;
    assert!(why.contains(&format!("`bastide discard {id}`")) && why.contains(&format!("`bastide rm --force {id}`")));
    let (before, last) = room.ask(Request::Discard(select(id)));
    assert!(matches!(last, Ok(Reply::Merged(_))), "{last:?}");
    assert!(matches!(&before[0], Reply::Notice { text } if text.starts_with("thrown away unread: ")), "{before:?}");
    let Reply::Session(shown) = room.yes(Request::Show(select(id))) else { panic!() };
    assert_eq!(shown.pending, Some(0));
    assert_eq!(prune(&room, None, Some(0)).done, std::slice::from_ref(id));
}
