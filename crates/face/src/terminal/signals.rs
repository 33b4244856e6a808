//! Signals as bytes on a socket, so that one poll loop sees them with everything else.

use signal_hook::{SigId, consts, flag, low_level};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signals that are forwarded to the program, the one that stops us too, and the one that tells of a new size.
const WATCHED: [i32; 9] = [
    consts::SIGHUP,
    consts::SIGINT,
    consts::SIGQUIT,
    consts::SIGTERM,
    consts::SIGUSR1,
    consts::SIGUSR2,
    consts::SIGTSTP,
    consts::SIGCONT,
    consts::SIGWINCH,
];

/// Whether a signal asks for the end.
#[must_use]
pub fn ends(signal: i32) -> bool {
    matches!(signal, consts::SIGHUP | consts::SIGINT | consts::SIGQUIT | consts::SIGTERM)
}

/// The signals that are forwarded or heard otherwise, and ask for no end: who forwards none leaves them as they are.
pub fn beside_the_end() -> impl Iterator<Item = i32> {
    WATCHED.into_iter().filter(|signal| !ends(*signal))
}

/// The signals that whoever started us wants ignored: `nohup`, or a script's `&`.
#[must_use]
pub fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    WATCHED.into_iter().filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
}

/// Catches signals for as long as it lives.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    write: UnixStream,
    flags: Vec<(i32, Arc<AtomicBool>)>,
    registered: Vec<SigId>,
}

impl Signals {
    /// Starts to catch what is forwarded, but not `ignored`.
    pub fn watch(ignored: &[i32]) -> std::io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut signals = Self { wake, write, flags: Vec::new(), registered: Vec::new() };
        for signal in WATCHED.into_iter().filter(|signal| !ignored.contains(signal)) {
            signals.add(signal)?;
        }
        // One that came between its two registrations set its flag, and woke nobody.
        signals.write.write_all(&[0])?;
        Ok(signals)
    }

    fn add(&mut self, signal: i32) -> std::io::Result<()> {
        let raised = Arc::new(AtomicBool::new(false));
        // The flag first: handlers run in order, and a wake-up must find it set.
        self.registered.push(flag::register(signal, Arc::clone(&raised))?);
        self.registered.push(low_level::pipe::register(signal, self.write.try_clone()?)?);
        self.flags.push((signal, raised));
        Ok(())
    }

    /// Takes back that one signal was raised, where it was seen to in another way.
    pub fn forget(&mut self, signal: i32) {
        self.flags
            .iter()
            .filter(|(known, _)| *known == signal)
            .for_each(|(_, flag)| flag.store(false, Ordering::SeqCst));
    }

    /// What was raised since the last call, each once.
    pub fn take(&mut self) -> Vec<i32> {
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(read) if read > 0) {}
        let raised = |(signal, flag): &(i32, Arc<AtomicBool>)| flag.swap(false, Ordering::SeqCst).then_some(*signal);
        self.flags.iter().filter_map(raised).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    #[test]
    fn what_came_while_it_was_registered_is_looked_for() {
        // Every signal but one is left to the tests beside this one.
        let others: Vec<i32> = WATCHED.into_iter().filter(|signal| *signal != consts::SIGUSR2).collect();
        let mut signals = Signals::watch(&others).expect("watched");
        let awake = |signals: &Signals| {
            let mut wanted = [PollFd::new(signals, PollFlags::IN)];
            poll(&mut wanted, Some(&Timespec::default())).expect("polled") == 1
        };
        // As one does that comes between its two registrations.
        signals.flags[0].1.store(true, Ordering::SeqCst);
        assert!(awake(&signals));
        assert_eq!(signals.take(), [consts::SIGUSR2]);
        assert!(!awake(&signals) && signals.take().is_empty());
    }
}
