//! Holds every other process of the cell while it is paused. SIGSTOP reaches all at once, but SIGCONT, which a timer of their
//! own may send, lets them go on. So each thread is traced as well, and interrupted: from that only its tracer lets it go.
//!
//! What a tracer inside holds cannot be traced twice; it stopped for that tracer, which does not go on either. Where the host
//! allows no tracing at all, what is left is SIGSTOP.

use std::collections::BTreeMap;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitStatus, waitid};

/// How often they are looked through for some that were made meanwhile. Whoever makes them is held the first time.
const PASSES: usize = 16;

/// What is held.
#[derive(Default)]
pub(super) struct Still {
    /// Each thread, and the signal that it was about to get.
    threads: BTreeMap<i32, i32>,
}

impl Still {
    /// Stops all; false where that is not to be. Only for a pid 1.
    pub(super) fn hold(&mut self, processes: BorrowedFd<'_>) -> bool {
        for _ in 0..PASSES {
            if !everyone(Signal::STOP) {
                return false;
            }
            if self.trace(processes) == 0 {
                break;
            }
        }
        true
    }

    /// Lets all go on.
    pub(super) fn release(&mut self) {
        everyone(Signal::CONT);
        self.threads.retain(|thread, signal| {
            // What stopped since the last look.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
            if let Some(thread) = Pid::from_raw(*thread)
                && let Ok(Some(status)) = waitid(WaitId::Pid(thread), options)
                && let Some(raw) = status.trapping_signal()
            {
                *signal = given(raw);
            }
            // One that is not stopped yet, since it waits in the kernel, is let go when it is.
            !detach(*thread, *signal)
        });
    }

    /// Whether what was waited for is only that one of these stopped, or ended; `paused`: it is to stay so.
    pub(super) fn took(&mut self, thread: Pid, status: WaitStatus, paused: bool) -> bool {
        let thread = thread.as_raw_nonzero().get();
        let Some(signal) = self.threads.get_mut(&thread) else { return false };
        if !status.stopped() {
            self.threads.remove(&thread);
            return false;
        }
        *signal = given(status.as_raw() >> 8);
        if !paused && detach(thread, *signal) {
            self.threads.remove(&thread);
        }
        true
    }

    /// Traces whoever is not yet; gives how many those were.
    fn trace(&mut self, processes: BorrowedFd<'_>) -> usize {
        let before = self.threads.len();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        for process in numbers(processes, ".").into_iter().filter(|process| *process != own) {
            for thread in numbers(processes, &format!("{process}/task")) {
                if !self.threads.contains_key(&thread) && seize(thread) {
                    self.threads.insert(thread, 0);
                }
            }
        }
        self.threads.len() - before
    }
}

/// Signals every process of our pid namespace but ourselves, at once: none is made meanwhile. Only for a pid 1.
fn everyone(signal: Signal) -> bool {
    // The group of number 1 is the kernel's way to say all: `kill(-1)`. Elsewhere that would be the host's.
    rustix::process::getpid() == Pid::INIT && rustix::process::kill_process_group(Pid::INIT, signal).is_ok()
}

/// The signal that a thread was stopped before: none where it stopped for us, or by our SIGSTOP.
fn given(raw: i32) -> i32 {
    if raw > 0xff || raw == libc::SIGSTOP { 0 } else { raw }
}

/// The entries of a directory that are numbers.
fn numbers(processes: BorrowedFd<'_>, at: &str) -> Vec<i32> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(processes.as_fd(), at, flags, Mode::empty());
    let Ok(entries) = opened.and_then(Dir::new) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()).collect()
}

fn seize(thread: i32) -> bool {
    ask(libc::PTRACE_SEIZE, thread, 0) && ask(libc::PTRACE_INTERRUPT, thread, 0)
}

fn detach(thread: i32, signal: i32) -> bool {
    ask(libc::PTRACE_DETACH, thread, signal)
}

fn ask(request: libc::c_uint, thread: i32, data: i32) -> bool {
    // SAFETY: of these requests none takes an address: numbers go in, and nothing comes back.
    unsafe { libc::ptrace(request, thread, 0_usize, libc::c_long::from(data)) == 0 }
}
