//! One message to a server of MCP: read, decided, recorded, carried, and its answer heard.

use std::io;

use policy::mcp::{Id, Message, Odd, Said as Told, What, without_capabilities};
use policy::{Decision, decide};

use super::heard::Judge;
use super::hearing::{Hearing, SILENT};
use super::refusal::{Refused, say};
use super::servers::{Place, Question};
use crate::asked::Asked;
use crate::exchange::{Broken, Exchange, Left, Said};
use crate::forward::part;
use crate::head::{self, Body, Edit};
use crate::look::Look;
use crate::models::{answer, is_old};
use crate::passage::{Closed, Leave, Why};
use crate::requests::{Course, Requests, Taken};
use crate::stream::Inside;
use crate::turn::Takes;

impl<'a> Requests<'a> {
    /// Carries a request where MCP is spoken. Gives what has come of the next one, unless there can be none.
    ///
    /// # Errors
    /// When the program's side fails, or the answer breaks off.
    pub(crate) async fn ask_server(
        &self,
        inside: &mut impl Inside,
        mut asked: Asked,
        (mut taken, last): (Taken<'_>, bool),
        course: &mut Course<'a>,
    ) -> io::Result<Option<Vec<u8>>> {
        let passage = self.passage;
        let place = Place::of(&asked);
        let id = match self.said(&mut asked, &mut taken, &place) {
            Ok(id) => id,
            Err((id, odd, why)) => {
                let event = passage.turn_away(&asked, &format!("refused message: {why}"));
                let refused = Refused::odd(odd, why, event);
                return answer(inside, &say(id.as_ref(), "400 Bad Request", &refused)).await;
            }
        };
        if let Err(closed) = passage.consent(&mut asked, None).await {
            return closed_to(inside, id.as_ref(), closed).await;
        }
        let mut none = Vec::new();
        let body = taken.whole.as_mut().map_or(&mut none, |whole| &mut whole.body);
        if let Some(closed) = passage.keeps(&mut asked, body).await {
            return closed_to(inside, id.as_ref(), closed).await;
        }
        let leave = match self.let_out(&asked, course).await {
            Ok(leave) => leave,
            Err(closed) => return closed_to(inside, id.as_ref(), closed).await,
        };
        let judges = leave.judges();
        let Leave { meter, loan, request } = leave;
        let takes = Takes { old: is_old(&taken.head), last };
        taken.head = head::edit(&taken.head, &Edit { readable: true, ..Edit::default() });
        // As long as the body is held, so is its room.
        let (taken, _room) = taken.apart();
        let (head, body, rest) = match taken.with(&asked, loan.as_deref(), passage.leaves_out()) {
            Ok(said) => said,
            Err(why) => {
                let closed = passage.closed_to(&asked, why.to_string());
                return closed_to(inside, id.as_ref(), closed).await;
            }
        };
        let Some(outside) = &mut course.outside else { return Ok(None) };
        let exchange = Exchange::new(self.idle);
        let now = passage.now();
        let may = |bytes: usize, body: bool| now.meters.take(meter.as_deref(), bytes, body);
        let judge = Judge { passage, asked: &asked, because: request, place: place.clone() };
        let listens = head.starts_with(b"GET ");
        let mut hearing = Hearing::new(judge, (id.clone(), listens), takes, self.room.heard());
        let (carried, found) = {
            let mut look = Look::turning(judges, None, Some(&mut hearing));
            let said = Said { head: &head, body, rest, only: false };
            // On the heap: a connection that waits would carry its space about.
            let carried = Box::pin(exchange.run(inside, &mut outside.stream, said, &may, &mut look)).await;
            (carried, look.found())
        };
        if let Some(id) = hearing.left() {
            passage.servers.leave(&place, id);
        }
        self.came_back(outside, loan.as_deref(), found);
        outside.carried(&head, &exchange, &carried);
        match carried {
            Ok(Left::Both(rest)) if !last => Ok(Some(rest)),
            Ok(left) => {
                self.let_go(course);
                part(inside, &left).await.map(|()| None)
            }
            Err(broken) => match self.broken(&asked, course, &exchange, &broken) {
                // What it said is no answer, and this is one.
                Some(closed) if matches!(broken, Broken::Unread(_)) => closed_to(inside, id.as_ref(), closed).await,
                Some(closed) => closed_to(inside, None, closed).await,
                None => Err(io::Error::other(broken)),
            },
        }
    }

    /// Reads what is said, and takes out of it what the server is not to be told. Gives the id by which its answer is known.
    fn said(
        &self,
        asked: &mut Asked,
        taken: &mut Taken<'_>,
        place: &Place,
    ) -> Result<Option<Id>, (Option<Id>, Option<Odd>, String)> {
        let refuse = |why: &str| Err((None, None, why.to_owned()));
        let (Some(asks), Some(whole)) = (&mut asked.asks, &mut taken.whole) else { return refuse("it was not read") };
        match asks.request.method().as_str() {
            "POST" => {}
            "GET" | "DELETE" if whole.body.is_empty() => {
                asks.request = asks.request.saying(SILENT);
                return Ok(None);
            }
            _ => return refuse("MCP is spoken by POST, and by GET and DELETE without a body"),
        }
        if !is_json(&asks.request) {
            return refuse("a message is `application/json`, and not compressed");
        }
        let value = super::read(&whole.body);
        let value = value.map_err(|why| (None, None, format!("it cannot be read: {why}")))?;
        let said = match Told::read(&value, &asks.request) {
            Ok(said) => said,
            Err(odd) => {
                let id = value.get("id").and_then(Id::of);
                return Err((id, Some(odd), odd.to_string()));
            }
        };
        let now = self.passage.now();
        let granted = |grant| {
            let request = asks.request.saying(Message::Granted(grant));
            let egress = policy::Egress {
                host: &asked.host,
                port: asked.port,
                program: asked.who.as_ref().map(|seen| &*seen.chain),
                request: Some(&request),
            };
            matches!(decide(&now.policy, &egress), Decision::Allow(_))
        };
        let message = match said.what {
            What::Message(message) => message,
            What::Answer(id) => match self.passage.servers.answer(place, Question::Message(id)) {
                // It was let ask, and whether it still is counts.
                Some(Some(grant)) => Message::Granted(grant),
                Some(None) => SILENT,
                None => return refuse("it answers what no server was let ask"),
            },
        };
        for name in said.gives {
            let by = self.passage.servers.answer(place, Question::Input(name));
            if !by.flatten().is_some_and(granted) {
                return Err((said.id, None, "it gives what no server was let ask for".into()));
            }
        }
        if let Some(begins) = without_capabilities(&value, granted) {
            whole.body = begins.to_string().into_bytes();
            let length = whole.body.len();
            asks.body = Body::Length(length as u64);
            taken.head = head::edit(&taken.head, &Edit { length: Some(length), ..Edit::default() });
        }
        asks.request = asks.request.saying(message);
        Ok(said.id)
    }
}

/// Whether a body is said to be JSON, as it is.
pub(crate) fn is_json(request: &policy::Request) -> bool {
    let named = |name: &str| {
        request.headers().filter(move |(other, _)| *other == name).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let plain = named("content-encoding").iter().all(|coding| coding.eq_ignore_ascii_case(b"identity"));
    let essence =
        |kind: &[u8]| kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let utf8 = |kind: &[u8]| {
        let mut rest = kind.split(|byte| *byte == b';').skip(1).map(|one| one.trim_ascii().to_ascii_lowercase());
        rest.all(|one| matches!(one.as_slice(), b"charset=utf-8" | b"charset=\"utf-8\""))
    };
    matches!(named("content-type").as_slice(), [kind] if essence(kind) == b"application/json" && utf8(kind)) && plain
}

/// Tells a program why it is refused, in the place of an answer.
async fn closed_to(inside: &mut impl Inside, id: Option<&Id>, closed: Closed) -> io::Result<Option<Vec<u8>>> {
    let mut refused = Refused::forbidden(closed.why.to_string(), closed.event);
    if let Why::Refused { suggestion: Some(rule), .. } = &closed.why {
        refused.why += &format!("; the smallest rule that would allow it: {rule}");
    }
    answer(inside, &say(id, closed.status(), &refused)).await
}
