//! What a session's children may use up and did: sums of the events of its own segment, in which all reservations stand in
//! order. What is reserved is gone from what may be reserved further, until the child's end says how much of it was used:
//! so that many who ask at once get no more than one after the other, whatever is killed in between.

use std::collections::{BTreeMap, VecDeque};

use policy::{Agents, Amounts, Good};

use crate::{Event, Kind};

/// The children of one session.
#[derive(Debug, Clone, Default)]
pub struct Children {
    all: BTreeMap<u32, Child>,
    /// When the last of them were reserved for, in microseconds: no more than a rate counts.
    lately: VecDeque<u64>,
}

/// One child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its session, once that began.
    pub session: Option<String>,
    /// What it may use up.
    pub reserved: Amounts,
    /// What it did, once it ended.
    pub used: Option<Amounts>,
    /// How many it may begin below itself in all; once it ended, how many it did.
    pub below: u32,
}

/// Why another child cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// So many live.
    #[error("{0} sub-agents run already, the most at once")]
    Width(u32),
    /// So many were begun.
    #[error("{0} sub-agents were begun or are kept for those that run, the most in one session")]
    Total(u32),
    /// Too many in a short time.
    #[error("sub-agents begin no faster than {0}")]
    Rate(policy::Rate),
    /// So little is left of one kind.
    #[error("{left} are left for sub-agents, and {wanted} are asked for: {}", .good.name())]
    Spent {
        /// Which kind.
        good: Good,
        /// What is left.
        left: u64,
        /// What is asked for.
        wanted: u64,
    },
    /// A kind that is bounded for all must be bounded for each.
    #[error("how much of it a sub-agent may use up must be said: {}", .0.name())]
    Unbounded(Good),
}

impl Children {
    /// Takes an event of the session's segment.
    pub fn take(&mut self, event: &Event) {
        match &event.kind {
            Kind::ChildReserved { child, budget, below, .. } => {
                let made = Child { session: None, reserved: *budget, used: None, below: *below };
                self.all.entry(*child).or_insert(made);
                self.lately.push_back(event.at);
                // No rate counts more.
                if self.lately.len() > MOST_LATELY {
                    self.lately.pop_front();
                }
            }
            Kind::ChildBegan { child, session } => {
                if let Some(child) = self.all.get_mut(child) {
                    child.session.get_or_insert_with(|| session.clone());
                }
            }
            // It comes back once, whatever is told twice.
            Kind::ChildEnded { child, used, below, .. } => {
                if let Some(child) = self.all.get_mut(child).filter(|child| child.used.is_none()) {
                    child.used = Some(*used);
                    child.below = *below;
                }
            }
            _ => {}
        }
    }

    /// The number of the next child.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.all.last_key_value().map_or(1, |(last, _)| last.saturating_add(1))
    }

    /// Every child, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Child)> {
        self.all.iter().map(|(number, child)| (*number, child))
    }

    /// How many live.
    #[must_use]
    pub fn alive(&self) -> u32 {
        u32::try_from(self.all.values().filter(|child| child.used.is_none()).count()).unwrap_or(u32::MAX)
    }

    /// How many were begun, and may be below them: each counts for every session above it.
    #[must_use]
    pub fn begun(&self) -> u32 {
        self.all.values().fold(0, |sum: u32, child| sum.saturating_add(1).saturating_add(child.below))
    }

    /// How many the next one may begin below itself: an equal share of what is left, so that a tree has no more than its
    /// root allows.
    #[must_use]
    pub fn share_below(&self, agents: &Agents) -> u32 {
        agents.total.saturating_sub(self.begun()).saturating_sub(1) / agents.children.max(1)
    }

    /// How much is gone of one kind: what those who live may use up, and what the others did.
    #[must_use]
    pub fn gone(&self, good: Good) -> u64 {
        let of = |child: &Child| match child.used {
            Some(_) if good.is_held() => 0,
            Some(used) => used.get(good).unwrap_or(0),
            None => child.reserved.get(good).unwrap_or(0),
        };
        self.all.values().fold(0, |sum: u64, child| sum.saturating_add(of(child)))
    }

    /// How much is left of one kind; none where that has no bound.
    #[must_use]
    pub fn left(&self, most: &Amounts, good: Good) -> Option<u64> {
        most.get(good).map(|most| most.saturating_sub(self.gone(good)))
    }

    /// Whether another one may begin now.
    ///
    /// # Errors
    /// [`Full`].
    pub fn room(&self, agents: &Agents, now: u64) -> Result<(), Full> {
        if self.alive() >= agents.children {
            return Err(Full::Width(agents.children));
        }
        if self.begun() >= agents.total {
            return Err(Full::Total(agents.total));
        }
        let window = agents.rate.seconds.saturating_mul(1_000_000);
        // What a clock that was set back calls the future was a moment ago.
        let lately = self.lately.iter().filter(|at| now.saturating_sub(**at) < window).count();
        let count = usize::try_from(agents.rate.count).unwrap_or(usize::MAX).min(MOST_LATELY);
        if lately >= count { Err(Full::Rate(agents.rate)) } else { Ok(()) }
    }

    /// Whether one that may use up so much may begin now: then [`Kind::ChildReserved`] is to be written.
    ///
    /// # Errors
    /// [`Full`].
    pub fn fits(&self, agents: &Agents, budget: &Amounts, now: u64) -> Result<(), Full> {
        self.room(agents, now)?;
        for good in Good::ALL {
            let Some(left) = self.left(&agents.most, good) else { continue };
            let wanted = budget.get(good).ok_or(Full::Unbounded(good))?;
            if wanted > left {
                return Err(Full::Spent { good, left, wanted });
            }
        }
        Ok(())
    }
}

/// Most moments that are kept: a rate counts no further than that.
const MOST_LATELY: usize = 4096;

#[cfg(test)]
mod tests;
