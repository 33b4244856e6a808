//! The netlink socket of the kernel's audit: opened, bound, and read one message at a time.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io;
use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;
/// The longest message: the kernel's own bound for one of audit is 8,970 bytes.
pub(super) const LONGEST: usize = 16_384;

/// A socket that hears these groups of records.
pub(super) fn open(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(AUDIT))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// One message, as its type and what follows the header; none for one that the kernel did not send, or not whole.
///
/// The header's length is not believed: kernels differ in whether it counts the header, and one datagram of audit is one
/// message.
pub(super) fn receive<'b>(
    socket: &impl AsFd,
    buffer: &'b mut [u8],
    flags: RecvFlags,
) -> io::Result<Option<(u16, &'b [u8])>> {
    let (got, whole, from) = recvfrom(socket, &mut *buffer, flags | RecvFlags::TRUNC)?;
    let kernel = from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|from| from.pid() == 0);
    if !kernel || whole > got {
        return Ok(None);
    }
    let message = &buffer[..got];
    let kind = message.get(4..6).and_then(|two| two.try_into().ok()).map(u16::from_ne_bytes);
    Ok(kind.zip(message.get(HEADER..)))
}
