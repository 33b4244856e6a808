//! A gate as the plane sees it: a process on one socket, with a lease. The plane keeps the door's descriptors, so
//! that another gate can take over.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use policy::Conjunction;
use record::{Kind, Origin, Segment, Verdict};
use wire::{Bounds, GateReport, Lease, Proxy};

use super::host;
use crate::channel;

/// Descriptors of the door, as the cell reports them.
const DOOR: usize = wire::DESCRIPTORS - 1;
/// More gates than this do not stay alive: then the cell has no network.
const MOST: u32 = 16;

/// What every gate of a session is told.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) program: PathBuf,
    pub(super) origin: Origin,
    pub(super) policy: Conjunction,
    pub(super) segment: PathBuf,
    pub(super) proxy: Option<Proxy>,
    /// The uid of gates, where the plane is root.
    pub(super) uid: Option<u32>,
}

/// A gate that was started and has no lease yet, or serves.
#[derive(Debug)]
pub(super) struct Gate {
    socket: OwnedFd,
    answer: wire::Decoder<GateReport>,
    /// From 1.
    incarnation: u32,
}

/// What a gate's socket told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Ready,
    /// It ended, or cannot serve.
    Lost,
}

/// Starts the program; it waits for its lease.
///
/// # Errors
/// When it cannot be started.
pub(super) fn start(program: &Path, uid: Option<u32>, incarnation: u32) -> io::Result<Gate> {
    let (ours, theirs) = channel::pair()?;
    let mut command = Command::new(program);
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    command.spawn()?;
    Ok(Gate { socket: ours, answer: wire::Decoder::new(), incarnation })
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
        start(&self.program, self.uid, incarnation)
    }

    /// Gives a started gate the cell's door.
    ///
    /// # Errors
    /// When the segment cannot be read or opened, or the gate is gone.
    pub(super) fn lease(&self, gate: &Gate, door: &[OwnedFd]) -> io::Result<()> {
        if door.len() != DOOR {
            return Err(io::Error::other(format!("the cell gave {} descriptors of the door, not {DOOR}", door.len())));
        }
        let (segment, names) = if gate.incarnation > 1 { self.before()? } else { (None, Vec::new()) };
        let file = File::options().append(true).create(true).mode(0o600).open(&self.segment)?;
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
            bounds: Bounds::default(),
        };
        let frame = wire::encode(&lease).map_err(io::Error::other)?;
        let descriptors: Vec<BorrowedFd<'_>> =
            std::iter::once(file.as_fd()).chain(door.iter().map(AsFd::as_fd)).collect();
        channel::send(&gate.socket, &frame, &descriptors)
    }

    /// Where the segment ends, cut where it was torn, and which names have synthetic addresses.
    fn before(&self) -> io::Result<(Option<(u64, String)>, Vec<String>)> {
        let text = std::fs::read(&self.segment)?;
        let (writer, kept) = record::resume(&self.origin, &text).map_err(io::Error::other)?;
        if kept < text.len() {
            File::options().write(true).open(&self.segment)?.set_len(kept as u64)?;
        }
        let head = writer.head();
        let mut names = Vec::new();
        for entry in record::Reader::new(Segment::Gate, &text[..kept]).flatten() {
            if let Kind::Resolve { name, verdict: Verdict::Allowed | Verdict::Asked, .. } = entry.event.kind
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        Ok(((head.events > 0).then(|| (head.events, head.hex())), names))
    }
}

impl Gate {
    /// Which gate of the session this is.
    pub(super) const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Reads what it says.
    pub(super) fn said(&mut self) -> Said {
        let (mut bytes, mut none) = (Vec::new(), Vec::new());
        match channel::receive(&self.socket, &mut bytes, &mut none) {
            Ok(true) => {}
            _ => return Said::Lost,
        }
        match self.answer.push(&bytes).as_deref() {
            Ok([]) => Said::Nothing,
            Ok([GateReport::Ready]) => Said::Ready,
            _ => Said::Lost,
        }
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
