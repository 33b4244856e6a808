//! The program of a session's gates: opened once, so that each of them is of the build that the session began with,
//! whatever is installed meanwhile; and the user that they run as.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use wire::command::Problem;

use super::{absent, program};

/// Where gates come from.
#[derive(Debug, Clone)]
pub(crate) struct Gates {
    program: Arc<File>,
    name: PathBuf,
    /// Where the plane is root: a gate's own.
    uid: Option<u32>,
}

impl Gates {
    /// Opens the program that lies beside this one.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn open(uid: Option<u32>) -> Result<Gates, Problem> {
        let name = program("bastide-gate")?;
        let opened = File::open(&name).map_err(|_| absent(&name))?;
        Ok(Gates { program: Arc::new(opened), name, uid })
    }

    /// The user that they become.
    pub(super) const fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Starts one on a socket. It changes its user itself, before it reads anything: whom the library is to change it
    /// for, it forks and waits for, which takes a start as long as the program's own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, socket: OwnedFd, word: Option<&str>) -> io::Result<Child> {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
        std::os::unix::process::CommandExt::arg0(&mut command, &self.name);
        if let Some(uid) = self.uid {
            command.args(["--user", &uid.to_string()]);
        }
        command.args(word).stdin(socket).stdout(Stdio::null()).stderr(Stdio::null()).env_clear().spawn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_program_that_is_installed_meanwhile_does_not_take_over() {
        let room = tempfile::tempdir().expect("a directory");
        let name = room.path().join("gate");
        fs::copy("/bin/true", &name).expect("copied");
        let gates = Gates { program: Arc::new(File::open(&name).expect("there")), name: name.clone(), uid: None };
        let ends_well = || {
            let (_ours, theirs) = crate::channel::pair().expect("a pair");
            gates.start(theirs, None).expect("starts").wait().expect("ends").success()
        };
        assert!(ends_well());
        fs::copy("/bin/false", room.path().join("new")).expect("copied");
        fs::rename(room.path().join("new"), &name).expect("replaced");
        assert!(ends_well());
        fs::remove_file(&name).expect("removed");
        assert!(ends_well());
    }
}
