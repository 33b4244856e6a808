//! Who keeps a cell ready for the next run: a plane that was asked to stand by, as long as this is held.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::process::{Child, Command};
use wire::command::Request;

use crate::channel;

/// Dropped, it ends.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its end is the other's.
    _socket: OwnedFd,
    /// Reaped by the runtime, whenever it ends.
    _plane: Child,
}

impl Ready {
    /// Starts a plane and asks it. Needs a runtime around it.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub(super) fn ask() -> io::Result<Ready> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .envs([wire::ALLOCATOR])
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let plane = command.spawn()?;
        channel::send(&ours, &wire::api::say(&Request::Standby).map_err(io::Error::other)?.bytes(), &[])?;
        Ok(Ready { _socket: ours, _plane: plane })
    }
}
