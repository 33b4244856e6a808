//! Netlink messages as bytes, and one request at a time over a socket.
//!
//! Hand-written because a cell must not spawn `ip` or `nft`, and a netlink library would bring an async
//! runtime into the walls.

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// The request flags used here.
pub(crate) const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
/// Ask for an acknowledgement.
pub(crate) const ACK: u16 = libc::NLM_F_ACK as u16;
/// Create; fail if it exists.
pub(crate) const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Create and append (nftables rules).
pub(crate) const APPEND: u16 = (libc::NLM_F_CREATE | libc::NLM_F_APPEND) as u16;

/// A buffer of one or more netlink messages.
#[derive(Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    last: usize,
    sequence: u32,
}

impl Messages {
    /// Starts a message; lengths are written by [`Messages::finish`].
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, header: &[u8]) {
        self.finish();
        self.last = self.bytes.len();
        self.sequence += 1;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
    }

    /// Appends an attribute to the open message.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        put_attribute(&mut self.bytes, kind, value);
    }

    /// Appends an attribute that holds attributes.
    pub(crate) fn nested(&mut self, kind: u16, value: &Attributes) {
        put_attribute(&mut self.bytes, kind | libc::NLA_F_NESTED as u16, &value.0);
    }

    /// Asks for an acknowledgement of the open message. In an nftables batch an error of any other is answered
    /// unasked, so that the last one's stands for all.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            let asked = u16::from_ne_bytes([flags[0], flags[1]]) | ACK;
            flags.copy_from_slice(&asked.to_ne_bytes());
        }
    }

    fn finish(&mut self) {
        if self.bytes.len() > self.last {
            let length = u32::try_from(self.bytes.len() - self.last).unwrap_or(u32::MAX);
            self.bytes[self.last..self.last + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// A list of attributes to nest in another.
#[derive(Default, Clone)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    /// With one more attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        put_attribute(&mut self.0, kind, value);
        self
    }

    /// With one more attribute that holds attributes.
    pub(crate) fn with_nested(mut self, kind: u16, value: &Attributes) -> Self {
        put_attribute(&mut self.0, kind | libc::NLA_F_NESTED as u16, &value.0);
        self
    }
}

fn put_attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A netlink socket of the calling thread's network namespace; without a protocol, of `NETLINK_ROUTE`.
pub(crate) fn socket(protocol: Option<rustix::net::Protocol>) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
}

/// Sends the messages and waits until `acknowledgements` of them were acknowledged.
///
/// # Errors
/// The first error that the kernel answers with.
pub(crate) fn exchange(socket: &impl AsFd, mut messages: Messages, acknowledgements: usize) -> rustix::io::Result<()> {
    messages.finish();
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(socket, &messages.bytes, SendFlags::empty(), &kernel)?;
    let mut buffer = [0_u8; 8192];
    let mut seen = 0;
    while seen < acknowledgements {
        let (_, length) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
        seen += acknowledged(&buffer[..length.min(buffer.len())])?;
    }
    Ok(())
}

/// Counts the acknowledgements in what the kernel answered; its first error is ours.
fn acknowledged(mut answer: &[u8]) -> rustix::io::Result<usize> {
    let mut count = 0;
    while let Some((header, _)) = answer.split_first_chunk::<16>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if length < 16 || length > answer.len() {
            return Err(Errno::BADMSG);
        }
        if i32::from(kind) == libc::NLMSG_ERROR {
            let code = answer.get(16..20).ok_or(Errno::BADMSG)?;
            match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
                0 => count += 1,
                error => return Err(Errno::from_raw_os_error(-error)),
            }
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(count)
}
