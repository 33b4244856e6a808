//! Puts the records of one event together: a refusal, and the system call that says who was refused. Knows no socket.
//!
//! The system call comes last, after the call returned. Hosts whose rules keep no system calls (`-a task,never`) send
//! none: there a refusal is ours when its domain is known to be, and nobody is named.

use std::collections::VecDeque;

use super::Denial;
use super::line::{Caller, Record, Serial};

/// Most refusals that wait for their system call. The kernel sends it within microseconds.
const MOST_WAITING: usize = 256;
/// Most domains that are known to be ours; nested ones are made without end.
const MOST_DOMAINS: usize = 64;
/// How many rounds a refusal waits for its system call.
const PATIENCE: u8 = 2;

/// Refusals on their way to being whole.
#[derive(Debug, Default)]
pub(super) struct Join {
    waiting: VecDeque<Waiting>,
    /// Domains that one of ours was held by, or made.
    ours: VecDeque<u64>,
}

#[derive(Debug)]
struct Waiting {
    serial: Serial,
    domain: u64,
    access: Vec<String>,
    path: Option<String>,
    rounds: u8,
}

impl Join {
    /// Takes one record; gives the denials that it completes.
    pub(super) fn take(&mut self, serial: Serial, record: Record, ours: &dyn Fn(Caller) -> bool) -> Vec<Denial> {
        match record {
            Record::Access { domain, access, path } => self.wait(Waiting { serial, domain, access, path, rounds: 0 }),
            Record::Domain { domain, maker } => {
                if ours(maker) {
                    self.know(domain);
                }
                Vec::new()
            }
            Record::Syscall { caller, program } => self.complete(serial, caller, program.as_deref(), ours),
        }
    }

    /// One round is over: gives up on system calls that should have come.
    pub(super) fn round(&mut self) -> Vec<Denial> {
        for one in &mut self.waiting {
            one.rounds += 1;
        }
        let mut done = Vec::new();
        // The oldest are in front.
        while self.waiting.front().is_some_and(|one| one.rounds >= PATIENCE) {
            done.extend(self.waiting.pop_front().and_then(|one| self.nameless(one)));
        }
        done
    }

    /// Waits no longer for any system call.
    pub(super) fn give_up(&mut self) -> Vec<Denial> {
        let waiting: Vec<_> = self.waiting.drain(..).collect();
        waiting.into_iter().filter_map(|one| self.nameless(one)).collect()
    }

    fn wait(&mut self, one: Waiting) -> Vec<Denial> {
        self.waiting.push_back(one);
        let excess = self.waiting.len() > MOST_WAITING;
        excess.then(|| self.waiting.pop_front().and_then(|one| self.nameless(one))).flatten().into_iter().collect()
    }

    fn complete(
        &mut self,
        serial: Serial,
        caller: Caller,
        program: Option<&str>,
        ours: &dyn Fn(Caller) -> bool,
    ) -> Vec<Denial> {
        // Most system calls are not about Landlock: nobody is asked about those.
        if !self.waiting.iter().any(|one| one.serial == serial) {
            return Vec::new();
        }
        let is_ours = ours(caller);
        let mut done = Vec::new();
        for one in std::mem::take(&mut self.waiting) {
            if one.serial != serial {
                self.waiting.push_back(one);
            } else if is_ours {
                self.know(one.domain);
                done.extend(one.denial(Some(caller.pid), program.map(str::to_owned)));
            }
        }
        done
    }

    /// A refusal whose system call did not come.
    fn nameless(&self, one: Waiting) -> Option<Denial> {
        self.ours.contains(&one.domain).then(|| one.denial(None, None)).flatten()
    }

    fn know(&mut self, domain: u64) {
        if !self.ours.contains(&domain) {
            self.ours.push_back(domain);
        }
        // The first is the cell's own and stays; nested ones come and go.
        if self.ours.len() > MOST_DOMAINS {
            self.ours.remove(1);
        }
    }
}

impl Waiting {
    /// None when it was about no file.
    fn denial(self, pid: Option<u32>, program: Option<String>) -> Option<Denial> {
        let Self { access, path, .. } = self;
        (!access.is_empty()).then_some(Denial { pid, program, access, path: path? })
    }
}
