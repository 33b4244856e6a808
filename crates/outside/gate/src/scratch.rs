//! Room to read into, kept for the next who reads: none has to be made clean for each, and what waits holds none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// What is read at once.
const BYTES: usize = 8 << 10;
/// Rooms that are kept.
const SPARE: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// What was read; nothing at the end of the stream.
#[derive(Debug)]
pub(crate) struct Scratch {
    room: Box<[u8]>,
    length: usize,
}

impl Scratch {
    /// Reads what comes. However many wait for that, few rooms are in use, and those that were used last.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Scratch> {
        poll_fn(|context| {
            let room = KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BYTES].into());
            let mut scratch = Scratch { room, length: 0 };
            let mut bytes = ReadBuf::new(&mut scratch.room);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut bytes))?;
            scratch.length = bytes.filled().len();
            Poll::Ready(Ok(scratch))
        })
        .await
    }

    /// Whether there was room for no more.
    pub(crate) fn is_full(&self) -> bool {
        self.length == self.room.len()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.room);
        KEPT.with_borrow_mut(|kept| kept.extend(Some(room).filter(|_| kept.len() < SPARE)));
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.room[..self.length]
    }
}
