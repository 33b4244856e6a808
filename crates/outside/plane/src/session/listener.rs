//! A socket in a session's directory: who comes is judged before a byte of him is read, and nothing here waits. Dropped, it is
//! gone from the directory.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::peer::{self, Operator, Stranger};

/// Those that may wait to be accepted.
const BACKLOG: i32 = 16;

/// The socket.
#[derive(Debug)]
pub(super) struct Listener {
    directory: OwnedFd,
    name: Cow<'static, str>,
    socket: OwnedFd,
}

impl Listener {
    /// Listens under this name in a session's directory.
    ///
    /// # Errors
    /// The kernel's error: some file systems take no sockets.
    pub(super) fn open(session: &Path, name: &'static str) -> io::Result<Listener> {
        let directory = directory(session)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The file gets the mode of the socket.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        // Under its name only once it listens: who comes before that would be told that nobody is there.
        let early = format!("{name}.early");
        rustix::net::bind(&socket, &address(&directory, &early)?)?;
        let mut listener = Listener { directory, name: Cow::Owned(early), socket };
        rustix::net::listen(&listener.socket, BACKLOG)?;
        rustix::fs::renameat(&listener.directory, &*listener.name, &listener.directory, name)?;
        listener.name = Cow::Borrowed(name);
        Ok(listener)
    }

    /// What the session's loop is to wait for.
    pub(super) fn wanted(&self) -> PollFd<'_> {
        PollFd::new(&self.socket, PollFlags::IN)
    }

    /// Who came next: the operator, or somebody who is not heard.
    pub(super) fn accept(&self) -> Option<(OwnedFd, Result<Operator, Stranger>)> {
        let accepted = rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let socket = accepted.ok()?;
        let who = peer::operator(&socket);
        Some((socket, who))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = rustix::fs::unlinkat(&self.directory, &*self.name, AtFlags::empty());
    }
}

/// Connects this socket to the one of that name in a session's directory.
///
/// # Errors
/// When nobody listens there.
pub(super) fn connect(socket: &OwnedFd, session: &Path, name: &str) -> io::Result<()> {
    let directory = directory(session)?;
    Ok(rustix::net::connect(socket, &address(&directory, name)?)?)
}

fn directory(session: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(session, flags, Mode::empty())?)
}

/// The socket by its directory's descriptor: a path may be longer than the 108 bytes of an address.
fn address(directory: &OwnedFd, name: &str) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))?)
}
