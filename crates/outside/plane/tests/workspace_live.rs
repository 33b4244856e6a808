//! Continuous merging.
#![allow(clippy::unwrap_used, missing_docs)]

mod workspace_room;

use plane::workspace::*;
use std::fs;
use workspace_room::*;

#[test]
fn what_is_settled_and_plain_goes_out_and_the_rest_waits_and_is_told_once() {
    again_as_user("what_is_settled_and_plain_goes_out_and_the_rest_waits_and_is_told_once");
    let mut room = Room::new();
    room.outside("echo 1 > a; mkdir d e; echo keep > d/Makefile; echo x > d/x; echo y > e/y; git init -q -b main; git add .; git commit -qm one");
    std::thread::sleep(std::time::Duration::from_millis(20));
    room.begin();
    let (guards, mut live) = ([std::path::PathBuf::from("guarded")], Live::default());
    let mut step = |room: &mut Room| live.step(room.workspace(), &guards).unwrap();
    room.inside(
        "echo 2 > a; echo n > new; echo g > guarded; rm -r d e; git add a; git commit -qm two; echo all: > Makefile",
    );
    room.outside("echo changed > e/y");
    let first = step(&mut room);
    assert!(first.merged.is_empty() && first.unfinished, "{first:?}");
    let told = |step: &Step, path: &str, why| step.held.contains(&(path.into(), why));
    assert!(told(&first, "guarded", Waits::Flagged) && told(&first, "Makefile", Waits::Flagged), "{first:?}");
    assert!(told(&first, "e/y", Waits::Conflict) && told(&first, "d/Makefile", Waits::Flagged), "{first:?}");
    // One file is still being written: it waits for another step.
    fs::write(room.upper().join("new"), "more").unwrap();
    let second = step(&mut room);
    assert!(second.merged.contains(&"a".into()) && second.merged.contains(&".git".into()), "{second:?}");
    assert!(!second.merged.contains(&"new".into()) && second.unfinished && second.held.is_empty(), "{second:?}");
    assert!(room.lower().join("d/Makefile").exists() && room.lower().join("e/y").exists());
    assert!(!room.lower().join("d/x").exists());
    let third = step(&mut room);
    assert_eq!(third.merged, [std::path::PathBuf::from("new")], "{third:?}");
    let fourth = step(&mut room);
    assert!(fourth.merged.is_empty() && fourth.held.is_empty() && !fourth.unfinished, "{fourth:?}");
    assert_eq!(room.outside("cat a new; git log --format=%s"), "2\nmoretwo\none\n");
    assert!(!room.lower().join("guarded").exists() && !room.lower().join("Makefile").exists());
    // Our own merges are no outside changes: the cell goes on where it was.
    fs::write(room.upper().join("a"), "3\n").unwrap();
    step(&mut room);
    assert_eq!(step(&mut room).merged, [std::path::PathBuf::from("a")]);
    // An edit outside is one.
    fs::write(room.upper().join("a"), "4\n").unwrap();
    fs::write(room.lower().join("a"), "5\n").unwrap();
    assert_eq!(step(&mut room).held, [("a".into(), Waits::Conflict)]);
    step(&mut room);
    assert_eq!(fs::read_to_string(room.lower().join("a")).unwrap(), "5\n");
}

/// Of tools that run what lies in the directory they are used in no list is whole: what is hidden waits, listed or not.
#[test]
fn what_is_hidden_or_run_by_a_tool_waits() {
    again_as_user("what_is_hidden_or_run_by_a_tool_waits");
    let mut room = Room::new();
    room.outside("git init -q -b main; echo 1 > .known; git add .; git commit -qm one");
    std::thread::sleep(std::time::Duration::from_millis(20));
    room.begin();
    let held = [
        ".hg/hgrc",
        ".jj/repo/config.toml",
        ".sl/config",
        ".svn/entries",
        ".latexmkrc",
        ".Rprofile",
        ".pdbrc",
        ".ghci",
        ".iex.exs",
        ".ocamlinit",
        ".octaverc",
        ".erlang",
        "build.sbt",
        "project/plugins.sbt",
        "nodemon.json",
        "Build.PL",
        "Makefile.PL",
        "Fastfile",
        ".known",
        ".tool-of-next-year",
        "sub/.next/year",
    ];
    for path in held {
        room.inside(&format!("mkdir -p $(dirname {path}); echo x > {path}"));
    }
    room.inside("echo x > plain; echo target > .gitignore; mkdir -p sub/kept; echo > sub/kept/.gitkeep; echo y > a.b");
    let mut live = Live::default();
    let first = live.step(room.workspace(), &[]).unwrap();
    for path in held {
        assert!(first.held.contains(&(path.into(), Waits::Flagged)), "{path}: {:?}", first.held);
    }
    let mut merged = live.step(room.workspace(), &[]).unwrap().merged;
    merged.sort();
    let expected = [".gitignore", "a.b", "plain", "project", "sub", "sub/kept", "sub/kept/.gitkeep"];
    assert_eq!(merged, expected.map(std::path::PathBuf::from));
    assert_eq!(room.outside("cat .known"), "1\n");
    // A commit brings it to life as well; one of plain files does not.
    room.inside("git add plain .gitignore; git commit -qm two");
    let mut step = || live.step(room.workspace.as_mut().unwrap(), &[]).unwrap();
    assert!([step(), step()].iter().any(|step| step.merged.contains(&".git".into())));
    room.inside("git add -f .tool-of-next-year; git commit -qm three");
    let mut step = || live.step(room.workspace.as_mut().unwrap(), &[]).unwrap();
    let steps = [step(), step()];
    assert!(steps.iter().any(|step| step.held.contains(&(".git".into(), Waits::Flagged))), "{steps:?}");
    assert!(steps.iter().all(|step| step.merged.is_empty()), "{steps:?}");
}

/// A directory that the cell made is no layer below to the kernel, which writes nothing down of what is removed there.
#[test]
fn what_was_merged_and_then_removed_inside_goes_outside_too() {
    again_as_user("what_was_merged_and_then_removed_inside_goes_outside_too");
    let mut room = Room::new();
    room.outside("mkdir o; echo 0 > o/f");
    room.begin();
    let mut cell = room.cell_that_stays();
    let mut live = Live::default();
    let mut settle = |room: &mut Room| {
        for _ in 0..10 {
            if !live.step(room.workspace(), &[]).unwrap().unfinished {
                return;
            }
        }
        panic!("never settles");
    };
    cell.inside("mkdir -p n/c/d m; echo g > n/g; echo f > n/c/f; echo k > n/c/d/k; echo 1 > o/new; echo m > m/m");
    settle(&mut room);
    assert!(room.lower().join("n/c/d/k").exists() && room.lower().join("m/m").exists());
    room.outside("echo ours > n/ours");
    cell.inside("rm n/g; mv n/c/f n/c/h; rm -r n/c/d; rm o/new; rm -r m");
    settle(&mut room);
    let seen = ["n 40755 ", "n/c 40755 ", "n/c/h 100644 f\n", "n/ours 100644 ours\n", "o 40755 ", "o/f 100644 0\n"];
    assert_eq!(room.picture(&room.lower()), seen);
    assert!(room.changes().is_empty(), "{:?}", room.changes());
    // What was changed outside since is not removed, nor what lies beside it.
    room.outside("echo theirs > n/c/h");
    cell.inside("rm n/c/h");
    settle(&mut room);
    assert_eq!(room.change("n/c/h").conflict, Some(Conflict::ChangedOutside));
    assert_eq!(fs::read_to_string(room.lower().join("n/c/h")).unwrap(), "theirs\n");
}

/// Eight sparse files of nearly two gigabytes each cost the cell nothing, and one step read them all for minutes: no
/// time limit and no signal was obeyed meanwhile.
#[test]
fn what_is_large_waits_for_the_operator_and_is_not_read_while_the_session_runs() {
    let mut room = Room::new();
    room.begin();
    for n in 0..8 {
        fs::File::create(room.upper().join(format!("huge{n}"))).unwrap().set_len(1900 << 20).unwrap();
        fs::File::create(room.upper().join(format!("some{n}"))).unwrap().set_len(60 << 20).unwrap();
    }
    fs::write(room.upper().join("a"), "small").unwrap();
    let read = || {
        let text = fs::read_to_string("/proc/thread-self/io").unwrap();
        text.lines().next().unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let (mut live, before) = (Live::default(), read());
    let first = live.step(room.workspace(), &[]).unwrap();
    assert!(read() - before < 300 << 20, "{} bytes read", read() - before);
    assert!((0..8).all(|n| first.held.contains(&(format!("huge{n}").into(), Waits::Refused))), "{:?}", first.held);
    assert!(live.step(room.workspace(), &[]).unwrap().merged.contains(&"a".into()));
}
