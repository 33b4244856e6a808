//! Where a captured connection was going before it was redirected to the door.

use std::io;
use std::net::SocketAddr;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Tells a connection's original destination.
pub trait Original {
    /// The destination that the program asked for. `peer` is the connection's other end.
    ///
    /// # Errors
    /// When none is known; such a connection is refused.
    fn of(&self, stream: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr>;
}

/// What the kernel's connection tracking remembers.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl Original for Kernel {
    fn of(&self, stream: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
        Ok(match peer {
            SocketAddr::V4(_) => sockopt::ip_original_dst(stream)?.into(),
            SocketAddr::V6(_) => sockopt::ipv6_original_dst(stream)?.into(),
        })
    }
}
