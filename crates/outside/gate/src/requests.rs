//! Requests where they are decided one by one: read from the program, judged, and only then said to the destination, on
//! one connection that lasts as long as both sides want. Within TLS they are read in the same way.

use std::io;
use std::time::Duration;

use record::{Cause, Kind, Known};
use sense::meaning::is_fetch;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::collect::{Collected, Room, Uncollected};
use crate::exchange::{Broken, Exchange, Left, Said};
use crate::forward::{odd, part, read_head, refuse};
use crate::head::{self, Body, Direct, HANDSHAKE, HeadError, Place};
use crate::http2::{self, Onward};
use crate::lend::{self, LendError, Loan};
use crate::look::Look;
use crate::models::Whole;
use crate::outside::{Outside, Pool};
use crate::passage::{Allowed, Asked, Closed, Leave, Passage, Passed, Why};
use crate::risk::Overhears;
use crate::stream::{Again, Inside, Outer};
use crate::tls::{Authority, Refused, is_newer};

/// How long a head may take to come, and a handshake.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Longest body that is known before the operator is asked about its request: as many of them may be held as there are
/// connections.
const KNOWN: u64 = 16 << 10;

/// How long it may take to come.
const SOON: Duration = Duration::from_secs(2);

/// What most heads fit into: they are read at once.
const HEAD: usize = 1 << 10;

/// What serving requests needs.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    /// The way out.
    pub(crate) passage: &'a Passage,
    /// Speaks TLS, where the plane gave what that needs.
    pub(crate) authority: Option<&'a Authority>,
    /// Room for bodies that are looked at.
    pub(crate) room: &'a Room,
    /// Connections outside that are kept for a moment.
    pub(crate) pool: &'a Pool,
    /// Places for connections.
    pub(crate) slots: &'a Semaphore,
    /// How long nothing may come.
    pub(crate) idle: Duration,
}

/// One connection of a program, and where it goes.
pub(crate) struct Course<'a> {
    pub(crate) asked: Asked,
    /// Its requests come within TLS and go out so.
    pub(crate) tls: Option<&'a Authority>,
    pub(crate) outside: Option<Outside>,
}

/// A request before it is decided.
pub(crate) struct Taken<'c> {
    pub(crate) head: Vec<u8>,
    body: Body,
    rest: Vec<u8>,
    /// All that it says, where that counts.
    pub(crate) whole: Option<Collected<'c>>,
}

impl<'c> Taken<'c> {
    /// The room that its body takes, apart from it.
    pub(crate) fn apart(mut self) -> (Taken<'c>, Option<SemaphorePermit<'c>>) {
        let room = self.whole.as_mut().and_then(|whole| whole.room.take());
        (self, room)
    }

    /// What goes out, with what is lent to it: head, body, and the bytes behind the head.
    pub(crate) fn with(
        self,
        asked: &Asked,
        loan: Option<&Loan>,
        strips: bool,
    ) -> Result<(Vec<u8>, Body, Vec<u8>), LendError> {
        let Taken { head, body, rest, whole } = self;
        let stripped = |head: Vec<u8>| if strips { lend::without_foreign(&asked.host, head) } else { head };
        let Some(Collected { mut body, rest, .. }) = whole else { return Ok((stripped(head), body, rest)) };
        let Some(asks) = asked.asks.as_deref() else { return Ok((head, Body::Length(0), rest)) };
        let (bare, said) = match loan {
            Some(loan) => (loan.without(&head), loan.put(&head, &mut body)?),
            None => (head.clone(), stripped(head)),
        };
        lend::no_placeholder(asks, loan, &bare, &body)?;
        let length = body.len() as u64;
        body.extend_from_slice(&rest);
        Ok((said, Body::Length(length), body))
    }
}

impl<'a> Requests<'a> {
    /// Serves requests to one destination, whose first bytes may have come already, until either side ends.
    ///
    /// # Errors
    /// When the program's side fails, or its request is cut short: it is then reset.
    pub(crate) async fn serve(&self, inside: &mut TcpStream, mut bytes: Vec<u8>, asked: Asked) -> io::Result<()> {
        let mut course = Course { asked: self.passage.named(asked), tls: None, outside: None };
        bytes.reserve(HEAD);
        if bytes.is_empty() && timeout(PATIENCE, inside.read_buf(&mut bytes)).await?? == 0 {
            return Ok(());
        }
        let newer = timeout(self.patience(), http2::begins(inside, &mut bytes)).await.unwrap_or(Ok(false))?;
        let served = match (bytes.first(), self.authority) {
            (Some(&HANDSHAKE), Some(authority)) => Box::pin(self.secured(inside, bytes, authority, &mut course)).await,
            _ if newer => Box::pin(self.streams(Again { first: bytes, stream: inside }, &course)).await,
            _ => self.one_by_one(inside, bytes, &mut course).await,
        };
        self.let_go(&mut course);
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
        self.let_go(&mut course);
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
        let accepted = timeout(self.patience(), authority.accept(stream, &course.asked.host)).await;
        let mut inside = match accepted.unwrap_or(Err(Refused::Slow)) {
            Ok(inside) => inside,
            Err(why) => {
                self.passage.turn_away(&course.asked, &format!("refused connection: {why}"));
                return Err(io::Error::other(why.to_string()));
            }
        };
        course.tls = Some(authority);
        if is_newer(&inside) {
            return Box::pin(self.streams(inside, course)).await;
        }
        self.one_by_one(&mut inside, Vec::new(), course).await
    }

    async fn one_by_one(
        &self,
        inside: &mut impl Inside,
        mut bytes: Vec<u8>,
        course: &mut Course<'a>,
    ) -> io::Result<()> {
        loop {
            // A program may wait before a request, but not within one.
            if bytes.is_empty() {
                bytes.reserve(HEAD);
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
            let read = timeout(self.patience(), read_head(inside, &mut bytes, read)).await;
            let direct = match read.unwrap_or(Ok(Err(HeadError::Slow)))? {
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

    /// The length of the body of a request that the operator is asked about, where all of it is in `rest`: an answer is for
    /// what it carries, too. What is long or slow stays unknown, and goes out alone.
    async fn known(
        &self,
        inside: &mut impl Inside,
        asked: &Asked,
        head: &[u8],
        rest: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        let Some(Body::Length(length @ ..=KNOWN)) = asked.asks.as_deref().map(|asks| asks.body) else {
            return Ok(None);
        };
        let length = usize::try_from(length).unwrap_or_default();
        if length > rest.len() {
            if !self.passage.asks_about(asked) || head::waits(head) {
                return Ok(None);
            }
            let due = Instant::now() + SOON;
            rest.reserve(length - rest.len());
            while rest.len() < length {
                match timeout_at(due, inside.read_buf(rest)).await {
                    Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(read) => read?,
                    Err(_) => return Ok(None),
                };
            }
        }
        Ok(Some(length))
    }

    /// What a request says, taken whole where what it says counts.
    async fn taken<'c>(
        &'c self,
        inside: &mut impl Inside,
        asked: &mut Asked,
        allowed: Option<Allowed>,
        (head, rest): (Vec<u8>, Vec<u8>),
    ) -> Result<Taken<'c>, Uncollected> {
        let body = asked.asks.as_ref().map_or(Body::Length(0), |asks| asks.body);
        let read = match allowed {
            Some(Allowed::Mcp) => true,
            Some(_) => self.passage.watches() || self.passage.believes(asked),
            None => false,
        };
        if !read {
            return Ok(Taken { head, body, rest, whole: None });
        }
        let waits = head::waits(&head);
        let whole = self.room.collect(inside, body, rest, (waits, self.idle)).await?;
        let length = whole.body.len();
        if let Some(asks) = &mut asked.asks {
            asks.body = Body::Length(length as u64);
        }
        // A request without a body says no length of it.
        let head = match body {
            Body::Length(0) => head,
            _ => head::edit(&head, &head::Edit { length: Some(length), ..head::Edit::default() }),
        };
        Ok(Taken { head, body, rest: Vec::new(), whole: Some(whole) })
    }

    /// Decides and carries one request. Gives what has come of the next, unless there can be none.
    pub(crate) async fn one(
        &self,
        inside: &mut impl Inside,
        Direct { asks, head, last, .. }: Direct,
        rest: Vec<u8>,
        course: &mut Course<'a>,
    ) -> io::Result<Option<Vec<u8>>> {
        if asks.request.is_websocket() {
            let direct = Direct { asks, head, length: 0, last };
            return Box::pin(self.websocket(inside, direct, rest, course)).await.map(|()| None);
        }
        let mut asked = Asked { asks: Some(Box::new(asks)), ..course.asked.clone() };
        let mut rest = rest;
        let known = self.known(inside, &asked, &head, &mut rest).await?;
        // Before its body is taken: how much of that is read depends on what is answered.
        if let Err(closed) = self.passage.consent(&mut asked, known.and_then(|length| rest.get(..length))).await {
            return refuse(inside, &closed).await.map(|()| None);
        }
        let allowed = self.passage.allows(&asked);
        // What it is taken for: its body shows whether that is so.
        let fetches = asked.fetches().filter(|_| self.passage.believes(&asked));
        let taken = match self.taken(inside, &mut asked, allowed, (head, rest)).await {
            Ok(taken) => taken,
            Err(Uncollected::Io(error)) => return Err(error),
            Err(odd) => {
                let words = odd.to_string();
                let event = self.passage.turn_away(&asked, &format!("refused request: {words}"));
                let why = match odd {
                    Uncollected::Slow => Why::Slow(words),
                    Uncollected::Torn => Why::Odd(words),
                    _ => Why::Refused { why: words, suggestion: None },
                };
                return refuse(inside, &Closed { why, event }).await.map(|()| None);
            }
        };
        if course.outside.as_mut().is_some_and(|outside| outside.stream.is_over()) {
            self.let_go(course);
        }
        // What is allowed may be another by the time that a body has come.
        let allowed = if taken.whole.is_some() { self.passage.allows(&asked) } else { allowed };
        let mut taken = match (allowed, taken) {
            (Some(Allowed::Inference), Taken { head, whole: Some(Collected { body, rest, .. }), .. }) => {
                let whole = Whole { head, body, rest, last };
                return Box::pin(self.ask_model(inside, &asked, whole, course)).await;
            }
            (Some(Allowed::Mcp), taken) => {
                return Box::pin(self.ask_server(inside, asked, (taken, last), course)).await;
            }
            (_, taken) => taken,
        };
        if let (Some(whole), Some(gzip)) = (&taken.whole, fetches)
            && !is_fetch(&whole.body, gzip)
        {
            let why = "it says that Git asks with it for what it lacks, and its body is another".to_owned();
            let event = self.passage.turn_away(&asked, &format!("refused request: {why}"));
            return refuse(inside, &Closed { why: Why::Refused { why, suggestion: None }, event }).await.map(|()| None);
        }
        if let Some(whole) = &mut taken.whole
            && let Some(closed) = self.passage.keeps(&mut asked, &mut whole.body).await
        {
            return refuse(inside, &closed).await.map(|()| None);
        }
        let leave = match self.let_out(&asked, course).await {
            Ok(leave) => leave,
            Err(closed) => return refuse(inside, &closed).await.map(|()| None),
        };
        // Where no risk leads to anything an answer goes by untouched.
        let (overhears, overheard) = self.passage.acts_on_risk().then(Overhears::new).unzip();
        let on = course.outside.as_ref().map(|outside| &outside.end);
        let (hears, heard) = self.passage.hears_for_anybody(&asked, leave.loan.is_some(), on).unzip();
        let (judges, plain) =
            (leave.judges().and(overhears).and(hears), leave.answers().is_some_and(|answers| answers.size.is_some()));
        let Leave { meter, loan, request } = leave;
        // As long as the body is held, so is its room.
        let (taken, _room) = taken.apart();
        let (head, body, rest) = match taken.with(&asked, loan.as_deref(), self.passage.leaves_out()) {
            Ok(said) => said,
            Err(why) => {
                let closed = self.passage.closed_to(&asked, why.to_string());
                return refuse(inside, &closed).await.map(|()| None);
            }
        };
        // How long a compressed answer is, nobody could tell.
        let head = if plain { head::edit(&head, &head::Edit { plain, ..head::Edit::default() }) } else { head };
        let Some(outside) = &mut course.outside else { return Ok(None) };
        let exchange = Exchange::new(self.idle);
        let now = self.passage.now();
        let may = |bytes: usize, body: bool| now.meters.take(meter.as_deref(), bytes, body);
        let said = Said { head: &head, body, rest, only: false };
        let mut look = Look::new(judges, None).last(last);
        let carried = exchange.run(inside, &mut outside.stream, said, &may, &mut look).await;
        self.came_back(outside, loan.as_deref(), look.found());
        if let Some(overheard) = overheard {
            self.passage.look_at_answer(&asked, overheard, request);
        }
        if let Some(heard) = heard.filter(|_| carried.is_ok()) {
            self.passage.make_public(&asked, heard, request).await;
        }
        outside.carried(&head, &exchange, &carried);
        match carried {
            Ok(Left::Both(rest)) if !last => Ok(Some(rest)),
            Ok(left) => {
                self.let_go(course);
                part(inside, &left).await.map(|()| None)
            }
            Err(broken) => match self.broken(&asked, course, &exchange, &broken) {
                Some(closed) => refuse(inside, &closed).await.map(|()| None),
                None => Err(io::Error::other(broken)),
            },
        }
    }

    /// Records why an exchange broke off, and ends the connection that it was on. Gives what the program is told, where
    /// nothing of an answer reached it: else its connection is cut, so that it takes no part for the whole.
    pub(crate) fn broken(
        &self,
        asked: &Asked,
        course: &mut Course<'_>,
        exchange: &Exchange,
        broken: &Broken,
    ) -> Option<Closed> {
        let turned = match broken {
            Broken::TooMuch => self.passage.turn_away(asked, &format!("request cut off: {broken}")),
            Broken::Unread(why) => self.passage.turn_away(asked, &format!("answer held back: {why}")),
            _ => None,
        };
        let ended = course.outside.take().and_then(|Outside { end, sent, received, .. }| {
            self.passage.ended(end.because(&broken.to_string()), sent, received)
        });
        let event = turned.or(ended);
        let why = broken.told(exchange.begun.get())?;
        Some(Closed { why, event })
    }

    /// Ends a connection whose answer nobody has a use for.
    pub(crate) fn give_up(&self, course: &mut Course<'_>, broken: &Broken) {
        if let Some(Outside { end, sent, received, .. }) = course.outside.take() {
            self.passage.closed(end.because(&broken.to_string()), sent, received);
        }
    }

    /// How long a head may take to come, and a handshake.
    pub(crate) fn patience(&self) -> Duration {
        PATIENCE.min(self.idle)
    }

    /// Decides a request, and makes the connection that it goes on unless there is one.
    pub(crate) async fn let_out(&self, asked: &Asked, course: &mut Course<'a>) -> Result<Leave, Closed> {
        // A program's one connection may lead to several providers, one after another.
        if course.outside.as_ref().is_some_and(|outside| !outside.serves(asked)) {
            self.let_go(course);
        }
        if course.outside.is_none() {
            course.outside = self.pool.take(asked, self.passage);
        }
        if let Some(outside) = &mut course.outside {
            let leave = self.passage.again(asked, &outside.end).await?;
            outside.begin();
            return Ok(leave);
        }
        if asked.host.server().is_some() {
            let (stream, end, leave) = self.passage.beside(asked).await?;
            course.outside = Some(Outside::new(asked, Outer::beside(stream), end));
            return Ok(leave);
        }
        let Passed { stream, end, leave, .. } = self.passage.pass(asked.clone()).await?;
        let secure = asked.is_secure();
        let stream = match self.authority.filter(|_| secure) {
            None if secure => {
                let why = "this gate was given nothing to speak TLS with".to_owned();
                let event = Some(end.event());
                self.passage.closed(end.because(&why), 0, 0);
                return Err(Closed { why: Why::Unreachable(why), event });
            }
            None => Outer::plain(stream),
            Some(authority) => match timeout(self.patience(), authority.connect(stream, asked)).await {
                Ok(Ok(stream)) => Outer::tls(stream),
                failed => {
                    let why = match failed {
                        Ok(Err(why)) => why,
                        _ => "the destination does not answer".into(),
                    };
                    let why = format!("no TLS with `{}`: {why}", asked.host);
                    let event = self.passage.ended(end.because(&why), 0, 0);
                    return Err(Closed { why: Why::Unreachable(why), event });
                }
            },
        };
        let stream = match asked.is_newer() {
            false => stream,
            true => match Onward::begin(stream).await {
                Ok(stream) => Outer::newer(stream),
                Err(why) => {
                    let why = format!("no HTTP/2 with `{}`: {why}", asked.host);
                    let event = self.passage.ended(end.because(&why), 0, 0);
                    return Err(Closed { why: Why::Unreachable(why), event });
                }
            },
        };
        course.outside = Some(Outside::new(asked, stream, end));
        Ok(leave)
    }

    /// A request that is not decided, since it can be read in more than one way.
    pub(crate) async fn odd(&self, inside: &mut impl Inside, course: &Course<'_>, why: HeadError) -> io::Result<()> {
        let event = self.passage.turn_away(&course.asked, &format!("refused request: {why}"));
        match why {
            HeadError::Tls => Err(io::Error::other(why)),
            HeadError::Slow => odd(inside, "408 Request Timeout", why, event).await,
            // codex asks for a WebSocket first. After this answer alone it goes on without one, and at once.
            HeadError::Upgrade | HeadError::Websocket if self.passage.is_for_models(&course.asked) => {
                odd(inside, "426 Upgrade Required", why, event).await
            }
            _ => odd(inside, "400 Bad Request", why, event).await,
        }
    }

    /// Records that a server gave back what it was lent. The program got stars in its place.
    pub(crate) fn came_back(&self, outside: &Outside, loan: Option<&Loan>, times: u64) {
        let Some(loan) = loan.filter(|_| times > 0) else { return };
        let cause = Cause { id: outside.end.event(), known: Known::Observed };
        let kind = Kind::Evidence {
            what: format!("the credential {} came back and was masked", loan.name()),
            source: outside.host().to_string(),
            how: String::new(),
            quoted: String::new(),
        };
        // What cannot be recorded is masked all the same.
        let _ = self.passage.ledger.borrow_mut().write_after([cause], kind);
    }

    /// Has no more use for the connection outside.
    pub(crate) fn let_go(&self, course: &mut Course<'_>) {
        self.pool.keep(course.outside.take(), self.passage);
    }
}
