//! What the connect watcher said of late: which program was about to connect which socket.
//!
//! Bounded in number and age. A sighting that was dropped makes its connection's program unknown, which matches no
//! `programs:` rule: never another program's.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use record::Cause;

/// How many are kept.
const KEPT: usize = 4096;
/// How long one is kept. A connection waits in the backlog for as long as a gate is replaced.
const AGE: Duration = Duration::from_secs(60);

/// A program as the watcher saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Pid inside the cell.
    pub pid: u32,
    /// Executables: the program first, then its ancestors.
    pub chain: Rc<[String]>,
    /// The recorded start of that process's program, where there is one.
    pub exec: Option<Cause>,
}

/// Recent sightings by socket cookie.
#[derive(Debug, Default)]
pub struct Sightings {
    by_cookie: HashMap<u64, (Instant, Seen)>,
    order: VecDeque<(Instant, u64)>,
}

impl Sightings {
    /// Keeps one. A later sighting of the same socket replaces the earlier: sockets can be passed on.
    pub fn keep(&mut self, cookie: u64, seen: Seen, now: Instant) {
        self.by_cookie.insert(cookie, (now, seen));
        self.order.push_back((now, cookie));
        while self.order.len() > KEPT || self.order.front().is_some_and(|&(at, _)| now.duration_since(at) > AGE) {
            self.drop_oldest();
        }
    }

    /// The program that connected this socket, when that was seen of late. It is told once: a socket that connects again is
    /// seen again before it does.
    #[must_use]
    pub fn take(&mut self, cookie: u64, now: Instant) -> Option<Seen> {
        let (at, seen) = self.by_cookie.remove(&cookie)?;
        (now.duration_since(at) <= AGE).then_some(seen)
    }

    fn drop_oldest(&mut self) {
        if let Some((at, cookie)) = self.order.pop_front()
            && self.by_cookie.get(&cookie).is_some_and(|&(kept, _)| kept == at)
        {
            self.by_cookie.remove(&cookie);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seen(pid: u32) -> Seen {
        Seen { pid, chain: Rc::from([format!("/bin/{pid}")]), exec: None }
    }

    #[test]
    fn the_latest_sighting_of_a_socket_counts_and_age_ends_it() {
        let (mut sightings, start) = (Sightings::default(), Instant::now());
        sightings.keep(7, seen(1), start);
        sightings.keep(7, seen(2), start + Duration::from_secs(1));
        assert_eq!(sightings.take(7, start + Duration::from_secs(2)), Some(seen(2)));
        assert_eq!((sightings.take(7, start + Duration::from_secs(2)), sightings.take(8, start)), (None, None));
        sightings.keep(7, seen(3), start + Duration::from_secs(2));
        assert_eq!(sightings.take(7, start + AGE + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_flood_drops_the_oldest_and_holds_a_bounded_number() {
        let (mut sightings, start) = (Sightings::default(), Instant::now());
        for cookie in 0..(KEPT as u64 + 10) {
            sightings.keep(cookie, seen(1), start + Duration::from_nanos(cookie));
        }
        assert_eq!((sightings.by_cookie.len(), sightings.order.len()), (KEPT, KEPT));
        assert_eq!(sightings.take(9, start), None);
        assert!(sightings.take(10, start).is_some());
        sightings.keep(1 << 40, seen(1), start + AGE * 2);
        assert_eq!((sightings.by_cookie.len(), sightings.order.len()), (1, 1));
    }
}
