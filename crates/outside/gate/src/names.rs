//! Synthetic addresses: each name that a cell asks for gets its own, so that a connection tells its name.
//!
//! An address is never given to a second name while the session lasts: a program may hold it for as long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy::DnsName;

/// The v4 pool, 198.18.0.0/15. Its first 256 addresses are the door's own.
const V4_BASE: u32 = u32::from_be_bytes([198, 18, 0, 0]);
const V4_MASK: u32 = 0xfffe_0000;
const V4_FIRST: u32 = 256;
/// How many names the v4 pool holds; the v6 pool follows it.
const CAPACITY: u32 = (1 << 17) - V4_FIRST - 1;
/// The v6 pool, fd62:6173:7469:6465::/64.
const V6_BASE: u128 = 0xfd62_6173_7469_6465_u128 << 64;

/// The addresses of `bastide.internal`, among the door's own.
pub const INTERNAL: Synthetic =
    Synthetic { v4: Ipv4Addr::new(198, 18, 0, 3), v6: Ipv6Addr::new(0xfd62, 0x6173, 0x7469, 0x6465, 0, 0, 0, 3) };

/// The two addresses of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// For A queries.
    pub v4: Ipv4Addr,
    /// For AAAA queries.
    pub v6: Ipv6Addr,
}

/// Every name has its addresses: no further one fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has looked up {0} names, which is its bound")]
pub struct Full(pub u32);

/// The names of one session and their addresses.
#[derive(Debug)]
pub struct Names {
    bound: u32,
    names: Vec<DnsName>,
    places: HashMap<DnsName, u32>,
}

impl Names {
    /// No names yet, and at most `bound` of them.
    #[must_use]
    pub fn new(bound: u32) -> Names {
        Names { bound: bound.min(CAPACITY), names: Vec::new(), places: HashMap::new() }
    }

    /// The addresses of a name, the same each time.
    ///
    /// # Errors
    /// [`Full`] for a new name beyond the bound.
    pub fn assign(&mut self, name: &DnsName) -> Result<Synthetic, Full> {
        if let Some(&place) = self.places.get(name) {
            return Ok(at(place));
        }
        let place = u32::try_from(self.names.len()).ok().filter(|&place| place < self.bound).ok_or(Full(self.bound))?;
        self.names.push(name.clone());
        self.places.insert(name.clone(), place);
        Ok(at(place))
    }

    /// Whether the name has addresses.
    #[must_use]
    pub fn has(&self, name: &DnsName) -> bool {
        self.places.contains_key(name)
    }

    /// The name that an address was given to.
    #[must_use]
    pub fn name(&self, address: IpAddr) -> Option<&DnsName> {
        let offset = match address.to_canonical() {
            IpAddr::V4(v4) if is_pool(address) => u32::from(v4) - V4_BASE,
            IpAddr::V6(v6) if is_pool(address) => u32::try_from(u128::from(v6) - V6_BASE).ok()?,
            _ => return None,
        };
        self.names.get(usize::try_from(offset.checked_sub(V4_FIRST)?).ok()?)
    }
}

/// Whether an address lies in a pool, given to a name or not. Nothing real is there.
#[must_use]
pub fn is_pool(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => u32::from(v4) & V4_MASK == V4_BASE,
        IpAddr::V6(v6) => u128::from(v6) >> 64 == V6_BASE >> 64,
    }
}

/// Whether an address is one of `bastide.internal`.
#[must_use]
pub fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4 == INTERNAL.v4,
        IpAddr::V6(v6) => v6 == INTERNAL.v6,
    }
}

fn at(place: u32) -> Synthetic {
    let offset = V4_FIRST + place;
    Synthetic { v4: Ipv4Addr::from(V4_BASE + offset), v6: Ipv6Addr::from(V6_BASE + u128::from(offset)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::parse(text).unwrap()
    }

    #[test]
    fn the_pools_start_after_the_doors_own_addresses() {
        let given = Names::new(4).assign(&name("a.example")).unwrap();
        assert_eq!(given.v4.to_string(), "198.18.1.0");
        assert_eq!(given.v6.to_string(), "fd62:6173:7469:6465::100");
    }

    #[test]
    fn a_name_keeps_its_addresses_and_each_leads_back() {
        let mut names = Names::new(4);
        let (a, b) = (names.assign(&name("a.example")).unwrap(), names.assign(&name("b.example")).unwrap());
        assert_ne!(a, b);
        assert_eq!(names.assign(&name("A.example.")).unwrap(), a);
        assert_eq!(names.name(b.v4.into()), Some(&name("b.example")));
        assert_eq!(names.name(b.v6.into()), Some(&name("b.example")));
        assert_eq!(names.name(b.v4.to_ipv6_mapped().into()), Some(&name("b.example")));
    }

    #[test]
    fn an_address_that_no_name_has_gives_none() {
        let mut names = Names::new(4);
        names.assign(&name("a.example")).unwrap();
        for text in [
            "198.18.0.1",
            "198.18.1.1",
            "198.19.255.255",
            "192.0.2.1",
            "fd62:6173:7469:6465::1",
            "fd62:6173:7469:6465:1::100",
            "::1",
        ] {
            assert_eq!(names.name(text.parse().unwrap()), None, "{text}");
        }
        assert!(is_pool("198.19.255.255".parse().unwrap()) && !is_pool("198.20.0.0".parse().unwrap()));
    }

    #[test]
    fn a_full_pool_refuses_new_names_and_keeps_the_old() {
        let mut names = Names::new(1);
        let given = names.assign(&name("a.example")).unwrap();
        assert_eq!(names.assign(&name("b.example")), Err(Full(1)));
        assert_eq!(names.assign(&name("a.example")), Ok(given));
    }

    #[test]
    fn the_largest_bound_stays_within_the_pool() {
        let last = at(Names::new(u32::MAX).bound - 1);
        assert!(is_pool(last.v4.into()) && is_pool(last.v6.into()));
    }
}
