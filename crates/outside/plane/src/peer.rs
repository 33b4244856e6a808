//! Who is at the other end of a Unix socket: the operator, or somebody who only has his uid.
//!
//! A uid tells little: an ordinary user's agent has the operator's. So the process that connected is held by a pidfd, and
//! where it lives is compared with where this process does (decision 0024). Whatever cannot be read refuses. Nothing is
//! read from the peer itself, and no token exists that it could show.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::OnceLock;

use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::problem::quoted;
use crate::store::cgroup_session;

/// The operator, at the other end.
#[derive(Debug)]
pub struct Operator {
    /// His uid.
    pub uid: u32,
    /// The process that connected, as numbered here.
    pub pid: i32,
    /// The name of its program, as the kernel keeps it: at most 15 bytes, and its own word.
    pub program: String,
    /// Of a plane of ours the program that began it to ask, likewise, and its number: what the operator typed.
    pub begun_by: Option<(String, i32)>,
    process: OwnedFd,
}

impl Operator {
    /// Who asked, for the record.
    #[must_use]
    pub fn who(&self) -> String {
        let one = |program: &str, pid: i32| format!("{} (process {pid})", quoted(program));
        let itself = one(&self.program, self.pid);
        match &self.begun_by {
            Some((program, pid)) => format!("uid {} with {}, by {itself}", self.uid, one(program, *pid)),
            None => format!("uid {} with {itself}", self.uid),
        }
    }

    /// Whether that process still is: what was read of its number before this was read of it.
    #[must_use]
    pub fn lives(&self) -> bool {
        !is_over(&self.process)
    }

    /// Asks that process to end; false where it is gone already.
    #[must_use]
    pub fn ask_to_end(&self) -> bool {
        rustix::process::pidfd_send_signal(&self.process, rustix::process::Signal::TERM).is_ok()
    }
}

/// Why a peer is not taken for the operator.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// It is gone, or the kernel does not say who it is, or where.
    #[error("who asked cannot be looked at: {0}")]
    Unseen(String),
    /// Another user.
    #[error("who asked is user {0}, another one than this is for")]
    User(u32),
    /// Another user or pid namespace.
    #[error("who asked is in another {0} namespace: in a container, or in a cell")]
    Namespace(&'static str),
    /// Another mount namespace with another root.
    #[error("who asked has another root directory: it is in a container, or in a cell")]
    Root,
    /// Another mount namespace, and confined for good.
    #[error(
        "who asked has mounts of its own and is confined (no new privileges, or a filter of system calls), as in a cell"
    )]
    Confined,
    /// The control group of a session.
    #[error("who asked is in the control group of session `{0}`")]
    Cell(String),
}

impl Stranger {
    /// What to do instead.
    pub const HINT: &'static str = "ask as the user, and in the place, that the session was begun in";
}

/// Which file it is: device and inode.
type File = (u64, u64);

/// Where a process lives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    user: File,
    processes: File,
    mounts: File,
    /// Sessions in whose control groups it is.
    sessions: BTreeSet<String>,
}

/// What counts only where the mount namespaces differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    root: File,
    /// No new privileges, or a filter of system calls: neither is ever taken off, and children inherit both.
    confined: bool,
}

/// Says whether the peer of a connected Unix socket is the operator, here.
///
/// # Errors
/// Why it is not taken for him.
pub fn operator(socket: impl AsFd) -> Result<Operator, Stranger> {
    static HERE: OnceLock<Option<(Place, Marks)>> = OnceLock::new();
    let here = HERE.get_or_init(|| Place::of("self").and_then(|place| Ok((place, Marks::of("self")?))).ok());
    let (place, marks) = here.as_ref().ok_or_else(|| Stranger::Unseen("/proc is not readable here".into()))?;
    let credentials = nix::sys::socket::getsockopt(&socket, PeerCredentials).map_err(|errno| unseen(&errno))?;
    if credentials.uid() != rustix::process::geteuid().as_raw() {
        return Err(Stranger::User(credentials.uid()));
    }
    let process = held(socket.as_fd(), credentials.pid())?;
    let pid = number(&process)?;
    let peer = pid.to_string();
    let theirs = Place::of(&peer).map_err(|error| unseen(&error))?;
    if judge(place, &theirs)? == Mounts::Others {
        judge_marks(*marks, Marks::of(&peer).map_err(|error| unseen(&error))?)?;
    }
    let program = named(pid);
    let begun_by = if program == PLANE { begun_by(pid) } else { None };
    let operator = Operator { uid: credentials.uid(), pid, program, begun_by, process };
    // All of this was read of it, and not of another process that was given its number meanwhile.
    if operator.lives() { Ok(operator) } else { Err(unseen(&"it has ended")) }
}

/// What the program of a plane is called.
const PLANE: &str = "bastided";

fn named(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The program that began a process, where that still is and is no plane: for the record alone, nothing is judged by
/// it.
fn begun_by(pid: i32) -> Option<(String, i32)> {
    let parent = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<i32>().ok()).filter(|pid| *pid > 1)
    };
    let first = parent()?;
    let program = named(first);
    // While it is the parent, its number is no other's.
    (parent() == Some(first) && !program.is_empty() && program != PLANE).then_some((program, first))
}

/// Whether the peer's mounts are ours.
#[derive(Debug, PartialEq, Eq)]
enum Mounts {
    Ours,
    Others,
}

/// Judges by what always counts.
fn judge(here: &Place, theirs: &Place) -> Result<Mounts, Stranger> {
    if theirs.user != here.user {
        return Err(Stranger::Namespace("user"));
    }
    if theirs.processes != here.processes {
        return Err(Stranger::Namespace("pid"));
    }
    if let Some(session) = theirs.sessions.difference(&here.sessions).next() {
        return Err(Stranger::Cell(session.clone()));
    }
    Ok(if theirs.mounts == here.mounts { Mounts::Ours } else { Mounts::Others })
}

/// Judges one whose mounts are not ours: `PrivateTmp=` and `unshare --mount` leave the root and confine nobody.
fn judge_marks(here: Marks, theirs: Marks) -> Result<(), Stranger> {
    if theirs.root != here.root {
        return Err(Stranger::Root);
    }
    if theirs.confined { Err(Stranger::Confined) } else { Ok(()) }
}

/// The process that connected, held: its number is given to no other while this lives.
fn held(socket: std::os::fd::BorrowedFd<'_>, pid: i32) -> Result<OwnedFd, Stranger> {
    match nix::sys::socket::getsockopt(&socket, PeerPidfd) {
        Ok(process) => Ok(process),
        // Linux before 6.5.
        Err(nix::errno::Errno::ENOPROTOOPT) => held_by_number(pid),
        Err(errno) => Err(unseen(&errno)),
    }
}

/// The same by the number that it had. One that ended since, and whose number was given away before this call, is not
/// noticed: SECURITY-MODEL.md says so.
fn held_by_number(pid: i32) -> Result<OwnedFd, Stranger> {
    let pid = Pid::from_raw(pid).ok_or_else(|| unseen(&"it is in another pid namespace"))?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| unseen(&errno))
}

/// The number of a held process in our /proc.
fn number(process: &OwnedFd) -> Result<i32, Stranger> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).map_err(|e| unseen(&e))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<i32>().ok());
    // 0 is a process that our /proc does not show, -1 one that ended.
    number.filter(|pid| *pid > 0).ok_or_else(|| unseen(&"it has ended, or is in another pid namespace"))
}

fn is_over(process: &OwnedFd) -> bool {
    let mut wanted = [PollFd::new(process, PollFlags::IN)];
    !matches!(poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

fn unseen(why: &dyn std::fmt::Display) -> Stranger {
    Stranger::Unseen(why.to_string())
}

impl Place {
    fn of(process: &str) -> io::Result<Place> {
        let space = |name: &str| file(&format!("/proc/{process}/ns/{name}"));
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup"))?;
        Ok(Place { user: space("user")?, processes: space("pid")?, mounts: space("mnt")?, sessions: sessions(&groups) })
    }
}

impl Marks {
    fn of(process: &str) -> io::Result<Marks> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        Ok(Marks { root: file(&format!("/proc/{process}/root"))?, confined: confined(&status) })
    }
}

fn file(path: &str) -> io::Result<File> {
    let stat = rustix::fs::stat(path)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Sessions whose control groups are named in a `/proc/PID/cgroup`, of any hierarchy.
fn sessions(groups: &str) -> BTreeSet<String> {
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).filter_map(cgroup_session).map(str::to_owned).collect()
}

/// What a `/proc/PID/status` says; a line that is missing says the worse.
fn confined(status: &str) -> bool {
    let is_zero =
        |key: &str| status.lines().any(|line| line.strip_prefix(key).is_some_and(|value| value.trim() == "0"));
    !(is_zero("NoNewPrivs:") && is_zero("Seccomp:"))
}

#[cfg(test)]
mod tests;
