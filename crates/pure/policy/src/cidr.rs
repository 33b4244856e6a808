//! A network: an address and how many of its leading bits count.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::HostError;

/// A network in canonical form: no bit set below the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network, when the address has no bit set below the prefix.
    ///
    /// # Errors
    /// [`HostError::Cidr`] otherwise.
    pub fn new(network: IpAddr, prefix: u8) -> Result<Cidr, HostError> {
        match Cidr::around(network, prefix) {
            Some(cidr) if cidr.network == network => Ok(cidr),
            _ => Err(HostError::Cidr),
        }
    }

    /// `ADDRESS/PREFIX`.
    ///
    /// # Errors
    /// [`HostError::Cidr`] for anything else, and for v4 networks mapped into v6: write them as v4.
    pub fn parse(text: &str) -> Result<Cidr, HostError> {
        let (address, prefix) = text.split_once('/').ok_or(HostError::Cidr)?;
        let plain = prefix == "0" || (!prefix.starts_with('0') && prefix.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix = prefix.parse().ok().filter(|_| plain).ok_or(HostError::Cidr)?;
        let address: IpAddr = address.parse().map_err(|_| HostError::Cidr)?;
        if address.to_canonical() != address {
            return Err(HostError::Cidr);
        }
        Cidr::new(address, prefix)
    }

    /// The network of that length around an address; none when the length does not fit.
    pub(crate) fn around(address: IpAddr, prefix: u8) -> Option<Cidr> {
        let network = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Cidr { network, prefix })
    }

    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Cidr::around(address, self.prefix) == Some(*self)
    }

    /// Whether every address of the other network lies in this one.
    #[must_use]
    pub fn covers(&self, other: &Cidr) -> bool {
        self.prefix <= other.prefix && self.contains(other.network)
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.network
    }

    /// How many leading bits count.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether this is a network of IPv4.
    #[must_use]
    pub const fn is_v4(&self) -> bool {
        self.network.is_ipv4()
    }
}

impl TryFrom<String> for Cidr {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        Cidr::parse(&text)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network, self.prefix)
    }
}
