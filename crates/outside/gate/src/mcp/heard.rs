//! Judges what a server says, and records it: results, descriptions at first sight, what it wants and may not have.

use policy::mcp::{Asks, Grant, Id, Kind as Described, Message, Offer, asks_in, elicits, offers, words};
use policy::{Decision, decide, suggest};
use record::conversation::told_by;
use record::{Cause, EventId, Kind, Known, Verdict};
use sense::meaning::Hints;
use serde_json::{Map, Value};

use super::refusal::Refused;
use super::servers::{Place, Question, Seen};
use crate::asked::Asked;
use crate::look::Unread;
use crate::passage::Passage;

/// Why nothing of an answer goes on.
const UNRECORDED: &str = "the record cannot be written, so nothing goes on";

/// What an answer comes to: as it is, another result in its place, or an error.
pub(crate) type Judged = Result<Option<Value>, Refused>;

/// Judges the answer to one request.
pub(crate) struct Judge<'j> {
    pub(crate) passage: &'j Passage,
    /// What was asked.
    pub(crate) asked: &'j Asked,
    /// The event that tells so.
    pub(crate) because: Option<EventId>,
    pub(crate) place: Place,
}

impl Judge<'_> {
    /// What the server asks by itself goes on, or is refused.
    pub(crate) fn asks(&self, id: Id, method: &str) -> Result<Option<Refused>, Unread> {
        self.wanted(Asks::by(method), method, Question::Message(id))
    }

    /// Whether what the server tells goes on. It wants nothing by it.
    pub(crate) fn is_told(&self, method: &str, params: Option<&Map<String, Value>>) -> bool {
        let wants = params.is_some_and(|params| asks_in(params) != Ok(Vec::new()));
        let told = Asks::is_told(method) && !wants;
        if !told {
            self.refuse((method, None), "no program knows what it tells".into());
        }
        told
    }

    /// Whether an answer is that to what was asked before, on a connection that broke off.
    pub(crate) fn is_resumed(&self, id: &Id) -> bool {
        self.passage.servers.resume(&self.place, id)
    }

    /// An error goes on, unless it wants what the server is not granted.
    pub(crate) fn error(&self, error: &Map<String, Value>) -> Result<Option<Refused>, Unread> {
        if elicits(error)
            && let Some(refused) = self.ungranted(Grant::Elicitation)
        {
            return Ok(Some(refused));
        }
        self.tell(error.get("message").and_then(Value::as_str).unwrap_or_default(), &Value::Object(error.clone()))?;
        Ok(None)
    }

    /// What cannot be read does not go on.
    pub(crate) fn unread(&self, why: &Unread) -> Refused {
        self.refuse(self.what(), why.to_string())
    }

    /// What came with an answer that is none: an error that is read, or nothing.
    pub(crate) fn problem(&self, body: &[u8]) -> Option<String> {
        let value = super::read(body).ok()?;
        let policy::mcp::Rpc::Error { error, .. } = policy::mcp::Rpc::read(&value).ok()? else { return None };
        if elicits(error) || self.tell(error.get("message")?.as_str()?, &value).is_err() {
            return None;
        }
        Some(super::events::one_line(&value.to_string()))
    }

    /// A result: what it wants, what it offers, what it says.
    pub(crate) fn result(&self, result: &Map<String, Value>) -> Result<Judged, Unread> {
        let wanted = match asks_in(result) {
            Ok(wanted) => wanted,
            Err(odd) => return Ok(Err(self.refuse(self.what(), odd.to_string()))),
        };
        for (name, asks) in wanted {
            let method = if let Asks::Grant(grant) = asks { grant.method() } else { "" };
            if let Some(refused) = self.wanted(asks, method, Question::Input(name.to_owned()))? {
                return Ok(Err(refused));
            }
        }
        let found = match offers(result) {
            Ok(found) => found,
            Err(odd) => return Ok(Err(self.refuse(self.what(), odd.to_string()))),
        };
        let (kept, out): (Vec<_>, Vec<_>) = found.into_iter().partition(|offer| self.is_offered(offer));
        for offer in kept.iter().filter(|offer| offer.kind.is_described()) {
            if let Some(refused) = self.described(offer)? {
                return Ok(Err(refused));
            }
        }
        self.tell(&words(result), &Value::Object(result.clone()))?;
        Ok(Ok((!out.is_empty()).then(|| without(result, &out))))
    }

    /// What is wanted of the program goes on, or is refused.
    fn wanted(&self, asks: Asks, method: &str, question: Question) -> Result<Option<Refused>, Unread> {
        let refused = match asks {
            Asks::Ping => None,
            Asks::Grant(grant) => self.ungranted(grant),
            Asks::Unknown => Some(self.refuse((method, None), "it asks for nothing that is known".into())),
        };
        if refused.is_some() {
            return Ok(refused);
        }
        let by = if let Asks::Grant(grant) = asks { Some(grant) } else { None };
        if !self.passage.servers.ask(&self.place, question, by) {
            return Ok(Some(self.refuse((method, None), "too much of what it asked is not answered".into())));
        }
        if by.is_some() {
            self.write(self.kind((method, None), Verdict::Allowed))?;
        }
        Ok(None)
    }

    /// Why the server does not do this; nothing where it may.
    fn ungranted(&self, grant: Grant) -> Option<Refused> {
        self.judged(grant).map(|by| self.refuse_for((grant.method(), None), by, (Some(grant), None)))
    }

    /// Whether the program may use what is offered: it is told of nothing else.
    fn is_offered(&self, offer: &Offer<'_>) -> bool {
        let Some(message) = offer.message() else { return true };
        let asked = self.asked.saying(message);
        matches!(decide(&self.passage.now().policy, &asked.egress()), Decision::Allow(_))
    }

    /// A description is recorded when it is first seen, and held to that.
    fn described(&self, offer: &Offer<'_>) -> Result<Option<Refused>, Unread> {
        if offer.kind == policy::mcp::Kind::Tool {
            self.passage.servers.hint(offer.name, Hints::of(offer.value));
        }
        let digest = record::conversation::digest(offer.value);
        let what = (self.what().0, Some(offer.name));
        let called = if offer.name.is_empty() {
            offer.kind.name().to_owned()
        } else {
            format!("{} `{}`", offer.kind.name(), offer.name)
        };
        let mut changed = false;
        match self.passage.servers.look(&self.place, offer.kind, offer.name, digest) {
            Seen::Same => return Ok(None),
            Seen::First => {}
            Seen::Full => {
                let why = format!("it offers more than is remembered, so what it says of {called} is held back");
                return Ok(Some(self.refuse(what, why)));
            }
            Seen::Changed(first) => {
                changed = true;
                if let Some((rule, _)) = self.judged(Grant::Changes) {
                    let at = first.map(|id| format!(", {id}")).unwrap_or_default();
                    let why = format!("what it says of {called} is not what it said at first{at}");
                    return Ok(Some(self.refuse_for(what, (rule, why), (Some(Grant::Changes), first))));
                }
            }
        }
        let told = Kind::Said {
            speaker: "server".into(),
            form: "description".into(),
            tool: (!offer.name.is_empty()).then(|| offer.name.to_owned()),
            words: described(offer),
            digest: hex(&digest),
            standing: "untrusted".into(),
        };
        let event = self.write(told)?;
        self.passage.look_at(&described(offer), &format!("the description of {called}"), event);
        if changed {
            self.passage.suspect_described(offer.name, offer.description(), Some(event));
        }
        if offer.kind == Described::Tool {
            let because = Cause { id: event, known: Known::Observed };
            let tool = told_by(&self.place.to_string(), offer.name, offer.value);
            let written = self.passage.ledger.borrow_mut().write_after([because], tool);
            written.map_err(|_| Unread::Answer(UNRECORDED.into()))?;
        }
        self.passage.servers.pin(&self.place, offer.kind, offer.name, (digest, event));
        Ok(None)
    }

    /// Records what an answer says, where it is one that a program reads to its model.
    fn tell(&self, words: &str, whole: &Value) -> Result<(), Unread> {
        let message = self.asked.asks.as_deref().and_then(|asks| asks.request.message());
        let name = message.and_then(Message::name);
        let says = ["content", "contents", "messages", "structuredContent", "message"];
        if name.is_none() && !says.iter().any(|field| whole.get(field).is_some()) {
            return Ok(());
        }
        let told = Kind::Said {
            speaker: "tool".into(),
            form: "tool-result".into(),
            tool: name.map(str::to_owned),
            words: words.to_owned(),
            digest: hex(&record::conversation::digest(whole)),
            standing: "untrusted".into(),
        };
        let event = self.write(told)?;
        self.passage.look_at(words, &format!("an answer of a server, {event}"), event);
        Ok(())
    }

    /// What stands against what the server would do: a rule, and why; nothing where it may.
    fn judged(&self, grant: Grant) -> Option<(Option<String>, String)> {
        let asked = self.asked.saying(Message::Granted(grant));
        match decide(&self.passage.now().policy, &asked.egress()) {
            Decision::Allow(_) => None,
            Decision::Deny(refusal) | Decision::Ask(refusal) => {
                Some((refusal.rule.clone(), format!("the server may not: {refusal}")))
            }
            Decision::Read => Some((None, "it is not decided".into())),
        }
    }

    /// The method and the name of what was asked.
    fn what(&self) -> (&str, Option<&str>) {
        let message = self.asked.asks.as_deref().and_then(|asks| asks.request.message());
        message.map_or(("", None), |message| (message.method(), message.name()))
    }

    fn refuse(&self, what: (&str, Option<&str>), why: String) -> Refused {
        self.refuse_for(what, (None, why), (None, None))
    }

    /// Records that something of the server's does not go on: for want of a grant, and after what was seen first.
    fn refuse_for(
        &self,
        what: (&str, Option<&str>),
        (by, why): (Option<String>, String),
        (grant, first): (Option<Grant>, Option<EventId>),
    ) -> Refused {
        // Refused either way. A server that asks on and on must not fill the record.
        if !self.passage.admit(self.asked, None) {
            return Refused::forbidden(why, None);
        }
        let mut kind = self.kind(what, Verdict::Refused);
        if let Kind::Mcp { rule, reason, suggestion, .. } = &mut kind {
            (*rule, *reason) = (by, Some(why.clone()));
            *suggestion = grant.and_then(|grant| {
                let asked = self.asked.saying(Message::Granted(grant));
                Some(suggest(&self.passage.now().policy, &asked.egress())?.rule.to_string())
            });
        }
        let causes = self.because.into_iter().chain(first).map(|id| Cause { id, known: Known::Observed });
        Refused::forbidden(why, self.passage.ledger.borrow_mut().write_after(causes, kind).ok())
    }

    fn kind(&self, (method, name): (&str, Option<&str>), verdict: Verdict) -> Kind {
        let asks = self.asked.asks.as_deref();
        Kind::Mcp {
            pid: self.asked.who.as_ref().map(|seen| seen.pid),
            program: self.asked.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: self.asked.host.to_string(),
            port: self.asked.port,
            target: asks.map(|asks| asks.target.clone()).unwrap_or_default(),
            method: method.to_owned(),
            name: name.map(str::to_owned),
            words: String::new(),
            server: true,
            verdict,
            rule: None,
            reason: None,
            suggestion: None,
        }
    }

    /// What cannot be recorded does not go on.
    fn write(&self, kind: Kind) -> Result<EventId, Unread> {
        let cause = self.because.map(|id| Cause { id, known: Known::Observed });
        let written = self.passage.ledger.borrow_mut().write_after(cause, kind);
        written.map_err(|_| Unread::Answer(UNRECORDED.into()))
    }
}

/// What a model is told of it: its description, then all else.
fn described(offer: &Offer<'_>) -> String {
    match offer.value {
        Value::String(text) => text.clone(),
        value => format!("{}\n{value}", offer.description()),
    }
}

/// A result without some of what it offers.
fn without(result: &Map<String, Value>, out: &[Offer<'_>]) -> Value {
    let mut result = result.clone();
    for (list, kind, key) in policy::mcp::LISTS {
        let gone: Vec<&str> = out.iter().filter(|offer| offer.kind == kind).map(|offer| offer.name).collect();
        if let (Some(Value::Array(items)), false) = (result.get_mut(list), gone.is_empty()) {
            items.retain(|item| item.get(key).and_then(Value::as_str).is_some_and(|name| !gone.contains(&name)));
        }
    }
    Value::Object(result)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
