//! The smallest rule that would allow one request.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decide::{Member, Verdict};
use std::collections::BTreeMap;

use serde_json::Value;

use crate::mcp::{Mcp, Message, TextPattern};
use crate::{
    Conjunction, Decision, Egress, Host, HostPattern, ProgramPattern, Protocol, Request, Rule, Target, decide, special,
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
    let mut rule = smallest(&Egress { request, ..*egress }, conjunction.speaks(egress))?;
    if let Some(Message::Tool { name, arguments: Some(arguments) }) = request.and_then(Request::message) {
        let any = request.map(|request| request.saying(Message::Tool { name: name.clone(), arguments: None }));
        if let Decision::Allow(_) = decide(conjunction, &Egress { request: any.as_ref(), ..*egress }) {
            // It was refused for what it is called with.
            rule.mcp.arguments = literal(arguments)?;
        }
    }
    suggestion(conjunction, egress, rule, written, lacks)
}

/// The patterns that mean these arguments and no others.
fn literal(arguments: &serde_json::Map<String, Value>) -> Option<BTreeMap<String, Vec<TextPattern>>> {
    let one = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((name.clone(), vec![TextPattern::literal(&text)?]))
    };
    arguments
        .iter()
        .map(one)
        .collect::<Option<BTreeMap<_, _>>>()
        .filter(|found| !found.contains_key(crate::mcp::OTHERS))
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
    let rule = smallest(&Egress { host: &Host::Address(canonical), request: None, ..*egress }, false)?;
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
        let mut policy = member.policy.clone();
        if lacks(member) {
            policies.push(policy.name.clone());
            Arc::make_mut(&mut policy).network.allow.push(rule.clone());
        }
        policy
    };
    let widened = Conjunction::sharing(conjunction.members().iter().map(widen));
    // Under risk a rule allows nothing more; a grant of it does.
    let widened = if widened.is_narrowed() { widened.granting(std::slice::from_ref(&rule)) } else { widened };
    let allowed = match (decide(&widened, egress), address) {
        (Decision::Allow(permit), Some(address)) => permit.pin(&[address]).is_ok(),
        (Decision::Allow(_), None) => true,
        // What will be said there is decided then.
        (Decision::Read, None) => egress.request.is_some(),
        _ => false,
    };
    let every_program = rule.programs.is_empty();
    (allowed && !policies.is_empty()).then_some(Suggestion { rule, every_program, policies })
}

/// The rule for one request, `mcp` where that is spoken there.
pub(crate) fn smallest(egress: &Egress<'_>, mcp: bool) -> Option<Rule> {
    let host = HostPattern::from(egress.host);
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
        Some(request) if mcp || request.message().is_some() => {
            let mcp = about(request.message())?;
            Rule { protocol: Protocol::Mcp, paths: request.patterns(), mcp, ..rule }
        }
        Some(request) => Rule {
            protocol: Protocol::Http,
            methods: vec![request.method().clone()],
            paths: request.patterns(),
            ..rule
        },
    })
}

/// What a rule about one message says.
fn about(message: Option<&Message>) -> Option<Mcp> {
    let one = |name: &str| Some(vec![TextPattern::literal(name)?]);
    let none = Mcp { tools: Some(Vec::new()), ..Mcp::default() };
    Some(match message {
        None | Some(Message::Plain { .. }) => none,
        Some(Message::Tool { name, .. }) => Mcp { tools: Some(one(name)?), ..none },
        Some(Message::Resource { uri, .. }) => Mcp { tools: None, resources: Some(one(uri)?), ..none },
        Some(Message::Prompt { name, .. }) => Mcp { tools: None, prompts: Some(one(name)?), ..none },
        Some(Message::Granted(grant)) => Mcp { grant: [*grant].into(), ..none },
    })
}
