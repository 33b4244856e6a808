//! A program with libraries of its own: refused with the words that let them in, and run with those.
//!
//! Needs `bastide-cell` and `bastide-gate` beside `bastided`: `cargo build -p bastide-cell -p bastide-gate`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plane::channel::{pair, receive, send};
use wire::command::{Outcome, Problem, Reply, Request, Run, Stream};

/// Asks a `bastided` of its own to run a program, in a home and on a workspace in the room.
fn run(room: &Path, program: &Path, read: &[PathBuf]) -> Result<Outcome, Box<Problem>> {
    let (ours, theirs) = pair().unwrap();
    let mut plane = Command::new(env!("CARGO_BIN_EXE_bastided")).stdin(Stdio::from(theirs)).spawn().unwrap();
    let run = Run {
        command: vec![program.to_str().unwrap().as_bytes().to_vec()],
        directory: room.join("work"),
        read: read.to_vec(),
        streams: [Stream::Pipe; 3],
        surroundings: vec![("HOME".into(), room.join("home").to_str().unwrap().into())],
        ..Run::default()
    };
    send(&ours, &wire::api::say(&Request::Run(Box::new(run))).unwrap().bytes(), &[]).unwrap();
    let (mut hearing, mut descriptors) = (wire::api::Hearing::default(), Vec::new());
    let mut replies = Vec::<Reply>::new();
    loop {
        let mut bytes = Vec::new();
        if !receive(&ours, &mut bytes, &mut descriptors).unwrap() {
            break;
        }
        replies.extend(hearing.push(&bytes).unwrap());
    }
    plane.wait().unwrap();
    match replies.pop() {
        Some(Reply::Ended(outcome)) => Ok(*outcome),
        Some(Reply::Refused(problem)) => Err(problem),
        other => panic!("{other:?}"),
    }
}

fn gcc(room: &Path, arguments: &[&str]) {
    assert!(Command::new("gcc").current_dir(room).args(arguments).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn a_library_that_does_not_come_in_is_named_with_what_lets_it_in_and_127() {
    let directory = tempfile::tempdir().unwrap();
    let room = directory.path().canonicalize().unwrap();
    for made in ["work", "home", "tools", "first", "second"] {
        fs::create_dir(room.join(made)).unwrap();
    }
    fs::write(room.join("second.c"), "int second(void) { return 7; }\n").unwrap();
    fs::write(room.join("first.c"), "int second(void); int first(void) { return second(); }\n").unwrap();
    fs::write(room.join("tool.c"), "int first(void); int main(void) { return first(); }\n").unwrap();
    let path = |place: &str| format!("-Wl,--enable-new-dtags,-rpath,{place}");
    gcc(&room, &["-shared", "-fPIC", "-o", "second/libsecond.so", "second.c"]);
    let second = ["-Lsecond", "-lsecond", &path(room.join("second").to_str().unwrap())];
    gcc(&room, &[["-shared", "-fPIC", "-o", "first/libfirst.so", "first.c"].as_slice(), &second].concat());
    let first = ["-Lfirst", "-lfirst", "-Wl,--allow-shlib-undefined", &path("$ORIGIN/../first")];
    gcc(&room, &[["-o", "tools/tool", "tool.c"].as_slice(), &first].concat());
    let (tool, read) = (room.join("tools/tool"), ["first", "second"].map(|place| room.join(place)));

    let refused = run(&room, &tool, &[]).unwrap_err();
    assert_eq!((refused.code.as_str(), refused.exit), ("E-PLANE-034", 127), "{refused}");
    let both = format!("let it in: `--read {} --read {}`", read[0].display(), read[1].display());
    assert_eq!(refused.hint, Some(both), "{refused}");
    let one = run(&room, &tool, &read[..1]).unwrap_err();
    assert_eq!(one.hint, Some(format!("let it in: `--read {}`", read[1].display())), "{one}");
    let ran = run(&room, &tool, &read).unwrap();
    assert_eq!(ran.exit, 7, "{ran:?}");

    // A script of the workspace brings no such program in; one that is let in may have such libraries as well.
    let script = room.join("work/script");
    fs::write(&script, format!("#!{}\n", tool.display())).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(run(&room, &script, &read).unwrap_err().code, "E-PLANE-035");
    let all = [read[0].clone(), read[1].clone(), tool];
    assert_eq!(run(&room, &script, &all[2..]).unwrap_err().code, "E-PLANE-034");
    assert_eq!(run(&room, &script, &all).unwrap().exit, 7);
}
