//! The connection outside that requests go on: made for one that was decided, and kept for a moment when its program's own
//! connection ended, for the next of the same program. Each request on it is decided anew, and pinned to its address.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use policy::Host;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::asked::Asked;
use crate::exchange::{Broken, Exchange, Left};
use crate::head;
use crate::passage::{End, Passage};
use crate::sightings::Seen;
use crate::stream::Outer;

/// How long one is kept. Shorter than common servers keep theirs: a request is rarely said to one that ends just then.
const KEPT: Duration = Duration::from_secs(1);
/// How many are.
pub(crate) const SPARE: usize = 64;

/// A connection outside, and what it carried.
#[derive(Debug)]
pub(crate) struct Outside {
    serves: Serves,
    pub(crate) stream: Outer,
    pub(crate) end: End,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// All that was said on it was answered, and nothing more came: another request may follow.
    ready: bool,
}

/// Whose requests go on a connection, and where to.
#[derive(Debug, PartialEq, Eq)]
struct Serves {
    host: Host,
    port: u16,
    secure: bool,
    /// In HTTP/2.
    newer: bool,
    who: Option<Seen>,
}

impl Serves {
    fn are(&self, asked: &Asked) -> bool {
        let way = (self.secure, self.newer) == (asked.is_secure(), asked.is_newer());
        way && (&self.host, self.port, &self.who) == (&asked.host, asked.port, &asked.who)
    }
}

impl Outside {
    pub(crate) fn new(asked: &Asked, stream: Outer, end: End) -> Outside {
        let (secure, newer) = (asked.is_secure(), asked.is_newer());
        let serves = Serves { host: asked.host.clone(), port: asked.port, secure, newer, who: asked.who.clone() };
        Outside { serves, stream, end, sent: 0, received: 0, ready: false }
    }

    pub(crate) const fn host(&self) -> &Host {
        &self.serves.host
    }

    /// Whether this request may go on it, as far as the connection is concerned.
    pub(crate) fn serves(&self, asked: &Asked) -> bool {
        self.serves.are(asked)
    }

    /// Whether another request may follow, as far as was heard.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// A request goes on it.
    pub(crate) const fn begin(&mut self) {
        self.ready = false;
    }

    /// Counts what was carried for the request with this head.
    pub(crate) fn carried(&mut self, head: &[u8], exchange: &Exchange, result: &Result<Left, Broken>) {
        self.sent += exchange.sent.get();
        self.received += exchange.received.get();
        self.ready = matches!(result, Ok(Left::Both(_))) && !head::ends(head);
    }

    pub(crate) fn close(self, passage: &Passage) {
        passage.closed(self.end, self.sent, self.received);
    }
}

/// Connections outside that no request uses now.
#[derive(Debug, Default)]
pub struct Pool {
    kept: RefCell<VecDeque<(Instant, Outside)>>,
    /// Rung when one is kept.
    rung: Notify,
}

impl Pool {
    /// Keeps one that can be used again; ends any other.
    pub(crate) fn keep(&self, outside: Option<Outside>, passage: &Passage) {
        let Some(mut outside) = outside else { return };
        if !outside.ready || outside.stream.is_over() {
            return outside.close(passage);
        }
        let mut kept = self.kept.borrow_mut();
        kept.push_back((Instant::now(), outside));
        let most = if kept.len() > SPARE { kept.pop_front() } else { None };
        drop(kept);
        self.rung.notify_one();
        most.into_iter().for_each(|(_, outside)| outside.close(passage));
    }

    /// One that this request may go on.
    pub(crate) fn take(&self, asked: &Asked, passage: &Passage) -> Option<Outside> {
        loop {
            let mut kept = self.kept.borrow_mut();
            let at = kept.iter().rposition(|(_, outside)| outside.serves(asked))?;
            let (_, mut outside) = kept.remove(at)?;
            drop(kept);
            if !outside.stream.is_over() {
                return Some(outside);
            }
            outside.close(passage);
        }
    }

    /// Ends, for ever, those that were kept for long enough, and all of them when the policy is replaced.
    pub async fn expire_for_ever(&self, passage: &Passage) {
        loop {
            self.rung.notified().await;
            while let Some(due) = self.due() {
                tokio::select! {
                    () = sleep(due) => self.expire(KEPT, passage),
                    () = passage.replaced.notified() => self.expire(Duration::ZERO, passage),
                }
            }
        }
    }

    /// Ends all.
    pub fn drain(&self, passage: &Passage) {
        self.expire(Duration::ZERO, passage);
    }

    /// How long it is until the first ends.
    fn due(&self) -> Option<Duration> {
        self.kept.borrow().front().map(|(since, _)| KEPT.saturating_sub(since.elapsed()))
    }

    fn expire(&self, age: Duration, passage: &Passage) {
        let mut kept = self.kept.borrow_mut();
        let old = kept.iter().take_while(|(since, _)| since.elapsed() >= age).count();
        let old: Vec<_> = kept.drain(..old).collect();
        drop(kept);
        old.into_iter().for_each(|(_, outside)| outside.close(passage));
    }
}
