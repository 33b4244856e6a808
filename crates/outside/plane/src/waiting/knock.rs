//! A waiting plane that is to hold a sub-agent: the plane of its parent knocks as the operator's client does, is looked at
//! in the same way, and starts one of its own whatever speaks against it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::process::{PidfdFlags, pidfd_open};
use wire::waiting::{PATIENCE, WELCOME};

use super::stamps;
use crate::store::Store;

/// A waiting plane that was asked to take us, and did not answer yet.
#[derive(Debug)]
pub(crate) struct Knocked(OwnedFd);

/// One that did: it waits for a request.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) socket: OwnedFd,
    /// It, and no other, whatever its number is given to later.
    pub(crate) process: OwnedFd,
}

impl Knocked {
    /// Knocks, where one of the very programs waits that this one is of.
    pub(crate) fn at(store: &Store) -> Option<Knocked> {
        // Replaced meanwhile, those that lie there speak another language perhaps.
        if !is_own(&std::env::current_exe().ok()?) {
            return None;
        }
        let address = SocketAddrUnix::new(wire::waiting::socket(store.root(), &stamps().ok()?)).ok()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        // So that its answer says which process it is.
        rustix::net::sockopt::set_socket_passcred(&ours, true).ok()?;
        rustix::net::connect(&ours, &address).ok()?;
        // Nobody else is told what is run.
        let peer = rustix::net::sockopt::socket_peercred(&ours).ok()?;
        (peer.uid == rustix::process::geteuid()).then_some(Knocked(ours))
    }

    /// The connection, once it says that it takes us: it was told nothing before.
    pub(crate) fn answered(self) -> Option<Taken> {
        let Knocked(socket) = self;
        let patience = Timespec::try_from(PATIENCE).ok()?;
        if poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&patience)) != Ok(1) {
            return None;
        }
        let process = welcomed_by(&socket).ok()??;
        // It alone holds the other end: while that is open, its number is its own.
        let mut gone = [PollFd::new(&socket, PollFlags::RDHUP)];
        if poll(&mut gone, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0) {
            return None;
        }
        rustix::net::sockopt::set_socket_passcred(&socket, false).ok()?;
        rustix::io::ioctl_fionbio(&socket, false).ok()?;
        Some(Taken { socket, process })
    }
}

/// Whether the program of this process lies at that path still.
pub(crate) fn is_own(named: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    file(named).is_ok_and(|there| file(Path::new("/proc/self/exe")).is_ok_and(|own| own == there))
}

/// Who said that we are taken; none where that is not what was said.
fn welcomed_by(socket: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let mut word = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let pieces = &mut [io::IoSliceMut::new(&mut word)];
    let bytes = rustix::net::recvmsg(socket, pieces, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let sender = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
        _ => None,
    });
    match sender {
        Some(sender) if bytes == 1 && word == [WELCOME] && sender.uid == rustix::process::geteuid() => {
            Ok(Some(pidfd_open(sender.pid, PidfdFlags::empty())?))
        }
        _ => Ok(None),
    }
}
