//! One rule of nftables as the kernel takes it: expressions, evaluated in order until one does not match.

use super::netlink::Attributes;
use super::{nft, route};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Holds what is compared, and a port.
const REGISTER: u32 = 1;
/// Holds an address.
const ADDRESS: u32 = 2;
const VERDICT: u32 = 0;
const ACCEPT: i32 = 1;

/// Which header.
const NETWORK: i32 = libc::NFT_PAYLOAD_NETWORK_HEADER;
/// Which header.
const TRANSPORT: i32 = libc::NFT_PAYLOAD_TRANSPORT_HEADER;

#[derive(Clone, Copy)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn number(self) -> u8 {
        match self {
            Family::V4 => libc::NFPROTO_IPV4 as u8,
            Family::V6 => libc::NFPROTO_IPV6 as u8,
        }
    }

    /// Where the header says a packet comes from, and where it goes: offsets, and the length of an address.
    const fn addresses(self) -> (u32, u32, u32) {
        match self {
            Family::V4 => (12, 16, 4),
            Family::V6 => (8, 24, 16),
        }
    }

    fn loopback(self) -> Vec<u8> {
        self.either(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)
    }

    /// The address that the cell's own packets come from.
    fn cell(self) -> Vec<u8> {
        self.either(route::SOURCE_V4, route::SOURCE_V6)
    }

    fn either(self, v4: Ipv4Addr, v6: Ipv6Addr) -> Vec<u8> {
        match self {
            Family::V4 => v4.octets().to_vec(),
            Family::V6 => v6.octets().to_vec(),
        }
    }
}

/// A port of TCP or UDP.
#[derive(Clone, Copy)]
pub(super) enum Port {
    Source = 0,
    Target = 2,
}

/// A rule that is being made.
pub(super) struct Rule {
    expressions: Attributes,
    family: Family,
}

impl Rule {
    pub(super) fn of(family: Family) -> Rule {
        Rule { expressions: Attributes::default(), family }
    }

    pub(super) fn expressions(self) -> Attributes {
        self.expressions
    }

    pub(super) fn protocol(self, number: i32) -> Rule {
        let data = Attributes::default()
            .with(nft::META_REGISTER, &REGISTER.to_be_bytes())
            .with(nft::META_KEY, &(libc::NFT_META_L4PROTO as u32).to_be_bytes());
        self.expression(b"meta\0", &data).compare(libc::NFT_CMP_EQ, &[number as u8])
    }

    /// A TCP packet that begins no connection: not SYN alone of SYN and ACK.
    pub(super) fn begun(self) -> Rule {
        const FLAGS: u32 = 13;
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        self.load(REGISTER, TRANSPORT, FLAGS, 1).mask(&[SYN | ACK]).compare(libc::NFT_CMP_NEQ, &[SYN])
    }

    pub(super) fn goes_to_loopback(self) -> Rule {
        let family = self.family;
        let rule = self.load_target(REGISTER);
        match family {
            Family::V4 => rule.mask(&[255, 0, 0, 0]).compare(libc::NFT_CMP_EQ, &[127, 0, 0, 0]),
            Family::V6 => rule.compare(libc::NFT_CMP_EQ, &family.loopback()),
        }
    }

    pub(super) fn goes_to_cell(self) -> Rule {
        let cell = self.family.cell();
        self.load_target(REGISTER).compare(libc::NFT_CMP_EQ, &cell)
    }

    pub(super) fn port_is(self, which: Port, port: u16) -> Rule {
        self.load(REGISTER, TRANSPORT, which as u32, 2).compare(libc::NFT_CMP_EQ, &port.to_be_bytes())
    }

    /// Hands the packet to the listener on loopback, addressed as it is. Where there is none, the rule ends.
    pub(super) fn lead_to(self, port: u16) -> Rule {
        let data = Attributes::default()
            .with(nft::TPROXY_FAMILY, &u32::from(self.family.number()).to_be_bytes())
            .with(nft::TPROXY_ADDRESS_REGISTER, &ADDRESS.to_be_bytes())
            .with(nft::TPROXY_PORT_REGISTER, &REGISTER.to_be_bytes());
        let loopback = self.family.loopback();
        self.value(ADDRESS, &loopback).value(REGISTER, &port.to_be_bytes()).expression(b"tproxy\0", &data)
    }

    /// Writes where the packet goes as where it comes from.
    pub(super) fn comes_from_target(self) -> Rule {
        let (source, _, _) = self.family.addresses();
        self.load_target(ADDRESS).set_address(source)
    }

    pub(super) fn turned_to_cell(self) -> Rule {
        let ((_, target, _), cell) = (self.family.addresses(), self.family.cell());
        self.value(ADDRESS, &cell).set_address(target)
    }

    pub(super) fn set_port(self, which: Port, port: u16) -> Rule {
        /// Where the checksum of UDP stands.
        const SUM: u32 = 6;
        self.value(REGISTER, &port.to_be_bytes()).set(REGISTER, (TRANSPORT, which as u32, 2), Some(SUM))
    }

    pub(super) fn accept(self) -> Rule {
        let verdict = Attributes::default().with(nft::VERDICT_CODE, &(ACCEPT as u32).to_be_bytes());
        self.immediate(VERDICT, &Attributes::default().with_nested(nft::DATA_VERDICT, &verdict))
    }

    /// Answers with "port unreachable", so that a program learns at once.
    pub(super) fn reject(self) -> Rule {
        // Type 0 is "ICMP unreachable".
        let code = match self.family {
            Family::V4 => 3,
            Family::V6 => 4,
        };
        let data = Attributes::default().with(nft::REJECT_TYPE, &0_u32.to_be_bytes()).with(nft::REJECT_CODE, &[code]);
        self.expression(b"reject\0", &data)
    }

    fn load_target(self, register: u32) -> Rule {
        let (_, target, length) = self.family.addresses();
        self.load(register, NETWORK, target, length)
    }

    fn set_address(self, offset: u32) -> Rule {
        /// Where the checksum of IPv4's header stands; IPv6 has none.
        const SUM: u32 = 10;
        let (_, _, length) = self.family.addresses();
        let sum = matches!(self.family, Family::V4).then_some(SUM);
        self.set(ADDRESS, (NETWORK, offset, length), sum)
    }

    fn load(self, register: u32, header: i32, offset: u32, length: u32) -> Rule {
        let data = Attributes::default().with(nft::PAYLOAD_REGISTER, &register.to_be_bytes());
        self.expression(b"payload\0", &place(data, (header, offset, length)))
    }

    fn set(self, register: u32, at: (i32, u32, u32), sum: Option<u32>) -> Rule {
        /// The checksum of UDP counts addresses too.
        const PSEUDO_HEADER: u32 = 1;
        let flags = if at.0 == NETWORK { PSEUDO_HEADER } else { 0 };
        let data = Attributes::default().with(nft::PAYLOAD_SOURCE_REGISTER, &register.to_be_bytes());
        let data = place(data, at)
            .with(nft::PAYLOAD_SUM_TYPE, &u32::from(sum.is_some()).to_be_bytes())
            .with(nft::PAYLOAD_SUM_OFFSET, &sum.unwrap_or(0).to_be_bytes())
            .with(nft::PAYLOAD_SUM_FLAGS, &flags.to_be_bytes());
        self.expression(b"payload\0", &data)
    }

    fn mask(self, mask: &[u8]) -> Rule {
        let value = |bytes: &[u8]| Attributes::default().with(nft::DATA_VALUE, bytes);
        let data = Attributes::default()
            .with(nft::BITWISE_SOURCE, &REGISTER.to_be_bytes())
            .with(nft::BITWISE_TARGET, &REGISTER.to_be_bytes())
            .with(nft::BITWISE_LENGTH, &(mask.len() as u32).to_be_bytes())
            .with_nested(nft::BITWISE_MASK, &value(mask))
            .with_nested(nft::BITWISE_XOR, &value(&vec![0; mask.len()]));
        self.expression(b"bitwise\0", &data)
    }

    fn compare(self, operator: i32, value: &[u8]) -> Rule {
        let value = Attributes::default().with(nft::DATA_VALUE, value);
        let data = Attributes::default()
            .with(nft::COMPARE_SOURCE, &REGISTER.to_be_bytes())
            .with(nft::COMPARE_OPERATOR, &(operator as u32).to_be_bytes())
            .with_nested(nft::COMPARE_DATA, &value);
        self.expression(b"cmp\0", &data)
    }

    fn value(self, register: u32, value: &[u8]) -> Rule {
        self.immediate(register, &Attributes::default().with(nft::DATA_VALUE, value))
    }

    fn immediate(self, register: u32, value: &Attributes) -> Rule {
        let data = Attributes::default()
            .with(nft::IMMEDIATE_REGISTER, &register.to_be_bytes())
            .with_nested(nft::IMMEDIATE_DATA, value);
        self.expression(b"immediate\0", &data)
    }

    fn expression(mut self, name: &[u8], data: &Attributes) -> Rule {
        let element = Attributes::default().with(nft::EXPRESSION_NAME, name).with_nested(nft::EXPRESSION_DATA, data);
        self.expressions = self.expressions.with_nested(nft::LIST_ELEMENT, &element);
        self
    }
}

/// Which bytes of a packet: header, offset, length.
fn place(data: Attributes, (header, offset, length): (i32, u32, u32)) -> Attributes {
    data.with(nft::PAYLOAD_BASE, &(header as u32).to_be_bytes())
        .with(nft::PAYLOAD_OFFSET, &offset.to_be_bytes())
        .with(nft::PAYLOAD_LENGTH, &length.to_be_bytes())
}
