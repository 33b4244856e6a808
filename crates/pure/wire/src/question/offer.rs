//! What may be answered to a question, and what speaks for care. Each rule that is offered was tried: it lets through what
//! waits, and nothing that the operator denied in this session.

use policy::{Conjunction, Day, Decision, Endorsement, Host, PathPattern, Rule, SpecialRange, decide, special};
use serde::{Deserialize, Serialize};

use super::Wanted;

/// Hosts where many tenants live: whoever may say anything to one reaches all of them. A dot in front means all below.
const MANY: [&str; 30] = [
    "api.github.com",
    "bitbucket.org",
    "discord.com",
    "docs.google.com",
    "drive.google.com",
    "gist.github.com",
    "github.com",
    "gitlab.com",
    "hooks.slack.com",
    "huggingface.co",
    "pastebin.com",
    "pypi.org",
    "raw.githubusercontent.com",
    "registry.npmjs.org",
    "slack.com",
    "storage.googleapis.com",
    "upload.pypi.org",
    "webhook.site",
    ".amazonaws.com",
    ".azurewebsites.net",
    ".blob.core.windows.net",
    ".cloudfront.net",
    ".fly.dev",
    ".github.io",
    ".herokuapp.com",
    ".netlify.app",
    ".ngrok.io",
    ".pages.dev",
    ".vercel.app",
    ".workers.dev",
];
/// Ports that the web is served on.
const USUAL: [u16; 2] = [80, 443];

/// How the session stands.
#[derive(Debug, Clone, Copy)]
pub struct Stand<'a> {
    /// Every policy that must allow.
    pub policy: &'a Conjunction,
    /// What was granted so far.
    pub granted: &'a [Rule],
    /// What was endorsed so far.
    pub endorsed: &'a [Endorsement],
    /// Which day it is.
    pub today: Day,
    /// What was denied so far.
    pub denied: &'a [&'a Wanted],
    /// The session has been let through to this destination before.
    pub seen: bool,
    /// The policy is this session's alone: it is no sub-agent, and has none that lives under what is in force.
    pub alone: bool,
    /// Labels of texts that the session holds.
    pub labels: &'a [String],
}

/// How much care a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// As much as any.
    Usual,
    /// More: it is not allowed for ever.
    High,
}

/// What may be answered, beside `once` and `deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// It may be allowed for the session, by its own rule.
    pub session: bool,
    /// And by this wider one.
    pub wide: Option<Rule>,
    /// It may be made a rule of the policy.
    pub always: bool,
    /// What is endorsed by each answer to a question about a call.
    pub endorses: Option<Endorses>,
    /// How much care it wants.
    pub risk: Risk,
    /// Why.
    pub reasons: Vec<String>,
    /// The secret that would go with it.
    pub credential: Option<String>,
}

/// What an answer to a question about a call endorses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endorses {
    /// Each value that speaks against it, by an answer of `session`; none where that is not offered.
    pub values: Vec<Endorsement>,
    /// The source, by the wider one.
    pub source: Option<Endorsement>,
    /// The same for a while to come, as it stands in a policy.
    pub standing: Option<Endorsement>,
}

/// What may be answered; nothing where no grant would let it through, since it is denied or allowed by now.
#[must_use]
pub fn offer(wanted: &Wanted, stand: &Stand<'_>) -> Option<Offer> {
    if let Some(call) = &wanted.call {
        return Some(call.offer(stand));
    }
    let granting = |rule: &Rule| {
        let rules: Vec<Rule> = stand.granted.iter().chain([rule]).cloned().collect();
        stand.policy.granting(&rules)
    };
    let own = granting(&wanted.rule);
    if !lets(&own, wanted) {
        return None;
    }
    let spares = |policy: &Conjunction| {
        // What it asks for itself was perhaps denied before, and is asked again.
        let others = stand.denied.iter().filter(|denied| !denied.is_same(wanted));
        others.into_iter().all(|denied| !lets(policy, denied))
    };
    let session = spares(&own);
    let wide = wider(wanted).filter(|wide| {
        let policy = granting(wide);
        session && wide.covers(&wanted.rule) && lets(&policy, wanted) && spares(&policy)
    });
    let (risk, reasons) = care(wanted, stand);
    let tenants = is_of_many(&wanted.host) && wanted.rule.paths.is_empty();
    let always = session && stand.alone && risk == Risk::Usual && !tenants && wanted.rule.credential.is_none();
    let credential = wanted.decide_by(|egress| match decide(&own, egress) {
        Decision::Allow(permit) => permit.credential().map(|credential| credential.name.clone()),
        _ => None,
    });
    Some(Offer { session, wide, always, endorses: None, risk, reasons, credential: credential.flatten() })
}

/// Whether a policy lets it through, as far as it is known. What is said where MCP is spoken is left to the gate.
#[must_use]
pub fn lets(policy: &Conjunction, wanted: &Wanted) -> bool {
    if wanted.call.is_some() {
        return false;
    }
    let says = wanted.request.as_ref().is_some_and(|line| line.message.is_some());
    let allows = wanted.decide_by(|egress| match decide(policy, egress) {
        Decision::Allow(_) => true,
        Decision::Read => says,
        Decision::Ask(_) | Decision::Deny(_) => false,
    });
    // What cannot be read again is let through by nothing.
    allows.unwrap_or(false)
}

/// The same for all that lies beside the path.
fn wider(wanted: &Wanted) -> Option<Rule> {
    let line = wanted.request.as_ref().filter(|line| !line.websocket && line.message.is_none())?;
    let path = line.target.split('?').next()?;
    let (directory, _) = path.trim_end_matches('/').rsplit_once('/')?;
    if directory.is_empty() {
        return None;
    }
    let beside = PathPattern::parse(&format!("{directory}/**")).ok()?;
    Some(Rule { paths: vec![beside], ..wanted.rule.clone() })
}

/// What can be told without a doubt.
fn care(wanted: &Wanted, stand: &Stand<'_>) -> (Risk, Vec<String>) {
    let mut reasons = Vec::new();
    let mut high = false;
    if let Host::Address(address) = &wanted.host {
        high = true;
        reasons.push("a bare address: no name tells whose it is".to_owned());
        reasons.extend(special(*address).map(|found| match found.range {
            SpecialRange::Metadata => {
                "a cloud's metadata service, which gives out credentials of the machine".to_owned()
            }
            range => format!("in no public network: {}", range.name()),
        }));
    }
    if matches!(&wanted.host, Host::Name(name) if name.is_host_bastide()) {
        high = true;
        reasons.push("a port of your own machine, as programs on it reach it".to_owned());
    }
    if wanted.program.is_empty() {
        high = true;
        reasons.push("the program is not known: a grant holds for every program".to_owned());
    }
    if stand.policy.is_narrowed() {
        high = true;
        reasons.push("the session is at risk: what a rule allows is asked about too".to_owned());
    }
    if !USUAL.contains(&wanted.port) {
        reasons.push(format!("port {} is not one that the web is served on", wanted.port));
    }
    if !stand.seen {
        reasons.push("this session was never let through there".to_owned());
    }
    if !stand.labels.is_empty() {
        high |= !stand.seen;
        reasons.push(format!("the session holds texts labelled {}", stand.labels.join(", ")));
    }
    if is_of_many(&wanted.host) && wanted.rule.paths.is_empty() {
        reasons.push("many tenants live there: whoever may connect reaches each of them".to_owned());
    }
    (if high { Risk::High } else { Risk::Usual }, reasons)
}

fn is_of_many(host: &Host) -> bool {
    let Host::Name(name) = host else { return false };
    let name = name.as_str();
    MANY.iter().any(|many| if many.starts_with('.') { name.ends_with(many) } else { name == *many })
}
