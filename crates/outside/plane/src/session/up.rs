//! A session of a name that is begun only where none of it runs: whoever asks twice gets the same.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;
use wire::command::{Problem, Reply, Run, SessionState};

use super::asked;
use crate::problem::{NOT_RUN, problem, state};
use crate::store;

/// The file whose lock is held from the look until the session is there.
const LOCK: &str = "up.lock";

/// The right to begin one. Dropped, the next looks.
#[derive(Debug)]
pub struct Up(#[allow(dead_code, reason = "its lock is let go of with it")] File);

impl Up {
    /// The right to begin what is asked, where it asks for such; or the one that runs.
    ///
    /// # Errors
    /// When nobody can look.
    pub fn of(run: &Run) -> Result<Result<Option<Up>, Reply>, Problem> {
        if !run.unless_up {
            return Ok(Ok(None));
        }
        let Some(name) = &run.name else {
            let cause = "a session that is begun once needs a name";
            return Err(problem("E-PLANE-151", cause, "`bastide up --name NAME`", NOT_RUN));
        };
        let store = asked::store(run)?;
        let path = store.root().join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| state("open", &path, &error))?;
        while let Err(error) = rustix::fs::flock(&file, FlockOperation::LockExclusive) {
            if error != rustix::io::Errno::INTR {
                return Err(state("lock", &path, &error.into()));
            }
        }
        let named = |session: &&store::SessionDirectory| session.record.name.as_ref() == Some(name);
        let found = store::sessions(&store)?.sessions;
        let running = found.iter().filter(named).find(|session| session.state() == SessionState::Running);
        Ok(match running {
            None => Ok(Some(Up(file))),
            Some(session) => {
                Err(Reply::Detached { session: session.record.id.clone(), name: Some(name.clone()), already: true })
            }
        })
    }
}
