//! The operator's ledger on disk: the segments of every session merged into one log that is signed.
//!
//! ```text
//! ledger/log          a leaf a line, in order (`record::ledger::Leaf`); only ever appended to
//!        checkpoint   the newest signed state of it: a C2SP checkpoint
//!        tree         what is needed to go on without reading the log again; made anew where it does not fit
//!        key          the key that signs, 0600; made at first use
//! ```
//!
//! Who appends holds a lock on the directory. A kill between two steps leaves at most a torn last line and an older
//! checkpoint: the next one who appends cuts the line off and signs what is there. What does not fit the checkpoint is
//! never signed.
//!
//! Everything here is called with a store and a session: by a plane of one session at its end and at times, and as well by
//! one that holds many. Nothing of it is on the way to a start.

mod key;
mod log;
mod merge;
mod prune;
mod segment;
mod snapshot;
mod verify;

pub use key::{SigningKey, is_signature};
pub use log::Log;
pub use merge::{Merging, Pace, merge, merge_after};
pub use prune::{Old, Unreviewed, finish_pruning, may_go, prune, remove};
pub use segment::check;
pub use snapshot::{Own, Snapshot};
pub use verify::{Asked, verify};

use std::io;
use std::path::{Path, PathBuf};

use wire::command::Problem;

use crate::problem::{NO, problem, quoted, state};

/// Why the ledger was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The kernel's error.
    #[error("cannot {what} `{}`: {error}", .path.display())]
    Host {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The key cannot be used.
    #[error("the ledger's key {0}")]
    Key(String),
    /// The log is not what was signed.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// A session's record is not what the ledger knows of it.
    #[error("its record is not what the ledger knows of it: {0}")]
    Strayed(String),
    /// Nothing was signed yet.
    #[error("there is no checkpoint yet: the first session to end makes one")]
    None,
}

impl LedgerError {
    fn host(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
        move |error| LedgerError::Host { what, path: path.to_owned(), error }
    }
}

/// What the operator is told.
#[must_use]
pub fn refused(error: LedgerError) -> Problem {
    let cause = quoted(&error.to_string());
    match error {
        LedgerError::Host { what, path, error } => state(what, &path, &error),
        LedgerError::Damaged(_) | LedgerError::Strayed(_) => {
            let hint = "compare it with a checkpoint kept elsewhere: `bastide log verify --checkpoint FILE`";
            problem("E-PLANE-110", cause, hint, NO)
        }
        LedgerError::Key(_) => {
            problem("E-PLANE-111", cause, "`bastide help E-PLANE-111` says what becomes of a ledger without it", NO)
        }
        LedgerError::None => problem("E-PLANE-112", cause, "`bastide run -- CMD` begins a session", NO),
    }
}

impl From<LedgerError> for io::Error {
    fn from(error: LedgerError) -> io::Error {
        match error {
            LedgerError::Host { error, .. } => error,
            other => io::Error::other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
