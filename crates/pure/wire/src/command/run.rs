//! `bastide run`: what is asked, and what it came to.

use std::fmt;
use std::path::PathBuf;

use policy::WorkspaceMode;
use record::Wall;
use serde::{Deserialize, Serialize};

/// Variables of the operator's that the plane gets to see, and all of `LC_`. It decides which of them a cell sees.
pub const SURROUNDINGS: [&str; 26] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "COLORTERM",
    "LANG",
    "TZ",
    "NO_COLOR",
    "EDITOR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "NVM_DIR",
    "LANGUAGE",
];

/// What to run, and under what.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Program and arguments; empty means the installed agent, else a shell.
    pub command: Vec<Vec<u8>>,
    /// The client's working directory.
    pub directory: PathBuf,
    /// Policy file, absolute, or the name of a blueprint; `hardened` when absent.
    pub policy: Option<PathBuf>,
    /// Directory to work on; the client's when absent.
    pub workspace: Option<PathBuf>,
    /// What becomes of changes; the policy's word when absent.
    pub mode: Option<WorkspaceMode>,
    /// Hosts to allow, `HOST[:PORT]`.
    pub allow: Vec<String>,
    /// Paths to let be read, absolute.
    pub read: Vec<PathBuf>,
    /// Paths to let be changed under review, absolute.
    pub write: Vec<PathBuf>,
    /// Variables to set inside.
    pub environment: Vec<(String, String)>,
    /// Risks accepted by name.
    pub accept_risks: Vec<String>,
    /// The session's name.
    pub name: Option<String>,
    /// Directory to start in; the workspace when absent.
    pub workdir: Option<PathBuf>,
    /// Seconds after which the session ends.
    pub timeout: Option<u64>,
    /// Start with an empty home and keep none of it.
    pub fresh_home: bool,
    /// Seconds for which what the policy wants the operator asked waits for him: not at all when absent.
    #[serde(default)]
    pub patience: Option<u32>,
    /// File of answers to what the policy wants the operator asked, absolute.
    #[serde(default)]
    pub answers: Option<PathBuf>,
    /// The session goes on without this client: its own process keeps the program's stdio.
    #[serde(default)]
    pub detached: bool,
    /// Where a session of that name runs already, it is told and nothing begins.
    #[serde(default)]
    pub unless_up: bool,
    /// How each of the client's stdin, stdout and stderr looks.
    pub streams: [Stream; 3],
    /// Size of the client's terminal, where it has one.
    pub terminal: Option<Terminal>,
    /// The operator's variables that decide what is found and how it looks: PATH, HOME, TERM, LANG and the like.
    pub surroundings: Vec<(String, String)>,
}

impl fmt::Debug for Run {
    /// Values of variables may be secret, accepted or not.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Run")
            .field("arguments", &self.command.len())
            .field("directory", &self.directory)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What a standard stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// A terminal.
    Terminal,
    /// A pipe, a file, a socket, or nothing.
    #[default]
    Pipe,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// What a session came to. The names of the fields are those of `--outcome`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The session's id.
    pub session: String,
    /// The exit code that is passed on.
    pub exit: u8,
    /// What ended the session, in words.
    pub reason: String,
    /// The boundary's layers, as measured from inside.
    pub layers: Vec<Wall>,
    /// The limits, as the host gives them.
    pub limits: Vec<Wall>,
    /// Risks that were accepted by name.
    pub accepted_risks: Vec<String>,
    /// Destinations that were allowed.
    pub allowed: Vec<Counted>,
    /// Names and destinations that were refused.
    pub refused: Vec<Counted>,
    /// What models answered, where they did.
    #[serde(default)]
    pub models: Option<super::ModelsInfo>,
    /// Paths of the workspace that differ, relative to it; other trees' paths are absolute.
    pub changed: Vec<String>,
    /// How many there are, where the list holds fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_count: Option<u64>,
    /// How many paths were merged while the session ran, in a `live` workspace.
    #[serde(default)]
    pub merged: u64,
    /// The event of the last refusal, for `bastide why`.
    pub last_refusal: Option<String>,
    /// What is wrong with the session itself: a record that could not be written, a merge that is pending.
    pub warnings: Vec<String>,
}

/// Something that happened, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What; may be an agent's word.
    pub what: String,
    /// How often.
    pub times: u64,
}
