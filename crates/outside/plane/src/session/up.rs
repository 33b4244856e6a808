//! A session of a name is begun only where none of it runs, so that a name means one: who asks twice by `up` gets the same, who
//! asks otherwise is refused.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;
use wire::command::{Problem, Reply, Run};

use super::asked;
use crate::problem::{NOT_RUN, problem, quoted, state};
use crate::store;

/// The file whose lock is held from the look until the session is there.
const LOCK: &str = "up.lock";

/// The right to begin one. Dropped, the next looks.
#[derive(Debug)]
pub struct Up(#[allow(dead_code, reason = "its lock is let go of with it")] File);

impl Up {
    /// The right to begin what is asked, where it has a name; or the one that runs, where that will do.
    ///
    /// # Errors
    /// When one of that name runs that will not do, or nobody can look.
    pub fn of(run: &Run) -> Result<Result<Option<Up>, Reply>, Problem> {
        let Some(name) = &run.name else {
            if !run.unless_up {
                return Ok(Ok(None));
            }
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
        match store::running_named(&store, name) {
            None => Ok(Ok(Some(Up(file)))),
            Some(session) if run.unless_up => {
                Ok(Err(Reply::Detached { session: session.record.id.clone(), name: Some(name.clone()), already: true }))
            }
            Some(session) => Err(taken(name, &session.record.id)),
        }
    }
}

fn taken(name: &str, id: &str) -> Problem {
    let name = quoted(name);
    let hint = format!(
        "`bastide up --name {name}` takes the one that runs, `bastide stop {id}` ends it; or give another name"
    );
    problem("E-PLANE-152", format!("session `{id}` runs under the name `{name}`"), &hint, NOT_RUN)
}
