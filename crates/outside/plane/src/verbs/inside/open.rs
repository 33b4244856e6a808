//! `open`: a port of a running cell, shown on the host's loopback. Each connection there is one inside, made by a process
//! that entered the cell; what is carried between them is bytes and nothing else.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags};
use wire::Decoder;
use wire::command::{Problem, Reply, Select};
use wire::streams::{Say, Told, Wants};

use super::{Talk, orders, session, silent, wait};
use crate::channel::Client;
use crate::problem::{NO, problem};
use crate::store::Store;

/// Connections at once; others are closed.
const MOST: usize = 64;

/// Shows it until the client leaves or the session ends.
pub(in crate::verbs) fn open(
    store: &Store,
    client: &mut Client,
    select: &Select,
    (port, at): (u16, Option<u16>),
) -> Result<Reply, Problem> {
    let mut talk = Talk::begin(&session(store, select)?, Wants::Reach { port })?;
    let Told::Reachable = talk.first()? else { return Err(talk.lost()) };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, at.unwrap_or(0)));
    let taken = |error: io::Error| {
        let cause = format!("`{address}` cannot be listened at: {error}");
        problem("E-PLANE-150", cause, "name another port: `bastide open SESSION PORT --at PORT`", NO)
    };
    let listener = TcpListener::bind(address).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    client.reply(&Reply::Opened { address: listener.local_addr().map_err(taken)? });
    let (mut said, carried) = (Decoder::new(), Arc::new(AtomicUsize::new(0)));
    let mut wanting = None;
    loop {
        let listens = if wanting.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut wanted =
            [PollFd::new(&*client, PollFlags::IN), PollFd::new(&talk, PollFlags::IN), PollFd::new(&listener, listens)];
        wait(&mut wanted, None).map_err(|error| silent(&talk.session, &error))?;
        let ready = wanted.map(|one| !one.revents().is_empty());
        if ready[0] && orders(client, &mut said).is_none() {
            return Ok(Reply::LogEnd);
        }
        if ready[1] {
            talk.receive();
        }
        while let Some(told) = talk.next() {
            match told {
                Told::Connected { errno: 0 } => {
                    if let (Some(outside), Some(inside)) = (wanting.take(), talk.take(1).pop()) {
                        carry(outside, TcpStream::from(inside), &carried);
                    }
                }
                // Nothing listens there: so the connection is closed.
                Told::Connected { .. } => drop(wanting.take()),
                Told::Ended { exit, reason } => return Ok(Reply::Finished { exit, reason }),
                Told::Refused(problem) => return Err(*problem),
                _ => return Err(talk.lost()),
            }
        }
        if talk.over {
            return Ok(Reply::Finished { exit: NO, reason: "the session's plane is gone".into() });
        }
        if ready[2]
            && let Ok((outside, _)) = listener.accept()
            && carried.load(Ordering::Relaxed) < MOST
        {
            wanting = Some(outside);
            talk.say(&Say::Connect);
        }
    }
}

/// Carries bytes both ways until both have ended.
fn carry(outside: TcpStream, inside: TcpStream, carried: &Arc<AtomicUsize>) {
    carried.fetch_add(1, Ordering::Relaxed);
    let place = Arc::new(Place(Arc::clone(carried)));
    let both = || -> io::Result<()> {
        inside.set_nonblocking(false)?;
        outside.set_nonblocking(false)?;
        for (from, to) in [(outside.try_clone()?, inside.try_clone()?), (inside, outside)] {
            let place = Arc::clone(&place);
            std::thread::Builder::new().spawn(move || {
                let (mut reads, mut writes) = (&from, &to);
                let ended = io::copy(&mut reads, &mut writes);
                // One side that said its last may still listen; one that broke does not.
                let _ = to.shutdown(if ended.is_ok() { Shutdown::Write } else { Shutdown::Both });
                drop(place);
            })?;
        }
        Ok(())
    };
    // What has no thread or descriptor is closed.
    let _ = both();
}

/// One of the places, free again when both ways have ended.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
