//! What is told to a process that enters a cell that stands already.

use serde::{Deserialize, Serialize};

use crate::{Command, Identity, Limits, Stdio};

/// Everything that a process is told which enters a cell, in one message. The descriptors of [`crate::Report::Namespaces`]
/// ride with its first byte. Only a cell with every layer is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Always [`crate::VERSION`].
    pub version: u32,
    /// Who the cell's agent is.
    pub identity: Identity,
    /// The limits of the cell.
    pub limits: Limits,
    /// What to do there.
    pub errand: Errand,
}

/// What is done in a cell that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// Start a program behind the walls that the agent is behind.
    Execute {
        /// How its stdio is made.
        stdio: Stdio,
        /// The program.
        command: Command,
    },
    /// Open one regular file, as the agent could, following no link.
    Open {
        /// Directory inside that it lies in, or beneath.
        beneath: String,
        /// Path from there.
        path: String,
        /// For writing, made where it is not there; else for reading.
        write: bool,
        /// A file that is made may be executed.
        executable: bool,
    },
    /// Connect to this port of the cell's loopback, whenever [`crate::Order::Connect`] says so.
    Reach {
        /// Which.
        port: u16,
    },
}
