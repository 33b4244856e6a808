//! One request, answered by a plane of its own: what it reads or breaks is not the daemon's.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream as Socket;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use wire::Decoder;
use wire::command::{Reply, Request};

use crate::channel;

const PIECE: usize = 16 * 1024;

/// A plane that was asked. Dropped, it goes on to its end and nobody hears it: a merge is not broken off.
#[derive(Debug)]
pub(super) struct Verb {
    socket: UnixStream,
    decoder: Decoder<Reply>,
    heard: VecDeque<Reply>,
    /// Reaped by the runtime, whenever it ends.
    _plane: Child,
}

impl Verb {
    /// Starts a plane and asks it. Needs a runtime around it.
    ///
    /// # Errors
    /// When it cannot be started, or the request cannot be said.
    pub(super) async fn ask(request: &Request) -> io::Result<Verb> {
        let (ours, theirs) = channel::pair()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        if !matches!(request, Request::Run(_)) {
            // A session that goes on by itself leads one of its own, which one that leads a group could not.
            command.process_group(0);
        }
        let plane = command.spawn()?;
        let frame = wire::encode(request).map_err(io::Error::other)?;
        let ours = Socket::from(ours);
        ours.set_nonblocking(true)?;
        let mut socket = UnixStream::from_std(ours)?;
        socket.write_all(&frame).await?;
        Ok(Verb { socket, decoder: Decoder::new(), heard: VecDeque::new(), _plane: plane })
    }

    /// The next reply.
    ///
    /// # Errors
    /// When it ended before its last word, or says what is no reply.
    pub(super) async fn reply(&mut self) -> io::Result<Reply> {
        let mut piece = [0; PIECE];
        loop {
            if let Some(reply) = self.heard.pop_front() {
                return Ok(reply);
            }
            let length = self.socket.read(&mut piece).await?;
            if length == 0 {
                return Err(io::Error::other("the plane that was asked ended without an answer"));
            }
            self.heard.extend(self.decoder.push(&piece[..length]).map_err(io::Error::other)?);
        }
    }

    /// Says that nothing more is wanted: a plane that goes on for ever ends.
    pub(super) async fn leave(mut self) {
        let _ = self.socket.shutdown().await;
    }
}
