//! Sub-agents: how many a session may begin and how deep, and what they may use up of what it has.

mod amounts;
mod narrow;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Conjunction, Policy, Rate};

pub use amounts::{Amounts, Good};
pub use narrow::{Left, Narrowed, Wish, narrow};

/// Most levels of children below a session.
pub const MAX_DEPTH: u32 = 8;
/// Most children of one session at once.
pub const MAX_CHILDREN: u32 = 256;
/// Most children of one session in all.
pub const MAX_TOTAL: u32 = 1_000_000;
/// Longest name of a policy, in characters.
const MAX_NAME: usize = 64;

/// The ceiling for all that a session begins. A policy without one begins nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agents {
    /// Levels of children: 1 is children that have none.
    pub depth: u32,
    /// Children that live at once.
    pub children: u32,
    /// Children in all, as long as the session runs, and those below them.
    pub total: u32,
    /// How fast they may begin.
    pub rate: Rate,
    /// What all of them together may use up; of what they only hold, memory and processes, as much at once.
    pub most: Amounts,
}

impl Default for Agents {
    /// What `agents: {}` says.
    fn default() -> Agents {
        Agents { depth: 1, children: 4, total: 32, rate: Rate { count: 12, seconds: 60 }, most: Amounts::default() }
    }
}

impl Agents {
    /// What both allow.
    #[must_use]
    pub fn and(self, other: Agents) -> Agents {
        Agents {
            depth: self.depth.min(other.depth),
            children: self.children.min(other.children),
            total: self.total.min(other.total),
            rate: self.rate.and(other.rate),
            most: self.most.and(other.most),
        }
    }

    /// What is left of it one level below, for a child that may use up so much and begin so many; none where that is the
    /// last level, or it may begin none.
    #[must_use]
    pub fn below(self, budget: Amounts, total: u32) -> Option<Agents> {
        let depth = self.depth.checked_sub(1).filter(|depth| *depth > 0 && total > 0)?;
        Some(Agents { depth, total: self.total.min(total), most: self.most.and(budget), ..self })
    }
}

impl fmt::Display for Agents {
    /// As it stands in a policy.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Agents { depth, children, total, rate, most } = self;
        write!(out, "{{depth: {depth}, children: {children}, total: {total}, rate: {rate}")?;
        for good in Good::ALL {
            if let Some(value) = most.shown(good) {
                write!(out, ", {}: {value}", good.name())?;
            }
        }
        out.write_str("}")
    }
}

impl Conjunction {
    /// What every policy lets sub-agents come to; none where any lets there be none.
    #[must_use]
    pub fn agents(&self) -> Option<Agents> {
        let mut all = self.policies().map(|policy| policy.agents);
        let first = all.next()??;
        all.try_fold(first, |so_far, next| Some(so_far.and(next?)))
    }

    /// The first policy that lets there be no sub-agents.
    #[must_use]
    pub fn childless(&self) -> Option<&Policy> {
        self.policies().find(|policy| policy.agents.is_none())
    }
}

/// The policy above those of a parent: its own, within what sub-agents may come to.
#[must_use]
pub fn ceiling(parent: &Policy) -> Policy {
    let mut policy = parent.clone();
    let most = parent.agents.unwrap_or_default().most;
    policy.name = format!("agents of {}", parent.name).chars().take(MAX_NAME).collect();
    policy.tests.clear();
    most.bound(&mut policy);
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(depth: u32, tokens: Option<u64>, rate: (u64, u64)) -> Agents {
        let rate = Rate { count: rate.0, seconds: rate.1 };
        Agents { depth, rate, most: Amounts { tokens, ..Amounts::default() }, ..Agents::default() }
    }

    #[test]
    fn two_ceilings_allow_no_more_than_either() {
        let (a, b) = (agents(2, Some(5), (100, 3600)), agents(3, None, (5, 1)));
        let both = a.and(b);
        assert_eq!((both.depth, both.most.tokens), (2, Some(5)));
        assert_eq!((both.rate.count, both.rate.seconds), (5, 3600));
        assert_eq!(b.and(a), both);
    }

    #[test]
    fn one_policy_without_a_word_of_children_lets_there_be_none() {
        let with = |agents| Policy { agents, ..Policy::default() };
        let (some, none) = (with(Some(Agents::default())), Policy { name: "n".into(), ..with(None) });
        assert_eq!(Conjunction::new(vec![some.clone()]).agents(), Some(Agents::default()));
        let mixed = Conjunction::new(vec![some, none]);
        assert_eq!((mixed.agents(), mixed.childless().map(|policy| policy.name.as_str())), (None, Some("n")));
        assert_eq!(Conjunction::new(Vec::new()).agents(), None);
    }

    #[test]
    fn depth_ends_and_a_childs_own_budget_bounds_its_children() {
        let two = agents(2, Some(50), (1, 1));
        let one = two.below(Amounts { tokens: Some(7), ..Amounts::default() }, 9).expect("one more level");
        assert_eq!((one.depth, one.total, one.most.tokens), (1, 9, Some(7)));
        assert_eq!((one.below(Amounts::default(), 9), two.below(Amounts::default(), 0)), (None, None));
    }
}
