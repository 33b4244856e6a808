//! What is asked of a session while it runs, beside its program: to be watched, another program in its cell, a file, a port.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Select, Stream, Terminal};

/// `bastide attach`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// Which session.
    pub select: Select,
    /// What the client types goes to the program; one client at a time.
    pub types: bool,
    /// Size of the client's terminal, where it has one.
    pub terminal: Option<Terminal>,
}

/// `bastide exec`: another program in the cell of a running session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Which session.
    pub select: Select,
    /// Program and arguments.
    pub command: Vec<Vec<u8>>,
    /// Directory to start in, inside; that of the session when absent.
    #[serde(default)]
    pub workdir: Option<PathBuf>,
    /// Variables to set, beside those of the session.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// How each of stdin, stdout and stderr is made.
    pub streams: [Stream; 3],
    /// Size of the client's terminal, where it has one.
    pub terminal: Option<Terminal>,
}

impl fmt::Debug for Exec {
    /// Values of variables may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Exec")
            .field("select", &self.select)
            .field("arguments", &self.command.len())
            .finish_non_exhaustive()
    }
}

/// `bastide cp`: one file, between a running session and the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyFile {
    /// Which session.
    pub select: Select,
    /// The file inside, absolute, or relative to where the session's program began.
    pub path: PathBuf,
    /// Which way.
    pub way: CopyWay,
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyWay {
    /// Out of the session.
    Out,
    /// Into it; a file that is there keeps its permissions.
    In {
        /// Whether a new file may be executed.
        executable: bool,
    },
}

/// `bastide rm` and `bastide gc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// Sessions by id or name; empty with [`Removal::before`].
    pub sessions: Vec<String>,
    /// Those that ended before, in microseconds since the Unix epoch; and homes that nothing used since.
    pub before: Option<u64>,
    /// Also what was changed and never reviewed.
    pub force: bool,
    /// Only tell.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Sessions, by id.
    pub sessions: Vec<String>,
    /// Private homes, by their directory's name.
    pub homes: Vec<String>,
    /// What stays, and why.
    pub left: Vec<(String, String)>,
    /// Nothing was removed: this is what would be.
    pub dry_run: bool,
}

/// Versions in which a build speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// The version of the programs.
    pub build: String,
    /// Of a session's control socket: the oldest and the newest.
    pub control: (u32, u32),
    /// Of a session's second socket.
    pub streams: u32,
    /// Between a plane and a cell.
    pub plan: u32,
    /// Between a plane and a gate.
    pub lease: u32,
}

/// A running session, and whether the programs on disk can speak with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    /// The session.
    pub session: String,
    /// Its name.
    pub name: Option<String>,
    /// What it was begun with, where it wrote that down.
    pub built: Option<Built>,
    /// What would not go on, a line each; empty where all does.
    pub stops: Vec<String>,
}

/// `bastide upgrade --check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeAnswer {
    /// The programs on disk.
    pub ours: Built,
    /// Each session that runs.
    pub sessions: Vec<Spoken>,
}
