//! What leads every connection to the door, and the fence behind it: what is neither loopback's own, nor TCP to the
//! door, nor DNS is refused.

use super::netlink::{self, APPEND, Attributes, CREATE, Messages, REQUEST};
use super::nft;
use plan::Door;

const TABLE: &[u8] = b"bastide\0";
const REGISTER: u32 = 1;
const VERDICT: u32 = 0;
const ACCEPT: i32 = 1;
const DROP: i32 = 0;
const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;

/// Installs capture and fence for both families in one batch. Must run inside the cell's network namespace.
///
/// # Errors
/// The kernel's error on the first object that it refused.
pub(crate) fn raise(door: &Door, v6: bool) -> rustix::io::Result<()> {
    let socket = netlink::socket(Some(rustix::net::netlink::NETFILTER))?;
    let mut messages = Messages::default();
    let batch = [0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8];
    messages.begin(libc::NFNL_MSG_BATCH_BEGIN as u16, REQUEST, &batch);
    family(&mut messages, Family::V4, door);
    if v6 {
        family(&mut messages, Family::V6, door);
    }
    messages.acknowledge();
    messages.begin(libc::NFNL_MSG_BATCH_END as u16, REQUEST, &batch);
    netlink::exchange(&socket, messages, 1)
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn number(self) -> u8 {
        match self {
            Family::V4 => libc::NFPROTO_IPV4 as u8,
            Family::V6 => libc::NFPROTO_IPV6 as u8,
        }
    }

    /// Loads the destination address and keeps the rule going only for loopback's own.
    fn to_loopback(self) -> Rule {
        match self {
            Family::V4 => Rule::default().network(16, 4).mask(&[255, 0, 0, 0]).equals(&[127, 0, 0, 0]),
            Family::V6 => Rule::default().network(24, 16).equals(&std::net::Ipv6Addr::LOCALHOST.octets()),
        }
    }
}

/// The chains of one family. TCP is led to the door where it arrives, with both its addresses as they are, so that
/// nothing of a connection is tracked or translated; only what a datagram of DNS needs is.
fn family(messages: &mut Messages, family: Family, door: &Door) {
    object(messages, libc::NFT_MSG_NEWTABLE, CREATE, family);
    messages.attribute(nft::TABLE_NAME, TABLE);
    let tcp = [libc::IPPROTO_TCP as u8];
    let udp = [libc::IPPROTO_UDP as u8];
    let dns = 53_u16.to_be_bytes();
    let untracked = Chain { name: b"untracked\0", kind: b"filter\0", hook: libc::NF_INET_LOCAL_OUT, priority: -300 };
    let names = Chain { name: b"names\0", kind: b"nat\0", hook: libc::NF_INET_LOCAL_OUT, priority: -100 };
    let fence = Chain { name: b"fence\0", kind: b"filter\0", hook: libc::NF_INET_LOCAL_OUT, priority: 0 };
    let capture = Chain { name: b"capture\0", kind: b"filter\0", hook: libc::NF_INET_PRE_ROUTING, priority: -150 };
    untracked.add(messages, family, ACCEPT, [Rule::default().protocol(&tcp).untracked()]);
    names.add(
        messages,
        family,
        ACCEPT,
        [
            family.to_loopback().verdict(ACCEPT),
            Rule::default().protocol(&udp).destination_port(&dns).redirect(door.dns_port),
        ],
    );
    // Only TCP, which arrives at `capture`, packets that were turned to loopback, loopback's own, and answers pass.
    fence.add(
        messages,
        family,
        DROP,
        [
            Rule::default().protocol(&tcp).verdict(ACCEPT),
            family.to_loopback().protocol(&udp).verdict(ACCEPT),
            Rule::default().established().verdict(ACCEPT),
            Rule::default().protocol(&udp).reject(),
        ],
    );
    // A connection that finds no door does not begin: what no rule accepts is dropped.
    capture.add(
        messages,
        family,
        DROP,
        [
            Rule::default().other_protocol(&tcp).verdict(ACCEPT),
            Rule::default().begun().verdict(ACCEPT),
            family.to_loopback().verdict(ACCEPT),
            Rule::default().destination_port(&dns).lead(family, door.dns_port).verdict(ACCEPT),
            Rule::default().lead(family, door.tcp_port).verdict(ACCEPT),
        ],
    );
}

/// A chain of rules at a hook of the kernel.
struct Chain {
    name: &'static [u8],
    kind: &'static [u8],
    hook: i32,
    priority: i32,
}

impl Chain {
    /// Makes it, with what becomes of a packet that no rule decides.
    fn add<const N: usize>(&self, messages: &mut Messages, family: Family, otherwise: i32, rules: [Rule; N]) {
        object(messages, libc::NFT_MSG_NEWCHAIN, CREATE, family);
        messages.attribute(nft::CHAIN_TABLE, TABLE);
        messages.attribute(nft::CHAIN_NAME, self.name);
        let hook = Attributes::default()
            .with(nft::HOOK_NUMBER, &self.hook.to_be_bytes())
            .with(nft::HOOK_PRIORITY, &self.priority.to_be_bytes());
        messages.nested(nft::CHAIN_HOOK, &hook);
        messages.attribute(nft::CHAIN_TYPE, self.kind);
        messages.attribute(nft::CHAIN_POLICY, &otherwise.to_be_bytes());
        for rule in rules {
            object(messages, libc::NFT_MSG_NEWRULE, APPEND, family);
            messages.attribute(nft::RULE_TABLE, TABLE);
            messages.attribute(nft::RULE_CHAIN, self.name);
            messages.nested(nft::RULE_EXPRESSIONS, &rule.0);
        }
    }
}

fn object(messages: &mut Messages, kind: i32, flags: u16, family: Family) {
    messages.begin(SUBSYSTEM | kind as u16, REQUEST | flags, &[family.number(), 0, 0, 0]);
}

/// The expressions of one rule, evaluated in order until one does not match.
#[derive(Default)]
struct Rule(Attributes);

impl Rule {
    fn expression(self, name: &[u8], data: &Attributes) -> Self {
        let element = Attributes::default().with(nft::EXPRESSION_NAME, name).with_nested(nft::EXPRESSION_DATA, data);
        Rule(self.0.with_nested(nft::LIST_ELEMENT, &element))
    }

    fn payload(self, base: i32, offset: u32, length: u32) -> Self {
        let data = Attributes::default()
            .with(nft::PAYLOAD_REGISTER, &REGISTER.to_be_bytes())
            .with(nft::PAYLOAD_BASE, &(base as u32).to_be_bytes())
            .with(nft::PAYLOAD_OFFSET, &offset.to_be_bytes())
            .with(nft::PAYLOAD_LENGTH, &length.to_be_bytes());
        self.expression(b"payload\0", &data)
    }

    fn network(self, offset: u32, length: u32) -> Self {
        self.payload(libc::NFT_PAYLOAD_NETWORK_HEADER, offset, length)
    }

    fn destination_port(self, port: &[u8]) -> Self {
        self.payload(libc::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2).equals(port)
    }

    fn protocol(self, number: &[u8]) -> Self {
        self.load_protocol().equals(number)
    }

    fn other_protocol(self, number: &[u8]) -> Self {
        self.load_protocol().compare(libc::NFT_CMP_NEQ, number)
    }

    fn load_protocol(self) -> Self {
        let data = Attributes::default()
            .with(nft::LOAD_REGISTER, &REGISTER.to_be_bytes())
            .with(nft::LOAD_KEY, &(libc::NFT_META_L4PROTO as u32).to_be_bytes());
        self.expression(b"meta\0", &data)
    }

    /// A TCP packet that begins no connection: of its flags, not SYN alone of SYN and ACK.
    fn begun(self) -> Self {
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        self.payload(libc::NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1).mask(&[SYN | ACK]).compare(libc::NFT_CMP_NEQ, &[SYN])
    }

    /// Leaves the packet out of connection tracking.
    fn untracked(self) -> Self {
        self.expression(b"notrack\0", &Attributes::default())
    }

    /// Answers on a connection that already passed: conntrack state "established" or "related".
    fn established(self) -> Self {
        let data = Attributes::default()
            .with(nft::LOAD_REGISTER, &REGISTER.to_be_bytes())
            .with(nft::LOAD_KEY, &(libc::NFT_CT_STATE as u32).to_be_bytes());
        let bits = (2_u32 | 4).to_ne_bytes();
        self.expression(b"ct\0", &data).mask(&bits).compare(libc::NFT_CMP_NEQ, &[0; 4])
    }

    fn mask(self, mask: &[u8]) -> Self {
        let value = |bytes: &[u8]| Attributes::default().with(nft::DATA_VALUE, bytes);
        let data = Attributes::default()
            .with(nft::BITWISE_SOURCE, &REGISTER.to_be_bytes())
            .with(nft::BITWISE_TARGET, &REGISTER.to_be_bytes())
            .with(nft::BITWISE_LENGTH, &(mask.len() as u32).to_be_bytes())
            .with_nested(nft::BITWISE_MASK, &value(mask))
            .with_nested(nft::BITWISE_XOR, &value(&vec![0; mask.len()]));
        self.expression(b"bitwise\0", &data)
    }

    fn equals(self, value: &[u8]) -> Self {
        self.compare(libc::NFT_CMP_EQ, value)
    }

    fn compare(self, operator: i32, value: &[u8]) -> Self {
        let value = Attributes::default().with(nft::DATA_VALUE, value);
        let data = Attributes::default()
            .with(nft::COMPARE_SOURCE, &REGISTER.to_be_bytes())
            .with(nft::COMPARE_OPERATOR, &(operator as u32).to_be_bytes())
            .with_nested(nft::COMPARE_DATA, &value);
        self.expression(b"cmp\0", &data)
    }

    fn immediate(self, register: u32, value: &Attributes) -> Self {
        let data = Attributes::default()
            .with(nft::IMMEDIATE_REGISTER, &register.to_be_bytes())
            .with_nested(nft::IMMEDIATE_DATA, value);
        self.expression(b"immediate\0", &data)
    }

    fn verdict(self, code: i32) -> Self {
        let verdict = Attributes::default().with(nft::VERDICT_CODE, &(code as u32).to_be_bytes());
        let value = Attributes::default().with_nested(nft::DATA_VERDICT, &verdict);
        self.immediate(VERDICT, &value)
    }

    /// Hands the packet to the door's listener on loopback, addressed as it is. Without one the rule ends here.
    fn lead(self, family: Family, port: u16) -> Self {
        const ADDRESS: u32 = 2;
        let value = |bytes: &[u8]| Attributes::default().with(nft::DATA_VALUE, bytes);
        let data = Attributes::default()
            .with(nft::TPROXY_FAMILY, &u32::from(family.number()).to_be_bytes())
            .with(nft::TPROXY_ADDRESS_REGISTER, &ADDRESS.to_be_bytes())
            .with(nft::TPROXY_PORT_REGISTER, &REGISTER.to_be_bytes());
        let loopback = match family {
            Family::V4 => value(&std::net::Ipv4Addr::LOCALHOST.octets()),
            Family::V6 => value(&std::net::Ipv6Addr::LOCALHOST.octets()),
        };
        self.immediate(ADDRESS, &loopback)
            .immediate(REGISTER, &value(&port.to_be_bytes()))
            .expression(b"tproxy\0", &data)
    }

    fn redirect(self, port: u16) -> Self {
        let value = Attributes::default().with(nft::DATA_VALUE, &port.to_be_bytes());
        let data = Attributes::default().with(nft::REDIRECT_PORT_REGISTER, &REGISTER.to_be_bytes());
        self.immediate(REGISTER, &value).expression(b"redir\0", &data)
    }

    /// Answers with "port unreachable", so that a program learns at once.
    fn reject(self) -> Self {
        // Type 0 is "ICMP unreachable". Code 3 reads port unreachable in v4; in v6 it reads address
        // unreachable, which a program sees as EHOSTUNREACH and serves as well.
        let data = Attributes::default().with(nft::REJECT_TYPE, &0_u32.to_be_bytes()).with(nft::REJECT_CODE, &[3]);
        self.expression(b"reject\0", &data)
    }
}
