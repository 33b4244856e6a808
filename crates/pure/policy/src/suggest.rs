//! The smallest rule that would allow one request.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::decide::{Member, Verdict};
use crate::{
    Conjunction, Decision, Egress, Host, HostPattern, Policy, ProgramPattern, Protocol, Rule, Target, decide, special,
};

/// A rule, and the policies that would need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The rule: one host, one port, the executable when it is known; one method and path where requests are read.
    pub rule: Rule,
    /// The program was unknown, so the rule holds for every program: say it before anyone takes it over.
    pub every_program: bool,
    /// Names of the policies that do not allow the request yet.
    pub policies: Vec<String>,
}

/// The smallest rule that allows the request, checked by [`decide`].
///
/// None when it is allowed already, when a deny rule or a closed range stands in the way (no allow rule lifts
/// one), or when the executable's path cannot be written in a rule. For a name that is allowed and whose address
/// was then refused, there is [`suggest_address`].
#[must_use]
pub fn suggest(conjunction: &Conjunction, egress: &Egress<'_>) -> Option<Suggestion> {
    let written = if let Host::Address(address) = egress.host { Some(*address) } else { None };
    let lacks = |member: &Member| !matches!(member.judge(egress), Verdict::Allowed(_));
    // A rule about requests where none is read would have all others read too.
    // A WebSocket is asked for only where requests are read already, and allowed by no other kind of rule.
    let request = egress.request.filter(|request| request.is_websocket() || conjunction.reads(egress));
    suggestion(conjunction, egress, smallest(&Egress { request, ..*egress })?, written, lacks)
}

/// The smallest rule by which an allowed name may lead to an address in a special range, checked by
/// [`crate::Permit::pin`]: it names the address, the port and the executable.
///
/// None when the name is not allowed yet (see [`suggest`]), when the address needs no rule, or when no rule helps.
#[must_use]
pub fn suggest_address(conjunction: &Conjunction, egress: &Egress<'_>, address: IpAddr) -> Option<Suggestion> {
    let Decision::Allow(_) = decide(conjunction, egress) else { return None };
    let found = special(address)?;
    let canonical = address.to_canonical();
    let rule = smallest(&Egress { host: &Host::Address(canonical), request: None, ..*egress })?;
    suggestion(conjunction, egress, rule, Some(address), |member| !member.names(egress, canonical, found))
}

/// The rule for the policies that lack it, if it then lets the request through.
fn suggestion(
    conjunction: &Conjunction,
    egress: &Egress<'_>,
    rule: Rule,
    address: Option<IpAddr>,
    lacks: impl Fn(&Member) -> bool,
) -> Option<Suggestion> {
    let mut policies = Vec::new();
    let widen = |member: &Member| {
        let mut policy: Policy = member.policy.clone();
        if lacks(member) {
            policies.push(policy.name.clone());
            policy.network.allow.push(rule.clone());
        }
        policy
    };
    let widened = Conjunction::new(conjunction.members().iter().map(widen).collect());
    let allowed = match (decide(&widened, egress), address) {
        (Decision::Allow(permit), Some(address)) => permit.pin(&[address]).is_ok(),
        (Decision::Allow(_), None) => true,
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
    let programs = match executable.map(|path| ProgramPattern::of(path)) {
        None => Vec::new(),
        Some(path) => vec![path?],
    };
    let rule = Rule { programs, ..Rule::to(Target { host, port: Some(egress.port) }) };
    Some(match egress.request {
        None => rule,
        // That of a WebSocket is `GET`, always.
        Some(request) if request.is_websocket() => {
            Rule { protocol: Protocol::Websocket, paths: request.patterns(), ..rule }
        }
        Some(request) => Rule {
            protocol: Protocol::Http,
            methods: vec![request.method().clone()],
            paths: request.patterns(),
            ..rule
        },
    })
}
