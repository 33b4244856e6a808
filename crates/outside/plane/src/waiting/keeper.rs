//! Keeps one plane waiting.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{WaitOptions, wait};

use super::{TAKEN, is_there};
use crate::problem::NOT_RUN;

/// How long nobody may come.
const IDLE: Duration = Duration::from_secs(30);
/// How often is looked whether the socket is still there.
const LOOK: Duration = Duration::from_secs(1);
/// How long a session that was just taken has the machine for itself, before the next plane is started.
const MOMENT: Duration = Duration::from_millis(20);
/// Clients that may wait to be taken.
const BACKLOG: i32 = 64;

/// Becomes a keeper where there is none, after the last word to the client. Returns where there is one, or none can be.
pub fn stay(socket: &Path) {
    if is_kept(socket) {
        return;
    }
    let _: io::Result<Infallible> = become_keeper(socket);
}

fn become_keeper(socket: &Path) -> io::Result<Infallible> {
    // The client's standard error is not ours to hold, nor are its variables.
    let nothing = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&nothing)?;
    let program = std::env::current_exe()?;
    Err(Command::new(program).arg("keep").arg(socket).stdin(Stdio::null()).stdout(Stdio::null()).env_clear().exec())
}

fn is_kept(socket: &Path) -> bool {
    let address = SocketAddrUnix::new(socket);
    let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let connected = ours.and_then(|ours| rustix::net::connect(&ours, &address?));
    connected.is_ok()
}

/// Keeps a plane waiting at this socket, until nobody comes any more. Gives the exit code.
#[must_use]
pub fn keep(socket: &Path) -> u8 {
    // It outlives the client's terminal.
    let _ = rustix::process::setsid();
    let Ok((listener, inode)) = listen(socket) else { return NOT_RUN };
    let kept = keep_on(&listener, socket, inode);
    if is_there(socket, inode) {
        let _ = fs::remove_file(socket);
    }
    kept.map_or(NOT_RUN, |()| 0)
}

/// Listens beside the place first, so that whoever connects there is heard.
fn listen(socket: &Path) -> io::Result<(OwnedFd, u64)> {
    let own = socket.with_extension(std::process::id().to_string());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(&own)?)?;
    let ready = rustix::net::listen(&listener, BACKLOG).map_err(io::Error::from);
    match ready.and_then(|()| fs::symlink_metadata(&own)).and_then(|meta| fs::rename(&own, socket).map(|()| meta.ino())) {
        Ok(inode) => Ok((listener, inode)),
        Err(error) => {
            let _ = fs::remove_file(&own);
            Err(error)
        }
    }
}

fn keep_on(listener: &OwnedFd, socket: &Path, inode: u64) -> io::Result<()> {
    loop {
        let (_child, told) = start(listener)?;
        let until = Instant::now() + IDLE;
        while !heard(&told, LOOK)? {
            if Instant::now() > until || !is_there(socket, inode) {
                return Ok(());
            }
        }
        let mut word = [0];
        if rustix::io::read(&told, &mut word) != Ok(1) || word != [TAKEN] {
            return Err(io::Error::other("a plane that waited is gone"));
        }
        // Its end is heard as well.
        heard(&told, MOMENT)?;
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

fn start(listener: &OwnedFd) -> io::Result<(Child, OwnedFd)> {
    let (told, tells) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.arg("wait").stdin(listener.try_clone()?).stdout(tells).stderr(Stdio::null()).env_clear();
    Ok((child.spawn()?, told))
}

/// Whether there is something to read, or the end, within this time.
fn heard(told: &OwnedFd, within: Duration) -> io::Result<bool> {
    let within = Timespec::try_from(within).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(told, PollFlags::IN)], Some(&within)) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        other => Ok(other? > 0),
    }
}
