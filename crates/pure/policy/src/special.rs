//! Address ranges that are not the public internet. A name that resolves into one is refused unless the
//! policy names that very destination; a few are closed, whatever the policy says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The kind of a special range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Each name is the field's own term for its range.
pub enum SpecialRange {
    Metadata,
    Unspecified,
    Loopback,
    Private,
    CarrierGrade,
    LinkLocal,
    ProtocolAssignments,
    Documentation,
    Benchmark,
    Synthetic,
    Multicast,
    Broadcast,
    Reserved,
    UniqueLocal,
    SiteLocal,
    MappedV4,
    TranslatedV4,
    CompatibleV4,
    Nat64,
    SixToFour,
    Teredo,
    Isatap,
    Discard,
}

impl SpecialRange {
    /// The name as printed, for example `link-local`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SpecialRange::Metadata => "metadata",
            SpecialRange::Unspecified => "unspecified",
            SpecialRange::Loopback => "loopback",
            SpecialRange::Private => "private",
            SpecialRange::CarrierGrade => "carrier-grade",
            SpecialRange::LinkLocal => "link-local",
            SpecialRange::ProtocolAssignments => "protocol-assignments",
            SpecialRange::Documentation => "documentation",
            SpecialRange::Benchmark => "benchmark",
            SpecialRange::Synthetic => "synthetic",
            SpecialRange::Multicast => "multicast",
            SpecialRange::Broadcast => "broadcast",
            SpecialRange::Reserved => "reserved",
            SpecialRange::UniqueLocal => "unique-local",
            SpecialRange::SiteLocal => "site-local",
            SpecialRange::MappedV4 => "mapped-v4",
            SpecialRange::TranslatedV4 => "translated-v4",
            SpecialRange::CompatibleV4 => "compatible-v4",
            SpecialRange::Nat64 => "nat64",
            SpecialRange::SixToFour => "6to4",
            SpecialRange::Teredo => "teredo",
            SpecialRange::Isatap => "isatap",
            SpecialRange::Discard => "discard",
        }
    }

    /// Whether no rule can open it: the host's own loopback, which only `host.bastide` reaches, by whichever
    /// address a connection comes to it, and the addresses that stand for names inside a cell, which mean
    /// something else on a real network.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, SpecialRange::Loopback | SpecialRange::Unspecified | SpecialRange::Synthetic)
    }
}

/// A special range as found around an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    /// The kind.
    pub range: SpecialRange,
    /// The shortest prefix by which a network in a rule still names the destination: the range's own, so
    /// that `0.0.0.0/0` names no private address, and a whole link-local network no metadata service.
    pub prefix: u8,
}

/// v4 ranges; the narrower before the wider that holds it.
const V4: &[(Ipv4Addr, u8, SpecialRange)] = &[
    (Ipv4Addr::new(169, 254, 169, 254), 32, SpecialRange::Metadata),
    (Ipv4Addr::new(169, 254, 170, 2), 32, SpecialRange::Metadata),
    (Ipv4Addr::new(100, 100, 100, 200), 32, SpecialRange::Metadata),
    (Ipv4Addr::new(168, 63, 129, 16), 32, SpecialRange::Metadata),
    (Ipv4Addr::new(192, 0, 0, 192), 32, SpecialRange::Metadata),
    (Ipv4Addr::new(255, 255, 255, 255), 32, SpecialRange::Broadcast),
    (Ipv4Addr::new(0, 0, 0, 0), 8, SpecialRange::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, SpecialRange::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, SpecialRange::CarrierGrade),
    (Ipv4Addr::new(127, 0, 0, 0), 8, SpecialRange::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, SpecialRange::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, SpecialRange::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, SpecialRange::ProtocolAssignments),
    (Ipv4Addr::new(192, 0, 2, 0), 24, SpecialRange::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, SpecialRange::SixToFour),
    (Ipv4Addr::new(192, 168, 0, 0), 16, SpecialRange::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, SpecialRange::Synthetic),
    (Ipv4Addr::new(198, 51, 100, 0), 24, SpecialRange::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, SpecialRange::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, SpecialRange::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, SpecialRange::Reserved),
];

const fn v6(a: u16, b: u16, c: u16, h: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, h)
}

/// v6 ranges; the last number is the bit at which an embedded v4 address starts.
const V6: &[(Ipv6Addr, u8, SpecialRange, Option<u32>)] = &[
    (v6(0xfd00, 0xec2, 0, 0x254), 128, SpecialRange::Metadata, None),
    (v6(0xfd20, 0xce, 0, 0x254), 128, SpecialRange::Metadata, None),
    (v6(0, 0, 0, 0), 128, SpecialRange::Unspecified, None),
    (v6(0, 0, 0, 1), 128, SpecialRange::Loopback, None),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, SpecialRange::MappedV4, Some(96)),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, SpecialRange::TranslatedV4, Some(96)),
    (v6(0, 0, 0, 0), 96, SpecialRange::CompatibleV4, Some(96)),
    (v6(0x64, 0xff9b, 0, 0), 96, SpecialRange::Nat64, Some(96)),
    (v6(0x64, 0xff9b, 1, 0), 48, SpecialRange::Nat64, Some(96)),
    (v6(0x100, 0, 0, 0), 64, SpecialRange::Discard, None),
    (v6(0x2001, 0, 0, 0), 32, SpecialRange::Teredo, None),
    (v6(0x2001, 2, 0, 0), 48, SpecialRange::Benchmark, None),
    (v6(0x2001, 0xdb8, 0, 0), 32, SpecialRange::Documentation, None),
    (v6(0x2001, 0, 0, 0), 23, SpecialRange::ProtocolAssignments, None),
    (v6(0x2002, 0, 0, 0), 16, SpecialRange::SixToFour, Some(16)),
    (v6(0x3fff, 0, 0, 0), 20, SpecialRange::Documentation, None),
    (Ipv6Addr::new(0xfd62, 0x6173, 0x7469, 0x6465, 0, 0, 0, 0), 64, SpecialRange::Synthetic, None),
    (v6(0xfc00, 0, 0, 0), 7, SpecialRange::UniqueLocal, None),
    (v6(0xfe80, 0, 0, 0), 10, SpecialRange::LinkLocal, None),
    (v6(0xfec0, 0, 0, 0), 10, SpecialRange::SiteLocal, None),
    (v6(0xff00, 0, 0, 0), 8, SpecialRange::Multicast, None),
];

/// The upper half of an interface identifier by which ISATAP tunnels to the v4 address in the lower half, of either
/// scope; it stands in any network.
const ISATAP_LOCAL: u32 = 0x0000_5efe;
const ISATAP_GLOBAL: u32 = 0x0200_5efe;

/// The three bits of 2000::/3, the only part of v6 that is given out to be reached globally.
const GLOBAL: u128 = 1;

/// A network in the rest is named from here on: 200::/7 is in use by overlays.
const RESERVED_PREFIX: u8 = 7;

/// The special range around an address; none for the public internet.
///
/// A v6 address that embeds a special v4 address is judged as that one, and must then be named exactly.
#[must_use]
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let bits = address.to_bits();
    let around =
        |&&(network, prefix, _): &&(Ipv4Addr, u8, SpecialRange)| (bits ^ network.to_bits()) >> (32 - prefix) == 0;
    V4.iter().find(around).map(|&(_, prefix, range)| Special { range, prefix })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let bits = address.to_bits();
    let known = V6.iter().find(|entry| (bits ^ entry.0.to_bits()) >> (128 - entry.1) == 0);
    let within = |start: u32| Some((bits >> (96 - start)) as u32);
    let v4 = match known {
        Some(&(.., Some(start))) => within(start),
        // Teredo hides the client's v4 address inverted in the last 32 bits.
        Some((_, _, SpecialRange::Teredo, _)) => Some(!(bits as u32)),
        _ => None,
    };
    let isatap = matches!((bits >> 32) as u32, ISATAP_LOCAL | ISATAP_GLOBAL);
    let inside = |v4: Option<u32>| v4.and_then(|v4| special_v4(Ipv4Addr::from_bits(v4)));
    // One address can carry two: a closed one closes it, whichever the other is.
    let carried = [inside(v4), inside(within(96).filter(|_| isatap))];
    let closed = carried.into_iter().flatten().find(|found| found.range.is_closed());
    if let Some(found) = closed.or_else(|| carried.into_iter().flatten().next()) {
        return Some(Special { range: found.range, prefix: 128 });
    }
    match known {
        Some(&(_, prefix, range, _)) => Some(Special { range, prefix }),
        None if isatap => Some(Special { range: SpecialRange::Isatap, prefix: 128 }),
        None if bits >> 125 != GLOBAL => Some(Special { range: SpecialRange::Reserved, prefix: RESERVED_PREFIX }),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_known() {
        let table = [
            ("127.0.0.1", "loopback"),
            ("10.1.2.3", "private"),
            ("172.31.255.255", "private"),
            ("192.168.0.1", "private"),
            ("169.254.169.254", "metadata"),
            ("169.254.1.1", "link-local"),
            ("224.0.0.1", "multicast"),
            ("100.64.0.1", "carrier-grade"),
            ("198.19.255.255", "synthetic"),
            ("203.0.113.9", "documentation"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("0.0.0.0", "unspecified"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:8.8.8.8", "mapped-v4"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:0:8.8.8.8", "translated-v4"),
            ("::ffff:0:10.0.0.1", "private"),
            ("::ffff:0:127.0.0.1", "loopback"),
            ("::8.8.8.8", "compatible-v4"),
            ("::7f00:1", "loopback"),
            ("64:ff9b::8.8.8.8", "nat64"),
            ("64:ff9b::169.254.169.254", "metadata"),
            ("64:ff9b:1::1", "unspecified"),
            ("2002:808:808::1", "6to4"),
            ("2002:7f00:1::1", "loopback"),
            ("2001::f7f7:f7f7", "teredo"),
            ("2001:0:1::80ff:fffe", "loopback"),
            ("2001:db8::1", "documentation"),
            ("fd00::1", "unique-local"),
            ("fe80::1", "link-local"),
            ("ff02::1", "multicast"),
            ("fd00:ec2::254", "metadata"),
            ("fec0::1", "site-local"),
            ("fd62:6173:7469:6465::100", "synthetic"),
            ("fd62:6173:7469:6466::100", "unique-local"),
            ("2606:4700::5efe:8.8.8.8", "isatap"),
            ("2606:4700::5efe:10.0.0.1", "private"),
            ("2606:4700::200:5efe:127.0.0.1", "loopback"),
            ("2606:4700:1:2:200:5efe:169.254.169.254", "metadata"),
            ("fe80::5efe:127.0.0.1", "loopback"),
            ("2002:808:808::5efe:10.0.0.1", "private"),
            ("200::1", "reserved"),
            ("4000::1", "reserved"),
            ("5f00::1", "reserved"),
            ("fe00::1", "reserved"),
            ("0:1::", "reserved"),
        ];
        for (text, name) in table {
            let found = special(text.parse().expect("an address")).map(|special| special.range.name());
            assert_eq!(found, Some(name), "{text}");
        }
        let both: Ipv6Addr = "2002:e000::5efe:7f00:1".parse().expect("an address");
        assert_eq!(special(both.into()).map(|found| found.range.name()), Some("loopback"), "multicast, and loopback");
        for text in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00::1"] {
            assert_eq!(special(text.parse().expect("an address")), None, "{text}");
        }
        for text in ["2606:4700::5eff:a00:1", "2606:4700::100:5efe:a00:1", "2606:4700::5efe:0:a00:1"] {
            assert_eq!(special(text.parse().expect("an address")), None, "{text} is no ISATAP address");
        }
    }

    proptest::proptest! {
        /// What the table does not say: outside 2000::/3 there is no public address.
        #[test]
        fn nothing_outside_the_global_part_is_public(bits in proptest::prelude::any::<u128>(), top in 0u128..8) {
            let address = Ipv6Addr::from_bits(bits >> 3 | top << 125);
            let found = special(address.into());
            proptest::prop_assert!(top == GLOBAL || found.is_some(), "{}", address);
            // And no network that holds more than the special part names it.
            proptest::prop_assert!(found.is_none_or(|found| found.prefix >= RESERVED_PREFIX), "{}", address);
        }

        /// A closed v4 address stays closed in every v6 form that carries it.
        #[test]
        fn no_form_opens_a_closed_address(
            low in proptest::prelude::any::<u32>(),
            net in proptest::prelude::any::<u64>(),
            form in 0usize..8,
        ) {
            let v4 = [low >> 8, 127 << 24 | low >> 8, 198 << 24 | 18 << 16 | low >> 15][net as usize % 3];
            let (carried, net) = (u128::from(v4), u128::from(net) << 64);
            let address = [
                carried,
                0xffff << 32 | carried,
                0xffff << 48 | carried,
                0x64_ff9b << 96 | carried,
                0x2002 << 112 | carried << 80 | net >> 64,
                0x2001 << 112 | u128::from(!v4),
                net | u128::from(ISATAP_LOCAL) << 32 | carried,
                net | u128::from(ISATAP_GLOBAL) << 32 | carried,
            ][form];
            let found = special(Ipv6Addr::from_bits(address).into());
            proptest::prop_assert!(found.is_some_and(|found| found.range.is_closed()), "{:x} {:?}", address, found);
        }
    }
}
