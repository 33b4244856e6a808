//! One endpoint by itself: where it leads, who may, and what passes.

use serde_saphyr::{Location as Mark, Spanned};

use super::hosts::{self, CONTROL, Hosts};
use super::note::{NoteKind, Notes, shown};
use super::programs::Programs;
use super::raw::{RawEndpoint, Text};
use super::requests::{Requests, Selector};
use crate::read::{Diagnostic, code, fail};
use crate::{Cidr, HostPattern};

/// What passes to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Requests, each by its rules.
    Inspected,
    /// WebSockets, each by its rules.
    Sockets,
    /// Requests of a kind that is not inspected here.
    Foreign,
    /// Every request.
    Free,
    /// Bytes.
    Bytes,
    /// TLS as it is.
    Unread,
}

/// One endpoint of one entry.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) mark: Mark,
    pub(super) hosts: Hosts,
    pub(super) ports: Vec<u16>,
    pub(super) programs: Programs,
    pub(super) kind: Kind,
    pub(super) selector: Selector,
    pub(super) requests: Requests,
    pub(super) addresses: Vec<Cidr>,
    /// An encoded slash in a path is no reason to refuse it.
    pub(super) slash: bool,
    /// Nothing is allowed by it; others may be narrowed by it all the same.
    pub(super) dead: bool,
}

const PROTOCOLS: [&str; 8] = ["", "rest", "tcp", "websocket", "graphql", "mcp", "json-rpc", "sql"];

impl Endpoint {
    pub(super) fn read(
        raw: &Spanned<RawEndpoint>,
        programs: &Programs,
        notes: &mut Notes,
        file: &str,
    ) -> Result<Endpoint, Diagnostic> {
        let mark = raw.referenced;
        let raw = &raw.value;
        check(raw, mark, file)?;
        let kind = kind(raw, mark, notes);
        let (hosts, addresses, mut dead) = destination(raw, mark, notes);
        let ports = ports(raw, &hosts, notes);
        let selector = Selector::read(raw.path.as_ref(), notes);
        if matches!(kind, Kind::Inspected | Kind::Sockets) {
            enforced(raw, mark, notes);
        }
        let requests = match kind {
            Kind::Inspected => Requests::read(mark, raw, &selector, notes),
            Kind::Sockets => Requests::of_sockets(mark, raw, &selector, notes),
            _ => Requests::default(),
        };
        credentials(raw, notes);
        options(raw, kind, notes);
        if raw.credential_signing.is_some() {
            dead = true;
        }
        dead |= programs.is_nobody() || kind == Kind::Foreign || hosts == Hosts::Unsaid || ports.is_empty();
        let slash = raw.allow_encoded_slash.as_ref().filter(|said| said.value);
        if let (Some(slash), Kind::Free) = (slash, kind) {
            notes.lost(slash.referenced, "`allow_encoded_slash` without `protocol`", "an encoded slash is refused");
        }
        let slash = slash.is_some() && matches!(kind, Kind::Inspected | Kind::Sockets);
        let programs = programs.clone();
        Ok(Endpoint { mark, hosts, ports, programs, kind, selector, requests, addresses, slash, dead })
    }

    /// Whether requests are decided one by one there.
    pub(super) fn inspects(&self) -> bool {
        matches!(self.kind, Kind::Inspected | Kind::Sockets | Kind::Foreign)
    }

    /// Whether some destination may be meant by both.
    pub(super) fn overlaps(&self, other: &Endpoint) -> bool {
        self.ports.iter().any(|port| other.ports.contains(port)) && hosts::overlap(&self.hosts, &other.hosts)
    }
}

/// What is refused there is refused here: it could mean several things.
fn check(raw: &RawEndpoint, mark: Mark, file: &str) -> Result<(), Diagnostic> {
    let choice = |text: Option<&Text>, words: &[&str]| match text {
        Some(text) if !words.contains(&text.value.as_str()) => {
            let message = format!("unknown value {}", shown(&text.value));
            let words: Vec<_> = words.iter().filter(|word| !word.is_empty()).copied().collect();
            Err(fail(file, text.referenced, code::CHOICE, message, &format!("one of: {}", words.join(", "))))
        }
        _ => Ok(()),
    };
    choice(raw.protocol.as_ref(), &PROTOCOLS)?;
    choice(raw.tls.as_ref(), &["", "skip", "terminate", "passthrough"])?;
    choice(raw.enforcement.as_ref(), &["", "enforce", "audit"])?;
    choice(raw.access.as_ref(), &["read-only", "read-write", "full"])?;
    let refuse = |mark: Mark, message: &str, hint: &str| Err(fail(file, mark, code::FOREIGN, message.into(), hint));
    match (&raw.port, &raw.ports) {
        (Some(port), Some(_)) => return refuse(port.referenced, "`port` and `ports` stand side by side", "keep one"),
        (None, None) => return refuse(mark, "an endpoint has no port", "write `port: 443`"),
        _ => {}
    }
    if let (Some(access), Some(_)) = (&raw.access, &raw.rules) {
        return refuse(access.referenced, "`access` and `rules` stand side by side", "keep one");
    }
    let nowhere = raw.host.as_ref().is_none_or(|host| host.value.is_empty());
    if nowhere && raw.allowed_ips.as_ref().is_none_or(Vec::is_empty) {
        return refuse(mark, "an endpoint has neither `host` nor `allowed_ips`", "write `host: api.example.com`");
    }
    if let Some(first) = raw.port.iter().chain(raw.ports.iter().flatten()).find(|port| port.value == 0) {
        return refuse(first.referenced, "0 is no port", "write `port: 443`");
    }
    Ok(())
}

fn kind(raw: &RawEndpoint, mark: Mark, notes: &mut Notes) -> Kind {
    let (protocol, skip) = (raw.protocol.as_ref().map_or("", |text| text.value.as_str()), is_skip(raw));
    let asks =
        raw.rules.is_some() || raw.deny_rules.is_some() || raw.access.as_ref().is_some_and(|text| text.value != "full");
    if let (Some(tls), true) = (&raw.tls, skip && !matches!(protocol, "" | "tcp")) {
        notes.reported(tls.referenced, "`tls: skip` lets pass unread what is to be inspected", "it is read");
    }
    match protocol {
        "rest" => Kind::Inspected,
        "websocket" => Kind::Sockets,
        "tcp" if asks || raw.access.is_some() || raw.path.is_some() => {
            notes.reported(
                mark,
                "`protocol: tcp` beside rules about requests, which is refused there",
                "requests are inspected",
            );
            Kind::Inspected
        }
        "tcp" => Kind::Bytes,
        "" if asks => {
            let what = "without `protocol`, `access` and `rules` have no effect";
            notes.reported(mark, what, "they are enforced, as with `protocol: rest`");
            Kind::Inspected
        }
        "" if skip => {
            let what = "with `tls: skip`, what is no TLS passes as well";
            notes.lost(
                mark,
                what,
                "only TLS to that very name passes, where it has no wildcard; write `protocol: tcp` for more",
            );
            Kind::Unread
        }
        "" => {
            let what = "without `protocol`, what is no HTTP/1.1 passes unread";
            let now = "every request and WebSocket is let through, and nothing else; write `protocol: tcp` or `tls: pass` for more";
            notes.lost(mark, what, now);
            Kind::Free
        }
        other => {
            notes.lost(mark, format!("what `protocol: {other}` inspects"), "nothing is allowed by this endpoint");
            Kind::Foreign
        }
    }
}

pub(super) fn is_skip(raw: &RawEndpoint) -> bool {
    raw.tls.as_ref().is_some_and(|text| text.value == "skip")
}

/// Where it leads, which addresses a name may lead to, and whether that is nowhere.
fn destination(raw: &RawEndpoint, mark: Mark, notes: &mut Notes) -> (Hosts, Vec<Cidr>, bool) {
    let addresses = raw.allowed_ips.as_ref().filter(|list| !list.is_empty());
    let listed = addresses.map(|texts| hosts::addresses(texts, notes));
    let host = raw.host.as_ref().filter(|host| !host.value.is_empty());
    let Some(host) = host else {
        let what = "without `host`, any name that leads to `allowed_ips` is meant";
        notes.lost(mark, what, "the addresses are meant where they are asked for as such");
        return match listed.flatten() {
            Some(networks) => (Hosts::Networks(networks), Vec::new(), false),
            None => (Hosts::Unsaid, Vec::new(), true),
        };
    };
    let hosts = hosts::named(host, notes);
    match (&hosts, listed) {
        (_, Some(None)) => (hosts, Vec::new(), true),
        (Hosts::Named(HostPattern::Address(address)), Some(Some(networks))) => {
            let outside = !networks.iter().any(|network| network.contains(*address));
            if outside {
                notes.lost(mark, "an address outside its own `allowed_ips`", "nothing is allowed by this endpoint");
            }
            (hosts, Vec::new(), outside)
        }
        (Hosts::Named(HostPattern::Exact(_)), None) => {
            hosts::told_of_private(mark, notes);
            (hosts, Vec::new(), false)
        }
        (_, listed) => (hosts, listed.flatten().unwrap_or_default(), false),
    }
}

fn ports(raw: &RawEndpoint, hosts: &Hosts, notes: &mut Notes) -> Vec<u16> {
    let wild = matches!(hosts, Hosts::Named(HostPattern::Below(_) | HostPattern::Shaped(_)));
    let closed = !wild || raw.allowed_ips.is_some();
    let mut ports = Vec::new();
    for port in raw.port.iter().chain(raw.ports.iter().flatten()) {
        if closed && CONTROL.contains(&port.value) {
            let what = format!("port {} is a control plane's", port.value);
            notes.reported(port.referenced, what, "as there, it is not reached");
        } else if !ports.contains(&port.value) {
            ports.push(port.value);
        }
    }
    ports
}

fn enforced(raw: &RawEndpoint, mark: Mark, notes: &mut Notes) {
    let now = "rules are enforced";
    match &raw.enforcement {
        Some(text) if text.value == "enforce" => {}
        Some(text) if !text.value.is_empty() => {
            notes.reported(text.referenced, "`enforcement: audit` lets pass what breaks the rules", now);
        }
        _ => notes.reported(mark, "without `enforcement`, what breaks the rules passes", now),
    }
    let what = "an allowed request may go on as another protocol, such as WebSocket";
    notes.once(mark, NoteKind::NotExpressed, what, "only where a rule says `protocol: websocket`");
}

fn credentials(raw: &RawEndpoint, notes: &mut Notes) {
    let none = "none goes along; write `credential` in the rule, and keep it with `bastide vault set`";
    if let Some(binding) = &raw.credential_binding {
        notes.lost(binding.referenced, "`credential_binding` lends a provider's credentials", none);
    }
    let said = [
        ("request_body_credential_rewrite", &raw.request_body_credential_rewrite),
        ("websocket_credential_rewrite", &raw.websocket_credential_rewrite),
    ];
    for (key, value) in said {
        if let Some(on) = value.as_ref().filter(|on| on.value) {
            notes.lost(on.referenced, format!("`{key}` puts credentials into what is sent"), none);
        }
    }
    if let Some(on) = raw.allow_uninspected_credentials.as_ref().filter(|on| on.value) {
        notes.reported(on.referenced, "`allow_uninspected_credentials` lends them unseen", "none goes along");
    }
    if let Some(signing) = &raw.credential_signing {
        notes.lost(signing.referenced, "`credential_signing` signs requests", "nothing is allowed by this endpoint");
    }
    for text in [&raw.signing_service, &raw.signing_region].into_iter().flatten() {
        if raw.credential_signing.is_none() {
            notes.lost(text.referenced, format!("{} to sign for", shown(&text.value)), "nothing is signed");
        }
    }
}

/// Options of protocols that are not inspected here. Where they stand beside another protocol they have no effect there.
fn options(raw: &RawEndpoint, kind: Kind, notes: &mut Notes) {
    let whole = [
        ("graphql_persisted_queries", &raw.graphql_persisted_queries),
        ("graphql_max_body_bytes", &raw.graphql_max_body_bytes),
        ("mcp", &raw.mcp),
        ("json_rpc", &raw.json_rpc),
    ];
    let said = whole.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?.referenced)));
    let persisted = raw.persisted_queries.as_ref().map(|text| ("persisted_queries", text.referenced));
    for (key, mark) in said.chain(persisted) {
        let now =
            if kind == Kind::Foreign { "nothing is allowed by this endpoint" } else { "it has no effect, as there" };
        notes.lost(mark, format!("`{key}` is about a protocol that is not inspected here"), now);
    }
    if kind == Kind::Foreign {
        let rules = raw.rules.iter().flatten().map(|rule| rule.referenced);
        let denied = raw.deny_rules.iter().flatten().map(|rule| rule.referenced);
        for mark in rules.chain(denied) {
            notes.lost(mark, "a rule of a protocol that is not inspected here", "nothing is allowed by this endpoint");
        }
    }
}
