//! The door: each captured connection is decided, recorded and only then made.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use policy::{Conjunction, Decision, Egress, Host, Permit, Pinned, decide, suggest};
use record::{EventId, Kind, Verdict};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::ledger::Ledger;
use crate::names::{Names, is_pool};
use crate::original::Original;
use crate::resolver::Resolver;

/// How long one address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all connections of one cell share.
#[derive(Debug)]
pub struct Door<O> {
    /// Every policy that must allow.
    pub policy: Conjunction,
    /// The names that have synthetic addresses; the DNS side gives them.
    pub names: RefCell<Names>,
    /// The segment.
    pub ledger: RefCell<Ledger>,
    /// Looks up allowed names.
    pub resolver: Resolver,
    /// Tells where a connection was going.
    pub original: O,
    /// Bounds connections at once.
    pub slots: Arc<Semaphore>,
}

impl<O: Original + 'static> Door<O> {
    /// Accepts until accepting fails. Needs a [`tokio::task::LocalSet`] around it.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self: Rc<Self>, listener: TcpListener) -> io::Result<()> {
        loop {
            // Taken before accepting: beyond the bound, connections wait in the kernel's backlog.
            let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            let door = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                door.connection(stream).await;
                drop(slot);
            });
        }
    }

    async fn connection(&self, mut inside: TcpStream) {
        // A reset unless all went well: a plain close looks like a server that had nothing to say.
        let _ = sockopt::set_socket_linger(&inside, Some(Duration::ZERO));
        let Some((mut outside, connect)) = self.open(&inside).await else { return };
        if let Ok((sent, received)) = tokio::io::copy_bidirectional(&mut inside, &mut outside).await {
            let _ = sockopt::set_socket_linger(&inside, None);
            // The effect is over: if this is lost, the ledger refuses whatever comes next.
            let _ = self.ledger.borrow_mut().write(Kind::Close { connect, sent, received });
        }
    }

    /// The connection outside, when it was allowed, recorded and made.
    async fn open(&self, inside: &TcpStream) -> Option<(TcpStream, EventId)> {
        let original = self.original.of(inside).ok()?;
        // Asked for the door itself: there is nothing behind it.
        if inside.local_addr().ok()? == original {
            self.refuse_unnamed(original, "the door itself is no destination");
            return None;
        }
        let Some(host) = self.host(original) else {
            self.refuse_unnamed(original, "no name was given this address");
            return None;
        };
        let egress = Egress { host: &host, port: original.port(), program: None };
        let pinned = match decide(&self.policy, &egress) {
            Decision::Allow(permit) => self.pin(permit, &egress).await?,
            Decision::Ask(refusal) => return self.refuse(&egress, Verdict::Asked, &refusal.to_string(), refusal.rule),
            Decision::Deny(refusal) => {
                return self.refuse(&egress, Verdict::Refused, &refusal.to_string(), refusal.rule);
            }
        };
        let mut kind = event(&egress, Verdict::Allowed);
        if let Kind::Connect { address, .. } = &mut kind {
            *address = pinned.addresses().first().map(ToString::to_string);
        }
        let id = self.ledger.borrow_mut().write(kind).ok()?;
        Some((connect(&pinned).await?, id))
    }

    fn host(&self, original: SocketAddr) -> Option<Host> {
        let address = original.ip().to_canonical();
        if is_pool(address) {
            return self.names.borrow().name(address).cloned().map(Host::Name);
        }
        Some(Host::Address(address))
    }

    async fn pin(&self, permit: Permit<'_>, egress: &Egress<'_>) -> Option<Pinned> {
        let resolved = match egress.host {
            Host::Address(address) => vec![*address],
            // Pinned to the host's loopback without being looked up.
            Host::Name(name) if name.is_host_bastide() => Vec::new(),
            Host::Name(name) => match self.resolver.lookup(name).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    return self.refuse(
                        egress,
                        Verdict::Refused,
                        &format!("`{name}` cannot be looked up: {error}"),
                        None,
                    );
                }
            },
        };
        match permit.pin(&resolved) {
            Ok(pinned) => Some(pinned),
            Err(refusal) => self.refuse(egress, Verdict::Refused, &refusal.to_string(), refusal.rule),
        }
    }

    fn refuse<T>(&self, egress: &Egress<'_>, verdict: Verdict, why: &str, by: Option<String>) -> Option<T> {
        let mut kind = event(egress, verdict);
        if let Kind::Connect { rule, reason, suggestion, .. } = &mut kind {
            *rule = by;
            *reason = Some(why.to_owned());
            *suggestion = suggest(&self.policy, egress).map(|smallest| smallest.rule.to_string());
        }
        // Refused either way: an event that cannot be written changes nothing.
        let _ = self.ledger.borrow_mut().write(kind);
        None
    }

    fn refuse_unnamed(&self, original: SocketAddr, why: &str) {
        let host = Host::Address(original.ip());
        let mut kind = event(&Egress { host: &host, port: original.port(), program: None }, Verdict::Refused);
        if let Kind::Connect { reason, .. } = &mut kind {
            *reason = Some(why.to_owned());
        }
        let _ = self.ledger.borrow_mut().write(kind);
    }
}

fn event(egress: &Egress<'_>, verdict: Verdict) -> Kind {
    Kind::Connect {
        pid: None,
        program: egress.program.map(<[String]>::to_vec).unwrap_or_default(),
        host: egress.host.to_string(),
        address: None,
        port: egress.port,
        verdict,
        rule: None,
        reason: None,
        suggestion: None,
    }
}

async fn connect(pinned: &Pinned) -> Option<TcpStream> {
    for &address in pinned.addresses() {
        if let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect((address, pinned.port()))).await {
            return Some(stream);
        }
    }
    None
}
