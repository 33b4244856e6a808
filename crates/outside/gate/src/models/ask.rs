//! One request to a model: planned, recorded, sent to its provider, and its answer heard.

use std::io;

use policy::provider::{Kind, Wire};
use policy::{Request, Sink};
use record::{Cause, EventId, Known, Verdict};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Failure, Hearing, Planned, plan, say};
use crate::asked::{Asked, Asks};
use crate::exchange::{Exchange, Left, Said};
use crate::forward::{FAREWELL, finish};
use crate::head::{Body, Edit, edit};
use crate::look::Look;
use crate::passage::{Closed, Leave};
use crate::requests::{Course, Requests};
use crate::veil::Veil;

/// What a program said, whole.
pub(crate) struct Whole {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// The beginning of its next request.
    pub(crate) rest: Vec<u8>,
    /// It says no other on the connection.
    pub(crate) last: bool,
}

impl<'a> Requests<'a> {
    /// Asks the model that a request is for. Gives what has come of the next request, unless there can be none.
    ///
    /// # Errors
    /// When the program's side fails, or the answer breaks off.
    pub(crate) async fn ask_model(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        asked: &Asked,
        whole: Whole,
        course: &mut Course<'a>,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(asks) = asked.asks.as_deref() else { return Ok(None) };
        let passage = self.passage;
        let now = passage.now();
        let planned = match plan(&now.policy, &passage.models, asks, &whole.body) {
            Ok(planned) => planned,
            Err((wire, failure)) => return self.unasked(inside, asked, None, (wire, failure)).await,
        };
        let wire = Some(planned.endpoint.wire);
        if planned.endpoint.kind == Kind::Probe {
            // Whether its vendor is there is nothing that a program needs to ask the vendor.
            return answer(inside, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
        if let Err(failure) = passage.models.admit(now.policy.model_budget()) {
            return self.unasked(inside, asked, Some(&planned), (wire, failure)).await;
        }
        let provider = planned.provider.name.clone();
        let Ok(model) = passage.asked_model(asked, &planned) else {
            let failure = Failure::refused("the record cannot be written, so nothing is let out".into());
            return self.unasked(inside, asked, Some(&planned), (wire, failure)).await;
        };
        if let Some(stopped) = passage.flows.judge(&provider, Sink::Inference, &[&planned.body], &sense::Bounds::USUAL)
        {
            let failure = Failure::refused(stopped.reason.clone());
            let event = passage.stop(asked, stopped).event;
            return answer(inside, &say(wire, &failure, event)).await;
        }
        let outer = outer(asked, &planned, model)?;
        let Leave { meter, loan } = match self.let_out(&outer, course).await {
            Ok(leave) => leave,
            Err(closed) => return unreached(inside, wire, &closed).await,
        };
        let head = written(&whole.head, &planned);
        let mut body = planned.body;
        let head = match &loan {
            Some(loan) => loan.put(&head, &mut body).map_err(io::Error::other)?,
            None => head,
        };
        let length = body.len() as u64;
        body.extend_from_slice(&whole.rest);
        let Some(outside) = &mut course.outside else { return Ok(None) };
        let exchange = Exchange::new(self.idle);
        let may = |bytes: usize, body: bool| now.meters.take(meter.as_deref(), bytes, body);
        let mut hearing = Hearing::new(planned.endpoint);
        let (carried, found) = {
            let veil = loan.as_ref().map(|loan| Veil::new(loan.spellings()));
            let mut look = Look::new(veil, Some(&mut hearing));
            let said = Said { head: &head, body: Body::Length(length), rest: body, only: false };
            let carried = exchange.run(inside, &mut outside.stream, said, &may, &mut look).await;
            (carried, look.found())
        };
        self.came_back(outside, loan.as_deref(), found);
        outside.sent += exchange.sent.get();
        outside.received += exchange.received.get();
        if let Some(delivered) = hearing.finish(carried.as_ref().err()) {
            passage.models.answered(model, &delivered, &passage.ledger);
        }
        match carried {
            Ok(Left::Both(rest)) if !whole.last => Ok(Some(rest)),
            Ok(_) => finish(inside).await.map(|()| None),
            Err(broken) => match self.broken(&outer, course, &exchange, &broken) {
                Some(closed) => unreached(inside, wire, &closed).await,
                None => Err(io::Error::other(broken)),
            },
        }
    }

    /// Tells a program that its model was not asked, and the record why.
    async fn unasked(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        asked: &Asked,
        planned: Option<&Planned<'_>>,
        (wire, failure): (Option<Wire>, Failure),
    ) -> io::Result<Option<Vec<u8>>> {
        let event = self.passage.refused_model(asked, planned, &failure.why);
        answer(inside, &say(wire, &failure, event)).await
    }
}

async fn unreached(
    inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
    wire: Option<Wire>,
    closed: &Closed,
) -> io::Result<Option<Vec<u8>>> {
    let failure = Failure { status: closed.status(), why: closed.why.to_string() };
    answer(inside, &say(wire, &failure, closed.event)).await
}

async fn answer(inside: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) -> io::Result<Option<Vec<u8>>> {
    // As whatever is refused: a program that does not read must not hold its connection.
    timeout(FAREWELL, inside.write_all(text)).await??;
    finish(inside).await.map(|()| None)
}

/// The same request as its provider is sent it.
fn outer(asked: &Asked, planned: &Planned<'_>, model: EventId) -> io::Result<Asked> {
    let provider = planned.provider;
    let method = planned.endpoint.method;
    let request = Request::new(method, &planned.target).map_err(io::Error::other)?;
    let asks = Asks {
        request,
        target: planned.target.clone(),
        body: Body::Length(planned.body.len() as u64),
        head: 0,
        secure: provider.tls,
        because: vec![Cause { id: model, known: Known::Observed }],
    };
    let who = asked.who.clone();
    Ok(Asked { host: provider.host.clone(), port: provider.port, who, asks: Some(Box::new(asks)) })
}

/// The head for a provider: its own host and path, none of the program's credentials, an answer that can be read.
fn written(head: &[u8], planned: &Planned<'_>) -> Vec<u8> {
    let provider = planned.provider;
    let usual = if provider.tls { 443 } else { 80 };
    let host = match provider.port {
        port if port == usual => provider.host.to_string(),
        port => format!("{}:{port}", provider.host),
    };
    let mut without: Vec<&str> = planned.without.iter().map(String::as_str).collect();
    without.extend(crate::lend::FOREIGN);
    without.push("connection");
    let length = (planned.endpoint.method == "POST").then_some(planned.body.len());
    let with = planned.with.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    edit(head, &Edit { without: &without, with, length, readable: true, to: Some((&planned.target, &host)) })
}

impl crate::passage::Passage {
    /// Records what a model is asked, and what is new in it.
    fn asked_model(&self, asked: &Asked, planned: &Planned<'_>) -> io::Result<EventId> {
        let mut causes: Vec<Cause> = asked.exec().into_iter().collect();
        if let (Some(conversation), Kind::Inference) = (&planned.conversation, planned.endpoint.kind) {
            let label = |block: &record::conversation::Block, id| {
                if block.speaker == record::conversation::Speaker::System {
                    self.flows.system_prompt(&record::conversation::plain(block), Some(id));
                }
            };
            causes.extend(self.models.asked(conversation, &self.ledger, label)?);
        }
        let kind = self.model(asked, Some(planned), Verdict::Allowed, None);
        self.ledger.borrow_mut().write_after(causes, kind)
    }

    fn refused_model(&self, asked: &Asked, planned: Option<&Planned<'_>>, why: &str) -> Option<EventId> {
        let kind = self.model(asked, planned, Verdict::Refused, Some(why.to_owned()));
        self.ledger.borrow_mut().write_after(asked.exec(), kind).ok()
    }

    fn model(
        &self,
        asked: &Asked,
        planned: Option<&Planned<'_>>,
        verdict: Verdict,
        reason: Option<String>,
    ) -> record::Kind {
        let asks = asked.asks.as_deref();
        let provider = planned.map(|planned| match &planned.asked {
            same if *same == planned.model => planned.provider.name.clone(),
            other => format!("{} as {other}", planned.provider.name),
        });
        record::Kind::Model {
            pid: asked.who.as_ref().map(|seen| seen.pid),
            program: asked.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: asked.host.to_string(),
            asked: asks.map(|asks| asks.request.to_string()).unwrap_or_default(),
            model: planned.map(|planned| planned.model.clone()).unwrap_or_default(),
            provider,
            verdict,
            rule: None,
            reason,
        }
    }
}
