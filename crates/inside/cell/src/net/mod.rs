//! The network inside a cell: loopback that answers for every address, and a fence that leads to the door.

pub(crate) mod fence;
pub(crate) mod netlink;
mod nft;
pub(crate) mod route;
mod rule;
pub(crate) mod sockets;

use crate::channel;
use crate::launch::failed;
use plan::{Door, Failure, Layer, Report};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io::stdin;

/// Leads the network to the door, and hands the door out; gives pid 1's end of the watcher. Must run inside the
/// cell's network namespace.
///
/// # Errors
/// What the kernel refused.
pub(crate) fn lead_to_the_door(door: &Door) -> Result<OwnedFd, Failure> {
    let doing = "lead the network to the door";
    let (ours, made) =
        raise(door).map_err(|errno| Failure { layer: Some(Layer::NetworkNamespace), ..failed(doing, errno) })?;
    let borrowed: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
    channel::send(stdin(), &Report::Door, &borrowed).map_err(|errno| failed("report to the plane", errno))?;
    Ok(ours)
}

fn raise(door: &Door) -> rustix::io::Result<(OwnedFd, Vec<OwnedFd>)> {
    let v6 = std::path::Path::new("/proc/self/net/if_inet6").exists();
    route::capture_everything(v6)?;
    fence::raise(door, v6)?;
    reuse_ports();
    let mut made = sockets::open(door, v6)?;
    let (ours, gates) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    made.push(gates);
    Ok((ours, made))
}

/// Lets a port of a connection that is over be used anew to the same place after a second, not after a minute: a program
/// that makes very many would run out of them. The kernel does so where the addresses are loopback's, and these are led
/// there by a route only.
fn reuse_ports() {
    // Where settings are read-only, as in many containers, it stays a minute.
    let _ = std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
}

#[cfg(test)]
mod tests;
