//! Takes a whole body from a program before any of it goes out, where what it says decides.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::body::Left;
use crate::head::Body;
use crate::requests::PATIENCE;

/// Longest body that is looked at whole.
pub(crate) const LONGEST: usize = 32 << 20;
/// Bytes of bodies at once, in units of [`UNIT`].
const AT_ONCE: usize = 64 << 20;
const UNIT: usize = 64 << 10;
const BUFFER: usize = 16 << 10;
/// What a program is told that waits before it says its body.
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Room for the bodies that are looked at, and for the answers that are read.
#[derive(Debug)]
pub struct Room {
    bodies: Semaphore,
    answers: Semaphore,
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Uncollected {
    /// It is too long to be looked at.
    #[error("its body is longer than the {LONGEST} bytes that are looked at, so it is held back")]
    TooLong,
    /// It does not come, or there is no room for it.
    #[error("its body is looked at whole, and was not there in time")]
    Slow,
    /// Its chunks cannot be told apart.
    #[error("the chunks of its body cannot be told apart")]
    Torn,
    /// The program left.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Default for Room {
    fn default() -> Room {
        Room { bodies: Semaphore::new(AT_ONCE / UNIT), answers: Semaphore::new(AT_ONCE / UNIT) }
    }
}

/// A body, and what the program said after it.
#[derive(Debug)]
pub(crate) struct Collected<'r> {
    /// What it carries, out of its chunks.
    pub(crate) body: Vec<u8>,
    /// The beginning of the next request.
    pub(crate) rest: Vec<u8>,
    /// What it takes of the [`Room`].
    pub(crate) room: Option<tokio::sync::SemaphorePermit<'r>>,
}

/// What an answer that is read takes of the [`Room`], as it grows.
#[derive(Debug)]
pub(crate) struct Heard<'r> {
    answers: &'r Semaphore,
    held: Option<tokio::sync::SemaphorePermit<'r>>,
    bytes: usize,
    /// What is kept of it: one part in so many.
    part: usize,
}

impl Heard<'_> {
    /// Most of a stream frames what it says.
    pub(crate) const fn streams(&mut self) {
        self.part = 4;
    }

    /// Whether there is room for so many more bytes; they are then held.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let held = self.held.as_ref().map_or(0, tokio::sync::SemaphorePermit::num_permits);
        let more = (self.bytes / self.part).div_ceil(UNIT).saturating_sub(held);
        let Ok(more) = self.answers.try_acquire_many(u32::try_from(more).unwrap_or(u32::MAX)) else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }

    /// Whether there is room for so many bytes in all; what was held beyond them is given back.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let (wanted, held) =
            (bytes.div_ceil(UNIT), self.held.as_ref().map_or(0, tokio::sync::SemaphorePermit::num_permits));
        if let Some(kept) = self.held.as_mut().filter(|_| wanted < held) {
            drop(kept.split(held - wanted));
        }
        self.bytes = bytes * self.part;
        self.take(0)
    }
}

impl Room {
    /// Room for an answer that is read.
    pub(crate) const fn heard(&self) -> Heard<'_> {
        Heard { answers: &self.answers, held: None, bytes: 0, part: 1 }
    }

    /// Room for so many bytes, where there is any now.
    pub(crate) fn now(&self, bytes: u64) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.bodies.try_acquire_many(u32::try_from(bytes.div_ceil(UNIT as u64)).ok()?).ok()
    }

    /// Reads a body that begins with `rest`, within a time; a program that waits is told to go on.
    ///
    /// # Errors
    /// [`Uncollected`].
    pub(crate) async fn collect(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        body: Body,
        mut rest: Vec<u8>,
        (waits, within): (bool, Duration),
    ) -> Result<Collected<'_>, Uncollected> {
        let room = match body {
            Body::Length(0) => return Ok(Collected { body: Vec::new(), rest, room: None }),
            Body::Length(length) if length > LONGEST as u64 => return Err(Uncollected::TooLong),
            Body::Length(length) => usize::try_from(length).unwrap_or(LONGEST),
            Body::Chunked => LONGEST,
        };
        let units = u32::try_from(room.div_ceil(UNIT)).unwrap_or(1);
        // Others wait for the room: whoever says a byte now and then does not keep it.
        let due = Instant::now() + within;
        let room = timeout_at(due, self.bodies.acquire_many(units)).await.map_err(|_| Uncollected::Slow)?;
        let room = room.map_err(io::Error::other)?;
        if waits && rest.is_empty() {
            timeout_at(due, inside.write_all(GO_ON)).await.map_err(|_| Uncollected::Slow)??;
            timeout_at(due, inside.flush()).await.map_err(|_| Uncollected::Slow)??;
        }
        let (mut left, mut whole) = (Left::new(body), Vec::new());
        let mut bytes = vec![0; BUFFER];
        loop {
            let taken = left.take_with(&rest, &mut |range| whole.extend_from_slice(&rest[range]));
            let taken = taken.map_err(|_| Uncollected::Torn)?;
            rest.drain(..taken);
            if whole.len() > LONGEST {
                return Err(Uncollected::TooLong);
            }
            if left.is_done() {
                return Ok(Collected { body: whole, rest, room: Some(room) });
            }
            let read = timeout_at(due, timeout(PATIENCE, inside.read(&mut bytes))).await;
            let length = read.ok().and_then(Result::ok).ok_or(Uncollected::Slow)??;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            rest.extend_from_slice(&bytes[..length]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn collected(body: Body, first: &[u8], then: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Uncollected> {
        let (mut inside, mut program) = tokio::io::duplex(1 << 10);
        let then = then.to_vec();
        let saying = async move { program.write_all(&then).await };
        let room = Room::default();
        let (taken, _) = tokio::join!(room.collect(&mut inside, body, first.to_vec(), (false, PATIENCE)), saying);
        taken.map(|Collected { body, rest, .. }| (body, rest))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_is_taken_out_of_its_chunks_and_what_follows_is_kept() {
        let (body, rest) = collected(Body::Length(4), b"ab", b"cdGET").await.unwrap();
        assert_eq!((&body[..], rest.starts_with(b"GET") || rest.is_empty()), (&b"abcd"[..], true));
        let (body, rest) = collected(Body::Chunked, b"2\r\nab\r\n1\r", b"\nc\r\n0\r\n\r\nGET").await.unwrap();
        assert_eq!((&body[..], &rest[..]), (&b"abc"[..], &b"GET"[..]));
        assert!(matches!(collected(Body::Length(LONGEST as u64 + 1), b"", b"").await, Err(Uncollected::TooLong)));
        assert!(matches!(collected(Body::Length(4), b"ab", b"").await, Err(Uncollected::Io(_))));
        assert!(matches!(collected(Body::Chunked, b"zz", b"").await, Err(Uncollected::Torn)));
    }

    #[test]
    fn answers_share_their_room_and_give_it_back() {
        let room = Room::default();
        let (mut one, mut other, mut stream) = (room.heard(), room.heard(), room.heard());
        assert!((0..AT_ONCE / 2 / 100).all(|_| one.take(100)) && !other.take(AT_ONCE));
        stream.streams();
        assert!(stream.take(AT_ONCE) && !stream.take(AT_ONCE + 4 * UNIT));
        drop(one);
        assert!(room.heard().take(AT_ONCE / 2));
        drop(stream);
        let mut held = room.heard();
        assert!(held.hold(AT_ONCE) && !room.heard().take(1) && held.hold(1) && room.heard().take(AT_ONCE / 2));
        assert!(!held.hold(AT_ONCE + 1) && held.hold(0));
    }
}
