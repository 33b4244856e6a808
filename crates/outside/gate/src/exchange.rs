//! One forwarded request and its answer, both at once: a server may answer before it read everything.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use crate::body::Left;
use crate::head::Body;
use crate::reply::Reply;

const BUFFER: usize = 8192;
/// How long a program that said all it will is waited for: whether it is still there shows only at the next byte.
const HALF: Duration = Duration::from_secs(60);

/// What was carried so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Cell<u64>,
    pub(crate) received: Cell<u64>,
    last: Cell<Instant>,
    idle: Cell<Duration>,
}

impl Exchange {
    /// Ends when nothing came for so long.
    pub(crate) fn new(idle: Duration) -> Exchange {
        Exchange { sent: Cell::new(0), received: Cell::new(0), last: Cell::new(Instant::now()), idle: Cell::new(idle) }
    }

    /// Carries the request, whose body begins with `rest`, and its answer until that is whole.
    ///
    /// # Errors
    /// When the program left before its request was whole, when the answer broke off, and after silence.
    pub(crate) async fn run(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        head: &[u8],
        (body, rest): (Body, &[u8]),
    ) -> io::Result<()> {
        let ((mut from, mut to), (mut answer, mut ask)) = (inside.split(), outside.split());
        tokio::select! {
            biased;
            answered = self.answer(&mut answer, &mut to, Reply::new(head.starts_with(b"HEAD "))) => answered,
            asked = self.ask(&mut from, &mut ask, head, (Left::new(body), rest)) => asked,
            () = self.silence() => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Ends only where the answer no longer matters.
    async fn ask(
        &self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        head: &[u8],
        (mut left, rest): (Left, &[u8]),
    ) -> io::Result<()> {
        let first = left.take(rest)?;
        let mut takes = self.put(to, head).await && self.put(to, &rest[..first]).await;
        let mut bytes = [0; BUFFER];
        loop {
            let length = from.read(&mut bytes).await?;
            let taken = left.take(&bytes[..length])?;
            // A server that stopped reading may have answered.
            takes = takes && self.put(to, &bytes[..taken]).await;
            if length == 0 {
                if !left.is_done() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.idle.set(self.idle.get().min(HALF));
                std::future::pending::<()>().await;
            }
            // It goes on as if the connection did not end here: it has its answer.
            if taken < length && self.received.get() > 0 {
                return Ok(());
            }
        }
    }

    async fn put(&self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> bool {
        let written = to.write_all(bytes).await.is_ok();
        if written {
            self.count(&self.sent, bytes.len());
        }
        written
    }

    async fn answer(&self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, mut reply: Reply) -> io::Result<()> {
        let mut bytes = [0; BUFFER];
        while !reply.is_whole() {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                break;
            }
            let taken = reply.take(&bytes[..length]);
            to.write_all(&bytes[..taken]).await?;
            self.count(&self.received, taken);
        }
        Ok(())
    }

    fn count(&self, which: &Cell<u64>, bytes: usize) {
        which.set(which.get() + bytes as u64);
        self.last.set(Instant::now());
    }

    async fn silence(&self) {
        // Looked at now and then: the patience may have become shorter meanwhile.
        loop {
            let end = self.last.get() + self.idle.get();
            if end <= Instant::now() {
                return;
            }
            sleep_until(end.min(Instant::now() + HALF)).await;
        }
    }
}
