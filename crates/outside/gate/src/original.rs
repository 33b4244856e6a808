//! Where a captured connection was going before it was led to the door.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

/// Tells a connection's original destination.
pub trait Original {
    /// The destination that the program asked for. `peer` is the connection's other end.
    ///
    /// # Errors
    /// When none is known; such a connection is refused.
    fn of(&self, stream: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr>;
}

/// A connection is captured with its addresses as they are: its own end is where it was going.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl Original for Kernel {
    fn of(&self, stream: &TcpStream, _: SocketAddr) -> io::Result<SocketAddr> {
        stream.local_addr()
    }
}
