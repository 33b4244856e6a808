//! All endpoints together. Where several meet at one destination, there the most specific one decides, an inspected one
//! before one that is not; here rules add up, so what must not add up is taken away or denied.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::endpoint::{Endpoint, Kind};
use super::glob::Paths;
use super::hosts::{self, Hosts};
use super::note::{NoteKind, Notes, shown};
use super::programs::Programs;
use super::raw::{RawEntry, RawMiddleware};
use super::requests::{Denial, Grant};
use crate::read::{Diagnostic, code, fail};
use crate::{Default as Fallback, HostPattern, Method, Network, PathPattern, Protocol, Rule, Target, Tls};

/// Most endpoints of one file.
const MOST_ENDPOINTS: usize = 1000;
/// Most rules that one file becomes.
const MOST_RULES: usize = 2000;
/// What `every method` becomes where some of them are to be denied elsewhere.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
/// A path with an encoded slash.
const SLASH: &str = "/**/*%2F*/**";

pub(super) fn read(
    entries: &BTreeMap<String, Spanned<RawEntry>>,
    middlewares: &BTreeMap<String, Spanned<RawMiddleware>>,
    notes: &mut Notes,
    file: &str,
) -> Result<Network, Diagnostic> {
    let mut endpoints = Vec::new();
    for entry in entries.values() {
        let programs = Programs::read(entry.referenced, entry.value.binaries.as_deref().unwrap_or_default(), notes);
        for raw in entry.value.endpoints.iter().flatten() {
            if endpoints.len() >= MOST_ENDPOINTS {
                let message = format!("more than {MOST_ENDPOINTS} endpoints");
                return Err(fail(file, raw.referenced, code::FOREIGN, message, "split the file"));
            }
            endpoints.push(Endpoint::read(raw, &programs, notes, file)?);
        }
    }
    agree_on_addresses(&mut endpoints, notes);
    give_way(&mut endpoints, notes);
    let mut network = Network { default: Fallback::Deny, ..Network::default() };
    name_methods(&mut endpoints, notes);
    for denied in selected(&endpoints, notes) {
        add(&mut network.deny, denied);
    }
    for endpoint in &endpoints {
        emit(endpoint, &mut network);
        if network.allow.len() + network.deny.len() > MOST_RULES {
            let message = format!("more than {MOST_RULES} rules come of it");
            return Err(fail(file, endpoint.mark, code::FOREIGN, message, "split the file, or name fewer ports"));
        }
    }
    slashes(&endpoints, &mut network, notes);
    for middleware in middlewares.values() {
        unmediated(middleware, &mut network, notes);
    }
    Ok(network)
}

fn add(rules: &mut Vec<Rule>, rule: Rule) {
    if !rules.contains(&rule) {
        rules.push(rule);
    }
}

/// Pairs of positions, each once.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |one| (one + 1..count).map(move |other| (one, other)))
}

/// Endpoints that meet must have the same addresses there; here each keeps those that both have.
fn agree_on_addresses(endpoints: &mut [Endpoint], notes: &mut Notes) {
    let differ = |one: &Endpoint, other: &Endpoint| {
        let named = |endpoint: &Endpoint| matches!(endpoint.hosts, Hosts::Named(_)) && !endpoint.dead;
        named(one) && named(other) && one.addresses != other.addresses && one.overlaps(other)
    };
    for (one, other) in pairs(endpoints.len()) {
        if !differ(&endpoints[one], &endpoints[other]) {
            continue;
        }
        let (these, those) = (&endpoints[one].addresses, &endpoints[other].addresses);
        let both: Vec<_> = match (these.is_empty(), those.is_empty()) {
            (true, _) => those.clone(),
            (_, true) => these.clone(),
            _ => these.iter().filter(|network| those.contains(network)).copied().collect(),
        };
        let what = "endpoints that meet have different `allowed_ips`, which is refused there";
        notes.lost(endpoints[other].mark, what, "only what both have is reached");
        for at in [one, other] {
            endpoints[at].dead |= both.is_empty();
            endpoints[at].addresses.clone_from(&both);
        }
    }
}

/// What is not inspected adds nothing where another endpoint is, for the programs of both.
fn give_way(endpoints: &mut [Endpoint], notes: &mut Notes) {
    for (one, other) in pairs(endpoints.len()) {
        for (here, there) in [(one, other), (other, one)] {
            let (free, inspected) = (&endpoints[here], &endpoints[there]);
            if free.inspects() || free.dead || !free.overlaps(inspected) {
                continue;
            }
            if free.kind == Kind::Unread && inspected.kind != Kind::Unread {
                let what = "`tls: skip` meets an endpoint without it, which is refused there";
                notes.lost(free.mark, what, "requests are read");
                endpoints[here].kind = Kind::Free;
            }
            let (free, inspected) = (&endpoints[here], &endpoints[there]);
            let left = free.programs.without(&inspected.programs);
            if inspected.inspects() && left != free.programs {
                let what =
                    "an endpoint that is not inspected meets one that is, and adds nothing for the programs of both";
                notes.lost(free.mark, what, "those programs are left out of it");
                endpoints[here].dead = left.is_nobody();
                endpoints[here].programs = left;
            }
        }
    }
}

/// Whether the first gives way to the second, which is about some of its requests alone.
fn yields(one: &Endpoint, other: &Endpoint) -> bool {
    one.kind == Kind::Inspected
        && other.inspects()
        && !one.dead
        && !other.selector.covers(&one.selector)
        && !one.selector.is_apart(&other.selector)
        && one.overlaps(other)
        && one.programs.overlap(&other.programs)
}

/// Methods that an endpoint allows on every path that it is about; none for all.
fn whole(endpoint: &Endpoint) -> Option<Vec<&Method>> {
    let all = |grant: &&Grant| {
        let paths = endpoint.selector.narrow.as_ref() == Some(&endpoint.selector.wide);
        grant.query.is_empty() && paths && grant.paths == endpoint.selector.wide
    };
    let mut methods = Vec::new();
    for grant in endpoint.requests.grants.iter().filter(all).filter(|_| !endpoint.dead) {
        methods.extend(grant.methods.as_ref()?);
    }
    Some(methods)
}

/// `Every method` is named method by method where some of them give way to another endpoint.
fn name_methods(endpoints: &mut [Endpoint], notes: &mut Notes) {
    for one in 0..endpoints.len() {
        let gives = |other: &Endpoint| {
            yields(&endpoints[one], other) && whole(other).is_some_and(|methods| !methods.is_empty())
        };
        if !endpoints.iter().any(gives) {
            continue;
        }
        let endpoint = &mut endpoints[one];
        for grant in endpoint.requests.grants.iter_mut().filter(|grant| grant.methods.is_none()) {
            grant.methods = Some(METHODS.iter().filter_map(|name| Method::parse(name).ok()).collect());
            let what = "every method, beside another endpoint that is about some of these paths";
            notes.lost(endpoint.mark, what, format!("the methods {}", METHODS.join(", ")));
        }
    }
}

/// What an endpoint with a path of its own keeps from those that are about more.
fn selected(endpoints: &[Endpoint], notes: &mut Notes) -> Vec<Rule> {
    let mut denied = Vec::new();
    for (one, other) in pairs(endpoints.len()).flat_map(|(one, other)| [(one, other), (other, one)]) {
        let (one, other) = (&endpoints[one], &endpoints[other]);
        if !yields(one, other) {
            continue;
        }
        let Some(kept) = whole(other) else { continue };
        let any = one.requests.grants.iter().any(|grant| grant.methods.is_none());
        let asked = || one.requests.grants.iter().filter_map(|grant| grant.methods.as_ref()).flatten();
        let mut methods: Vec<Method> = Vec::new();
        for method in asked().filter(|method| !kept.contains(method)) {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
        if !any && methods.is_empty() {
            continue;
        }
        let methods = if any { Vec::new() } else { methods };
        let what = "an endpoint with a path of its own decides alone there";
        notes.lost(other.mark, what, "what it does not allow on the whole path is denied there, to every program");
        let denial = Denial { methods, paths: other.selector.wide.clone(), query: BTreeMap::new(), sockets: false };
        denied.extend(places(one).filter(|to| meets(to, other)).map(|to| denying(to, &denial)));
    }
    denied
}

/// Whether a destination is also one of the endpoint's.
fn meets(to: &Target, endpoint: &Endpoint) -> bool {
    let hosts = Hosts::Named(to.host.clone());
    to.port.is_none_or(|port| endpoint.ports.contains(&port)) && hosts::overlap(&hosts, &endpoint.hosts)
}

/// Its destinations, one for each port.
fn places(endpoint: &Endpoint) -> impl Iterator<Item = Target> + '_ {
    let hosts: Vec<HostPattern> = match &endpoint.hosts {
        Hosts::Named(pattern) => vec![pattern.clone()],
        Hosts::Networks(networks) => networks.iter().copied().map(HostPattern::Network).collect(),
        Hosts::Unsaid => Vec::new(),
    };
    let each = |port: &u16| {
        let port = Some(*port);
        hosts.iter().map(|host| Target { host: host.clone(), port }).collect::<Vec<_>>()
    };
    endpoint.ports.iter().map(each).collect::<Vec<_>>().into_iter().flatten()
}

fn denying(to: Target, denial: &Denial) -> Rule {
    let Denial { methods, paths, query, sockets } = denial.clone();
    let rule = Rule { methods, paths: paths.listed(), query, ..Rule::to(to) };
    match (sockets, rule.is_about_requests()) {
        (true, _) => Rule { protocol: Protocol::Websocket, ..rule },
        (false, true) => Rule { protocol: Protocol::Http, ..rule },
        (false, false) => rule,
    }
}

/// The rules of one endpoint.
fn emit(endpoint: &Endpoint, network: &mut Network) {
    if endpoint.dead {
        return;
    }
    for to in places(endpoint) {
        for denial in &endpoint.requests.denials {
            add(&mut network.deny, denying(to.clone(), denial));
        }
        let rule = Rule {
            programs: endpoint.programs.listed(),
            addresses: endpoint.addresses.clone(),
            ..Rule::to(to.clone())
        };
        match endpoint.kind {
            Kind::Inspected => {
                for Grant { methods, paths, query } in endpoint.requests.grants.iter().cloned() {
                    let (methods, paths) = (methods.unwrap_or_default(), paths.listed());
                    add(&mut network.allow, Rule { protocol: Protocol::Http, methods, paths, query, ..rule.clone() });
                }
            }
            Kind::Sockets => {
                for Grant { paths, .. } in &endpoint.requests.grants {
                    let paths = paths.listed();
                    add(&mut network.allow, Rule { protocol: Protocol::Websocket, paths, ..rule.clone() });
                }
            }
            Kind::Free => {
                add(&mut network.allow, Rule { protocol: Protocol::Http, ..rule.clone() });
                add(&mut network.allow, Rule { protocol: Protocol::Websocket, ..rule });
            }
            Kind::Unread if matches!(to.host, HostPattern::Exact(_)) => {
                add(&mut network.allow, Rule { tls: Tls::Pass, ..rule });
            }
            Kind::Bytes | Kind::Unread => add(&mut network.allow, Rule { protocol: Protocol::Tcp, ..rule }),
            Kind::Foreign => {}
        }
    }
}

/// An encoded slash is refused there, unless an endpoint says otherwise.
fn slashes(endpoints: &[Endpoint], network: &mut Network, notes: &mut Notes) {
    let read =
        |endpoint: &&Endpoint| !endpoint.dead && matches!(endpoint.kind, Kind::Inspected | Kind::Sockets | Kind::Free);
    let Ok(slash) = PathPattern::parse(SLASH) else { return };
    let denial =
        Denial { methods: Vec::new(), paths: Paths::Some(vec![slash]), query: BTreeMap::new(), sockets: false };
    for endpoint in endpoints.iter().filter(read) {
        if endpoint.slash {
            let strict = |other: &Endpoint| !other.slash && read(&other) && other.overlaps(endpoint);
            if endpoints.iter().any(strict) {
                let what = "`allow_encoded_slash` meets an endpoint without it";
                notes.lost(endpoint.mark, what, "an encoded slash is refused");
            }
            continue;
        }
        for to in places(endpoint) {
            add(&mut network.deny, denying(to, &denial));
        }
    }
}

/// What a middleware would have looked at does not pass without it.
fn unmediated(raw: &Spanned<RawMiddleware>, network: &mut Network, notes: &mut Notes) {
    let name = shown(&raw.value.middleware.value);
    notes.lost(
        raw.referenced,
        format!("the middleware {name}"),
        "what it would have looked at is denied, `exclude` included",
    );
    for text in &raw.value.endpoints.include {
        match hosts::widely(&text.value) {
            Some(host) => add(&mut network.deny, Rule::to(Target { host, port: None })),
            None => {
                notes.lost(
                    text.referenced,
                    format!("a middleware for {}", shown(&text.value)),
                    "nothing is allowed at all",
                );
                network.allow.clear();
            }
        }
    }
}

/// A preset has no files and no default of its own.
pub(super) fn told_of_base(mark: serde_saphyr::Location, notes: &mut Notes) {
    let what = "a preset is laid over a policy there";
    notes.once(
        mark,
        NoteKind::NotExpressed,
        what,
        "it stands alone: files and limits are those of `hardened`, all else is denied",
    );
}
