//! One decision, made again by a policy.

use std::net::IpAddr;

use policy::mcp::Message;
use policy::{
    Conjunction, Decision, DnsName, Egress, Grounding, Host, HostPattern, Outcome, Permit, Reason, Rule, Sink, Vendor,
    decide, may_resolve,
};

use super::asked::{Asked, asked, is_whole};
use super::told::{UNROUTED, flow, is_ungrounded, said};
use super::{Again, Left, Replay};
use crate::event::{Event, Kind, Verdict};

/// The longest name of a model that a refusal tells whole.
const SHOWN: usize = 64;

/// What a policy says.
pub(super) struct After {
    pub(super) verdict: Verdict,
    pub(super) rule: Option<String>,
    pub(super) reason: Option<String>,
}

impl After {
    fn allowed(rule: Option<String>) -> After {
        After { verdict: Verdict::Allowed, rule, reason: None }
    }

    fn refused(rule: Option<String>, reason: String) -> After {
        After { verdict: Verdict::Refused, rule, reason: Some(reason) }
    }
}

impl Replay<'_> {
    /// What `by` says of an event.
    pub(super) fn judge(&self, event: &Event, by: &Conjunction, recorded: &Conjunction) -> Result<After, Again> {
        let (verdict, rule, reason) = said(&event.kind).unwrap_or((Verdict::Allowed, None, ""));
        if let Some(rule) = flow(rule) {
            return self.flow(event, (by, recorded), (rule, reason));
        }
        if is_ungrounded(rule) {
            return match by.policies().any(|policy| policy.grounding != Grounding::Off) {
                true => Err(Again::Left(Left::Conversation)),
                false if matches!(event.kind, Kind::Request { .. }) => self.network(event, by, recorded),
                false => Ok(After::allowed(None)),
            };
        }
        match &event.kind {
            Kind::Resolve { name, .. } => resolve(by, name),
            Kind::Model { .. } => model(by, &event.kind),
            Kind::Petition { .. } if by.policies().any(|policy| !policy.flows.is_empty()) => {
                Err(Again::Left(Left::Bodies))
            }
            Kind::Petition { .. } => Ok(After::allowed(None)),
            Kind::Said { .. } => call(by),
            _ => {
                let after = self.network(event, by, recorded)?;
                let passed = verdict == Verdict::Allowed && after.verdict == Verdict::Allowed;
                let read = !matches!(event.kind, Kind::Connect { .. });
                // Whether the operator's words ask for it is not recorded.
                if passed && matches!(event.kind, Kind::Request { does: Some(_), .. }) && grounds_more(by, recorded) {
                    return Err(Again::Left(Left::Conversation));
                }
                if passed && read && flows_more(by, recorded) { Err(Again::Left(Left::Bodies)) } else { Ok(after) }
            }
        }
    }

    /// The outcome of a connection or a request, where the record says enough of it.
    pub(super) fn outcome(&self, event: &Event, by: &Conjunction) -> Option<Outcome> {
        match self.network(event, by, by).ok()?.verdict {
            Verdict::Allowed => Some(Outcome::Allow),
            Verdict::Asked => Some(Outcome::Ask),
            Verdict::Refused => Some(Outcome::Deny),
        }
    }

    /// A connection, a request, a message.
    fn network(&self, event: &Event, by: &Conjunction, recorded: &Conjunction) -> Result<After, Again> {
        let kind = match &event.kind {
            // One that is made for a request is decided by that.
            Kind::Connect { verdict: Verdict::Allowed, .. } => {
                let mut causes = event.cause.iter().rev();
                causes.find_map(|cause| self.requests.known.get(&cause.id)).unwrap_or(&event.kind)
            }
            kind => kind,
        };
        let Some(asked) = asked(kind).map_err(Again::Left)? else { return Err(Again::Beside) };
        let asked = of(&event.kind, asked);
        if hangs_on_headers(by, &asked) {
            return Err(Again::Left(Left::Headers));
        }
        let mut led = led(event);
        if led.needed {
            // It was denied for its own name, wherever that led.
            let named = decided(recorded, &asked, &Led { at: None, needed: false });
            led.needed = named.is_ok_and(|after| after.verdict == Verdict::Allowed);
        }
        decided(by, &asked, &led)
    }

    /// What carried a label, or might have.
    fn flow(
        &self,
        event: &Event,
        (by, recorded): (&Conjunction, &Conjunction),
        (rule, reason): (&str, &str),
    ) -> Result<After, Again> {
        let flows = || by.policies().flat_map(|policy| &policy.flows);
        let labels: Vec<&String> = event.cause.iter().filter_map(|cause| self.labels.known.get(&cause.id)).collect();
        let base = || match &event.kind {
            Kind::Model { .. } | Kind::Petition { .. } => Ok(After::allowed(None)),
            _ => self.network(event, by, recorded),
        };
        let refused = |flow: String| {
            let why = "it carries what a flow rule keeps in".to_owned();
            Ok(After::refused(Some(format!("flows: {flow}")), why))
        };
        if labels.is_empty() {
            // It was held back, since nobody could look into it, by a rule about what the session holds.
            return match flows().find(|flow| flow.to_string() == rule) {
                Some(flow) => refused(flow.to_string()),
                None if flows().next().is_none() => base(),
                None => Err(Again::Left(Left::Bodies)),
            };
        }
        let Some(sink) = sink(reason) else { return Err(Again::Left(Left::Cut)) };
        match flows().find(|flow| labels.iter().any(|label| flow.refuses(label, sink))) {
            Some(flow) => refused(flow.to_string()),
            None => base(),
        }
    }
}

/// A connection is to where it went, whoever it is for.
fn of(kind: &Kind, asked: Asked) -> Asked {
    let Kind::Connect { host, port, .. } = kind else { return asked };
    match Host::parse(host) {
        Ok(host) => Asked { host, port: *port, ..asked },
        Err(_) => asked,
    }
}

/// Where a name led, as far as an event says: the address that was connected to, or the one that was refused.
fn led(event: &Event) -> Led {
    let address = |text: &str| text.split(' ').next().unwrap_or_default().parse::<IpAddr>().ok();
    match (&event.kind, said(&event.kind)) {
        (Kind::Connect { address: Some(at), .. }, _) => Led { at: at.parse().ok(), needed: false },
        (_, Some((Verdict::Allowed, ..))) | (_, None) => Led { at: None, needed: false },
        (_, Some((_, rule, reason))) => {
            let at = rule.and_then(address);
            match Reason::of(reason) {
                Some(Reason::OtherAddress | Reason::SpecialRange | Reason::Closed) => Led { at, needed: at.is_none() },
                // The address that it led to may be what was denied, or decided otherwise.
                Some(Reason::DeniedByRule | Reason::ReadThere) => Led { at: None, needed: true },
                _ => Led { at: None, needed: false },
            }
        }
    }
}

struct Led {
    at: Option<IpAddr>,
    /// What is allowed without it may not be allowed with it.
    needed: bool,
}

fn decided(by: &Conjunction, asked: &Asked, led: &Led) -> Result<After, Again> {
    let egress = Egress {
        host: &asked.host,
        port: asked.port,
        program: asked.program.as_deref(),
        request: asked.request.as_ref(),
    };
    match decide(by, &egress) {
        Decision::Allow(permit) => pinned(permit, led),
        Decision::Ask(refusal) => {
            Ok(After { verdict: Verdict::Asked, rule: refusal.rule.clone(), reason: Some(refusal.to_string()) })
        }
        Decision::Deny(refusal) => Ok(After::refused(refusal.rule.clone(), refusal.to_string())),
        // Listening to a server, and leaving it, say nothing.
        Decision::Read => {
            match asked.request.as_ref().filter(|one| matches!(one.method().as_str(), "GET" | "DELETE")) {
                Some(request) => {
                    let silent = request.saying(Message::Plain { method: "" });
                    match decide(by, &Egress { request: Some(&silent), ..egress }) {
                        Decision::Allow(permit) => pinned(permit, led),
                        Decision::Ask(refusal) | Decision::Deny(refusal) => {
                            Ok(After::refused(refusal.rule.clone(), refusal.to_string()))
                        }
                        Decision::Read => Err(Again::Left(Left::Unread)),
                    }
                }
                None => Err(Again::Left(Left::Unread)),
            }
        }
    }
}

fn pinned(permit: Permit<'_>, led: &Led) -> Result<After, Again> {
    let rule = permit.rule().to_string();
    let Some(address) = led.at else {
        return if led.needed { Err(Again::Left(Left::Address)) } else { Ok(After::allowed(Some(rule))) };
    };
    match permit.pin(&[address]) {
        Ok(_) => Ok(After::allowed(Some(rule))),
        Err(refusal) => Ok(After::refused(refusal.rule.clone(), refusal.to_string())),
    }
}

/// Whether a rule about this destination asks for headers.
fn hangs_on_headers(by: &Conjunction, asked: &Asked) -> bool {
    let means = |rule: &Rule| match &asked.host {
        Host::Name(name) => rule.to.host.covers(&HostPattern::Exact(name.clone())),
        Host::Address(_) => true,
    };
    let asks = |rule: &Rule| !rule.headers.is_empty() && means(rule);
    let mut rules = by.policies().flat_map(|policy| policy.network.allow.iter().chain(&policy.network.deny));
    asked.request.is_some() && rules.any(asks)
}

fn resolve(by: &Conjunction, name: &str) -> Result<After, Again> {
    let Ok(parsed) = DnsName::parse(name) else { return Err(Again::Left(Left::Cut)) };
    if name == "proxy.bastide" {
        return Ok(After::allowed(None));
    }
    Ok(match may_resolve(by, &parsed) {
        Outcome::Allow | Outcome::Read => After::allowed(None),
        Outcome::Ask if !parsed.is_host_bastide() => {
            let reason = format!("`{name}` is named by no rule, and the operator is asked");
            After { verdict: Verdict::Asked, rule: None, reason: Some(reason) }
        }
        Outcome::Ask | Outcome::Deny => {
            After::refused(None, format!("no rule allows a connection to `{name}` on any port"))
        }
    })
}

/// Who serves a model.
fn model(by: &Conjunction, kind: &Kind) -> Result<After, Again> {
    let Kind::Model { asked, model, provider, verdict, reason, .. } = kind else { return Err(Again::None) };
    let refused = reason.as_deref().and_then(|reason| reason.strip_prefix(UNROUTED)?.split('`').next());
    let model = match verdict {
        Verdict::Allowed if !asked.starts_with("POST ") => {
            let named = |vendor: &Vendor| by.speaking(*vendor).is_some_and(|of| Some(&of.name) == provider.as_ref());
            return match Vendor::ALL.iter().any(named) {
                true => Ok(After::allowed(None)),
                false => Err(Again::Left(Left::Models)),
            };
        }
        Verdict::Allowed => model.as_str(),
        _ => refused.filter(|model| model.len() < SHOWN).ok_or(Again::Left(Left::Cut))?,
    };
    if !is_whole(model) || model.starts_with('[') {
        return Err(Again::Left(Left::Cut));
    }
    Ok(match by.served(model).first() {
        Some(served) => After::allowed(Some(format!("model `{model}` by `{}`", served.provider.name))),
        None => After::refused(None, format!("{UNROUTED}{model}`")),
    })
}

/// A call that a model made and that a program had.
fn call(by: &Conjunction) -> Result<After, Again> {
    if by.policies().any(|policy| policy.grounding != Grounding::Off) {
        return Err(Again::Left(Left::Conversation));
    }
    let about_calls = |policy: &policy::Policy| policy.flows.iter().any(|flow| flow.to == Some(Sink::Tool));
    if by.policies().any(about_calls) {
        return Err(Again::Left(Left::Bodies));
    }
    // Nothing judges it.
    Err(Again::None)
}

/// Where a text says that a flow was to go.
fn sink(reason: &str) -> Option<Sink> {
    let (_, name) = reason.rsplit_once(" keeps that from the ")?;
    Sink::ALL.into_iter().find(|sink| sink.name() == name)
}

/// Whether one has what acts judged by the operator's words in another way than the other did.
fn grounds_more(by: &Conjunction, recorded: &Conjunction) -> bool {
    let same = |one: &policy::Policy, other: &policy::Policy| {
        one.grounding == other.grounding
            && one.intent == other.intent
            && one.tools == other.tools
            && one.endorse == other.endorse
    };
    let mut judging = by.policies().filter(|policy| policy.grounding != Grounding::Off);
    judging.any(|policy| !recorded.policies().any(|other| same(policy, other)))
}

/// Whether one keeps more in than the other did, of what it lets out.
fn flows_more(by: &Conjunction, recorded: &Conjunction) -> bool {
    let had = |flow: &policy::Flow| recorded.policies().any(|policy| policy.flows.contains(flow));
    let labelled = |data: &policy::Data| recorded.policies().any(|policy| policy.data.contains(data));
    by.policies()
        .any(|policy| !(policy.flows.is_empty() || policy.flows.iter().all(had) && policy.data.iter().all(labelled)))
}
