//! The one decision. A permit comes from here and from nowhere else.

mod grants;
mod pin;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use grants::Granted;
pub use refusal::{Reason, Refusal};

use crate::index::Index;
use crate::mcp::Message;
use crate::{
    Answers, Bounds, Cidr, Credential, Default, Host, HostPattern, Policy, Protocol, Request, Rule, Server, Special,
    Tls, special,
};

/// Policies that must all allow: ceiling, parents, own. It travels as the list of its policies, and its copies share them.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Vec<Policy>")]
pub struct Conjunction(Vec<Member>);

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) policy: Arc<Policy>,
    allow: Index,
    deny: Index,
    /// Whether any rule is about HTTP at all.
    reads: bool,
    /// Whether any comes from a route to a model.
    routes: bool,
    /// Whether any is about MCP.
    speaks: bool,
    /// Whether any bounds requests.
    bounds: bool,
    /// Whether any bounds answers.
    answers: bool,
    /// What the operator granted where this policy wants him asked.
    granted: Option<Box<Granted>>,
}

/// One connection out of the cell, or one request on it.
#[derive(Debug, Clone, Copy)]
pub struct Egress<'a> {
    /// The destination as the program named it.
    pub host: &'a Host,
    /// The port.
    pub port: u16,
    /// Absolute paths of the program's executable, then its parents'; none when unknown.
    pub program: Option<&'a [String]>,
    /// What is asked there; none is the connection itself.
    pub request: Option<&'a Request>,
}

/// What becomes of a request.
#[derive(Debug)]
#[must_use]
pub enum Decision<'a> {
    /// Every policy allows it.
    Allow(Permit<'a>),
    /// Every policy allows it as far as what is said is, and at least one decides that: the requests of a connection, each
    /// by itself, or what a request says where MCP is spoken. It must be read.
    Read,
    /// No policy denies it, and at least one wants the operator asked.
    Ask(Refusal),
    /// At least one policy denies it.
    Deny(Refusal),
}

/// Leave to connect, once. Neither built nor copied outside this module:
///
/// ```compile_fail,E0451
/// # fn build<'a>(conjunction: &'a policy::Conjunction, egress: policy::Egress<'a>) -> policy::Permit<'a> {
/// policy::Permit { conjunction, egress }
/// # }
/// ```
/// ```compile_fail,E0599
/// # fn copy(permit: policy::Permit<'_>) {
/// permit.clone();
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    conjunction: &'a Conjunction,
    egress: Egress<'a>,
    rule: &'a Rule,
}

/// Names one allow rule of a conjunction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId {
    member: usize,
    position: usize,
}

/// Addresses that a permit was spent on.
#[derive(Debug, PartialEq, Eq)]
pub struct Pinned {
    addresses: Vec<IpAddr>,
    port: u16,
}

/// What one policy says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict<'a> {
    Denied(&'a Rule),
    Allowed(&'a Rule),
    /// A rule allows it, and under risk the operator is asked about it.
    Narrowed(&'a Rule),
    Unnamed(Default),
    /// The address lies in a range that no rule can open.
    Closed(IpAddr, Special),
    /// The rule takes the address, by a network that is wider than its special range.
    TooWide(&'a Rule, IpAddr, Special),
}

impl Conjunction {
    /// Compiles the policies' rules for matching.
    #[must_use]
    pub fn new(policies: Vec<Policy>) -> Conjunction {
        Conjunction::sharing(policies.into_iter().map(Arc::new))
    }

    /// The same of policies that somebody else keeps, too.
    pub fn sharing(policies: impl IntoIterator<Item = Arc<Policy>>) -> Conjunction {
        Conjunction(policies.into_iter().map(Member::new).collect())
    }

    /// The policies, ceiling first.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter().map(|member| &*member.policy)
    }

    /// Every allow rule that has bounds.
    pub fn bounded(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.0.iter().enumerate().flat_map(|(member, of)| {
            let rules = of.policy.network.allow.iter().enumerate().filter(|(_, rule)| rule.bounds.is_some());
            rules.map(move |(position, rule)| (RuleId { member, position }, rule))
        })
    }

    /// Whether any request to anywhere is decided.
    #[must_use]
    pub fn decides_requests(&self) -> bool {
        self.0.iter().any(|member| member.reads)
    }

    /// Whether what is said to this destination must be read.
    #[must_use]
    pub fn reads(&self, egress: &Egress<'_>) -> bool {
        self.0.iter().any(|member| member.reads(egress))
    }

    /// Whether a request is one of MCP.
    pub(crate) fn speaks(&self, egress: &Egress<'_>) -> bool {
        let of = |request| self.0.iter().any(|member| member.speaks(egress.host, egress.port, request));
        egress.request.is_some_and(of)
    }

    /// Whether what is not read yet decides.
    fn must_read(&self, egress: &Egress<'_>) -> bool {
        self.0.iter().any(|member| member.must_read(egress))
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.0
    }
}

impl From<Vec<Policy>> for Conjunction {
    fn from(policies: Vec<Policy>) -> Conjunction {
        Conjunction::new(policies)
    }
}

impl From<&Conjunction> for Vec<Arc<Policy>> {
    fn from(conjunction: &Conjunction) -> Vec<Arc<Policy>> {
        conjunction.0.iter().map(|member| member.policy.clone()).collect()
    }
}

impl Serialize for Conjunction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.policies())
    }
}

impl Member {
    fn new(policy: Arc<Policy>) -> Member {
        let (allow, deny) = (Index::allowing(&policy.network.allow), Index::denying(&policy.network.deny));
        let under_risk = policy.narrowed.as_ref().is_some_and(|narrowed| narrowed.reads);
        let (reads, routes) = (policy.network.reads() || under_risk, !policy.inference.routes.is_empty());
        let mut rules = policy.network.allow.iter().chain(&policy.network.deny);
        let speaks = rules.any(|rule| rule.protocol == Protocol::Mcp);
        let bounds = policy.network.allow.iter().any(|rule| rule.bounds.is_some());
        let answers = policy.network.allow.iter().any(|rule| rule.answers.is_some());
        Member { policy, allow, deny, reads, routes, speaks, bounds, answers, granted: None }
    }

    pub(crate) fn judge(&self, egress: &Egress<'_>) -> Verdict<'_> {
        let network = &self.policy.network;
        if let Some(rule) = self.denial(egress.host, egress.port, egress.request) {
            return Verdict::Denied(rule);
        }
        // An address is judged here as it is when it is pinned, so that nothing is allowed that is then refused.
        let special = match egress.host {
            Host::Name(_) => None,
            Host::Address(address) => special(*address).map(|found| (address.to_canonical(), found)),
        };
        match (self.allowance(egress, egress.host), special) {
            (_, Some((address, found))) if found.range.is_closed() => Verdict::Closed(address, found),
            (None, _) => Verdict::Unnamed(network.default),
            (Some(rule), Some((address, found))) if !names(rule, found) => Verdict::TooWide(rule, address, found),
            (Some(rule), _) if self.is_narrowed_from(egress, rule) => Verdict::Narrowed(rule),
            (Some(rule), _) => Verdict::Allowed(rule),
        }
    }

    /// The most specific rule that allows this host at the request's port to its program; else what was granted.
    fn allowance(&self, egress: &Egress<'_>, host: &Host) -> Option<&Rule> {
        let own = self.allowing(egress, host).map(|position| &self.policy.network.allow[position]);
        // Under risk a grant lets through what a rule allows, and opens nothing.
        let granted = || self.granted(egress, host).filter(|_| self.policy.network.default == Default::Ask);
        own.or_else(granted)
    }

    /// The policy's own rule that allows it.
    pub(crate) fn allowed_by(&self, egress: &Egress<'_>) -> Option<&Rule> {
        self.allowing(egress, egress.host).map(|position| &self.policy.network.allow[position])
    }

    /// Where that rule stands.
    fn allowing(&self, egress: &Egress<'_>, host: &Host) -> Option<usize> {
        let allow = &self.policy.network.allow;
        // Where a name leads may be named for any kind of request: that of the name itself was looked at.
        let taken = if host == egress.host { Request::is_taken } else { Request::fits };
        // What a rule about MCP means, no other kind of rule allows. Where a name leads is no matter of what is said.
        let mcp = |request: &Request| {
            host == egress.host && self.is_mcp(&self.allow, &self.policy.network.allow, (host, egress.port), request)
        };
        let mcp = egress.request.filter(|_| self.speaks).is_some_and(mcp);
        let said = |rule: &Rule, request: &Request| match request.message() {
            Some(message) if rule.protocol == Protocol::Mcp && host == egress.host => rule.mcp.takes(message),
            Some(Message::Granted(_)) if host == egress.host => false,
            _ => !mcp || rule.protocol == Protocol::Mcp,
        };
        // A connection may be made for the sake of any request, and a request of any message.
        let asks = |rule: &Rule| {
            // Where a request is read, nothing passes as TLS that is not.
            egress
                .request
                .is_none_or(|request| rule.tls == Tls::Read && taken(request, rule, true) && said(rule, request))
        };
        let takes = |rule: &Rule| port_fits(rule, host, egress.port) && rule.takes(egress.program) && asks(rule);
        // A route is more than an open host, and what the operator says of paths more than a route.
        let special = |rule: &Rule| rule.inference || !rule.paths.is_empty() || !rule.methods.is_empty();
        let routed = if self.routes {
            self.allow.find(host, egress.request, |position| special(&allow[position]) && takes(&allow[position]))
        } else {
            None
        };
        routed.or_else(|| self.allow.find(host, egress.request, |position| takes(&allow[position])))
    }

    /// A deny rule holds for every program: an unknown one must not slip past it.
    fn denial(&self, host: &Host, port: u16, request: Option<&Request>) -> Option<&Rule> {
        let deny = &self.policy.network.deny;
        let said = |rule: &Rule, request: &Request| match request.message() {
            _ if rule.protocol != Protocol::Mcp => true,
            Some(message) => rule.mcp.means(message),
            // What is not read yet may be anything.
            None => rule.mcp.is_empty(),
        };
        let means = |rule: &Rule| match request {
            Some(request) => request.is_taken(rule, false) && said(rule, request),
            None => !rule.is_about_requests(),
        };
        let fits = |rule: &Rule| rule.to.port.is_none_or(|named| named == port) && means(rule);
        self.deny.find(host, request, |position| fits(&deny[position])).map(|position| &deny[position])
    }

    /// Whether what is said to this destination must be read, whoever says it, but for TLS that a rule lets pass.
    pub(crate) fn reads(&self, egress: &Egress<'_>) -> bool {
        !self.passes(egress) && (self.reader(egress.host, egress.port).is_some() || self.is_read_under_risk(egress))
    }

    /// Whether a request is one of MCP, whoever makes it: some rule about that may mean it.
    pub(crate) fn speaks(&self, host: &Host, port: u16, request: &Request) -> bool {
        let network = &self.policy.network;
        self.is_mcp(&self.allow, &network.allow, (host, port), request)
            || self.is_mcp(&self.deny, &network.deny, (host, port), request)
    }

    fn is_mcp(&self, index: &Index, rules: &[Rule], (host, port): (&Host, u16), request: &Request) -> bool {
        let of = |rule: &Rule| {
            let here = rule.protocol == Protocol::Mcp && rule.to.port.is_none_or(|named| named == port);
            here && !request.is_websocket() && request.touches(&rule.paths)
        };
        // Every rule of the host is looked at: what some server may read counts, however a path begins.
        self.speaks && index.find(host, None, |position| of(&rules[position])).is_some()
    }

    /// A rule that has requests to this destination decided.
    fn reader(&self, host: &Host, port: u16) -> Option<&Rule> {
        let network = &self.policy.network;
        let of = |rule: &Rule| rule.protocol.reads() && rule.to.port.is_none_or(|named| named == port);
        if !self.reads {
            return None;
        }
        let allowing = self.allow.find(host, None, |position| of(&network.allow[position]));
        let denying = || self.deny.find(host, None, |position| of(&network.deny[position]));
        allowing.map(|position| &network.allow[position]).or_else(|| denying().map(|position| &network.deny[position]))
    }

    /// The same where a request may be known already, but not what it says.
    pub(crate) fn must_read(&self, egress: &Egress<'_>) -> bool {
        match egress.request {
            None => self.reads(egress),
            Some(request) => request.message().is_none() && self.speaks(egress.host, egress.port, request),
        }
    }

    /// Whether a rule lets TLS to this very name pass unread.
    fn passes(&self, egress: &Egress<'_>) -> bool {
        let allow = &self.policy.network.allow;
        let passes = |rule: &Rule| {
            rule.tls == Tls::Pass && port_fits(rule, egress.host, egress.port) && rule.takes(egress.program)
        };
        self.allow.find(egress.host, None, |position| passes(&allow[position])).is_some()
    }

    /// Whether the rule that allows this name lets it lead to the address.
    fn leads(&self, egress: &Egress<'_>, address: IpAddr) -> bool {
        let within =
            |rule: &Rule| rule.addresses.is_empty() || rule.addresses.iter().any(|network| network.contains(address));
        self.allowance(egress, egress.host).is_none_or(within)
    }

    /// Whether an allow rule names this special address itself, or the rule that allows the name says that it leads there.
    pub(crate) fn names(&self, egress: &Egress<'_>, address: IpAddr, found: Special) -> bool {
        let led = |network: &Cidr| network.contains(address) && network.prefix() >= found.prefix;
        if self.allowance(egress, egress.host).is_some_and(|rule| rule.addresses.iter().any(led)) {
            return true;
        }
        // The most specific rule is the narrowest: where it is too wide, so are all.
        self.allowance(egress, &Host::Address(address)).is_some_and(|rule| names(rule, found))
    }
}

/// Whether a rule that takes an address also names it, by a network no wider than its special range.
fn names(rule: &Rule, found: Special) -> bool {
    match rule.to.host {
        HostPattern::Network(network) => network.prefix() >= found.prefix,
        _ => true,
    }
}

/// The host's loopback is reached only by a rule that names the port too.
fn port_fits(rule: &Rule, host: &Host, port: u16) -> bool {
    let loopback = matches!(host, Host::Name(name) if name.is_host_bastide());
    rule.to.port.map_or(!loopback, |named| named == port)
}

/// Decides a request: the minimum over all policies, with deny below ask below allow.
///
/// Allocates nothing when it allows. Without any policy everything is denied.
pub fn decide<'a>(conjunction: &'a Conjunction, egress: &Egress<'a>) -> Decision<'a> {
    let (mut ask, mut last) = (None, None);
    for member in conjunction.members() {
        let refuse =
            |reason, rule: Option<&Rule>| Refusal::new(reason, &member.policy.name, egress, rule.map(Rule::to_string));
        match member.judge(egress) {
            Verdict::Allowed(rule) => last = Some(rule),
            Verdict::Denied(rule) => return Decision::Deny(refuse(Reason::DeniedByRule, Some(rule))),
            Verdict::Unnamed(Default::Deny) => return Decision::Deny(refuse(Reason::NotAllowed, None)),
            Verdict::Narrowed(rule) => ask = ask.or_else(|| Some(refuse(Reason::Narrowed, Some(rule)))),
            Verdict::Unnamed(Default::Ask) => ask = ask.or_else(|| Some(refuse(Reason::AskFirst, None))),
            Verdict::Closed(address, found) | Verdict::TooWide(_, address, found) => {
                return Decision::Deny(Refusal::at(address, &member.policy.name, egress, found));
            }
        }
    }
    match (ask, last) {
        (Some(refusal), _) => Decision::Ask(refusal),
        (None, Some(_)) if conjunction.must_read(egress) => Decision::Read,
        (None, None) => Decision::Deny(Refusal::new(Reason::NoPolicy, "", egress, None)),
        (None, Some(rule)) => Decision::Allow(Permit { conjunction, egress: *egress, rule }),
    }
}

impl<'a> Permit<'a> {
    /// Spends the permit on a server in a cell of its own; none where not every policy means the same by its name.
    #[must_use]
    pub fn server(self) -> Option<&'a Server> {
        self.egress.host.server().and_then(|name| self.conjunction.server(name))
    }
}

impl Permit<'_> {
    /// The rule by which the last policy, the cell's own, allows it: the one that an operator looks for.
    #[must_use]
    pub const fn rule(&self) -> &Rule {
        self.rule
    }

    /// Whether nothing but TLS to the very name may be said, since a policy lets that pass unread.
    #[must_use]
    pub fn is_for_tls(&self) -> bool {
        self.conjunction.members().iter().any(|member| member.passes(&self.egress))
    }

    /// The secret that goes with the request: one that every policy's allowing rule names, at the same position.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        let rules = || self.conjunction.members().iter().map(|member| member.allowance(&self.egress, self.egress.host));
        let first = rules().next()??.credential.as_ref()?;
        let same = |rule: Option<&Rule>| rule.and_then(|rule| rule.credential.as_ref()) == Some(first);
        rules().all(same).then_some(first)
    }

    /// Whether the operator said of any policy's allowing rule that bytes are not looked into.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        let mut rules = self.conjunction.members().iter();
        let allowing = |member: &Member| member.allowance(&self.egress, self.egress.host).map(|rule| rule.protocol);
        rules.any(|member| allowing(member) == Some(Protocol::Tcp))
    }

    /// Whether any policy allows it as what is asked of a model: then it goes by a route of that policy and in no other way.
    #[must_use]
    pub fn is_inference(&self) -> bool {
        let mut rules = self.conjunction.members().iter();
        rules.any(|member| member.allowance(&self.egress, self.egress.host).is_some_and(|rule| rule.inference))
    }

    /// The bounds of each policy's allowing rule that has any, and which rule that is.
    pub fn bounds(&self) -> impl Iterator<Item = (RuleId, Bounds)> {
        let bounded = self.conjunction.members().iter().enumerate().filter(|(_, of)| of.reads && of.bounds);
        bounded.filter_map(|(member, of)| {
            let position = of.allowing(&self.egress, self.egress.host)?;
            let bounds = of.policy.network.allow[position].bounds;
            bounds.is_some().then_some((RuleId { member, position }, bounds))
        })
    }

    /// What the answer may be: what the allowing rules of all policies let in; none where no rule bounds it.
    #[must_use]
    pub fn answers(&self) -> Option<Answers> {
        let bounds = self.conjunction.members().iter().filter(|of| of.answers).filter_map(|of| {
            let rule = of.allowance(&self.egress, self.egress.host)?;
            Some(&rule.answers).filter(|answers| answers.is_some())
        });
        bounds.fold(None, |all: Option<Answers>, one| Some(all.map_or_else(|| one.clone(), |all| all.and(one))))
    }
}
