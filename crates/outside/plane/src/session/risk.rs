//! What speaks for an attack in a session, as its process knows it: what its gates told, and what counts of that now.

use std::time::{SystemTime, UNIX_EPOCH};

use policy::{Narrowed, Policy};
use sense::detect::Name;
use sense::risk::Risk;
use wire::Counted;

/// Evidence that counts, what waits to be narrowed, and when the operator looked last.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    risk: Risk,
    /// What the gate narrowed to and no revision says yet.
    pub(super) waits: Option<Narrowed>,
    /// Microseconds since the Unix epoch; evidence of before counts no more.
    forgiven: u64,
    /// The risk of its parent's that it is to be narrowed for, as long as that one is.
    pub(super) above: Option<u32>,
}

impl Suspicion {
    /// One more piece of evidence, of now.
    pub(super) fn count(&mut self, name: &str, weight: u32) {
        if let Some(name) = Name::of(name) {
            self.risk.count(now() / 1000, name, weight);
        }
    }

    /// How high the risk is.
    pub(super) fn score(&self) -> u32 {
        self.risk.score(now() / 1000)
    }

    /// The operator took back what was narrowed.
    pub(super) fn forgive(&mut self) {
        self.risk.forgive();
        (self.forgiven, self.waits) = (now(), None);
    }

    /// What a new gate is told of evidence that the record holds.
    pub(super) fn told(&self, recorded: impl Iterator<Item = (u64, String, u32)>) -> Vec<Counted> {
        let now = now();
        let counts = recorded.filter(|(at, ..)| *at > self.forgiven);
        counts.map(|(at, name, weight)| Counted { name, weight, age: now.saturating_sub(at) / 1000 }).collect()
    }
}

/// Whether a policy is narrowed for its parent's risk.
pub(super) fn is_inherited(policy: &Policy) -> bool {
    policy.narrowed.as_ref().is_some_and(|narrowed| narrowed.inherited)
}

/// Microseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
