//! Why a request was not allowed, in words that the operator, the record and the program have.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Egress;
use crate::Special;

/// Why a request was not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: Reason,
    /// The policy that said so; empty when there was none.
    pub policy: String,
    /// The destination, `HOST:PORT`, after the request where it is about one.
    pub destination: String,
    /// The rule or range that decided, as written.
    pub rule: Option<String>,
}

/// The kind of reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No policy at all.
    NoPolicy,
    /// A deny rule names the destination.
    DeniedByRule,
    /// No rule names it and the default is deny.
    NotAllowed,
    /// No rule names it and the default is ask.
    AskFirst,
    /// A rule allows it, and the policy is narrowed under risk.
    Narrowed,
    /// The name has no address.
    NoAddress,
    /// An address where requests are decided, or messages of MCP, by a name where none are.
    ReadThere,
    /// An address other than the one that was allowed.
    OtherAddress,
    /// An address in a special range that no rule names.
    SpecialRange,
    /// An address in a range that no rule can open.
    Closed,
}

impl Refusal {
    pub(super) fn new(reason: Reason, policy: &str, egress: &Egress<'_>, rule: Option<String>) -> Refusal {
        let mut destination = format!("{}:{}", egress.host, egress.port);
        if let Some(request) = egress.request {
            destination = format!("{request} at {destination}");
        }
        Refusal { reason, policy: policy.into(), destination, rule }
    }

    /// One for the range of an address.
    pub(super) fn at(address: IpAddr, policy: &str, egress: &Egress<'_>, found: Special) -> Refusal {
        let text = format!("{address} ({})", found.range.name());
        let reason = if found.range.is_closed() { Reason::Closed } else { Reason::SpecialRange };
        Refusal::new(reason, policy, egress, Some(text))
    }
}

impl Reason {
    /// The kind of reason that such a text gives; none where no policy gave it. What stands before it may go on after it.
    #[must_use]
    pub fn of(text: &str) -> Option<Reason> {
        const TOLD: [(&str, Reason); 10] = [
            ("`: no policy is in force", Reason::NoPolicy),
            ("` is denied by `", Reason::DeniedByRule),
            ("` is allowed by no rule of policy `", Reason::NotAllowed),
            ("` is named by no rule of policy `", Reason::AskFirst),
            ("`, which is narrowed under risk", Reason::Narrowed),
            ("` has no address", Reason::NoAddress),
            ("` resolves to an address where requests are decided", Reason::ReadThere),
            ("` was allowed, not `", Reason::OtherAddress),
            (", which policy `", Reason::SpecialRange),
            (", which no rule opens; ", Reason::Closed),
        ];
        TOLD.iter().find(|(words, _)| text.contains(words)).map(|(_, reason)| *reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, policy, rule) = (&self.destination, &self.policy, self.rule.as_deref().unwrap_or(""));
        match self.reason {
            Reason::NoPolicy => write!(formatter, "`{to}`: no policy is in force"),
            Reason::DeniedByRule => write!(formatter, "`{to}` is denied by `{rule}` of policy `{policy}`"),
            Reason::NotAllowed => write!(formatter, "`{to}` is allowed by no rule of policy `{policy}`"),
            Reason::AskFirst => {
                write!(formatter, "`{to}` is named by no rule of policy `{policy}`, which wants the operator asked")
            }
            Reason::Narrowed => write!(
                formatter,
                "`{to}` is allowed by `{rule}` of policy `{policy}`, which is narrowed under risk and wants the operator asked"
            ),
            Reason::NoAddress => write!(formatter, "`{to}` has no address"),
            Reason::ReadThere => write!(
                formatter,
                "`{to}` resolves to an address where requests are decided, by `{rule}` of policy `{policy}`; name it so, too"
            ),
            Reason::OtherAddress => write!(formatter, "`{to}` was allowed, not `{rule}`"),
            Reason::SpecialRange => {
                write!(formatter, "`{to}` resolves to {rule}, which policy `{policy}` does not name")
            }
            Reason::Closed => {
                write!(formatter, "`{to}` resolves to {rule}, which no rule opens; ")?;
                write!(formatter, "a port of the host's loopback is reached as `host.bastide:PORT`")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_known_by_its_words_and_nothing_else_is_one() {
        let all = [
            Reason::NoPolicy,
            Reason::DeniedByRule,
            Reason::NotAllowed,
            Reason::AskFirst,
            Reason::Narrowed,
            Reason::NoAddress,
            Reason::ReadThere,
            Reason::OtherAddress,
            Reason::SpecialRange,
            Reason::Closed,
        ];
        for reason in all {
            let refusal = Refusal {
                reason,
                policy: "mine".into(),
                destination: "GET /a at a.example:443".into(),
                rule: Some("10.0.0.1 (private)".into()),
            };
            assert_eq!(Reason::of(&refusal.to_string()), Some(reason));
            assert_eq!(Reason::of(&format!("the server may not: {refusal}; nobody answered")), Some(reason));
        }
        for other in ["refused request: its head is odd", "`a.example` cannot be looked up: no answer", ""] {
            assert_eq!(Reason::of(other), None);
        }
    }
}
