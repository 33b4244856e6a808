//! Labels of what sessions left behind: attached before a merge, closed at an end or by the next start, whatever is killed when; taken
//! away by the operator, for what stands there, and recorded.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::record::{Kind, Segment, Verdict};
use plane::labels::{self, Need, Shelf, Texts};
use plane::store::{SessionDirectory, repair};
use policy::{Flow, Grounding, Label, LabelPattern, Policy};
use wire::command::{Declassify, LabelsAnswer, Places, Reply, Request};

use crate::merging::changed;
use crate::room::{Room, connect, select, started, write};

fn answer(reply: Reply) -> LabelsAnswer {
    match reply {
        Reply::Labels(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

fn all(room: &Room) -> LabelsAnswer {
    answer(room.yes(Request::Labels(places(None, false, None))))
}

fn places(session: Option<&str>, home: bool, workspace: Option<PathBuf>) -> Places {
    Places { session: session.map(str::to_owned), directory: "/".into(), home, workspace }
}

fn declassify(places: Places, paths: &[&str], labels: &[&str]) -> Request {
    let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
    let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
    let all = paths.is_empty();
    Request::Declassify(Box::new(Declassify { places, paths, all, labels, reason: Some("looked at it".into()) }))
}

fn carried(labels: &[&str], values: &[&str]) -> Kind {
    let list = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
    Kind::Carried { labels: list(labels), values: list(values), from: Vec::new() }
}

fn marked(answer: &LabelsAnswer) -> Vec<(String, String)> {
    let marks = answer.places.iter().flat_map(|place| &place.marks);
    let mut all: Vec<_> = marks.map(|mark| (mark.path.clone().unwrap_or_default(), mark.label.clone())).collect();
    all.sort();
    all
}

#[test]
fn what_is_merged_carries_labels_and_the_operators_word_takes_them_away() {
    let room = Room::new();
    let session = changed(&room);
    let id = session.record.id.clone();
    write(&session, Segment::Plane, &[started(&session), carried(&["secret:clients"], &["secret:env"])]);
    write(&session, Segment::Gate, &[connect("a.example", 443, Verdict::Allowed)]);
    drop(session);
    assert_eq!(repair(room.store()).len(), 1);
    assert_eq!(all(&room).places, [], "nothing was merged");
    room.yes(Request::Apply { select: select(&id), over: Vec::new() });
    let told = all(&room);
    let of = |path: &str| {
        marked(&told).into_iter().filter(|(one, _)| one == path).map(|(_, label)| label).collect::<Vec<_>>()
    };
    assert_eq!(of("kept.txt"), ["secret:clients", "secret:env", "untrusted:agent", "untrusted:network"]);
    assert_eq!(of("seen.txt").len(), 4);
    let value = |mark: &&wire::command::MarkInfo| mark.value;
    assert!(told.places.iter().flat_map(|place| &place.marks).filter(value).all(|mark| mark.label == "secret:env"));
    // One path, then one label of all.
    let work = room.path("work");
    let workspace = || places(None, false, Some(work.clone()));
    let kept = room.path("work/kept.txt").to_string_lossy().into_owned();
    let taken = answer(room.yes(declassify(workspace(), &[&kept], &[]))).taken.unwrap();
    assert_eq!((taken.contents, taken.labels.len(), taken.recorded), (1, 4, vec![id.clone()]));
    assert!(marked(&all(&room)).iter().all(|(path, _)| path != "kept.txt"));
    answer(room.yes(declassify(workspace(), &[], &["untrusted:agent"])));
    assert_eq!(room.no(declassify(workspace(), &[], &["untrusted:agent"])).code, "E-PLANE-172");
    assert_eq!(room.no(declassify(workspace(), &["/etc/passwd"], &[])).code, "E-PLANE-175");
    assert_eq!(room.no(declassify(workspace(), &["../x"], &[])).code, "E-PLANE-175");
    // Nothing named was once all of it.
    for (paths, all) in [(Vec::new(), false), (vec![PathBuf::from(&kept)], true)] {
        let asked = Declassify { places: workspace(), paths, all, labels: Vec::new(), reason: None };
        assert_eq!(room.no(Request::Declassify(Box::new(asked))).code, "E-PLANE-176");
    }
    // A workspace beside a home was once that home.
    for places in [places(None, true, Some(work.clone())), places(Some(&id), false, Some(work.clone()))] {
        assert_eq!(room.no(declassify(places, &[], &[])).code, "E-PLANE-176");
    }
    assert!(!marked(&all(&room)).is_empty());
    let (events, _) = room.ask(Request::Log { select: select(&id), follow: false });
    let said = format!("{events:?}");
    assert!(said.contains("Declassified") && said.contains("looked at it") && said.contains("uid "), "{said}");
    room.yes(Request::Verify(select(&id)));
}

/// A session that has a home, as far as it came: its note, its record, its events, its end.
fn home_session(room: &Room, steps: usize, events: &[Kind]) -> (String, PathBuf) {
    let home = room.store().homes().join("agent-1");
    fs::create_dir_all(&home).unwrap();
    let mut session = room.begin("work", None);
    session.record.home = Some("agent-1".into());
    session.record.trees[0].changes = session.path.join("changes/0");
    let id = session.record.id.clone();
    let shelf = Shelf::open(room.store()).unwrap();
    labels::note_home(&shelf, (&id, session.record.started), &home, ("agent", &room.path("work"))).unwrap();
    drop(shelf);
    if steps == 0 {
        fs::remove_file(session.path.join("session.json")).unwrap();
        return (id, home);
    }
    session.save().unwrap();
    fs::write(
        home.join("memory.md"),
        format!("what session {id} wrote down, of some length, as memories of assistants are\n"),
    )
    .unwrap();
    write(&session, Segment::Plane, &[&[started(&session)], events].concat());
    if steps > 1 {
        labels::close(room.store(), &session, false).unwrap();
    }
    if steps > 2 {
        (session.record.ended, session.record.exit) = (Some(session.record.started + 9), Some(0));
        session.save().unwrap();
    }
    (id, home)
}

#[test]
fn whatever_is_killed_no_label_of_a_home_is_lost() {
    for steps in 0..4 {
        let room = Room::new();
        let (id, _) = home_session(&room, steps, &[carried(&["secret:clients"], &[])]);
        let before = all(&room);
        let _ = repair(room.store());
        let told = all(&room);
        let labels: Vec<String> = marked(&told).into_iter().map(|(_, label)| label).collect();
        let expected: &[&str] = if steps == 0 { &[] } else { &["secret:clients", "untrusted:agent"] };
        assert_eq!(labels, expected, "{steps}: {before:?}");
        assert!(told.places.iter().all(|place| place.open.is_empty()), "{steps}: {told:?}");
        // What is closed twice is closed once.
        if let Ok(session) = SessionDirectory::open(&room.store().sessions().join(&id)) {
            labels::close(room.store(), &session, true).unwrap();
            assert_eq!(all(&room), told);
        }
    }
}

/// Sources of the texts that a session under this policy would have looked for.
fn texts(room: &Room, home: &Path, policy: &Policy) -> Vec<(String, String)> {
    let shelf = Shelf::open(room.store()).unwrap();
    let place = shelf.home("agent-1").unwrap().unwrap();
    let carried = labels::seen(room.store(), &shelf, "", Some((home, place)), &[]).unwrap();
    let texts = Texts::of(&carried, &Need::of([policy]), &shelf, &[]).unwrap();
    assert_eq!(texts.lacking, None);
    texts.labelled.into_iter().map(|one| (one.label.as_str().to_owned(), one.source)).collect()
}

#[test]
fn texts_of_a_home_are_looked_for_as_policies_need_until_that_content_is_declassified() {
    let room = Room::new();
    let (id, home) = home_session(&room, 3, &[carried(&["secret:clients"], &["secret:env"])]);
    std::os::unix::fs::symlink("/etc/passwd", home.join("link")).unwrap();
    let _ = repair(room.store());
    let flows = |deny: &str| vec![Flow { deny: LabelPattern::parse(deny).unwrap(), to: None }];
    let none = Policy::default();
    let secrets = Policy { flows: flows("secret:*"), ..Policy::default() };
    let env = Policy { flows: flows("secret:env"), ..Policy::default() };
    let grounded = Policy { grounding: Grounding::Deny, ..Policy::default() };
    assert_eq!(texts(&room, &home, &none), []);
    assert_eq!(texts(&room, &home, &env), [], "of secrets alone no text is made");
    let found = texts(&room, &home, &secrets);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].0 == "secret:clients" && found[0].1.contains("memory.md") && found[0].1.contains(&id),
        "{found:?}"
    );
    assert_eq!(texts(&room, &home, &grounded)[0].0, "untrusted:agent");
    let of_home = || places(Some(&id), true, None);
    answer(room.yes(declassify(of_home(), &["memory.md"], &["untrusted:agent"])));
    assert_eq!(texts(&room, &home, &grounded), []);
    assert_eq!(texts(&room, &home, &secrets).len(), 1, "only that label");
    // The next session labels the home again; that content stays free, another does not.
    fs::write(home.join("other.md"), "what nobody looked at so far, of some length, as memories of assistants are\n")
        .unwrap();
    let found = texts(&room, &home, &grounded);
    assert!(found.len() == 1 && found[0].1.contains("other.md"), "{found:?}");
    fs::write(home.join("memory.md"), "something else by now, of some length, as memories of assistants are\n")
        .unwrap();
    assert_eq!(texts(&room, &home, &grounded).len(), 2);
    answer(room.yes(declassify(of_home(), &[], &[])));
    assert!(marked(&all(&room)).is_empty());
    // Too much is told, and nothing is taken for all.
    let shelf = Shelf::open(room.store()).unwrap();
    labels::note_home(&shelf, ("0000000000x", 1), &home, ("agent", &room.path("work"))).unwrap();
    fs::write(home.join("large.jsonl"), "x".repeat(2 << 20)).unwrap();
    let place = shelf.home("agent-1").unwrap().unwrap();
    let carried = labels::seen(room.store(), &shelf, "", Some((&home, place)), &[]).unwrap();
    let texts = Texts::of(&carried, &Need::of([&grounded]), &shelf, &[]).unwrap();
    assert!(texts.lacking.is_some_and(|why| why.contains("large.jsonl")));
    drop(shelf);
    // While a session may be writing there nothing is vouched for; a home that is gone takes its labels along.
    assert_eq!(room.no(declassify(of_home(), &[], &[])).code, "E-PLANE-173");
    labels::drop_home(room.store(), &home).unwrap();
    assert_eq!(all(&room).places, []);
}

/// What could not be read once counted as what was not there: a later session opened it, and it went out.
#[test]
fn what_is_shut_may_be_opened_inside_and_is_told() {
    let room = Room::new();
    let (_, home) = home_session(&room, 3, &[carried(&["secret:clients"], &[])]);
    let _ = repair(room.store());
    let flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
    let policy = Policy { flows, ..Policy::default() };
    let (shut, root) = (home.join("shut"), rustix::process::geteuid().is_root());
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(&shut).unwrap();
    fs::write(shut.join("s.md"), "something that a session wrote down, and shut away after that\n").unwrap();
    for (directory, file) in [(0o700, 0o600), (0o000, 0o600), (0o600, 0o600), (0o700, 0o000)] {
        mode(&shut.join("s.md"), file);
        mode(&shut, directory);
        let shelf = Shelf::open(room.store()).unwrap();
        let place = shelf.home("agent-1").unwrap().unwrap();
        let carried = labels::seen(room.store(), &shelf, "", Some((&home, place)), &[]).unwrap();
        let texts = Texts::of(&carried, &Need::of([&policy]), &shelf, &[]).unwrap();
        mode(&shut, 0o700);
        let of = |name: &str| texts.labelled.iter().any(|one| one.source.contains(name));
        let open = root || (directory, file) == (0o700, 0o600);
        let told = texts.lacking.as_ref().is_some_and(|why| why.contains("shut") && why.contains("cannot be read"));
        assert!(of("s.md") == open && told != open, "{directory:o} {file:o} {texts:?}");
        assert!(of("memory.md"), "what stands beside it is read: {texts:?}");
    }
}
