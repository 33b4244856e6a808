//! Requests where they are decided one by one: read from the program, judged, and only then said to the destination, on
//! one connection that lasts as long as both sides want. Within TLS they are read in the same way.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::{Exchange, Left, Said};
use crate::forward::{finish, odd, read_head, refuse};
use crate::head::{self, Direct, HANDSHAKE, HeadError, Place};
use crate::meters::Meter;
use crate::passage::{Asked, Closed, End, Passage, Passed, Why};
use crate::stream::{Again, Outer};
use crate::tls::Authority;

/// How long a head may take to come, and a handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What serving requests needs.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    /// The way out.
    pub(crate) passage: &'a Passage,
    /// Speaks TLS, where the plane gave what that needs.
    pub(crate) authority: Option<&'a Authority>,
    /// How long nothing may come.
    pub(crate) idle: Duration,
}

/// One connection of a program, and where it goes.
struct Course<'a> {
    asked: Asked,
    /// Its requests come within TLS and go out so.
    tls: Option<&'a Authority>,
    outside: Option<Outside>,
}

/// The connection outside, and what it carried.
#[derive(Debug)]
struct Outside {
    stream: Outer,
    end: End,
    sent: u64,
    received: u64,
}

impl<'a> Requests<'a> {
    /// Serves requests to one destination, whose first bytes may have come already, until either side ends.
    ///
    /// # Errors
    /// When the program's side fails, or its request is cut short: it is then reset.
    pub(crate) async fn serve(&self, inside: &mut TcpStream, mut bytes: Vec<u8>, asked: Asked) -> io::Result<()> {
        let mut course = Course { asked: self.passage.named(asked), tls: None, outside: None };
        if bytes.is_empty() && timeout(PATIENCE, inside.read_buf(&mut bytes)).await?? == 0 {
            return Ok(());
        }
        let served = match (bytes.first(), self.authority) {
            (Some(&HANDSHAKE), Some(authority)) => self.secured(inside, bytes, authority, &mut course).await,
            _ => self.one_by_one(inside, bytes, &mut course).await,
        };
        self.close(course.outside.take());
        served
    }

    /// Serves one request, whose head was read already and whose body begins with `rest`.
    ///
    /// # Errors
    /// As [`Requests::serve`].
    pub(crate) async fn serve_one(
        &self,
        inside: &mut TcpStream,
        head: Result<Direct, HeadError>,
        rest: Vec<u8>,
        asked: Asked,
    ) -> io::Result<()> {
        let mut course = Course { asked: self.passage.named(asked), tls: None, outside: None };
        let served = match head {
            Ok(direct) => self.one(inside, direct, rest, &mut course).await.map(drop),
            Err(why) => self.odd(inside, &course, why).await,
        };
        self.close(course.outside.take());
        served
    }

    /// The same within TLS.
    async fn secured(
        &self,
        inside: &mut TcpStream,
        first: Vec<u8>,
        authority: &'a Authority,
        course: &mut Course<'a>,
    ) -> io::Result<()> {
        let stream = Again { first, stream: inside };
        let mut inside = match timeout(PATIENCE, authority.accept(stream, &course.asked.host)).await? {
            Ok(inside) => inside,
            Err(why) => {
                self.passage.turn_away(&course.asked, &format!("refused connection: {why}"));
                return Err(io::Error::other(why.to_string()));
            }
        };
        course.tls = Some(authority);
        self.one_by_one(&mut inside, Vec::new(), course).await
    }

    async fn one_by_one(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        mut bytes: Vec<u8>,
        course: &mut Course<'a>,
    ) -> io::Result<()> {
        loop {
            // A program may wait before a request, but not within one.
            if bytes.is_empty() {
                let patience = if course.outside.is_none() { PATIENCE } else { self.idle };
                match timeout(patience, inside.read_buf(&mut bytes)).await {
                    Ok(Ok(length)) if length > 0 => {}
                    Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
                    Err(_) if course.outside.is_none() => return Err(io::ErrorKind::TimedOut.into()),
                    _ => return Ok(()),
                }
            }
            let (host, port, tls) = (&course.asked.host, course.asked.port, course.tls.is_some());
            let read = |bytes: &[u8], looked| head::parse_direct(bytes, looked, &Place { host, port, tls });
            let direct = match timeout(PATIENCE, read_head(inside, &mut bytes, read)).await?? {
                Ok(direct) => direct,
                Err(why) => return self.odd(inside, course, why).await,
            };
            bytes.drain(..direct.length);
            match self.one(inside, direct, bytes, course).await? {
                Some(rest) => bytes = rest,
                None => return Ok(()),
            }
        }
    }

    /// Decides and carries one request. Gives what has come of the next, unless there can be none.
    async fn one(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        Direct { asks, head, last, .. }: Direct,
        rest: Vec<u8>,
        course: &mut Course<'a>,
    ) -> io::Result<Option<Vec<u8>>> {
        let body = asks.body;
        let asked = Asked { asks: Some(Box::new(asks)), ..course.asked.clone() };
        if course.outside.as_mut().is_some_and(|outside| outside.stream.is_over()) {
            self.close(course.outside.take());
        }
        let meter = match self.let_out(&asked, course).await {
            Ok(meter) => meter,
            Err(closed) => return refuse(inside, &closed).await.map(|()| None),
        };
        let Some(outside) = &mut course.outside else { return Ok(None) };
        let exchange = Exchange::new(self.idle);
        let may = |bytes: usize, body: bool| self.passage.meters.take(meter.as_deref(), bytes, body);
        let said = Said { head: &head, body, rest, only: false };
        let carried = exchange.run(inside, &mut outside.stream, said, &may).await;
        outside.sent += exchange.sent.get();
        outside.received += exchange.received.get();
        match carried {
            Ok(Left::Both(rest)) if !last => Ok(Some(rest)),
            Ok(_) => finish(inside).await.map(|()| None),
            Err(error) => {
                if error.kind() == io::ErrorKind::QuotaExceeded {
                    self.passage.turn_away(&asked, "request cut off: it said more than its rule allows");
                }
                Err(error)
            }
        }
    }

    /// Decides a request, and makes the connection that it goes on unless there is one.
    async fn let_out(&self, asked: &Asked, course: &mut Course<'a>) -> Result<Option<Box<Meter>>, Closed> {
        if let Some(outside) = &course.outside {
            return self.passage.again(asked, &outside.end).await;
        }
        let Passed { stream, end, meter, .. } = self.passage.pass(asked.clone()).await?;
        let stream = match course.tls {
            None => Outer::Plain(stream),
            Some(authority) => match timeout(PATIENCE, authority.connect(stream, &asked.host)).await {
                Ok(Ok(stream)) => Outer::Tls(Box::new(stream)),
                failed => {
                    let why = match failed {
                        Ok(Err(why)) => why,
                        _ => "the destination does not answer".into(),
                    };
                    let why = format!("no TLS with `{}`: {why}", asked.host);
                    let event = Some(end.event());
                    self.passage.closed(end.because(&why), 0, 0);
                    return Err(Closed { why: Why::Unreachable(why), event });
                }
            },
        };
        course.outside = Some(Outside { stream, end, sent: 0, received: 0 });
        Ok(meter)
    }

    /// A request that is not decided, since it can be read in more than one way.
    async fn odd(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        course: &Course<'_>,
        why: HeadError,
    ) -> io::Result<()> {
        let event = self.passage.turn_away(&course.asked, &format!("refused request: {why}"));
        if why == HeadError::Tls { Err(io::Error::other(why)) } else { odd(inside, why, event).await }
    }

    fn close(&self, outside: Option<Outside>) {
        if let Some(Outside { end, sent, received, .. }) = outside {
            self.passage.closed(end, sent, received);
        }
    }
}
