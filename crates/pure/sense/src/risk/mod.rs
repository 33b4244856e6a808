//! How high the risk of a session is: the sum of named evidence, each of which counts for less as time passes.
//!
//! More evidence never lowers it, and time never raises it. No one name comes to more than [`OF_ONE`], so that one detector
//! that is wrong over and over does not reach what two reach that agree. Time is given by the caller.

use std::collections::HashSet;

use policy::MOST_RISK;

use crate::detect::Name;

/// Milliseconds after which evidence counts for half.
pub const HALF: u64 = 30 * 60 * 1000;
/// Most that evidence of one name comes to.
pub const OF_ONE: u32 = 50;
/// Evidence that is kept one by one. Past it the oldest two of a name count as one, as of the later.
const KEPT: usize = 256;
/// Contents that are known, so that one that is read again is not counted again.
const KNOWN: usize = 16_384;

/// One that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: u64,
    name: Name,
    weight: u32,
}

/// The evidence of one session, its children's among it.
#[derive(Debug, Clone, Default)]
pub struct Risk {
    entries: Vec<Entry>,
    known: HashSet<(Name, u64)>,
}

impl Risk {
    /// Counts evidence, of a content that is told by its hash; gives whether it was new.
    pub fn add(&mut self, at: u64, name: Name, weight: u32, content: u64) -> bool {
        if self.known.len() >= KNOWN {
            // What is forgotten counts again.
            self.known.clear();
        }
        let new = self.known.insert((name, content));
        if new {
            self.count(at, name, weight);
        }
        new
    }

    /// Counts what was counted before, by another gate or in a child.
    pub fn count(&mut self, at: u64, name: Name, weight: u32) {
        self.entries.push(Entry { at, name, weight: weight.min(OF_ONE) });
        if self.entries.len() > KEPT {
            self.join();
        }
    }

    /// How high it is, at a time.
    #[must_use]
    pub fn score(&self, now: u64) -> u32 {
        let of = |name: Name| {
            let own = self.entries.iter().filter(|entry| entry.name == name);
            own.map(|entry| decayed(entry.weight, now.saturating_sub(entry.at))).sum::<u64>().min(milli(OF_ONE))
        };
        let sum: u64 = Name::ALL.into_iter().map(of).sum();
        u32::try_from(sum / 1000).unwrap_or(MOST_RISK).min(MOST_RISK)
    }

    /// The names that count, the heaviest first, each with what it comes to.
    #[must_use]
    pub fn named(&self, now: u64) -> Vec<(Name, u32)> {
        let of = |name: Name| {
            let only = Risk {
                entries: self.entries.iter().filter(|one| one.name == name).copied().collect(),
                ..Risk::default()
            };
            (name, only.score(now))
        };
        let mut named: Vec<(Name, u32)> = Name::ALL.into_iter().map(of).filter(|(_, score)| *score > 0).collect();
        named.sort_by(|(name, score), (other, less)| less.cmp(score).then(name.cmp(other)));
        named
    }

    /// The operator looked at it: nothing that was counted so far counts any more. What is known stays known.
    pub fn forgive(&mut self) {
        self.entries.clear();
    }

    /// Two of one name count as one, as of the later: that never lowers it.
    fn join(&mut self) {
        for at in 0..self.entries.len() {
            let first = self.entries[at];
            let Some(next) = (at + 1..self.entries.len()).find(|next| self.entries[*next].name == first.name) else {
                continue;
            };
            let other = &mut self.entries[next];
            other.at = other.at.max(first.at);
            other.weight = other.weight.saturating_add(first.weight);
            self.entries.remove(at);
            return;
        }
    }
}

fn milli(points: u32) -> u64 {
    u64::from(points) * 1000
}

/// What is left of a weight, in thousandths: half after each half-life, in a straight line within one.
fn decayed(weight: u32, age: u64) -> u64 {
    let halves = age / HALF;
    if halves >= 32 {
        return 0;
    }
    // Rounded once: so what counts as one is never less than both.
    let left = u128::from(milli(weight)) * u128::from(2 * HALF - age % HALF) / (u128::from(2 * HALF) << halves);
    u64::try_from(left).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
