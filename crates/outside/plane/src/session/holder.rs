//! The plane that holds a sub-agent or a server, as a process: one that was started for it, or one that waited and took it.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, pidfd_send_signal, waitpid};

/// Such a process.
#[derive(Debug)]
pub(super) enum Holder {
    /// A child process of ours, waited for only here.
    Ours(Pid),
    /// Its keeper's.
    Taken(OwnedFd),
}

impl Holder {
    /// Whether it did not end yet.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Holder::Ours(pid) => matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)),
            Holder::Taken(process) => {
                let mut ended = [PollFd::new(process, PollFlags::IN)];
                matches!(poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
            }
        }
    }

    /// Waits until it ended.
    pub(super) fn wait(&self) {
        match self {
            Holder::Ours(pid) => {
                while matches!(waitpid(Some(*pid), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
            }
            Holder::Taken(process) => {
                while poll(&mut [PollFd::new(process, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
            }
        }
    }

    /// Ends it, and with it all that it holds.
    pub(super) fn kill(&self) {
        let _ = match self {
            Holder::Ours(pid) => kill_process(*pid, Signal::KILL),
            Holder::Taken(process) => pidfd_send_signal(process, Signal::KILL),
        };
        self.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{PidfdFlags, pidfd_open};

    #[test]
    fn either_is_there_until_it_is_killed_and_then_is_not() {
        for taken in [false, true] {
            let mut sleeps = std::process::Command::new("sleep").arg("60").spawn().expect("started");
            let pid = i32::try_from(sleeps.id()).ok().and_then(Pid::from_raw).expect("a number");
            let holder = match taken {
                true => Holder::Taken(pidfd_open(pid, PidfdFlags::empty()).expect("open")),
                false => Holder::Ours(pid),
            };
            assert!(holder.is_there());
            holder.kill();
            assert!(!holder.is_there());
            // One of ours was waited for already.
            assert_eq!(sleeps.wait().is_ok(), taken);
        }
    }
}
