//! Streams that are read before they are understood, and those that may be TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rustix::io::Errno;
use rustix::net::{SendFlags, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http2::Onward;

/// What a program is answered on.
pub(crate) trait Inside: AsyncRead + AsyncWrite + Unpin {
    /// What is written from here on is the last, and the end of the stream follows it at once. Both go in one packet. The
    /// program, which knows that nothing follows, then cannot be first to end the connection: its port would stay taken for
    /// a minute, and a busy one would run out of ports.
    fn ends(&self) {}

    /// Writes the last, for which that is so.
    fn poll_last(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().ends();
        self.poll_write(context, bytes)
    }

    /// Whether it says its end when it is dropped, after what was written: nothing has to be said before.
    fn ends_by_itself(&self) -> bool {
        false
    }
}

impl Inside for TcpStream {
    fn ends(&self) {
        // Where that cannot be, the end comes in a packet of its own.
        let _ = sockopt::set_tcp_cork(self, true);
    }

    fn poll_last(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Held back for what follows, by one call.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::MORE;
        match rustix::net::send(&*self, bytes, flags) {
            Err(Errno::AGAIN | Errno::INTR) => self.poll_write(context, bytes),
            sent => Poll::Ready(Ok(sent?)),
        }
    }

    fn ends_by_itself(&self) -> bool {
        true
    }
}

impl<S: Inside> Inside for Again<'_, S> {
    fn ends(&self) {
        self.stream.ends();
    }

    fn poll_last(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().stream).poll_last(context, bytes)
    }

    fn ends_by_itself(&self) -> bool {
        self.stream.ends_by_itself()
    }
}

impl<S: Inside> Inside for tokio_rustls::server::TlsStream<S> {
    fn ends(&self) {
        self.get_ref().0.ends();
    }
}

/// A stream of which some bytes were read already: they come first.
#[derive(Debug)]
pub(crate) struct Again<'s, S = TcpStream> {
    pub(crate) first: Vec<u8>,
    pub(crate) stream: &'s mut S,
}

/// A connection outside.
#[derive(Debug)]
pub(crate) struct Outer {
    way: Way,
    /// Something came that may not be acknowledged yet.
    heard: bool,
}

#[derive(Debug)]
enum Way {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Within either, where HTTP/2 is spoken.
    Newer(Box<Onward>),
    /// To a server in a cell of its own: nothing leaves this process on it.
    Beside(DuplexStream),
}

impl Outer {
    pub(crate) const fn plain(stream: TcpStream) -> Outer {
        Outer { way: Way::Plain(stream), heard: false }
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Outer {
        Outer { way: Way::Tls(Box::new(stream)), heard: false }
    }

    pub(crate) fn newer(stream: Onward) -> Outer {
        Outer { way: Way::Newer(Box::new(stream)), heard: false }
    }

    pub(crate) const fn beside(stream: DuplexStream) -> Outer {
        Outer { way: Way::Beside(stream), heard: false }
    }

    /// What is said on it is not within TLS.
    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self.way, Way::Plain(_))
    }

    /// Whether the other side has ended it, or speaks out of turn. Its answer was whole, so that it waits for nothing: what is
    /// said next, or the kernel after a moment, acknowledges that.
    pub(crate) fn is_over(&mut self) -> bool {
        self.heard = false;
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Tells the server at once that what it said has come. The kernel would wait 40 ms for something to say with it, and a
    /// server that says more only when the first was acknowledged would wait with it, at every piece of a stream.
    fn acknowledge(&mut self) {
        if !std::mem::take(&mut self.heard) {
            return;
        }
        let socket = match &self.way {
            Way::Plain(stream) => stream,
            Way::Tls(stream) => stream.get_ref().0,
            // What is within it does.
            Way::Newer(_) | Way::Beside(_) => return,
        };
        // Where that cannot be, it comes later.
        let _ = sockopt::set_tcp_quickack(socket, true);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Again<'_, S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut *this.stream).poll_read(context, buffer);
        }
        let length = this.first.len().min(buffer.remaining());
        buffer.put_slice(&this.first[..length]);
        this.first.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Again<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncRead for Outer {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match &mut this.way {
            Way::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Newer(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Beside(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        this.heard |= buffer.filled().len() > before;
        if read.is_pending() {
            this.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Outer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Newer(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Beside(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_flush(context),
            Way::Tls(stream) => Pin::new(stream).poll_flush(context),
            Way::Newer(stream) => Pin::new(stream).poll_flush(context),
            Way::Beside(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Newer(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Beside(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
