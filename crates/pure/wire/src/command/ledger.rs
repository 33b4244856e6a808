//! `log checkpoint`, `key`, `prune`, `export` and `verify --checkpoint`: the ledger of all sessions.

use serde::{Deserialize, Serialize};

use super::Select;

/// What is asked of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ledger", deny_unknown_fields)]
pub enum LedgerRequest {
    /// The newest checkpoint.
    Checkpoint,
    /// The public key; answered by [`super::Reply::Page`].
    Key,
    /// What it proves.
    Verify(LedgerVerify),
    /// Remove the segments of old sessions.
    Prune {
        /// Of those that ended before, in microseconds since the Unix epoch.
        before: Option<u64>,
        /// Of all but so many, the newest.
        keep: Option<u64>,
    },
    /// The events of one session as OCSF; answered by [`super::Reply::Line`]s.
    Export(Select),
}

/// What is to be proved, and against what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerVerify {
    /// This session alone; every one when absent.
    pub select: Option<Select>,
    /// A checkpoint that was kept elsewhere, as it was printed.
    pub checkpoint: Option<String>,
    /// The public key that signed it, as it was printed; that of this machine when absent.
    pub key: Option<String>,
}

/// The newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointInfo {
    /// As it is to be kept: a C2SP checkpoint, signed.
    pub note: String,
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of its tree, in hexadecimal.
    pub root: String,
    /// Seconds since the Unix epoch at which it was signed.
    pub time: Option<u64>,
    /// The id of the key that signed it, in hexadecimal.
    pub key_id: String,
}

/// The checkpoint that was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Which log.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// Seconds since the Unix epoch at which it was signed, where it tells.
    pub time: Option<u64>,
    /// The id of the key that signed it, in hexadecimal.
    pub key_id: String,
    /// It was kept elsewhere: it is not this machine's own word.
    pub elsewhere: bool,
}

/// What a ledger proves. All is well where there is no fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerProof {
    /// What was compared with, where it could be opened.
    pub held: Option<Held>,
    /// Entries of the ledger.
    pub entries: u64,
    /// Sessions whose segments were proved.
    pub sessions: u64,
    /// Their events under the checkpoint.
    pub under: u64,
    /// Their events that came after it.
    pub after: u64,
    /// Sessions that were pruned.
    pub pruned: Vec<PrunedDay>,
    /// What does not hold.
    pub faults: Vec<String>,
    /// What is to be known beside.
    pub notes: Vec<String>,
}

/// Sessions that were pruned on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunedDay {
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// How many.
    pub sessions: u64,
}

/// What the ledger knows of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Entries of the ledger that tell of it.
    pub entries: u64,
    /// Events that they cover.
    pub events: u64,
    /// What of the ledger itself does not hold.
    pub faults: Vec<String>,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneAnswer {
    /// Sessions whose segments are gone.
    pub done: Vec<String>,
    /// Sessions that were left as they are, each with the reason.
    pub left: Vec<(String, String)>,
}
