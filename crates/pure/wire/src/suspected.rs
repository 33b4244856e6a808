//! What speaks for an attack, as a gate tells it and as the next gate is told it.

use policy::{Level, Narrowed};
use serde::{Deserialize, Serialize};

/// Evidence that a gate found, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspected {
    /// Its name: `instruction`, `secret`…
    pub name: String,
    /// What it adds to the risk.
    pub weight: u32,
    /// What that comes to with it.
    pub score: u32,
    /// What the policies do at such a risk.
    pub level: Level,
    /// Where it was found.
    pub source: String,
    /// The event that tells of it; empty where it was only counted.
    pub event: String,
    /// What the gate narrowed its policies to for it.
    pub narrowed: Option<Narrowed>,
}

/// Evidence that still counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Its name.
    pub name: String,
    /// What it added.
    pub weight: u32,
    /// Milliseconds since then.
    pub age: u64,
}
