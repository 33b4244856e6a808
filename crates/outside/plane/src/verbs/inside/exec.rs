//! `exec`: another program in a running cell. Its stdio is made inside, and goes to the client as with `run`.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};
use wire::Decoder;
use wire::command::{Exec, Order, Problem, Reply};
use wire::streams::{Say, Start, Told, Wants};

use super::{Talk, orders, session, silent, wait};
use crate::channel::Client;
use crate::store::Store;

/// Runs it until it ends. With the client it is hung up, and ended a little later.
pub(in crate::verbs) fn exec(store: &Store, client: &mut Client, asked: Exec) -> Result<Reply, Problem> {
    let Exec { select, command, workdir, environment, streams, terminal } = asked;
    let start = Box::new(Start { command, workdir, environment, streams, terminal });
    let mut talk = Talk::begin(&session(store, &select)?, Wants::Execute(start))?;
    let mut said = Decoder::new();
    loop {
        while let Some(told) = talk.next() {
            match told {
                Told::Refused(problem) => return Err(*problem),
                Told::Stdio { streams } => {
                    let ends = talk.take(usize::MAX);
                    let ends: Vec<_> = ends.iter().map(AsFd::as_fd).collect();
                    client.reply_with(&Reply::Stdio { streams }, &ends);
                }
                Told::Started => client.reply(&Reply::Started { session: talk.session.clone() }),
                Told::Stopped { signal } => client.reply(&Reply::Stopped { signal }),
                Told::Ended { exit, reason } => return Ok(Reply::Finished { exit, reason }),
                _ => return Err(talk.lost()),
            }
        }
        if talk.over {
            return Err(talk.lost());
        }
        let mut wanted = [PollFd::new(&*client, PollFlags::IN), PollFd::new(&talk, PollFlags::IN)];
        wait(&mut wanted, None).map_err(|error| silent(&talk.session, &error))?;
        let ready = wanted.map(|one| !one.revents().is_empty());
        if ready[1] {
            talk.receive();
        }
        if ready[0] {
            match orders(client, &mut said) {
                None => return Ok(Reply::LogEnd),
                Some(orders) => orders.into_iter().for_each(|order| {
                    if let Order::Signal { number } = order {
                        talk.say(&Say::Signal { number });
                    }
                }),
            }
        }
    }
}
