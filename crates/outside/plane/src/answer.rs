//! From a request to its last reply.

use wire::command::{Reply, Request};

use crate::channel::Client;
use crate::problem::NOT_RUN;
use crate::session::{self, Ahead};
use crate::{verbs, waiting};

/// Answers one client, and says how `bastided` exits. After a run that began with nothing made ahead, this process
/// stays as the keeper of planes that have something.
pub fn answer(client: &mut Client, ahead: Option<Ahead>) -> u8 {
    let Ok((request, descriptors)) = client.request() else { return NOT_RUN };
    let (mut stays, mut afterwards) = (None, None);
    let answered = match request {
        Request::Run(run) => {
            stays = if ahead.is_none() { waiting::place(&run) } else { None };
            let (outcome, remains) = session::run(client, *run, descriptors, ahead);
            afterwards = remains;
            outcome.map(|outcome| Reply::Ended(Box::new(outcome)))
        }
        Request::Doctor(run) => session::doctor(*run).map(|answer| Reply::Doctor(Box::new(answer))),
        other => verbs::answer(client, other),
    };
    let exit = answered.as_ref().map_or_else(|problem| problem.exit, |_| 0);
    client.reply(&answered.unwrap_or_else(|problem| Reply::Refused(Box::new(problem))));
    if let Some(afterwards) = afterwards {
        afterwards.settle();
        if let Some(socket) = stays {
            waiting::stay(&socket);
        }
    }
    exit
}
