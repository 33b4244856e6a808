//! Which models a cell may use, and who serves them. A provider is reached by allow rules that are made from its route,
//! so that a request to a model is decided like any other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::provider::{Grants, Hosted};
use crate::{
    Conjunction, Credential, DnsName, Host, HostPattern, Money, Position, Pricing, Protocol, Rule, Target,
    ValuePattern, print,
};

/// The name under which a program finds the models of its policy, whatever it speaks.
pub const INFERENCE_BASTIDE: &str = "inference.bastide";

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Each is its own name.
pub enum Vendor {
    Anthropic,
    Openai,
    Gemini,
    Ollama,
}

/// Who serves models.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Provider {
    /// Its name in the policy.
    pub name: String,
    /// What it speaks.
    pub wire: Vendor,
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to within TLS.
    pub tls: bool,
    /// What stands before the paths of its wire, without a slash at the end.
    pub base: String,
    /// The secret that it wants.
    pub credential: Option<Credential>,
    /// Whose login that is, where it is no key.
    #[serde(default)]
    pub login: Option<Login>,
}

/// A subscription, as the programs of its vendor are logged in to it. What its servers want beside a token is theirs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// Of claude, with Anthropic.
    Claude,
    /// Of codex, with ChatGPT.
    Chatgpt,
}

/// Models, and who serves them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// Names of models that take this route.
    pub models: Vec<ValuePattern>,
    /// The provider's name.
    pub provider: String,
    /// The model that is asked for in their place.
    pub model: Option<String>,
    /// Who is asked in turn while the one before gave nothing of an answer.
    #[serde(default)]
    pub fallback: Vec<Fallback>,
}

/// Who is asked where another did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fallback {
    /// The provider's name.
    pub provider: String,
    /// The model that it is asked for; none is what the route says.
    pub model: Option<String>,
}

/// Who may serve a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served<'p> {
    /// Who.
    pub provider: &'p Provider,
    /// The model that it is asked for; none is the one that the program names.
    pub model: Option<&'p str>,
}

/// What the policy says of models.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inference {
    /// Who serves models, by name; those that no route names are not reached.
    pub providers: Vec<Provider>,
    /// The first that takes a model counts.
    pub routes: Vec<Route>,
    /// Tokens of one session, what is asked and what is answered.
    pub tokens: Option<u64>,
    /// Requests of one session.
    pub requests: Option<u64>,
    /// What one session may spend on models.
    #[serde(default)]
    pub money: Option<Money>,
    /// What models cost; the first that takes one counts.
    #[serde(default)]
    pub prices: Vec<Pricing>,
    /// What a provider may do for the agent, though it is refused otherwise: names of [`Hosted`].
    #[serde(default)]
    pub grant: Vec<String>,
    /// Fields of requests, such as `openai-chat:seed`, and betas, that may be said beside those that are known.
    #[serde(default)]
    pub fields: Vec<String>,
}

impl Login {
    /// Every one.
    pub const ALL: [Login; 2] = [Login::Claude, Login::Chatgpt];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Login::Claude => "claude",
            Login::Chatgpt => "chatgpt",
        }
    }

    /// What its servers speak.
    #[must_use]
    pub const fn wire(self) -> Vendor {
        match self {
            Login::Claude => Vendor::Anthropic,
            Login::Chatgpt => Vendor::Openai,
        }
    }

    /// Where they are.
    #[must_use]
    pub const fn url(self) -> &'static str {
        match self {
            Login::Claude => "https://api.anthropic.com",
            Login::Chatgpt => "https://chatgpt.com/backend-api/codex",
        }
    }

    /// A path of its wire as its servers have it.
    #[must_use]
    pub fn path(self, path: &str) -> &str {
        match self {
            Login::Claude => path,
            Login::Chatgpt => path.strip_prefix("/v1").unwrap_or(path),
        }
    }

    /// A header that its servers want, one value of several.
    #[must_use]
    pub const fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Login::Claude => Some(("anthropic-beta", "oauth-2025-04-20")),
            Login::Chatgpt => None,
        }
    }

    /// The header that names the account, and where its name stands in what the token says of itself.
    #[must_use]
    pub const fn account(self) -> Option<(&'static str, &'static str)> {
        match self {
            Login::Claude => None,
            Login::Chatgpt => Some(("chatgpt-account-id", "/https:~1~1api.openai.com~1auth/chatgpt_account_id")),
        }
    }
}

impl Vendor {
    /// Every kind, in the order of the language.
    pub const ALL: [Vendor; 4] = [Vendor::Anthropic, Vendor::Openai, Vendor::Gemini, Vendor::Ollama];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Vendor::Anthropic => "anthropic",
            Vendor::Openai => "openai",
            Vendor::Gemini => "gemini",
            Vendor::Ollama => "ollama",
        }
    }

    /// The vendor's own host, where programs that were told nothing go.
    #[must_use]
    pub const fn host(self) -> Option<&'static str> {
        match self {
            Vendor::Anthropic => Some("api.anthropic.com"),
            Vendor::Openai => Some("api.openai.com"),
            Vendor::Gemini => Some("generativelanguage.googleapis.com"),
            Vendor::Ollama => None,
        }
    }

    /// Where its servers want a secret of this name.
    #[must_use]
    pub fn credential(self, name: &str) -> Option<Credential> {
        let header = |header: &str| Position::Header { name: header.into(), prefix: String::new() };
        let position = match self {
            Vendor::Anthropic => header("x-api-key"),
            Vendor::Openai => Position::bearer(),
            Vendor::Gemini => header("x-goog-api-key"),
            Vendor::Ollama => return None,
        };
        Some(Credential { name: name.into(), position })
    }

    /// Whether its programs can be served by a provider that speaks this, in translation.
    #[must_use]
    pub const fn is_translated_to(self, provider: Vendor) -> bool {
        matches!(
            (self, provider),
            (Vendor::Anthropic, Vendor::Openai | Vendor::Ollama) | (Vendor::Openai, Vendor::Anthropic)
        )
    }

    /// The vendor as a provider of its own name, with the secret of that name; none where it has no host.
    #[must_use]
    pub fn provider(self) -> Option<Provider> {
        let host = Host::parse(self.host()?).ok()?;
        let (name, credential) = (self.name(), self.credential(self.name()));
        let (name, base) = (name.into(), String::new());
        Some(Provider { name, wire: self, host, port: 443, tls: true, base, credential, login: None })
    }
}

impl Inference {
    /// Whether the policy says nothing of models.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Inference::default()
    }

    /// The route of a model and who serves it.
    #[must_use]
    pub fn route(&self, model: &str) -> Option<(&Route, &Provider)> {
        let takes = |route: &&Route| route.models.iter().any(|pattern| pattern.takes(model.as_bytes()));
        let route = self.routes.iter().find(takes)?;
        Some((route, self.provider(&route.provider)?))
    }

    /// The first provider that speaks this, for what names no model.
    #[must_use]
    pub fn speaking(&self, wire: Vendor) -> Option<&Provider> {
        self.routes.iter().filter_map(|route| self.provider(&route.provider)).find(|provider| provider.wire == wire)
    }

    /// Whether the route of a model names a provider, first or in turn.
    fn serves(&self, model: &str, provider: &Provider) -> bool {
        let named = self.route(model).map(|(route, _)| route.providers().filter_map(|name| self.provider(name)));
        named.is_some_and(|mut named| named.any(|one| one == provider))
    }

    /// Every provider that a route names, in order.
    fn routed(&self) -> impl Iterator<Item = &Provider> + Clone {
        self.routes.iter().flat_map(Route::providers).filter_map(|name| self.provider(name))
    }

    /// A provider by its name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// The rules by which its routes are open: the name inside, each vendor's own host, and each provider.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut add = |host: &Host, port: u16, credential: Option<&Credential>| {
            let host = match host {
                Host::Name(name) => HostPattern::Exact(name.clone()),
                Host::Address(address) => HostPattern::Address(*address),
            };
            let to = Target { host, port: Some(port) };
            if !rules.iter().any(|rule| rule.to == to) {
                let credential = credential.cloned();
                rules.push(Rule { protocol: Protocol::Http, inference: true, credential, ..Rule::to(to) });
            }
        };
        let routed = self.routed();
        for provider in routed.clone() {
            add(&provider.host, provider.port, provider.credential.as_ref());
        }
        for host in routed.filter_map(|provider| provider.wire.host()) {
            // Where another serves them, this is a name for it and is never connected to.
            if let Ok(host) = Host::parse(host) {
                add(&host, 443, None);
            }
        }
        if let (Ok(name), false) = (DnsName::parse(INFERENCE_BASTIDE), self.routes.is_empty()) {
            add(&Host::Name(name), 80, None);
        }
        rules
    }

    /// The hosts of vendors whose programs are served in translation: there they go that were told nothing.
    #[must_use]
    pub fn translated(&self) -> Vec<Rule> {
        let vendors = [Vendor::Anthropic, Vendor::Openai].into_iter();
        let served = vendors.filter(|vendor| self.routed().any(|provider| vendor.is_translated_to(provider.wire)));
        let hosts = served.filter_map(|vendor| DnsName::parse(vendor.host()?).ok());
        hosts
            .map(|host| Target { host: HostPattern::Exact(host), port: Some(443) })
            .map(|to| Rule { protocol: Protocol::Http, inference: true, ..Rule::to(to) })
            .collect()
    }
}

impl Route {
    /// The names of its providers, in the order in which they are asked.
    pub fn providers(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(self.provider.as_str()).chain(self.fallback.iter().map(|next| next.provider.as_str()))
    }

    /// Whether it allows all that another does.
    pub(crate) fn covers(&self, other: &Route) -> bool {
        let alike = (&self.models, &self.provider, &self.model) == (&other.models, &other.provider, &other.model);
        alike && other.fallback.iter().all(|next| self.fallback.contains(next))
    }
}

/// What all policies say of models together.
impl Conjunction {
    /// Who serves a model, and by the route of the last policy: every policy must route it to the same provider.
    #[must_use]
    pub fn route(&self, model: &str) -> Option<(&Route, &Provider)> {
        let routed = self.policies().map(|policy| policy.inference.route(model)).collect::<Option<Vec<_>>>()?;
        let last = routed.last().copied()?;
        routed.iter().all(|(_, provider)| *provider == last.1).then_some(last)
    }

    /// Who may serve a model, in the order in which they are asked: what [`Conjunction::route`] says, then each that the last
    /// policy falls back on and every other policy names for this model as well.
    #[must_use]
    pub fn served(&self, model: &str) -> Vec<Served<'_>> {
        let Some((route, provider)) = self.route(model) else { return Vec::new() };
        let Some(last) = self.policies().last() else { return Vec::new() };
        let own = route.model.as_deref();
        let mut served = vec![Served { provider, model: own }];
        for next in &route.fallback {
            let Some(provider) = last.inference.provider(&next.provider) else { continue };
            if self.policies().all(|policy| policy.inference.serves(model, provider)) {
                served.push(Served { provider, model: next.model.as_deref().or(own) });
            }
        }
        served
    }

    /// Who is asked what names no model.
    #[must_use]
    pub fn speaking(&self, wire: Vendor) -> Option<&Provider> {
        let all = self.policies().map(|policy| policy.inference.speaking(wire)).collect::<Option<Vec<_>>>()?;
        let last = all.last().copied()?;
        all.iter().all(|provider| *provider == last).then_some(last)
    }

    /// Whether any policy routes models.
    #[must_use]
    pub fn routes_models(&self) -> bool {
        self.policies().any(|policy| !policy.inference.routes.is_empty())
    }

    /// The fewest tokens and requests that any policy allows in one session.
    #[must_use]
    pub fn model_budget(&self) -> (Option<u64>, Option<u64>) {
        let tokens = self.policies().filter_map(|policy| policy.inference.tokens).min();
        (tokens, self.policies().filter_map(|policy| policy.inference.requests).min())
    }

    /// What every policy lets a provider do for the agent.
    #[must_use]
    pub fn grants(&self) -> Grants {
        let granted = |hosted: &Hosted| {
            self.policies().all(|policy| policy.inference.grant.iter().any(|name| name == hosted.name()))
        };
        let mut lists = self.policies().map(|policy| &policy.inference.fields);
        let mut fields: BTreeSet<String> = lists.next().into_iter().flatten().cloned().collect();
        lists.for_each(|list| fields.retain(|field| list.contains(field)));
        Grants { hosted: Hosted::ALL.into_iter().filter(granted).collect(), fields }
    }
}

impl fmt::Display for Provider {
    /// As it stands in a policy, without its name.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}:{}{}", self.host, self.port, self.base);
        match self.login {
            Some(login) => write!(formatter, "{{login: {}, url: {}", login.name(), print::quoted(&url))?,
            None => write!(formatter, "{{wire: {}, url: {}", self.wire.name(), print::quoted(&url))?,
        }
        if let Some(credential) = &self.credential {
            write!(formatter, ", credential: {credential}")?;
        }
        formatter.write_str("}")
    }
}

impl fmt::Display for Route {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<String> = self.models.iter().map(|model| print::quoted(model.as_str())).collect();
        write!(formatter, "{{models: [{}], provider: {}", models.join(", "), print::quoted(&self.provider))?;
        if let Some(model) = &self.model {
            write!(formatter, ", model: {}", print::quoted(model))?;
        }
        if !self.fallback.is_empty() {
            let fallback: Vec<String> = self.fallback.iter().map(ToString::to_string).collect();
            write!(formatter, ", fallback: [{}]", fallback.join(", "))?;
        }
        formatter.write_str("}")
    }
}

impl fmt::Display for Fallback {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = print::quoted(&self.provider);
        match &self.model {
            Some(model) => write!(formatter, "{{provider: {provider}, model: {}}}", print::quoted(model)),
            None => write!(formatter, "{provider}"),
        }
    }
}
