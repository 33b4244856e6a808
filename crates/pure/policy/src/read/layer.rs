//! One file of a policy, compiled, and how it is laid over what came before.

use std::collections::BTreeMap;

use serde_saphyr::{Location as Mark, Spanned};

use super::agents::{self, Said};
use super::raw::{RawAnswers, RawLimits, RawPolicy, RawRule, Text};
use super::value::{self, Scope};
use super::{Diagnostic, code};
use super::{mcp, models, risk, servers};
use crate::{
    Answers, Bodies, Bounds, Cidr, Data, Default as Fallback, Grounding, HostPattern, Intent, Limit, Limits,
    MediaPattern, Policy, Protocol, Repeated, Risk, Rule, SecretRules, Tls, WorkspaceMode, print,
};

/// What one file says; what it leaves out is left to what it extends.
pub(super) struct Layer {
    own: Policy,
    workspace: Option<WorkspaceMode>,
    default: Option<Fallback>,
    bodies: Option<Bodies>,
    grounding: Option<Grounding>,
    intent: Option<Intent>,
    links: Option<Repeated>,
    images: Option<Repeated>,
    instructions: Option<Repeated>,
    agents: Option<Said>,
    risk: Option<Risk>,
    /// Where each value stands: its key and form as [`crate::diff`] prints them.
    pub(super) places: Vec<(String, String, Mark)>,
    pub(super) name: Mark,
}

const MODES: &[(&str, WorkspaceMode)] =
    &[("read-only", WorkspaceMode::ReadOnly), ("review", WorkspaceMode::Review), ("live", WorkspaceMode::Live)];
const PROTOCOLS: &[(&str, Protocol)] =
    &[("tcp", Protocol::Tcp), ("http", Protocol::Http), ("websocket", Protocol::Websocket), ("mcp", Protocol::Mcp)];
const GROUNDINGS: &[(&str, Grounding)] = &[("off", Grounding::Off), ("ask", Grounding::Ask), ("deny", Grounding::Deny)];
const INTENTS: &[(&str, Intent)] = &[("attested", Intent::Attested), ("user-role", Intent::UserRole)];
const DEFAULTS: &[(&str, Fallback)] = &[("deny", Fallback::Deny), ("ask", Fallback::Ask)];

impl Layer {
    pub(super) fn compile(scope: &Scope<'_>, raw: &RawPolicy) -> Result<Layer, Diagnostic> {
        let own = Policy { name: scope.name(&raw.name)?, ..Policy::default() };
        let mut layer = Layer {
            own,
            workspace: None,
            default: None,
            bodies: None,
            grounding: None,
            intent: None,
            links: None,
            images: None,
            instructions: None,
            agents: None,
            risk: None,
            places: Vec::new(),
            name: raw.name.referenced,
        };
        layer.files(scope, raw)?;
        for (name, value) in &raw.env {
            let read = scope.variable(name, value)?;
            layer.place("env", format!("{name}={read}"), value.referenced);
            layer.own.environment.insert(name.clone(), read);
        }
        layer.own.limits = limits(scope, &raw.limits, &mut layer.places)?;
        layer.network(scope, raw)?;
        layer.flows(scope, raw)?;
        layer.tools(scope, raw)?;
        layer.inference(scope, raw)?;
        layer.record(scope, raw)?;
        layer.servers(scope, raw)?;
        layer.agents = agents::said(scope, raw.agents.as_ref(), &mut layer.places)?;
        layer.risk = risk::said(scope, raw.risk.as_ref(), &mut layer.places)?;
        layer.own.tests = raw.tests.iter().map(|test| scope.example(test)).collect::<Result<_, _>>()?;
        Ok(layer)
    }

    fn place(&mut self, key: &str, value: String, mark: Mark) {
        self.places.push((key.into(), value, mark));
    }

    fn files(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        self.workspace = scope.choice(raw.files.workspace.as_ref(), MODES)?;
        if let (Some(mode), Some(text)) = (self.workspace, &raw.files.workspace) {
            self.place("files.workspace", mode.name().into(), text.referenced);
        }
        let paths = |layer: &mut Layer, key: &str, list: &[Text]| {
            let read = |text: &Text| {
                let path = scope.path(text)?;
                layer.place(key, path.to_string(), text.referenced);
                Ok(path)
            };
            list.iter().map(read).collect::<Result<Vec<_>, Diagnostic>>()
        };
        self.own.files.read = paths(self, "files.read", &raw.files.read)?;
        self.own.files.write = paths(self, "files.write", &raw.files.write)?;
        self.own.files.hide = paths(self, "files.hide", &raw.files.hide)?;
        for text in &raw.files.guard {
            let name = scope.guard(text)?;
            self.place("files.guard", name.clone(), text.referenced);
            self.own.files.guard.push(name);
        }
        Ok(())
    }

    fn network(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        self.default = scope.choice(raw.network.default.as_ref(), DEFAULTS)?;
        if let (Some(default), Some(text)) = (self.default, &raw.network.default) {
            self.place("network.default", default.name().into(), text.referenced);
        }
        for raw in &raw.network.allow {
            let rule = rule(scope, raw)?;
            self.place("network.allow", rule.to_string(), raw.to.referenced);
            self.own.network.allow.push(rule);
        }
        for raw in &raw.network.deny {
            let rule = denying(scope, raw)?;
            self.place("network.deny", rule.to_string(), raw.to.referenced);
            self.own.network.deny.push(rule);
        }
        Ok(())
    }

    /// What may be said to a server becomes rules like any other.
    fn servers(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        for (server, rules) in servers::all(scope, &raw.servers)? {
            self.place("servers", server.value.to_string(), server.referenced);
            self.own.servers.push(server.value);
            for (rule, denies, mark) in rules {
                let (key, list) = match denies {
                    true => ("network.deny", &mut self.own.network.deny),
                    false => ("network.allow", &mut self.own.network.allow),
                };
                let said = rule.to_string();
                list.push(rule);
                self.place(key, said, mark);
            }
        }
        Ok(())
    }

    fn flows(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        for raw in &raw.data {
            let files = raw.files.iter().map(|text| scope.files(text)).collect::<Result<_, _>>()?;
            let data = Data { label: scope.label(&raw.label)?, files };
            self.place("data", data.to_string(), raw.label.referenced);
            self.own.data.push(data);
        }
        for raw in &raw.flows {
            let flow = scope.flow(&raw.deny, &raw.to)?;
            self.place("flows", flow.to_string(), raw.deny.referenced);
            self.own.flows.push(flow);
        }
        Ok(())
    }

    fn inference(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        self.own.inference = models::inference(scope, &raw.inference, |key, value, mark| {
            self.places.push((key.into(), value, mark));
        })?;
        Ok(())
    }

    fn tools(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        for raw in &raw.tools {
            let rule = scope.tool(raw)?;
            self.place("tools", rule.to_string(), raw.matches.referenced);
            self.own.tools.push(rule);
        }
        self.grounding = scope.choice(raw.grounding.as_ref(), GROUNDINGS)?;
        if let (Some(grounding), Some(text)) = (self.grounding, &raw.grounding) {
            self.place("grounding", grounding.name().into(), text.referenced);
        }
        for raw in &raw.endorse {
            let endorsement = scope.endorsement(raw)?;
            self.place("endorse", endorsement.to_string(), raw.until.referenced);
            self.own.endorse.push(endorsement);
        }
        self.intent = scope.choice(raw.intent.as_ref(), INTENTS)?;
        if let (Some(intent), Some(text)) = (self.intent, &raw.intent) {
            self.place("intent", intent.name().into(), text.referenced);
        }
        self.links = self.repeated(scope, "foreign.links", raw.foreign.links.as_ref())?;
        self.images = self.repeated(scope, "foreign.images", raw.foreign.images.as_ref())?;
        self.instructions = self.repeated(scope, "foreign.instructions", raw.foreign.instructions.as_ref())?;
        Ok(())
    }

    /// Files of rules, which were read.
    pub(super) fn secrets(&mut self, sets: Vec<(SecretRules, Mark)>) {
        for (set, mark) in sets {
            self.place("secrets", set.to_string(), mark);
            self.own.secrets.push(set);
        }
    }

    fn repeated(&mut self, scope: &Scope<'_>, key: &str, text: Option<&Text>) -> Result<Option<Repeated>, Diagnostic> {
        let said = scope.choice(text, &Repeated::ALL.map(|one| (one.name(), one)))?;
        if let (Some(said), Some(text)) = (said, text) {
            self.place(key, said.name().into(), text.referenced);
        }
        Ok(said)
    }

    fn record(&mut self, scope: &Scope<'_>, raw: &RawPolicy) -> Result<(), Diagnostic> {
        let names = Bodies::ALL.map(|bodies| (bodies.name(), bodies));
        self.bodies = scope.choice(raw.record.bodies.as_ref(), &names)?;
        if let (Some(bodies), Some(text)) = (self.bodies, &raw.record.bodies) {
            self.place("record.bodies", bodies.name().into(), text.referenced);
        }
        Ok(())
    }

    /// This layer over what came before: lists grow, what is stated replaces. Tests stay with their own file.
    pub(super) fn over(&self, base: &Policy) -> Policy {
        let (mut policy, own) = (base.clone(), &self.own);
        policy.name.clone_from(&own.name);
        policy.files.workspace = self.workspace.unwrap_or(policy.files.workspace);
        policy.network.default = self.default.unwrap_or(policy.network.default);
        append(&mut policy.files.read, &own.files.read);
        append(&mut policy.files.write, &own.files.write);
        append(&mut policy.files.hide, &own.files.hide);
        append(&mut policy.files.guard, &own.files.guard);
        append(&mut policy.network.allow, &own.network.allow);
        append(&mut policy.network.deny, &own.network.deny);
        policy.environment.extend(own.environment.clone());
        let (old, new) = (&base.limits, &own.limits);
        policy.limits = Limits {
            memory: new.memory.or(old.memory),
            pids: new.pids.or(old.pids),
            cpu: new.cpu.or(old.cpu),
            time: new.time.or(old.time),
            disk: new.disk.or(old.disk),
            required: old.required.union(&new.required).copied().collect(),
        };
        append(&mut policy.data, &own.data);
        append(&mut policy.flows, &own.flows);
        append(&mut policy.tools, &own.tools);
        append(&mut policy.endorse, &own.endorse);
        policy.grounding = self.grounding.unwrap_or(policy.grounding);
        policy.intent = self.intent.unwrap_or(policy.intent);
        policy.foreign.links = self.links.unwrap_or(policy.foreign.links);
        policy.foreign.images = self.images.unwrap_or(policy.foreign.images);
        policy.foreign.instructions = self.instructions.unwrap_or(policy.foreign.instructions);
        models::over(&mut policy, &own.inference);
        policy.bodies = self.bodies.unwrap_or(policy.bodies);
        policy.agents = self.agents.map_or(policy.agents, |said| Some(said.over(policy.agents)));
        policy.risk = self.risk.map_or(policy.risk, |said| said.over(policy.risk));
        // One that is said anew is another one.
        policy.servers.retain(|base| !own.servers.iter().any(|own| own.name == base.name));
        append(&mut policy.servers, &own.servers);
        append(&mut policy.secrets, &own.secrets);
        policy.tests.clone_from(&own.tests);
        policy
    }
}

/// Reads limits; `places` is told where each stands.
pub(super) fn limits(
    scope: &Scope<'_>,
    raw: &RawLimits,
    places: &mut Vec<(String, String, Mark)>,
) -> Result<Limits, Diagnostic> {
    let texts = [&raw.memory, &raw.pids, &raw.cpu, &raw.time, &raw.disk];
    let mut values = [None; 5];
    for ((limit, text), value) in Limit::ALL.into_iter().zip(texts).zip(&mut values) {
        let Some(text) = text else { continue };
        let read = scope.limit(text, limit)?;
        places.push((format!("limits.{}", limit.name()), print::quantity(limit, read), text.referenced));
        *value = Some(read);
    }
    let [memory, pids, cpu, time, disk] = values;
    let mut limits = Limits { memory, pids, cpu, time, disk, ..Limits::default() };
    let names = Limit::ALL.map(|limit| (limit.name(), limit));
    for text in &raw.required {
        if let Some(limit) = scope.choice(Some(text), &names)? {
            places.push(("limits.required".into(), limit.name().into(), text.referenced));
            limits.required.insert(limit);
        }
    }
    Ok(limits)
}

/// Reads a deny rule.
pub(super) fn denying(scope: &Scope<'_>, raw: &RawRule) -> Result<Rule, Diagnostic> {
    if let Some(first) = raw.programs.iter().flatten().next() {
        let message = "a deny rule holds for every program".into();
        return Err(scope.fail(first.referenced, code::DENY_PROGRAMS, message, "remove `programs`"));
    }
    if let Some(first) = [&raw.body, &raw.rate, &raw.budget, &raw.tls].into_iter().flatten().next() {
        let message = "a deny rule has no bounds and passes nothing: what it means is denied".into();
        return Err(scope.fail(first.referenced, code::REQUEST, message, "bound what is allowed instead"));
    }
    if let Some(answers) = &raw.answers {
        let message = "a deny rule has no answers: what it means is denied".into();
        return Err(scope.fail(answers.referenced, code::REQUEST, message, "bound what is allowed instead"));
    }
    if raw.addresses.is_some() {
        let message = "a deny rule is about a name or an address, not about where a name leads".into();
        return Err(scope.fail(raw.to.referenced, code::REQUEST, message, "deny the addresses themselves"));
    }
    if let Some(credential) = &raw.credential {
        let message = "a deny rule lends no credential".into();
        return Err(scope.fail(credential.referenced, code::CREDENTIAL, message, "remove `credential`"));
    }
    mcp::denied(scope, raw)?;
    rule(scope, raw)
}

/// Reads a rule.
pub(super) fn rule(scope: &Scope<'_>, raw: &RawRule) -> Result<Rule, Diagnostic> {
    let to = scope.target(&raw.to)?;
    let programs = raw.programs.iter().flatten().map(|text| scope.program(text)).collect::<Result<_, _>>()?;
    let addresses = addresses(scope, raw, &to.host)?;
    let said = scope.choice(raw.protocol.as_ref(), PROTOCOLS)?;
    let empty = [
        ("programs", raw.programs.as_ref().is_some_and(Vec::is_empty)),
        ("methods", raw.methods.as_ref().is_some_and(Vec::is_empty)),
        ("paths", raw.paths.as_ref().is_some_and(Vec::is_empty)),
        ("query", raw.query.as_ref().is_some_and(BTreeMap::is_empty)),
        ("headers", raw.headers.as_ref().is_some_and(BTreeMap::is_empty)),
    ];
    if let Some((key, _)) = empty.iter().find(|(_, empty)| *empty) {
        let message = format!("`{key}` is empty, and would say nothing");
        return Err(scope.fail(raw.to.referenced, code::REQUEST, message, "write what it means, or leave the key out"));
    }
    let (methods, paths) = (raw.methods.as_deref().unwrap_or_default(), raw.paths.as_deref().unwrap_or_default());
    let fields = raw.query.iter().chain(&raw.headers).flat_map(BTreeMap::values).next();
    let bounds = [&raw.body, &raw.rate, &raw.budget].into_iter().flatten().next();
    let about = methods.first().or(paths.first()).or(fields).or(bounds).map(|text| text.referenced);
    let about = about.or(raw.answers.as_ref().map(|answers| answers.referenced));
    let credential = raw.credential.as_ref().map(|text| scope.credential(text)).transpose()?;
    if let (Some(Protocol::Tcp), Some(text)) = (said, &raw.credential) {
        let message = "a credential goes with requests, and bytes that are not looked into are none".into();
        return Err(scope.fail(text.referenced, code::CREDENTIAL, message, "leave `protocol: tcp` out"));
    }
    if let (Some(Protocol::Tcp), Some(first)) = (said, about) {
        let message = "bytes that are not looked into are no requests".into();
        return Err(scope.fail(first, code::REQUEST, message, "write `protocol: http`, or leave it out"));
    }
    let implied = match mcp::is_said(raw) {
        true => Protocol::Mcp,
        false if about.is_some() || credential.is_some() => Protocol::Http,
        false => Protocol::default(),
    };
    let protocol = said.unwrap_or(implied);
    let mcp = mcp::rule(scope, raw, protocol, credential.as_ref())?;
    let methods = methods.iter().map(|text| scope.method(text)).collect::<Result<_, _>>()?;
    let paths = paths.iter().map(|text| scope.pattern(text)).collect::<Result<_, _>>()?;
    let tls = scope.choice(raw.tls.as_ref(), &[("read", Tls::Read), ("pass", Tls::Pass)])?.unwrap_or_default();
    if let (Some(text), Tls::Pass) = (&raw.tls, tls)
        && (about.is_some() || credential.is_some() || protocol.reads() || !matches!(to.host, HostPattern::Exact(_)))
    {
        let message = "only TLS to one name passes unread, and then no requests are decided".into();
        return Err(scope.fail(
            text.referenced,
            code::REQUEST,
            message,
            "name the host in full, and nothing about requests",
        ));
    }
    let mut query = BTreeMap::new();
    for (name, text) in raw.query.iter().flatten() {
        query.insert(scope.field(name, text)?, scope.value(text)?);
    }
    let mut headers = BTreeMap::new();
    for (name, text) in raw.headers.iter().flatten() {
        // Two spellings are one header.
        if headers.insert(scope.header(name, text)?, scope.value(text)?).is_some() {
            let message = format!("`{}` is a header that stands here in another spelling too", print::visible(name));
            return Err(scope.fail(text.referenced, code::DUPLICATE, message, "keep one of the two"));
        }
    }
    let size =
        |text: &Option<Text>| text.as_ref().map(|text| scope.quantity(text, value::units(Limit::Memory))).transpose();
    let rate = raw.rate.as_ref().map(|text| scope.rate(text)).transpose()?;
    let bounds = Bounds { body: size(&raw.body)?, rate, budget: size(&raw.budget)? };
    let answers = raw.answers.as_ref().map(|raw| answers(scope, raw, protocol)).transpose()?.unwrap_or_default();
    let requests = Rule { protocol, methods, paths, query, headers, mcp, bounds, answers, ..Rule::to(to) };
    let rule = Rule { programs, addresses, tls, credential, ..requests };
    servers::spoken_with(scope, raw, &rule)?;
    Ok(rule)
}

/// What answers may be.
fn answers(scope: &Scope<'_>, raw: &Spanned<RawAnswers>, protocol: Protocol) -> Result<Answers, Diagnostic> {
    let fail = |message: &str, hint: &str| Err(scope.fail(raw.referenced, code::REQUEST, message.into(), hint));
    let RawAnswers { size, types } = &raw.value;
    if size.is_none() && types.is_none() || types.as_ref().is_some_and(Vec::is_empty) {
        let hint = "write for example `answers: {size: 10MiB, types: [application/json, \"text/*\"]}`";
        return fail("`answers` bounds nothing: it says how long an answer may be, of which types, or both", hint);
    }
    if types.is_some() && protocol == Protocol::Websocket {
        return fail("the messages of a WebSocket have no types", "leave `types` out, and write `size` alone");
    }
    let pattern = |text: &Text| {
        MediaPattern::parse(&text.value).map_err(|error| {
            let message = format!("bad type `{}`: {error}", print::visible(&text.value));
            scope.fail(text.referenced, code::REQUEST, message, "write for example `application/json` or `text/*`")
        })
    };
    let size = size.as_ref().map(|text| scope.quantity(text, value::units(Limit::Memory))).transpose()?;
    let types = types.as_ref().map(|types| types.iter().map(pattern).collect::<Result<_, _>>()).transpose()?;
    Ok(Answers { size, types })
}

/// Where a name may lead; what no rule opens is named here neither.
fn addresses(scope: &Scope<'_>, raw: &RawRule, host: &HostPattern) -> Result<Vec<Cidr>, Diagnostic> {
    let Some(texts) = &raw.addresses else { return Ok(Vec::new()) };
    let named = match host {
        HostPattern::Exact(name) => !name.is_host_bastide(),
        HostPattern::Below(_) | HostPattern::Shaped(_) => true,
        HostPattern::Address(_) | HostPattern::Network(_) => false,
    };
    if texts.is_empty() || !named {
        let message = "`addresses` says where a name leads: at least one network, beside a name".into();
        let hint = "write for example `{to: \"db.example:5432\", addresses: [10.20.0.0/16]}`";
        return Err(scope.fail(raw.to.referenced, code::REQUEST, message, hint));
    }
    texts.iter().map(|text| scope.network(text)).collect()
}

pub(super) fn append<T: PartialEq + Clone>(base: &mut Vec<T>, own: &[T]) {
    for item in own {
        if !base.contains(item) {
            base.push(item.clone());
        }
    }
}
