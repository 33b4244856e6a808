//! Makes a connection to a pinned address. Whether it may be made was decided before.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the first address that answers, and tells which.
pub(crate) async fn dial(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, IpAddr), String> {
    let mut failure = "it has no address".to_owned();
    for &address in addresses {
        match one((address, port).into()).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => failure = "it does not answer".into(),
            Err(error) => failure = format!("cannot connect: {error}"),
        }
    }
    Err(failure)
}

async fn one(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // What is passed on was sent: held back until the one before it is acknowledged, it would only come later.
    sockopt::set_tcp_nodelay(&socket, true)?;
    // What is on this host has answered when the first call returns, and the second one tells: no need to wait.
    let made = match connect(&socket, &address) {
        Err(Errno::INPROGRESS) => connect(&socket, &address),
        made => made,
    };
    let stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
    match made {
        Ok(()) => Ok(stream),
        Err(Errno::ALREADY) => {
            timeout(PATIENCE, stream.writable()).await??;
            stream.take_error()?.map_or(Ok(stream), Err)
        }
        Err(errno) => Err(errno.into()),
    }
}
