//! Verbs that ask a record more than its events.

use crate::given;
use clap::Args;
use std::path::PathBuf;

/// `bastide graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Write it in the language of Graphviz
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// All of it, as far as there is room for
    #[arg(long)]
    pub all: bool,
}

/// `bastide replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Decide by this one [default: by each that was in force]
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub policy: Option<PathBuf>,
}

/// `bastide labels`.
#[derive(Debug, Args)]
pub struct Labels {
    /// Session whose places are meant [default: all]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Of private homes alone
    #[arg(long)]
    pub home: bool,
    /// Of this workspace and its homes alone
    #[arg(long, value_name = "DIR", value_parser = given::path())]
    pub workspace: Option<PathBuf>,
}

/// `bastide declassify`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["path", "all"]).required(true)))]
pub struct Declassify {
    /// Paths; those of a home counted from it
    #[arg(value_name = "PATH", value_parser = given::path())]
    pub path: Vec<PathBuf>,
    /// All that is labelled there
    #[arg(long)]
    pub all: bool,
    /// Of the private home, not of the workspace
    #[arg(long, conflicts_with = "workspace")]
    pub home: bool,
    /// Of this workspace
    #[arg(long, value_name = "DIR", value_parser = given::path())]
    pub workspace: Option<PathBuf>,
    /// Of this session [default: the newest one here]
    #[arg(long, value_name = "SESSION", conflicts_with = "workspace", value_parser = given::word())]
    pub session: Option<String>,
    /// Only this label (repeatable) [default: every one]
    #[arg(long, value_name = "LABEL", value_parser = policy::Label::parse)]
    pub label: Vec<policy::Label>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = given::word())]
    pub reason: Option<String>,
}
