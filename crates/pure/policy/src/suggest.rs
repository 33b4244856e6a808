//! The smallest rule that would allow one request.

use serde::{Deserialize, Serialize};

use crate::decide::Verdict;
use crate::{CanonicalPath, Conjunction, Decision, Egress, Host, HostPattern, Policy, Rule, Target, decide};

/// A rule, and the policies that would need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The rule: one host, one port, the executable when it is known.
    pub rule: Rule,
    /// The program was unknown, so the rule holds for every program: say it before anyone takes it over.
    pub every_program: bool,
    /// Names of the policies that do not allow the request yet.
    pub policies: Vec<String>,
}

/// The smallest rule that allows the request, checked by [`decide`].
///
/// None when it is allowed already, when a deny rule stands in the way (no allow rule lifts one), or when
/// the executable's path cannot be written in a rule.
#[must_use]
pub fn suggest(conjunction: &Conjunction, egress: &Egress<'_>) -> Option<Suggestion> {
    let rule = smallest(egress)?;
    let mut policies = Vec::new();
    let widened: Vec<Policy> = conjunction
        .members()
        .iter()
        .map(|member| {
            let mut policy = member.policy.clone();
            if !matches!(member.judge(egress), Verdict::Allowed(_)) || !member.reaches(egress) {
                policies.push(policy.name.clone());
                policy.network.allow.push(rule.clone());
            }
            policy
        })
        .collect();
    let widened = Conjunction::new(widened);
    let allowed = match (decide(&widened, egress), egress.host) {
        (Decision::Allow(permit), Host::Address(address)) => permit.pin(&[*address]).is_ok(),
        (Decision::Allow(_), Host::Name(_)) => true,
        _ => false,
    };
    let every_program = rule.programs.is_empty();
    (allowed && !policies.is_empty()).then_some(Suggestion { rule, every_program, policies })
}

pub(crate) fn smallest(egress: &Egress<'_>) -> Option<Rule> {
    let host = match egress.host {
        Host::Name(name) => HostPattern::Exact(name.clone()),
        Host::Address(address) => HostPattern::Address(address.to_canonical()),
    };
    let executable = egress.program.and_then(<[String]>::first);
    let programs = match executable.map(|path| CanonicalPath::parse(path)) {
        None => Vec::new(),
        Some(path) => vec![path.ok()?],
    };
    Some(Rule { programs, ..Rule::to(Target { host, port: Some(egress.port) }) })
}
