//! A gate as the plane sees it: a process on one socket, with a lease. The plane keeps the door's descriptors, so
//! that another gate can take over.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use policy::{Amounts, Conjunction, Endorsement, Label, Rule};
use record::{Kind, Origin, Segment, Verdict, Verifier};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use wire::petition::Petitioned;
use wire::question::Wanted;
use wire::{Bounds, Counted, GateOrder, GateReport, Labelled, Lease, Lent, Proxy, Secret, Suspected, Tls, Whole};
use zeroize::Zeroize;

use super::children::Heard;
use super::gates::Gates;
use super::host;
use super::risk::Suspicion;
use crate::channel;
use crate::store::{Line, Lines};

/// Descriptors of the door, as the cell reports them.
const DOOR: usize = wire::DESCRIPTORS - 3;
/// More gates than this do not stay alive: then the cell has no network.
const MOST: u32 = 16;
/// Bytes that wait for a gate, from which on what it may do without is left out.
const MOST_UNTOLD: usize = 64 * 1024;

/// Evidence that the next gate is told of.
const MOST_SUSPECTED: usize = 256;

/// How long a gate may take to record what is left and to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a segment's chain ends, which names have synthetic addresses, in that order, and what spoke for an attack.
type Before = (Option<(u64, String)>, Vec<String>, Vec<Counted>);

/// What every gate of a session is told.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) gates: Gates,
    pub(super) origin: Origin,
    pub(super) policy: Conjunction,
    pub(super) segment: PathBuf,
    /// What left in drops over all cells of the tree: in the directory of the session that nobody spawned.
    pub(super) drops: PathBuf,
    pub(super) proxy: Option<Proxy>,
    pub(super) secrets: Vec<Secret>,
    pub(super) tls: Option<Tls>,
    pub(super) credentials: Vec<Lent>,
    pub(super) labelled: Vec<Labelled>,
    /// The operator let a credential of the program's own in.
    pub(super) lets_own: bool,
    /// What other agents said.
    pub(super) heard: Heard,
    /// Labels that the session began with.
    pub(super) carried: Vec<Label>,
    /// Why the texts are not all that carries one, where they are not.
    pub(super) lacking: Option<String>,
    pub(super) intent: Vec<String>,
    /// What of its budgets is its children's.
    pub(super) reserved: Amounts,
    /// Seconds for which what he is asked about waits.
    pub(super) patience: u32,
    /// What speaks for an attack.
    pub(super) suspicion: Suspicion,
    /// What the operator granted for the session.
    pub(super) granted: Vec<Rule>,
    /// What he endorsed for the session.
    pub(super) endorsed: Vec<Endorsement>,
    /// The session is paused, or about to be: no gate lets anything through.
    pub(super) paused: bool,
}

/// A gate that was started and has no lease yet, or serves.
#[derive(Debug)]
pub(super) struct Gate {
    socket: OwnedFd,
    answer: wire::Decoder<GateReport>,
    /// It said so: until then it reads its lease, and takes nothing else for one.
    serves: bool,
    /// What it was told and did not take yet.
    outbox: Vec<u8>,
    /// A child of ours, waited for only here: the number is its own until then.
    pid: Option<Pid>,
    /// From 1.
    incarnation: u32,
}

/// What a gate's socket told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Ready,
    /// It decides by this revision of the policy.
    Replaced(u32),
    /// Whether what it was told is its children's was still its own.
    Reserved(Amounts, bool),
    /// Whoever is inside asks for something.
    Petition(Box<Petitioned>),
    /// A server of MCP is to be begun behind a line.
    Server(String, u32),
    /// Something speaks for an attack.
    Suspected(Box<Suspected>),
    /// It narrowed itself as it was told to.
    Narrowed(Box<policy::Narrowed>),
    /// Nobody speaks on a line any more.
    Parted(u32),
    /// It holds something that the operator is to be asked about.
    Held(u64, Box<Wanted>),
    /// It asks which of these stood in the workspace before the session.
    Stood(u64, Vec<Whole>),
    /// It holds that no longer.
    Left(u64),
    /// It lets nothing through, as it was told under this number.
    Paused(u32),
    /// It cannot serve, and says why: another one could not either.
    Unable(String),
    /// It ended, or speaks nonsense.
    Lost,
}

/// Starts the program; it waits for its lease.
///
/// # Errors
/// When it cannot be started.
pub(super) fn start(gates: &Gates, incarnation: u32) -> io::Result<Gate> {
    let (ours, theirs) = channel::pair()?;
    let pid = i32::try_from(gates.start(theirs, None)?.id()).ok().and_then(Pid::from_raw);
    Ok(Gate { socket: ours, answer: wire::Decoder::new(), serves: false, outbox: Vec::new(), pid, incarnation })
}

impl Door {
    /// Starts a gate that takes over.
    ///
    /// # Errors
    /// When it cannot be started, or too many were.
    pub(super) fn start(&self, incarnation: u32) -> io::Result<Gate> {
        if incarnation > MOST {
            return Err(io::Error::other(format!("{MOST} gates ended before")));
        }
        start(&self.gates, incarnation)
    }

    /// Gives a started gate the cell's door, and lines to servers.
    ///
    /// # Errors
    /// When the segment cannot be read or opened, or the gate is gone.
    pub(super) fn lease(&self, gate: &Gate, door: &[OwnedFd], lines: &[OwnedFd]) -> io::Result<()> {
        if door.len() != DOOR {
            return Err(io::Error::other(format!("the cell gave {} descriptors of the door, not {DOOR}", door.len())));
        }
        let (segment, names, suspected) =
            if gate.incarnation > 1 { self.before()? } else { (None, Vec::new(), Vec::new()) };
        let file = opened(&self.segment)?;
        let lease = Lease {
            version: wire::VERSION,
            session: self.origin.session.clone(),
            policy: self.policy.clone(),
            nameservers: host::nameservers(),
            hosts: host::hosts(),
            incarnation: gate.incarnation,
            segment,
            names,
            upstream_proxy: self.proxy.clone(),
            secrets: self.secrets.clone(),
            lets_own: self.lets_own,
            tls: self.tls.clone(),
            credentials: self.credentials.clone(),
            labelled: self.labelled.clone(),
            heard: self.heard.all().cloned().collect(),
            carried: self.carried.clone(),
            lacking: self.lacking.clone(),
            intent: self.intent.clone(),
            reserved: self.reserved,
            granted: self.granted.clone(),
            endorsed: self.endorsed.clone(),
            suspected,
            lines: u32::try_from(lines.len()).map_err(io::Error::other)?,
            paused: self.paused,
            bounds: Bounds { patience: self.patience, ..Bounds::default() },
        };
        let frame = wire::encode(&lease).map_err(io::Error::other)?;
        let own = [file, opened(&self.drops)?, File::open(&self.drops)?];
        let descriptors: Vec<BorrowedFd<'_>> =
            own.iter().map(AsFd::as_fd).chain(door.iter().chain(lines).map(AsFd::as_fd)).collect();
        channel::send(&gate.socket, &frame, &descriptors)
    }

    /// What the gates before came to; a line that the last of them was stopped at is cut off. They are all gone.
    fn before(&self) -> io::Result<Before> {
        let mut lines = Lines::new(self.segment.clone());
        let mut verifier = Verifier::new(&self.origin);
        let (mut kept, mut place) = (0, 0);
        let (mut names, mut known) = (Vec::new(), HashSet::new());
        let mut suspected = VecDeque::new();
        while let Some(line) = lines.next_line()? {
            let Line::Whole(line) = line else { return Err(io::Error::other("a line of the segment is too long")) };
            verifier.line(line).map_err(io::Error::other)?;
            kept += line.len() as u64;
            place += 1;
            let entry = record::decode(Segment::Gate, place, line).map_err(io::Error::other)?;
            if let Kind::Risk { name, weight, .. } = &entry.event.kind {
                suspected.push_back((entry.event.at, name.clone(), *weight));
                // The oldest count least.
                if suspected.len() > MOST_SUSPECTED {
                    suspected.pop_front();
                }
            }
            if let Kind::Resolve { name, verdict: Verdict::Allowed | Verdict::Asked, .. } = entry.event.kind
                && known.insert(name.clone())
            {
                names.push(name);
            }
        }
        if lines.is_torn() {
            File::options().write(true).open(&self.segment)?.set_len(kept)?;
        }
        let head = verifier.finish().head;
        Ok(((head.events > 0).then(|| (head.events, head.hex())), names, self.suspicion.told(suspected.into_iter())))
    }

    /// Makes durable what gates wrote since `synced` bytes; gives how many there are now.
    ///
    /// # Errors
    /// When the disk says so.
    pub(super) fn checkpoint(&self, synced: u64) -> io::Result<u64> {
        let file = File::open(&self.segment)?;
        let length = file.metadata()?.len();
        if length != synced {
            file.sync_data()?;
        }
        Ok(length)
    }
}

/// A file that can only be appended to.
fn opened(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

impl Gate {
    /// Which gate of the session this is.
    pub(super) const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// What it says, as far as it came.
    pub(super) fn said(&mut self) -> Vec<Said> {
        let mut bytes = [0; 4096];
        let said = match rustix::net::recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Vec::new(),
            Ok((_, length @ 1..)) => self.answer.push(&bytes[..length]).ok(),
            _ => None,
        };
        let Some(said) = said else { return vec![Said::Lost] };
        self.serves |= said.contains(&GateReport::Ready);
        let said = said.into_iter().map(|report| match report {
            GateReport::Ready => Said::Ready,
            GateReport::Replaced { revision } => Said::Replaced(revision),
            GateReport::Reserved { reserved, fits } => Said::Reserved(reserved, fits),
            GateReport::Petition(petitioned) => Said::Petition(petitioned),
            GateReport::Server { server, line } => Said::Server(server, line),
            GateReport::Suspected(told) => Said::Suspected(told),
            GateReport::Narrowed(narrowed) => Said::Narrowed(narrowed),
            GateReport::Parted { line } => Said::Parted(line),
            GateReport::Held { number, wanted } => Said::Held(number, wanted),
            GateReport::Stood { number, wholes } => Said::Stood(number, wholes),
            GateReport::Left { number } => Said::Left(number),
            GateReport::Paused { number } => Said::Paused(number),
            GateReport::Failed { what, why } => Said::Unable(format!("{what}: {why}")),
        });
        said.collect()
    }

    /// Tells it something while it serves. One that takes nothing is not waited for: it then knows less and lets out less.
    pub(super) fn tell(&mut self, order: &GateOrder) {
        if let Ok(frame) = wire::encode(order)
            && self.outbox.len() < MOST_UNTOLD
        {
            self.tell_all(&frame);
        }
    }

    /// The same, for what is never left out: who tells it waits for the answer.
    pub(super) fn tell_all(&mut self, frame: &[u8]) {
        self.outbox.extend_from_slice(frame);
        self.flush();
    }

    /// Gives it as much as it takes of what it was told.
    pub(super) fn flush(&mut self) {
        let mut sent = 0;
        while self.serves && sent < self.outbox.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, &self.outbox[sent..], flags) {
                Ok(length) => sent += length,
                Err(Errno::INTR) => {}
                // It is full; or gone, which is heard.
                Err(_) => break,
            }
        }
        self.outbox.copy_within(sent.., 0);
        let left = self.outbox.len() - sent;
        // It may have held a secret.
        self.outbox[left..].zeroize();
        self.outbox.truncate(left);
    }

    /// What the loop is to wait for.
    pub(super) fn wanted(&self) -> PollFd<'_> {
        let out = if self.serves && !self.outbox.is_empty() { PollFlags::OUT } else { PollFlags::empty() };
        PollFd::new(&self.socket, PollFlags::IN | out)
    }

    /// Lets it record what is left, and end.
    pub(super) fn ask_to_finish(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// The same, and waits until it has recorded what is left: it then closes its end, and ends by itself a little later,
    /// which nobody has to wait for. One that hangs is killed: it must not hold the operator.
    pub(super) fn finish(self) -> Option<Gate> {
        self.ask_to_finish();
        let deadline = Instant::now() + PATIENCE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let mut ended = [PollFd::new(&self.socket, PollFlags::IN)];
            let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            if poll(&mut ended, Some(&left)).is_ok_and(|ready| ready == 0) {
                break;
            }
            let (mut bytes, mut none) = (Vec::new(), Vec::new());
            if !matches!(channel::receive(&self.socket, &mut bytes, &mut none), Ok(true)) {
                return Some(self);
            }
        }
        self.kill();
        None
    }

    /// Ends it now, and waits until it is gone: two gates must never hold one door.
    pub(super) fn kill(self) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::KILL);
        }
        self.wait();
    }

    fn wait(&self) {
        let Some(pid) = self.pid else { return };
        while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Makes an empty segment, so that reading it finds it also when no gate wrote.
///
/// # Errors
/// The kernel's error.
pub(super) fn empty_segment(path: &Path) -> io::Result<()> {
    File::options().create_new(true).append(true).mode(0o600).open(path).map(drop)
}
