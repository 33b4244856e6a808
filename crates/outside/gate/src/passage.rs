//! The one way out. Transparent, CONNECT and forwarded requests all come through here: decide, look at the name (`named`), record (`recorded`), connect
//! to pinned addresses.

mod later;
mod looks;
mod named;
mod paced;
mod recorded;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use policy::{Answers, Decision, Egress, Host, Permit, Request, decide, special, suggest_address};
use record::{Cause, EventId, Known, Verdict};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

use crate::aside::Aside;
pub use crate::asked::{Asked, Asks};
use crate::consent::Held;
use crate::dial::dial;
use crate::flood::Flood;
use crate::flows::Flows;
use crate::generation::Generation;
use crate::judges::{Bounded, Judges};
use crate::ledger::Ledger;
use crate::lend::Loan;
use crate::mcp::Servers;
use crate::meters::{Meter, TooMuch};
use crate::models::Models;
use crate::naming::{NO_NAME, Naming};
use crate::own::is_own;
use crate::petition::{self, Desk};
use crate::refusals::Refusals;
use crate::resolver::Resolver;
use crate::risk::Risks;
use crate::serves::grounds;
use crate::stdio::Stdio;
use crate::stood::Asking;
use crate::upstream::Upstream;
use crate::veil::Veil;

/// What a decision and its connection need.
#[derive(Debug)]
pub struct Passage {
    /// What is decided by; see [`Passage::now`].
    pub generation: RefCell<Rc<Generation>>,
    /// Rung when that was replaced.
    pub replaced: Notify,
    /// What waits for the operator.
    pub held: Held,
    /// The names that exist for the cell.
    pub naming: RefCell<Naming>,
    /// The segment.
    pub ledger: RefCell<Ledger>,
    /// What was refused of late.
    pub refusals: RefCell<Refusals>,
    /// What may not leave.
    pub flows: Flows,
    /// What speaks for an attack.
    pub risks: Risks,
    /// What was said to models and heard from them.
    pub models: Models,
    /// What is known of servers that speak MCP.
    pub servers: Servers,
    /// Servers in cells of their own.
    pub stdio: Rc<Stdio>,
    /// What is asked of the planes outside.
    pub desk: Desk,
    /// What of a request stood in the workspace before is asked here.
    pub asking: Asking,
    /// Does what takes long.
    pub aside: Aside,
    /// How fast allowed connections are made in the long run.
    pub pace: RefCell<Flood>,
    /// The same for further requests on a connection.
    pub request_pace: RefCell<Flood>,
    /// The same for what is refused and recorded each time, with what speaks for it.
    pub stopped_pace: RefCell<Flood>,
    /// Rung when refusals were counted that are not recorded yet.
    pub behind: Notify,
    /// Looks up allowed names.
    pub resolver: Resolver,
    /// The proxy that the host itself must go through.
    pub upstream: Option<Upstream>,
    /// Bounds connections that are being made.
    pub opening: Semaphore,
    /// The operator let a credential of the program's own in.
    pub lets_own: bool,
}

/// Why there is no connection, and where the record says so.
#[derive(Debug)]
pub struct Closed {
    /// Why.
    pub why: Why,
    /// The event; none where a flood of them is counted, or nothing can be recorded.
    pub event: Option<EventId>,
}

impl Closed {
    /// The status that says so.
    pub(crate) const fn status(&self) -> &'static str {
        match &self.why {
            Why::Unreachable(_) => "502 Bad Gateway",
            Why::Slow(_) => "408 Request Timeout",
            Why::Odd(_) => "400 Bad Request",
            Why::TooMuch(TooMuch::Body(_)) => "413 Content Too Large",
            Why::TooMuch(TooMuch::Rate(_)) => "429 Too Many Requests",
            _ => "403 Forbidden",
        }
    }
}

/// Why there is no connection. What it says may be shown to the program.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The policy does not allow it.
    #[error("{why}")]
    Refused {
        /// Why not.
        why: String,
        /// The smallest rule that would allow it.
        suggestion: Option<String>,
    },
    /// It was allowed, but for its size or for how often it comes.
    #[error("{0}")]
    TooMuch(TooMuch),
    /// It was allowed and could not be made, or brought no answer.
    #[error("{0}")]
    Unreachable(String),
    /// The program did not say all of it in time.
    #[error("{0}")]
    Slow(String),
    /// It can be read in more than one way.
    #[error("{0}")]
    Odd(String),
    /// It could not be recorded, and so was not made.
    #[error("the record cannot be written, so nothing is let out")]
    Unrecorded,
}

/// A connection that was let out.
#[derive(Debug)]
pub struct Passed {
    /// It.
    pub stream: TcpStream,
    /// What its end has to tell.
    pub end: End,
    /// What the request that it was made for may say, and what goes with it.
    pub leave: Leave,
    /// Nothing but TLS to this name may be said on it.
    pub only_tls: Option<Box<Host>>,
}

/// What a request that is allowed is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// A model: it goes by a route.
    Inference,
    Network,
    /// A server that speaks MCP, as far as what is said to it is allowed.
    Mcp,
}

/// What a request may say, and what goes with it.
#[derive(Debug, Default)]
pub struct Leave {
    /// Where its rules have bounds.
    pub(crate) meter: Option<Box<Meter>>,
    /// Where its rules lend a secret.
    pub(crate) loan: Option<Box<Loan>>,
    /// The event that tells of it.
    pub(crate) request: Option<EventId>,
}

/// How a connection was made, told when it ends.
#[derive(Debug)]
pub struct End {
    connect: EventId,
    /// Where it leads; none where an upstream proxy made the connection, or there is none.
    at: Option<IpAddr>,
    /// That, where it is not what the record said.
    address: Option<IpAddr>,
    note: Option<String>,
    /// The last request on it, where that is not the one that it was made for.
    last: Cell<Option<EventId>>,
    /// The request that it broke off with.
    broke: Option<EventId>,
}

impl Leave {
    /// What may be answered.
    pub(crate) fn answers(&self) -> Option<&Answers> {
        self.meter.as_ref().and_then(|meter| meter.answers())
    }

    /// What judges the answer: the bounds of its rules, and what looks for the secret that went with its request.
    pub(crate) fn judges(&self) -> Judges {
        let bounded = self.answers().cloned().map(Bounded::by);
        Judges::default().and(bounded).and(self.loan.as_ref().map(|loan| Veil::new(&loan.spellings())))
    }
}

impl End {
    /// The event of the connection.
    #[must_use]
    pub const fn event(&self) -> EventId {
        self.connect
    }

    /// Whether it leads to a server on the public internet, as anybody reaches it.
    pub(crate) fn is_public(&self, port: u16) -> bool {
        self.at.is_some_and(|at| special(at).is_none() && is_own(at, port) == Ok(false))
    }

    /// The same, with why it ended where that was not in order.
    #[must_use]
    pub fn of(self, result: &std::io::Result<()>) -> End {
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => self.because(CUT),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => self.because("nothing came for too long"),
            Err(error) => self.because(&error.to_string()),
            Ok(()) => self,
        }
    }

    /// The same where it came to nothing.
    #[must_use]
    pub fn because(self, why: &str) -> End {
        let note = self.note.map_or_else(|| why.to_owned(), |note| format!("{note}; {why}"));
        End { note: Some(note), broke: self.last.get(), ..self }
    }

    fn new(connect: EventId, at: Option<IpAddr>, address: Option<IpAddr>, note: Option<String>) -> End {
        End { connect, at, address, note, last: Cell::new(None), broke: None }
    }
}

/// Why nothing goes to a server in a cell of its own but messages that were decided.
const ONLY_MCP: &str = "a server in a cell of its own is spoken with in MCP, as a rule says, and in nothing else";
/// How the record tells of a connection to one.
const BESIDE: &str = "to a server in a cell of its own";
/// Why an open connection was ended.
const CUT: &str = "the policy that replaced the one before does not allow it";

/// Where an allowed connection goes.
enum Way {
    Direct(Vec<IpAddr>),
    Proxied,
    /// To a server in a cell of its own.
    Beside,
}

impl Way {
    /// Whether this is the address that is tried first, which the record names.
    fn begins_with(&self, address: Option<IpAddr>) -> bool {
        matches!(self, Way::Direct(addresses) if addresses.first().copied() == address)
    }
}

impl Passage {
    /// The connection outside, and what its end tells.
    ///
    /// # Errors
    /// [`Closed`]; a refusal is recorded.
    pub async fn pass(&self, mut asked: Asked) -> Result<Passed, Closed> {
        let Some(host) = self.naming.borrow().means(&asked.host) else {
            let event = self.turn_away(&asked, NO_NAME);
            return Err(Closed { why: Why::Refused { why: NO_NAME.into(), suggestion: None }, event });
        };
        if host == petition::own() {
            // Whoever decides on connections has nothing to decide here: it is served, or it is not.
            return Err(self.closed_to(&asked, petition::OTHER_PORT.into()));
        }
        asked.host = host;
        if asked.host.server().is_some() {
            // There is no such host anywhere: nothing of it may go to a resolver.
            return Err(self.closed_to(&asked, ONLY_MCP.into()));
        }
        let asked = &asked;
        if asked.asks.is_none() {
            // Nobody knows what it is told.
            self.flows.tells(&asked.host.to_string(), usize::MAX);
        }
        let now = self.now();
        let permit = self.permit(&now, asked)?;
        let mut leave = self.leave(&now, &permit, asked)?;
        let only_tls = permit.is_for_tls().then(|| Box::new(asked.host.clone()));
        self.name(asked)?;
        let _opening = self.opening.acquire().await.map_err(|_| UNRECORDED)?;
        let rule = permit.rule().to_string();
        let way = self.way(permit, asked).await?;
        self.paced(&self.pace, asked).await;
        // What was looked up meanwhile is let out by the policy that is in force when it is.
        let rule = match self.now() {
            later if later.serial != now.serial => self.still(&later, asked, &way, &mut leave)?,
            _ => rule,
        };
        let (request, connect) = self.allow(asked, &way, rule)?;
        leave.request = request;
        match self.make(&way, asked).await {
            Ok((stream, address, note)) => {
                let other = address.filter(|_| !way.begins_with(address));
                Ok(Passed { stream, end: End::new(connect, address, other, note), leave, only_tls })
            }
            Err(why) => {
                let event = self.ended(End::new(connect, None, None, Some(why.clone())), 0, 0);
                Err(Closed { why: Why::Unreachable(why), event })
            }
        }
    }

    /// A connection to a server in a cell of its own, and what its end tells.
    ///
    /// # Errors
    /// As [`Passage::pass`].
    pub(crate) async fn beside(&self, asked: &Asked) -> Result<(DuplexStream, End, Leave), Closed> {
        let now = self.now();
        let permit = self.permit(&now, asked)?;
        let mut leave = self.leave(&now, &permit, asked)?;
        self.name(asked)?;
        let rule = permit.rule().to_string();
        let Some(server) = permit.server() else {
            return Err(
                self.closed_to(asked, "there is no such server: every policy would have to name the same".into())
            );
        };
        self.paced(&self.pace, asked).await;
        let (request, connect) = self.allow(asked, &Way::Beside, rule)?;
        leave.request = request;
        Ok((self.stdio.open(&server.name), End::new(connect, None, None, Some(BESIDE.into())), leave))
    }

    /// Leave for a further request on a connection that was let out for an earlier one.
    ///
    /// # Errors
    /// As [`Passage::pass`].
    pub async fn again(&self, asked: &Asked, on: &End) -> Result<Leave, Closed> {
        let now = self.now();
        let permit = self.permit(&now, asked)?;
        let mut leave = self.leave(&now, &permit, asked)?;
        let rule = permit.rule().to_string();
        if let Some(address) = on.at {
            let pinned = permit.pin(&[address]);
            pinned.map_err(|refusal| self.refuse_with(asked, Verdict::Refused, &refusal, None))?;
        }
        self.paced(&self.request_pace, asked).await;
        let by = Cause { id: on.connect, known: Known::Observed };
        leave.request = Some(self.allow_request(asked, rule, Some(by))?);
        on.last.set(leave.request);
        Ok(leave)
    }

    /// Whether it is allowed; nothing is recorded, and nothing of a bound used.
    pub(crate) fn allows(&self, asked: &Asked) -> Option<Allowed> {
        let now = self.now();
        match decide(now.by(asked), &asked.egress()) {
            Decision::Allow(permit) if permit.is_inference() => Some(Allowed::Inference),
            Decision::Allow(_) => Some(Allowed::Network),
            Decision::Read if asked.asks.is_some() => Some(Allowed::Mcp),
            _ => None,
        }
    }

    /// Whether what is asked there goes to a model by a route.
    pub(crate) fn is_for_models(&self, asked: &Asked) -> bool {
        let Ok(request) = Request::new("POST", "/") else { return false };
        let egress = Egress { request: Some(&request), ..asked.egress() };
        let now = self.now();
        matches!(decide(now.by(asked), &egress), Decision::Allow(permit) if permit.is_inference())
    }

    fn leave(&self, now: &Generation, permit: &Permit<'_>, asked: &Asked) -> Result<Leave, Closed> {
        let loan = now.lending.lend(permit, asked).map_err(|why| self.closed_to(asked, why.to_string()))?;
        Ok(Leave { loan: loan.map(Box::new), meter: self.meter(now, permit, asked)?, request: None })
    }

    /// Refuses what no rule had to refuse, in words that the program may have.
    pub(crate) fn closed_to(&self, asked: &Asked, why: String) -> Closed {
        let event = self.turn_away(asked, &why);
        Closed { why: Why::Refused { why, suggestion: None }, event }
    }

    fn meter(&self, now: &Generation, permit: &Permit<'_>, asked: &Asked) -> Result<Option<Box<Meter>>, Closed> {
        now.meters.admit(permit, asked.asks.as_deref()).map_err(|why| {
            let event = self.turn_away(asked, &format!("refused request: {why}"));
            Closed { why: Why::TooMuch(why), event }
        })
    }

    /// The same with the host by the name that an address of the cell's pool stands for.
    pub fn named(&self, asked: Asked) -> Asked {
        let host = self.naming.borrow().means(&asked.host);
        Asked { host: host.unwrap_or_else(|| asked.host.clone()), ..asked }
    }

    /// Whether the operator gave the gate credentials to use.
    pub(crate) fn holds_credentials(&self) -> bool {
        let now = self.now();
        !now.lending.is_empty() || now.policy.routes_models()
    }

    /// Whether a program's own credentials stay behind where many meet: whose account they are for cannot be told.
    pub(crate) fn leaves_out(&self) -> bool {
        !self.lets_own || self.holds_credentials()
    }

    /// Whether what requests say is looked at.
    pub(crate) fn watches(&self) -> bool {
        self.flows.is_active() || self.holds_credentials()
    }

    /// Whether what is said there is decided request by request.
    pub fn reads(&self, asked: &Asked) -> bool {
        let now = self.now();
        let watches = self.flows.is_active() || now.policy.routes_models() || grounds(&now);
        if !now.policy.decides_requests() && !watches {
            return false;
        }
        let host = self.naming.borrow().means(&asked.host);
        let reads = |host: &Host| match decide(now.by(asked), &Egress { host, ..asked.egress() }) {
            Decision::Read => true,
            // What may not leave is looked for in all that does, unless the operator said of a rule that it passes.
            Decision::Allow(permit) => watches && !permit.is_for_tls() && !permit.is_unread(),
            // The operator is asked about its requests, one by one.
            Decision::Ask(_) => now.policy.reads(&Egress { host, ..asked.egress() }),
            Decision::Deny(_) => false,
        };
        host.as_ref().is_some_and(reads)
    }

    fn permit<'a>(&self, now: &'a Generation, asked: &'a Asked) -> Result<Permit<'a>, Closed> {
        match decide(now.by(asked), &asked.egress()) {
            Decision::Allow(_) if asked.host.server().is_some() && !asked.is_message() => {
                Err(self.closed_to(asked, ONLY_MCP.into()))
            }
            Decision::Allow(permit) => Ok(permit),
            Decision::Ask(refusal) => Err(self.refuse(asked, Verdict::Asked, &refusal)),
            Decision::Deny(refusal) => Err(self.refuse(asked, Verdict::Refused, &refusal)),
            // Whoever comes here with a connection has nothing that could be decided.
            Decision::Read => {
                let why = "requests are decided there one by one, and this is none";
                let event = self.turn_away(asked, why);
                Err(Closed { why: Why::Refused { why: why.into(), suggestion: None }, event })
            }
        }
    }

    /// The connection, the address that answered, and what there is to say of it.
    async fn make(&self, way: &Way, asked: &Asked) -> Result<(TcpStream, Option<IpAddr>, Option<String>), String> {
        match (way, &self.upstream) {
            (Way::Proxied, Some(upstream)) => {
                let stream = Box::pin(upstream.open(&self.resolver, &asked.host, asked.port)).await?;
                Ok((stream, None, Some("through the upstream proxy".into())))
            }
            (Way::Proxied, None) => Err("there is no proxy".into()),
            (Way::Beside, _) => Err(ONLY_MCP.into()),
            (Way::Direct(addresses), _) => {
                let (stream, address) = dial(addresses, asked.port).await?;
                Ok((stream, Some(address), None))
            }
        }
    }

    async fn way(&self, permit: Permit<'_>, asked: &Asked) -> Result<Way, Closed> {
        let proxied = self.upstream.as_ref().is_some_and(|upstream| upstream.takes(&asked.host));
        let resolved = match &asked.host {
            Host::Address(address) => vec![*address],
            // Pinned to the host's loopback without being looked up.
            Host::Name(name) if name.is_host_bastide() => Vec::new(),
            // What pinning cannot mean here: the upstream proxy looks the name up, out of our sight. Which address
            // it takes, and whether that lies in a special range of its own network, is the proxy's to judge.
            Host::Name(_) if proxied => return Ok(Way::Proxied),
            // On the heap: what waits for a resolver is large, and most connections never do.
            Host::Name(name) => Box::pin(self.resolver.lookup(name)).await.map_err(|error| {
                let why = format!("`{name}` cannot be looked up: {error}");
                let event = self.turn_away(asked, &why);
                Closed { why: Why::Unreachable(why), event }
            })?,
        };
        match permit.pin(&resolved) {
            // A literal address was judged like any other, whoever connects to it.
            Ok(_) if proxied => Ok(Way::Proxied),
            Ok(pinned) => self.beyond(asked, pinned.addresses()).map(|()| Way::Direct(pinned.addresses().to_vec())),
            Err(refusal) if !self.admit(asked, refusal.rule.as_deref()) => Err(recorded::uncounted(&refusal)),
            Err(refusal) => {
                let smallest = resolved.iter().find(|address| special(**address).is_some());
                let smallest = smallest.and_then(|&at| suggest_address(self.now().by(asked), &asked.egress(), at));
                Err(self.refuse_with(asked, Verdict::Refused, &refusal, smallest.map(|found| found.rule.to_string())))
            }
        }
    }
}

/// Nothing can be recorded, so nothing is let out.
const UNRECORDED: Closed = Closed { why: Why::Unrecorded, event: None };
