//! Which hosts a rule means.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::host::split_port;
use crate::{Cidr, DnsName, Host, HostError, NameShape, SpecialRange, special};

/// The hosts of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HostPattern {
    /// That very name.
    Exact(DnsName),
    /// `*.NAME`: one or more labels below the name, never the name itself.
    Below(DnsName),
    /// Names label for label, such as `+.NAME`.
    Shaped(NameShape),
    /// That very address.
    Address(IpAddr),
    /// Every address of a network.
    Network(Cidr),
}

impl From<&Host> for HostPattern {
    /// That host and no other.
    fn from(host: &Host) -> HostPattern {
        match host {
            Host::Name(name) => HostPattern::Exact(name.clone()),
            Host::Address(address) => HostPattern::Address(address.to_canonical()),
        }
    }
}

/// Hosts and port of a rule, written `HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    /// The hosts.
    pub host: HostPattern,
    /// The port; none means every port.
    pub port: Option<u16>,
}

impl HostPattern {
    /// A name, `*.NAME`, a name with `+`, an address or a network; IPv6 with or without brackets.
    ///
    /// # Errors
    /// [`HostError`] for anything else, and for what no rule can open: see [`SpecialRange::is_closed`].
    pub fn parse(text: &str) -> Result<HostPattern, HostError> {
        let pattern = HostPattern::read(text)?;
        match pattern.closed() {
            None => Ok(pattern),
            Some(SpecialRange::Synthetic) => Err(HostError::Synthetic),
            Some(_) => Err(HostError::Loopback),
        }
    }

    /// The closed range that holds every address of the pattern.
    fn closed(&self) -> Option<SpecialRange> {
        let (address, prefix) = match self {
            HostPattern::Exact(_) | HostPattern::Below(_) | HostPattern::Shaped(_) => return None,
            HostPattern::Address(address) => (*address, u8::MAX),
            HostPattern::Network(network) => (network.address(), network.prefix()),
        };
        special(address).filter(|found| found.range.is_closed() && prefix >= found.prefix).map(|found| found.range)
    }

    fn read(text: &str) -> Result<HostPattern, HostError> {
        if let Some(name) = text.strip_prefix("*.") {
            return Ok(HostPattern::Below(DnsName::parse(name)?));
        }
        if text.contains('*') {
            return Err(HostError::Wildcard);
        }
        if text.contains('+') {
            return NameShape::parse(text).map(HostPattern::Shaped);
        }
        if text.contains('/') {
            let inner =
                text.strip_prefix('[').map_or(Ok(text), |rest| rest.strip_suffix(']').ok_or(HostError::Brackets))?;
            return Cidr::parse(inner).map(HostPattern::Network);
        }
        Ok(match Host::parse(text)? {
            Host::Name(name) => HostPattern::Exact(name),
            Host::Address(address) => HostPattern::Address(address),
        })
    }

    /// Whether every host of the other pattern is one of this.
    #[must_use]
    pub fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Below(zone), HostPattern::Exact(name)) => {
                name.parents().any(|parent| parent == zone.as_str())
            }
            (HostPattern::Below(zone), HostPattern::Below(name)) => {
                zone == name || name.parents().any(|parent| parent == zone.as_str())
            }
            (HostPattern::Below(zone), HostPattern::Shaped(shape)) => {
                let anchor = shape.anchor();
                anchor.strip_suffix(zone.as_str()).is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (HostPattern::Shaped(shape), HostPattern::Exact(name)) => shape.takes(name),
            (HostPattern::Shaped(wide), HostPattern::Shaped(narrow)) => wide.covers(narrow),
            (HostPattern::Network(network), HostPattern::Address(address)) => network.contains(*address),
            (HostPattern::Network(wide), HostPattern::Network(narrow)) => wide.covers(narrow),
            _ => self == other,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => name.fmt(formatter),
            HostPattern::Below(name) => write!(formatter, "*.{name}"),
            HostPattern::Shaped(shape) => formatter.write_str(shape.as_str()),
            HostPattern::Address(address) => Host::Address(*address).fmt(formatter),
            HostPattern::Network(network) if network.is_v4() => network.fmt(formatter),
            HostPattern::Network(network) => write!(formatter, "[{network}]"),
        }
    }
}

impl Target {
    /// `HOST[:PORT]`. `host.bastide` needs its port, since it opens a port of the host's own loopback.
    ///
    /// # Errors
    /// [`HostError`] for a bad host or port.
    pub fn parse(text: &str) -> Result<Target, HostError> {
        let (host, port) = split_port(text)?;
        let host = HostPattern::parse(host)?;
        match &host {
            HostPattern::Exact(name) if name.is_host_bastide() && port.is_none() => Err(HostError::NoPort),
            _ => Ok(Target { host, port }),
        }
    }

    /// The same of what somebody writes just now. Names of the loopback are refused too: inside they are the cell's
    /// own, so such a rule means nothing. One that was kept by an older build still reads.
    ///
    /// # Errors
    /// As [`Target::parse`], and [`HostError::Localhost`].
    pub fn written(text: &str) -> Result<Target, HostError> {
        let target = Target::parse(text)?;
        let host = target.host.to_string();
        let own = ["localhost", "ip6-localhost", "ip6-loopback"].contains(&host.as_str());
        if own || host.ends_with(".localhost") { Err(HostError::Localhost) } else { Ok(target) }
    }

    /// Whether every destination of the other target is one of this.
    #[must_use]
    pub fn covers(&self, other: &Target) -> bool {
        (self.port.is_none() || self.port == other.port) && self.host.covers(&other.host)
    }

    /// Whether allowing this allows every destination of the other. Unlike [`Target::covers`] it counts that
    /// `host.bastide` is opened by nothing but its own name with the port: `*.bastide` denies it and never allows it.
    #[must_use]
    pub fn opens(&self, other: &Target) -> bool {
        let loopback = matches!(&other.host, HostPattern::Exact(name) if name.is_host_bastide());
        self.covers(other) && (!loopback || self == other)
    }
}

impl TryFrom<String> for Target {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        Target::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.host),
            None => self.host.fmt(formatter),
        }
    }
}
