//! Which models a cell may use, and who serves them. A provider is reached by allow rules that are made from its route,
//! so that a request to a model is decided like any other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::provider::{Grants, Hosted};
use crate::{
    Conjunction, Credential, DnsName, Host, HostPattern, Position, Protocol, Rule, Target, ValuePattern, print,
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
    /// What a provider may do for the agent, though it is refused otherwise: names of [`Hosted`].
    #[serde(default)]
    pub grant: Vec<String>,
    /// Fields of requests, such as `openai-chat:seed`, and betas, that may be said beside those that are known.
    #[serde(default)]
    pub fields: Vec<String>,
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

    /// The vendor as a provider of its own name, with the secret of that name; none where it has no host.
    #[must_use]
    pub fn provider(self) -> Option<Provider> {
        let host = Host::parse(self.host()?).ok()?;
        let (name, credential) = (self.name(), self.credential(self.name()));
        Some(Provider { name: name.into(), wire: self, host, port: 443, tls: true, base: String::new(), credential })
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
        let routed = self.routes.iter().filter_map(|route| self.provider(&route.provider));
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
        write!(formatter, "{{wire: {}, url: {}", self.wire.name(), print::quoted(&url))?;
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
        formatter.write_str("}")
    }
}
