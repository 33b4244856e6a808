//! One request to a model: planned, recorded, and each provider that may serve it asked in turn until one answers.

use std::io;

use policy::Provider;
use policy::provider::{Kind, Wire};
use record::{Cause, EventId, Known, Verdict};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::attempt::{Attempt, Came};
use super::plan::form;
use super::{Asking, Failure, Planned, Sent, Taken, plan, say};
use crate::asked::Asked;
use crate::forward::{FAREWELL, finish};
use crate::passage::Closed;
use crate::requests::{Course, Requests};
use crate::stream::Inside;

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
        inside: &mut impl Inside,
        asked: &Asked,
        mut whole: Whole,
        course: &mut Course<'a>,
    ) -> io::Result<Option<Vec<u8>>> {
        let Some(asks) = asked.asks.as_deref() else { return Ok(None) };
        let (passage, long) = (self.passage, whole.body.len());
        passage.aside.breathe(long).await;
        let now = passage.now();
        let mut planned = match plan(&now.policy, &passage.models, asks, &whole.body) {
            Ok(planned) => planned,
            Err((wire, failure)) => return self.unasked(inside, asked, None, (wire, failure)).await,
        };
        let wire = Some(planned.endpoint.wire);
        if wire == Some(Wire::Messages) {
            passage.models.thoughts.restore(&mut planned.read);
        }
        passage.models.kept.restore(form(planned.endpoint.wire), &mut planned.read);
        if planned.endpoint.kind == Kind::Probe {
            // Whether its vendor is there is nothing that a program needs to ask the vendor.
            return answer(inside, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
        passage.aside.breathe(long).await;
        let mut sent = match planned.send(0, &passage.models) {
            Ok(sent) => sent,
            Err(failure) => return self.unasked(inside, asked, Some(&planned), (wire, failure)).await,
        };
        if let Err(failure) = passage.models.admit(now.policy.model_budget()) {
            return self.unasked(inside, asked, Some(&planned), (wire, failure)).await;
        }
        let (mut at, mut before) = (0, None);
        loop {
            let next = planned.after(at, &passage.models);
            if next.is_none() {
                planned.forget();
            }
            let taken = match self.spend(&planned, &sent) {
                Ok(taken) => taken,
                Err(failure) => return self.unasked(inside, asked, Some(&planned), (wire, failure)).await,
            };
            let more = next.is_some();
            let attempt = Attempt { asked, planned: &planned, sent, whole: &whole, before, more, taken };
            match (self.attempt(inside, attempt, course).await?, next) {
                (Came::Over(rest), _) => return Ok(rest),
                (Came::Nothing { model, heard }, Some(next)) => {
                    (at, before) = (next, Some(model));
                    whole.last |= heard;
                    sent = match planned.send(at, &passage.models) {
                        Ok(sent) => sent,
                        Err(failure) => return self.unasked(inside, asked, Some(&planned), (wire, failure)).await,
                    };
                }
                (Came::Nothing { .. }, None) => return Ok(None),
            }
        }
    }

    /// Takes out what one provider's answer is likely to cost.
    fn spend(&self, planned: &Planned<'_>, sent: &Sent<'_>) -> Result<Option<Taken>, Failure> {
        let (passage, kind) = (self.passage, planned.endpoint.kind);
        if !matches!(kind, Kind::Inference | Kind::Embedding) {
            return Ok(None);
        }
        let tariff = passage.now().policy.tariff(&sent.provider.name, &sent.asked);
        let tariff = tariff.map_err(|why| Failure::refused(why.to_string()))?;
        let output = match (kind, &planned.conversation) {
            // A vector is no text.
            (Kind::Embedding, _) => Some(0),
            (_, said) => said.as_ref().and_then(|said| said.max_output),
        };
        let output = output.map(|output| output.saturating_mul(planned.answers));
        passage.models.purse.take(tariff, Asking { bytes: sent.body.len() as u64, output })
    }

    /// Tells a program that its model was not asked, and the record why.
    pub(super) async fn unasked(
        &self,
        inside: &mut impl Inside,
        asked: &Asked,
        planned: Option<&Planned<'_>>,
        (wire, failure): (Option<Wire>, Failure),
    ) -> io::Result<Option<Vec<u8>>> {
        self.passage.stopped(asked).await;
        let event = self.passage.refused_model(asked, planned, &failure);
        answer(inside, &say(wire, &failure, event)).await
    }
}

pub(super) async fn unreached(
    inside: &mut impl Inside,
    wire: Option<Wire>,
    closed: &Closed,
) -> io::Result<Option<Vec<u8>>> {
    let failure = Failure { status: closed.status(), why: closed.why.to_string(), model: None };
    answer(inside, &say(wire, &failure, closed.event)).await
}

/// Says a whole answer, and nothing more on the connection.
pub(crate) async fn answer(inside: &mut impl Inside, text: &[u8]) -> io::Result<Option<Vec<u8>>> {
    // As whatever is refused: a program that does not read must not hold its connection.
    timeout(FAREWELL, inside.write_all(text)).await??;
    finish(inside).await.map(|()| None)
}

impl crate::passage::Passage {
    /// Records what a model is asked, and what is new in it; or that it is asked again after an attempt that came to nothing.
    pub(super) async fn asked_model(
        &self,
        asked: &Asked,
        planned: &Planned<'_>,
        sent: &Sent<'_>,
        before: Option<EventId>,
    ) -> io::Result<EventId> {
        let mut causes: Vec<Cause> = asked.exec().into_iter().collect();
        causes.extend(before.map(|id| Cause { id, known: Known::Observed }));
        if let (Some(conversation), Kind::Inference) = (&planned.conversation, planned.endpoint.kind) {
            let label = |block: &record::conversation::Block, id| {
                if block.speaker == record::conversation::Speaker::System {
                    self.flows.system_prompt(&record::conversation::plain(block), Some(id));
                }
                self.look_at_block(block, id);
            };
            if self.models.has_others(&conversation.tools) {
                self.look_at_tools(conversation);
            }
            causes.extend(self.models.asked(conversation, &self.ledger, label).await?);
        }
        let again = before.map(|id| format!("{id} gave no answer"));
        let notes: Vec<String> = again.into_iter().chain(sent.note()).collect();
        let reason = (!notes.is_empty()).then(|| notes.join("; "));
        let kind = self.model(asked, Some((planned, sent.provider, &sent.asked)), Verdict::Allowed, reason);
        self.ledger.borrow_mut().write_after(causes, kind)
    }

    fn refused_model(&self, asked: &Asked, planned: Option<&Planned<'_>>, failure: &Failure) -> Option<EventId> {
        let named = planned.and_then(|planned| Some((planned, planned.served.first()?)));
        let whom = named.map(|(planned, served)| (planned, served.provider, served.model.unwrap_or(&planned.model)));
        let mut kind = self.model(asked, whom, Verdict::Refused, Some(failure.why.clone()));
        if let (record::Kind::Model { model, .. }, Some(named)) = (&mut kind, &failure.model) {
            model.clone_from(named);
        }
        self.ledger.borrow_mut().write_after(asked.exec(), kind).ok()
    }

    pub(super) fn model(
        &self,
        asked: &Asked,
        whom: Option<(&Planned<'_>, &Provider, &str)>,
        verdict: Verdict,
        reason: Option<String>,
    ) -> record::Kind {
        let asks = asked.asks.as_deref();
        let provider = whom.map(|(planned, provider, asked)| match asked {
            same if same == planned.model => provider.name.clone(),
            other => format!("{} as {other}", provider.name),
        });
        record::Kind::Model {
            pid: asked.who.as_ref().map(|seen| seen.pid),
            program: asked.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: asked.host.to_string(),
            asked: asks.map(|asks| asks.request.to_string()).unwrap_or_default(),
            model: whom.map(|(planned, ..)| planned.model.clone()).unwrap_or_default(),
            provider,
            verdict,
            rule: None,
            reason,
        }
    }
}
