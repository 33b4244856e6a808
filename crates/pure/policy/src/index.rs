//! Rules by host, so that a decision does not depend on how many there are.

mod paths;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use self::paths::{MANY, Paths};
use crate::{Cidr, Host, HostPattern, NameShape, Request, Rule};

/// Positions of rules, by what their host pattern says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    exact: HashMap<String, Listed>,
    below: HashMap<String, Listed>,
    /// By what stands behind their last `+`.
    shaped: HashMap<String, Vec<(usize, NameShape)>>,
    address: HashMap<IpAddr, Listed>,
    network: HashMap<Cidr, Listed>,
    prefixes: BTreeSet<u8>,
    allows: bool,
}

/// Rules with the same host pattern.
#[derive(Debug, Clone, Default)]
struct Listed {
    positions: Vec<usize>,
    /// Where there are many.
    paths: Option<Paths>,
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
            .positions
            .push(position);
        }
        let Index { exact, below, address, network, .. } = &mut index;
        let lists =
            exact.values_mut().chain(below.values_mut()).chain(address.values_mut()).chain(network.values_mut());
        for list in lists.filter(|list| list.positions.len() >= MANY) {
            list.paths = Some(Paths::new(&list.positions, rules));
        }
        index
    }

    /// The first position under this host, most specific pattern first, that passes and may mean this request. Allocates
    /// nothing.
    pub(crate) fn find(
        &self,
        host: &Host,
        request: Option<&Request>,
        mut passes: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let first =
            |found: Option<&Listed>, passes: &mut _| found.and_then(|list| list.first(request, self.allows, passes));
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

impl Listed {
    fn first(&self, request: Option<&Request>, every: bool, passes: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        match (&self.paths, request) {
            (Some(paths), Some(request)) => paths.find(request, every, passes),
            _ => self.positions.iter().copied().find(|&position| passes(position)),
        }
    }
}
