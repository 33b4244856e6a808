//! One stream as the connection that all other code knows: read, it gives the body as HTTP/1.1 frames it; what is written to
//! it, an answer in HTTP/1.1, goes out as frames of the stream. Where that ends before the answer does, the stream is reset,
//! so that no program takes a part for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::{Answer, Unsayable};
use super::{broken, chunk, send_waiting};
use crate::head::Body;
use crate::stream::Inside;

/// Most bytes that are taken apart before they go out.
const PIECE: usize = 16 << 10;

/// One stream.
pub(super) struct Stream {
    body: RecvStream,
    chunked: bool,
    /// What came of the body and was not read.
    came: Bytes,
    ended: bool,
    respond: SendResponse<Bytes>,
    /// Where the answer has begun.
    send: Option<SendStream<Bytes>>,
    bare: bool,
    answer: Answer,
    /// What is to go out.
    waits: Bytes,
    /// And behind that.
    trailers: HeaderMap,
    /// With that, the answer is whole.
    whole: bool,
    /// All of it went out.
    said: bool,
    /// It broke behind its head: what came is all.
    torn: bool,
    shut: bool,
}

impl Stream {
    pub(super) fn new(body: RecvStream, respond: SendResponse<Bytes>, bare: bool) -> Stream {
        Stream {
            body,
            chunked: false,
            came: Bytes::new(),
            ended: false,
            respond,
            send: None,
            bare,
            answer: Answer::new(bare),
            waits: Bytes::new(),
            trailers: HeaderMap::new(),
            whole: false,
            said: false,
            torn: false,
            shut: false,
        }
    }

    /// Says how its head frames the body.
    pub(super) fn frame(&mut self, body: Body) {
        self.chunked = body == Body::Chunked;
    }

    /// Ends it: an answer that is not whole is cut.
    pub(super) fn end(&mut self) {
        if self.said {
            return;
        }
        match &mut self.send {
            Some(send) => send.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    /// Waits for the next bytes of the body; `came` is empty at its end.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.came.is_empty() {
            match ready!(self.body.poll_data(context)) {
                Some(bytes) => {
                    let bytes = bytes.map_err(broken)?;
                    // It is read next, and nothing more is asked for until it was.
                    self.body.flow_control().release_capacity(bytes.len()).map_err(broken)?;
                    // An empty chunk would be the last.
                    self.came = if self.chunked && !bytes.is_empty() { chunk(&bytes) } else { bytes };
                }
                None => {
                    let trailers = ready!(self.body.poll_trailers(context)).map_err(broken)?;
                    if trailers.is_some_and(|trailers| !trailers.is_empty()) {
                        // As in a body of chunks, where they are refused, too.
                        return Poll::Ready(Err(io::Error::other("there are trailers behind its body")));
                    }
                    self.ended = true;
                    self.came = Bytes::from_static(if self.chunked { b"0\r\n\r\n" } else { b"" });
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reset = match &mut self.send {
            Some(send) => send.poll_reset(context),
            None => self.respond.poll_reset(context),
        };
        reset.map(|_| Err(io::ErrorKind::ConnectionReset.into()))
    }

    /// Hands on what waits, as the program takes it.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Ok(())) };
        if !self.said {
            let last = self.whole && self.trailers.is_empty();
            ready!(send_waiting(send, &mut self.waits, last, context))?;
            if self.whole && !last {
                send.send_trailers(std::mem::take(&mut self.trailers)).map_err(broken)?;
            }
            self.said = self.whole;
        }
        Poll::Ready(Ok(()))
    }

    fn answer(&mut self, bytes: &[u8]) -> io::Result<()> {
        let said = self.answer.take(bytes).map_err(|why| self.unsayable(why))?;
        self.whole = self.answer.is_whole();
        (self.waits, self.trailers) = (said.body.into(), said.trailers);
        for head in said.heads {
            if head.status().is_informational() {
                self.respond.send_informational(head).map_err(broken)?;
            } else {
                self.said = self.whole && self.waits.is_empty() && self.trailers.is_empty();
                self.send = Some(self.respond.send_response(head, self.said).map_err(broken)?);
            }
        }
        Ok(())
    }

    /// Where nothing of it went out, another answer can.
    fn unsayable(&mut self, why: Unsayable) -> io::Error {
        match self.send {
            None => self.answer = Answer::new(self.bare),
            Some(_) => self.torn = true,
        }
        io::Error::other(why)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shut {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_body(context))?;
        if this.came.is_empty() {
            // Unlike a connection, a stream whose request is said goes on: only its answer, or a reset, ends it.
            return this.poll_reset(context);
        }
        let some = this.came.len().min(buffer.remaining());
        buffer.put_slice(&this.came[..some]);
        this.came.advance(some);
        Poll::Ready(Ok(()))
    }
}

/// Its connection goes on when it ends.
impl Inside for Stream {}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_waiting(context))?;
        let some = bytes.len().min(PIECE);
        this.answer(&bytes[..some])?;
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_waiting(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.whole |= this.answer.ends_with_the_connection() && !this.torn;
        this.shut = true;
        this.poll_waiting(context)
    }
}
