//! Which socket a connection came from: its cookie, by one exact question to the kernel.
//!
//! Never a dump: that would cost as much as the cell has sockets.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, recv, send};

const HEADER: usize = 16;
/// Where `idiag_cookie` stands in `struct inet_diag_msg`, behind the header.
const COOKIE: usize = HEADER + 4 + 40;
const REQUEST: usize = HEADER + 56;
const BY_FAMILY: u16 = 20;
const FLAG_REQUEST: u16 = 1;
/// How many answers to an earlier gate's questions may lie before ours.
const STALE: usize = 64;

/// A sock_diag socket of the cell's network namespace.
#[derive(Debug)]
pub struct Diag {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

impl Diag {
    /// Asks through `socket`. `incarnation` tells this gate's questions from those of an earlier one.
    #[must_use]
    pub fn new(socket: OwnedFd, incarnation: u32) -> Diag {
        Diag { socket, sequence: Cell::new(incarnation.wrapping_shl(24)) }
    }

    /// The cookie of the TCP socket in the cell that has these two ends; none when there is no such socket any more.
    #[must_use]
    pub fn cookie(&self, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        send(&self.socket, &question(sequence, local, remote)?, SendFlags::DONTWAIT).ok()?;
        let mut answer = [0; 512];
        for _ in 0..STALE {
            // The kernel answers before `send` returns.
            let (length, _) = recv(&self.socket, &mut answer, RecvFlags::DONTWAIT).ok()?;
            let answer = &answer[..length];
            if word(answer, 8) == Some(sequence) {
                return cookie(answer);
            }
        }
        None
    }
}

/// The cookie in an answer; none in an error message, which is shorter or of another kind.
fn cookie(answer: &[u8]) -> Option<u64> {
    let kind = answer.get(4..6)?;
    if kind != BY_FAMILY.to_ne_bytes() {
        return None;
    }
    Some(u64::from(word(answer, COOKIE)?) | u64::from(word(answer, COOKIE + 4)?) << 32)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A `struct nlmsghdr` and a `struct inet_diag_req_v2`; none when the ends are of two families.
fn question(sequence: u32, local: SocketAddr, remote: SocketAddr) -> Option<[u8; REQUEST]> {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&u32::try_from(REQUEST).ok()?.to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&FLAG_REQUEST.to_ne_bytes());
    bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
    let body = &mut bytes[HEADER..];
    let family = if local.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    body[0] = u8::try_from(family).ok()?;
    body[1] = u8::try_from(libc::IPPROTO_TCP).ok()?;
    body[4..8].fill(0xff); // Every state.
    body[8..10].copy_from_slice(&local.port().to_be_bytes());
    body[10..12].copy_from_slice(&remote.port().to_be_bytes());
    let (source, target) = body[12..44].split_at_mut(16);
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            source[..4].copy_from_slice(&local.octets());
            target[..4].copy_from_slice(&remote.octets());
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            source.copy_from_slice(&local.octets());
            target.copy_from_slice(&remote.octets());
        }
        _ => return None,
    }
    body[48..56].fill(0xff); // Whatever the cookie is.
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with, sockopt};

    use super::*;

    fn diag() -> Diag {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG)).unwrap();
        Diag::new(socket, 1)
    }

    #[test]
    fn a_connection_leads_to_its_clients_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_server, peer) = listener.accept().unwrap();
            let found = diag().cookie(peer, client.peer_addr().unwrap());
            assert_eq!(found, Some(sockopt::socket_cookie(&client).unwrap()));
        }
    }

    #[test]
    fn no_such_connection_has_no_cookie_and_later_questions_are_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let diag = diag();
        assert_eq!(diag.cookie("127.0.0.1:1".parse().unwrap(), client.peer_addr().unwrap()), None);
        assert_eq!(diag.cookie("[::1]:1".parse().unwrap(), client.peer_addr().unwrap()), None);
        assert!(diag.cookie(client.local_addr().unwrap(), client.peer_addr().unwrap()).is_some());
    }
}
