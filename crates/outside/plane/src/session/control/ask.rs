//! The other end: asks the plane of a running session.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use wire::control::{Answer, Ask, Order, VERSION};
use zeroize::Zeroizing;

use crate::channel;

/// How long the session may take: its gate has two seconds, and others may have asked before. Nothing is done for who no
/// longer waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, and waits for the answer.
///
/// # Errors
/// When nobody listens in that directory, or no answer comes.
pub(crate) fn ask(session: &Path, order: Order) -> io::Result<Answer> {
    // It may hold a secret.
    let frame = Zeroizing::new(wire::encode(&Ask { version: VERSION, order }).map_err(io::Error::other)?);
    let socket = connect(session)?;
    // One that refuses us may do so before it has heard all: it said why.
    let _ = channel::send(&socket, &frame, &[]);
    let (mut answers, mut bytes, mut none) = (wire::Decoder::new(), Vec::new(), Vec::new());
    loop {
        bytes.clear();
        if !channel::receive(&socket, &mut bytes, &mut none).map_err(late)? {
            return Err(io::Error::other("it ended before it answered"));
        }
        if let Some(answer) = answers.push(&bytes).map_err(io::Error::other)?.pop() {
            return Ok(answer);
        }
    }
}

fn connect(session: &Path) -> io::Result<OwnedFd> {
    let directory = super::directory(session)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    for way in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, way, Some(PATIENCE))?;
    }
    rustix::net::connect(&socket, &super::address(&directory)?).map_err(|error| late(error.into()))?;
    Ok(socket)
}

fn late(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) {
        return io::Error::other(format!("no answer came within {} s", PATIENCE.as_secs()));
    }
    error
}
