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

/// `BASTIDE_SNAPSHOTS=write` regenerates the file.
#[test]
fn the_help_tree_is_as_pinned() {
    use clap::CommandFactory;
    let mut command = face::args::Bastide::command();
    command.build();
    let mut tree = String::new();
    describe(&mut command, &mut tree);
    assert!(tree.lines().all(|line| line.chars().count() <= 80), "wider than 80 columns");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/help.txt");
    if std::env::var_os("BASTIDE_SNAPSHOTS").is_some_and(|value| value == "write") {
        std::fs::write(path, &tree).expect("written");
    }
    let pinned = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(tree, pinned, "run with BASTIDE_SNAPSHOTS=write if this is meant");
}

fn describe(command: &mut clap::Command, tree: &mut String) {
    let help = command.clone().term_width(80).render_long_help().to_string();
    tree.push_str(&format!("## {}\n\n", command.get_bin_name().unwrap_or("bastide")));
    for line in help.lines() {
        tree.push_str(line.trim_end());
        tree.push('\n');
    }
    tree.push('\n');
    command.get_subcommands_mut().for_each(|inner| describe(inner, tree));
}
