//! How much of what was said stands in the record.

use serde::{Deserialize, Serialize};

use crate::Conjunction;

/// What the record keeps of a body: what models are told and say, and what evidence quotes. Strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bodies {
    /// Its hash and its length, and none of its text.
    Hash,
    /// Its beginning.
    #[default]
    Redacted,
    /// All of it, within the bounds of the record.
    Full,
}

impl Bodies {
    /// Every choice, in the order of the language.
    pub const ALL: [Bodies; 3] = [Bodies::Full, Bodies::Redacted, Bodies::Hash];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bodies::Hash => "hash",
            Bodies::Redacted => "redacted",
            Bodies::Full => "full",
        }
    }
}

impl Conjunction {
    /// The strictest that any policy says.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        self.policies().map(|policy| policy.bodies).min().unwrap_or_default()
    }
}
