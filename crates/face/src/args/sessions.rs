//! Verbs about sessions: those that run, and those that ended.

use crate::given;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// A session.
#[derive(Debug, Args)]
pub struct Session {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
}

/// `bastide stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Session, by id or name
    #[arg(value_parser = given::word())]
    pub session: String,
    /// How long it has, such as 90s, at most a day
    #[arg(long, value_name = "T", default_value = "10s", allow_negative_numbers = true, value_parser = given::within_a_day)]
    pub timeout: std::time::Duration,
}

/// `bastide approve`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("answer").args(["once", "session", "lasts", "value", "source", "always", "deny"])))]
pub struct Approve {
    /// Question, by the beginning of its id [default: all]
    #[arg(value_name = "ID", value_parser = given::word())]
    pub question: Option<String>,
    /// Allow what waits, or the next one like it
    #[arg(long, requires = "question")]
    pub once: bool,
    /// Allow all like it until the session ends
    #[arg(long, requires = "question")]
    pub session: bool,
    /// Allow all like it for a time such as 10m, at most a day
    #[arg(long = "for", value_name = "T", requires = "question", value_parser = given::within_a_day)]
    pub lasts: Option<std::time::Duration>,
    /// Of a call: these values as they stand, until the session ends
    #[arg(long, requires = "question")]
    pub value: bool,
    /// Of a call: this source for what it does, until the session ends
    #[arg(long, requires = "question")]
    pub source: bool,
    /// With --session or --for: what is beside it, or a call's source
    #[arg(long, requires_all = ["question", "answer"], conflicts_with_all = ["once", "value", "source", "always", "deny"])]
    pub wide: bool,
    /// Make it a rule of the policy; `policy undo` undoes it
    #[arg(long, requires = "question")]
    pub always: bool,
    /// Deny all like it for five minutes
    #[arg(long, requires = "question")]
    pub deny: bool,
}

/// A session that runs: one is always named, since the newest may not be the one that is meant.
#[derive(Debug, Args)]
pub struct Running {
    /// Session, by id or name
    #[arg(value_parser = given::word())]
    pub session: String,
}

/// `bastide watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Only look: answer, freeze and stop nothing
    #[arg(long)]
    pub read_only: bool,
}

/// `bastide attach`.
#[derive(Debug, Args)]
pub struct Attach {
    /// Session, by id or name
    #[arg(value_parser = given::word())]
    pub session: String,
    /// Only watch; any number may
    #[arg(long)]
    pub read_only: bool,
}

/// `bastide logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Go on printing while the session runs
    #[arg(long)]
    pub follow: bool,
}

/// `bastide exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Session, by id or name
    #[arg(value_parser = given::word())]
    pub session: String,
    /// Set a variable inside; not for secrets (repeatable)
    #[arg(long, value_name = "K=V", value_parser = given::variable)]
    pub env: Vec<(String, String)>,
    /// Directory to start in [default: the session's]
    #[arg(long, value_name = "DIR", value_parser = given::path())]
    pub workdir: Option<PathBuf>,
    /// Program and arguments
    #[arg(last = true, value_name = "CMD", required = true)]
    pub command: Vec<OsString>,
}

/// `bastide cp`.
#[derive(Debug, Args)]
pub struct Cp {
    /// SESSION:PATH, or a file of this host
    #[arg(value_parser = given::path())]
    pub from: PathBuf,
    /// The other; `-` is standard output
    #[arg(value_parser = given::path())]
    pub to: PathBuf,
}

/// `bastide open`.
#[derive(Debug, Args)]
pub struct Open {
    /// Session, by id or name
    #[arg(value_parser = given::word())]
    pub session: String,
    /// Port inside
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Port of 127.0.0.1 outside [default: one that is free]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub at: Option<u16>,
}

/// `bastide rm`.
#[derive(Debug, Args)]
pub struct Rm {
    /// Sessions, by id or name
    #[arg(required = true, value_parser = given::word())]
    pub session: Vec<String>,
    /// Also what they changed and nobody reviewed
    #[arg(long)]
    pub force: bool,
}

/// `bastide gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Before this day (UTC), or so long ago
    #[arg(long, value_name = "DATE", default_value = "30d", value_parser = given::moment)]
    pub before: given::Moment,
    /// Also what was changed and nobody reviewed
    #[arg(long)]
    pub force: bool,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
}

/// `bastide upgrade`.
#[derive(Debug, Args)]
pub struct Upgrade {
    /// Only look: nothing else is done by this verb
    #[arg(long, required = true)]
    pub check: bool,
}
