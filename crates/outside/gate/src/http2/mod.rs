//! HTTP/2 on the program's side: many streams on one connection, each of them a request that is read, judged and carried as
//! one in HTTP/1.1 is, by the same code. What belongs to the connection as a whole ends it; what belongs to one stream ends
//! that alone. Nothing is decided here.

pub mod answer;
pub mod head;
mod onward;
mod places;
mod stream;
mod watched;

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use crate::forward::{self, FAREWELL};
use crate::head::{HeadError, MAX_HEAD, Place, parse_direct};
use crate::requests::{Course, Requests};
pub(crate) use onward::Onward;
use places::Places;
use stream::Stream;
use watched::Watched;

/// What begins such a connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams at once on one connection. Each takes the place of a connection, so that there are fewer where those are few.
const MOST: usize = 64;
/// How long a connection without streams is kept: others may need its places, and a program makes a new one by itself.
const LULL: Duration = Duration::from_secs(60);
/// Bytes of one body that may come before they are asked for.
const WINDOW: u32 = 32 << 10;
/// Bytes of one answer that wait for their program.
const WAITING: usize = 16 << 10;
/// Longest list of headers that is taken apart: a head of [`MAX_HEAD`] bytes, by the way in which HTTP/2 counts them.
const FIELDS: u32 = (MAX_HEAD + MAX_HEAD / 2) as u32;
/// Streams that a program may give up before anybody looked at them.
const GIVEN_UP: usize = 16;
/// Streams on one connection that may break the protocol by themselves.
const BROKEN: usize = 64;

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// What comes next on a connection.
enum Next {
    Stream(Box<Accepted>),
    /// Streams that the library refused.
    Refused(u64),
    Over(Result<(), h2::Error>),
}

/// Whether a connection begins as one of HTTP/2; reads on for as long as that cannot be told.
///
/// # Errors
/// When the program's side fails.
pub(crate) async fn begins(inside: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<bool> {
    while bytes.len() < PREFACE.len() && PREFACE.starts_with(bytes) {
        if inside.read_buf(bytes).await? == 0 {
            return Ok(false);
        }
    }
    Ok(bytes.starts_with(PREFACE))
}

impl<'a> Requests<'a> {
    /// Serves the requests of one connection until either side ends.
    ///
    /// # Errors
    /// When the program's side fails, or breaks the protocol: its connection is then reset.
    pub(crate) async fn streams(
        &self,
        inside: impl AsyncRead + AsyncWrite + Unpin,
        course: &Course<'a>,
    ) -> io::Result<()> {
        // Half of what is free: what else the cell does goes on.
        let most = (1 + self.slots.available_permits() / 2).min(MOST);
        let refused = Cell::new(0);
        let begun = timeout(self.patience(), bounded(most).handshake(Watched::new(inside, &refused))).await;
        let mut connection = match begun {
            Ok(begun) => begun.map_err(|error| self.ended(course, error))?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let places = Places::new(self.slots);
        let mut running = FuturesUnordered::new();
        let served = {
            let mut due = Instant::now() + self.patience();
            let mut leaving = false;
            loop {
                let full = running.len() >= most;
                tokio::select! {
                    biased;
                    Some(()) = running.next(), if !running.is_empty() => due = Instant::now() + LULL.min(self.idle),
                    next = next(&mut connection, full, &refused) => match next {
                        Next::Stream(accepted) => running.push(self.stream(*accepted, course, &places)),
                        Next::Refused(times) => (0..times).for_each(|_| self.malformed(course)),
                        Next::Over(over) => break over.map_err(|error| self.ended(course, error)),
                    },
                    () = sleep_until(due), if running.is_empty() => {
                        if std::mem::replace(&mut leaving, true) {
                            break Ok(());
                        }
                        // What the program says meanwhile is still answered.
                        connection.graceful_shutdown();
                        due = Instant::now() + FAREWELL;
                    }
                }
            }
        };
        // They see the end of their connection, and record what became of each.
        while running.next().await.is_some() {}
        drop(running);
        (0..refused.take()).for_each(|_| self.malformed(course));
        self.pool.keep(places.last(), self.passage);
        served
    }

    /// Serves one stream.
    async fn stream(&self, (request, mut respond): Accepted, course: &Course<'a>, places: &Places<'a>) {
        let Some((place, outside)) = places.take() else {
            // It says that nothing was done, so that the program may ask again.
            respond.send_reset(Reason::REFUSED_STREAM);
            self.passage.turn_away(&course.asked, "refused request: as many connections as may be are open");
            return;
        };
        let mut course = Course { asked: course.asked.clone(), tls: course.tls, outside };
        let (parts, body) = request.into_parts();
        let read = {
            let (host, port, tls) = (&course.asked.host, course.asked.port, course.tls.is_some());
            let head = head::head(&parts, body.is_end_stream(), tls);
            let place = Place { host, port, tls };
            head.and_then(|head| parse_direct(&head, 0, &place)?.ok_or(HeadError::TooLong))
        };
        let mut inside = Stream::new(body, respond, parts.method == Method::HEAD);
        // Whatever breaks is recorded where it does.
        let _ = match read {
            Ok(mut direct) => {
                inside.frame(direct.asks.body);
                direct.asks.newer = head::is_grpc(&parts);
                // On the heap: what a stream that waits for its place has no use for.
                Box::pin(self.one(&mut inside, direct, Vec::new(), &mut course)).await
            }
            Err(why) => self.unread(&mut inside, &course, why).await.map(|()| None),
        };
        inside.end();
        let rest = places.give(&place, course.outside.take());
        self.pool.keep(rest, self.passage);
    }

    /// What cannot be read in one way only is refused; what is said to another host goes on another connection.
    async fn unread(&self, inside: &mut Stream, course: &Course<'a>, why: HeadError) -> io::Result<()> {
        if why != HeadError::OtherHost {
            return self.odd(inside, course, why).await;
        }
        let event = self.passage.turn_away(&course.asked, &format!("refused request: {why}"));
        forward::odd(inside, "421 Misdirected Request", why, event).await
    }

    /// Records a stream that the library refused.
    fn malformed(&self, course: &Course<'_>) {
        self.passage.turn_away(&course.asked, "refused request: what its stream says is no request in HTTP/2");
    }

    /// Records what the protocol does not allow. A program that left says nothing that had to be.
    fn ended(&self, course: &Course<'_>, error: h2::Error) -> io::Error {
        if !error.is_io() && !error.is_remote() {
            self.passage.turn_away(&course.asked, &format!("refused connection: it is no HTTP/2 ({error})"));
        }
        if error.is_io() {
            error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into())
        } else {
            io::Error::other(error)
        }
    }
}

/// How HTTP/2 is spoken: what a hostile program may make this process hold is bounded for each stream, and with their number.
fn bounded(most: usize) -> Builder {
    let streams = u32::try_from(most).unwrap_or(1);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        .max_header_list_size(FIELDS)
        .initial_window_size(WINDOW)
        // Every stream has its window: one that is not read stops no other.
        .initial_connection_window_size(WINDOW * streams)
        .max_send_buffer_size(WAITING)
        .max_concurrent_reset_streams(GIVEN_UP)
        .max_pending_accept_reset_streams(GIVEN_UP)
        .max_local_error_reset_streams(Some(BROKEN));
    builder
}

/// What comes next. While there are as many streams as may be, those alone go on.
async fn next<S>(connection: &mut Connection<S, Bytes>, full: bool, refused: &Cell<u64>) -> Next
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    std::future::poll_fn(|context| {
        let next = if full {
            connection.poll_closed(context).map(Next::Over)
        } else {
            connection.poll_accept(context).map(|accepted| match accepted {
                Some(Ok(accepted)) => Next::Stream(Box::new(accepted)),
                Some(Err(error)) => Next::Over(Err(error)),
                None => Next::Over(Ok(())),
            })
        };
        match (next, refused.get()) {
            (Poll::Pending, 1..) => Poll::Ready(Next::Refused(refused.take())),
            (next, _) => next,
        }
    })
    .await
}

/// Hands on what waits, as the other side takes it; with the last of it, the stream ends.
fn send_waiting(
    send: &mut SendStream<Bytes>,
    waits: &mut Bytes,
    last: bool,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !waits.is_empty() {
        send.reserve_capacity(waits.len());
        let room = match send.capacity() {
            0 => ready!(send.poll_capacity(context)).ok_or(io::ErrorKind::BrokenPipe)?.map_err(broken)?,
            room => room,
        };
        let some = waits.split_to(room.min(waits.len()));
        let end = last && waits.is_empty();
        send.send_data(some, end).map_err(broken)?;
        if end {
            return Poll::Ready(Ok(()));
        }
    }
    if last {
        send.send_data(Bytes::new(), true).map_err(broken)?;
    }
    Poll::Ready(Ok(()))
}

/// One chunk, of bytes that are not none.
fn chunk(bytes: &[u8]) -> Bytes {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}

/// What became of a stream: reset by the other side, or by what breaks its protocol.
fn broken(error: h2::Error) -> io::Error {
    match error.reason() {
        Some(Reason::NO_ERROR | Reason::CANCEL) if error.is_remote() => io::ErrorKind::ConnectionReset.into(),
        _ => io::Error::other(error),
    }
}
