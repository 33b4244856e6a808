//! Tells each refusal once. A program that looks for the same file in a loop, or for a million files, fills no record.

use std::collections::HashSet;

use super::Denial;

/// Most refusals of one session that are told.
pub(super) const MOST_TOLD: usize = 256;

/// What was told already, and how much was not.
#[derive(Debug, Default)]
pub(super) struct Once {
    told: HashSet<(String, Vec<String>)>,
    untold: u64,
}

impl Once {
    /// The denial, if it is to be told.
    pub(super) fn take(&mut self, denial: Denial) -> Option<Denial> {
        let seen = (denial.path.clone(), denial.access.clone());
        if self.told.len() < MOST_TOLD && self.told.insert(seen) {
            return Some(denial);
        }
        self.untold = self.untold.saturating_add(1);
        None
    }

    /// How many were not told since this was asked last.
    pub(super) fn untold(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }
}
