//! Trees that fight back, and merges that are killed.
#![allow(clippy::unwrap_used, missing_docs)]

mod workspace_room;

use plane::workspace::*;
use rustix::fs::{CWD, FileType, Mode, RenameFlags};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use workspace_room::*;

/// Exchanges two names of opened directories again and again until told to stop.
fn swap(pairs: &[(&fs::File, &str, &fs::File, &str)], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for (one, a, two, b) in pairs {
            let _ = rustix::fs::renameat_with(one, *a, two, *b, RenameFlags::EXCHANGE);
        }
    }
}

/// Ends the other thread also when this one panics: a scope waits for both.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn names_swapped_while_we_look_and_merge_lead_nowhere_and_bring_nothing_unreviewed() {
    let mut room = Room::new();
    let secret = room.dir.path().join("secret");
    fs::create_dir_all(secret.join("d")).unwrap();
    fs::write(secret.join("f"), "secret").unwrap();
    fs::write(secret.join("d/f"), "secret").unwrap();
    fs::create_dir_all(room.lower().join("d")).unwrap();
    room.begin();
    let upper = room.upper();
    fs::create_dir_all(upper.join("d")).unwrap();
    for n in 0..20 {
        fs::write(upper.join(format!("d/{n}")), "good").unwrap();
    }
    fs::write(upper.join("d/f"), "good").unwrap();
    fs::write(upper.join("x"), "evil").unwrap();
    symlink(secret.join("f"), upper.join("link")).unwrap();
    symlink(&secret, upper.join("dir")).unwrap();
    symlink(&secret, room.lower().join("dir")).unwrap();
    let lower = room.lower();
    let [up, inner, low] = [&upper, &upper.join("d"), &lower].map(|dir| fs::File::open(dir).unwrap());
    let pairs = [(&up, "d", &up, "dir"), (&inner, "f", &up, "link"), (&inner, "0", &up, "x"), (&low, "d", &low, "dir")];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&pairs, &stop));
        let _stop = Stop(&stop);
        for _ in 0..150 {
            let changes = room.changes();
            // Between review and merge the kernel may say anything of the swapped names, but nothing is followed.
            if let Ok(outcome) = room.workspace().apply(&changes, &Filter::default()) {
                for path in outcome.merged {
                    // Where a directory was seen swapped for a link, its original's entries were reviewed as removed.
                    let reviewed = changes.iter().find(|c| c.path == path);
                    let plain = |c: &Change| c.after.as_ref().is_some_and(|stamp| stamp.node != Node::Special);
                    assert!(reviewed.is_some_and(|c| c.kind == Kind::Removed || plain(c)), "{path:?}: {reviewed:?}");
                }
            } else {
                while room.workspace().recover().is_err() {}
            }
        }
    });
    let seen = room.picture(&secret);
    assert_eq!(seen.len(), 3, "nothing was written beside the workspace: {seen:?}");
    assert!(seen.iter().filter(|line| line.contains("f ")).all(|line| line.ends_with("secret")));
    for line in room.picture(&lower) {
        assert!(!line.ends_with(" secret"), "a link of the cell was followed: {line}");
    }
    let left = room.picture(&lower).into_iter().filter(|line| line.contains(".bastide")).collect::<Vec<_>>();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn contents_that_change_after_review_never_arrive() {
    let mut room = Room::new();
    room.begin();
    let upper = room.upper();
    for n in 0..50 {
        fs::write(upper.join(format!("{n}")), "reviewed").unwrap();
    }
    let changes = room.changes();
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for n in 0..50 {
                    let _ = fs::write(upper.join(format!("{n}")), "swapped!");
                }
            }
        });
        std::thread::sleep(Duration::from_millis(3));
        let outcome = room.workspace().apply(&changes, &Filter::default()).unwrap();
        stop.store(true, Ordering::Relaxed);
        outcome
    });
    assert!(!outcome.left.is_empty());
    assert!(room.picture(&room.lower()).iter().all(|line| line.ends_with("reviewed")), "{outcome:?}");
}

#[test]
fn odd_names_bits_and_kinds() {
    again_as_user("odd_names_bits_and_kinds");
    let mut room = Room::new();
    fs::create_dir(room.lower().join("sealed")).unwrap();
    room.begin();
    let upper = room.upper();
    let odd = [b"new\nline".as_slice(), b"\xff\xfe", b"-rf", b" ", b"\xe2\x80\xaegnp", b"a\x1b[2J"];
    for name in odd {
        fs::write(upper.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    fs::write(upper.join("one"), "1").unwrap();
    fs::hard_link(upper.join("one"), upper.join("two")).unwrap();
    rustix::fs::mknodat(CWD, upper.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    fs::create_dir(upper.join("dark")).unwrap();
    fs::write(upper.join("dark/in"), "x").unwrap();
    fs::set_permissions(upper.join("dark"), fs::Permissions::from_mode(0o000)).unwrap();
    let sparse = fs::File::create(upper.join("sparse")).unwrap();
    sparse.set_len(1 << 42).unwrap();
    fs::create_dir(upper.join("sealed")).unwrap();
    fs::write(upper.join("sealed/in"), "x").unwrap();
    fs::set_permissions(room.lower().join("sealed"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(upper.join("sealed"), fs::Permissions::from_mode(0o555)).unwrap();
    let changes = room.changes();
    let of = |path: &str| changes.iter().find(|c| c.path == Path::new(path)).unwrap();
    assert_eq!(of("fifo").refusal, Some(Refusal::Special));
    assert_eq!(of("sparse").refusal, Some(Refusal::TooLarge));
    let json = serde_json::to_string(&changes).unwrap();
    assert!(json.contains("\"too-large\"") && json.contains("\"created\""));
    let again: Vec<Change> = serde_json::from_str(&json).unwrap();
    assert_eq!(names(&again), names(&changes));
    let outcome = room.workspace().apply(&again, &Filter::default()).unwrap();
    for name in odd {
        assert!(outcome.merged.contains(&PathBuf::from(OsStr::from_bytes(name))), "{name:?}: {outcome:?}");
    }
    assert!(outcome.left.contains(&("fifo".into(), Reason::Refused)));
    if !root() {
        // Chmod-ed outside after the beginning: a conflict, and the owner could not write there anyway.
        assert!(outcome.left.iter().any(|(path, _)| path == Path::new("sealed/in")), "{outcome:?}");
        assert!(outcome.left.contains(&("dark".into(), Reason::Refused)), "{outcome:?}");
    }
    assert!(!room.lower().join("fifo").exists() && !room.lower().join("sparse").exists());
    fs::set_permissions(room.lower().join("sealed"), fs::Permissions::from_mode(0o755)).unwrap();
    let changes = room.changes();
    room.workspace().discard(&changes, &[]).unwrap();
    let left = room.changes();
    assert!(left.is_empty(), "{:?}", names(&left));
}

#[test]
fn deep_trees_are_refused_where_they_get_deep_and_can_be_thrown_away() {
    let mut room = Room::new();
    room.begin();
    fs::write(room.upper().join("plain"), "x").unwrap();
    let mut dir = rustix::fs::open(room.upper(), rustix::fs::OFlags::PATH, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, "d", rustix::fs::OFlags::PATH, Mode::empty()).unwrap();
    }
    let changes = room.changes();
    assert!(changes.iter().any(|change| change.refusal == Some(Refusal::TooDeep)));
    let outcome = room.workspace().apply(&changes, &Filter::default()).unwrap();
    assert!(outcome.merged.contains(&"plain".into()));
    room.workspace().discard(&changes, &[]).unwrap();
    assert_eq!(fs::read_dir(room.upper()).unwrap().count(), 0);
}

#[test]
fn what_the_original_refuses_is_left_and_said() {
    if !root() {
        return;
    }
    let mut room = Room::new();
    fs::write(room.lower().join("fixed"), "1").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let immutable = |on: &str| Command::new("chattr").arg(on).arg(room.lower().join("fixed")).status();
    if !immutable("+i").is_ok_and(|status| status.success()) {
        return;
    }
    let (changes, lower) = (room.dir.path().join("changes"), room.lower());
    room.workspace = Some(Workspace::begin(&changes, &lower, None).unwrap());
    fs::write(room.upper().join("fixed"), "2").unwrap();
    fs::write(room.upper().join("other"), "2").unwrap();
    let outcome = room.apply();
    Command::new("chattr").arg("-i").arg(room.lower().join("fixed")).status().unwrap();
    assert_eq!(outcome.merged, [PathBuf::from("other")]);
    assert_eq!(outcome.left, [("fixed".into(), Reason::Unwritable)]);
    assert!(room.workspace().recover().unwrap().merged.is_empty(), "nothing is left to finish");
}

#[test]
fn a_full_disk_rolls_back() {
    if let Some(dir) = std::env::var_os("BASTIDE_TEST_SMALL") {
        let (dir, other) = (PathBuf::from(dir), tempfile::tempdir().unwrap());
        fs::write(dir.join("old"), "old").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let changes = other.path().join("changes");
        let mut workspace = Workspace::begin(&changes, &dir, None).unwrap();
        fs::write(changes.join("upper/old"), "new").unwrap();
        fs::write(changes.join("upper/big"), vec![7; 4 << 20]).unwrap();
        let found = workspace.changes(&[]).unwrap();
        assert!(matches!(workspace.apply(&found, &Filter::default()), Err(Error::Io { .. })));
        assert_eq!(fs::read_to_string(dir.join("old")).unwrap(), "old");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no copy is left behind");
        let only = Filter { paths: vec!["old".into()], ..Filter::default() };
        assert_eq!(workspace.apply(&found, &only).unwrap().merged, [PathBuf::from("old")]);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=2m,mode=700 tmpfs \"$BASTIDE_TEST_SMALL\"; exec \"$0\" a_full_disk_rolls_back --exact";
    let out = Command::new("unshare")
        .args([if root() { "-m" } else { "-Urm" }, "sh", "-ec", script])
        .arg(std::env::current_exe().unwrap())
        .env("BASTIDE_TEST_SMALL", dir.path())
        .output()
        .unwrap();
    assert!(out.status.success() && text(&out).contains("1 passed"), "{}", text(&out));
}

#[test]
fn a_merge_killed_at_any_moment_is_whole_before_or_whole_after() {
    if let Some(dir) = std::env::var_os("BASTIDE_TEST_MERGE") {
        let dir = PathBuf::from(dir);
        let mut workspace = Workspace::open(&dir.join("changes"), &dir.join("lower"), None).unwrap();
        let found = workspace.changes(&[]).unwrap();
        workspace.apply(&found, &Filter::default()).unwrap();
        return;
    }
    let (mut early, mut late, mut whole) = (0, 0, Duration::MAX);
    for round in 0..20_u32 {
        let mut room = Room::new();
        for n in 0..60 {
            fs::write(room.lower().join(format!("f{n}")), "old").unwrap();
        }
        room.begin();
        let upper = room.upper();
        for n in 0..120 {
            fs::create_dir_all(upper.join(format!("d{}", n % 7))).unwrap();
            fs::write(upper.join(format!("d{}/{n}", n % 7)), "new").unwrap();
            fs::write(upper.join(format!("f{n}")), "new").unwrap();
        }
        let before = room.picture(&room.lower());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_merge_killed_at_any_moment_is_whole_before_or_whole_after", "--exact"])
            .env("BASTIDE_TEST_MERGE", room.dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // The first one is let be, to know how long it takes; the others die all along that time.
        if round == 0 {
            let start = std::time::Instant::now();
            child.wait().unwrap();
            whole = start.elapsed();
        }
        std::thread::sleep(whole * round / 20);
        child.kill().unwrap();
        child.wait().unwrap();
        let (changes, lower) = (room.dir.path().join("changes"), room.lower());
        room.workspace = Some(Workspace::open(&changes, &lower, None).unwrap());
        room.workspace().recover().unwrap();
        let after = room.picture(&lower);
        if after == before {
            early += 1;
        } else {
            late += 1;
            assert!(after.iter().all(|line| !line.ends_with(" old")), "round {round}: {after:?}");
            assert_eq!(after.len(), 120 + 120 + 7, "round {round}");
            assert!(room.changes().is_empty());
        }
        let outcome = room.apply();
        assert!(outcome.left.is_empty() && room.changes().is_empty(), "round {round}: {outcome:?}");
    }
    println!("whole before: {early}, whole after: {late}");
    assert!(early > 0 && late > 0, "{early} {late}");
}

#[test]
fn many_entries_are_read_and_merged() {
    let mut room = Room::new();
    for n in 0..10_000 {
        let dir = room.lower().join(format!("{}", n % 100));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{n}")), "old content of a file\n").unwrap();
    }
    room.begin();
    for n in 0..10_000 {
        let dir = room.upper().join(format!("{}", n % 100));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{n}")), format!("new content of file {n}\n").repeat(40)).unwrap();
    }
    let start = std::time::Instant::now();
    let changes = room.changes();
    println!("scan of {} changed files: {:?}", changes.len(), start.elapsed());
    assert_eq!(changes.len(), 10_000);
    let start = std::time::Instant::now();
    let outcome = room.workspace().apply(&changes[..5_000], &Filter::default()).unwrap();
    println!("apply of {} files: {:?}", outcome.merged.len(), start.elapsed());
    assert_eq!(outcome.merged.len(), 5_000);
    assert_eq!(room.changes().len(), 5_000);
}
