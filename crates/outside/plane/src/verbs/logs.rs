//! `logs`: what a session printed whose own process keeps that.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use wire::command::{Problem, Reply, Select, SessionState};

use crate::channel::Client;
use crate::problem::{NO, problem, state};
use crate::store::{self, Printed, SessionDirectory, Store};

/// How long a follower waits before it looks again.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are told at once.
const PIECE: usize = 64 * 1024;

/// Tells all that is kept, and goes on while the session runs if asked.
pub(super) fn logs(store: &Store, client: &mut Client, select: &Select, follow: bool) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let Some(mut printed) = Printed::of(&session.path) else { return beside(&session, client, follow) };
    loop {
        // Asked before reading: what was printed until the end is then read before this ends.
        let over = !follow || !runs(&session);
        while let Some((missing, bytes)) = printed.next_bytes().map_err(|error| state("read", &session.path, &error))? {
            if missing > 0 {
                client.reply(&Reply::Notice { text: format!("{missing} bytes before this are no longer kept") });
            }
            client.reply(&Reply::Output { bytes });
            if client.is_gone() {
                return Ok(Reply::LogEnd);
            }
        }
        if over || left(client) {
            return Ok(Reply::LogEnd);
        }
    }
}

/// The same of a sub-agent or a server, whose streams are kept as files beside its record. Told here, so that a terminal gets it as
/// it gets all that agents print, and nobody has to print the files himself.
fn beside(session: &SessionDirectory, client: &mut Client, follow: bool) -> Result<Reply, Problem> {
    let open = |name| File::open(session.path.join(name)).ok().map(|file| (name, file));
    let mut kept: Vec<(&str, File)> = ["stdout", "stderr"].into_iter().filter_map(open).collect();
    if kept.is_empty() {
        return Err(nowhere(session));
    }
    let mut last = "stdout";
    loop {
        let over = !follow || !runs(session);
        for (name, file) in &mut kept {
            let mut bytes = vec![0; PIECE];
            loop {
                let read = file.read(&mut bytes).map_err(|error| state("read", &session.path.join(*name), &error))?;
                if read == 0 {
                    break;
                }
                if std::mem::replace(&mut last, *name) != *name {
                    client.reply(&Reply::Notice { text: format!("what follows is its {name}") });
                }
                client.reply(&Reply::Output { bytes: bytes[..read].to_vec() });
                if client.is_gone() {
                    return Ok(Reply::LogEnd);
                }
            }
        }
        if over || left(client) {
            return Ok(Reply::LogEnd);
        }
    }
}

/// Where it is, of a session of which nothing is kept.
fn nowhere(session: &SessionDirectory) -> Problem {
    let id = &session.record.id;
    let (cause, hint) = match &session.record.parent {
        None => (
            format!("what session `{id}` printed went to where it was begun, and was not kept"),
            "begin it with `bastide run -d` to read it later",
        ),
        Some(parent) => (
            format!("of what session `{id}`, which is of session `{}`, printed nothing is kept", parent.session),
            "`bastide log` tells what it did",
        ),
    };
    problem("E-PLANE-146", cause, hint, NO)
}

fn runs(session: &SessionDirectory) -> bool {
    SessionDirectory::open(&session.path).is_ok_and(|session| session.state() == SessionState::Running)
}

/// Waits a little, and says whether the client hung up meanwhile.
fn left(client: &Client) -> bool {
    let mut polled = [PollFd::new(client, PollFlags::empty())];
    let pause = Timespec::try_from(PAUSE).ok();
    let _ = rustix::event::poll(&mut polled, pause.as_ref());
    polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}
