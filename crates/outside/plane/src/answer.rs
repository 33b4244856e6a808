//! From a request to its last reply, and to what remains to be done after it.

use std::os::fd::OwnedFd;

use wire::command::{Outcome, Problem, Reply, Request, Run, SURROUNDINGS};

use crate::channel::Client;
use crate::problem::NOT_RUN;
use crate::session::{self, Afterwards, Ahead, Up};
use crate::{daemon, verbs, waiting};

/// What is answered, and what remains to be done after it.
type Answered = (Result<Reply, Problem>, Option<Box<Afterwards>>);

/// The verb of a plane that another one starts to hold a sub-agent or a server.
pub const BENEATH: &str = "beneath";

/// Answers one who asks for a session: what that begins with is started before he has asked.
pub fn answer_for_a_session(client: &mut Client) -> u8 {
    // What goes wrong now is told when it is asked for.
    answer_with(client, Ahead::start().ok())
}

/// Answers one client, and says how `bastided` exits.
pub fn answer(client: &mut Client) -> u8 {
    answer_with(client, None)
}

/// The same; a run begins with what was made ahead, where there is such.
pub fn answer_with(client: &mut Client, ahead: Option<Box<Ahead>>) -> u8 {
    let Some((request, descriptors)) = client.request() else { return NOT_RUN };
    if client.is_of_the_daemon() && !matches!(&*request, Request::Run(run) if run.detached) {
        // What becomes of the daemon's group is none of its business. A session that goes on by itself leads one of its own,
        // which one that leads a group could not.
        let _ = rustix::process::setpgid(None, None);
    }
    let (answered, afterwards) = match *request {
        Request::Run(run) => begin(client, run, descriptors, ahead),
        Request::Child(child) => ended(session::run_child(client, *child, ahead)),
        Request::Server(server) => ended(session::run_server(client, *server, descriptors, ahead)),
        other => (answer_at_once(client, other), None),
    };
    let exit = answered.as_ref().map_or_else(|problem| problem.exit, |_| 0);
    client.reply(&answered.unwrap_or_else(|problem| Reply::Refused(Box::new(problem))));
    if let Some(afterwards) = afterwards {
        afterwards.settle();
    }
    exit
}

// Each apart: a session stays in what called it for as long as it runs, and the room of what it does not do would stay, too.
#[inline(never)]
fn begin(client: &mut Client, mut run: Box<Run>, descriptors: Vec<OwnedFd>, ahead: Option<Box<Ahead>>) -> Answered {
    surround(&mut run);
    if let Some(file) = &run.policy {
        verbs::import::tell(client, file);
    }
    match Up::of(&run) {
        Ok(Err(already)) => (Ok(already), None),
        Ok(Ok(up)) => ended(session::run(client, run, descriptors, (ahead, up))),
        Err(problem) => (Err(problem), None),
    }
}

fn ended((outcome, afterwards): (Result<Box<Outcome>, Problem>, Option<Box<Afterwards>>)) -> Answered {
    (outcome.map(Reply::Ended), afterwards)
}

#[inline(never)]
fn answer_at_once(client: &mut Client, request: Request) -> Result<Reply, Problem> {
    match request {
        Request::Doctor(mut run) => {
            surround(&mut run);
            session::doctor(*run).map(|answer| Reply::Doctor(Box::new(answer)))
        }
        Request::Standby => waiting::keep(client),
        Request::Daemon => daemon::keep(client),
        other => verbs::answer(client, other),
    }
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
