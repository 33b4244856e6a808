//! One spelling for every host: whatever policy judges has been through here, so two spellings of one
//! destination cannot be judged differently.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The name by which a port of the host's loopback is reached, when a rule names it with that port.
pub const HOST_BASTIDE: &str = "host.bastide";
/// Where petitions go.
const INTERNAL: &str = "bastide.internal";

/// A DNS name in canonical form: lower-case ASCII, no trailing dot, at most 253 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

/// A destination: a name, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Host {
    /// A DNS name.
    Name(DnsName),
    /// An address. A v4 address mapped into v6 is judged as the v4 address.
    Address(IpAddr),
}

/// Text that is no canonical host, pattern or target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("empty host")]
    Empty,
    /// More than 253 bytes.
    #[error("name longer than 253 bytes")]
    TooLong,
    /// A label is empty, longer than 63 bytes, or starts or ends with a hyphen.
    #[error("a label must have 1 to 63 bytes and no hyphen at either end")]
    Label,
    /// A character that no host has; names beyond ASCII are written in punycode.
    #[error("only letters, digits, `-` and `_` stand in a name (write `xn--…` for others)")]
    Character,
    /// A name that libraries would read as a number: octal, hex or short IPv4.
    #[error("not an address in plain form: write four decimal numbers without leading zeros")]
    NumericName,
    /// Brackets that hold no IPv6 address.
    #[error("brackets must hold an IPv6 address")]
    Brackets,
    /// A URL, where a host is asked for.
    #[error("a host, not a URL: leave `https://` and the path out")]
    Url,
    /// A port that is no number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// No port where one is needed.
    #[error("a port is needed: write `HOST:PORT`")]
    NoPort,
    /// A star anywhere but as the whole first label.
    #[error("`*` stands only as the whole first label, as in `*.example.com`")]
    Wildcard,
    /// A `+` in the last label, or several side by side.
    #[error("`+` stands for text within a label that is not the last, as in `+.example.com`")]
    Plus,
    /// A prefix length that does not fit the address, or bits set below it.
    #[error("a network is an address with no bit set below its prefix length")]
    Cidr,
    /// An address or network of the host's loopback in a rule.
    #[error("the host's loopback has no address here: write `host.bastide:PORT`")]
    Loopback,
    /// A name of the loopback, in a rule that somebody writes: it never reaches the door.
    #[error("inside it is the cell's own, and no rule is about it: write `host.bastide:PORT` for a port of this host")]
    Localhost,
    /// An address or network of those that stand for names inside a cell, in a rule.
    #[error("the address stands for a name inside a cell and is nowhere else: write the name")]
    Synthetic,
}

impl DnsName {
    /// The canonical form of a name; one trailing dot is dropped, upper case lowered.
    ///
    /// # Errors
    /// [`HostError`] for anything that is no DNS name, and for names that some library reads as an address.
    pub fn parse(text: &str) -> Result<DnsName, HostError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.len() > 253 {
            return Err(HostError::TooLong);
        }
        text.split('.').try_for_each(check_label)?;
        // inet_aton reads `0x7f.1`, `0177.0.0.1` and `2130706433` as loopback: no such name may exist here.
        if text.rsplit('.').next().is_some_and(is_numeric) {
            return Err(HostError::NumericName);
        }
        Ok(DnsName(text.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Each proper parent, nearest first: `b.c` and `c` for `a.b.c`.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('.').map(|(dot, _)| &self.0[dot + 1..])
    }

    /// Whether this is [`HOST_BASTIDE`].
    #[must_use]
    pub fn is_host_bastide(&self) -> bool {
        self.0 == HOST_BASTIDE
    }

    /// Whether it is a name of the door itself, which no rule opens. Servers of MCP in cells of their own have names beside
    /// it, for rules about what is said to them.
    #[must_use]
    pub fn is_the_doors_own(&self) -> bool {
        let own = self.0.ends_with(".bastide") && !self.is_host_bastide();
        own || self.0 == INTERNAL || self.0.ends_with(&format!(".{INTERNAL}"))
    }
}

fn check_label(label: &str) -> Result<(), HostError> {
    if label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
        return Err(HostError::Label);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.bytes().all(plain) { Ok(()) } else { Err(HostError::Character) }
}

fn is_numeric(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl TryFrom<String> for DnsName {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        DnsName::parse(&text)
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> String {
        name.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Host {
    /// A name or an address; IPv6 with or without brackets, v4-mapped as v4.
    ///
    /// # Errors
    /// [`HostError`] for anything else, zone identifiers included.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Brackets)?;
            let address: std::net::Ipv6Addr = inner.parse().map_err(|_| HostError::Brackets)?;
            return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Host::Address(address.to_canonical()));
        }
        // `1.2.3.4.` resolves as an address in some libraries; only the plain form is one here.
        if text.strip_suffix('.').is_some_and(|name| name.parse::<Ipv4Addr>().is_ok()) {
            return Err(HostError::NumericName);
        }
        DnsName::parse(text).map(Host::Name)
    }

    /// `HOST[:PORT]`; an IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// [`HostError`] for a bad host or port.
    pub fn parse_with_port(text: &str) -> Result<(Host, Option<u16>), HostError> {
        let (host, port) = split_port(text)?;
        Ok((Host::parse(host)?, port))
    }
}

/// Splits `HOST[:PORT]` without judging the host.
pub(crate) fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    if text.contains("://") {
        return Err(HostError::Url);
    }
    if text.starts_with('[') {
        let end = text.find(']').ok_or(HostError::Brackets)?;
        return match &text[end + 1..] {
            "" => Ok((text, None)),
            rest => Ok((&text[..=end], Some(parse_port(rest.strip_prefix(':').ok_or(HostError::Brackets)?)?))),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(parse_port(port)?))),
    }
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    let plain = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().map_err(|_| HostError::Port) } else { Err(HostError::Port) }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(formatter),
            Host::Address(IpAddr::V4(address)) => address.fmt(formatter),
            Host::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_remains() {
        assert_eq!(DnsName::parse("API.GitHub.com.").map(String::from), Ok("api.github.com".into()));
        assert_eq!(Host::parse("[::ffff:1.2.3.4]"), Host::parse("1.2.3.4"));
        assert_eq!(Host::parse_with_port("[::1]:443").map(|pair| pair.1), Ok(Some(443)));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "ä.de",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "2130706433",
            "1.2.3.4.",
            "a:0",
            "a:",
            "a:080",
            "a:65536",
            "[::1",
            "fe80::1%eth0",
            "a..",
            "1.2.3.0x4",
        ] {
            assert!(Host::parse_with_port(text).is_err(), "{text}");
        }
        assert!(DnsName::parse(&"a.".repeat(130)).is_err());
        assert!(DnsName::parse(&"a".repeat(64)).is_err());
    }
}
