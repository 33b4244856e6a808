//! Keeps one plane waiting for the next client, as long as the one who asked for that stays.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::process::{WaitOptions, wait};
use wire::command::{Problem, Reply};

use super::likeness::is_confined;
use super::{STALE, TAKEN, stamps};
use crate::channel::Client;
use crate::daemon::Post;
use crate::problem::{NO, NOT_RUN, problem, quoted, state};
use crate::verbs::Place;

/// How long a session that was just taken has the machine for itself, before the next plane is started.
const MOMENT: Duration = Duration::from_millis(20);
/// How long the host is left alone whose mounts just changed: more changes often follow.
const QUIET: Duration = Duration::from_millis(500);
/// A plane that waited for less than this before it ended would be started again without end.
const SHORTEST: Duration = Duration::from_millis(200);

/// Keeps a plane waiting until this client leaves.
///
/// # Errors
/// When one waits already, or none can.
pub fn keep(client: &mut Client) -> Result<Reply, Problem> {
    let place = Place::of_environment()?;
    let stamps = stamps().map_err(|error| state("look beside", Path::new("bastided"), &error))?;
    if is_confined() {
        let cause = "this process is confined, by what nobody else's can be compared with: no cell is kept ready";
        let hint = "start it outside of what sets `no new privileges` or a filter of system calls";
        return Err(problem("E-PLANE-160", cause, hint, NO));
    }
    let path = wire::waiting::socket(place.store.root(), &stamps);
    if Post::is_taken(&path) {
        let cause = "a cell is kept ready already for runs with this state";
        return Err(problem("E-PLANE-056", cause, "one is enough: it is made anew for each run", NO));
    }
    let post = Post::take(path.clone()).map_err(|error| state("listen at", &path, &error))?;
    let root = quoted(&place.store.root().to_string_lossy());
    client.reply(&Reply::Notice { text: format!("a cell is ready for the next run with its state in `{root}`") });
    let kept = keep_on(&post, &place, client);
    kept.map(|()| Reply::Text { text: String::new() }).map_err(|error| {
        let cause = format!("no plane stays ready: {error}");
        problem("E-PLANE-055", cause, "`bastide doctor` says what is missing", NOT_RUN)
    })
}

/// Returns when the client is gone.
fn keep_on(post: &Post, place: &Place, client: &Client) -> io::Result<()> {
    loop {
        let started = Instant::now();
        let (_waiting, told) = start(post, place)?;
        let mut ready = [PollFd::new(&told, PollFlags::IN), PollFd::new(client, PollFlags::IN)];
        while let Err(error) = poll(&mut ready, None) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        // It says nothing more: what comes is its end.
        if !ready[1].revents().is_empty() {
            return Ok(());
        }
        let mut word = [0];
        let said = rustix::io::read(&told, &mut word) == Ok(1);
        if said && word == [TAKEN] {
            // Its end is heard as well.
            rest(&told, MOMENT, post)?;
        } else if said && word == [STALE] {
            rest(client, QUIET, post)?;
        } else if started.elapsed() < SHORTEST {
            return Err(io::Error::other("a plane that was to wait ended at once"));
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

/// Waits for so long, or until somebody says something or leaves. Who comes meanwhile is turned away at once, since he would
/// wait for a plane that does not wait for him.
fn rest(somebody: impl AsFd, moment: Duration, post: &Post) -> io::Result<()> {
    let until = Instant::now() + moment;
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(&somebody, PollFlags::IN), PollFd::new(post, PollFlags::IN)];
        match poll(&mut ready, Some(&left)) {
            Err(Errno::INTR) => continue,
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        if !ready[0].revents().is_empty() {
            return Ok(());
        }
        let _ = rustix::net::accept_with(post, SocketFlags::CLOEXEC);
    }
}

/// A plane that waits, and the end of a pipe on which it says that it took a client.
fn start(post: &Post, place: &Place) -> io::Result<(Child, OwnedFd)> {
    let (told, tells) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("wait").stdin(post.as_fd().try_clone_to_owned()?).stdout(tells).stderr(Stdio::null());
    // Where the operator's home and state are; his other variables are no business of a session that another client begins.
    let state = place.store.root().parent().unwrap_or(Path::new("/"));
    command.env_clear().envs([wire::ALLOCATOR]).env("HOME", &place.home).env("XDG_STATE_HOME", state);
    Ok((command.spawn()?, told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn who_comes_while_none_waits_is_turned_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("waiting");
        let post = Post::take(path.clone()).expect("taken");
        let mut early = UnixStream::connect(&path).expect("connects");
        let (somebody, told) = rustix::pipe::pipe().expect("a pipe");
        rest(&somebody, Duration::from_millis(20), &post).expect("rests");
        assert_eq!(early.read(&mut [0]).expect("ended"), 0);
        drop(told);
        let _late = UnixStream::connect(&path).expect("connects");
        // Somebody spoke: nobody rests, however long it was to be.
        rest(&somebody, Duration::from_secs(60), &post).expect("rests");
    }
}
