//! The `inference` section, and credentials of rules and providers.

use serde_saphyr::{Location as Mark, Spanned};

use super::layer::append;
use super::raw::{RawCredential, RawFallback, RawInference, RawPosition, RawProvider, RawServed, Text};
use super::value::Scope;
use super::{Diagnostic, code};
use crate::print::visible;
use crate::provider::Hosted;
use crate::{
    Credential, Fallback, FilePattern, Flow, Host, Inference, Label, LabelPattern, Login, Money, Policy, Position,
    Price, Pricing, Provider, Route, Rule, Sink, Vendor, is_credential_name,
};

/// Reads the section; `place` is told where each value stands.
pub(super) fn inference(
    scope: &Scope<'_>,
    raw: &RawInference,
    mut place: impl FnMut(&str, String, Mark),
) -> Result<Inference, Diagnostic> {
    let mut read = Inference::default();
    for (name, raw) in &raw.providers {
        let provider = scope.provider(name, raw)?;
        place("inference.providers", format!("{name}: {provider}"), raw.referenced);
        read.providers.push(provider);
    }
    for raw in &raw.routes {
        let name = &raw.provider.value;
        let models = raw.models.iter().map(|text| scope.value(text)).collect::<Result<_, _>>()?;
        let model = raw.model.as_ref().map(|text| text.value.clone());
        let fallback = raw.fallback.iter().map(|next| fallback(&next.value)).collect();
        let route = Route { models, provider: name.clone(), model, fallback };
        place("inference.routes", route.to_string(), raw.provider.referenced);
        read.routes.push(route);
    }
    read.providers.sort();
    let names = Hosted::ALL.map(|hosted| (hosted.name(), hosted));
    for text in &raw.grant {
        if let Some(hosted) = scope.choice(Some(text), &names)? {
            place("inference.grant", hosted.name().into(), text.referenced);
            read.grant.push(hosted.name().into());
        }
    }
    for text in &raw.fields {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:$".contains(&byte);
        let field = &text.value;
        if !field.contains(':') || field.len() > 256 || !field.bytes().all(name) {
            let message = format!("bad field `{}`", visible(field));
            return Err(scope.fail(text.referenced, code::INFERENCE, message, "write it as the refusal names it"));
        }
        place("inference.fields", field.clone(), text.referenced);
        read.fields.push(field.clone());
    }
    let mut bound = |key: &str, text: &Option<Text>, units| {
        let Some(text) = text else { return Ok(None) };
        let value = scope.quantity(text, units)?;
        place(key, value.to_string(), text.referenced);
        Ok(Some(value))
    };
    read.tokens = bound("inference.budget.tokens", &raw.budget.tokens, &[("k", 1000), ("M", 1_000_000), ("", 1)])?;
    read.requests = bound("inference.budget.requests", &raw.budget.requests, &[("", 1)])?;
    prices(scope, raw, &mut read, place)?;
    Ok(read)
}

/// Prices, and what may be spent.
fn prices(
    scope: &Scope<'_>,
    raw: &RawInference,
    read: &mut Inference,
    mut place: impl FnMut(&str, String, Mark),
) -> Result<(), Diagnostic> {
    for raw in &raw.prices {
        let (input, output) = (scope.money(&raw.input)?, scope.money(&raw.output)?);
        let other = |text: &Option<Text>| text.as_ref().map(|text| scope.money(text)).transpose();
        let (cached, written) = (other(&raw.cached)?, other(&raw.written)?);
        let currency = input.currency;
        if [Some(output), cached, written].into_iter().flatten().any(|price| price.currency != currency) {
            let hint = "write all prices, and `budget.money`, in one currency";
            return Err(scope.fail(raw.input.referenced, code::MONEY, "two currencies in one entry".into(), hint));
        }
        let micros = |price: Option<Money>, otherwise: u64| price.map_or(otherwise, |price| price.micros);
        let price = Price {
            input: input.micros,
            output: output.micros,
            cached: micros(cached, input.micros),
            // What the dearest of caches takes.
            written: micros(written, input.micros.saturating_mul(2)),
        };
        let models = raw.models.iter().map(|text| scope.value(text)).collect::<Result<Vec<_>, _>>()?;
        if models.is_empty() {
            let message = "`models` is empty, and would say nothing".into();
            return Err(scope.fail(raw.input.referenced, code::MONEY, message, "write what it is the price of"));
        }
        let provider = raw.provider.as_ref().map(|name| name.value.clone());
        let pricing = Pricing { models, provider, currency, price };
        place("inference.prices", pricing.to_string(), raw.input.referenced);
        read.prices.push(pricing);
    }
    if let Some(text) = &raw.budget.money {
        let money = scope.money(text)?;
        if money.micros == 0 {
            return Err(scope.fail(text.referenced, code::MONEY, "nothing may be spent".into(), "write more than 0"));
        }
        place("inference.budget.money", money.to_string(), text.referenced);
        read.money = Some(money);
    }
    Ok(())
}

/// What is wrong with the prices of a policy and all that it extends: key and value, why, and what to write.
pub(super) fn mispriced(of: &Inference) -> Option<(&'static str, String, String, &'static str)> {
    let unknown = |pricing: &&Pricing| pricing.provider.as_deref().is_some_and(|name| of.provider(name).is_none());
    if let Some(pricing) = of.prices.iter().find(unknown) {
        let message = format!("no provider `{}`", visible(pricing.provider.as_deref().unwrap_or_default()));
        return Some((
            "inference.prices",
            pricing.to_string(),
            message,
            "write one that a route names, or leave it out",
        ));
    }
    let first = of.money.map(|money| money.currency).or_else(|| Some(of.prices.first()?.currency))?;
    if let Some(pricing) = of.prices.iter().find(|pricing| pricing.currency != first) {
        let message = format!("money is counted in {first}, and this is a price in {}", pricing.currency);
        return Some(("inference.prices", pricing.to_string(), message, "write all of them in one currency"));
    }
    let money = of.money.filter(|_| of.prices.is_empty() && !of.routes.is_empty())?;
    let message = "a budget of money, and no prices: no model could be asked".into();
    Some(("inference.budget.money", money.to_string(), message, "say what models cost under `inference.prices`"))
}

/// One section over what came before: its routes and prices come first, what is stated replaces; then the rules that they open. A
/// vendor that nobody wrote of serves its own models.
pub(super) fn over(policy: &mut Policy, own: &Inference) {
    let of = &mut policy.inference;
    for provider in &own.providers {
        of.providers.retain(|other| other.name != provider.name);
        of.providers.push(provider.clone());
    }
    let inherited = std::mem::replace(&mut of.routes, own.routes.clone());
    append(&mut of.routes, &inherited);
    for name in own.routes.iter().flat_map(Route::providers) {
        if of.provider(name).is_none() {
            let vendor = Vendor::ALL.iter().find(|vendor| vendor.name() == name);
            of.providers.extend(vendor.and_then(|vendor| vendor.provider()));
        }
    }
    of.providers.sort();
    append(&mut of.grant, &own.grant);
    append(&mut of.fields, &own.fields);
    of.tokens = own.tokens.or(of.tokens);
    of.requests = own.requests.or(of.requests);
    of.money = own.money.or(of.money);
    let inherited = std::mem::replace(&mut of.prices, own.prices.clone());
    append(&mut of.prices, &inherited);
    policy.network.allow.retain(|rule| !rule.inference);
    policy.network.allow.extend(policy.inference.rules());
    // Another vendor's host is one that the operator may mean as itself.
    let named = |rule: &Rule| policy.network.allow.iter().any(|own| own.to.host == rule.to.host);
    let others: Vec<Rule> = policy.inference.translated().into_iter().filter(|rule| !named(rule)).collect();
    policy.network.allow.extend(others);
}

fn fallback(raw: &RawFallback) -> Fallback {
    match raw {
        RawFallback::Name(provider) => Fallback { provider: provider.clone(), model: None },
        RawFallback::Model(RawServed { provider, model }) => {
            Fallback { provider: provider.clone(), model: Some(model.clone()) }
        }
    }
}

/// What is wrong with the routes of a policy and all that it extends: the route, why, and what to write.
pub(super) fn amiss(of: &Inference) -> Option<(&Route, String, &'static str)> {
    let named = || of.routes.iter().flat_map(|route| route.providers().map(move |name| (route, name)));
    if let Some((route, name)) = named().find(|(_, name)| of.provider(name).is_none()) {
        let message = format!("no provider `{}`", visible(name));
        return Some((route, message, "write anthropic, openai, gemini, or the name of one of `providers`"));
    }
    let twice = |route: &Route, next: &Fallback| {
        let same = |other: &&Fallback| **other == *next;
        next.provider == route.provider && next.model.is_none() || route.fallback.iter().filter(same).count() > 1
    };
    if let Some(route) = of.routes.iter().find(|route| route.fallback.iter().any(|next| twice(route, next))) {
        let message = format!("a fallback of `{}` is asked twice", visible(&route.provider));
        return Some((route, message, "name each once, or with another `model`"));
    }
    let served: Vec<(&Route, &Provider)> =
        named().filter_map(|(route, name)| Some((route, of.provider(name)?))).collect();
    let other = |one: &Provider, two: &Provider| {
        (&one.host, one.port) == (&two.host, two.port) && one.credential != two.credential
    };
    let (route, provider) = served.iter().find(|(_, one)| served.iter().any(|(_, two)| other(one, two)))?;
    let message = format!("two providers at `{}:{}` have different credentials", provider.host, provider.port);
    Some((route, message, "give one host and port one credential"))
}

impl Scope<'_> {
    pub(super) fn credential(&self, text: &Spanned<RawCredential>) -> Result<Credential, Diagnostic> {
        let mark = text.referenced;
        let refuse = |message: String, hint: &str| Err(self.fail(mark, code::CREDENTIAL, message, hint));
        let (name, position) = match &text.value {
            RawCredential::Name(name) => (name, Position::bearer()),
            RawCredential::At(RawPosition { name, header, prefix, basic, field, segment }) => {
                (name, self.position(mark, [header, prefix, basic, field, segment])?)
            }
        };
        if !is_credential_name(name) {
            let message = format!("bad credential `{}`", visible(name));
            return refuse(message, "write the name that `bastide vault list` shows");
        }
        Ok(Credential { name: name.clone(), position })
    }

    fn position(&self, mark: Mark, said: [&Option<String>; 5]) -> Result<Position, Diagnostic> {
        let text = |text: &str| text.len() <= 256 && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let plain = |name: &str| !name.is_empty() && text(name);
        let read = match said.map(Option::as_deref) {
            [None, None, None, None, None] => Some(Position::bearer()),
            [Some(name), prefix, None, None, None] => crate::header(name)
                .ok()
                .map(|name| Position::Header { name, prefix: prefix.unwrap_or_default().to_owned() })
                .filter(|_| prefix.is_none_or(text)),
            [None, None, Some(user), None, None] if plain(user) && !user.contains(':') => {
                Some(Position::Basic { user: user.into() })
            }
            [None, None, None, Some(name), None] if plain(name) => Some(Position::Field { name: name.into() }),
            [None, None, None, None, Some(prefix)] if is_segment_prefix(prefix) => {
                Some(Position::Segment { prefix: prefix.into() })
            }
            _ => None,
        };
        read.ok_or_else(|| {
            let (message, hint) = match said.map(Option::is_some) {
                [true, _, false, false, false] => (
                    "its `header` cannot be one that a secret goes into",
                    "write a header that neither frames nor routes, and at most 256 printable letters before the secret",
                ),
                [false, false, true, false, false] => {
                    ("its `basic` is no user", "write 1 to 256 printable letters without `:`")
                }
                [false, false, false, true, false] => {
                    ("its `field` is no name of a field", "write 1 to 256 printable letters")
                }
                [false, false, false, false, true] => (
                    "its `segment` is not what a segment begins with",
                    "write 1 to 64 letters, digits, `-` and `_`, such as `bot`",
                ),
                _ => (
                    "a credential has one position",
                    "write one of `header` (with `prefix`), `basic` (a user), `field` and `segment` (letters before it)",
                ),
            };
            self.fail(mark, code::CREDENTIAL, message.into(), hint)
        })
    }

    fn provider(&self, name: &str, raw: &Spanned<RawProvider>) -> Result<Provider, Diagnostic> {
        let (mark, raw) = (raw.referenced, &raw.value);
        if !is_credential_name(name) {
            let message = format!("bad name of a provider `{}`", visible(name));
            return Err(self.fail(mark, code::INFERENCE, message, "write small letters and digits"));
        }
        let login = self.choice(raw.login.as_ref(), &Login::ALL.map(|login| (login.name(), login)))?;
        let wire = self.choice(raw.wire.as_ref(), &Vendor::ALL.map(|vendor| (vendor.name(), vendor)))?;
        let (wire, at) = match (login, wire, &raw.url) {
            (Some(login), None, at) => (login.wire(), at.as_ref().map_or(login.url(), |text| &text.value)),
            (None, Some(wire), Some(at)) => (wire, at.value.as_str()),
            (Some(_), Some(_), _) => {
                let message = "a provider has a `wire` or a `login`".into();
                return Err(self.fail(mark, code::INFERENCE, message, "remove `wire`: a login says what is spoken"));
            }
            (None, ..) => {
                let message = format!("the provider `{}` has no `wire` and `url`", visible(name));
                return Err(self.fail(mark, code::INFERENCE, message, "write both, or a `login` in their place"));
            }
        };
        let url = url(at).ok_or_else(|| {
            let message = format!("bad url `{}`", visible(at));
            let hint = "write `https://HOST[:PORT][/PATH]`, or `http://` for `host.bastide:PORT`";
            let mark = raw.url.as_ref().map_or(mark, |text| text.referenced);
            self.fail(mark, code::INFERENCE, message, hint)
        })?;
        let credential = raw.credential.as_ref().map(|text| self.credential(text)).transpose()?;
        if let (Some(text), Some(Credential { position: Position::Segment { .. }, .. })) =
            (&raw.credential, &credential)
        {
            let message = "what models are asked has a path of its own, and no secret in it".into();
            return Err(self.fail(text.referenced, code::CREDENTIAL, message, "write `header`, or the name alone"));
        }
        // Beside a vendor's own position, only what was written counts.
        let credential = match (&raw.credential, credential) {
            // A token of a login goes where tokens go.
            (Some(Spanned { value, .. }), Some(read)) if value.is_bare() && login.is_none() => {
                wire.credential(&read.name).or(Some(read))
            }
            (_, credential) => credential,
        };
        let (tls, host, port, base) = url;
        Ok(Provider { name: name.into(), wire, host, port, tls, base, credential, login })
    }

    pub(super) fn label(&self, text: &Text) -> Result<Label, Diagnostic> {
        Label::parse(&text.value).map_err(|error| self.flow_error(text, &error))
    }

    pub(super) fn files(&self, text: &Text) -> Result<FilePattern, Diagnostic> {
        FilePattern::parse(&text.value).map_err(|error| self.flow_error(text, &error))
    }

    pub(super) fn flow(&self, deny: &Text, to: &Text) -> Result<Flow, Diagnostic> {
        let held = [Sink::Inference, Sink::Network, Sink::Tool, Sink::Human, Sink::Child];
        let named = held.map(|sink| (sink.name(), Some(sink)));
        let sinks: Vec<_> = std::iter::once(("*", None)).chain(named).collect();
        if Sink::ALL.iter().any(|sink| sink.name() == to.value) && !sinks.iter().any(|(name, _)| *name == to.value) {
            let message = format!("flows to `{}` are not enforced yet", to.value);
            let hint = "remove it: nothing may stand in a policy that nothing enforces";
            return Err(self.fail(to.referenced, code::LATER, message, hint));
        }
        let deny = LabelPattern::parse(&deny.value).map_err(|error| self.flow_error(deny, &error))?;
        Ok(Flow { deny, to: self.choice(Some(to), &sinks)?.flatten() })
    }

    fn flow_error(&self, text: &Text, error: &crate::FlowError) -> Diagnostic {
        let message = format!("bad value `{}`: {error}", visible(&text.value));
        self.fail(text.referenced, code::FLOW, message, "write for example `secret:clients` and `notes/clients/**`")
    }
}

/// What may stand before a secret in a segment: nothing that a server could read in two ways.
fn is_segment_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

/// Scheme, host, port and the path before those of the wire, without `/v1` at its end: the wire's own paths begin so.
fn url(text: &str) -> Option<(bool, Host, u16, String)> {
    let (tls, rest) = match text.split_once("://")? {
        ("https", rest) => (true, rest),
        ("http", rest) => (false, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = Host::parse_with_port(authority).ok()?;
    let path = path.trim_end_matches('/');
    let base = path.strip_suffix("/v1").unwrap_or(path);
    let plain = base.is_empty() || crate::PathPattern::parse(base).is_ok() && !base.contains(['*', '%', ';']);
    plain.then(|| (tls, host, port.unwrap_or(if tls { 443 } else { 80 }), base.to_owned()))
}
