//! One child as its parent's plane sees it: a plane of its own at the other end of a socket.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use policy::{Amounts, Label};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use wire::command::{ChildEnd, ChildRun, Order, Reply, Request};
use wire::petition::{Cut, Standing};

use crate::channel;

/// How long a child may take to begin: its workspace is copied first.
const BEGINNING: Duration = Duration::from_secs(120);

/// How far a child is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum Stage {
    /// The parent's gate is to say that so much is no longer its own.
    Reserving,
    /// Its walls are built.
    Starting,
    Running,
    /// It ended, and how.
    Over(Standing),
}

/// A child.
#[derive(Debug)]
pub(in crate::session) struct Kid {
    pub(in crate::session) stage: Stage,
    /// What it is to be begun with, until it is.
    pub(in crate::session) run: Option<Box<ChildRun>>,
    /// The petition that waits to hear that it began, by the number that its gate gave.
    pub(in crate::session) asked: Option<u64>,
    pub(in crate::session) budget: Amounts,
    /// How many it may begin below itself.
    pub(in crate::session) below: u32,
    pub(in crate::session) cut: Vec<Cut>,
    pub(in crate::session) session: Option<String>,
    /// Its last report, and whether that was its result.
    pub(in crate::session) report: Option<(String, bool)>,
    pub(in crate::session) labels: Vec<Label>,
    pub(in crate::session) end: Option<ChildEnd>,
    /// Whoever is inside was told that it ended.
    pub(in crate::session) was_told: bool,
    since: Instant,
    until: Option<Instant>,
    socket: Option<OwnedFd>,
    heard: wire::Decoder<Reply>,
    /// A child process of ours, waited for only here.
    pid: Option<Pid>,
}

impl Kid {
    /// One that is to begin when there is room for it.
    pub(in crate::session) fn new(
        run: Box<ChildRun>,
        (budget, below): (Amounts, u32),
        cut: Vec<Cut>,
        asked: u64,
    ) -> Kid {
        Kid {
            stage: Stage::Reserving,
            labels: run.labels.clone(),
            run: Some(run),
            asked: Some(asked),
            budget,
            below,
            cut,
            session: None,
            report: None,
            end: None,
            was_told: false,
            since: Instant::now(),
            until: Some(Instant::now() + BEGINNING),
            socket: None,
            heard: wire::Decoder::new(),
            pid: None,
        }
    }

    /// Starts the plane that is to hold it: of the build that this one is of, and with nothing of this one's but the socket.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub(in crate::session) fn begin(&mut self) -> io::Result<()> {
        let Some(run) = self.run.take() else { return Err(io::Error::other("it was begun already")) };
        let (ours, theirs) = channel::pair()?;
        let frame = zeroize::Zeroizing::new(wire::encode(&Request::Child(run)).map_err(io::Error::other)?);
        let mut command = Command::new(own_program()?);
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        self.pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
        self.stage = Stage::Starting;
        let sent = channel::send(&ours, &frame, &[]);
        self.socket = Some(ours);
        sent
    }

    /// Seconds since it was asked for, by a clock that nobody sets; the times in its record are by one that somebody may.
    pub(in crate::session) fn seconds(&self) -> u64 {
        self.since.elapsed().as_secs().saturating_add(1)
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        self.socket.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN))
    }

    /// When it has had its time to begin.
    pub(super) fn due(&self) -> Option<Instant> {
        self.until.filter(|_| matches!(self.stage, Stage::Reserving | Stage::Starting))
    }

    /// Whether it ended.
    pub(in crate::session) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Whether its plane is gone, or never was.
    pub(in crate::session) const fn is_gone(&self) -> bool {
        self.socket.is_none()
    }

    /// Whether it took too long to begin.
    pub(in crate::session) fn is_late(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// What its plane says; none when that is gone.
    pub(in crate::session) fn hear(&mut self) -> Option<Vec<Reply>> {
        let socket = self.socket.as_ref()?;
        let mut bytes = vec![0; 64 * 1024];
        match rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => Some(Vec::new()),
            Ok((_, length @ 1..)) => self.heard.push(&bytes[..length]).ok(),
            _ => None,
        }
    }

    /// Tells it something. One that does not take it hears it never: messages may be lost with their reader.
    pub(in crate::session) fn tell(&self, order: &Order) {
        if let (Some(socket), Ok(frame)) = (&self.socket, wire::encode(order)) {
            let _ = rustix::net::send(socket, &frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Ends it: its plane ends all that it holds when it hears its client go.
    pub(in crate::session) fn dismiss(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Lets go of a plane that said its last, or broke the rules: then it is ended, and with it all that it holds. Gives
    /// it where it is to be waited for.
    pub(in crate::session) fn release(&mut self) -> Option<Pid> {
        self.socket = None;
        let pid = self.pid.take()?;
        if matches!(self.stage, Stage::Over(_)) {
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
pub(in crate::session) fn is_there(pid: Pid) -> bool {
    matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None))
}
