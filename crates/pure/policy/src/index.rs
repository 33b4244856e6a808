//! Rules by host, so that a decision does not depend on how many there are.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::{Cidr, Host, HostPattern, NameShape, Rule};

/// Positions of rules, by what their host pattern says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    exact: HashMap<String, Vec<usize>>,
    below: HashMap<String, Vec<usize>>,
    /// By what stands behind their last `+`.
    shaped: HashMap<String, Vec<(usize, NameShape)>>,
    address: HashMap<IpAddr, Vec<usize>>,
    network: HashMap<Cidr, Vec<usize>>,
    prefixes: BTreeSet<u8>,
    allows: bool,
}

impl Index {
    /// Of rules that allow.
    pub(crate) fn allowing(rules: &[Rule]) -> Index {
        Index { allows: true, ..Index::denying(rules) }
    }

    /// Of rules that deny.
    pub(crate) fn denying(rules: &[Rule]) -> Index {
        let mut index = Index::default();
        for (position, rule) in rules.iter().enumerate() {
            match &rule.to.host {
                HostPattern::Exact(name) => index.exact.entry(name.as_str().into()).or_default(),
                HostPattern::Below(name) => index.below.entry(name.as_str().into()).or_default(),
                HostPattern::Shaped(shape) => {
                    index.shaped.entry(shape.anchor().into()).or_default().push((position, shape.clone()));
                    continue;
                }
                HostPattern::Address(address) => index.address.entry(address.to_canonical()).or_default(),
                HostPattern::Network(network) => {
                    index.prefixes.insert(network.prefix());
                    index.network.entry(*network).or_default()
                }
            }
            .push(position);
        }
        index
    }

    /// The first position under this host, most specific pattern first, that passes. Allocates nothing.
    pub(crate) fn find(&self, host: &Host, mut passes: impl FnMut(usize) -> bool) -> Option<usize> {
        match host {
            Host::Name(name) => first(self.exact.get(name.as_str()), &mut passes).or_else(|| {
                // A wildcard over `bastide` must not open the host's loopback, only its own name does; it closes it.
                let any = !(self.below.is_empty() && self.shaped.is_empty());
                let walk = any && !(self.allows && name.is_host_bastide());
                name.parents().filter(|_| walk).find_map(|parent| {
                    let shaped = self.shaped.get(parent).into_iter().flatten().filter(|(_, shape)| shape.takes(name));
                    let shaped = shaped.map(|(position, _)| *position).find(|&position| passes(position));
                    shaped.or_else(|| first(self.below.get(parent), &mut passes))
                })
            }),
            Host::Address(address) => {
                let address = address.to_canonical();
                first(self.address.get(&address), &mut passes).or_else(|| {
                    let networks = self.prefixes.iter().rev().filter_map(|&prefix| Cidr::around(address, prefix));
                    networks.into_iter().find_map(|network| first(self.network.get(&network), &mut passes))
                })
            }
        }
    }
}

fn first(found: Option<&Vec<usize>>, passes: &mut impl FnMut(usize) -> bool) -> Option<usize> {
    found.and_then(|list| list.iter().copied().find(|&position| passes(position)))
}
