//! What a session uses up or holds, and how much of it. Whole numbers throughout: nothing is lost in a split.

use serde::{Deserialize, Serialize};

use crate::{Limit, Money, Policy, print};

/// One kind of what is split between a parent and its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // As in [`Amounts`].
pub enum Good {
    Tokens,
    Requests,
    Money,
    Time,
    Memory,
    Pids,
}

/// So much of each; none is said of what has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// Tokens of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Requests to models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Money for models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// Seconds that a session runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

impl Good {
    /// Every kind, in the order of the language.
    pub const ALL: [Good; 6] = [Good::Tokens, Good::Requests, Good::Money, Good::Time, Good::Memory, Good::Pids];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Good::Tokens => "tokens",
            Good::Requests => "requests",
            Good::Money => "money",
            Good::Time => "time",
            Good::Memory => "memory",
            Good::Pids => "pids",
        }
    }

    /// Whether it comes back whole when its holder ends: it was held, not used up.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Good::Memory | Good::Pids)
    }

    /// The limit of a cell that bounds it.
    const fn limit(self) -> Option<Limit> {
        match self {
            Good::Time => Some(Limit::Time),
            Good::Memory => Some(Limit::Memory),
            Good::Pids => Some(Limit::Pids),
            _ => None,
        }
    }
}

impl Amounts {
    /// How much of one kind, in its smallest unit.
    #[must_use]
    pub fn get(&self, good: Good) -> Option<u64> {
        match good {
            Good::Tokens => self.tokens,
            Good::Requests => self.requests,
            Good::Money => self.money.map(|money| money.micros),
            Good::Time => self.time,
            Good::Memory => self.memory,
            Good::Pids => self.pids,
        }
    }

    /// The same with so much of one kind. Money has a currency only where it had one.
    #[must_use]
    pub fn with(mut self, good: Good, value: Option<u64>) -> Amounts {
        match good {
            Good::Tokens => self.tokens = value,
            Good::Requests => self.requests = value,
            Good::Money => self.money = self.money.zip(value).map(|(money, micros)| Money { micros, ..money }),
            Good::Time => self.time = value,
            Good::Memory => self.memory = value,
            Good::Pids => self.pids = value,
        }
        self
    }

    /// What both allow: the least of each. Of two currencies the first one's amount stays, and no more than 0 of it.
    #[must_use]
    pub fn and(self, other: Amounts) -> Amounts {
        let least = |one: Option<u64>, two: Option<u64>| one.into_iter().chain(two).min();
        let money = match (self.money, other.money) {
            (Some(one), Some(two)) if one.currency == two.currency => Some(one.min(two)),
            (Some(one), Some(_)) => Some(Money { micros: 0, ..one }),
            (one, two) => one.or(two),
        };
        Amounts {
            tokens: least(self.tokens, other.tokens),
            requests: least(self.requests, other.requests),
            money,
            time: least(self.time, other.time),
            memory: least(self.memory, other.memory),
            pids: least(self.pids, other.pids),
        }
    }

    /// What is said here, and what the other says of the rest.
    #[must_use]
    pub fn or(self, other: Amounts) -> Amounts {
        Amounts {
            tokens: self.tokens.or(other.tokens),
            requests: self.requests.or(other.requests),
            money: self.money.or(other.money),
            time: self.time.or(other.time),
            memory: self.memory.or(other.memory),
            pids: self.pids.or(other.pids),
        }
    }

    /// What a policy itself bounds.
    #[must_use]
    pub fn of(policy: &Policy) -> Amounts {
        Amounts {
            tokens: policy.inference.tokens,
            requests: policy.inference.requests,
            money: policy.inference.money,
            time: policy.limits.time,
            memory: policy.limits.memory,
            pids: policy.limits.pids,
        }
    }

    /// Bounds a policy by it.
    pub fn bound(self, policy: &mut Policy) {
        let all = Amounts::of(policy).and(self);
        policy.inference.tokens = all.tokens;
        policy.inference.requests = all.requests;
        policy.inference.money = all.money;
        policy.limits.time = all.time;
        policy.limits.memory = all.memory;
        policy.limits.pids = all.pids;
    }

    /// One kind as it is written.
    #[must_use]
    pub fn shown(&self, good: Good) -> Option<String> {
        let value = self.get(good)?;
        Some(match (good, good.limit()) {
            (Good::Money, _) => self.money?.to_string(),
            (_, Some(limit)) => print::quantity(limit, value),
            _ => value.to_string(),
        })
    }
}

impl std::fmt::Display for Amounts {
    /// `500 tokens, 1h time`; `no bound` where nothing is said.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut first = true;
        for good in Good::ALL {
            let Some(value) = self.shown(good) else { continue };
            write!(out, "{}{value}", if first { "" } else { ", " })?;
            if good != Good::Money {
                write!(out, " {}", good.name())?;
            }
            first = false;
        }
        if first { out.write_str("no bound") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_currencies_allow_nothing() {
        let money = |text: &str| Amounts { money: text.parse().ok(), ..Amounts::default() };
        assert_eq!(money("5 USD").and(money("3 USD")).money, "3 USD".parse().ok());
        assert_eq!(money("5 USD").and(money("3 EUR")).get(Good::Money), Some(0));
        assert_eq!(money("5 USD").and(Amounts::default()), money("5 USD"));
    }

    #[test]
    fn every_kind_is_taken_and_given_under_its_name() {
        let mut all = Amounts { money: "1 USD".parse().ok(), ..Amounts::default() };
        for (at, good) in (7..).zip(Good::ALL) {
            all = all.with(good, Some(at));
            assert_eq!(all.get(good), Some(at), "{}", good.name());
        }
        let mut policy = Policy::default();
        all.bound(&mut policy);
        assert_eq!(Amounts::of(&policy), all);
        assert_eq!(all.to_string(), "7 tokens, 8 requests, 0.000009 USD, 10s time, 11 memory, 12 pids");
        assert_eq!(Amounts::default().to_string(), "no bound");
    }
}
