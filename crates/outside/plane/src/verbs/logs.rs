//! `logs`: what a session printed whose own process keeps that.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use wire::command::{Problem, Reply, Select, SessionState};

use crate::channel::Client;
use crate::problem::{NO, problem, shell, state};
use crate::store::{self, Printed, SessionDirectory, Store};

/// How long a follower waits before it looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells all that is kept, and goes on while the session runs if asked.
pub(super) fn logs(store: &Store, client: &mut Client, select: &Select, follow: bool) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let Some(mut printed) = Printed::of(&session.path) else { return Err(elsewhere(&session)) };
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

/// Where it is, of a session whose own process does not keep it. A sub-agent's is kept as files, and has been told to
/// its parent.
fn elsewhere(session: &SessionDirectory) -> Problem {
    let id = &session.record.id;
    let Some(parent) = &session.record.parent else {
        let cause = format!("what session `{id}` printed went to where it was begun, and was not kept");
        return problem("E-PLANE-146", cause, "begin it with `bastide run -d` to read it later", NO);
    };
    let files = ["stdout", "stderr"].map(|name| session.path.join(name));
    let kept: Vec<String> =
        files.iter().filter(|file| file.is_file()).map(|file| shell(&file.to_string_lossy())).collect();
    let cause = format!("session `{id}` is of session `{}`, and `logs` does not print what it printed", parent.session);
    if kept.is_empty() {
        return problem(
            "E-PLANE-146",
            format!("{cause}; nothing of it is kept"),
            "`bastide log` tells what it did",
            NO,
        );
    }
    problem("E-PLANE-146", cause, &format!("what it printed is kept beside its record: `cat {}`", kept.join(" ")), NO)
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
