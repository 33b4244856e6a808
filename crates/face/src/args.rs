//! The command line: every verb and flag, and what each means. Parses only; decides nothing.

mod alone;
mod record;
mod sessions;

use crate::given;
use crate::login::Login;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

pub use record::{Declassify, Graph, Labels, Replay};
pub use sessions::{Approve, Attach, Cp, Exec, Gc, Logs, Open, Rm, Running, Session, Stop, Upgrade, Watch};

/// What `bastide help` and usage errors end with.
const EXIT_CODES: &str = "\
Exit codes:
  0     done; of `run`: the program's own
  1     the answer is no (a layer does not hold, a record does not verify)
  2     the command line is wrong
  5     of `replay`: a decision comes out otherwise
  125   nothing was run: walls not built, plane not reached, `run` misused
  126   the program was found but cannot be executed
  127   the program was not found inside
  128+N the program was ended by signal N";

/// Run AI agents behind walls that the kernel enforces
#[derive(Debug, Parser)]
#[command(name = "bastide", version, disable_help_subcommand = true, after_help = EXIT_CODES, term_width = 80)]
pub struct Bastide {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the operator asks for.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a program, or the installed agent, in a cell
    Run(Box<Run>),
    /// Begin a session that goes on by itself, unless it runs already
    Up(Box<Run>),
    /// Watch a session that runs by itself, and type into it; ^\ leaves
    Attach(Attach),
    /// Print what a session that goes on by itself printed
    Logs(Logs),
    /// Run another program in the cell of a session
    Exec(Exec),
    /// Copy a file out of a running session, or into it
    Cp(Cp),
    /// Show a port of a running session on the host's loopback, until ^C
    Open(Open),
    /// Measure the boundary, and try to break a throwaway cell
    Doctor(Doctor),
    /// Serve the door alone to an agent outside of a cell, until ^C
    Gate(Gate),
    /// See what an allowlist cannot hold, and how it is held: 2 minutes
    Tour,
    /// Keep a cell ready for the next run, until ^C: it starts sooner
    Standby,
    /// Serve the API of this state, and keep a cell ready, until ^C
    Daemon,
    /// Show what a session changed
    Diff(Changes),
    /// Merge what a session changed into the workspace
    Apply(Apply),
    /// Throw away what a session changed
    Discard(Changes),
    /// List sessions
    Ls,
    /// Watch all sessions on one screen, and answer what they ask
    Watch(Watch),
    /// Show one session: policy, layers, changes, refusals
    Show(Session),
    /// Ask the program of a session to end, and end all after a while
    Stop(Stop),
    /// Answer what policies want you asked, one question after the other
    Approve(Approve),
    /// Let nothing in a session go on, until it is resumed
    Pause(Running),
    /// Let a paused session go on
    Resume(Running),
    /// Remove sessions that ended
    Rm(Rm),
    /// Remove what ended long ago, and homes that nothing used since
    Gc(Gc),
    /// Say which running sessions the programs on disk cannot carry on
    Upgrade(Upgrade),
    /// Print the record of a session, or verify it
    Log(Log),
    /// Print counters of all sessions, for Prometheus
    Metrics(Metrics),
    /// Explain a refusal, and name the smallest rule that would allow it
    Why(Why),
    /// List the tools that models were told of, and what each does
    Tools(Session),
    /// Show what led to what in a session and in those below it
    Graph(Graph),
    /// Decide again all that a session recorded, and say what differs
    Replay(Replay),
    /// Read, explain and compare policies
    #[command(subcommand)]
    Policy(Policy),
    /// List which labels what sessions left behind carries
    Labels(Labels),
    /// Take labels from what sessions left behind, as it stands now
    Declassify(Declassify),
    /// Trust the present content of a file found in a workspace
    Trust(Trust),
    /// Keep secrets for the gate to use: never inside, never printed
    #[command(subcommand)]
    Vault(Vault),
    /// Explain an error code, or a verb
    Help(Help),
    /// Print what completes this command line in a shell
    Completions(Completions),
}

/// `bastide completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_enum, hide_possible_values = true)]
    pub shell: clap_complete::Shell,
}

/// `bastide run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Policy to run under [default: the blueprint `hardened`]
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub policy: Option<PathBuf>,
    /// Directory to work on [default: the current one]
    #[arg(long, value_name = "DIR", value_parser = given::path())]
    pub workspace: Option<PathBuf>,
    /// What becomes of changes to the workspace [default: as the policy says]
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// Allow connections to this host (repeatable)
    #[arg(long, value_name = "HOST[:PORT]", value_parser = given::host)]
    pub allow: Vec<String>,
    /// Let this path be read (repeatable)
    #[arg(long, value_name = "PATH", value_parser = given::path())]
    pub read: Vec<PathBuf>,
    /// Let this path be changed, under the same review (repeatable)
    #[arg(long, value_name = "PATH", value_parser = given::path())]
    pub write: Vec<PathBuf>,
    /// Set a variable inside; not for secrets (repeatable)
    #[arg(long, value_name = "K=V", value_parser = given::variable)]
    pub env: Vec<(String, String)>,
    /// Accept one missing layer or named risk (repeatable)
    #[arg(long, value_name = "NAME", value_parser = given::word())]
    pub accept_risk: Vec<String>,
    /// Name of the session
    #[arg(long, value_name = "N", value_parser = given::name)]
    pub name: Option<String>,
    /// Directory to start in [default: the workspace]
    #[arg(long, value_name = "DIR", value_parser = given::path())]
    pub workdir: Option<PathBuf>,
    /// End the session after this time, such as 90s, 10m or 2h
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = given::duration)]
    pub timeout: Option<std::time::Duration>,
    /// Time to answer what the policy asks [at a terminal: 1m]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = given::duration)]
    pub patience: Option<std::time::Duration>,
    /// Answer what the policy asks by this file, else deny it
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub answers: Option<PathBuf>,
    /// Start with an empty home, and keep none of it
    #[arg(long)]
    pub fresh_home: bool,
    /// Go on without this terminal; the session's name is printed
    #[arg(long, short = 'd')]
    pub detach: bool,
    /// Write exit, layers, allowed, refused and changed as JSON
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub outcome: Option<PathBuf>,
    /// Program and arguments [default: the installed agent, else a shell]
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// What becomes of changes to the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Merged when the operator says so
    Review,
    /// Merged continuously, guarded paths held back
    Live,
    /// Never merged
    ReadOnly,
}

/// `bastide gate`.
#[derive(Debug, Args)]
pub struct Gate {
    /// Address to listen on
    #[arg(long, value_name = "IP:PORT")]
    pub listen: std::net::SocketAddr,
    /// Policy to serve under [default: the blueprint `hardened`]
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub policy: Option<PathBuf>,
    /// File with the token that agents must show [default: a new one]
    #[arg(long, value_name = "FILE", value_parser = given::path(), conflicts_with = "session_from")]
    pub token_file: Option<PathBuf>,
    /// A session for each key, or each model, without a token
    #[arg(long, value_enum)]
    pub session_from: Option<SessionFrom>,
}

/// What tells sessions of an agent outside apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SessionFrom {
    /// The key that it shows
    Bearer,
    /// The model that it asks for
    Model,
}

/// `bastide doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Fail also where this host does not enforce a limit
    #[arg(long)]
    pub limits: bool,
}

/// `bastide diff`, `apply` and `discard`.
#[derive(Debug, Args)]
pub struct Changes {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::bytes())]
    pub session: Option<OsString>,
    /// Only these paths; one that only the session has: ./PATH
    #[arg(value_parser = given::path())]
    pub path: Vec<PathBuf>,
}

/// `bastide apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// What to merge
    #[command(flatten)]
    pub changes: Changes,
    /// Merge this very path over a change outside (repeatable)
    #[arg(long, value_name = "PATH", value_parser = given::path())]
    pub over: Vec<PathBuf>,
}

/// `bastide log`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Log {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Go on printing while the session runs
    #[arg(long)]
    pub follow: bool,
    /// What to do instead of printing
    #[command(subcommand)]
    pub verb: Option<LogVerb>,
}

/// `bastide log ...`.
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// Check the hash chain of a record, or all against a checkpoint
    Verify(Verify),
    /// Print the newest checkpoint of all sessions, to be kept elsewhere
    Checkpoint,
    /// Print the public key that signs checkpoints
    Key,
    /// Remove the records of old sessions; the rest stays provable
    Prune(Prune),
    /// Print a record for other programs, one JSON object a line
    Export(Export),
}

/// `bastide log verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Session [default: the newest here; all with --checkpoint]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Checkpoint that was kept elsewhere
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub checkpoint: Option<PathBuf>,
    /// Public key that signed it [default: this machine's]
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub key: Option<PathBuf>,
}

/// `bastide log prune`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("old").args(["before", "keep"]).required(true)))]
pub struct Prune {
    /// That ended before this day (UTC), or so long ago: 30d
    #[arg(long, value_name = "DATE", value_parser = given::moment)]
    pub before: Option<given::Moment>,
    /// Of all but the newest N sessions
    #[arg(long, value_name = "N")]
    pub keep: Option<u64>,
}

/// `bastide log export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Session, by id or name [default: the newest of this directory]
    #[arg(value_parser = given::word())]
    pub session: Option<String>,
    /// Schema
    #[arg(long, value_enum)]
    pub format: Format,
}

/// What a record is exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Open Cybersecurity Schema Framework
    Ocsf,
}

/// `bastide metrics`.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Write them to this file, whole or not at all
    #[arg(long, value_name = "FILE", value_parser = given::path())]
    pub textfile: Option<PathBuf>,
}

/// `bastide why`.
#[derive(Debug, Args)]
pub struct Why {
    /// Event, or SESSION [default: the last refusal]; with --file: SESSION
    #[arg(value_name = "ID", value_parser = given::word())]
    pub id: Option<String>,
    /// Session, by id or name [default: the newest of this directory]
    #[arg(conflicts_with = "file", value_parser = given::word())]
    pub session: Option<String>,
    /// Compute from the policy what becomes of this path
    #[arg(long, value_name = "PATH", value_parser = given::path())]
    pub file: Option<PathBuf>,
}

/// `bastide policy ...`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Check a policy for errors
    Check {
        /// Policy to check
        #[arg(value_parser = given::path())]
        file: PathBuf,
    },
    /// Print a policy with all that it extends
    Show {
        /// Policy to print [default: the blueprint `hardened`]
        #[arg(value_parser = given::path())]
        file: Option<PathBuf>,
    },
    /// Say what a policy decides on one request, and by which rule
    Explain {
        /// Policy to ask
        #[arg(value_parser = given::path())]
        file: PathBuf,
        /// HOST[:PORT], `METHOD HOST[:PORT]/PATH`, or a file
        #[arg(value_parser = given::word())]
        request: String,
        /// Program that asks
        #[arg(long, value_name = "PATH", value_parser = given::path())]
        program: Option<PathBuf>,
    },
    /// Say what one policy allows and another does not
    Diff {
        /// Policy before
        #[arg(value_parser = given::path())]
        old: PathBuf,
        /// Policy after
        #[arg(value_parser = given::path())]
        new: PathBuf,
    },
    /// Run the examples that a policy holds
    Test {
        /// Policy to test
        #[arg(value_parser = given::path())]
        file: PathBuf,
    },
    /// List blueprints that take arguments, such as `github:acme/widget`
    Presets,
    /// Write the smallest policy of a whole run: observed, not judged
    Suggest(Session),
    /// Write an OpenShell policy or a NemoClaw preset as a policy
    Import {
        /// File to read
        #[arg(value_parser = given::path())]
        file: PathBuf,
        /// Name of the policy [default: the preset's, or the file's]
        #[arg(long, value_name = "N", value_parser = given::name)]
        name: Option<String>,
    },
    /// Put a policy in force in a session that runs: all of it, or nothing
    Apply {
        /// Session, by id or name
        #[arg(value_parser = given::word())]
        session: String,
        /// Policy to put in force
        #[arg(value_parser = given::path())]
        file: PathBuf,
    },
    /// Go back to the policy that was in force before, one step each time
    Undo(Session),
}

/// `bastide trust`.
#[derive(Debug, Args)]
pub struct Trust {
    /// File to trust; a change to it ends the trust
    #[arg(value_parser = given::path())]
    pub file: PathBuf,
}

/// What a secret is that tokens are derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Grant {
    /// A refresh token
    Refresh,
    /// A client's own secret
    Client,
}

/// `bastide vault ...`.
#[derive(Debug, Subcommand)]
pub enum Vault {
    /// Keep a secret: its value is read from stdin, or typed unseen
    #[command(group(clap::ArgGroup::new("whose").args(["client_id", "login"])))]
    Set {
        /// What to call it: small letters, digits, `.`, `_` and `-`
        #[arg(value_parser = given::secret)]
        name: String,
        /// The one host that it is for [default port: every one]
        #[arg(long, value_name = "HOST[:PORT]", value_parser = given::host, required_unless_present = "login")]
        to: Option<String>,
        /// Only for these paths, such as '/repos/acme/**' (repeatable)
        #[arg(long, value_name = "PATTERN", value_parser = given::word())]
        path: Vec<String>,
        /// The value is an agent's file of its login; its refresh token is kept
        #[arg(long, value_enum, value_name = "AGENT", conflicts_with_all = ["client_id", "scope", "oauth_json"])]
        login: Option<Login>,
        /// Derive tokens from it at this OAuth endpoint; only they are used
        #[arg(long, value_name = "URL", value_parser = given::word(), requires = "whose")]
        oauth: Option<String>,
        /// The client's id at that endpoint
        #[arg(long, value_name = "ID", value_parser = given::word(), requires = "oauth")]
        client_id: Option<String>,
        /// What the value is: a refresh token, or the client's own secret
        #[arg(long, value_enum, default_value = "refresh", requires = "oauth")]
        grant: Grant,
        /// The scope to ask for
        #[arg(long, value_name = "SCOPE", value_parser = given::word(), requires = "oauth")]
        scope: Option<String>,
        /// Ask with a JSON object instead of a form
        #[arg(long, requires = "oauth")]
        oauth_json: bool,
    },
    /// List secrets: what each is for, never its value
    List,
    /// Remove a secret
    Rm {
        /// Which
        #[arg(value_parser = given::secret)]
        name: String,
    },
}

/// `bastide help`.
#[derive(Debug, Args)]
pub struct Help {
    /// Error code, such as E-FACE-001, or a verb
    #[arg(value_name = "CODE", value_parser = given::word())]
    pub topic: Vec<String>,
}
