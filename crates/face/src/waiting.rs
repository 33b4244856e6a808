//! A plane that waits already, with a cell made ahead: a run that it takes starts sooner. Whatever speaks against it,
//! the run starts a plane of its own.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use wire::waiting::{PATIENCE, PROGRAMS, Stamp, WELCOME, socket, state_directory};

/// A waiting plane that was asked to take us, and did not answer yet.
#[derive(Debug)]
pub struct Knocked(OwnedFd);

impl Knocked {
    /// Knocks, where a plane of the very programs beside this one may wait.
    #[must_use]
    pub fn at(bastided: &Path) -> Option<Knocked> {
        let variable = |name| std::env::var(name).ok();
        let state = state_directory(variable("HOME").as_deref(), variable("XDG_STATE_HOME").as_deref())?;
        let address = SocketAddrUnix::new(socket(&state, &stamps(bastided)?)).ok()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        rustix::net::connect(&ours, &address).ok()?;
        // Nobody else is told what we run.
        let peer = rustix::net::sockopt::socket_peercred(&ours).ok()?;
        (peer.uid == rustix::process::geteuid()).then_some(Knocked(ours))
    }

    /// The connection, once the plane has said that it takes us: before, it was told nothing, so that what is not
    /// answered in time is run by nobody else.
    #[must_use]
    pub fn answered(self) -> Option<OwnedFd> {
        let (mut word, patience) = ([0], Timespec::try_from(PATIENCE).ok()?);
        if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience)) != Ok(1)
            || rustix::net::recv(&self.0, &mut word[..], RecvFlags::empty()).ok()? != (1, 1)
            || word != [WELCOME]
        {
            return None;
        }
        rustix::io::ioctl_fionbio(&self.0, false).ok()?;
        Some(self.0)
    }
}

/// Of the operator's variables, what a daemon that begins by itself needs: it outlives whoever started it, and answers what
/// names no others.
const KEPT: [&str; 6] = ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PATH", "USER", "LANG"];
/// Set to this, it does not begin.
const OFF: (&str, &str) = ("BASTIDE_DAEMON", "off");

/// Whether a daemon may begin by itself: not where it was switched off, and not in continuous integration, where nobody
/// comes back to it.
#[must_use]
pub fn may_begin() -> bool {
    let said = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    said(OFF.0).is_none_or(|value| value != OFF.1) && said("CI").is_none_or(|value| value == "false")
}

/// Begins the daemon, and does not wait for it: a run that comes later starts in what it makes ahead. Where one serves
/// already, or it cannot, it ends at once.
pub fn begin_daemon(bastided: &Path) {
    let mut command = Command::new(bastided);
    command.arg("daemon").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").env_clear();
    command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // Nothing of this run depends on it. It leaves our session by itself.
    let _ = command.spawn();
}

/// Of the plane's programs.
fn stamps(bastided: &Path) -> Option<[Stamp; PROGRAMS.len()]> {
    let mut stamps = [Stamp { device: 0, inode: 0, changed: (0, 0) }; PROGRAMS.len()];
    for (stamp, program) in stamps.iter_mut().zip(PROGRAMS) {
        let meta = std::fs::metadata(bastided.with_file_name(program)).ok()?;
        *stamp = Stamp { device: meta.dev(), inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()) };
    }
    Some(stamps)
}
