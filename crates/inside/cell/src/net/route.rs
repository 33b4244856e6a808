//! The only network in a cell: loopback, which answers for every address there is (AnyIP), so that every
//! connection ends in a socket of the door without a veth pair or any privilege on the host.

use super::netlink::{self, ACK, CREATE, Messages, REQUEST};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Source address of v4 connections that leave towards the door: the kernel would otherwise choose none.
pub(crate) const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Source address of v6 connections that leave towards the door.
pub(crate) const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd62, 0x6173, 0x7469, 0x6465, 0, 0, 0, 2);

const LOOPBACK: u32 = 1;

/// Brings loopback up and makes every address local. Must run inside the cell's network namespace.
///
/// # Errors
/// The kernel's error on the step that failed.
pub(crate) fn capture_everything(v6: bool) -> rustix::io::Result<()> {
    let socket = netlink::socket(None)?;
    let mut messages = Messages::default();
    let mut count = 3;
    up(&mut messages);
    address(&mut messages, libc::AF_INET, 32, &SOURCE_V4.octets());
    local_default(&mut messages, libc::AF_INET, Some(&SOURCE_V4.octets()));
    if v6 {
        address(&mut messages, libc::AF_INET6, 128, &SOURCE_V6.octets());
        local_default(&mut messages, libc::AF_INET6, None);
        count += 2;
    }
    netlink::exchange(&socket, messages, count)
}

fn up(messages: &mut Messages) {
    let mut header = [0_u8; 16];
    header[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
    header[8..12].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
    header[12..16].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
    messages.begin(libc::RTM_NEWLINK, REQUEST | ACK, &header);
}

fn address(messages: &mut Messages, family: i32, prefix: u8, address: &[u8]) {
    let mut header = [family as u8, prefix, libc::IFA_F_NODAD as u8, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
    messages.begin(libc::RTM_NEWADDR, REQUEST | ACK | CREATE, &header);
    messages.attribute(libc::IFA_LOCAL, address);
    messages.attribute(libc::IFA_ADDRESS, address);
}

fn local_default(messages: &mut Messages, family: i32, source: Option<&[u8]>) {
    let header = [
        family as u8,
        0,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_BOOT,
        libc::RT_SCOPE_HOST,
        libc::RTN_LOCAL,
        0,
        0,
        0,
        0,
    ];
    messages.begin(libc::RTM_NEWROUTE, REQUEST | ACK | CREATE, &header);
    messages.attribute(libc::RTA_OIF, &LOOPBACK.to_ne_bytes());
    if let Some(source) = source {
        messages.attribute(libc::RTA_PREFSRC, source);
    }
}
