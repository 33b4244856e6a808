//! One provider is asked: recorded, judged once more as it is sent, carried, and its answer heard. Where nothing of an answer
//! reached the program, the next provider may be asked; never otherwise.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use policy::provider::Kind;
use policy::{Request, Sink};
use record::conversation::Usage;
use record::conversation::hold::{Judge, Wants};
use record::conversation::translate::Told;
use record::{Cause, EventId, Known, Verdict};

use super::ask::{answer, unreached};
use super::asking::Asker;
use super::calls::Keeper;
use super::foreign::Repeats;
use super::grounds::Grounds;
use super::plan::form;
use super::{Ended, Failure, Heard, Hearing, Planned, Sent, Taken, Whole, say};
use crate::asked::{Asked, Asks};
use crate::exchange::{Broken, Exchange, Left, Said};
use crate::forward::part;
use crate::head::Body;
use crate::look::{Look, Turns, Unread};
use crate::passage::{Leave, Why};
use crate::requests::{Course, Requests};
use crate::stream::Inside;
use crate::turn::{Takes, Turn};

/// One attempt to have a model asked.
pub(super) struct Attempt<'x, 'p> {
    pub(super) asked: &'x Asked,
    pub(super) planned: &'x Planned<'p>,
    pub(super) sent: Sent<'p>,
    pub(super) whole: &'x Whole,
    /// The attempt that came to nothing before.
    pub(super) before: Option<EventId>,
    /// There is another provider to ask.
    pub(super) more: bool,
    /// What it is likely to cost.
    pub(super) taken: Option<Taken>,
}

/// What came of it.
pub(super) enum Came {
    /// The program has its answer, or was told why there is none; what has come of its next request.
    Over(Option<Vec<u8>>),
    /// Nothing: another provider may be asked.
    Nothing {
        /// The event of the attempt.
        model: EventId,
        /// What the program said meanwhile is lost: it is not answered on this connection.
        heard: bool,
    },
}

impl<'a> Requests<'a> {
    /// Asks one provider.
    ///
    /// # Errors
    /// When the program's side fails, or the answer breaks off.
    pub(super) async fn attempt(
        &self,
        inside: &mut impl Inside,
        attempt: Attempt<'_, '_>,
        course: &mut Course<'a>,
    ) -> io::Result<Came> {
        let Attempt { asked, planned, mut sent, whole, before, more, taken } = attempt;
        let (passage, wire) = (self.passage, Some(planned.endpoint.wire));
        passage.listened().await;
        passage.aside.breathe(sent.body.len()).await;
        let Ok(model) = passage.asked_model(asked, planned, &sent, before).await else {
            passage.models.settle(taken, Ended::Unserved);
            let failure = Failure::refused("the record cannot be written, so nothing is let out".into());
            return self.unasked(inside, asked, Some(planned), (wire, failure)).await.map(Came::Over);
        };
        let (name, head) = (&sent.provider.name, sent.head(&whole.head, planned));
        if let Some(stopped) = passage.judges(name, Sink::Inference, &said_in(&head), &mut sent.body).await {
            passage.models.settle(taken, Ended::Unserved);
            let failure = Failure::refused(stopped.reason.clone());
            let event = passage.stop(asked, stopped).await.event;
            return answer(inside, &say(wire, &failure, event)).await.map(Came::Over);
        }
        let outer = outer(asked, planned, &sent, model)?;
        let leave = match self.let_out(&outer, course).await {
            Ok(leave) => leave,
            Err(closed) => {
                passage.models.settle(taken, Ended::Unserved);
                passage.unanswered(model, &closed.why.to_string());
                if more && matches!(closed.why, Why::Unreachable(_)) {
                    return Ok(Came::Nothing { model, heard: false });
                }
                return unreached(inside, wire, &closed).await.map(Came::Over);
            }
        };
        let judges = leave.judges();
        let now = passage.now();
        let Leave { meter, loan, .. } = leave;
        let said = planned.conversation.as_ref().filter(|_| planned.endpoint.kind == Kind::Inference);
        let grounds = said.and_then(|said| Grounds::of(&now, said, (&passage.models, &passage.servers)));
        let repeats = said.and_then(|said| Repeats::of(&now.policy, said, &passage.models));
        let asker = grounds.as_ref().and_then(|grounds| passage.asker((grounds, asked), planned, &sent, model));
        let mut keeper = passage.keeper((grounds.as_ref(), repeats, asked), planned, &sent, model);
        if let Some(keeper) = &mut keeper {
            keeper.asker = asker.as_ref();
        }
        let other = sent.turned.as_ref().map(|turned| (turned.way, Told { counts: turned.counts, now: clock() }));
        let mut turn = (other.is_some() || keeper.is_some()).then(|| {
            let judge = keeper.as_mut().map(|keeper| (form(planned.endpoint.wire), keeper as &mut dyn Judge));
            let takes = Takes { old: is_old(&whole.head), last: whole.last };
            Turn::new(other, judge, takes).asking(asker.as_ref())
        });
        let mut body = sent.body;
        let head = match &loan {
            Some(loan) => {
                let head = loan.put(&head, &mut body).map_err(io::Error::other)?;
                match sent.provider.login {
                    Some(login) => loan.with_account(&head, login),
                    None => head,
                }
            }
            None => head,
        };
        let length = body.len() as u64;
        body.extend_from_slice(&whole.rest);
        let Some(outside) = &mut course.outside else { return Ok(Came::Over(None)) };
        let exchange = Exchange::new(self.idle);
        let meters = passage.now();
        let may = |bytes: usize, body: bool| meters.meters.take(meter.as_deref(), bytes, body);
        let mut hearing = Hearing::new(planned.endpoint, more);
        let (carried, found) = {
            let turns = turn.as_mut().map(|turn| turn as &mut dyn Turns);
            let look = Look::turning(judges, Some(&mut hearing), turns);
            let mut look = look.within(self.room.heard()).last(whole.last);
            let said = Said { head: &head, body: Body::Length(length), rest: body, only: false };
            let carried = exchange.run(inside, &mut outside.stream, said, &may, &mut look).await;
            (carried, look.found())
        };
        self.came_back(outside, loan.as_deref(), found);
        outside.carried(&head, &exchange, &carried);
        if let Some(mut heard) = hearing.finish(carried.as_ref().err()) {
            let usage = turn.as_ref().map(Turn::usage).filter(|usage| *usage != Usage::default());
            heard.delivered.usage = usage.unwrap_or(heard.delivered.usage);
            let cost = passage.models.settle(taken, ended(&heard, carried.as_ref().err(), exchange.received.get()));
            passage.models.answered(model, &heard, cost, &passage.ledger);
            passage.look_at_calls(&heard.delivered.blocks, model);
        }
        match carried {
            Ok(Left::Both(rest)) if !whole.last => Ok(Came::Over(Some(rest))),
            Ok(left) => {
                self.let_go(course);
                part(inside, &left).await.map(|()| Came::Over(None))
            }
            Err(broken) if more && gives_way(&broken, &exchange) => {
                self.give_up(course, &broken);
                Ok(Came::Nothing { model, heard: true })
            }
            Err(broken) => match self.broken(&outer, course, &exchange, &broken) {
                Some(closed) => unreached(inside, wire, &closed).await.map(Came::Over),
                None => Err(io::Error::other(broken)),
            },
        }
    }
}

/// Whether another provider is asked: this one failed, or has too much to do, and the program has nothing of an answer.
fn gives_way(broken: &Broken, exchange: &Exchange) -> bool {
    matches!(broken, Broken::Server(_) | Broken::Unread(Unread::Busy(_))) && !exchange.begun.get()
}

/// What an answer of so many bytes says of its cost.
fn ended(heard: &Heard, broken: Option<&Broken>, bytes: u64) -> Ended {
    let usage = heard.delivered.usage;
    match (heard.status, broken) {
        (300.., _) | (0, Some(Broken::Server(_))) => Ended::Unserved,
        _ if heard.delivered.whole && usage.input.is_some() => Ended::Told(usage),
        _ => Ended::Untold(usage, bytes),
    }
}

/// The same request as its provider is sent it.
fn outer(asked: &Asked, planned: &Planned<'_>, sent: &Sent<'_>, model: EventId) -> io::Result<Asked> {
    let provider = sent.provider;
    let request = Request::new(planned.endpoint.method, &sent.target).map_err(io::Error::other)?;
    let asks = Asks {
        request,
        target: sent.target.clone(),
        body: Body::Length(sent.body.len() as u64),
        head: 0,
        secure: provider.tls,
        newer: false,
        because: vec![Cause { id: model, known: Known::Observed }],
        routed: true,
        stood: None,
    };
    let who = asked.who.clone();
    Ok(Asked { host: provider.host.clone(), port: provider.port, who, asks: Some(Box::new(asks)), consent: None })
}

/// What a program says in a head that was written here: the target, and its headers; none of what is the gate's own.
fn said_in(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let target = lines.next().and_then(|line| line.split(|byte| *byte == b' ').nth(1));
    let own = |name: &[u8]| ["host", "content-length"].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    let headers = lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
        (!own(name)).then_some([name, value])
    });
    target.into_iter().chain(headers.flatten()).collect()
}

/// Whether a program knows nothing of chunks.
pub(crate) fn is_old(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\r').next().is_some_and(|line| line.ends_with(b"HTTP/1.0"))
}

/// Seconds since the Unix epoch.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl crate::passage::Passage {
    /// What judges an answer, where a flow rule is about calls or words, or calls are to be grounded.
    fn keeper<'c>(
        &'c self,
        (grounds, repeats, asked): (Option<&'c Grounds<'c>>, Option<Repeats<'c>>, &'c Asked),
        planned: &'c Planned<'_>,
        sent: &Sent<'_>,
        model: EventId,
    ) -> Option<Keeper<'c>> {
        let calls = self.flows.guards(Sink::Tool) || grounds.is_some();
        let wants = Wants { calls, words: self.flows.guards(Sink::Human) || repeats.is_some() };
        if planned.endpoint.kind != Kind::Inference || !(wants.calls || wants.words) {
            return None;
        }
        let whom = Some((planned, sent.provider, sent.asked.as_str()));
        let refused = self.model(asked, whom, Verdict::Refused, None);
        let (wire, told) = (form(planned.endpoint.wire), HashMap::new());
        Some(Keeper { passage: self, asked, wire, model, refused, wants, told, grounds, asker: None, repeats })
    }

    /// What asks about calls of an answer, where a policy wants that and somebody may be there.
    fn asker<'c>(
        &'c self,
        (grounds, asked): (&'c Grounds<'c>, &'c Asked),
        planned: &'c Planned<'_>,
        sent: &Sent<'_>,
        model: EventId,
    ) -> Option<Asker<'c>> {
        let conversation = planned.conversation.as_ref()?;
        if !grounds.asks() || !self.held.asks() {
            return None;
        }
        let refused = self.model(asked, Some((planned, sent.provider, sent.asked.as_str())), Verdict::Refused, None);
        let ruled = RefCell::default();
        Some(Asker { passage: self, asked, model, refused, conversation, grounds, ruled })
    }

    /// Records that a provider gave no answer.
    fn unanswered(&self, model: EventId, why: &str) {
        let heard = Heard { fault: Some(why.to_owned()), ..Heard::default() };
        self.models.answered(model, &heard, None, &self.ledger);
    }
}
