//! Whether something stood in the workspace before the session: asked by a gate of parts of a request that it cannot look into.

use serde::{Deserialize, Serialize};

/// Most parts that are asked about at once.
pub const MAX_WHOLES: usize = 4096;

/// Bytes as a whole, such as those of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// How many.
    pub size: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A file that stood there, is as it was, and carries no label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stood {
    /// Which bytes it holds: counted from 0, in the order that was asked in.
    pub whole: u32,
    /// Its path, from the workspace.
    pub path: String,
}
