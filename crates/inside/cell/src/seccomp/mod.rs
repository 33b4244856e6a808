//! The system calls that may reach the kernel: reviewed rule files, compiled to classic BPF, installed by seccomp(2).
//!
//! The rules are data (`blueprints/seccomp`). Nothing here decides what is allowed, and nothing here runs after
//! `install`: from then on the kernel judges alone.

mod compile;
mod install;
#[cfg(test)]
mod interpret;
#[cfg(test)]
mod live;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use compile::{CompileError, compile};
pub(crate) use install::{install, install_watcher, wake_up_in_sync};
pub(crate) use table::{AGENT, PID1, WATCHER};

use libc::sock_filter;

/// Every profile, compiled: the same for all cells, so that it can be done before there is a plan.
pub(crate) struct Filters {
    /// The agent's.
    pub(crate) agent: Vec<sock_filter>,
    /// What the watcher is told of, beside it.
    pub(crate) watcher: Vec<sock_filter>,
    /// Pid 1's own.
    pub(crate) pid_1: Vec<sock_filter>,
}

impl Filters {
    /// Compiles them.
    pub(crate) fn compile() -> Result<Filters, CompileError> {
        Ok(Filters { agent: compile(&AGENT)?, watcher: compile(&WATCHER)?, pid_1: compile(&PID1)? })
    }
}
