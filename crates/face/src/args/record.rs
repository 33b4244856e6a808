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
    /// Decide by this policy [default: by each that was in force]
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub policy: Option<PathBuf>,
}
