//! What the record is told of a decision: each that is allowed, before its effect; refusals one by one as long as they do not
//! flood; and the end of a connection.

use std::time::Instant;

use policy::{Refusal, suggest};
use record::{Cause, EventId, Kind, Known, Verdict};

use super::{Closed, End, Passage, UNRECORDED, Way, Why};
use crate::asked::Asked;
use crate::refusals::PERIOD;

impl Passage {
    /// Records the end of an allowed connection.
    pub fn closed(&self, end: End, sent: u64, received: u64) {
        self.ended(end, sent, received);
    }

    /// The same; gives the event.
    pub(crate) fn ended(&self, end: End, sent: u64, received: u64) -> Option<EventId> {
        let End { connect, address, note, broke, .. } = end;
        let address = address.map(|address| address.to_string());
        let broke = broke.map(|id| Cause { id, known: Known::Observed });
        let kind = Kind::Close { connect, sent, received, address, note };
        // The effect is over: if this is lost, the ledger refuses whatever comes next.
        self.ledger.borrow_mut().write_after(broke, kind).ok()
    }

    /// Records a refusal that no policy had to decide; gives the event.
    pub fn turn_away(&self, asked: &Asked, why: &str) -> Option<EventId> {
        if self.admit(asked, None) { self.refused(asked, why.to_owned()) } else { None }
    }

    /// Records for ever, a period after each flood of refusals began, how many were only counted.
    pub async fn settle_for_ever(&self) {
        loop {
            self.behind.notified().await;
            tokio::time::sleep(PERIOD).await;
            self.settle();
        }
    }

    /// Records how many refusals were only counted.
    pub fn settle(&self) {
        let (told, others) = self.refusals.borrow_mut().settle(Instant::now());
        for (asked, by, missed) in told {
            let mut kind = asked.event(Verdict::Refused);
            because(&mut kind, format!("refused {missed} more times, too fast to be recorded one by one"));
            if let Kind::Connect { rule, times, .. } = &mut kind {
                (*rule, *times) = (by, missed);
            }
            let _ = self.ledger.borrow_mut().write_after(asked.causes(), kind);
        }
        if others > 0 {
            // No single destination: all of them.
            let why = format!("{others} more connections or names were refused, too fast to be recorded one by one");
            let times = others;
            let kind = Kind::Resolve { name: "*".into(), verdict: Verdict::Refused, reason: Some(why), times };
            let _ = self.ledger.borrow_mut().write(kind);
        }
    }

    /// Whether this refusal is recorded by itself.
    pub(crate) fn admit(&self, asked: &Asked, rule: Option<&str>) -> bool {
        let admitted = self.refusals.borrow_mut().admit(Instant::now(), asked, rule);
        if !admitted {
            self.behind.notify_one();
        }
        admitted
    }

    pub(super) fn refused(&self, asked: &Asked, why: String) -> Option<EventId> {
        let mut kind = asked.event(Verdict::Refused);
        because(&mut kind, why);
        // Refused either way: an event that cannot be written changes nothing.
        self.ledger.borrow_mut().write_after(asked.causes(), kind).ok()
    }

    /// Records what lacked an answer of the operator's, or was denied by it, in words that the program may have.
    pub(crate) fn not_let(
        &self,
        asked: &Asked,
        verdict: Verdict,
        (refusal, why): (&Refusal, &str),
        smallest: Option<String>,
    ) -> Closed {
        let why = format!("{refusal}; {why}");
        let mut kind = asked.event(verdict);
        if let Kind::Connect { suggestion, .. } | Kind::Request { suggestion, .. } | Kind::Mcp { suggestion, .. } =
            &mut kind
        {
            *suggestion = smallest;
        }
        because(&mut kind, why.clone());
        let admitted = self.admit(asked, refusal.rule.as_deref());
        let event = admitted.then(|| self.ledger.borrow_mut().write_after(asked.causes(), kind).ok()).flatten();
        // What would allow it is the operator's to know: the program is told to go on without.
        Closed { why: Why::Refused { why, suggestion: None }, event }
    }

    /// Records what is allowed: the request, where it is one, and the connection for it.
    pub(super) fn allow(
        &self,
        asked: &Asked,
        way: &Way,
        allowing: String,
    ) -> Result<(Option<EventId>, EventId), Closed> {
        let request = asked.asks.as_ref().map(|_| self.allow_request(asked, allowing.clone(), None)).transpose()?;
        self.desk.venture();
        self.risks.reach(asked);
        let mut kind = asked.connection(Verdict::Allowed);
        if let Kind::Connect { address, rule, .. } = &mut kind {
            if let Way::Direct(addresses) = way {
                // The first; its end says so where another answered.
                *address = addresses.first().map(ToString::to_string);
            }
            *rule = Some(allowing);
        }
        let causes = asked.causes().chain(request.map(|id| Cause { id, known: Known::Observed }));
        let connect = self.ledger.borrow_mut().write_after(causes, kind).map_err(|_| UNRECORDED)?;
        Ok((request, connect))
    }

    pub(super) fn allow_request(&self, asked: &Asked, allowing: String, on: Option<Cause>) -> Result<EventId, Closed> {
        let mut kind = asked.event(Verdict::Allowed);
        if let Kind::Request { rule, .. } | Kind::Mcp { rule, .. } = &mut kind {
            *rule = Some(allowing);
        }
        let causes = asked.causes().chain(on);
        self.ledger.borrow_mut().write_after(causes, kind).map_err(|_| UNRECORDED)
    }

    pub(super) fn refuse(&self, asked: &Asked, verdict: Verdict, refusal: &Refusal) -> Closed {
        if !self.admit(asked, refusal.rule.as_deref()) {
            return uncounted(refusal);
        }
        let smallest = suggest(&self.now().policy, &asked.egress()).map(|smallest| smallest.rule.to_string());
        self.refuse_with(asked, verdict, refusal, smallest)
    }

    pub(super) fn refuse_with(
        &self,
        asked: &Asked,
        verdict: Verdict,
        refusal: &Refusal,
        smallest: Option<String>,
    ) -> Closed {
        let mut kind = asked.event(verdict);
        if let Kind::Connect { rule, reason, suggestion, .. }
        | Kind::Request { rule, reason, suggestion, .. }
        | Kind::Mcp { rule, reason, suggestion, .. } = &mut kind
        {
            rule.clone_from(&refusal.rule);
            *reason = Some(refusal.to_string());
            suggestion.clone_from(&smallest);
        }
        let event = self.ledger.borrow_mut().write_after(asked.causes(), kind).ok();
        Closed { why: Why::Refused { why: refusal.to_string(), suggestion: smallest }, event }
    }
}

/// A refusal that is only counted.
pub(super) fn uncounted(refusal: &Refusal) -> Closed {
    Closed { why: Why::Refused { why: refusal.to_string(), suggestion: None }, event: None }
}

fn because(kind: &mut Kind, why: String) {
    if let Kind::Connect { reason, .. } | Kind::Request { reason, .. } | Kind::Mcp { reason, .. } = kind {
        *reason = Some(why);
    }
}
