//! A plane that this one has hold something, at the other end of one socket, whose end is the end of both: one that waited for
//! whoever comes, or one that was started for it. What it holds begins at our word, once that plane is ready; so what is
//! unwanted by then never does, nor what would begin while we are paused, nor anything whose parent is gone.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::Pid;
use wire::command::{Order, Reply, Request};

use super::holder::Holder;
use crate::answer::BENEATH;
use crate::channel;
use crate::waiting::{Knocked, Taken, is_own};

/// Bytes that wait for it, from which on no more messages do.
const MOST_UNSAID: usize = 256 * 1024;

/// How far what it holds is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stand {
    /// It is made ready.
    #[default]
    Making,
    /// It waits for our word: we are paused.
    Ready,
    /// It goes on, or is about to begin.
    Goes,
    /// It was told to pause, and did not answer yet.
    Pausing,
    /// Nothing in it goes on, nor in so many below it.
    Paused(u32),
}

/// It, or none yet, or none any more.
#[derive(Debug, Default)]
pub(super) struct Beneath {
    socket: Option<OwnedFd>,
    heard: wire::api::Hearing,
    /// What it did not take yet: it takes orders only once it said something.
    unsaid: Vec<u8>,
    stand: Stand,
    /// One that waits and may take it.
    knocked: Option<Knocked>,
    early: Option<Early>,
    holder: Option<Holder>,
}

/// One that was started before it is known whether it is needed, and heard nothing yet. Dropped, it is ended.
#[derive(Debug)]
struct Early(Option<Started>);

impl Early {
    fn begin() -> Option<Early> {
        // What goes wrong now is told when it is to begin, should it still be so.
        start().ok().map(|started| Early(Some(started)))
    }

    fn taken(mut self) -> Option<Started> {
        self.0.take()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some((_, Some(holder))) = &self.0 {
            holder.kill();
        }
    }
}

/// Our end of its socket, and it.
type Started = (OwnedFd, Option<Holder>);

impl Beneath {
    /// None yet; the one that was `knocked` at, where that takes us. Where none waits one is started now, and not when it is to
    /// begin: it loads while a gate is asked.
    pub(super) fn after(knocked: Option<Knocked>) -> Beneath {
        let early = if knocked.is_none() { Early::begin() } else { None };
        Beneath { knocked, early, ..Beneath::default() }
    }

    /// Begins: with a plane of the build that this one is of, which gets nothing of this one's but the socket and what rides with
    /// the request.
    ///
    /// # Errors
    /// When none can be started or asked.
    pub(super) fn begin(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (ours, holder) = match self.knocked.take().and_then(Knocked::answered) {
            Some(Taken { socket, process }) => (socket, Some(Holder::Taken(process))),
            None => self.early.take().and_then(Early::taken).map_or_else(start, Ok)?,
        };
        self.holder = holder;
        let said = wire::api::say(request).map_err(io::Error::other)?.bytes();
        let sent = channel::send(&ours, &said, descriptors);
        self.socket = Some(ours);
        sent
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        let out = if self.says() { PollFlags::OUT } else { PollFlags::empty() };
        self.socket.as_ref().map(|socket| PollFd::new(socket, PollFlags::IN | out))
    }

    /// Whether it is gone, or never was.
    pub(super) const fn is_gone(&self) -> bool {
        self.socket.is_none()
    }

    /// What it says; none when it is gone.
    pub(super) fn hear(&mut self) -> Option<Vec<Reply>> {
        self.say();
        let socket = self.socket.as_ref()?;
        let mut bytes = vec![0; 64 * 1024];
        let heard = match rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Some(Vec::new()),
            Ok((_, length @ 1..)) => self.heard.push(&bytes[..length]).ok()?,
            _ => return None,
        };
        self.say();
        Some(heard)
    }

    /// Tells it something, in any case.
    pub(super) fn tell(&mut self, order: &Order) {
        if let Ok(frame) = wire::encode(order) {
            self.unsaid.extend_from_slice(&frame);
            self.say();
        }
    }

    /// The same, of what may be as long and as much as an agent likes: false where it did not take what it was told before.
    pub(super) fn pass_on(&mut self, message: &Order) -> bool {
        let takes = self.unsaid.len() < MOST_UNSAID;
        if takes {
            self.tell(message);
        }
        takes
    }

    fn says(&self) -> bool {
        self.heard.is_upgraded() && !self.unsaid.is_empty()
    }

    /// Says what it was not told yet, as far as it takes it.
    fn say(&mut self) {
        let mut said = 0;
        while let Some(socket) = self.socket.as_ref().filter(|_| self.heard.is_upgraded() && said < self.unsaid.len()) {
            match rustix::net::send(socket, &self.unsaid[said..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(length) => said += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // It is gone, or dismissed: it hears nothing any more.
                Err(_) => said = self.unsaid.len(),
            }
        }
        self.unsaid.drain(..said);
    }

    /// It is ready, and begins: now, or where we are paused when we go on.
    pub(super) fn ready(&mut self, paused: bool) {
        // What comes twice is no news.
        if self.stand == Stand::Making {
            self.stand = Stand::Ready;
            if !paused {
                self.resume();
            }
        }
    }

    /// Has nothing in it go on; what has not begun does not begin.
    pub(super) fn pause(&mut self) {
        if !matches!(self.stand, Stand::Making | Stand::Ready) {
            self.stand = Stand::Pausing;
            self.tell(&Order::Pause);
        }
    }

    /// It says that nothing in it goes on, nor in so many below it.
    pub(super) fn is_paused(&mut self, below: u32) {
        if self.stand == Stand::Pausing {
            self.stand = Stand::Paused(below);
        }
    }

    /// Whether something in it may still go on though it was told to pause.
    pub(super) fn is_pausing(&self) -> bool {
        self.socket.is_some() && self.stand == Stand::Pausing
    }

    /// How many are paused: it, and those below it.
    pub(super) fn paused(&self) -> u32 {
        match self.stand {
            Stand::Paused(below) if self.socket.is_some() => below.saturating_add(1),
            _ => 0,
        }
    }

    /// Lets it go on, or begin.
    pub(super) fn resume(&mut self) {
        match self.stand {
            Stand::Making => return,
            Stand::Ready => self.tell(&Order::Begin),
            // It may have been paused by itself.
            Stand::Goes | Stand::Pausing | Stand::Paused(_) => self.tell(&Order::Resume),
        }
        self.stand = Stand::Goes;
    }

    /// Ends it: it ends all that it holds when it hears its client go.
    pub(super) fn dismiss(&self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Lets go of one that said its last; gives it where it is to be waited for. Any other broke the rules: it is ended, and
    /// with it all that it holds.
    pub(super) fn release(&mut self, said_its_last: bool) -> Option<Holder> {
        self.socket = None;
        self.knocked = None;
        self.early = None;
        let holder = self.holder.take()?;
        if said_its_last {
            return holder.is_there().then_some(holder);
        }
        holder.kill();
        None
    }
}

/// Starts one.
fn start() -> io::Result<Started> {
    let (ours, theirs) = channel::pair()?;
    let mut command = Command::new(own_program()?);
    command.arg(BENEATH).envs([wire::ALLOCATOR]).stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    let pid = i32::try_from(command.spawn()?.id()).ok().and_then(Pid::from_raw);
    Ok((ours, pid.map(Holder::Ours)))
}

/// The program of this process: by its name, unless another one lies there since.
fn own_program() -> io::Result<PathBuf> {
    let named = std::env::current_exe()?;
    Ok(if is_own(&named) { named } else { "/proc/self/exe".into() })
}
