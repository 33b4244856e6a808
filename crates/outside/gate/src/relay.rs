//! Carries bytes between two connections until both ends are through. It looks at none of them.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

const BUFFER: usize = 32 * 1024;
/// Buffers that are kept for the next connection.
const SPARE: usize = 16;

/// Buffers that no connection uses now. A connection holds one only while bytes are on their way.
#[derive(Debug, Default)]
pub struct Buffers(RefCell<Vec<Box<[u8]>>>);

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER].into())
    }

    fn give(&self, buffer: Option<Box<[u8]>>) {
        let mut spare = self.0.borrow_mut();
        let room = spare.len() < SPARE;
        spare.extend(buffer.filter(|_| room));
    }
}

/// Relays both ways until both ends are through, or `until` is; gives the bytes that went from `inside` to `outside` and
/// back, also when it fails.
pub async fn relay(
    inside: &mut TcpStream,
    outside: &mut TcpStream,
    buffers: &Buffers,
    idle: Duration,
    until: impl Future<Output = ()>,
) -> (u64, u64, io::Result<()>) {
    let (mut there, mut back) = (Flow::default(), Flow::default());
    let result = tokio::select! {
        biased;
        result = both(&mut there, &mut back, inside, outside, buffers, idle) => result,
        () = until => Err(io::ErrorKind::PermissionDenied.into()),
    };
    buffers.give(there.buffer.take());
    buffers.give(back.buffer.take());
    (there.carried, back.carried, result)
}

async fn both(
    there: &mut Flow,
    back: &mut Flow,
    inside: &mut TcpStream,
    outside: &mut TcpStream,
    buffers: &Buffers,
    idle: Duration,
) -> io::Result<()> {
    let mut timer = pin!(tokio::time::sleep(idle));
    let mut last = Instant::now();
    std::future::poll_fn(move |context| {
        let before = there.carried + back.carried;
        let first = there.carry(inside, outside, buffers, back.done, context)?;
        let second = back.carry(outside, inside, buffers, there.done, context)?;
        if first.is_ready() && second.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if there.carried + back.carried > before {
            last = Instant::now();
        }
        // The timer is not moved at each byte: when it fires it looks how long nothing came.
        while timer.as_mut().poll(context).is_ready() {
            if last.elapsed() >= idle {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            timer.as_mut().reset(last + idle);
        }
        Poll::Pending
    })
    .await
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    ended: bool,
    done: bool,
    carried: u64,
}

impl Flow {
    /// Carries what there is; ready once the end was passed on.
    fn carry(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        buffers: &Buffers,
        last: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.done {
            ready!(self.flush(to, context))?;
            if self.ended {
                // Closing both follows at once when the other direction is through: no need to say it twice.
                if !last {
                    ready!(Pin::new(&mut *to).poll_shutdown(context))?;
                }
                self.done = true;
            } else {
                ready!(self.fill(from, buffers, context))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn flush(&mut self, to: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.start < self.end {
            let Some(buffer) = &self.buffer else { break };
            let sent = ready!(write(to, &buffer[self.start..self.end], context))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.start += sent;
            self.carried += sent as u64;
        }
        Poll::Ready(Ok(()))
    }

    fn fill(&mut self, from: &mut TcpStream, buffers: &Buffers, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = self.buffer.take().unwrap_or_else(|| buffers.take());
        let mut space = ReadBuf::new(&mut buffer);
        let polled = Pin::new(from).poll_read(context, &mut space);
        let length = space.filled().len();
        if let Poll::Ready(Ok(())) = polled
            && length > 0
        {
            self.buffer = Some(buffer);
            (self.start, self.end) = (0, length);
        } else {
            // Idle, at its end or broken: the buffer serves others.
            buffers.give(Some(buffer));
            self.ended = matches!(polled, Poll::Ready(Ok(())));
        }
        polled
    }
}

/// Writes what fits. The kernel is asked itself: tokio learns that a new connection takes bytes only when its loop
/// turns.
fn write(to: &mut TcpStream, bytes: &[u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    match rustix::net::send(&*to, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN | Errno::INTR) => Pin::new(to).poll_write(context, bytes),
        sent => Poll::Ready(Ok(sent?)),
    }
}
