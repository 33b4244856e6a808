//! Counts the streams that the library refuses by itself: it resets them and tells nobody, and the record has to say so.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of a frame's head.
const HEAD: usize = 9;
/// With the reason behind it, where that is why a stream is reset.
const RESET: usize = HEAD + 4;
/// The kind of such a frame.
const RST_STREAM: u8 = 3;

/// A connection of a program, of which what is written to it is looked at.
#[derive(Debug)]
pub(super) struct Watched<'w, S> {
    inside: S,
    frames: Frames<'w>,
}

/// Frames as they are written.
#[derive(Debug)]
struct Frames<'w> {
    head: [u8; RESET],
    /// So much of it was written.
    read: usize,
    /// So much of the frame behind it was not.
    left: usize,
    refused: &'w Cell<u64>,
}

impl<'w, S> Watched<'w, S> {
    pub(super) const fn new(inside: S, refused: &'w Cell<u64>) -> Watched<'w, S> {
        Watched { inside, frames: Frames { head: [0; RESET], read: 0, left: 0, refused } }
    }
}

impl Frames<'_> {
    fn hear(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let some = self.left.min(bytes.len());
                self.left -= some;
                bytes = &bytes[some..];
                continue;
            }
            self.head[self.read] = *first;
            self.read += 1;
            bytes = rest;
            let whole = if self.read >= HEAD && self.head[3] == RST_STREAM { RESET } else { HEAD };
            if self.read == whole {
                self.end(whole);
            }
        }
    }

    fn end(&mut self, whole: usize) {
        let [a, b, c, ..] = self.head;
        self.left = (u32::from_be_bytes([0, a, b, c]) as usize).saturating_sub(whole - HEAD);
        self.read = 0;
        let [.., a, b, c, d] = self.head;
        // These are said here, or of streams that were not begun.
        let ours = [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM, Reason::CANCEL];
        if whole == RESET && !ours.contains(&Reason::from(u32::from_be_bytes([a, b, c, d]))) {
            self.refused.set(self.refused.get() + 1);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inside).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inside).poll_write(context, bytes))?;
        this.frames.hear(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inside).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inside).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_refuses_is_counted_however_it_is_written() {
        let frame = |kind: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap_or_default();
            [&[0, 0, length, kind, 0, 0, 0, 0, 1][..], payload].concat()
        };
        let reset = |reason: u8| frame(RST_STREAM, &[0, 0, 0, reason]);
        let said =
            [frame(0, &[3; 20]), reset(1), frame(4, b""), reset(2), reset(7), frame(8, &[3; 4]), reset(8), reset(5)];
        let said = said.concat();
        for size in 1..said.len() {
            let refused = Cell::new(0);
            let mut watched = Watched::new((), &refused);
            said.chunks(size).for_each(|piece| watched.frames.hear(piece));
            assert_eq!(refused.get(), 2, "{size}");
        }
    }
}
