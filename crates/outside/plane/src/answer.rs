//! From a request to its last reply.

use wire::command::{Reply, Request};

use crate::channel::Client;
use crate::problem::NOT_RUN;
use crate::{session, verbs};

/// Answers one client, and says how `bastided` exits.
pub fn answer(client: &mut Client) -> u8 {
    let Ok((request, descriptors)) = client.request() else { return NOT_RUN };
    let answered = match request {
        Request::Run(run) => session::run(client, *run, descriptors).map(|outcome| Reply::Ended(Box::new(outcome))),
        Request::Doctor(run) => session::doctor(*run).map(|answer| Reply::Doctor(Box::new(answer))),
        other => verbs::answer(client, other),
    };
    match answered {
        Ok(reply) => {
            client.reply(&reply);
            0
        }
        Err(problem) => {
            let exit = problem.exit;
            client.reply(&Reply::Refused(Box::new(problem)));
            exit
        }
    }
}
