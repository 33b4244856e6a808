//! The one way out. Transparent, CONNECT and forwarded requests all come through here: decide, record, connect to
//! pinned addresses.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Instant;

use policy::{Conjunction, Decision, Egress, Host, Permit, Refusal, decide, suggest};
use record::{EventId, Kind, Verdict};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

use crate::dial::dial;
use crate::dns::Answer;
use crate::ledger::Ledger;
use crate::naming::Naming;
use crate::refusals::{PERIOD, Refusals};
use crate::resolver::Resolver;
use crate::sightings::Seen;
use crate::upstream::Upstream;

/// What a decision and its connection need.
#[derive(Debug)]
pub struct Passage {
    /// Every policy that must allow.
    pub policy: Conjunction,
    /// The names that exist for the cell.
    pub naming: RefCell<Naming>,
    /// The segment.
    pub ledger: RefCell<Ledger>,
    /// What was refused of late.
    pub refusals: RefCell<Refusals>,
    /// Rung when refusals were counted that are not recorded yet.
    pub behind: Notify,
    /// Looks up allowed names.
    pub resolver: Resolver,
    /// The proxy that the host itself must go through.
    pub upstream: Option<Upstream>,
    /// Bounds connections that are being made.
    pub opening: Semaphore,
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The destination.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The program, when it is known.
    pub who: Option<Seen>,
}

/// Why there is no connection. What it says may be shown to the program.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The policy does not allow it.
    #[error("{why}")]
    Refused {
        /// Why not.
        why: String,
        /// The smallest rule that would allow it.
        suggestion: Option<String>,
    },
    /// It was allowed and could not be made.
    #[error("{0}")]
    Unreachable(String),
    /// It could not be recorded, and so was not made.
    #[error("the record cannot be written, so nothing is let out")]
    Unrecorded,
}

/// Where an allowed connection goes.
enum Way {
    Direct(Vec<IpAddr>),
    Proxied,
}

impl Passage {
    /// The connection outside and the event that allowed it.
    ///
    /// # Errors
    /// [`Closed`]; a refusal is recorded.
    pub async fn pass(&self, asked: &Asked) -> Result<(TcpStream, EventId), Closed> {
        let egress = asked.egress();
        let permit = match decide(&self.policy, &egress) {
            Decision::Allow(permit) => permit,
            Decision::Ask(refusal) => return Err(self.refuse(asked, Verdict::Asked, &refusal)),
            Decision::Deny(refusal) => return Err(self.refuse(asked, Verdict::Refused, &refusal)),
        };
        self.name(asked)?;
        let _opening = self.opening.acquire().await.map_err(|_| Closed::Unrecorded)?;
        let rule = permit.rule().to_string();
        let way = self.way(permit, asked).await?;
        let connect = self.allow(asked, &way, rule)?;
        let made = match (&way, &self.upstream) {
            (Way::Proxied, Some(upstream)) => Box::pin(upstream.open(&self.resolver, &asked.host, asked.port)).await,
            (Way::Proxied, None) => Err("there is no proxy".into()),
            (Way::Direct(addresses), _) => dial(addresses, asked.port).await,
        };
        made.map(|stream| (stream, connect)).map_err(|why| {
            self.closed(connect, 0, 0);
            Closed::Unreachable(why)
        })
    }

    /// Records the end of an allowed connection.
    pub fn closed(&self, connect: EventId, sent: u64, received: u64) {
        // The effect is over: if this is lost, the ledger refuses whatever comes next.
        let _ = self.ledger.borrow_mut().write(Kind::Close { connect, sent, received });
    }

    /// Records a refusal that no policy had to decide.
    pub fn turn_away(&self, asked: &Asked, why: &str) {
        if self.admit(asked) {
            self.refused(asked, why.to_owned());
        }
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
        for (asked, missed) in told {
            self.refused(&asked, format!("refused {missed} more times, too fast to be recorded one by one"));
        }
        if others > 0 {
            // No single destination: all of them.
            let why = format!("{others} more connections were refused, too fast to be recorded one by one");
            let kind = Kind::Resolve { name: "*".into(), verdict: Verdict::Refused, reason: Some(why) };
            let _ = self.ledger.borrow_mut().write(kind);
        }
    }

    /// Whether this refusal is recorded by itself.
    fn admit(&self, asked: &Asked) -> bool {
        let admitted = self.refusals.borrow_mut().admit(Instant::now(), asked);
        if !admitted {
            self.behind.notify_one();
        }
        admitted
    }

    fn refused(&self, asked: &Asked, why: String) {
        let mut kind = asked.event(Verdict::Refused);
        because(&mut kind, why);
        // Refused either way: an event that cannot be written changes nothing.
        let _ = self.ledger.borrow_mut().write(kind);
    }

    /// A name that goes to a resolver is recorded first, even when the program never looked it up itself.
    fn name(&self, asked: &Asked) -> Result<(), Closed> {
        let Host::Name(name) = &asked.host else { return Ok(()) };
        match self.naming.borrow_mut().answer(&self.policy, &self.ledger, name) {
            Answer::Addresses(_) => Ok(()),
            Answer::Unable if !self.ledger.borrow().is_whole() => Err(Closed::Unrecorded),
            Answer::Unable | Answer::Denied => {
                let why = format!("`{name}` cannot be looked up: the session's bound of names is reached");
                self.turn_away(asked, &why);
                Err(Closed::Refused { why, suggestion: None })
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
                self.turn_away(asked, &why);
                Closed::Unreachable(why)
            })?,
        };
        match permit.pin(&resolved) {
            // A literal address was judged like any other, whoever connects to it.
            Ok(_) if proxied => Ok(Way::Proxied),
            Ok(pinned) => Ok(Way::Direct(pinned.addresses().to_vec())),
            Err(refusal) => Err(self.refuse(asked, Verdict::Refused, &refusal)),
        }
    }

    fn allow(&self, asked: &Asked, way: &Way, allowing: String) -> Result<EventId, Closed> {
        let mut kind = asked.event(Verdict::Allowed);
        if let Kind::Connect { address, rule, .. } = &mut kind {
            if let Way::Direct(addresses) = way {
                *address = addresses.first().map(ToString::to_string);
            }
            *rule = Some(allowing);
        }
        self.ledger.borrow_mut().write(kind).map_err(|_| Closed::Unrecorded)
    }

    fn refuse(&self, asked: &Asked, verdict: Verdict, refusal: &Refusal) -> Closed {
        if !self.admit(asked) {
            return Closed::Refused { why: refusal.to_string(), suggestion: None };
        }
        let smallest = suggest(&self.policy, &asked.egress()).map(|smallest| smallest.rule.to_string());
        let mut kind = asked.event(verdict);
        if let Kind::Connect { rule, reason, suggestion, .. } = &mut kind {
            rule.clone_from(&refusal.rule);
            *reason = Some(refusal.to_string());
            suggestion.clone_from(&smallest);
        }
        let _ = self.ledger.borrow_mut().write(kind);
        Closed::Refused { why: refusal.to_string(), suggestion: smallest }
    }
}

impl Asked {
    fn egress(&self) -> Egress<'_> {
        Egress { host: &self.host, port: self.port, program: self.who.as_ref().map(|seen| &*seen.chain) }
    }

    /// Bytes that are as long as the program wants.
    pub(crate) fn weight(&self) -> usize {
        self.who.as_ref().map_or(0, |seen| seen.chain.iter().map(String::len).sum())
    }

    fn event(&self, verdict: Verdict) -> Kind {
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
        }
    }
}

fn because(kind: &mut Kind, why: String) {
    if let Kind::Connect { reason, .. } = kind {
        *reason = Some(why);
    }
}
