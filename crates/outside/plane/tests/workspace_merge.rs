//! Scans and merges real directories that are built to look like an overlay's upper layer.
#![allow(clippy::unwrap_used, missing_docs)]

use plane::workspace::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

struct Room {
    dir: tempfile::TempDir,
    workspace: Option<Workspace>,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lower")).unwrap();
        Self { dir, workspace: None }
    }
    /// The places as the tests name them; `upper` and `journal` lie in `changes` once the session began.
    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("upper").or_else(|| path.strip_prefix("journal")) {
            Some(_) => self.dir.path().join("changes").join(path),
            None => self.dir.path().join(path),
        }
    }
    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }
    fn begin(&mut self) {
        self.workspace = Some(
            Workspace::begin(&self.dir.path().join("changes"), &self.dir.path().join("lower"), Some((1234, 1234)))
                .unwrap(),
        );
    }
    fn workspace(&mut self) -> &mut Workspace {
        self.workspace.as_mut().unwrap()
    }
    fn scan(&self) -> Vec<Change> {
        self.workspace.as_ref().unwrap().changes(&[PathBuf::from("keep")]).unwrap()
    }
    fn change(&self, path: &str) -> Change {
        let found = self.scan().into_iter().find(|c| c.path == Path::new(path));
        found.unwrap_or_else(|| panic!("no change of {path}"))
    }
    fn apply(&mut self, filter: &Filter, changes: &[Change], steps: &mut Steps) -> Result<Outcome, Error> {
        self.workspace().apply_in(changes, filter, steps)
    }
    fn recover(&mut self, steps: &mut Steps) -> Result<Outcome, Error> {
        self.workspace().recover_in(steps)
    }
    fn mark(&self, path: &str, name: &str, value: &[u8]) {
        rustix::fs::setxattr(self.path(path), name, value, rustix::fs::XattrFlags::empty()).unwrap();
    }
    fn whiteout(&self, path: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        let mode = rustix::fs::Mode::empty();
        let kind = rustix::fs::FileType::CharacterDevice;
        if rustix::fs::mknodat(rustix::fs::CWD, self.path(path), kind, mode, 0).is_err() {
            fs::write(self.path(path), "").unwrap();
            self.mark(path, "user.overlay.whiteout", b"y");
        }
    }
    /// Every path of the original with its kind, mode and content.
    fn picture(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut todo = vec![self.path("lower")];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let body = if meta.is_symlink() {
                    fs::read_link(&path).unwrap().display().to_string()
                } else if meta.is_dir() {
                    todo.push(path.clone());
                    String::new()
                } else {
                    fs::read_to_string(&path).unwrap()
                };
                out.push(format!(
                    "{} {:o} {body}",
                    path.display().to_string().replace(&self.dir.path().display().to_string(), ""),
                    meta.mode()
                ));
            }
        }
        out.sort();
        out
    }
}

fn busy() -> Room {
    let mut room = Room::new();
    for path in ["a", "gone", "tree/x", "tree/y", "hidden/old", "swap/in", "was"] {
        room.write(&format!("lower/{path}"), path);
    }
    room.begin();
    room.write("upper/a", "changed");
    room.write("upper/new/deep/b", "fresh");
    symlink("deep/b", room.path("upper/new/link")).unwrap();
    room.whiteout("upper/gone");
    room.whiteout("upper/tree");
    room.write("upper/hidden/now", "now");
    room.mark("upper/hidden", "user.overlay.opaque", b"y");
    room.write("upper/swap", "a file now");
    room.write("upper/was/dir", "a directory now");
    fs::set_permissions(room.path("upper/new/deep"), fs::Permissions::from_mode(0o555)).unwrap();
    room
}

#[test]
fn everything_merges_and_a_second_scan_is_empty() {
    let mut room = busy();
    let changes = room.scan();
    let outcome = room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
    let names: Vec<_> = room.picture().iter().map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        [
            "/lower/a",
            "/lower/hidden",
            "/lower/hidden/now",
            "/lower/new",
            "/lower/new/deep",
            "/lower/new/deep/b",
            "/lower/new/link",
            "/lower/swap",
            "/lower/was",
            "/lower/was/dir"
        ]
    );
    assert_eq!(fs::read_to_string(room.path("lower/a")).unwrap(), "changed");
    if rustix::process::geteuid().is_root() {
        assert_eq!(fs::metadata(room.path("lower/new/deep/b")).unwrap().uid(), 1234);
        assert_eq!(fs::metadata(room.path("lower/a")).unwrap().uid(), 0);
    }
    assert!(room.scan().is_empty(), "{:?}", room.scan());
}

#[test]
fn a_crash_before_any_step_leaves_the_original_whole_and_recovers() {
    let mut whole = busy();
    let before = whole.picture();
    let changes = whole.scan();
    whole.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    let after = whole.picture();
    for limit in 0.. {
        let mut room = busy();
        let changes = room.scan();
        let done = room.apply(&Filter::default(), &changes, &mut Steps::limited(limit)).is_ok();
        // The recovery is cut short too, before each of its steps in turn.
        for again in 0..40 {
            let _ = room.recover(&mut Steps::limited(again));
        }
        let outcome = room.recover(&mut Steps::default()).unwrap();
        assert!(outcome.left.is_empty(), "step {limit}: {:?}", outcome.left);
        let picture = room.picture();
        assert!(picture == before || picture == after, "step {limit}: {picture:#?}");
        assert!(!room.path("journal/merge.json").exists());
        if done {
            assert!(limit > 15 && picture == after);
            return;
        }
    }
}

/// Changes on both sides of everything that a path can be, decided for the session.
fn contested() -> (Room, Filter) {
    let mut room = Room::new();
    for path in ["a", "gone", "away", "swap/in"] {
        room.write(&format!("lower/{path}"), "old");
    }
    symlink("old", room.path("lower/link")).unwrap();
    room.begin();
    room.write("upper/a", "cell");
    room.write("upper/both", "cell");
    room.whiteout("upper/gone");
    room.write("upper/away", "cell");
    room.mark("upper/away", "user.overlay.origin", b"x");
    room.write("upper/swap", "cell");
    room.write("upper/link", "cell");
    for path in ["a", "both", "gone", "swap/in"] {
        room.write(&format!("lower/{path}"), "his");
    }
    fs::remove_file(room.path("lower/away")).unwrap();
    fs::remove_file(room.path("lower/link")).unwrap();
    symlink("his", room.path("lower/link")).unwrap();
    let over = ["a", "both", "gone", "away", "swap", "swap/in", "link"].map(PathBuf::from).to_vec();
    (room, Filter { over, ..Filter::default() })
}

/// What the journal keeps of what stood outside.
fn kept(room: &Room) -> Vec<String> {
    let files = fs::read_dir(room.path("journal/outside")).into_iter().flatten().flatten();
    files.filter(|file| file.file_name() != "new").map(|file| fs::read_to_string(file.path()).unwrap()).collect()
}

#[test]
fn what_is_decided_goes_over_what_stands_outside_and_that_is_kept_however_it_is_cut_short() {
    let (mut whole, filter) = contested();
    let before = whole.picture();
    let changes = whole.scan();
    let in_conflict = changes.iter().filter(|change| change.conflict.is_some()).count();
    assert!(in_conflict >= 5, "{changes:?}");
    let none = whole.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(none.merged.is_empty() && whole.picture() == before, "{none:?}");
    let outcome = whole.apply(&filter, &changes, &mut Steps::default()).unwrap();
    assert_eq!((outcome.left, outcome.merged.len()), (Vec::new(), 7));
    let after = whole.picture();
    assert!(after.iter().all(|line| line.ends_with("cell") || line.starts_with("/lower/swap ")), "{after:#?}");
    assert_eq!((kept(&whole), whole.scan().len()), (vec!["his".to_owned()], 0));
    for limit in 0.. {
        let (mut room, filter) = contested();
        let changes = room.scan();
        let done = room.apply(&filter, &changes, &mut Steps::limited(limit)).is_ok();
        for again in 0..40 {
            let _ = room.recover(&mut Steps::limited(again));
        }
        room.recover(&mut Steps::default()).unwrap();
        let picture = room.picture();
        assert!(picture == before || (picture == after && kept(&room) == ["his"]), "step {limit}: {picture:#?}");
        if done {
            assert!(limit > 20 && picture == after);
            return;
        }
    }
}

#[test]
fn what_is_changed_once_more_after_it_was_decided_is_a_conflict_again() {
    let (mut room, filter) = contested();
    let changes = room.scan();
    fs::write(room.path("lower/a"), "new").unwrap();
    fs::remove_file(room.path("lower/both")).unwrap();
    fs::write(room.path("lower/away"), "back").unwrap();
    fs::write(room.path("lower/gone"), "his, later").unwrap();
    let outcome = room.apply(&filter, &changes, &mut Steps::default()).unwrap();
    let left: Vec<_> = outcome.left.iter().filter(|(_, why)| *why == Reason::Conflict).map(|(path, _)| path).collect();
    assert_eq!(left, ["a", "away", "both", "gone"].map(Path::new), "{outcome:?}");
    assert_eq!(fs::read_to_string(room.path("lower/a")).unwrap(), "new");
    assert_eq!(fs::read_to_string(room.path("lower/away")).unwrap(), "back");
    assert_eq!(fs::read_to_string(room.path("lower/gone")).unwrap(), "his, later");
    assert!(!room.path("lower/both").exists());
}

#[test]
fn what_cannot_be_kept_is_not_replaced() {
    let mut room = Room::new();
    room.write("lower/a", "old");
    room.begin();
    room.write("upper/a", "cell");
    room.write("upper/fifo", "cell");
    room.write("lower/a", "his");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        room.path("lower/fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let mut changes = room.scan();
    // Another content than was looked at, under the same times.
    for change in changes.iter_mut().filter(|change| change.path == Path::new("a")) {
        change.before.as_mut().unwrap().sha256 = Some([7; 32]);
    }
    let filter = Filter { over: vec!["a".into(), "fifo".into()], ..Filter::default() };
    let outcome = room.apply(&filter, &changes, &mut Steps::default()).unwrap();
    assert_eq!(outcome.left, [("a".into(), Reason::Conflict), ("fifo".into(), Reason::Conflict)]);
    assert_eq!(fs::read_to_string(room.path("lower/a")).unwrap(), "his");
    assert!(kept(&room).is_empty() && fs::read_dir(room.path("lower")).unwrap().count() == 2);
}

#[test]
fn hostile_entries_are_refused() {
    let mut room = Room::new();
    room.begin();
    symlink("/etc/passwd", room.path("upper/abs")).unwrap();
    symlink("../x", room.path("upper/up")).unwrap();
    room.write("upper/suid", "s");
    fs::set_permissions(room.path("upper/suid"), fs::Permissions::from_mode(0o4755)).unwrap();
    room.write("upper/sub/.git", "gitdir: /evil");
    room.write("upper/o/objects/info/alternates", "/evil");
    let _socket = std::os::unix::net::UnixListener::bind(room.path("upper/sock")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        room.path("upper/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for (path, why) in [
        ("abs", Refusal::EscapingLink),
        ("up", Refusal::EscapingLink),
        ("suid", Refusal::Setuid),
        ("sub/.git", Refusal::Gitfile),
        ("o/objects/info/alternates", Refusal::Alternates),
        ("sock", Refusal::Special),
        ("pipe", Refusal::Special),
    ] {
        assert_eq!(room.change(path).refusal, Some(why), "{path}");
    }
    let changes = room.scan();
    room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(room.picture().iter().all(|line| line.contains(" 40")), "{:?}", room.picture());
}

#[test]
fn outside_changes_are_conflicts_and_later_changes_by_the_cell_are_not_merged() {
    let mut room = Room::new();
    room.write("lower/a", "1");
    room.write("lower/b", "1");
    room.begin();
    room.write("upper/a", "cell");
    room.write("upper/b", "reviewed");
    room.write("upper/c", "cell");
    room.write("lower/a", "operator");
    room.write("lower/c", "operator");
    assert_eq!(room.change("a").conflict, Some(Conflict::ChangedOutside));
    assert_eq!(room.change("c").conflict, Some(Conflict::ChangedOutside));
    let changes = room.scan();
    room.write("upper/b", "swapped!");
    let outcome = room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(outcome.merged.is_empty());
    assert_eq!(outcome.left.len(), 3);
    assert!(outcome.left.contains(&("b".into(), Reason::ChangedSinceReview)));
    assert_eq!(fs::read_to_string(room.path("lower/a")).unwrap(), "operator");
    assert_eq!(fs::read_to_string(room.path("lower/b")).unwrap(), "1");
    assert_eq!(fs::read_dir(room.path("lower")).unwrap().count(), 3, "no copy is left behind");
}

#[test]
fn a_parent_swapped_for_a_link_leads_nowhere() {
    let mut room = Room::new();
    room.begin();
    room.write("upper/d/f", "inside");
    room.write("secret/f", "inside");
    let changes = room.scan();
    fs::remove_dir_all(room.path("upper/d")).unwrap();
    symlink(room.path("secret"), room.path("upper/d")).unwrap();
    let outcome = room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(outcome.left.contains(&("d/f".into(), Reason::ChangedSinceReview)));
    assert!(!room.path("lower/d/f").exists());
}

#[test]
fn filters_flags_guards_diff_and_discard() {
    let mut room = Room::new();
    room.write("lower/t", "one\ntwo\n");
    room.begin();
    room.write("upper/t", "one\nthr\x1bee\n");
    room.write("upper/p/q/Makefile", "all:");
    room.write("upper/keep/me", "x");
    room.write("upper/.git/hooks/post-commit", "evil");
    assert!(room.change("p/q/Makefile").flags.contains(&Flag::Build));
    let change = room.change("t");
    let text = room.workspace().diff(&change).unwrap();
    assert!(text.contains("-two\n+thr\\u{1b}ee\n"), "{text}");
    let changes = room.scan();
    let only = Filter { paths: vec!["p".into()], unflagged_only: true, ..Filter::default() };
    room.apply(&only, &changes, &mut Steps::default()).unwrap();
    assert!(!room.path("lower/p/q/Makefile").exists());
    assert_eq!(fs::read_to_string(room.path("lower/t")).unwrap(), "one\ntwo\n", "not named, so not merged");
    let changes = room.scan();
    room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(room.path("lower/p/q/Makefile").exists());
    assert!(!room.path("lower/keep").exists() && !room.path("lower/.git").exists());
    let changes = room.scan();
    room.workspace().discard(&changes, &[]).unwrap();
    assert!(room.scan().is_empty());
}

#[test]
fn attribute_whiteouts_modes_and_capabilities() {
    let mut room = Room::new();
    for path in ["gone", "mode", "cap"] {
        room.write(&format!("lower/{path}"), path);
    }
    room.begin();
    room.write("upper/gone", "");
    room.mark("upper/gone", "user.overlay.whiteout", b"y");
    room.write("upper/mode", "mode");
    fs::set_permissions(room.path("upper/mode"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((room.change("gone").kind, room.change("mode").kind), (Kind::Removed, Kind::Mode));
    if rustix::process::geteuid().is_root() {
        room.write("upper/cap", "changed");
        let value = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        room.mark("upper/cap", "security.capability", &value);
        assert_eq!(room.change("cap").refusal, Some(Refusal::Capabilities));
    }
    let changes = room.scan();
    room.apply(&Filter::default(), &changes, &mut Steps::default()).unwrap();
    assert!(!room.path("lower/gone").exists());
    assert_eq!(fs::metadata(room.path("lower/mode")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(fs::read_to_string(room.path("lower/cap")).unwrap(), "cap");
}
