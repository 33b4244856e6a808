//! Which rule decided, or why none did, for every policy of a conjunction.

use serde::{Deserialize, Serialize};

use crate::decide::Verdict;
use crate::{Conjunction, Default, Egress};

/// A decision without its permit, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The decisions.
pub enum Outcome {
    Deny,
    Ask,
    /// The connection is allowed as far as its requests are.
    Read,
    Allow,
}

impl Outcome {
    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Deny => "deny",
            Outcome::Ask => "ask",
            Outcome::Read => "read",
            Outcome::Allow => "allow",
        }
    }
}

/// Why a request is decided as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The decision: the least of the members'.
    pub outcome: Outcome,
    /// Each policy's part, ceiling first.
    pub members: Vec<MemberExplanation>,
}

/// One policy's part in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberExplanation {
    /// The policy's name.
    pub policy: String,
    /// What it says by itself.
    pub outcome: Outcome,
    /// The rule that decided; none when the default or a special range did.
    pub rule: Option<String>,
    /// One line for the operator.
    pub text: String,
}

/// Explains a request. Its outcome is always that of [`crate::decide`]; for a written address also that of
/// [`crate::Permit::pin`].
#[must_use]
pub fn explain(conjunction: &Conjunction, egress: &Egress<'_>) -> Explanation {
    let part = |member: &crate::decide::Member| {
        let (outcome, rule, text) = match member.judge(egress) {
            Verdict::Denied(rule) => (Outcome::Deny, Some(rule), format!("denied by {rule}")),
            Verdict::Allowed(rule) if member.must_read(egress) => {
                let what = if egress.request.is_none() { "request" } else { "message" };
                (Outcome::Read, Some(rule), format!("each {what} is decided by itself; {rule} allows some"))
            }
            Verdict::Allowed(rule)
                if member.granted(egress, egress.host).is_some_and(|grant| std::ptr::eq(grant, rule)) =>
            {
                (Outcome::Allow, Some(rule), format!("the operator granted {rule}"))
            }
            Verdict::Allowed(rule) => (Outcome::Allow, Some(rule), format!("allowed by {rule}")),
            Verdict::Narrowed(rule) => {
                (Outcome::Ask, Some(rule), format!("allowed by {rule}; narrowed under risk, the operator is asked"))
            }
            Verdict::Unnamed(Default::Deny) => (Outcome::Deny, None, "no rule matches; the default is deny".into()),
            Verdict::Unnamed(Default::Ask) => (Outcome::Ask, None, "no rule matches; the default is ask".into()),
            Verdict::Closed(address, found) => {
                let text = format!("no rule opens {address} ({})", found.range.name());
                (Outcome::Deny, None, format!("{text}; the host's loopback is `host.bastide:PORT`"))
            }
            Verdict::TooWide(rule, address, found) => {
                let text = format!("{rule} is too wide to name {address} ({})", found.range.name());
                (Outcome::Deny, None, text)
            }
        };
        let policy = member.policy.name.clone();
        MemberExplanation { policy, outcome, rule: rule.map(ToString::to_string), text }
    };
    let members: Vec<_> = conjunction.members().iter().map(part).collect();
    let outcome = members.iter().map(|member| member.outcome).min().unwrap_or(Outcome::Deny);
    Explanation { outcome, members }
}
