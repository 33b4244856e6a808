//! One request and its answer, both at once: a server may answer before it read everything.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{Instant, sleep_until};

use crate::body;
use crate::head::Body;
use crate::look::Look;
use crate::reply::Reply;

const BUFFER: usize = 8192;
/// How long a program that said all it will is waited for: whether it is still there shows only at the next byte.
const HALF: Duration = Duration::from_secs(60);

/// One request.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    /// As the destination gets it.
    pub(crate) head: &'a [u8],
    /// What follows it.
    pub(crate) body: Body,
    /// What came behind the head already.
    pub(crate) rest: Vec<u8>,
    /// It is the only one on its connection: a program that goes on when its answer began has that answer, whatever the
    /// server keeps open.
    pub(crate) only: bool,
}

/// What can still be said when a request and its answer were.
#[derive(Debug)]
pub(crate) enum Left {
    /// A request on the same two connections, which has begun with this.
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

    /// Carries a request and its answer until that is whole. `may` is asked about bytes of the head, or of the body, before
    /// they go out.
    ///
    /// # Errors
    /// When the program left before its request was whole or said more than it may, when the answer broke off, and after
    /// silence.
    pub(crate) async fn run(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        outside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        Said { head, body, mut rest, only }: Said<'_>,
        may: &impl Fn(usize, bool) -> bool,
        look: Option<&mut Look<'_>>,
    ) -> io::Result<Left> {
        let ((mut from, mut to), (mut answer, mut ask)) = (split(inside), split(outside));
        let mut reply = Reply::new(head.starts_with(b"HEAD "));
        let mut left = body::Left::new(body);
        // Not what was read from the program, but what reached the server: an answer may come before either is whole.
        let whole = Cell::new(false);
        let said = async {
            whole.set(self.say(&mut from, &mut ask, head, (&mut left, &mut rest), may).await?);
            self.goes_on(&mut from, &mut rest, only).await
        };
        let alone = tokio::select! {
            biased;
            answered = self.follow(&mut answer, &mut to, &mut reply, look) => answered?,
            asked = said => asked?,
            () = self.silence() => return Err(io::ErrorKind::TimedOut.into()),
        };
        // Where the answer ended with the connection, or more came than was asked for, nothing can follow.
        Ok(if reply.is_whole() && whole.get() && alone { Left::Both(rest) } else { Left::Neither })
    }

    /// Says the request and leaves in `rest` what comes after it. Gives whether all of it went out.
    async fn say(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        head: &[u8],
        (left, rest): (&mut body::Left, &mut Vec<u8>),
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
        Ok(takes)
    }

    /// Hears what the program says when its request was said: the next one, or its end. Ends only where the answer no longer
    /// matters.
    async fn goes_on(&self, from: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>, only: bool) -> io::Result<bool> {
        let mut bytes = [0; BUFFER];
        while rest.is_empty() || only {
            match from.read(&mut bytes).await? {
                0 => {
                    self.idle.set(self.idle.get().min(HALF));
                    break;
                }
                _ if only && self.received.get() > 0 => return Ok(false),
                _ if only => {}
                length => rest.extend_from_slice(&bytes[..length]),
            }
        }
        std::future::pending().await
    }

    async fn put(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
        let written = to.write_all(bytes).await.is_ok() && to.flush().await.is_ok();
        if written {
            self.count(&self.sent, bytes.len());
        }
        written
    }

    /// Passes an answer on; says whether nothing came after it.
    async fn follow(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        reply: &mut Reply,
        mut look: Option<&mut Look<'_>>,
    ) -> io::Result<bool> {
        let mut bytes = [0; BUFFER];
        let mut alone = true;
        while !reply.is_whole() {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                // Where its head tells no end, this is one. Else the program must not take a part for the whole.
                if !reply.ends_with_the_connection() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if let Some(look) = &mut look {
                    self.give(to, &look.pass(&[], &[], true)?).await?;
                }
                return Ok(false);
            }
            let taken = match &mut look {
                None => {
                    let taken = reply.take(&bytes[..length]);
                    self.give(to, &bytes[..taken]).await?;
                    taken
                }
                Some(look) => {
                    let mut parts = Vec::new();
                    let taken = reply.take_with(&bytes[..length], &mut |part, range| parts.push((part, range)));
                    // What is held back came all the same: the connection is not silent.
                    self.last.set(Instant::now());
                    self.give(to, &look.pass(&bytes[..taken], &parts, reply.is_whole())?).await?;
                    taken
                }
            };
            alone = taken == length;
        }
        Ok(alone)
    }

    async fn give(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            to.write_all(bytes).await?;
            to.flush().await?;
            self.count(&self.received, bytes.len());
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
