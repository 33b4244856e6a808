//! A plane that waits for the next client, with a cell and a gate made ahead: a start then costs what the session alone
//! costs. It knows nothing of any session, and is one process for one client, as every plane is.
//!
//! `bastide standby` asks for it: the plane that answers listens, and starts one plane at a time that waits (`bastided
//! wait`); when that took a client it starts the next. All of it ends with the one who asked. A client that is not taken
//! at once starts a plane of its own: nothing ever depends on one that waits. The plane of a session is such a client for a
//! sub-agent (`knock.rs`).

mod keeper;
mod knock;
mod likeness;

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};
use wire::waiting::{PROGRAMS, Stamp, WELCOME};

use crate::channel::Client;
use crate::problem::NOT_RUN;
use crate::session::Ahead;
use crate::verbs::Place;
use likeness::Likeness;

pub use keeper::keep;
pub(crate) use knock::{Knocked, Taken, is_own};

/// What a waiting plane tells its keeper when it took a client.
const TAKEN: u8 = 1;
/// What it tells when it ends since the host is no longer as it was made for.
const STALE: u8 = 2;

/// Of the programs that lie beside this one.
pub(crate) fn stamps() -> io::Result<[Stamp; PROGRAMS.len()]> {
    let own = std::env::current_exe()?;
    let mut stamps = [Stamp { device: 0, inode: 0, changed: (0, 0) }; PROGRAMS.len()];
    for (stamp, program) in stamps.iter_mut().zip(PROGRAMS) {
        let meta = fs::metadata(own.with_file_name(program))?;
        *stamp = Stamp { device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) };
    }
    Ok(stamps)
}

/// Waits for a client, and serves it: with the listening socket on descriptor 0 and the keeper on descriptor 1.
#[must_use]
#[inline(never)]
pub fn wait() -> u8 {
    // It must not end with the terminal of the one who asked for it.
    let _ = rustix::process::setsid();
    let Ok((listener, keeper)) = standard() else { return NOT_RUN };
    let Ok(place) = Place::of_environment() else { return NOT_RUN };
    let Ok(ahead) = Ahead::park(&place.home, &place.store) else { return NOT_RUN };
    let Ok(own) = Likeness::of("self") else { return NOT_RUN };
    let Some(mut client) = next(&listener, &keeper, &ahead, &own) else { return NOT_RUN };
    // A keeper that is gone starts no other; this session is none of its business.
    let _ = rustix::io::write(&keeper, &[TAKEN]);
    drop(listener);
    crate::answer::answer_with(&mut client, Some(ahead))
}

/// The descriptors that the keeper gave, off the standard streams.
fn standard() -> io::Result<(OwnedFd, OwnedFd)> {
    let taken = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let both = (taken(rustix::stdio::stdin())?, taken(rustix::stdio::stdout())?);
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(both)
}

/// The next client that is like this process; none when the keeper is gone, or something of what was made ahead.
fn next(listener: &OwnedFd, keeper: &OwnedFd, ahead: &Ahead, own: &Likeness) -> Option<Client> {
    loop {
        let mut ready = vec![PollFd::new(listener, PollFlags::IN), PollFd::new(keeper, PollFlags::empty())];
        // What they say waits; only their end counts.
        ready.extend(ahead.sockets().map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)));
        let parts = ready.len();
        ready.extend(ahead.host().map(|host| PollFd::from_borrowed_fd(host, PollFlags::PRI)));
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if ready[parts..].iter().any(|one| !one.revents().is_empty()) {
            let _ = rustix::io::write(keeper, &[STALE]);
            return None;
        }
        if ready[1..parts].iter().any(|one| !one.revents().is_empty()) {
            return None;
        }
        let Ok(socket) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) else { continue };
        if !is(&socket, own).unwrap_or(false) {
            continue;
        }
        // What was made ahead may have ended while the client was looked at: not told, it starts a plane of its own.
        if has_ended(ahead) {
            return None;
        }
        if rustix::net::send(&socket, &[WELCOME], SendFlags::NOSIGNAL).is_ok() {
            return Some(Client::new(socket));
        }
    }
}

fn has_ended(ahead: &Ahead) -> bool {
    let parts = ahead.sockets().map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::RDHUP));
    let mut parts: Vec<PollFd<'_>> = parts.collect();
    !matches!(poll(&mut parts, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

fn is(client: &OwnedFd, own: &Likeness) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(client)?;
    Ok(Likeness::of(&peer.pid.as_raw_nonzero().to_string())? == *own)
}
