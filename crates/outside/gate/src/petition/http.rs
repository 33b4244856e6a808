//! Petitions over plain HTTP/1.1, by the parser that reads every head: no form of saying the host leads to anybody else's.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::petition::{Answer, Denial, MAX_PETITION, Reason, Verb};

use super::{OTHER_PORT, PORT, Told, What, mcp, own, tools};
use crate::asked::{Asked, Asks};
use crate::collect::Collected;
use crate::forward::{self, FAREWELL, finish, odd, read_head};
use crate::head::{self, Body, Direct, HANDSHAKE, HeadError, Place};
use crate::passage::{Closed, Why};
use crate::requests::{PATIENCE, Requests};
use crate::sightings::Seen;
use crate::stream::{Again, Inside};

/// How long a program may take to read its answer.
const READING: Duration = Duration::from_secs(10);

/// What is said back.
pub(super) struct Reply {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(status: &'static str, body: &Value) -> Reply {
        Reply { status, kind: "application/json", body: body.to_string() + "\n" }
    }

    fn text(body: String) -> Reply {
        Reply { status: "200 OK", kind: "text/plain; charset=utf-8", body }
    }

    /// Whether nothing further is read on its connection: what it is about was not taken whole.
    fn ends(&self) -> bool {
        self.status.starts_with("411") || self.status.starts_with("413")
    }

    fn bytes(&self, last: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        if !self.body.is_empty() {
            let _ = write!(head, "Content-Type: {}\r\n", self.kind);
        }
        match self.status.get(..3) {
            Some("405") => head += "Allow: GET, POST\r\n",
            Some("429" | "503") => head += "Retry-After: 5\r\n",
            _ => {}
        }
        let end = if last { "Connection: close\r\n" } else { "" };
        let _ = write!(head, "Cache-Control: no-store\r\nContent-Length: {}\r\n{end}\r\n", self.body.len());
        [head.as_bytes(), self.body.as_bytes()].concat()
    }
}

impl Requests<'_> {
    /// Serves petitions on one connection, whose first bytes may have come already, until either side ends.
    ///
    /// # Errors
    /// When the program's side fails: it is then reset.
    pub(crate) async fn petitions(
        &self,
        inside: &mut impl Inside,
        mut bytes: Vec<u8>,
        who: Option<&Seen>,
    ) -> io::Result<()> {
        let host = own();
        let place = Place { host: &host, port: PORT, tls: false };
        let Some(_seat) = self.passage.desk.seat() else {
            let told = self.passage.too_much(who, "", "as many connections as may be are open for petitions");
            return say(inside, &reply(told), true).await.map(drop);
        };
        loop {
            if bytes.is_empty() && timeout(self.patience(), inside.read_buf(&mut bytes)).await.unwrap_or(Ok(0))? == 0 {
                return Ok(());
            }
            let parse = |bytes: &[u8], looked| head::parse_direct(bytes, looked, &place);
            let read = timeout(self.patience(), read_head(inside, &mut bytes, parse)).await;
            let direct = match read.unwrap_or(Ok(Err(HeadError::Slow)))? {
                Ok(direct) => direct,
                Err(why) => return self.no_petition(inside, who, why).await,
            };
            bytes.drain(..direct.length);
            match self.one_petition(inside, direct, bytes, who).await? {
                Some(rest) => bytes = rest,
                None => return Ok(()),
            }
        }
    }

    /// Refuses a head that can be read in more than one way, or names another host.
    ///
    /// # Errors
    /// When the program's side fails.
    pub(crate) async fn no_petition(
        &self,
        inside: &mut impl Inside,
        who: Option<&Seen>,
        why: HeadError,
    ) -> io::Result<()> {
        let event = self.passage.unfit(who, "", &format!("refused request: {why}")).event;
        let status = if why == HeadError::Slow { "408 Request Timeout" } else { "400 Bad Request" };
        odd(inside, status, why, event).await
    }

    /// Answers one. Gives what has come of the next, unless there can be none.
    ///
    /// # Errors
    /// When the program's side fails.
    pub(crate) async fn one_petition(
        &self,
        inside: &mut impl Inside,
        Direct { asks, head, last, .. }: Direct,
        rest: Vec<u8>,
        who: Option<&Seen>,
    ) -> io::Result<Option<Vec<u8>>> {
        let too_much = match asks.body {
            _ if asks.request.is_websocket() => Some(("400 Bad Request", "no WebSocket is spoken here".to_owned())),
            Body::Chunked => {
                Some(("411 Length Required", "a petition says its length, and comes in no chunks".to_owned()))
            }
            Body::Length(length) if length > MAX_PETITION as u64 => {
                Some(("413 Content Too Large", format!("a petition has at most {MAX_PETITION} bytes")))
            }
            Body::Length(_) => None,
        };
        if let Some((status, why)) = too_much {
            let told = self.passage.unfit(who, "", &why);
            return say(inside, &Reply { status, ..reply(told) }, true).await;
        }
        let collected = self.passage.desk.room.collect(inside, asks.body, rest, (head::waits(&head), PATIENCE)).await;
        let Collected { body, rest, room } = match collected {
            Ok(collected) => collected,
            Err(crate::collect::Uncollected::Io(error)) => return Err(error),
            Err(why) => {
                let told = self.passage.unfit(who, "", &why.to_string());
                return say(inside, &Reply { status: "408 Request Timeout", ..reply(told) }, true).await;
            }
        };
        let reply = self.petitioned(&asks, &body, who).await;
        drop((body, room));
        // Who asks for a head alone takes what follows it for the next.
        let bare = asks.request.method().as_str() == "HEAD";
        let reply = if bare { Reply { body: String::new(), ..reply } } else { reply };
        let last = last || reply.ends();
        Ok(say(inside, &reply, last).await?.and(Some(rest)))
    }

    async fn petitioned(&self, asks: &Asks, body: &[u8], who: Option<&Seen>) -> Reply {
        let (passage, request) = (self.passage, &asks.request);
        // A page that a program shows could have its browser ask, and that is nobody who is inside.
        if request.headers().any(|(name, _)| matches!(name, "origin" | "referer")) {
            let told = passage.unfit(who, "", "it comes from a page in a browser, and none of those may ask here");
            return Reply { status: "403 Forbidden", ..reply(told) };
        }
        if !passage.is_paced() {
            return reply(passage.too_much(who, "", "petitions come too fast"));
        }
        let (path, query) =
            asks.target.split_once('?').map_or((&*asks.target, None), |(path, query)| (path, Some(query)));
        let method = request.method().as_str();
        let verb = path.strip_prefix('/').and_then(Verb::named);
        match (method, path, verb) {
            ("GET", "/", _) if query.is_none() => Reply::text(tools::page()),
            ("POST", "/mcp", _) if query.is_none() => mcp::answer(passage, who, request, body).await,
            (_, "/" | "/mcp", _) => self.not_so(who, method, path, if path == "/" { "GET" } else { "POST" }),
            ("GET", _, Some(verb)) if verb.only_reads() && body.is_empty() => match parameters(query) {
                Ok(with) => reply(passage.petition(who, verb, with).await),
                Err(why) => reply(passage.unfit(who, verb.name(), why)),
            },
            ("POST", _, Some(verb)) if query.is_none() => match object(body) {
                Ok(with) => reply(passage.petition(who, verb, with).await),
                Err(why) => reply(passage.unfit(who, verb.name(), &why)),
            },
            (_, _, Some(verb)) => {
                self.not_so(who, method, path, if verb.only_reads() { "GET, or POST without a query," } else { "POST" })
            }
            _ => {
                let told = passage.unfit(who, "", "there is nothing at this path");
                Reply { status: "404 Not Found", ..reply(told) }
            }
        }
    }

    fn not_so(&self, who: Option<&Seen>, method: &str, path: &str, by: &str) -> Reply {
        let why = format!("`{method}` is not how `{path}` is asked: {by} is");
        Reply { status: "405 Method Not Allowed", ..reply(self.passage.unfit(who, "", &why)) }
    }

    /// Tells a program that came to the port of HTTPS where it is right, within TLS where that can be spoken.
    ///
    /// # Errors
    /// When the program's side fails.
    pub(crate) async fn not_within_tls(&self, inside: &mut TcpStream, who: Option<&Seen>) -> io::Result<()> {
        let asked = Asked { host: own(), port: 443, who: who.cloned(), asks: None, consent: None };
        let closed = Closed {
            event: self.passage.turn_away(&asked, OTHER_PORT),
            why: Why::Refused { why: OTHER_PORT.into(), suggestion: None },
        };
        let mut first = Vec::new();
        if timeout(self.patience(), inside.read_buf(&mut first)).await?? == 0 {
            return Ok(());
        }
        match self.authority.filter(|_| first.first() == Some(&HANDSHAKE)) {
            None => forward::refuse(inside, &closed).await,
            Some(authority) => {
                let stream = Again { first, stream: inside };
                let accepted = timeout(self.patience(), Box::pin(authority.accept(stream, &asked.host))).await?;
                let mut inside = accepted.map_err(|why| io::Error::other(why.to_string()))?;
                forward::refuse(&mut inside, &closed).await
            }
        }
    }
}

/// What a verb is asked with, in a body: nothing is an empty object.
fn object(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    crate::mcp::read(body).map_err(|why| format!("it cannot be read as JSON: {why}"))
}

/// The same in a query: numbers, each once.
fn parameters(query: Option<&str>) -> Result<Value, &'static str> {
    let mut with = Map::new();
    for (name, value) in query.into_iter().flat_map(|query| query.split('&')).filter_map(|one| one.split_once('=')) {
        let plain = !value.is_empty() && value.len() <= 10 && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|_| plain).ok_or("what stands in a query is a number")?;
        if with.insert(name.to_owned(), number.into()).is_some() {
            return Err("a name stands twice in the query");
        }
    }
    match query.is_some_and(|query| query.split('&').any(|one| !one.contains('='))) {
        true => Err("a query is `child=1&seconds=30`"),
        false => Ok(with.into()),
    }
}

/// How an answer is said.
pub(super) fn reply(told: Told) -> Reply {
    let status = status(&told.what);
    Reply::json(status, &value(told))
}

/// An answer as JSON, with the event that tells of it.
pub(super) fn value(Told { event, what }: Told) -> Value {
    let value = match what {
        What::Me(me) => serde_json::to_value(me),
        What::Answer(answer) => serde_json::to_value(answer),
    };
    let mut value = value.unwrap_or_default();
    if let (Some(event), Some(fields)) = (event, value.as_object_mut()) {
        fields.insert("event".into(), event.to_string().into());
    }
    value
}

const fn status(what: &What) -> &'static str {
    match what {
        What::Answer(Answer::Denied(Denial { reason, .. })) => match reason {
            Reason::NotGranted => "403 Forbidden",
            Reason::NoSuch => "404 Not Found",
            Reason::TooMuch => "429 Too Many Requests",
            Reason::NotNow => "503 Service Unavailable",
            Reason::Unfit => "400 Bad Request",
        },
        _ => "200 OK",
    }
}

/// Says it. Gives whether the connection goes on.
async fn say(inside: &mut impl Inside, reply: &Reply, last: bool) -> io::Result<Option<Vec<u8>>> {
    if last {
        inside.ends();
    }
    // A program that does not read must not hold its place.
    let said = async {
        inside.write_all(&reply.bytes(last)).await?;
        inside.flush().await
    };
    timeout(READING.max(FAREWELL), said).await??;
    if last {
        finish(inside).await?;
        return Ok(None);
    }
    Ok(Some(Vec::new()))
}
