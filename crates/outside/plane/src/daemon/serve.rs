//! The daemon's socket: who may ask, and a plane of its own for each who does, which gets the connection itself. What is
//! asked is read there and nowhere else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener as Listener, UnixStream as Socket};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::api::{self, Head, MAX_HEAD};
use wire::command::Problem;

use super::post::Post;
use crate::peer::{self, Stranger};
use crate::problem::{NO, NOT_RUN, problem};

/// Connections at once.
const CONNECTIONS: usize = 128;
/// Planes that answer at once.
const ANSWERS: usize = 64;
/// How long the first word may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long accepting rests when the kernel has no descriptor or memory left for one more.
const REST: Duration = Duration::from_millis(50);
/// What a plane is told that answers one connection of the daemon's.
pub const ANSWER: &str = "answer";

/// Serves until the client at `end` leaves.
///
/// # Errors
/// When the socket cannot be waited for.
pub(super) async fn serve(post: &Post, end: BorrowedFd<'_>) -> io::Result<()> {
    let listener = UnixListener::from_std(Listener::from(post.as_fd().try_clone_to_owned()?))?;
    let end = Socket::from(end.try_clone_to_owned()?);
    end.set_nonblocking(true)?;
    let mut end = UnixStream::from_std(end)?;
    let (places, answers) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(ANSWERS)));
    let accept = async {
        loop {
            // Taken before accepting: beyond the bound, connections wait in the kernel's backlog.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(REST).await;
                continue;
            };
            let answers = Arc::clone(&answers);
            tokio::task::spawn_local(async move {
                // A connection that breaks is its client's loss.
                let _ = connection(stream, &answers).await;
                drop(place);
            });
        }
    };
    let left = async {
        let mut words = [0; 512];
        // What a client says while it waits for its answer means nothing here; only its end counts.
        while end.read(&mut words).await.is_ok_and(|length| length > 0) {}
    };
    tokio::select! {
        () = accept => {}
        () = left => {}
    }
    Ok(())
}

async fn connection(stream: UnixStream, answers: &Semaphore) -> io::Result<()> {
    // Before one byte of it is read.
    if let Err(stranger) = peer::operator(&stream) {
        return refuse(stream, 403, &problem("E-PLANE-095", stranger.to_string(), Stranger::HINT, NO)).await;
    }
    // Nothing is started for one who says nothing.
    timeout(PATIENCE, stream.readable()).await??;
    let Ok(_place) = answers.try_acquire() else {
        return refuse(stream, 503, &problem("E-PLANE-098", "too much is asked at once", "ask again in a moment", NO))
            .await;
    };
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let socket = stream.into_std()?;
    socket.set_nonblocking(false)?;
    // Kept for the one case in which nobody has it.
    let kept = socket.try_clone()?;
    if let Err(error) = hand_over(socket.into(), theirs) {
        kept.set_nonblocking(true)?;
        let why = problem("E-PLANE-098", format!("nothing answers: {error}"), "ask again", NOT_RUN);
        return refuse(UnixStream::from_std(kept)?, 500, &why).await;
    }
    drop(kept);
    rustix::io::ioctl_fionbio(&ours, true)?;
    // It says nothing there: that it is closed says that the answer was given.
    pipe::Receiver::from_owned_fd(ours)?.read(&mut [0]).await.map(drop)
}

/// Starts a plane that has the connection as its own. What it reads or breaks is not the daemon's, and it goes on to its end
/// whatever becomes of the daemon.
fn hand_over(connection: OwnedFd, place: OwnedFd) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ANSWER).envs([wire::ALLOCATOR]);
    command.stdin(Stdio::from(connection)).stdout(Stdio::from(place)).stderr(Stdio::null());
    // Reaped by the runtime, whenever it ends.
    command.spawn().map(drop)
}

/// Tells why nothing is done, once a head came: who still speaks would not hear it.
async fn refuse(mut stream: UnixStream, status: u16, why: &Problem) -> io::Result<()> {
    let mut head = Vec::new();
    let whole = async {
        let mut piece = [0; 4096];
        while Head::end(&head).is_none() && head.len() <= MAX_HEAD {
            match stream.read(&mut piece).await? {
                0 => break,
                length => head.extend_from_slice(&piece[..length]),
            }
        }
        stream.write_all(&api::refused(status, why)).await?;
        stream.shutdown().await?;
        while stream.read(&mut piece).await? > 0 {}
        Ok(())
    };
    timeout(PATIENCE, whole).await?
}
