//! Whether an address is this host's own. From here it is reached past every firewall that the host has towards the
//! outside, so it is no public address, whatever its number says.

use std::net::{IpAddr, SocketAddr};

use policy::{Host, HostPattern};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with, sockopt};

use crate::passage::{Asked, Closed, Passage, Why};

/// What no link to another host carries in one packet, and the loopback device does.
const ONLY_INSIDE: u32 = 65_535;

impl Passage {
    /// Refuses the host's own addresses, unless that very address and port is named.
    pub(crate) fn beyond(&self, asked: &Asked, addresses: &[IpAddr]) -> Result<(), Closed> {
        // The one name that leads to the host, by a rule that says so.
        if matches!(&asked.host, Host::Name(name) if name.is_host_bastide()) {
            return Ok(());
        }
        for &address in addresses {
            let why = match is_own(address, asked.port) {
                Ok(false) => continue,
                Ok(true) if self.names(asked, address) => continue,
                Ok(true) => {
                    let named = SocketAddr::new(address, asked.port);
                    format!("own address: {address} is this host, which only a rule that names `{named}` opens")
                }
                Err(errno) => format!("whether {address} is this host cannot be told: {errno}"),
            };
            let event = self.turn_away(asked, &why);
            return Err(Closed { why: Why::Refused { why, suggestion: None }, event });
        }
        Ok(())
    }

    /// Whether every policy names this address and port as such.
    fn names(&self, asked: &Asked, address: IpAddr) -> bool {
        let program = asked.who.as_ref().map(|seen| &*seen.chain);
        self.now().policy.policies().all(|policy| {
            policy.network.allow.iter().any(|rule| {
                rule.to.host == HostPattern::Address(address) && rule.to.port == Some(asked.port) && rule.takes(program)
            })
        })
    }
}

/// Asks the kernel's routes; no packet leaves.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn is_own(address: IpAddr, port: u16) -> rustix::io::Result<bool> {
    let address = address.to_canonical();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match connect(&socket, &SocketAddr::new(address, port)) {
        Ok(()) => {}
        // No way there, and so no way to itself.
        Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL | Errno::NETDOWN) => return Ok(false),
        Err(errno) => return Err(errno),
    }
    let source = SocketAddr::try_from(getsockname(&socket)?)?;
    // A second address of an interface is answered from its first one: only the device tells then.
    Ok(source.ip().to_canonical() == address || mtu(&socket, address)? >= ONLY_INSIDE)
}

fn mtu(socket: &rustix::fd::OwnedFd, address: IpAddr) -> rustix::io::Result<u32> {
    if address.is_ipv4() { sockopt::ip_mtu(socket) } else { sockopt::ipv6_mtu(socket) }
}
