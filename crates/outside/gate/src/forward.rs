//! The explicit proxy at `proxy.bastide:3128`: CONNECT, and one forwarded `http` request. What it lets out goes by
//! the same [`crate::passage::Passage`] as every other connection.

use std::io;
use std::time::Duration;

use policy::{DnsName, Host};
use record::EventId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::{Exchange, Left, Said};
use crate::head::{self, Direct, HeadError, Want};
use crate::look::Look;
use crate::naming::PROXY_BASTIDE;
use crate::passage::{Asked, Closed, End, Passed, Why};
use crate::petition;
use crate::relay::{Buffers, relay};
use crate::requests::{PATIENCE, Requests};
use crate::scratch::Scratch;
use crate::sightings::Seen;
use crate::stream::Inside;
use crate::tls::pass_hello;

/// The port of [`PROXY_BASTIDE`].
pub const PORT: u16 = 3128;
/// How long a program may take to read a refusal.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// The answer to CONNECT.
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What serving one connection needs.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The way out, and how requests go there.
    pub(crate) requests: Requests<'a>,
    /// Spare buffers.
    pub(crate) buffers: &'a Buffers,
}

impl Forward<'_> {
    /// Serves one request of a program.
    ///
    /// # Errors
    /// When the program's side fails: it is then reset.
    pub async fn serve(&self, inside: &mut TcpStream, who: Option<Seen>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let patience = PATIENCE.min(self.requests.idle);
        let head = match timeout(patience, read_head(inside, &mut bytes, head::parse_on)).await {
            Ok(head) => head?,
            Err(_) if bytes.is_empty() => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => Err(HeadError::Slow),
        };
        let head = match head {
            Ok(head) => head,
            Err(why) => {
                let event = self.requests.passage.turn_away(&itself(who)?, &format!("refused request: {why}"));
                let status = if why == HeadError::Slow { "408 Request Timeout" } else { "400 Bad Request" };
                return odd(inside, status, why, event).await;
            }
        };
        let rest = bytes.split_off(head.length);
        let mut asked = Asked { host: head.host.clone(), port: head.port, who, asks: None, consent: None };
        if self.requests.passage.is_own(&head.host) {
            return Box::pin(self.petition(inside, head, rest, &asked)).await;
        }
        if let Err(closed) = self.requests.passage.consent(&mut asked, None).await {
            return refuse(inside, &closed).await;
        }
        if self.requests.passage.reads(&asked) {
            match &head.want {
                Want::Tunnel => {
                    inside.write_all(ESTABLISHED).await?;
                    return self.requests.serve(inside, rest, asked).await;
                }
                // Its Host would be another than the name that is decided on.
                Want::Forward { .. } if self.requests.passage.named(asked.clone()).host != head.host => {
                    let why = "the target is an address that stands for a name: the request must say the name";
                    let event = self.requests.passage.turn_away(&asked, why);
                    let why = Why::Refused { why: why.into(), suggestion: None };
                    return refuse(inside, &Closed { why, event }).await;
                }
                Want::Forward { asks, head: said, .. } => {
                    let direct = asks.as_ref().clone().map(|asks| Direct {
                        asks,
                        head: said.clone(),
                        length: head.length,
                        last: true,
                    });
                    return self.requests.serve_one(inside, direct, rest, asked).await;
                }
            }
        }
        let Passed { stream: mut outside, end, only_tls, .. } = match self.requests.passage.pass(asked.clone()).await {
            Ok(passed) => passed,
            Err(closed) => return refuse(inside, &closed).await,
        };
        let (sent, received, result) = match (&head.want, only_tls) {
            (Want::Forward { .. }, Some(_)) => {
                let why = "nothing but TLS passes unread there, and this is none";
                let event = Some(end.event());
                self.requests.passage.closed(end.because(why), 0, 0);
                let why = Why::Refused { why: why.into(), suggestion: None };
                return refuse(inside, &Closed { why, event }).await;
            }
            (Want::Forward { head, body, .. }, None) => {
                let said = Said { head, body: *body, rest, only: true };
                return self.forward(inside, &mut outside, end, said).await;
            }
            (Want::Tunnel, only_tls) => self.carry(inside, &mut outside, (rest, only_tls, &asked)).await,
        };
        self.requests.passage.closed(end.of(&result), sent, received);
        result
    }

    /// What is said to the planes outside goes nowhere else, however it is said.
    async fn petition(&self, inside: &mut TcpStream, head: head::Head, rest: Vec<u8>, asked: &Asked) -> io::Result<()> {
        let who = asked.who.as_ref();
        if head.port != petition::PORT {
            return refuse(inside, &self.requests.passage.closed_to(asked, petition::OTHER_PORT.into())).await;
        }
        match head.want {
            Want::Tunnel => {
                inside.write_all(ESTABLISHED).await?;
                self.requests.petitions(inside, rest, who).await
            }
            // Its Host would be the address that stands for the name.
            Want::Forward { .. } if head.host != petition::own() => {
                self.requests.no_petition(inside, who, HeadError::OtherHost).await
            }
            Want::Forward { asks, head: said, .. } => match *asks {
                Ok(asks) => {
                    let direct = Direct { asks, head: said, length: head.length, last: true };
                    self.requests.one_petition(inside, direct, rest, who).await.map(drop)
                }
                Err(why) => self.requests.no_petition(inside, who, why).await,
            },
        }
    }

    async fn carry(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        (rest, only_tls, asked): (Vec<u8>, Option<Box<Host>>, &Asked),
    ) -> (u64, u64, io::Result<()>) {
        let started = async {
            inside.write_all(ESTABLISHED).await?;
            match only_tls {
                Some(host) => timeout(PATIENCE, Box::pin(pass_hello(inside, outside, rest, &host))).await?,
                None => outside.write_all(&rest).await.map(|()| rest.len() as u64),
            }
        };
        let first = match started.await {
            Ok(first) => first,
            Err(error) => return (0, 0, Err(error)),
        };
        let until = self.requests.passage.forbidden(asked);
        let (sent, received, result) = relay(inside, outside, self.buffers, self.requests.idle, until).await;
        (sent + first, received, result)
    }

    /// Carries one request where the connection was decided as a whole.
    async fn forward(
        &self,
        inside: &mut TcpStream,
        outside: &mut TcpStream,
        end: End,
        said: Said<'_>,
    ) -> io::Result<()> {
        let exchange = Exchange::new(self.requests.idle);
        let carried = exchange.run(inside, outside, said, &|_, _| true, &mut Look::default()).await;
        let (sent, received) = (exchange.sent.get(), exchange.received.get());
        let Err(broken) = carried else {
            self.requests.passage.closed(end, sent, received);
            return finish(inside).await;
        };
        let event = self.requests.passage.ended(end.because(&broken.to_string()), sent, received);
        match broken.told(exchange.begun.get()) {
            Some(why) => refuse(inside, &Closed { why, event }).await,
            None => Err(io::Error::other(broken)),
        }
    }
}

/// Reads until the head is whole. The inner error is the head's.
pub(crate) async fn read_head<H>(
    inside: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    parse: impl Fn(&[u8], usize) -> Result<Option<H>, HeadError>,
) -> io::Result<Result<H, HeadError>> {
    let mut looked = 0;
    loop {
        match parse(bytes, looked) {
            Ok(Some(head)) => return Ok(Ok(head)),
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
        looked = bytes.len();
        bytes.reserve(1024);
        if inside.read_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn itself(who: Option<Seen>) -> io::Result<Asked> {
    let name = DnsName::parse(PROXY_BASTIDE).map_err(io::Error::other)?;
    Ok(Asked { host: Host::Name(name), port: PORT, who, asks: None, consent: None })
}

pub(crate) async fn refuse(inside: &mut impl Inside, closed: &Closed) -> io::Result<()> {
    let Closed { why, event } = closed;
    let mut text = format!("bastide refused this: {why}\n");
    if let Why::Refused { suggestion: Some(rule), .. } = why {
        text += &format!("the smallest rule that would allow it: {rule}\n");
    }
    say(inside, closed.status(), text, *event).await
}

/// A request that is not decided, since it can be read in more than one way.
pub(crate) async fn odd(
    inside: &mut impl Inside,
    status: &str,
    why: HeadError,
    event: Option<EventId>,
) -> io::Result<()> {
    say(inside, status, format!("bastide refused this request: {why}\n"), event).await
}

/// Says what became of a request, and where the operator finds it.
async fn say(inside: &mut impl Inside, status: &str, mut text: String, event: Option<EventId>) -> io::Result<()> {
    if let Some(event) = event {
        text += &format!("the operator finds it by: bastide why {event}\n");
    }
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    );
    inside.ends();
    // A program that does not read must not hold what it was refused on.
    timeout(FAREWELL, inside.write_all(answer.as_bytes())).await??;
    finish(inside).await
}

/// Ends the program's side after an answer; it is dropped next. A program that said no more than its request has nothing
/// unread.
pub(crate) async fn part(inside: &mut impl Inside, left: &Left) -> io::Result<()> {
    match left {
        Left::Both(rest) if rest.is_empty() && inside.ends_by_itself() => Ok(()),
        Left::Both(rest) if rest.is_empty() => timeout(FAREWELL, inside.shutdown()).await?,
        _ => finish(inside).await,
    }
}

/// Ends the program's side in order: closing with unread bytes would reset it and could lose the answer.
pub(crate) async fn finish(inside: &mut impl Inside) -> io::Result<()> {
    timeout(FAREWELL, inside.shutdown()).await??;
    let drained = async {
        // So much, then it is reset: a program that goes on sending is not reading.
        for _ in 0..256 {
            if Scratch::read(inside).await?.is_empty() {
                break;
            }
        }
        Ok(())
    };
    timeout(FAREWELL, drained).await.unwrap_or(Ok(()))
}
