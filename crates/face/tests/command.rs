//! The command as a user meets it: exit codes, streams, and the whole help tree.

use std::process::{Command, Output};

fn bastide(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bastide")).args(arguments).env_remove("NO_COLOR").output().expect("bastide starts")
}

fn exit(arguments: &[&str]) -> i32 {
    bastide(arguments).status.code().expect("no signal")
}

#[test]
fn every_flag_of_run_is_taken() {
    use clap::Parser;
    let all = "bastide run --policy p --workspace w --mode live --allow a --allow b:1 --read r --write w --env K=V=W --accept-risk x \
               --name n --workdir d --timeout 10m --fresh-home --outcome o --json -- cmd --policy q";
    face::args::Bastide::try_parse_from(all.split_whitespace()).expect("taken");
    let words = String::from_utf8(bastide(&["run", "--env", "novalue"]).stderr).expect("utf-8");
    assert!(words.contains("expected K=V"), "{words}");
}

#[test]
fn misuse_is_2_but_125_under_run() {
    assert_eq!(exit(&["nonsense"]), 2);
    assert_eq!(exit(&[]), 2);
    for bad in
        [&["run", "--nonsense"][..], &["--json", "run", "--mode", "x"], &["run", "--timeout", "0"], &["run", "ls"]]
    {
        assert_eq!(exit(bad), 125, "{bad:?}");
    }
    // What would answer nothing, or more than a plane takes.
    for bad in
        [&["approve", "3fa9", "--wide"][..], &["approve", "3fa9", "--for", "25h"], &["stop", "s", "--timeout", "25h"]]
    {
        assert_eq!(exit(bad), 2, "{bad:?}");
    }
    let words = |arguments: &[&str]| {
        let output = bastide(arguments);
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("utf-8"))
    };
    let [out, err] = words(&["run", "true"]);
    assert!(out.is_empty() && err.starts_with("error[E-FACE-010]: ") && err.contains("`bastide run -- true`"), "{err}");
    // Under `run` stdout is the program's.
    for (arguments, at) in [(&["diff", "--json", "--x"][..], 0), (&["run", "--json", "--x"], 1)] {
        let told: serde_json::Value = serde_json::from_str(&words(arguments)[at]).expect("JSON");
        assert_eq!(told["error"]["code"], "E-FACE-010");
        assert!(told["error"]["hint"].is_string());
    }
}

/// An empty word is a variable that was not set: as a path it would mean everything.
#[test]
fn an_empty_word_is_refused_everywhere() {
    for verb in ["diff", "apply", "discard", "trust", "show", "log", "why"] {
        assert_eq!(exit(&[verb, ""]), 2, "{verb}");
    }
    for line in [&["discard", "s1", ""][..], &["why", "--file", ""], &["log", "verify", ""], &["policy", "check", ""]] {
        let output = bastide(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error[E-FACE-010]: "), "{line:?}");
    }
    for flag in ["policy", "workspace", "allow", "read", "write", "env", "accept-risk", "name", "workdir", "outcome"] {
        assert_eq!(exit(&["run", &format!("--{flag}="), "--", "true"]), 125, "{flag}");
        assert_eq!(exit(&["run", &format!("--{flag}"), "", "--", "true"]), 125, "{flag}");
    }
    let output = bastide(&["run", "--", ""]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the program's name is empty"));
}

#[test]
fn an_answer_without_room_is_no_success() {
    for arguments in [&["--help"][..], &["help", "run"], &["help", "E-FACE-001"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
        let output = Command::new(env!("CARGO_BIN_EXE_bastide")).args(arguments).stdout(full).output().expect("starts");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error[E-FACE-011]: "));
    }
}

#[test]
fn help_and_version_are_answers() {
    for good in [
        &["--help"][..],
        &["run", "--help"],
        &["--version"],
        &["help"],
        &["help", "policy", "diff"],
        &["help", "E-FACE-001"],
    ] {
        let output = bastide(good);
        assert_eq!(output.status.code(), Some(0), "{good:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
    assert_eq!(exit(&["help", "E-FACE-999"]), 2);
}

/// The shells read them themselves.
#[test]
fn completions_are_what_the_shells_read() {
    for (shell, reads) in
        [("bash", &["bash", "-n"][..]), ("zsh", &[]), ("fish", &[]), ("elvish", &[]), ("powershell", &[])]
    {
        let output = bastide(&["completions", shell]);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && text.contains("accept-risk") && text.contains("declassify"), "{shell}");
        if let [program, check @ ..] = reads {
            let mut read = Command::new(program);
            let mut read = read.args(check).stdin(std::process::Stdio::piped()).spawn().expect("starts");
            std::io::Write::write_all(read.stdin.as_mut().expect("piped"), text.as_bytes()).expect("read");
            drop(read.stdin.take());
            assert!(read.wait().expect("ended").success(), "{shell}");
        }
    }
    assert_eq!(exit(&["completions", "tcsh"]), 2);
}

/// Every help says that `--json` prints JSON.
#[test]
fn help_is_json_where_that_is_asked_for() {
    for topic in [&["E-FACE-001"][..], &["policy", "diff"]] {
        let output = bastide(&[&["help", "--json"], topic].concat());
        let told: String = serde_json::from_slice(&output.stdout).expect("JSON");
        let plain = bastide(&[&["help"], topic].concat()).stdout;
        assert_eq!((output.status.code(), told.as_bytes()), (Some(0), plain.as_slice()));
    }
}

/// The hint was once about checkpoints, whatever could not be read.
#[test]
fn the_hint_is_about_the_file_that_was_named() {
    for (from, hint) in [("nofile", "name a file that you can read"), ("-", "standard input is not read")] {
        let output = bastide(&["cp", from, "c:x"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.starts_with("error[E-FACE-014]: ") && told.contains(hint), "{told}");
    }
}

/// `BASTIDE_SNAPSHOTS=write` regenerates the file.
#[test]
fn the_help_tree_is_as_pinned() {
    use clap::CommandFactory;
    let mut command = face::args::Bastide::command();
    command.build();
    let mut tree = String::new();
    describe(&mut command, &mut tree);
    let mut shown = tree.clone();
    asked_for(&command, &[], &mut shown);
    let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "wider than 80 columns: {wide:#?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/help.txt");
    if std::env::var_os("BASTIDE_SNAPSHOTS").is_some_and(|value| value == "write") {
        std::fs::write(path, &tree).expect("written");
    }
    let pinned = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(tree, pinned, "run with BASTIDE_SNAPSHOTS=write if this is meant");
}

/// What `--help` prints, which is shorter than `help` where nothing has more to say.
fn asked_for(command: &clap::Command, verbs: &[&str], shown: &mut String) {
    use clap::CommandFactory;
    let line = [&["bastide"], verbs, &["--help"]].concat();
    let told = face::args::Bastide::command().try_get_matches_from(line).expect_err("help");
    shown.push_str(&told.render().to_string());
    command.get_subcommands().for_each(|inner| asked_for(inner, &[verbs, &[inner.get_name()]].concat(), shown));
}

fn describe(command: &mut clap::Command, tree: &mut String) {
    let help = command.clone().render_long_help().to_string();
    tree.push_str(&format!("## {}\n\n", command.get_bin_name().unwrap_or("bastide")));
    for line in help.lines() {
        tree.push_str(line.trim_end());
        tree.push('\n');
    }
    tree.push('\n');
    command.get_subcommands_mut().for_each(|inner| describe(inner, tree));
}
