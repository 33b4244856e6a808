//! One forwarded request and its answer, both at once: a server may answer before it read everything.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use crate::body;
use crate::head::Body;
use crate::reply::Reply;

const BUFFER: usize = 8192;
/// How long a program that said all it will is waited for: whether it is still there shows only at the next byte.
const HALF: Duration = Duration::from_secs(60);

/// One of several requests.
struct Said<'a> {
    head: &'a [u8],
    /// What is to come of its body.
    left: &'a mut body::Left,
    /// What came behind the head.
    rest: &'a mut Vec<u8>,
}

/// What can still be said when a request and its answer were.
#[derive(Debug)]
pub(crate) enum Left {
    /// A request to the program's side, which has begun with this, and its answer.
    Both(Vec<u8>),
    Neither,
}

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
            asked = self.ask(&mut from, &mut ask, head, (body::Left::new(body), rest)) => asked,
            () = self.silence() => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Carries one of several requests, whose body begins with `rest`, and its answer. Says what can still be said on the
    /// two connections.
    ///
    /// # Errors
    /// As [`Exchange::run`].
    pub(crate) async fn one(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        head: &[u8],
        (body, mut rest): (Body, Vec<u8>),
        takes: &impl Fn(usize, bool) -> bool,
    ) -> io::Result<Left> {
        let ((mut from, mut to), (mut answer, mut ask)) = (inside.split(), outside.split());
        let mut reply = Reply::new(head.starts_with(b"HEAD "));
        let mut left = body::Left::new(body);
        let whole = Said { head, left: &mut left, rest: &mut rest };
        let alone = tokio::select! {
            biased;
            answered = self.follow(&mut answer, &mut to, &mut reply) => answered?,
            asked = self.say(&mut from, &mut ask, whole, takes) => asked?,
            () = self.silence() => return Err(io::ErrorKind::TimedOut.into()),
        };
        // Where the answer ended with the connection, or more came than was asked for, nothing can follow.
        Ok(if reply.is_whole() && left.is_done() && alone { Left::Both(rest) } else { Left::Neither })
    }

    /// Says the request and leaves in `rest` what comes after it. Ends only where the answer no longer matters.
    async fn say(
        &self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        Said { head, left, rest }: Said<'_>,
        may: &impl Fn(usize, bool) -> bool,
    ) -> io::Result<bool> {
        let first = left.take(rest)?;
        if !may(head.len(), false) || !may(first, true) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let mut takes = self.put(to, head).await && self.put(to, &rest[..first]).await;
        rest.drain(..first);
        let mut bytes = [0; BUFFER];
        while !left.is_done() {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = left.take(&bytes[..length])?;
            if !may(taken, true) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            // A server that stopped reading may have answered.
            takes = takes && self.put(to, &bytes[..taken]).await;
            rest.extend_from_slice(&bytes[taken..length]);
        }
        // What comes next stays where it is: it may be the next request, or the end.
        if rest.is_empty() && from.peek(&mut [0]).await? == 0 {
            self.idle.set(self.idle.get().min(HALF));
        }
        std::future::pending().await
    }

    /// Passes an answer on; says whether nothing came after it.
    async fn follow(&self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, reply: &mut Reply) -> io::Result<bool> {
        let mut bytes = [0; BUFFER];
        let mut alone = true;
        while !reply.is_whole() {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                // Where its head tells no end, this is one. Else the program must not take a part for the whole.
                return if reply.ends_with_the_connection() {
                    Ok(false)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            let taken = reply.take(&bytes[..length]);
            alone = taken == length;
            to.write_all(&bytes[..taken]).await?;
            self.count(&self.received, taken);
        }
        Ok(alone)
    }

    /// Ends only where the answer no longer matters.
    async fn ask(
        &self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        head: &[u8],
        (mut left, rest): (body::Left, &[u8]),
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
