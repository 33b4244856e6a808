//! The door: where each captured connection was going, who made it, and through which passage it leaves.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use policy::Host;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::collect::Room;
use crate::forward::{self, Forward};
use crate::naming::{BASTIDE_INTERNAL, NO_NAME, PROXY_BASTIDE};
use crate::original::Original;
use crate::outside::Pool;
use crate::passage::{Asked, Passage, Passed};
use crate::petition;
use crate::programs::Programs;
use crate::relay::{Buffers, relay};
use crate::requests::{PATIENCE, Requests};
use crate::sightings::Seen;
use crate::tls::{Authority, pass_hello};

/// How long accepting rests when the kernel has no descriptor or memory left for one more.
const REST: Duration = Duration::from_millis(50);

/// What all connections of one cell share.
#[derive(Debug)]
pub struct Door<O> {
    /// Decides, records, connects.
    pub passage: Passage,
    /// Tells who made a connection; without it every program is unknown.
    pub programs: Option<Programs>,
    /// Speaks TLS where requests are decided.
    pub authority: Option<Authority>,
    /// Tells where a connection was going.
    pub original: O,
    /// Bounds connections at once.
    pub slots: Arc<Semaphore>,
    /// Spare buffers.
    pub buffers: Buffers,
    /// Room for bodies that are looked at.
    pub room: Room,
    /// Connections outside that are kept for a moment.
    pub pool: Pool,
    /// How long a connection may carry nothing.
    pub idle: Duration,
}

/// Where a captured connection leads.
enum Leads {
    Out(Host),
    Proxy,
    /// Petitions, or the port at which some expect them.
    Own {
        right: bool,
    },
    Nowhere(&'static str),
}

impl<O: Original + 'static> Door<O> {
    /// Accepts for ever. Needs a [`tokio::task::LocalSet`] around it.
    ///
    /// # Errors
    /// When the listener has no address.
    pub async fn serve(self: Rc<Self>, listener: TcpListener) -> io::Result<()> {
        let own = listener.local_addr()?;
        loop {
            // Taken before accepting: beyond the bound, connections wait in the kernel's backlog.
            let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(REST).await;
                continue;
            };
            let door = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                door.connection(Captured::new(stream), peer, own).await;
                drop(slot);
            });
            // It comes first: whether another one waits is asked of the kernel afterwards.
            tokio::task::yield_now().await;
        }
    }

    async fn connection(&self, mut inside: Captured, peer: SocketAddr, own: SocketAddr) {
        let Ok(original) = self.original.of(&inside.stream, peer) else {
            return self.nowhere(own, None, "where it was going is not known");
        };
        // The watcher is heard before anything is recorded, so that a program's start comes before what it does.
        let who = self.programs.as_ref().and_then(|all| all.of(peer, original, &self.passage.ledger));
        match self.leads(original, own) {
            Leads::Out(host) => {
                let asked = Asked { host, port: original.port(), who, asks: None, consent: None };
                self.out(&mut inside, asked).await;
            }
            Leads::Proxy => {
                let forward = Forward { requests: self.requests(), buffers: &self.buffers };
                // On the heap, as whatever is rare and large: every connection would carry its space about.
                let served = Box::pin(forward.serve(&mut inside.stream, who)).await;
                inside.well = served.is_ok();
            }
            Leads::Own { right } => {
                let requests = self.requests();
                let served = match right {
                    true => Box::pin(requests.petitions(&mut inside.stream, Vec::new(), who.as_ref())).await,
                    false => Box::pin(requests.not_within_tls(&mut inside.stream, who.as_ref())).await,
                };
                inside.well = served.is_ok();
            }
            Leads::Nowhere(why) => self.nowhere(original, who, why),
        }
    }

    fn requests(&self) -> Requests<'_> {
        let Door { passage, authority, room, pool, slots, idle, .. } = self;
        Requests { passage, authority: authority.as_ref(), room, pool, slots, idle: *idle }
    }

    fn leads(&self, original: SocketAddr, own: SocketAddr) -> Leads {
        if original == own {
            return Leads::Nowhere("the door itself is no destination");
        }
        let host = self.passage.naming.borrow().means(&Host::Address(original.ip()));
        match host {
            None => Leads::Nowhere(NO_NAME),
            Some(Host::Name(name)) if name.as_str() == PROXY_BASTIDE => match original.port() {
                forward::PORT => Leads::Proxy,
                _ => Leads::Nowhere("the proxy listens on port 3128 only"),
            },
            Some(Host::Name(name)) if name.as_str() == BASTIDE_INTERNAL => match original.port() {
                petition::PORT => Leads::Own { right: true },
                443 => Leads::Own { right: false },
                _ => Leads::Nowhere(petition::OTHER_PORT),
            },
            Some(host) => Leads::Out(host),
        }
    }

    fn nowhere(&self, original: SocketAddr, who: Option<Seen>, why: &str) {
        let host = Host::Address(original.ip().to_canonical());
        self.passage.turn_away(&Asked { host, port: original.port(), who, asks: None, consent: None }, why);
    }

    async fn out(&self, inside: &mut Captured, mut asked: Asked) {
        // Before anything else: whether it is read may depend on what was answered.
        if self.passage.consent(&mut asked, None).await.is_err() {
            return;
        }
        if self.passage.reads(&asked) {
            let requests = self.requests();
            // On the heap, as whatever not every connection needs.
            inside.well = Box::pin(requests.serve(&mut inside.stream, Vec::new(), asked)).await.is_ok();
            return;
        }
        let Ok(Passed { stream, end, only_tls, .. }) = self.passage.pass(asked.clone()).await else { return };
        let mut outside = Captured::new(stream);
        let first = match only_tls {
            None => 0,
            Some(host) => match Box::pin(hello(inside, &mut outside, &host)).await {
                Ok(first) => first,
                Err(why) => return self.passage.closed(end.because(&why.to_string()), 0, 0),
            },
        };
        let until = self.passage.forbidden(&asked);
        let (sent, received, result) =
            relay(&mut inside.stream, &mut outside.stream, &self.buffers, self.idle, until).await;
        self.passage.closed(end.of(&result), first + sent, received);
        inside.well = result.is_ok();
        outside.well = result.is_ok();
    }
}

/// Lets the beginning of TLS through where nothing else passes.
async fn hello(inside: &mut Captured, outside: &mut Captured, host: &Host) -> io::Result<u64> {
    timeout(PATIENCE, pass_hello(&mut inside.stream, &mut outside.stream, Vec::new(), host)).await?
}

/// A connection that is reset when it is dropped, unless all went well: a plain close looks like a peer that had
/// nothing more to say.
#[derive(Debug)]
struct Captured {
    stream: TcpStream,
    well: bool,
}

impl Captured {
    const fn new(stream: TcpStream) -> Captured {
        Captured { stream, well: false }
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if !self.well {
            let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        }
    }
}
