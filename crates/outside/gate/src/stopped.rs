//! A request that a flow rule stops, in the record: what it carries, from where, and what had asked for it.

use std::io;

use policy::Sink;
use record::conversation::Block;
use record::{Cause, EventId, Kind, Known, Verdict};
use sense::Bounds;

use crate::asked::Asked;
use crate::flows::{Carried, Looked, Stopped};
use crate::models::{Ungrounded, asks_a_model, withheld};
use crate::passage::{Closed, Passage, Why};
use crate::stood::Left;

impl Passage {
    /// Looks for what may not leave in the head of a request and in the pieces of its body; none where nothing is looked for.
    ///
    /// # Errors
    /// [`Stopped`], where it cannot be looked at.
    async fn looks_at(&self, asked: &Asked, body: &mut Vec<Vec<u8>>) -> Result<Option<Looked>, Stopped> {
        let Some(asks) = asked.asks.as_deref() else { return Ok(None) };
        let to = format!("{}:{}", asked.host, asked.port);
        let request = &asks.request;
        let host = asked.host.to_string();
        // The target as it was written, too: a `+` may be a space or itself.
        let mut parts: Vec<&[u8]> = vec![host.as_bytes(), request.method().as_str().as_bytes(), asks.target.as_bytes()];
        parts.extend(request.texts());
        parts.extend(request.headers().flat_map(|(name, value)| [name.as_bytes(), value]));
        let deflated = request.headers().any(|(name, value)| {
            name == "content-encoding" && value.to_ascii_lowercase().windows(7).any(|word| word == b"deflate")
        });
        let bounds = Bounds { raw_deflate: deflated, ..Bounds::USUAL };
        self.looks(&to, &parts, body, &bounds).await
    }

    /// So many bytes of a request more may be known where it goes.
    fn tells(&self, asked: &Asked, body: usize) {
        let Some(asks) = asked.asks.as_deref() else { return };
        // The host that a request names is the one it goes to.
        let headers = asks.request.headers().filter(|(name, _)| *name != "host");
        let told: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.flows.tells(&asked.host.to_string(), asks.target.len() + told + body);
    }

    /// What stops a request from leaving. Where that is only that some of it cannot be looked into, what stood in the workspace
    /// before the session may go out as it stood: the rest is looked at instead, and of both one counts as said.
    async fn stops(&self, asked: &mut Asked, body: &mut Vec<u8>) -> Option<Stopped> {
        self.tells(asked, body.len());
        let mut whole = vec![std::mem::take(body)];
        let looked = self.looks_at(asked, &mut whole).await;
        *body = whole.pop().unwrap_or_default();
        let looked = match looked {
            Ok(looked) => looked?,
            Err(stopped) => return Some(stopped),
        };
        let Some(unread) = self.flows.unread(Sink::Network, &looked) else {
            return self.flows.settle(Sink::Network, looked);
        };
        let left = match self.without_what_stood(body).await {
            Ok(left) => left,
            Err(lost) => return Some(Stopped::unseen(&lost.to_string())),
        };
        // Whatever was replaced meanwhile, it was looked at before.
        let Some(Left { mut pieces, stood }) = left else {
            return self.flows.settle(Sink::Network, looked).or(Some(unread));
        };
        let stopped = match self.looks_at(asked, &mut pieces).await {
            Ok(left) => left.and_then(|left| self.flows.settle(Sink::Network, left)),
            Err(stopped) => Some(stopped),
        };
        if let (None, Some(asks)) = (&stopped, &mut asked.asks) {
            asks.stood = Some(stood);
        }
        stopped
    }

    /// What keeps a request in, by what it says: it is for a model that no route leads to, or carries what may not leave.
    pub(crate) async fn keeps(&self, asked: &mut Asked, body: &mut Vec<u8>) -> Option<Closed> {
        if self.now().policy.routes_models() {
            let headers = asked.asks.as_deref().into_iter().flat_map(|asks| asks.request.headers());
            let codings = headers.filter(|(name, _)| *name == "content-encoding").map(|(_, value)| value);
            if let Some(why) = asks_a_model(body, codings) {
                return Some(self.closed_to(asked, why.into()));
            }
        }
        if let Some(stopped) = self.stops(asked, body).await {
            return Some(self.stop(asked, stopped).await);
        }
        if self.acts_on_risk() {
            let target = asked.asks.as_deref().map_or("", |asks| asks.target.as_str());
            let said = format!("{target}\n{}", String::from_utf8_lossy(body));
            self.look_for_secrets(&said, &format!("a request to {}:{}", asked.host, asked.port), None);
        }
        None
    }

    /// Refuses it, and records why. No evidence is only counted, so that it waits where there is too much.
    pub(crate) async fn stop(&self, asked: &Asked, stopped: Stopped) -> Closed {
        self.stopped(asked).await;
        let Stopped { rule, reason, evidence, .. } = stopped;
        let mut causes: Vec<Cause> = asked.exec().into_iter().collect();
        causes.extend(self.called(asked));
        causes.extend(evidence.iter().filter_map(|one| self.carries(one)));
        let carried: Vec<&str> = evidence.iter().map(|one| one.label.as_str()).collect();
        causes.extend(self.followed(asked, &causes, &carried));
        let mut kind = asked.event(Verdict::Refused);
        if let Kind::Request { rule: by, reason: why, .. } | Kind::Mcp { rule: by, reason: why, .. } = &mut kind {
            *by = rule.map(|rule| format!("flows: {rule}"));
            *why = Some(reason.clone());
        }
        let event = self.ledger.borrow_mut().write_after(causes, kind).ok();
        Closed { why: Why::Refused { why: reason, suggestion: None }, event }
    }

    /// Takes a call out of a model's answer, and records why; `kind` is the event.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) fn withhold(
        &self,
        asked: &Asked,
        model: EventId,
        kind: Kind,
        (call, stopped): (&Block, Stopped),
    ) -> io::Result<EventId> {
        let because = Cause { id: model, known: Known::Observed };
        let said = self.ledger.borrow_mut().write_after([because], withheld(call))?;
        let causes = [Cause { id: said, known: Known::Observed }, because];
        self.take_out(asked, &causes, kind, ("a call of a tool was taken out of the answer", stopped))
    }

    /// Takes a call out of a model's answer that nothing the operator said speaks for, and records what it is judged by.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) fn unground(
        &self,
        asked: &Asked,
        (model, mut kind): (EventId, Kind),
        call: &Block,
        (against, answer): (&Ungrounded<'_>, Option<&str>),
    ) -> io::Result<EventId> {
        let because = Cause { id: model, known: Known::Observed };
        let said = self.ledger.borrow_mut().write_after([because], withheld(call))?;
        let mut causes: Vec<Cause> = asked.exec().into_iter().collect();
        causes.extend([Cause { id: said, known: Known::Observed }, because]);
        for (what, source, quoted) in against.evidence(&self.models) {
            let from = source.1.map(|id| Cause { id, known: Known::Observed });
            let evidence = Kind::Evidence { what, source: source.0, how: String::new(), quoted };
            let id = self.ledger.borrow_mut().write_after(from, evidence)?;
            causes.push(Cause { id, known: Known::Observed });
        }
        self.suspect_drift(&against.why(), &record::conversation::plain(call), said);
        if let Kind::Model { rule, reason, .. } = &mut kind {
            *rule = Some(format!("grounding: {}", against.grounding.name()));
            let answer = answer.map(|answer| format!("; {answer}")).unwrap_or_default();
            *reason = Some(format!("a call of a tool was taken out of the answer: {}{answer}", against.why()));
        }
        self.ledger.borrow_mut().write_after(causes, kind)
    }

    /// Takes words out of a model's answer, or ends it for them, and records why; `kind` is the event, `what` says which.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) fn silence(
        &self,
        asked: &Asked,
        model: EventId,
        kind: Kind,
        (what, stopped): (&str, Stopped),
    ) -> io::Result<EventId> {
        self.take_out(asked, &[Cause { id: model, known: Known::Observed }], kind, (what, stopped))
    }

    fn take_out(
        &self,
        asked: &Asked,
        because: &[Cause],
        mut kind: Kind,
        (what, Stopped { rule, reason, evidence, .. }): (&str, Stopped),
    ) -> io::Result<EventId> {
        let mut causes: Vec<Cause> = asked.exec().into_iter().collect();
        causes.extend(because);
        causes.extend(evidence.iter().filter_map(|one| self.carries(one)));
        if let Kind::Model { rule: by, reason: why, .. } = &mut kind {
            *by = rule.map(|rule| format!("flows: {rule}"));
            *why = Some(format!("{what}: {reason}"));
        }
        self.ledger.borrow_mut().write_after(causes, kind)
    }

    pub(crate) fn carries(&self, one: &Carried) -> Option<Cause> {
        let kind = Kind::Evidence {
            what: format!("carries {}", one.label),
            source: one.event.map_or_else(|| one.source.clone(), |id| format!("{}, {id}", one.source)),
            how: one.how.clone(),
            quoted: one.quoted.clone(),
        };
        let from = one.event.map(|id| Cause { id, known: Known::Observed });
        let id = self.ledger.borrow_mut().write_after(from, kind).ok()?;
        Some(Cause { id, known: Known::Observed })
    }

    /// The call that a program carries out without starting another one: it names the host.
    fn called(&self, asked: &Asked) -> Option<Cause> {
        let id = self.ledger.borrow().lineage().naming(&asked.host.to_string(), asked.port)?;
        Some(Cause { id, known: Known::Inferred })
    }

    /// Words that were read before and say most of what is done here: by which call, with what in it, where to.
    fn followed(&self, asked: &Asked, causes: &[Cause], carried: &[&str]) -> Option<Cause> {
        let asking = {
            let ledger = self.ledger.borrow();
            let calls: Vec<String> = causes.iter().filter_map(|cause| ledger.lineage().call(cause.id)).collect();
            let target = asked.asks.as_deref().map_or("", |asks| asks.target.as_str());
            ledger.lineage().asking(carried, &format!("{} {target} {}", asked.host, calls.join("\n")))?
        };
        let from = Cause { id: asking.id, known: Known::Inferred };
        let kind = Kind::Evidence {
            what: "follows words that were read".into(),
            source: source(asking.id),
            how: String::new(),
            quoted: asking.quoted,
        };
        let id = self.ledger.borrow_mut().write_after([from], kind).ok()?;
        Some(Cause { id, known: Known::Inferred })
    }
}

fn source(id: EventId) -> String {
    format!("the tool result {id}")
}
