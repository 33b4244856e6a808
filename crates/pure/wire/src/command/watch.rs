//! How all sessions stand, and what changes: told to who watches, as long as he stays.

use policy::{Amounts, Good};
use serde::{Deserialize, Serialize};

use super::SessionInfo;
use crate::control::Counts;
use crate::question::Card;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "news", deny_unknown_fields)]
pub enum News {
    /// A session as it stands now: all of it, in the place of what was told before.
    Session(Box<Watched>),
    /// It is watched no more: it was removed, or ended long ago.
    Gone {
        /// Its id.
        session: String,
    },
    /// All that there is was told once.
    Whole,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// As a list has it.
    pub session: SessionInfo,
    /// What was recorded so far.
    pub counts: Counts,
    /// What its policies bound.
    pub budget: Amounts,
    /// Its questions that wait, the oldest first.
    pub cards: Vec<Card>,
}

/// How much of a bound is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Of what.
    pub good: Good,
    /// In percent; more than 100 where more was used than allowed.
    pub percent: u64,
}

impl Watched {
    /// Of tokens, requests, money and time, that of which the greatest part is used up; none where nothing is bounded.
    /// Time is that which passed until `now`, in microseconds since the Unix epoch.
    #[must_use]
    pub fn fullest(&self, now: u64) -> Option<Share> {
        self.shares(now).into_iter().max_by_key(|share| share.percent)
    }

    /// Each bound, and how much of it is used up.
    #[must_use]
    pub fn shares(&self, now: u64) -> Vec<Share> {
        let until = self.session.ended.unwrap_or(now);
        let used = self.counts.used.with(Good::Time, Some(until.saturating_sub(self.session.started) / 1_000_000));
        let share = |good: Good| {
            let (used, most) = (used.get(good).unwrap_or(0), self.budget.get(good)?);
            // Of two currencies nothing can be said.
            let same = good != Good::Money
                || self
                    .counts
                    .used
                    .money
                    .is_none_or(|used| Some(used.currency) == self.budget.money.map(|m| m.currency));
            let percent = u128::from(used) * 100 / u128::from(most.max(1));
            same.then(|| Share { good, percent: u64::try_from(percent).unwrap_or(u64::MAX) })
        };
        [Good::Tokens, Good::Requests, Good::Money, Good::Time].into_iter().filter_map(share).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn watched(used: Amounts, budget: Amounts) -> Watched {
        let session = serde_json::json!({
            "id": "s1", "name": null, "state": "running", "started": 1_000_000, "ended": null, "command": ["x"],
            "workspace": "/w", "mode": "review", "policy": "p", "revision": 1, "accepted_risks": [], "exit": null,
            "pending": null, "layers": [], "limits": [], "allowed": [], "refused": [],
        });
        let session = serde_json::from_value(session).unwrap();
        Watched { session, counts: Counts { used, ..Counts::default() }, budget, cards: Vec::new() }
    }

    #[test]
    fn the_gauge_shows_what_ends_first() {
        let money = |text: &str| text.parse().ok();
        let used = Amounts { tokens: Some(30), requests: Some(9), money: money("1 USD"), ..Amounts::default() };
        let none = watched(used, Amounts::default());
        assert_eq!(none.fullest(5_000_000), None);
        let budget = Amounts { tokens: Some(100), requests: Some(10), time: Some(8), ..Amounts::default() };
        assert_eq!(watched(used, budget).fullest(5_000_000), Some(Share { good: Good::Requests, percent: 90 }));
        assert_eq!(watched(used, budget).fullest(9_000_000), Some(Share { good: Good::Time, percent: 100 }));
        // Over it, without a bound of nothing, and of another currency.
        let budget = Amounts { tokens: Some(0), money: money("2 EUR"), ..Amounts::default() };
        assert_eq!(watched(used, budget).shares(0), [Share { good: Good::Tokens, percent: 3000 }]);
        let budget = Amounts { money: money("4 USD"), ..Amounts::default() };
        assert_eq!(watched(used, budget).shares(0), [Share { good: Good::Money, percent: 25 }]);
        let much = Amounts { tokens: Some(u64::MAX), ..Amounts::default() };
        let one = watched(much, Amounts { tokens: Some(1), ..Amounts::default() });
        assert_eq!(one.fullest(0).unwrap().percent, u64::MAX);
    }
}
