//! HTTP/2 to a server, for what needs it there: as a connection that all other code knows. What is written to it is a request
//! in HTTP/1.1, and goes out as a stream; what comes back is read as an answer in HTTP/1.1, in chunks, with trailers behind
//! them. One stream after another.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{WAITING, WINDOW, broken, send_waiting};
use crate::body::Left;
use crate::head::{Body, MAX_HEAD};
use crate::reply;
use crate::stream::Outer;

/// A connection to a server that speaks HTTP/2.
pub(crate) struct Onward {
    connection: Connection<Outer, Bytes>,
    /// It ended.
    over: bool,
    requests: SendRequest<Bytes>,
    scheme: &'static str,
    asks: Asks,
    answers: Answers,
    /// What came and was not read.
    came: Bytes,
}

/// What is said.
enum Asks {
    /// A head that is not whole.
    Head(Vec<u8>),
    Body {
        send: SendStream<Bytes>,
        left: Left,
        /// What is to go out.
        waits: Bytes,
    },
    /// All of it.
    Said,
}

/// What comes back.
enum Answers {
    Nothing,
    Head(ResponseFuture),
    Body(RecvStream),
}

impl std::fmt::Debug for Onward {
    /// Without what is said.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Onward")
    }
}

impl Onward {
    /// Begins to speak HTTP/2 on a connection.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn begin(stream: Outer) -> Result<Onward, String> {
        let scheme = if stream.is_plain() { "http" } else { "https" };
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW)
            .max_header_list_size(u32::try_from(reply::MAX_HEAD).unwrap_or(u32::MAX))
            .max_send_buffer_size(WAITING);
        let (requests, connection) = builder.handshake(stream).await.map_err(|error| error.to_string())?;
        let (asks, answers) = (Asks::Head(Vec::new()), Answers::Nothing);
        Ok(Onward { connection, over: false, requests, scheme, asks, answers, came: Bytes::new() })
    }

    /// Lets the connection go on.
    fn drive(&mut self, context: &mut Context<'_>) {
        self.over = self.over || Pin::new(&mut self.connection).poll(context).is_ready();
    }

    /// Takes bytes of a head, and begins a stream when it is whole. Gives how many were taken.
    fn begin_stream(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Asks::Head(head) = &mut self.asks else { return Ok(0) };
        let old = head.len();
        head.extend_from_slice(bytes);
        let Some(end) = reply::end(head, old) else {
            return if head.len() > 2 * MAX_HEAD { Err(odd()) } else { Ok(bytes.len()) };
        };
        head.truncate(end);
        let (request, body) = request(head, self.scheme).ok_or_else(odd)?;
        let ends = body == Body::Length(0);
        let (answer, send) = self.requests.send_request(request, ends).map_err(broken)?;
        self.answers = Answers::Head(answer);
        self.asks = if ends { Asks::Said } else { Asks::Body { send, left: Left::new(body), waits: Bytes::new() } };
        Ok(end - old)
    }

    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Asks::Body { send, left, waits } = &mut self.asks else { return Poll::Ready(Ok(())) };
        let last = left.is_done();
        ready!(send_waiting(send, waits, last, context))?;
        if last {
            self.asks = Asks::Said;
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes of an answer; none where there is nothing to wait for.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        match &mut self.answers {
            Answers::Nothing => Poll::Ready(Ok(Bytes::new())),
            Answers::Head(answer) => {
                let (parts, body) = ready!(Pin::new(answer).poll(context)).map_err(broken)?.into_parts();
                let ends = body.is_end_stream();
                self.answers = if ends { Answers::Nothing } else { Answers::Body(body) };
                self.end(ends);
                Poll::Ready(Ok(head(&Response::from_parts(parts, ()), ends).into()))
            }
            Answers::Body(body) => {
                let bytes = match ready!(body.poll_data(context)) {
                    Some(bytes) => {
                        let bytes = bytes.map_err(broken)?;
                        body.flow_control().release_capacity(bytes.len()).map_err(broken)?;
                        // An empty one would be the last: it says nothing, and the next is waited for.
                        if bytes.is_empty() {
                            return self.poll_answer(context);
                        }
                        super::chunk(&bytes)
                    }
                    None => {
                        let trailers = ready!(body.poll_trailers(context)).map_err(broken)?;
                        self.answers = Answers::Nothing;
                        self.end(true);
                        let fields = fields(&trailers.unwrap_or_default());
                        [&b"0\r\n"[..], &fields, b"\r\n"].concat().into()
                    }
                };
                Poll::Ready(Ok(bytes))
            }
        }
    }

    /// Where a request was said and answered, the next may come.
    fn end(&mut self, ends: bool) {
        if ends && matches!(self.asks, Asks::Said) {
            self.asks = Asks::Head(Vec::new());
        }
    }
}

impl AsyncRead for Onward {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.came.is_empty() {
            this.drive(context);
            match this.poll_answer(context) {
                Poll::Ready(came) => this.came = came?,
                Poll::Pending if this.over => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        if this.came.is_empty() {
            // Nothing was asked: only its end can come.
            return if this.over { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let some = this.came.len().min(buffer.remaining());
        buffer.put_slice(&this.came[..some]);
        this.came.advance(some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Onward {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.drive(context);
        if this.over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_waiting(context))?;
        let taken = match &mut this.asks {
            Asks::Head(_) => {
                ready!(this.requests.poll_ready(context)).map_err(broken)?;
                this.begin_stream(bytes)?
            }
            Asks::Body { left, waits, .. } => {
                let (some, mut carried) = (bytes.len().min(WAITING), Vec::new());
                let taken = left.take_with(&bytes[..some], &mut |range| carried.extend_from_slice(&bytes[range]))?;
                *waits = carried.into();
                taken
            }
            Asks::Said => return Poll::Ready(Err(odd())),
        };
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(context);
        ready!(this.poll_waiting(context))?;
        // What was just said goes out with it.
        this.drive(context);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// A request as a stream says it. Its head was written by this gate.
fn request(head: &[u8], scheme: &str) -> Option<(Request<()>, Body)> {
    let text = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, path) = first.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
    let (mut headers, mut host, mut chunked) = (HeaderMap::new(), None, false);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        match name {
            HOST => host = Some(value),
            TRANSFER_ENCODING => chunked = true,
            CONNECTION => {}
            name => drop(headers.try_append(name, value).ok()?),
        }
    }
    let body = match headers.get(CONTENT_LENGTH) {
        _ if chunked => Body::Chunked,
        Some(length) => Body::Length(length.to_str().ok()?.parse().ok()?),
        None => Body::Length(0),
    };
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let uri = Uri::builder().scheme(scheme).authority(host?.as_bytes()).path_and_query(path).build().ok()?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some((request, body))
}

/// An answer's head; `ends` says that nothing is behind it.
fn head(answer: &Response<()>, ends: bool) -> Vec<u8> {
    let mut headers = answer.headers().clone();
    // Its length is told by the chunks, behind which trailers can stand.
    headers.remove(CONTENT_LENGTH);
    let framing: &[u8] = if ends { b"content-length: 0\r\n\r\n" } else { b"transfer-encoding: chunked\r\n\r\n" };
    [format!("HTTP/1.1 {}\r\n", answer.status().as_u16()).as_bytes(), &fields(&headers), framing].concat()
}

fn fields(headers: &HeaderMap) -> Vec<u8> {
    headers
        .iter()
        .flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat())
        .collect()
}

fn odd() -> io::Error {
    io::Error::other("the request does not fit into HTTP/2")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_said_as_its_head_has_it() {
        let said = b"POST /s/M?a=b HTTP/1.1\r\nHost: a.example:444\r\ncontent-type: application/grpc\r\nX: \xc3\xa9\r\nx: 2\r\n\
            transfer-encoding: chunked\r\nConnection: close\r\n\r\n";
        let (request, body) = request(said, "https").unwrap();
        assert_eq!((request.method(), body), (&Method::POST, Body::Chunked));
        assert_eq!(request.uri().to_string(), "https://a.example:444/s/M?a=b");
        let fields = fields(request.headers());
        let expected = b"content-type: application/grpc\r\nx: \xc3\xa9\r\nx: 2\r\nte: trailers\r\n";
        assert_eq!(fields.escape_ascii().to_string(), expected.escape_ascii().to_string());
        let length = |text: &str| super::request(text.as_bytes(), "http").map(|(_, body)| body);
        assert_eq!(length("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some(Body::Length(0)));
        assert_eq!(length("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"), Some(Body::Length(7)));
        for odd in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n",
            "",
        ] {
            assert_eq!(length(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_answer_is_read_in_chunks_whatever_its_length() {
        let mut answer = Response::new(());
        answer.headers_mut().insert("x", HeaderValue::from_static("y"));
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
        assert_eq!(head(&answer, false), b"HTTP/1.1 200\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(head(&answer, true), b"HTTP/1.1 200\r\nx: y\r\ncontent-length: 0\r\n\r\n");
    }
}
