//! Destinations: what a host of the other language means here, which addresses it may lead to, and whether two overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_saphyr::Location as Mark;

use super::note::{NoteKind, Notes, shown};
use super::raw::Text;
use crate::{Cidr, HostPattern, NameShape, SpecialRange, special};

/// Where an endpoint leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    Named(HostPattern),
    /// Addresses, whatever they are called.
    Networks(Vec<Cidr>),
    /// Nothing that can be named here. It is taken for anything where others are narrowed by it.
    Unsaid,
}

/// Names of the host that runs it all. Services of its loopback are more than what is reached by them there.
const OF_THE_HOST: [&str; 5] =
    ["host.openshell.internal", "host.ryno.internal", "host.docker.internal", "host.containers.internal", "localhost"];
/// The model that the operator chose there.
const OF_THE_MODEL: &str = "inference.local";
/// What a control plane listens on; never authorized there.
pub(super) const CONTROL: [u16; 5] = [2379, 2380, 6443, 10250, 10255];

const NOTHING: &str = "nothing is allowed by it";

/// What a host means; whatever cannot be said is told.
pub(super) fn named(text: &Text, notes: &mut Notes) -> Hosts {
    let mark = text.referenced;
    let host = text.value.to_ascii_lowercase();
    let bare = host.trim_end_matches('.');
    if OF_THE_HOST.contains(&bare) {
        let now =
            format!("{NOTHING}; write `{{to: \"host.bastide:PORT\"}}`, which reaches that port of the host's loopback");
        notes.lost(mark, format!("{} is the host itself", shown(&host)), now);
        return Hosts::Unsaid;
    }
    if bare == OF_THE_MODEL {
        let now = format!("{NOTHING}; say by `inference.routes` who serves which models");
        notes.lost(mark, format!("{} is the model that was chosen there", shown(&host)), now);
        return Hosts::Unsaid;
    }
    match pattern(&host) {
        Ok(pattern) => Hosts::Named(pattern),
        Err(what) => {
            notes.lost(mark, format!("{} {what}", shown(&host)), NOTHING);
            Hosts::Unsaid
        }
    }
}

fn pattern(host: &str) -> Result<HostPattern, String> {
    if host.contains(['+', '/', '?', '[', '{']) && !host.starts_with('[') {
        return Err("is no host".into());
    }
    let bare = host.trim_end_matches('.');
    if bare == "bastide" || bare.ends_with(".bastide") {
        return Err("means something else here".into());
    }
    let pattern = if host.contains('*') {
        wildcard(bare)?
    } else {
        HostPattern::parse(host).map_err(|error| format!("is no host here: {error}"))?
    };
    match &pattern {
        HostPattern::Address(address) if never(*address) => {
            Err("is loopback, link-local or no address at all, which is never authorized there".into())
        }
        _ => Ok(pattern),
    }
}

/// `*` is any text within a label, of which the first may have one beside other text; `**` as the first is any number of
/// labels.
fn wildcard(host: &str) -> Result<HostPattern, String> {
    let labels: Vec<&str> = host.split('.').collect();
    if labels.len() < 3 {
        return Err("has a wildcard and fewer than three labels, which is refused there as well".into());
    }
    let (first, rest) = (labels[0], &labels[1..]);
    if rest.iter().any(|label| label.contains('*') && *label != "*") {
        return Err("has a wildcard within a later label, which is refused there as well".into());
    }
    let read = if first == "**" {
        if rest.contains(&"*") {
            return Err("has two kinds of wildcards".into());
        }
        HostPattern::parse(&format!("*.{}", rest.join(".")))
    } else {
        let mut shape = host.to_owned();
        while shape.contains("**") {
            shape = shape.replace("**", "*");
        }
        NameShape::parse(&shape.replace('*', "+")).map(HostPattern::Shaped)
    };
    read.map_err(|error| format!("is no host here: {error}"))
}

/// The hosts that something is done to which cannot be done here: more of them rather than fewer. None for all.
pub(super) fn widely(text: &str) -> Option<HostPattern> {
    let host = text.to_ascii_lowercase();
    if !host.contains('*') {
        return HostPattern::parse(&host).ok();
    }
    let labels = host.trim_end_matches('.').rsplit('.').take_while(|label| !label.contains('*'));
    let mut tail: Vec<&str> = labels.collect();
    tail.reverse();
    HostPattern::parse(&format!("*.{}", tail.join("."))).ok()
}

/// Loopback, link-local or unspecified, the service of metadata included.
fn never(address: IpAddr) -> bool {
    let plain = address.to_canonical();
    let local = match plain {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let closed = special(plain).is_some_and(|found| {
        matches!(found.range, SpecialRange::Loopback | SpecialRange::Unspecified | SpecialRange::LinkLocal)
    });
    local || closed
}

/// Networks in which an entry blocks its whole endpoint there.
fn blocks(network: &Cidr) -> bool {
    let blocked = [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
        (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 32),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
        (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    ];
    let other = |(address, prefix): (IpAddr, u8)| Cidr::around(address, prefix);
    blocked.into_iter().filter_map(other).any(|other| network.covers(&other) || other.covers(network))
}

/// The addresses that may be reached, by `allowed_ips`; none where that reaches nothing.
pub(super) fn addresses(texts: &[Text], notes: &mut Notes) -> Option<Vec<Cidr>> {
    let mut networks = Vec::new();
    for text in texts {
        let mark = text.referenced;
        let Some(network) = network(&text.value) else {
            notes.lost(mark, format!("{} is neither an address nor a network", shown(&text.value)), NOTHING);
            return None;
        };
        if blocks(&network) {
            let what = format!("{} overlaps loopback, link-local or unspecified addresses", shown(&text.value));
            notes.reported(mark, what, "as there, the whole endpoint is closed by it");
            return None;
        }
        if special(network.address()).is_some_and(|found| found.range.is_closed() && network.prefix() >= found.prefix) {
            let what = format!("{} stands for names inside a cell here", shown(&text.value));
            notes.lost(mark, what, "these addresses are not reached");
            continue;
        }
        told_if_wide(mark, &network, notes);
        networks.push(network);
    }
    (!networks.is_empty()).then_some(networks)
}

fn network(text: &str) -> Option<Cidr> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address = address.parse::<IpAddr>().ok()?;
    if address.to_canonical() != address {
        return None;
    }
    let whole = if address.is_ipv4() { 32 } else { 128 };
    // Bits below the prefix mean nothing there.
    Cidr::around(address, prefix.map_or(Some(whole), |prefix| prefix.parse().ok())?)
}

/// A network that is wider than a special range names none of it here.
fn told_if_wide(mark: Mark, network: &Cidr, notes: &mut Notes) {
    let ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
    let ranges = ranges.iter().filter_map(|text| Cidr::parse(text).ok());
    if ranges.into_iter().any(|range| network.covers(&range) && range != *network) {
        let what = format!("`{network}` is wider than a private range within it");
        notes.lost(mark, what, "that range is not reached; name it by itself");
    }
}

/// Where an exact name leads is free there.
pub(super) fn told_of_private(mark: Mark, notes: &mut Notes) {
    let what = "a host without a wildcard may lead to a private address";
    let now = "only where `addresses` beside the rule, or a rule of its own, names that address";
    notes.once(mark, NoteKind::Reported, what, now);
}

/// Whether some destination may be meant by both; said of too many rather than too few.
pub(super) fn overlap(one: &Hosts, other: &Hosts) -> bool {
    match (one, other) {
        (Hosts::Unsaid, _) | (_, Hosts::Unsaid) => true,
        (Hosts::Named(one), Hosts::Named(other)) => patterns_overlap(one, other),
        // A name may lead to any address.
        (Hosts::Networks(_), _) | (_, Hosts::Networks(_)) => true,
    }
}

fn patterns_overlap(one: &HostPattern, other: &HostPattern) -> bool {
    let wild = |pattern: &HostPattern| match pattern {
        HostPattern::Below(zone) => Some(zone.as_str().to_owned()),
        HostPattern::Shaped(shape) => Some(shape.anchor().to_owned()),
        _ => None,
    };
    let below = |name: &str, zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
    match (wild(one), wild(other)) {
        (Some(one), Some(other)) => below(&one, &other) || below(&other, &one),
        _ => one.covers(other) || other.covers(one),
    }
}
