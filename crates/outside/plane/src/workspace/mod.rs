//! The workspace: an overlay's upper layer is hostile input, and what it says is merged into the original by us.
//!
//! Never follows a symlink, never runs git or any program, never merges a path that changed on both sides, and
//! never touches the original before a journal that can finish the merge is on disk.

mod apply;
mod beneath;
mod diff;
mod discard;
mod flag;
mod journal;
mod scan;
mod snapshot;

pub use apply::{Filter, Merge, Outcome, Reason, Steps};
pub use beneath::Tree;
pub use diff::diff;
pub use discard::discard;
pub use flag::{Flag, flags};
pub use scan::{Change, Conflict, Kind, Refusal, scan};
pub use snapshot::{Manifest, Node, Stamp};

use std::path::{Path, PathBuf};

/// Why a workspace operation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused an operation on a path.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The path, relative to its tree.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A path is absolute, empty or climbs with `..`.
    #[error("path `{}` does not stay beneath its tree", .0.display())]
    Escapes(PathBuf),
    /// A tree is nested deeper than the engine walks.
    #[error("`{}` is nested too deep", .0.display())]
    TooDeep(PathBuf),
    /// An earlier merge did not finish: it must be recovered first.
    #[error("an earlier merge is unfinished; recover it first")]
    Pending,
    /// The journal or manifest cannot be read.
    #[error("journal is damaged: {0}")]
    Journal(#[from] serde_json::Error),
    /// The injected step limit was reached (tests of crashes only).
    #[error("stopped before step `{0}`")]
    Interrupted(&'static str),
}

/// Turns a kernel error into ours, with the words that the operator needs.
fn io<E: Into<std::io::Error>>(what: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source: source.into() }
}
