//! From a request to its last reply, and to what remains to be done after it.

use wire::command::{Reply, Request, Run, SURROUNDINGS};

use crate::channel::Client;
use crate::problem::NOT_RUN;
use crate::session::{self, Ahead, Up};
use crate::{daemon, verbs, waiting};

/// Answers one client, and says how `bastided` exits. A run begins with what was made ahead, where there is such.
pub fn answer(client: &mut Client, ahead: Option<Ahead>) -> u8 {
    let Some((request, descriptors)) = client.request() else { return NOT_RUN };
    if client.is_of_the_daemon() && !matches!(&request, Request::Run(run) if run.detached) {
        // What becomes of the daemon's group is none of its business. A session that goes on by itself leads one of its own,
        // which one that leads a group could not.
        let _ = rustix::process::setpgid(None, None);
    }
    let mut afterwards = None;
    let answered = match request {
        Request::Run(mut run) => {
            surround(&mut run);
            if let Some(file) = &run.policy {
                verbs::import::tell(client, file);
            }
            match Up::of(&run) {
                Ok(Err(already)) => Ok(already),
                Ok(Ok(up)) => {
                    let (outcome, remains) = session::run(client, *run, descriptors, (ahead, up));
                    afterwards = remains;
                    outcome.map(|outcome| Reply::Ended(Box::new(outcome)))
                }
                Err(problem) => Err(problem),
            }
        }
        Request::Doctor(mut run) => {
            surround(&mut run);
            session::doctor(*run).map(|answer| Reply::Doctor(Box::new(answer)))
        }
        Request::Child(child) => {
            let (outcome, remains) = session::run_child(client, *child, ahead);
            afterwards = remains;
            outcome.map(|outcome| Reply::Ended(Box::new(outcome)))
        }
        Request::Server(server) => {
            let (outcome, remains) = session::run_server(client, *server, descriptors, ahead);
            afterwards = remains;
            outcome.map(|outcome| Reply::Ended(Box::new(outcome)))
        }
        Request::Standby => waiting::keep(client),
        Request::Daemon => daemon::keep(client),
        other => verbs::answer(client, other),
    };
    let exit = answered.as_ref().map_or_else(|problem| problem.exit, |_| 0);
    client.reply(&answered.unwrap_or_else(|problem| Reply::Refused(Box::new(problem))));
    if let Some(afterwards) = afterwards {
        afterwards.settle();
    }
    exit
}

/// What was asked by the API comes without an operator's variables: those of this process are his too.
fn surround(run: &mut Run) {
    if !run.surroundings.is_empty() {
        return;
    }
    let chosen = |name: &str| SURROUNDINGS.contains(&name) || name.starts_with("LC_");
    let told =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    run.surroundings = told.filter(|(name, _)| chosen(name)).collect();
}
