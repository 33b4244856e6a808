//! The door's sockets: made inside the cell's network namespace, handed out, served by the gate.

use super::netlink;
use crate::confine::last_error;
use plan::Door;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, Ipv4Addr, Ipv6Addr, SocketAddr, SocketFlags, SocketType, ipproto, sockopt};

/// Connections that wait for the gate while it starts or is replaced.
const BACKLOG: i32 = 1024;

/// The descriptors of [`plan::Report::Door`], without the watcher's, in the order that it documents.
/// Without IPv6 on the host, the v6 entries repeat the v4 ones, so that the order holds.
///
/// # Errors
/// The kernel's error on the socket that could not be made.
pub(crate) fn open(door: &Door, v6: bool) -> rustix::io::Result<Vec<OwnedFd>> {
    let v4: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let second: SocketAddr = if v6 { (Ipv6Addr::LOCALHOST, 0).into() } else { v4 };
    let families = if v6 { [v4, second].to_vec() } else { [v4].to_vec() };
    let stream = |port: u16| families.iter().map(move |address| bind(*address, port, SocketType::STREAM));
    // A datagram keeps the address that it was sent to.
    let any = |address: &SocketAddr| {
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
    };
    let datagram =
        families.iter().map(|address| bind(SocketAddr::new(any(address), 0), door.dns_port, SocketType::DGRAM));
    let mut sockets = Vec::with_capacity(7);
    for made in stream(door.tcp_port).chain(datagram).chain(stream(door.dns_port)) {
        let made = made?;
        let again = if v6 { None } else { Some(rustix::io::fcntl_dupfd_cloexec(&made, 3)?) };
        sockets.push(made);
        sockets.extend(again);
    }
    sockets.push(netlink::socket(Some(rustix::net::netlink::SOCK_DIAG))?);
    Ok(sockets)
}

fn bind(address: SocketAddr, port: u16, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let address = SocketAddr::new(address.ip(), port);
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = if kind == SocketType::STREAM { ipproto::TCP } else { ipproto::UDP };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(protocol))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    transparent(&socket, family)?;
    rustix::net::bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// Lets a socket take what is not addressed to it: a connection then says where it was going.
fn transparent(socket: &OwnedFd, family: AddressFamily) -> rustix::io::Result<()> {
    let (level, option) = match family {
        AddressFamily::INET => (libc::SOL_IP, libc::IP_TRANSPARENT),
        _ => (libc::SOL_IPV6, libc::IPV6_TRANSPARENT),
    };
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one int that lives for the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size_of_val(&on) as libc::socklen_t)
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}
