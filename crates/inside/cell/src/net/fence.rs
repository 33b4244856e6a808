//! What leads every connection to the door, and the fence around it: what is neither loopback's own, nor TCP, nor DNS
//! is refused.
//!
//! Nothing is tracked, and no connection translated: a connection keeps both its addresses and is led to the door's
//! listener, whose socket then says where it was going. Tracking would cost a tenth of a new connection's time.

use super::netlink::{self, APPEND, Attributes, CREATE, Messages, REQUEST};
use super::nft;
use super::rule::{Family, Port, Rule};
use plan::Door;

const TABLE: &[u8] = b"bastide\0";
const CHAIN: &[u8] = b"capture\0";
/// Where packets arrive, before they are given to a socket.
const HOOK: i32 = libc::NF_INET_PRE_ROUTING;
const PRIORITY: i32 = -150;
const DROP: u32 = 0;
const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;

/// Installs the rules for both families in one batch. Must run inside the cell's network namespace.
///
/// # Errors
/// The kernel's error on the first object that it refused.
pub(crate) fn raise(door: &Door, v6: bool) -> rustix::io::Result<()> {
    let socket = netlink::socket(Some(rustix::net::netlink::NETFILTER))?;
    let mut messages = Messages::default();
    let batch = [0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8];
    messages.begin(libc::NFNL_MSG_BATCH_BEGIN as u16, REQUEST, &batch);
    install(&mut messages, Family::V4, door);
    if v6 {
        install(&mut messages, Family::V6, door);
    }
    messages.acknowledge();
    messages.begin(libc::NFNL_MSG_BATCH_END as u16, REQUEST, &batch);
    netlink::exchange(&socket, messages, 1)
}

/// The one chain of a family; what no rule of it accepts is dropped.
fn install(messages: &mut Messages, family: Family, door: &Door) {
    object(messages, libc::NFT_MSG_NEWTABLE, CREATE, family);
    messages.attribute(nft::TABLE_NAME, TABLE);

    object(messages, libc::NFT_MSG_NEWCHAIN, CREATE, family);
    messages.attribute(nft::CHAIN_TABLE, TABLE);
    messages.attribute(nft::CHAIN_NAME, CHAIN);
    let hook = Attributes::default()
        .with(nft::HOOK_NUMBER, &HOOK.to_be_bytes())
        .with(nft::HOOK_PRIORITY, &PRIORITY.to_be_bytes());
    messages.nested(nft::CHAIN_HOOK, &hook);
    messages.attribute(nft::CHAIN_TYPE, b"filter\0");
    messages.attribute(nft::CHAIN_POLICY, &DROP.to_be_bytes());

    for rule in rules(family, door) {
        object(messages, libc::NFT_MSG_NEWRULE, APPEND, family);
        messages.attribute(nft::RULE_TABLE, TABLE);
        messages.attribute(nft::RULE_CHAIN, CHAIN);
        messages.nested(nft::RULE_EXPRESSIONS, &rule.expressions());
    }
}

fn rules(family: Family, door: &Door) -> [Rule; 8] {
    const DNS: u16 = 53;
    let tcp = || Rule::of(family).protocol(libc::IPPROTO_TCP);
    let udp = || Rule::of(family).protocol(libc::IPPROTO_UDP);
    [
        tcp().begun().accept(),
        Rule::of(family).goes_to_loopback().accept(),
        // Where no listener takes it, the rule ends here, and the packet is dropped in the end.
        tcp().port_is(Port::Target, DNS).lead_to(door.dns_port).accept(),
        tcp().lead_to(door.tcp_port).accept(),
        // A question carries, as where it comes from, whom it asks. The answer goes there, and is turned back here. Where
        // nobody answers, it is refused below, as it came.
        udp().port_is(Port::Target, DNS).lead_to(door.dns_port).comes_from_target().accept(),
        udp()
            .port_is(Port::Source, door.dns_port)
            .comes_from_target()
            .turned_to_cell()
            .set_port(Port::Source, DNS)
            .accept(),
        // What the kernel says of a packet that was refused, and what the cell says to itself.
        Rule::of(family).goes_to_cell().accept(),
        udp().reject(),
    ]
}

fn object(messages: &mut Messages, kind: i32, flags: u16, family: Family) {
    messages.begin(SUBSYSTEM | kind as u16, REQUEST | flags, &[family.number(), 0, 0, 0]);
}
