//! What a cell changed at one path, as it is shown, sent to the client, kept for the merge and checked by it.

use super::git::Unit;
use super::{Conflict, Flag, Stamp, seal};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// New file, link or directory.
    Created,
    /// Other content.
    Modified,
    /// Another kind of thing stands there now.
    Replaced,
    /// Gone.
    Removed,
    /// Same content, other permission bits.
    Mode,
    /// A git directory, merged as one unit.
    Git,
}

/// Why a change is never merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A device, socket or FIFO.
    Special,
    /// Setuid or setgid bit.
    Setuid,
    /// File capabilities.
    Capabilities,
    /// A symlink that is absolute or leaves the workspace.
    EscapingLink,
    /// A file or link named `.git`, which would send git elsewhere.
    Gitfile,
    /// The git directory is gone or something else.
    GitRemoved,
    /// A git directory that holds what git must not be given.
    GitUnsafe,
    /// An alternates file, which would make git read objects elsewhere.
    Alternates,
    /// An overlay redirect or metacopy: content lies in another place than it seems.
    Redirect,
    /// Larger than what is merged, or the last of too much.
    TooLarge,
    /// Nested deeper than what is merged.
    TooDeep,
    /// A sub-agent was given it to be read only.
    NotGranted,
    /// It changed or could not be read while it was looked at, or the original cannot be.
    Unreadable,
}

/// One path that the cell changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Relative to the workspace.
    #[serde(with = "seal::path")]
    pub path: PathBuf,
    /// What happened.
    pub kind: Kind,
    /// What stands in the upper layer; `None` if removed. Merging checks the copy against it.
    pub after: Option<Stamp>,
    /// What stood in the original when scanned.
    pub before: Option<Stamp>,
    /// What to look at twice.
    pub flags: Vec<Flag>,
    /// Never merged, for this reason.
    pub refusal: Option<Refusal>,
    /// Not merged by itself, for this reason.
    pub conflict: Option<Conflict>,
    /// What a git directory's change consists of.
    pub git: Option<Box<Unit>>,
}

impl Change {
    /// Whether it is what git runs or obeys and nothing else, which is merged under no name.
    pub fn is_of_gits_own(&self) -> bool {
        match &self.git {
            Some(unit) => unit.is_empty(),
            None => self.flags.contains(&Flag::Git),
        }
    }
}
