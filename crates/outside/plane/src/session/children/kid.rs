//! One child as its parent's plane sees it: a plane of its own at the other end of a socket.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use policy::{Amounts, Label};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::Pid;
use wire::command::{ChildEnd, ChildRun, Order, Reply, Request};
use wire::petition::{Cut, Standing};

use super::Holder;
use crate::channel;
use crate::waiting::{Knocked, Taken, is_own};

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
    until: Option<Instant>,
    socket: Option<OwnedFd>,
    heard: wire::Decoder<Reply>,
    /// One that waits and may hold it.
    knocked: Option<Knocked>,
    holder: Option<Holder>,
}

impl Kid {
    /// One that is to begin when there is room for it, held by the plane that was `knocked` at where that takes us.
    pub(in crate::session) fn new(
        (run, knocked): (Box<ChildRun>, Option<Knocked>),
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
            until: Some(Instant::now() + BEGINNING),
            socket: None,
            heard: wire::Decoder::new(),
            knocked,
            holder: None,
        }
    }

    /// Has a plane hold it, one that waited or one that is started: of the build that this one is of, and with nothing of this
    /// one's but the socket.
    ///
    /// # Errors
    /// When none can be started or asked.
    pub(in crate::session) fn begin(&mut self) -> io::Result<()> {
        let Some(run) = self.run.take() else { return Err(io::Error::other("it was begun already")) };
        let (ours, holder) = match self.knocked.take().and_then(Knocked::answered) {
            Some(Taken { socket, process }) => (socket, Some(Holder::Taken(process))),
            None => start()?,
        };
        self.holder = holder;
        self.stage = Stage::Starting;
        let frame = zeroize::Zeroizing::new(wire::encode(&Request::Child(run)).map_err(io::Error::other)?);
        let sent = channel::send(&ours, &frame, &[]);
        self.socket = Some(ours);
        sent
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
    pub(in crate::session) fn release(&mut self) -> Option<Holder> {
        self.socket = None;
        self.knocked = None;
        let holder = self.holder.take()?;
        if self.is_over() {
            return holder.is_there().then_some(holder);
        }
        holder.kill();
        None
    }
}

/// Starts one.
fn start() -> io::Result<(OwnedFd, Option<Holder>)> {
    let (ours, theirs) = channel::pair()?;
    let mut command = Command::new(own_program()?);
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    let pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
    Ok((ours, pid.map(Holder::Ours)))
}

/// The program of this process: by its name, unless another one lies there since.
fn own_program() -> io::Result<PathBuf> {
    let named = std::env::current_exe()?;
    Ok(if is_own(&named) { named } else { "/proc/self/exe".into() })
}
