//! Who asks for what, and how the record tells it.

use std::rc::Rc;

use policy::mcp::Message;
use policy::{Doubted, Effect, Egress, Host, HostPattern, Request, Rule, Target};
use record::{Cause, EventId, Kind, Verdict};
use sense::meaning::Sent;
use wire::question::{Calling, MOST_CHAIN, MOST_DOUBTS, MOST_PLACES, MOST_WORDS, Wanted};

use crate::consent::Consent;
use crate::head::Body;
use crate::sightings::Seen;

/// Most bytes that the record shows of what is said.
const SHOWN: u64 = 4096;

/// What the body of Git is called with which it asks for what it lacks.
const FETCH: &str = "application/x-git-upload-pack-request";

/// Bytes of a place that a source is known by.
const MOST_PLACE: usize = 256;

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The destination.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The program, when it is known.
    pub who: Option<Seen>,
    /// What is asked there; none is the connection itself, which most are: they do not carry its space about.
    pub asks: Option<Box<Asks>>,
    /// What the operator let through, this once.
    pub consent: Option<Rc<Consent>>,
}

/// One request, as it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// What is decided on.
    pub request: Request,
    /// Path and query, as written.
    pub target: String,
    /// What follows its head.
    pub body: Body,
    /// Bytes of the head, as the destination gets it.
    pub head: usize,
    /// It came within TLS, and goes out so.
    pub secure: bool,
    /// It needs HTTP/2 up to its server.
    pub newer: bool,
    /// What led to it, beside the program that asks.
    pub because: Vec<Cause>,
    /// It goes to a model by a route: what that calls is judged where it has effects.
    pub routed: bool,
    /// What of it could not be looked into, and goes out all the same, in words.
    pub stood: Option<String>,
}

impl Asks {
    /// What its one header of this name says; nothing in the place of several.
    fn only(&self, name: &str) -> Option<&[u8]> {
        let mut said = self.request.headers().filter(|(other, _)| *other == name).map(|(_, value)| value);
        said.next().map(|first| if said.next().is_some() { &[][..] } else { first })
    }
}

impl Asked {
    /// What the operator is asked of something that is judged by his words, which `request` is the hash of; nothing where it
    /// cannot be shown.
    pub(crate) fn question(
        &self,
        arguments: &str,
        mut doubted: Doubted,
        causes: impl Iterator<Item = EventId>,
        request: String,
    ) -> Option<Wanted> {
        if doubted.doubts.len() > MOST_DOUBTS {
            return None;
        }
        for doubt in &mut doubted.doubts {
            doubt.sources.truncate(MOST_PLACES);
            for source in &mut doubt.sources {
                source.places.retain(|place| place.len() <= MOST_PLACE);
                source.places.truncate(MOST_PLACES);
            }
        }
        let words = arguments[..arguments.floor_char_boundary(MOST_WORDS)].to_owned();
        let mut causes: Vec<String> = causes.map(|id| id.to_string()).collect();
        causes.dedup();
        causes.truncate(MOST_CHAIN);
        let seen = self.who.as_ref();
        let wanted = Wanted {
            pid: seen.map(|seen| seen.pid),
            program: seen.map(|seen| seen.chain.iter().take(MOST_CHAIN).cloned().collect()).unwrap_or_default(),
            host: self.host.clone(),
            port: self.port,
            request: None,
            rule: Rule::to(Target { host: HostPattern::from(&self.host), port: Some(self.port) }),
            causes,
            call: Some(Box::new(Calling { doubted, request, long: words.len() < arguments.len() })),
            words,
        };
        wanted.fits().then_some(wanted)
    }

    pub(crate) fn egress(&self) -> Egress<'_> {
        Egress {
            host: &self.host,
            port: self.port,
            program: self.who.as_ref().map(|seen| &*seen.chain),
            request: self.asks.as_deref().map(|asks| &asks.request),
        }
    }

    /// Whether it came within TLS, and goes out so.
    pub(crate) fn is_secure(&self) -> bool {
        self.asks.as_deref().is_some_and(|asks| asks.secure)
    }

    /// Whether it needs HTTP/2 up to its server.
    pub(crate) fn is_newer(&self) -> bool {
        self.asks.as_deref().is_some_and(|asks| asks.newer)
    }

    /// Whether it is a message of MCP that was read.
    pub(crate) fn is_message(&self) -> bool {
        self.asks.as_deref().is_some_and(|asks| asks.request.message().is_some())
    }

    pub(crate) fn exec(&self) -> Option<Cause> {
        self.who.as_ref().and_then(|seen| seen.exec)
    }

    /// What led to it.
    pub(crate) fn causes(&self) -> impl Iterator<Item = Cause> + '_ {
        self.exec().into_iter().chain(self.asks.iter().flat_map(|asks| asks.because.iter().copied()))
    }

    /// Bytes that are as long as the program wants.
    pub(crate) fn weight(&self) -> usize {
        let chain = self.who.as_ref().map_or(0, |seen| seen.chain.iter().map(String::len).sum());
        let said = |asks: &Asks| match (asks.request.message(), asks.body) {
            (Some(_), Body::Length(length)) => usize::try_from(length.min(SHOWN)).unwrap_or(0),
            _ => 0,
        };
        chain + self.asks.as_deref().map_or(0, |asks| asks.target.len() + said(asks))
    }

    /// What is told of a decision on it.
    pub(crate) fn event(&self, verdict: Verdict) -> Kind {
        let Some(Asks { request, target, stood, .. }) = self.asks.as_deref() else { return self.connection(verdict) };
        if let (Some(message), "POST") = (request.message(), request.method().as_str()) {
            return self.message(message, target, verdict);
        }
        let host = self.host.to_string();
        Kind::Request {
            pid: self.who.as_ref().map(|seen| seen.pid),
            program: self.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            port: self.port,
            method: request.method().as_str().to_owned(),
            target: target.clone(),
            websocket: request.is_websocket(),
            does: self.does(&host),
            host,
            verdict,
            rule: None,
            reason: stood.clone(),
            suggestion: None,
        }
    }

    /// The request as its effect is judged; none where it is a message of MCP, or goes to a model by a route.
    pub(crate) fn sent<'a>(&'a self, host: &'a str) -> Option<Sent<'a>> {
        let asks = self.asks.as_deref().filter(|asks| !asks.routed && asks.request.message().is_none())?;
        let body = match asks.body {
            Body::Length(length) => Some(length),
            Body::Chunked => None,
        };
        let (method, websocket) = (asks.request.method().as_str(), asks.request.is_websocket());
        let git = asks.only("content-type") == Some(FETCH.as_bytes());
        Some(Sent { method, host, target: &asks.target, body, git, websocket })
    }

    /// Whether the body is compressed with which it says that Git asks for what it lacks; none where it says no such
    /// thing.
    pub(crate) fn fetches(&self) -> Option<bool> {
        self.sent("").filter(Sent::fetches)?;
        Some(matches!(self.asks.as_deref()?.only("content-encoding"), Some(b"gzip" | b"x-gzip")))
    }

    /// What it does beyond reading, and why that is concluded.
    fn does(&self, host: &str) -> Option<String> {
        let sent = self.sent(host)?;
        if sent.only_reads() {
            return None;
        }
        let effects = sent.effects(&[]);
        let names: Vec<&str> =
            effects.effects.iter().filter(|one| **one != Effect::Read).map(|one| one.name()).collect();
        (!names.is_empty()).then(|| format!("{}: {}", names.join(", "), effects.why))
    }

    /// The same saying this, where MCP is spoken.
    pub(crate) fn saying(&self, message: Message) -> Asked {
        let asks = self.asks.as_deref().map(|asks| {
            let (target, because, stood) = (asks.target.clone(), asks.because.clone(), None);
            Box::new(Asks { request: asks.request.saying(message), target, because, stood, ..*asks })
        });
        let consent = self.consent.clone();
        Asked { host: self.host.clone(), port: self.port, who: self.who.clone(), asks, consent }
    }

    /// What is told of a decision on what is said, where MCP is spoken.
    fn message(&self, message: &Message, target: &str, verdict: Verdict) -> Kind {
        let with = message.arguments().filter(|arguments| !arguments.is_empty());
        Kind::Mcp {
            pid: self.who.as_ref().map(|seen| seen.pid),
            program: self.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: self.host.to_string(),
            port: self.port,
            target: target.to_owned(),
            method: message.method().to_owned(),
            name: message.name().map(str::to_owned),
            words: with.and_then(|with| serde_json::to_string(with).ok()).unwrap_or_default(),
            server: false,
            verdict,
            rule: None,
            reason: self.asks.as_deref().and_then(|asks| asks.stood.clone()),
            suggestion: None,
        }
    }

    /// What is told of the connection that it is asked on.
    pub(crate) fn connection(&self, verdict: Verdict) -> Kind {
        Kind::Connect {
            pid: self.who.as_ref().map(|seen| seen.pid),
            program: self.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: self.host.to_string(),
            address: None,
            port: self.port,
            verdict,
            rule: None,
            reason: None,
            suggestion: None,
            times: 1,
        }
    }
}
