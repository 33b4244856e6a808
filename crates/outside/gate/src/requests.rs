//! Requests where they are decided one by one: read from the program, judged, and only then said to the destination, on
//! one connection that lasts as long as both sides want.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::{Exchange, Left};
use crate::forward::{finish, read_head, refuse, say};
use crate::head::{self, Direct, HeadError};
use crate::passage::{Asked, Passage, Passed};

/// How long a head may take to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What serving requests needs.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    /// The way out.
    pub(crate) passage: &'a Passage,
    /// How long nothing may come.
    pub(crate) idle: Duration,
}

/// The connection outside, and what it carried.
#[derive(Debug)]
struct Outside {
    passed: Passed,
    sent: u64,
    received: u64,
}

impl Requests<'_> {
    /// Serves requests to one destination, whose first bytes may have come already, until either side ends.
    ///
    /// # Errors
    /// When the program's side fails, or its request is cut short: it is then reset.
    pub(crate) async fn serve(&self, inside: &mut TcpStream, bytes: Vec<u8>, asked: Asked) -> io::Result<()> {
        let (asked, mut outside) = (self.passage.named(asked), None);
        let served = self.one_by_one(inside, bytes, &asked, &mut outside).await;
        self.close(outside.take());
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
        let (asked, mut outside) = (self.passage.named(asked), None);
        let served = match head {
            Ok(direct) => self.one(inside, direct, rest, &asked, &mut outside).await.map(drop),
            Err(why) => self.odd(inside, &asked, why).await,
        };
        self.close(outside.take());
        served
    }

    async fn one_by_one(
        &self,
        inside: &mut TcpStream,
        mut bytes: Vec<u8>,
        asked: &Asked,
        outside: &mut Option<Outside>,
    ) -> io::Result<()> {
        loop {
            let patience = if outside.is_none() { PATIENCE } else { self.idle };
            let read = |bytes: &[u8], looked| head::parse_direct(bytes, looked, &asked.host, asked.port);
            let head = match timeout(patience, read_head(inside, &mut bytes, read)).await {
                Ok(Err(error)) if bytes.is_empty() && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Ok(head) => head?,
                Err(_) if bytes.is_empty() && outside.is_some() => return Ok(()),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
            let direct = match head {
                Ok(direct) => direct,
                Err(why) => return self.odd(inside, asked, why).await,
            };
            bytes.drain(..direct.length);
            match self.one(inside, direct, bytes, asked, outside).await? {
                Some(rest) => bytes = rest,
                None => return Ok(()),
            }
        }
    }

    /// Decides and carries one request. Gives what has come of the next, unless there can be none.
    async fn one(
        &self,
        inside: &mut TcpStream,
        Direct { asks, head, last, .. }: Direct,
        rest: Vec<u8>,
        asked: &Asked,
        outside: &mut Option<Outside>,
    ) -> io::Result<Option<Vec<u8>>> {
        let body = asks.body;
        let asked = Asked { asks: Some(asks), ..asked.clone() };
        if outside.as_ref().is_some_and(|outside| is_over(&outside.passed.stream)) {
            self.close(outside.take());
        }
        let decided = match &*outside {
            Some(Outside { passed, .. }) => self.passage.again(&asked, passed).await,
            None => self.passage.pass(asked.clone()).await.map(|mut passed| {
                let meter = std::mem::take(&mut passed.meter);
                *outside = Some(Outside { passed, sent: 0, received: 0 });
                meter
            }),
        };
        let (meter, Outside { passed, sent, received }) = match (decided, outside.as_mut()) {
            (Ok(meter), Some(outside)) => (meter, outside),
            (Err(closed), _) => return refuse(inside, &closed).await.map(|()| None),
            (Ok(_), None) => return Ok(None),
        };
        let exchange = Exchange::new(self.idle);
        let takes = |bytes: usize, body: bool| self.passage.meters.take(&meter, bytes, body);
        let carried = exchange.one(inside, &mut passed.stream, &head, (body, rest), &takes).await;
        *sent += exchange.sent.get();
        *received += exchange.received.get();
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

    /// A request that is not decided, since it can be read in more than one way.
    async fn odd(&self, inside: &mut TcpStream, asked: &Asked, why: HeadError) -> io::Result<()> {
        self.passage.turn_away(asked, &format!("refused request: {why}"));
        if why == HeadError::Tls {
            return Err(io::Error::other(why));
        }
        say(inside, "400 Bad Request", &format!("bastide refused this request: {why}\n")).await
    }

    fn close(&self, outside: Option<Outside>) {
        if let Some(Outside { passed, sent, received }) = outside {
            self.passage.closed(passed.end, sent, received);
        }
    }
}

/// Whether the destination has ended a connection on which nothing is asked, or speaks out of turn.
fn is_over(stream: &TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
