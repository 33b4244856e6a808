//! What a gate asks of the workspace as it stood before the session: looked for beside the loop, one question at a time.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use wire::{GateOrder, Stood, Whole};

use super::Session;
use crate::labels::Before;

/// The look that is under way.
#[derive(Debug, Default)]
pub(in crate::session) struct Standing(Option<Look>);

#[derive(Debug)]
struct Look {
    /// Which gate asked, and by which number.
    asked: (u32, u64),
    found: Receiver<Vec<Stood>>,
    /// Readable when that is there.
    bell: OwnedFd,
}

impl Standing {
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        self.0.as_ref().map(|look| PollFd::new(&look.bell, PollFlags::IN))
    }

    /// Begins to look, unless that is under way for a gate that is gone; then nothing is known.
    fn begin(&mut self, asked: (u32, u64), before: Before, wholes: Vec<Whole>) -> Option<()> {
        if self.0.is_some() {
            return None;
        }
        let bell = eventfd(0, EventfdFlags::CLOEXEC).ok()?;
        let rings = bell.try_clone().ok()?;
        let (tells, found) = channel();
        let look = move || {
            let _ = tells.send(before.look(&wholes));
            let _ = rustix::io::write(rings.as_fd(), &1_u64.to_ne_bytes());
        };
        std::thread::Builder::new().spawn(look).ok()?;
        self.0 = Some(Look { asked, found, bell });
        Some(())
    }
}

impl Session<'_> {
    /// A gate asks which of these stood there.
    pub(super) fn look_for_what_stood(&mut self, number: u64, wholes: Vec<Whole>) {
        let Some(incarnation) = self.gate.as_ref().map(crate::session::gate::Gate::incarnation) else { return };
        let before = Before::of(self.store, self.generations.directory(), &self.door.policy);
        let begun = before.ok().flatten().filter(|_| wholes.len() <= wire::MAX_WHOLES);
        let begun = begun.and_then(|before| self.standing.begin((incarnation, number), before, wholes));
        if begun.is_none() {
            self.tell_what_stood(number, Vec::new());
        }
    }

    /// Tells the gate what was found.
    pub(super) fn hear_what_stood(&mut self) {
        let Some(look) = &self.standing.0 else { return };
        let stood = match look.found.try_recv() {
            Ok(stood) => stood,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Vec::new(),
        };
        let (incarnation, number) = look.asked;
        self.standing.0 = None;
        if self.gate.as_ref().is_some_and(|gate| gate.incarnation() == incarnation) {
            self.tell_what_stood(number, stood);
        }
    }

    fn tell_what_stood(&mut self, number: u64, stood: Vec<Stood>) {
        // It may be longer than what is left out where a gate takes nothing.
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Stood { number, stood })) {
            gate.tell_all(&frame);
        }
    }
}
