//! What the operator granted for a session, beside its policies.
//!
//! A grant is looked at only where a policy wants the operator asked, for want of a rule or under risk: what is denied or
//! closed it does not lift, what a rule allows it does not change. It does not travel with the policies.

use std::sync::Arc;

use super::{Conjunction, Egress, Member, names};
use crate::{Host, Network, Policy, Rule, special};

/// Grants, as policies that allow nothing else.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    /// Leave for a request is none for a connection, on which nobody would read what is said.
    connections: Member,
    requests: Member,
}

impl Conjunction {
    /// The same with what the operator granted, in place of what was granted before.
    #[must_use]
    pub fn granting(&self, rules: &[Rule]) -> Conjunction {
        let about_connections = |rule: &&Rule| !rule.is_about_requests() && !rule.protocol.reads();
        let granted = Granted {
            connections: alone(rules.iter().filter(about_connections).cloned()),
            requests: alone(rules.iter().cloned()),
        };
        let grant = |member: &Member| {
            let means = member.policy.asks() && !rules.is_empty();
            Member { granted: means.then(|| Box::new(granted.clone())), ..member.clone() }
        };
        Conjunction(self.0.iter().map(grant).collect())
    }
}

fn alone(rules: impl Iterator<Item = Rule>) -> Member {
    let network = Network { allow: rules.collect(), ..Network::default() };
    Member::new(Arc::new(Policy { network, ..Policy::default() }))
}

impl Member {
    /// Whether the operator let it through.
    pub(crate) fn lets(&self, egress: &Egress<'_>) -> bool {
        self.granted(egress, egress.host).is_some()
    }

    /// What was granted.
    pub(crate) fn granted(&self, egress: &Egress<'_>, host: &Host) -> Option<&Rule> {
        let granted = self.granted.as_deref()?;
        let member = if egress.request.is_none() { &granted.connections } else { &granted.requests };
        let rule = member.allowance(egress, host)?;
        // A network that is too wide to name the address grants nothing there.
        let found = if let Host::Address(address) = host { special(*address) } else { None };
        found.is_none_or(|found| names(rule, found)).then_some(rule)
    }
}
