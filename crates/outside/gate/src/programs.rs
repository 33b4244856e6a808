//! Which program is behind a connection: the watcher's sightings, joined by socket cookie. Every program that was
//! started is recorded on the way.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as Socket;
use std::time::{Duration, Instant};

use plan::{Frame, MAX_SIGHTING, Sighting};
use record::Kind;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::net::UnixDatagram;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::diag::Diag;
use crate::flood::{Flood, PROGRAMS};
use crate::ledger::Ledger;
use crate::sightings::{Seen, Sightings};
use crate::starts::Starts;

/// How many messages are read before others have their turn; the socket's own buffer holds fewer.
const AT_ONCE: usize = 4096;
/// How long a count of missed programs may wait for its event.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a watcher that said something is not waited for: what it says meanwhile is read then, or for a connection.
const REST: Duration = Duration::from_millis(5);

/// The watcher's socket, what it said, and the way to join it.
#[derive(Debug)]
pub struct Programs {
    /// A seqpacket socket: to who reads it, that is a datagram socket with an end.
    watcher: Socket,
    /// The same to wait on; none while somebody listens.
    waits: RefCell<Option<Socket>>,
    diag: Diag,
    /// Room for one message.
    space: RefCell<Box<[u8]>>,
    /// Something was read since this was last looked at.
    stirred: Cell<bool>,
    sightings: RefCell<Sightings>,
    flood: RefCell<Flood>,
    starts: RefCell<Starts>,
    /// Rung when a started program could not be recorded: nothing may go on unrecorded.
    pub lost: Notify,
}

/// How much of what the watcher said was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// All of it.
    All,
    /// There may be more.
    Some,
    /// All of it, and the watcher is gone.
    Left,
}

impl Programs {
    /// Listens to the watcher, a seqpacket socket of sightings.
    ///
    /// # Errors
    /// When there is no second descriptor to wait on.
    pub fn new(watcher: OwnedFd, diag: Diag) -> io::Result<Programs> {
        let watcher = Socket::from(watcher);
        watcher.set_nonblocking(true)?;
        let (flood, space) =
            (RefCell::new(Flood::new(Instant::now(), PROGRAMS)), RefCell::new(vec![0; MAX_SIGHTING].into()));
        let (starts, lost) = (RefCell::default(), Notify::new());
        Ok(Programs {
            // Made while that is still allowed.
            waits: RefCell::new(Some(watcher.try_clone()?)),
            watcher,
            diag,
            space,
            stirred: Cell::new(false),
            sightings: RefCell::default(),
            flood,
            starts,
            lost,
        })
    }

    /// The program that made a connection from `local` to `remote`, as these ends are called inside the cell.
    #[must_use]
    pub fn of(&self, local: SocketAddr, remote: SocketAddr, ledger: &RefCell<Ledger>) -> Option<Seen> {
        // The watcher spoke before the program could connect, so what it said is in the socket by now. All of it is
        // read, since a later sighting of the same socket replaces an earlier one.
        self.hear(ledger);
        let cookie = self.diag.cookie(local, remote)?;
        self.sightings.borrow_mut().take(cookie, Instant::now())
    }

    /// Reads what the watcher said so far.
    pub fn hear(&self, ledger: &RefCell<Ledger>) -> Heard {
        let mut space = self.space.borrow_mut();
        for _ in 0..AT_ONCE {
            // The kernel is asked itself: tokio learns of a message only when its loop turns.
            match recv(&self.watcher, &mut space[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((0, _)) => return Heard::Left,
                // One that was cut by the buffer is garbled like any other that cannot be read.
                Ok((length, whole)) => {
                    self.stirred.set(true);
                    self.take(&space[..if whole == length { length } else { 0 }], ledger);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Heard::All,
                Err(_) => return Heard::Left,
            }
        }
        Heard::Some
    }

    /// Listens until the watcher leaves. Needs a runtime around it.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub async fn listen(&self, ledger: &RefCell<Ledger>) -> io::Result<()> {
        let Some(mut waits) = self.waits.take() else { return Ok(()) };
        loop {
            waits = self.said(waits, ledger).await?;
            if self.follow(ledger).await == Heard::Left {
                break;
            }
        }
        self.settle(ledger);
        Ok(())
    }

    /// Waits until the watcher says something.
    async fn said(&self, waits: Socket, ledger: &RefCell<Ledger>) -> io::Result<Socket> {
        // Edge-triggered, and made anew: what came before is told as well.
        let waits = UnixDatagram::from_std(waits)?;
        // Only the count of an ended flood waits: nothing else would wake this up.
        while self.flood.borrow().is_behind() {
            match timeout(SETTLE, waits.readable()).await {
                Ok(ready) => {
                    ready?;
                    return waits.into_std();
                }
                Err(_) => self.settle(ledger),
            }
        }
        waits.readable().await?;
        waits.into_std()
    }

    /// Reads until nothing was said for a while. Nobody is woken up for each message meanwhile: the watcher of a busy cell speaks
    /// before every connection, which is then made and asked about at once.
    async fn follow(&self, ledger: &RefCell<Ledger>) -> Heard {
        loop {
            match self.hear(ledger) {
                Heard::All if !self.stirred.take() => return Heard::All,
                Heard::All => sleep(REST).await,
                Heard::Some => tokio::task::yield_now().await,
                Heard::Left => return Heard::Left,
            }
        }
    }

    /// Records how many started programs were only counted.
    pub fn settle(&self, ledger: &RefCell<Ledger>) {
        let missed = self.flood.borrow_mut().missed();
        if missed > 0 {
            note(ledger, format!("[{missed} more programs, started too fast to be recorded one by one]"));
        }
    }

    fn take(&self, message: &[u8], ledger: &RefCell<Ledger>) {
        let now = Instant::now();
        match Frame::decode(message) {
            Ok(Sighting::Connect { cookie, pid, chain }) => {
                let exec = self.starts.borrow().find(pid, chain.first());
                self.sightings.borrow_mut().keep(cookie, Seen { pid, chain: chain.into(), exec }, now);
            }
            Ok(Sighting::Execute { pid, parent, by, claimed, arguments }) => {
                if self.flood.borrow_mut().admit(now, message.len()) {
                    self.settle(ledger);
                    let program = claimed.clone().into();
                    match ledger.borrow_mut().write(Kind::Exec { pid, parent, by, claimed, arguments }) {
                        Ok(exec) => self.starts.borrow_mut().keep(pid, exec, program),
                        Err(_) => self.lost.notify_one(),
                    }
                } else {
                    // What is known of an earlier program of this process is not true of this one.
                    self.starts.borrow_mut().forget(pid);
                }
            }
            // A program that was started in these words is not known, but that there was one is.
            Err(_) if self.flood.borrow_mut().admit(now, message.len()) => {
                note(ledger, "[a message of the watcher that cannot be read]".into());
            }
            Err(_) => {}
        }
    }
}

/// Records words of our own in place of programs that cannot be named.
fn note(ledger: &RefCell<Ledger>, claimed: String) {
    let kind = Kind::Exec { pid: 0, parent: 0, by: String::new(), claimed, arguments: Vec::new() };
    let _ = ledger.borrow_mut().write(kind);
}
