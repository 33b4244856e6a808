//! The command line of a run, read without all other verbs: to make those takes longer than to read it, and is part of every
//! start. What is not such a line, or not a right one, is read as ever, so that every word about it is the same.

use super::{Bastide, Run, Verb};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// As [`Bastide`], with this verb only.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
struct Alone {
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Only,
}

#[derive(Debug, Subcommand)]
enum Only {
    Run(Box<Run>),
}

impl Bastide {
    /// The command line of a run, where it is a right one.
    #[must_use]
    pub fn run_alone(arguments: &[OsString]) -> Option<Bastide> {
        if arguments.get(1).is_none_or(|verb| verb != "run") {
            return None;
        }
        let Alone { json, verb: Only::Run(run) } = Alone::try_parse_from(arguments).ok()?;
        Some(Bastide { json, verb: Verb::Run(run) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_the_same_whichever_way_it_is_read() {
        let lines = [
            "bastide run",
            "bastide run -- ls -l --json",
            "bastide run --json --mode live --allow a.test:443 --read /a --write /b --env A=b -- sh -c true",
            "bastide run --json --workspace /w --name n --timeout 10m --detach -- sleep 5",
            "bastide run -d --accept-risk disk --fresh-home --policy p.yaml -- x",
        ];
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let alone = Bastide::run_alone(&words).map(|read| format!("{read:?}"));
            let whole = Bastide::try_parse_from(&words).map(|read| format!("{read:?}"));
            assert_eq!(alone, whole.ok(), "{line}");
            assert!(alone.is_some(), "{line}");
        }
        for line in [
            "bastide run ls",
            "bastide run --jso",
            "bastide run --mode x",
            "bastide run --help",
            "bastide --json run",
            "bastide ls",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(Bastide::run_alone(&words).is_none(), "{line}");
        }
    }
}
