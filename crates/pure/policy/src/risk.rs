//! What a policy does at a risk, and what it is narrowed to then. Narrowing only ever asks about what was allowed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decide::Member;
use crate::mcp::Message;
use crate::{Conjunction, Default as Fallback, Egress, Host, Policy, Protocol, Request, Rule, Tls};

/// The highest that a risk comes to.
pub const MOST_RISK: u32 = 100;
/// Destinations that a narrowed policy knows: others are new to it.
pub const MOST_KNOWN: usize = 256;

/// Of what is left of a budget this part stays under risk: one of so many.
const PART: u64 = 4;

/// What stays of what is left of a budget under risk; the rest is there again when the operator takes that back.
#[must_use]
pub const fn left_under_risk(left: u64) -> u64 {
    left / PART
}

/// From which risk on something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// What has an effect outside is asked about.
    pub ask: Option<u32>,
    /// The session is paused.
    pub freeze: Option<u32>,
}

/// What is done at a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    #[default]
    Calm,
    /// What has an effect outside is asked about.
    Ask,
    /// Nothing goes on.
    Freeze,
}

impl Level {
    /// The name as it is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Calm => "calm",
            Level::Ask => "ask",
            Level::Freeze => "freeze",
        }
    }
}

impl Risk {
    /// The stricter of both.
    #[must_use]
    pub fn and(self, other: Risk) -> Risk {
        let least = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
        Risk { ask: least(self.ask, other.ask), freeze: least(self.freeze, other.freeze) }
    }

    /// This over what it extends.
    #[must_use]
    pub fn over(self, base: Risk) -> Risk {
        Risk { ask: self.ask.or(base.ask), freeze: self.freeze.or(base.freeze) }
    }

    /// What is done at a score.
    #[must_use]
    pub fn level(self, score: u32) -> Level {
        let reached = |at: Option<u32>| at.is_some_and(|at| score >= at);
        match (reached(self.freeze), reached(self.ask)) {
            (true, _) => Level::Freeze,
            (false, true) => Level::Ask,
            (false, false) => Level::Calm,
        }
    }

    /// Whether it does nothing at any risk.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.ask.is_none() && self.freeze.is_none()
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [("ask", self.ask), ("freeze", self.freeze)];
        let said = said.into_iter().filter_map(|(key, at)| at.map(|at| format!("{key}: {at}")));
        write!(formatter, "{{{}}}", said.collect::<Vec<_>>().join(", "))
    }
}

/// What a policy is narrowed to under risk: what has an effect outside is asked about, whatever rule allows it. That is any
/// request but one that reads, at a destination that was reached before; and bytes that nobody looks into. Of what is left of
/// budgets a quarter stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    /// The score that it was narrowed at.
    pub score: u32,
    /// Where something was let out before.
    pub known: Vec<(Host, u16)>,
    /// Requests can be read there, within TLS too: connections that carry them are not asked about.
    pub reads: bool,
    /// It was for its parent's risk: what takes that back takes this back.
    #[serde(default)]
    pub inherited: bool,
    /// What stays of budgets, in words: `1200 tokens`.
    #[serde(default)]
    pub left: Vec<String>,
}

impl fmt::Display for Narrowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (score, known) = (self.score, self.known.len());
        let whose = if self.inherited { "its parent's" } else { "a" };
        write!(
            formatter,
            "at {whose} risk of {score}, what is no reading from one of {known} destinations is asked about"
        )?;
        match self.left.is_empty() {
            true => Ok(()),
            false => write!(formatter, "; of budgets a quarter is left: {}", self.left.join(", ")),
        }
    }
}

impl Narrowed {
    /// What a rule allows has an effect outside.
    fn means(&self, member: &Member, egress: &Egress<'_>, rule: &Rule) -> bool {
        // What is asked of a model is no effect: what comes of it is judged where it has one.
        if rule.inference {
            return false;
        }
        let new = !self.known.iter().any(|(host, port)| host == egress.host && *port == egress.port);
        match egress.request {
            // Its requests are decided one by one.
            None => !member.reads(egress),
            Some(request) => acts(member, egress, request).is_some_and(|acts| acts || new),
        }
    }
}

/// Whether a request does more than read; nothing where that is known only when what it says was read.
fn acts(member: &Member, egress: &Egress<'_>, request: &Request) -> Option<bool> {
    match request.message() {
        Some(Message::Tool { .. } | Message::Granted(_)) => Some(true),
        Some(_) => Some(false),
        None if member.speaks(egress.host, egress.port, request) => None,
        None => Some(request.is_websocket() || !matches!(request.method().as_str(), "GET" | "HEAD" | "OPTIONS")),
    }
}

impl Member {
    /// Whether what a rule of this policy allows is asked about under risk, and the operator did not let it through.
    pub(crate) fn is_narrowed_from(&self, egress: &Egress<'_>, rule: &Rule) -> bool {
        let narrowed = self.policy.narrowed.as_ref();
        narrowed.is_some_and(|narrowed| narrowed.means(self, egress, rule)) && !self.lets(egress)
    }

    /// Whether a connection that a rule allows is read, so that what is said on it can be asked about.
    pub(crate) fn is_read_under_risk(&self, egress: &Egress<'_>) -> bool {
        let reads = |rule: &Rule| rule.protocol == Protocol::Detect && rule.tls == Tls::Read && !rule.inference;
        let narrowed = self.policy.narrowed.as_ref().is_some_and(|narrowed| narrowed.reads);
        narrowed && self.allowed_by(egress).is_some_and(reads)
    }
}

impl Policy {
    /// Whether a grant of the operator's means anything to it.
    pub(crate) fn asks(&self) -> bool {
        self.network.default == Fallback::Ask || self.narrowed.is_some()
    }
}

impl Conjunction {
    /// What is done at which risk: the strictest that any policy says.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.policies().fold(Risk::default(), |all, one| all.and(one.risk))
    }

    /// Whether any policy is narrowed.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.policies().any(|policy| policy.narrowed.is_some())
    }

    /// Whether the last policy is narrowed, the session's own: what is left of budgets is cut then.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.policies().last().is_some_and(|policy| policy.narrowed.is_some())
    }

    /// The same, narrowed: the last policy is, the session's own, unless it was already.
    #[must_use]
    pub fn narrow(&self, narrowed: &Narrowed) -> Conjunction {
        let mut policies: Vec<Arc<Policy>> = self.into();
        if let Some(last) = policies.last_mut() {
            Arc::make_mut(last).narrowed.get_or_insert_with(|| narrowed.clone());
        }
        Conjunction::sharing(policies)
    }
}
