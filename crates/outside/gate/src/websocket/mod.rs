//! WebSockets: a request that asks for one is decided like every other, and what both sides then say is read frame by frame.
//! Where a session watches what leaves it, no message of a program goes out before it was whole and judged.

mod accept;
mod back;
mod carry;
pub mod frame;
mod there;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::asked::Asked;
use crate::exchange::{Broken, Exchange, Said};
use crate::forward::{FAREWELL, finish, refuse};
use crate::head::{Body, Direct, HeadError};
use crate::lend::{self, LendError, Loan};
use crate::look::Look;
use crate::passage::Leave;
use crate::reply::{self, MAX_HEAD};
use crate::requests::{Course, Requests};
use crate::stream::{Again, Inside, Outer};
use carry::{Ended, Socket};

/// What a server answers first: its head, and what came behind that.
struct Answer {
    head: Vec<u8>,
    rest: Vec<u8>,
}

impl<'a> Requests<'a> {
    /// Decides a request that asks for a WebSocket, and carries what is said on it. Nothing follows on that connection:
    /// where there is no WebSocket, what came behind the request is dropped.
    ///
    /// # Errors
    /// When the program's side fails.
    pub(crate) async fn websocket(
        &self,
        inside: &mut impl Inside,
        Direct { asks, head, .. }: Direct,
        said: Vec<u8>,
        course: &mut Course<'a>,
    ) -> io::Result<()> {
        let mut asked = Asked { asks: Some(Box::new(asks)), ..course.asked.clone() };
        if let Err(closed) = self.passage.consent(&mut asked, Some(&[])).await {
            return refuse(inside, &closed).await;
        }
        let allowed = self.passage.allows(&asked).is_some();
        if !allowed && self.passage.is_for_models(&course.asked) {
            return self.odd(inside, course, HeadError::Upgrade).await;
        }
        if allowed
            && self.passage.watches()
            && let Some(closed) = self.passage.keeps(&mut asked, &mut Vec::new()).await
        {
            return refuse(inside, &closed).await;
        }
        if course.outside.as_mut().is_some_and(|outside| outside.stream.is_over()) {
            self.let_go(course);
        }
        let leave = match self.let_out(&asked, course).await {
            Ok(leave) => leave,
            Err(closed) => return refuse(inside, &closed).await,
        };
        let head = match lent(&asked, leave.loan.as_deref(), head, self.passage.leaves_out()) {
            Ok(head) => head,
            Err(why) => return refuse(inside, &self.passage.closed_to(&asked, why.to_string())).await,
        };
        let exchange = Exchange::new(self.idle);
        match self.open(inside, (&head, said), &asked, leave, &exchange, course).await {
            Ok(()) => Ok(()),
            Err(broken) => match self.broken(&asked, course, &exchange, &broken) {
                Some(closed) => refuse(inside, &closed).await,
                None => Err(io::Error::other(broken)),
            },
        }
    }

    async fn open(
        &self,
        inside: &mut impl Inside,
        (head, said): (&[u8], Vec<u8>),
        asked: &Asked,
        leave: Leave,
        exchange: &Exchange,
        course: &mut Course<'a>,
    ) -> Result<(), Broken> {
        let (Some(outside), Some(asks)) = (&mut course.outside, asked.asks.as_deref()) else { return Ok(()) };
        let judges = leave.judges();
        let Leave { meter, loan, .. } = leave;
        let now = self.passage.now();
        if !now.meters.take(meter.as_deref(), head.len(), false) {
            return Err(Broken::TooMuch);
        }
        let asking = timeout(self.patience(), ask(&mut outside.stream, head)).await;
        let answer = asking.unwrap_or_else(|_| Err(Broken::Server("does not answer in time".into())))?;
        outside.sent += head.len() as u64;
        let spellings = loan.as_ref().map(|loan| loan.spellings());
        if reply::status(&answer.head) != Some(101) {
            let first = [answer.head, answer.rest].concat();
            let mut server = Again { first, stream: &mut outside.stream };
            let mut look = Look::new(judges, None);
            let said = Said { head: &[], body: Body::Length(0), rest: Vec::new(), only: true };
            // On the heap, as whatever a WebSocket that waits has no use for.
            let carried = Box::pin(exchange.run(inside, &mut server, said, &|_, _| true, &mut look)).await;
            outside.received += exchange.received.get();
            self.came_back(outside, loan.as_deref(), look.found());
            carried?;
            return finish(inside).await.map_err(Broken::Program);
        }
        let opened = accept::opened(&answer.head, &asks.request)
            .map_err(|why| Broken::Server(format!("does not answer as one that becomes a WebSocket: {why}")))?;
        let socket = Socket::new(self, asked, (now, meter), spellings);
        let opened = socket.veiled(&opened);
        exchange.begun.set(true);
        let written = async {
            inside.write_all(&opened).await?;
            inside.flush().await
        };
        written.await.map_err(Broken::Program)?;
        let ended = socket.run(inside, &mut outside.stream, said, answer.rest).await;
        outside.sent += socket.sent.get();
        outside.received += socket.received.get() + opened.len() as u64;
        self.came_back(outside, loan.as_deref(), socket.found.get());
        match ended {
            Ended::Done => {}
            Ended::Broken(broken) => return Err(broken),
            Ended::Shut { why, .. } => self.give_up(course, &why),
        }
        if let Some(outside) = &mut course.outside {
            // It is over either way.
            let _ = timeout(FAREWELL, outside.stream.shutdown()).await;
        }
        finish(inside).await.map_err(Broken::Program)
    }
}

/// The request as the server gets it, with what is lent to it.
fn lent(asked: &Asked, loan: Option<&Loan>, head: Vec<u8>, strips: bool) -> Result<Vec<u8>, LendError> {
    let Some(asks) = asked.asks.as_deref() else { return Ok(head) };
    if !strips {
        return Ok(head);
    }
    let (bare, said) = match loan {
        Some(loan) => (loan.without(&head), loan.put(&head, &mut Vec::new())?),
        None => (head.clone(), lend::without_foreign(&asked.host, head)),
    };
    lend::no_placeholder(asks, loan, &bare, &[]).map(|()| said)
}

/// Says the request and hears the head of its answer. What comes before that is for nobody.
async fn ask(server: &mut Outer, head: &[u8]) -> Result<Answer, Broken> {
    let failed = |error: io::Error| Broken::Server(format!("broke the connection off: {error}"));
    server.write_all(head).await.map_err(failed)?;
    server.flush().await.map_err(failed)?;
    let (mut bytes, mut heads) = (Vec::new(), 0);
    loop {
        if let Some(end) = reply::end(&bytes, 0) {
            let rest = bytes.split_off(end);
            heads += end;
            match reply::status(&bytes) {
                Some(100 | 102..=199) if heads <= MAX_HEAD => bytes = rest,
                _ => return Ok(Answer { head: bytes, rest }),
            }
            continue;
        }
        if heads + bytes.len() > MAX_HEAD {
            return Err(Broken::Server("answers with a head that is too long".into()));
        }
        bytes.reserve(1024);
        if server.read_buf(&mut bytes).await.map_err(failed)? == 0 {
            return Err(Broken::Server("ended the connection before its answer was whole".into()));
        }
    }
}
