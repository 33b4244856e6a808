//! What the operator was shown is what `apply` merges: the last look counts, and no more than it showed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use ::record::Segment;
use plane::workspace::Workspace;
use wire::command::{MergeAnswer, Request};

use crate::merging::{changed, diff, merged, of};
use crate::room::{Room, select, spawn, started, write as segment};

const GOOD: &str = "good\n";
const EVIL: &str = "evil\n";

fn apply(room: &Room, id: &str, paths: &[PathBuf]) -> MergeAnswer {
    over(room, id, paths, &[])
}

/// The same, and at some paths over what was changed outside.
fn over(room: &Room, id: &str, paths: &[PathBuf], over: &[PathBuf]) -> MergeAnswer {
    merged(room.yes(Request::Apply { select: of(id, paths), over: over.to_vec() }))
}

/// Paths that were left because they are others than were shown.
fn others(answer: &MergeAnswer) -> Vec<&str> {
    let left = answer.left.iter().filter(|(_, why)| why.starts_with("changed since you looked"));
    left.map(|(path, _)| path.as_str()).collect()
}

/// What was merged was once what lay there at that moment: a session that went on after the look brought its last word.
#[test]
fn what_changed_since_the_operator_looked_is_left() {
    let room = Room::new();
    let session = changed(&room);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    // Only a part was looked at: the rest is merged as it is.
    assert_eq!(diff(&room, &id, &[room.path("work/kept.txt"), room.path("work/src")]).len(), 3);
    fs::write(upper.join("kept.txt"), "evil\n").unwrap();
    fs::write(upper.join("src/late.txt"), "evil\n").unwrap();
    let all = merged(room.yes(Request::Apply { select: of(&id, &[]), over: Vec::new() }));
    let late: Vec<_> = all.left.iter().filter(|(_, why)| why.starts_with("changed since you looked")).collect();
    let late: Vec<_> = late.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(late, ["kept.txt", "src/late.txt"]);
    assert_eq!(fs::read_to_string(room.path("work/kept.txt")).unwrap(), "before\n");
    assert!(room.path("work/src/new\x1b[2J.txt").exists() && !room.path("work/src/late.txt").exists());
    assert_eq!(fs::read_to_string(room.path("cache/seen.txt")).unwrap(), "after\n");
    // Looked at again, it is merged.
    let _ = diff(&room, &id, &[]);
    let again = merged(room.yes(Request::Apply { select: of(&id, &[]), over: Vec::new() }));
    assert!(
        again.done.contains(&"kept.txt".to_owned()) && again.done.contains(&"src/late.txt".to_owned()),
        "{again:?}"
    );
}

/// Every look was once added to those before: what was good when it was looked at last was merged as it had been at first.
#[test]
fn the_last_look_is_the_one_that_counts() {
    let (path, there) = ("work/kept.txt", |room: &Room| fs::read_to_string(room.path("work/kept.txt")).unwrap());
    let (whole, part, above) = (Vec::new(), vec!["work/kept.txt"], vec!["work"]);
    for (first, second) in [(&whole, &whole), (&part, &whole), (&whole, &part), (&part, &above), (&above, &part)] {
        for between in [Some(GOOD), None] {
            let room = Room::new();
            let session = changed(&room);
            let (id, file) = (session.record.id.clone(), session.path.join("changes/0/upper/kept.txt"));
            drop(session);
            let look =
                |paths: &[&str]| diff(&room, &id, &paths.iter().map(|path| room.path(path)).collect::<Vec<_>>()).len();
            fs::write(&file, EVIL).unwrap();
            look(first);
            match between {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            look(second);
            fs::write(&file, EVIL).unwrap();
            let answer = apply(&room, &id, &[room.path(path)]);
            assert_eq!(others(&answer), ["kept.txt"], "{first:?} {second:?} {between:?}");
            assert_eq!(there(&room), "before\n");
            // What the other look showed is seen still, and this one is by another.
            look(&part);
            assert!(apply(&room, &id, &[]).done.contains(&"kept.txt".into()));
            assert_eq!(there(&room), EVIL);
        }
    }
}

/// A look that finds no room on the disk once left the one before it in force.
#[test]
fn a_look_that_is_not_kept_leaves_no_earlier_one_in_force() {
    let room = Room::new();
    let session = changed(&room);
    let (id, path) = (session.record.id.clone(), session.path.clone());
    drop(session);
    let (file, fresh) = (path.join("changes/0/upper/kept.txt"), path.join("reviewed.new"));
    fs::write(&file, EVIL).unwrap();
    diff(&room, &id, &[]);
    fs::write(&file, GOOD).unwrap();
    fs::create_dir(&fresh).unwrap();
    let (told, shown) = room.ask(Request::Diff(of(&id, &[])));
    assert!(shown.is_ok() && format!("{told:?}").contains("is not remembered"), "{told:?}");
    fs::remove_dir(&fresh).unwrap();
    fs::write(&file, EVIL).unwrap();
    let kept = room.path("work/kept.txt");
    assert_eq!(others(&apply(&room, &id, std::slice::from_ref(&kept))), ["kept.txt"]);
    // A part that is looked at again counts again, and the rest does not.
    diff(&room, &id, &[kept]);
    let answer = apply(&room, &id, &[]);
    assert!(answer.done.contains(&"kept.txt".into()) && others(&answer).contains(&"src"), "{answer:?}");
    diff(&room, &id, &[]);
    assert!(others(&apply(&room, &id, &[])).is_empty());
}

/// What an older build noted does not say which look was the last.
#[test]
fn what_an_older_build_noted_is_looked_at_again() {
    let room = Room::new();
    let session = changed(&room);
    let (id, path) = (session.record.id.clone(), session.path.clone());
    drop(session);
    fs::write(path.join("reviewed.json"), r#"{"scopes":["aa"],"seen":["bb"]}"#).unwrap();
    assert!(others(&apply(&room, &id, &[])).contains(&"kept.txt"));
    diff(&room, &id, &[]);
    assert!(apply(&room, &id, &[]).done.contains(&"kept.txt".into()));
}

#[test]
fn what_was_shown_is_not_guessed_and_is_to_be_looked_at_again() {
    let room = Room::new();
    let session = changed(&room);
    let (id, file) = (session.record.id.clone(), session.path.join("reviewed.json"));
    drop(session);
    diff(&room, &id, &[]);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replacen("\"look\":1", "\"look\":2", 1)).unwrap();
    assert_ne!(fs::read_to_string(&file).unwrap(), whole);
    let refused = room.no(Request::Apply { select: select(&id), over: Vec::new() });
    let hint = refused.hint.unwrap();
    assert!(hint.contains(&format!("rm {}", file.display())) && hint.contains("bastide diff"), "{hint}");
    fs::remove_file(&file).unwrap();
    diff(&room, &id, &[]);
    assert!(others(&apply(&room, &id, &[])).is_empty());
}

/// The scan's hash was once noted, and the text read later: a program that watched for that had another text merged.
#[test]
fn what_is_swapped_between_its_hash_and_its_text_is_not_seen() {
    let room = Room::new();
    let session = changed(&room);
    let (id, upper) = (session.record.id.clone(), session.path.join("changes/0/upper"));
    drop(session);
    let (kept, file, beside) = (room.path("work/kept.txt"), upper.join("kept.txt"), upper.join("beside"));
    // 0: swaps on, 1: is to stop with evil in place, 2: did.
    let state = AtomicU8::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let put = |text: &str| {
                fs::write(&beside, text).unwrap();
                fs::rename(&beside, &file).unwrap();
            };
            loop {
                put(GOOD);
                put(EVIL);
                let _ = state.compare_exchange(1, 2, Ordering::SeqCst, Ordering::SeqCst);
                match state.load(Ordering::SeqCst) {
                    0 => {}
                    3 => return,
                    _ => std::thread::yield_now(),
                }
                while state.load(Ordering::SeqCst) == 2 {
                    std::thread::yield_now();
                }
            }
        });
        let (mut good, mut unsettled) = (0, 0);
        let merged_evil = (0..400).any(|_| {
            state.store(0, Ordering::SeqCst);
            let shown = diff(&room, &id, std::slice::from_ref(&kept));
            let text = shown.iter().find(|change| change.path == "kept.txt").map(|change| change.diff.clone());
            unsettled += usize::from(text.as_ref().is_some_and(|text| text.contains("changed while it was looked at")));
            if !text.is_some_and(|text| text.contains("+good")) {
                return false;
            }
            good += 1;
            state.store(1, Ordering::SeqCst);
            while state.load(Ordering::SeqCst) != 2 {
                std::thread::yield_now();
            }
            let _ = apply(&room, &id, std::slice::from_ref(&kept));
            fs::read_to_string(&kept).unwrap() == EVIL
        });
        state.store(3, Ordering::SeqCst);
        assert!(!merged_evil, "what was not shown is merged, after {good} looks");
        assert!(good > 0, "{unsettled} unsettled");
    });
}

/// What an index stages was once seen by the names of its paths alone: another object was merged in the place of what
/// was looked at.
#[test]
fn an_object_that_is_staged_after_the_look_is_left() {
    let room = Room::with_children();
    let work = room.path("work");
    fs::create_dir_all(&work).unwrap();
    let git = |environment: &[(&str, &Path)], script: &str| {
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(&work).envs(environment.iter().copied());
        let named = ["AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"];
        command.envs(named.map(|name| (format!("GIT_{name}"), "a@example.org")));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env("HOME", &work);
        assert!(spawn(&mut command).wait().unwrap().success(), "{script}");
    };
    git(&[], "git init -q -b main .; echo base > a.py; git add a.py; git commit -qm base");
    let session = room.begin("work", None);
    let tree = &session.record.trees[0];
    Workspace::begin(&tree.changes, &tree.path, None).unwrap();
    segment(&session, Segment::Plane, &[started(&session)]);
    let (id, inside) = (session.record.id.clone(), session.path.join("changes/0/upper/.git"));
    drop(session);
    fs::create_dir_all(inside.join("objects")).unwrap();
    fs::copy(work.join(".git/index"), inside.join("index")).unwrap();
    let (objects, index, known) = (inside.join("objects"), inside.join("index"), work.join(".git/objects"));
    let environment = [
        ("GIT_OBJECT_DIRECTORY", objects.as_path()),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", known.as_path()),
        ("GIT_INDEX_FILE", index.as_path()),
    ];
    let stage = |text: &str| {
        let script = "git update-index --cacheinfo 100644,$(echo TEXT | git hash-object -w --stdin),a.py";
        git(&environment, &script.replace("TEXT", text));
    };
    stage("reviewed");
    let shown = diff(&room, &id, &[]);
    assert!(shown.iter().any(|change| change.path == ".git" && change.diff.contains("a.py")), "{shown:?}");
    stage("evil");
    assert_eq!(others(&apply(&room, &id, &[])), [".git"]);
    // What git remembers of files does not count: the same is staged.
    stage("reviewed");
    git(&environment, "touch a.py; git update-index -q --refresh || true");
    assert!(apply(&room, &id, &[]).done.contains(&".git".into()));
}
