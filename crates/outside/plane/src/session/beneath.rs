//! A plane that this one started, and what it holds: at the other end of one socket, whose end is the end of both.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use wire::command::{Order, Reply, Request};

use crate::channel;

/// It, or none yet, or none any more.
#[derive(Debug, Default)]
pub(super) struct Beneath {
    socket: Option<OwnedFd>,
    heard: wire::Decoder<Reply>,
    /// A child process of ours, waited for only here.
    pid: Option<Pid>,
}

impl Beneath {
    /// Starts it: of the build that this one is of, and with nothing of this one's but the socket and what rides with the
    /// request.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub(super) fn begin(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (ours, theirs) = channel::pair()?;
        let frame = zeroize::Zeroizing::new(wire::encode(request).map_err(io::Error::other)?);
        let mut command = Command::new(own_program()?);
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        self.pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
        let sent = channel::send(&ours, &frame, descriptors);
        self.socket = Some(ours);
        sent
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        self.socket.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN))
    }

    /// Whether it is gone, or never was.
    pub(super) const fn is_gone(&self) -> bool {
        self.socket.is_none()
    }

    /// What it says; none when it is gone.
    pub(super) fn hear(&mut self) -> Option<Vec<Reply>> {
        let socket = self.socket.as_ref()?;
        let mut bytes = vec![0; 64 * 1024];
        match rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => Some(Vec::new()),
            Ok((_, length @ 1..)) => self.heard.push(&bytes[..length]).ok(),
            _ => None,
        }
    }

    /// Tells it something. One that does not take it hears it never: messages may be lost with their reader.
    pub(super) fn tell(&self, order: &Order) {
        if let (Some(socket), Ok(frame)) = (&self.socket, wire::encode(order)) {
            let _ = rustix::net::send(socket, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Ends it: it ends all that it holds when it hears its client go.
    pub(super) fn dismiss(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Lets go of one that said its last; gives it where it is to be waited for. Any other broke the rules: it is ended, and
    /// with it all that it holds.
    pub(super) fn release(&mut self, said_its_last: bool) -> Option<Pid> {
        self.socket = None;
        let pid = self.pid.take()?;
        if said_its_last {
            return is_there(pid).then_some(pid);
        }
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
        None
    }
}

/// The program of this process: by its name, unless another one lies there since.
fn own_program() -> io::Result<PathBuf> {
    let (link, named) = (Path::new("/proc/self/exe"), std::env::current_exe()?);
    let file = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    let same = file(&named).is_ok_and(|there| file(link).is_ok_and(|own| own == there));
    Ok(if same { named } else { link.to_owned() })
}

/// Whether a child process of ours did not end yet.
pub(super) fn is_there(pid: Pid) -> bool {
    matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None))
}
