//! What a real overlay leaves behind, against the original changing outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod workspace_room;

use plane::workspace::*;
use proptest::prelude::*;
use std::path::Path;
use workspace_room::*;

fn prepared() -> Room {
    let mut room = Room::new();
    room.outside("mkdir -p d/e r; echo f > f; echo x > d/x; echo y > d/e/y; echo z > r/z; ln d/x hard");
    room.begin();
    room
}

#[test]
fn changes_outside_are_told_from_ours_and_from_the_cells() {
    again_as_user("changes_outside_are_told_from_ours_and_from_the_cells");
    for (inside, outside, path, conflict) in [
        ("echo 2 > f", "true", "f", None),
        ("echo 2 > f", "echo 3 > f", "f", Some(Conflict::ChangedOutside)),
        ("echo 2 > f", "rm f", "f", Some(Conflict::RemovedOutside)),
        ("echo 2 > f", "touch -d 2000-01-01 f", "f", Some(Conflict::ChangedOutside)),
        ("echo 2 > f", "cp -p f g; mv g f", "f", Some(Conflict::ChangedOutside)),
        ("rm f", "echo 3 > f", "f", Some(Conflict::ChangedOutside)),
        ("echo n > n", "echo o > n", "n", Some(Conflict::ChangedOutside)),
        ("echo n > n", "echo o > o", "n", None),
        ("mv f g", "true", "g", None),
        ("mv f g", "true", "f", None),
        ("echo 2 > d/x", "mv d q; cp -a q d", "d/x", Some(Conflict::ChangedOutside)),
        ("echo 2 > d/x", "mv d q", "d/x", Some(Conflict::RemovedOutside)),
        ("echo 2 > d/n", "mv d q; mv r d", "d/n", Some(Conflict::ParentMoved)),
        ("echo 2 > d/e/n", "mv d q; mv q d", "d/e/n", Some(Conflict::ParentMoved)),
        ("echo 2 > d/n", "echo o > d/o", "d/n", None),
    ] {
        let mut room = prepared();
        room.inside(inside);
        room.outside(outside);
        let found = room.change(path).conflict;
        let same = match (found, conflict) {
            // A new file beneath a directory that is not the one that was.
            (Some(Conflict::RemovedOutside), Some(Conflict::ParentMoved)) => true,
            (found, conflict) => found == conflict,
        };
        assert!(same, "{inside} | {outside}: {found:?}");
    }
}

/// What changed just before it is none, on kernels with multigrain times (6.13); older ones tell times apart to a tick,
/// on the safe side.
#[test]
fn what_changed_just_after_the_beginning_is_a_conflict() {
    for _ in 0..50 {
        let mut room = Room::new();
        std::fs::write(room.lower().join("f"), "1").unwrap();
        room.begin();
        std::fs::write(room.upper().join("f"), "2").unwrap();
        std::fs::write(room.lower().join("f"), "3").unwrap();
        assert!(room.change("f").conflict.is_some());
    }
}

#[test]
fn a_cell_cannot_write_the_overlays_own_marks() {
    again_as_user("a_cell_cannot_write_the_overlays_own_marks");
    let mut room = prepared();
    room.inside(
        "mkdir n; python3 -c \"
import os
for name in ('opaque', 'redirect', 'whiteout', 'origin', 'metacopy'):
    for path in ('n', 'f', 'd'):
        os.setxattr(path, 'user.overlay.' + name, b'y')\"; if mknod w c 0 0; then echo made; fi",
    );
    // The attributes arrive escaped and mean nothing; nothing vanished and nothing is redirected.
    let changes = room.changes();
    assert!(changes.iter().all(|c| c.refusal.is_none() && c.kind != Kind::Removed), "{changes:?}");
    assert!(!room.upper().join("w").exists());
}

#[derive(Clone, Debug)]
enum Act {
    Write(String, u8),
    Remove(String),
    Rename(String, String),
    Mkdir(String),
    Link(String),
    Mode(String, u16),
    Opaque(String),
}

impl Act {
    fn shell(&self) -> String {
        match self {
            Self::Write(path, n) => format!("echo {n} > {path}"),
            Self::Remove(path) => format!("rm -rf {path}"),
            Self::Rename(a, b) => format!("mv -T {a} {b}"),
            Self::Mkdir(path) => format!("mkdir -p {path}"),
            Self::Link(path) => format!("ln -sfn target {path}"),
            Self::Mode(path, mode) => format!("chmod {mode:o} {path}"),
            Self::Opaque(path) => format!("rm -rf {path}; mkdir {path}; echo new > {path}/a"),
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    let part = || prop::sample::select(vec!["a", "b", "c"]);
    prop::collection::vec(part(), 1..4).prop_map(|parts| parts.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (path(), any::<u8>()).prop_map(|(p, n)| Act::Write(p, n)),
        2 => path().prop_map(Act::Remove),
        2 => (path(), path()).prop_map(|(a, b)| Act::Rename(a, b)),
        2 => path().prop_map(Act::Mkdir),
        1 => path().prop_map(Act::Link),
        1 => (path(), prop::sample::select(vec![0o600, 0o644, 0o755, 0o700])).prop_map(|(p, m)| Act::Mode(p, m)),
        1 => path().prop_map(Act::Opaque),
    ]
}

fn script(acts: &[Act]) -> String {
    acts.iter().map(|act| format!("({}) 2>/dev/null || true; ", act.shell())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a cell does, after the merge the original is what the cell saw.
    #[test]
    fn after_a_merge_the_original_is_what_the_cell_saw(
        before in prop::collection::vec(act(), 0..12),
        first in prop::collection::vec(act(), 1..15),
        second in prop::collection::vec(act(), 0..10),
    ) {
        let mut room = Room::new();
        room.outside(&script(&before));
        room.begin();
        // Two rounds with a merge between: the second must not take our own merge for an outside change.
        for acts in [first, second] {
            let seen = room.dir.path().join("seen");
            let _ = std::fs::remove_dir_all(&seen);
            room.inside(&format!("{} cp -a . {}", script(&acts), seen.display()));
            let outcome = room.apply();
            prop_assert!(outcome.left.is_empty(), "{:?}", outcome.left);
            prop_assert_eq!(room.picture(&room.lower()), room.picture(&seen));
            prop_assert!(room.changes().is_empty(), "{:?}", room.changes());
        }
    }
}

#[test]
fn a_file_moved_into_a_new_directory_is_no_conflict() {
    let mut room = Room::new();
    room.outside("mkdir b; echo 1 > b/a");
    room.begin();
    room.inside("mkdir a; mv -T b a");
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    assert_eq!(std::fs::read_to_string(room.lower().join("a/a")).unwrap(), "1\n");
}

/// A merge works in a directory of its own within the original's root.
#[test]
fn a_file_moved_into_the_root_after_a_merge_is_no_conflict() {
    for first in ["echo n > n", "echo n > d/n"] {
        let mut room = prepared();
        room.inside(first);
        assert!(room.apply().left.is_empty());
        room.inside("mv d/e/y g");
        let outcome = room.apply();
        assert!(outcome.left.is_empty(), "{first}: {:?}", outcome.left);
        // What somebody else does there afterwards still counts.
        room.inside("mv f h");
        room.outside("rm f");
        assert_eq!(room.change("h").conflict, Some(Conflict::RemovedOutside), "{first}");
    }
}

#[test]
fn what_a_directory_made_anew_hides_is_removed_at_every_depth() {
    let mut room = Room::new();
    room.outside("mkdir -p b/c/d; echo 1 > b/c/a; echo 2 > b/c/d/a");
    room.begin();
    room.inside("rm -r b; mkdir -p b/c/d");
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    assert_eq!(room.picture(&room.lower()), ["b 40755 ", "b/c 40755 ", "b/c/d 40755 "]);
    assert!(room.changes().is_empty(), "{:?}", room.changes());
}

/// A layer of another overlay, used as an original: its marks are none of ours, and the kernel copies them up.
#[test]
fn marks_of_another_overlay_hide_nothing() {
    if !root() {
        return;
    }
    let mut room = Room::new();
    room.outside("mkdir d; echo 1 > d/x; python3 -c \"import os; os.setxattr('d', 'trusted.overlay.opaque', b'y')\"");
    room.begin();
    assert_eq!(room.inside("echo n > d/n; ls d"), "n\nx\n");
    assert!(room.changes().iter().all(|change| change.kind == Kind::Created), "{:?}", room.changes());
}

#[test]
fn what_a_directory_made_anew_hides_comes_back_with_it_alone() {
    let discard = |room: &mut Room, path: &str| {
        let changes = room.changes();
        room.workspace().discard(&changes, &[path.into()]).unwrap()
    };
    let paths = |paths: &[&str]| paths.iter().map(Into::into).collect::<Vec<std::path::PathBuf>>();
    for (script, top) in [("rm -r d; mkdir d; echo n > d/n", "d"), ("rm -r d", "d"), ("rm -r d; echo file > d", "d")] {
        let mut room = prepared();
        room.inside(script);
        let before = room.changes().len();
        let told = discard(&mut room, "d/e");
        assert_eq!((told.gone, told.left), (vec![], paths(&["d/e", "d/e/y"])), "{script}");
        assert_eq!(room.changes().len(), before, "{script}");
        let told = discard(&mut room, top);
        assert!(told.left.is_empty() && told.gone.len() == before, "{script}: {told:?}");
        assert!(room.changes().is_empty(), "{script}: {:?}", room.changes());
        assert!(!room.upper().join("d").exists(), "{script}");
    }
}

#[test]
fn what_is_thrown_away_after_a_merge_is_no_removal() {
    let mut room = prepared();
    let mut cell = room.cell_that_stays();
    cell.inside("mkdir -p n/c; echo 1 > n/f; echo 1 > n/c/f");
    room.apply();
    cell.inside("echo 2 > n/f; chmod 700 n/c");
    drop(cell);
    let changes = room.changes();
    assert_eq!(room.workspace().discard(&changes, &["n".into()]).unwrap().gone.len(), 2);
    assert!(room.changes().is_empty(), "{:?}", room.changes());
    assert_eq!(room.outside("cat n/f n/c/f"), "1\n1\n");
}

#[test]
fn a_root_that_was_replaced_is_not_merged_into() {
    let room = prepared();
    room.inside("echo 2 > f");
    let (lower, changes) = (room.lower(), room.dir.path().join("changes"));
    std::fs::rename(&lower, room.dir.path().join("away")).unwrap();
    std::fs::create_dir(&lower).unwrap();
    assert!(matches!(Workspace::open(&changes, &lower, None), Err(Error::Moved(path)) if path == Path::new(&lower)));
}

/// Else a session whose changes were merged waits for a review for ever, as soon as anybody goes on working, and never goes.
#[test]
fn what_was_merged_is_no_change_any_more_whatever_becomes_of_it_outside() {
    again_as_user("what_was_merged_is_no_change_any_more_whatever_becomes_of_it_outside");
    let mut room = prepared();
    let mut cell = room.cell_that_stays();
    cell.inside("echo 2 > f; rm d/x; rm -r r; mkdir -p n/deep; echo n > n/f; ln -s f l; chmod 700 d/e; mv hard moved");
    let outcome = room.apply();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    room.outside("echo 3 > f; echo o > d/x; mkdir r; echo o > r/z; rm -r n; rm l; chmod 755 d/e; rm moved");
    assert!(room.changes().is_empty(), "{:?}", room.changes());
    // Nor where it was opened anew.
    let (changes, lower) = (room.dir.path().join("changes"), room.lower());
    room.workspace = Some(Workspace::open(&changes, &lower, None).unwrap());
    assert_eq!(room.workspace().count().unwrap(), 0);
    // What the cell changes once more is one, and a conflict.
    cell.inside("echo 4 > f; echo 4 > n/g; touch l2; chmod 711 d/e");
    assert_eq!(names(&room.changes()), ["d/e", "f", "l2", "n", "n/g"]);
    assert_eq!(room.change("f").conflict, Some(Conflict::ChangedOutside));
    assert_eq!(room.change("n").conflict, Some(Conflict::RemovedOutside));
    drop(cell);
    let changes = room.changes();
    room.workspace().discard(&changes, &[]).unwrap();
    assert!(room.changes().is_empty(), "{:?}", room.changes());
    assert_eq!(room.outside("cat f d/x r/z; ls"), "3\no\no\nd\nf\nr\n");
}

/// What the cell wrote as it was, and what others put where it made a directory anew, was told as a conflict after the merge.
#[test]
fn what_the_cell_left_as_it_was_and_never_saw_is_no_change_after_a_merge() {
    again_as_user("what_the_cell_left_as_it_was_and_never_saw_is_no_change_after_a_merge");
    let mut room = prepared();
    room.inside(
        "cp f t; mv t f; chmod 600 hard; chmod 644 hard; rm -r d r; mkdir d r r/deep; echo n > d/n; echo m > r/deep/m",
    );
    // On kernels that tell no times apart within a tick, what was written just now may still be written to.
    std::thread::sleep(std::time::Duration::from_millis(50));
    // What is not merged yet stays to be.
    let changes = room.changes();
    room.workspace()
        .apply(&changes, &Filter { paths: vec!["d".into(), "r/deep".into()], ..Filter::default() })
        .unwrap();
    room.outside("echo 2 > f; echo 2 > hard; echo o > d/o; echo o > r/deep/o; echo o > r/o");
    assert_eq!(names(&room.changes()), ["r/z"], "{:?}", room.changes());
    assert!(room.apply().left.is_empty() && room.changes().is_empty());
    // What it made of them and was merged, it can remove, and what it writes once more is a change.
    room.inside("rm d/n r/deep/m; echo n > r/deep/n");
    assert_eq!(names(&room.changes()), ["d/n", "r/deep/m", "r/deep/n"]);
    room.inside("rm -r d; mkdir d; chmod 600 f");
    assert_eq!(names(&room.changes()), ["d/n", "f", "r/deep/m", "r/deep/n"]);
    assert_eq!(room.change("f").conflict, Some(Conflict::ChangedOutside));
}

/// A program that was built before its source was changed once arrived as the newer one, and `make` had nothing to do.
#[test]
fn files_arrive_in_the_order_in_which_the_cell_wrote_them_and_are_new() {
    again_as_user("files_arrive_in_the_order_in_which_the_cell_wrote_them_and_are_new");
    let mut room = prepared();
    room.outside("touch before");
    room.inside(
        "echo 1 > z; touch -d 2000-01-01 z; echo 1 > b; touch -d 2000-01-02 b; echo 1 > f; touch -d 2100-01-01 f",
    );
    assert!(room.apply().left.is_empty());
    let said = room.outside("touch after; stat -c '%.Y %n' before z b f after | sort -n | cut -d' ' -f2");
    assert_eq!(said, "before\nz\nb\nf\nafter\n");
}

#[test]
fn what_becomes_of_the_original_itself_is_no_conflict_while_it_is_the_same() {
    again_as_user("what_becomes_of_the_original_itself_is_no_conflict_while_it_is_the_same");
    let mut room = prepared();
    room.inside("echo 2 > f; echo n > n; echo 2 > d/x");
    room.outside("chmod 711 .; cd ..; mv lower elsewhere; mv elsewhere lower");
    assert!(room.changes().iter().all(|change| change.conflict.is_none()), "{:?}", room.changes());
    assert!(room.apply().left.is_empty());
    assert_eq!(room.outside("cat f n d/x"), "2\nn\n2\n");
}

/// Of a file with several names only one was merged once: that its change time was ours was taken for somebody else's.
#[test]
fn names_of_one_file_are_merged_each() {
    again_as_user("names_of_one_file_are_merged_each");
    let script = "rm a d/b; echo 2 > c; mv e f; chmod 700 g";
    let prepare = || {
        let mut room = Room::new();
        room.outside("mkdir d; echo 1 > a; for n in d/b c e g h; do ln a $n; done");
        std::thread::sleep(std::time::Duration::from_millis(20));
        room.begin();
        room.inside(script);
        room
    };
    let merged = "2\n1\n1\n1\nc\nd\nf\ng\nh\n";
    for limit in 0.. {
        let mut room = prepare();
        let changes = room.changes();
        let done = room.workspace().apply_in(&changes, &Filter::default(), &mut Steps::limited(limit)).is_ok();
        assert_eq!(room.workspace().recover().unwrap().left, [], "step {limit}");
        assert!(room.apply().left.is_empty(), "step {limit}");
        assert_eq!(room.outside("cat c f g h; ls"), merged, "step {limit}");
        if done {
            assert!(limit > 10);
            break;
        }
    }
    // One by one, too; and what somebody else does to one of them is his.
    let mut room = prepare();
    for path in ["a", "c", "d", "e", "f"] {
        let changes = room.changes();
        let filter = Filter { paths: vec![path.into()], ..Filter::default() };
        assert_eq!(room.workspace().apply(&changes, &filter).unwrap().left, [], "{path}");
    }
    room.outside("chmod 711 h");
    assert_eq!(room.change("g").conflict, Some(Conflict::ChangedOutside));
}
