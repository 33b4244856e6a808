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

pub(crate) use compile::compile;
pub(crate) use install::{install, install_watcher, wake_up_in_sync};
pub(crate) use table::{AGENT, PID1, WATCHER};
