//! Who may be connected at once. Of those who have not shown yet that they may speak there are few, and who waits
//! longest makes room: who connects and says nothing keeps nobody out.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Connections at once that were not admitted yet.
const STRANGERS: usize = 64;
/// Connections at once that were. Each has two descriptors, of the 1,024 that a process usually has.
const ADMITTED: usize = 256;
/// Bytes of bodies that are looked into before their senders are admitted, of all together.
const BODIES: usize = 64 << 20;

/// All who are connected.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// By when they came.
    strangers: BTreeMap<u64, Arc<TcpStream>>,
    /// The same, and those that made room and are not gone yet.
    unadmitted: usize,
    admitted: usize,
    /// Of bodies.
    held: usize,
}

/// The place of one of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    id: u64,
    pub(super) stream: Arc<TcpStream>,
    admitted: bool,
    held: usize,
}

impl Crowd {
    /// Lets a connection wait to be admitted.
    pub(super) fn enter(self: &Arc<Crowd>, stream: TcpStream) -> Place {
        let mut state = self.state();
        // Those who made room are gone as soon as their threads run.
        while state.unadmitted >= 2 * STRANGERS {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.strangers.len() >= STRANGERS {
            state.send_off();
        }
        let (id, stream) = (state.next, Arc::new(stream));
        state.next += 1;
        state.unadmitted += 1;
        state.strangers.insert(id, Arc::clone(&stream));
        Place { crowd: Arc::clone(self), id, stream, admitted: false, held: 0 }
    }

    /// Sends off who waits longest to be admitted.
    pub(super) fn send_off(&self) {
        self.state().send_off();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send_off(&mut self) {
        if let Some((_, oldest)) = self.strangers.pop_first() {
            // Its thread reads the end.
            let _ = oldest.shutdown(Shutdown::Both);
        }
    }
}

impl Place {
    /// Whether there is room for it among those who are admitted; it is then one of them.
    pub(super) fn admit(&mut self) -> bool {
        let mut state = self.crowd.state();
        if state.admitted >= ADMITTED || state.strangers.remove(&self.id).is_none() {
            return false;
        }
        state.unadmitted -= 1;
        state.admitted += 1;
        self.admitted = true;
        self.crowd.left.notify_one();
        true
    }

    /// Whether there is room for so many more bytes of its body.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let mut state = self.crowd.state();
        let fits = bytes <= BODIES - state.held;
        if fits {
            state.held += bytes;
            self.held += bytes;
        }
        fits
    }

    /// Its body was passed on.
    pub(super) fn release(&mut self) {
        self.crowd.state().held -= std::mem::take(&mut self.held);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.crowd.state();
        state.held -= self.held;
        state.strangers.remove(&self.id);
        if self.admitted {
            state.admitted -= 1;
        } else {
            state.unadmitted -= 1;
        }
        self.crowd.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// So many connections: their places, and their other ends.
    fn connected(crowd: &Arc<Crowd>, count: usize) -> (Vec<Place>, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let one = |_| {
            let theirs = TcpStream::connect(at).expect("connects");
            (crowd.enter(listener.accept().expect("one").0), theirs)
        };
        (0..count).map(one).unzip()
    }

    #[test]
    fn who_waits_longest_makes_room() {
        let crowd = Arc::<Crowd>::default();
        let (mut places, mut theirs) = connected(&crowd, STRANGERS + 1);
        let is_over = |stream: &mut TcpStream| {
            stream.set_nonblocking(true).expect("set");
            matches!(stream.read(&mut [0]), Ok(0))
        };
        let over: Vec<bool> = theirs.iter_mut().map(is_over).collect();
        assert!(over[0] && !over[1..].contains(&true), "{over:?}");
        // One that made room is not admitted any more, and the newest is.
        assert!(!places[0].admit() && places[STRANGERS].admit());
        drop(places);
        let state = crowd.state();
        assert_eq!((state.strangers.len(), state.unadmitted, state.admitted), (0, 0, 0));
    }

    #[test]
    fn who_is_admitted_takes_no_room_from_strangers_and_has_a_bound() {
        let crowd = Arc::<Crowd>::default();
        let (mut admitted, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..ADMITTED / STRANGERS {
            let (places, theirs) = connected(&crowd, STRANGERS);
            admitted.extend(places);
            ends.extend(theirs);
            assert!(admitted.iter_mut().rev().take(STRANGERS).all(Place::admit));
        }
        let (mut more, _theirs) = connected(&crowd, 1);
        assert!(!more[0].admit());
        drop(admitted.pop());
        assert!(more[0].admit());
    }

    #[test]
    fn bodies_share_their_room_and_give_it_back() {
        let crowd = Arc::<Crowd>::default();
        let (mut places, _theirs) = connected(&crowd, 2);
        assert!(places[0].hold(BODIES - 1) && places[1].hold(1) && !places[1].hold(1));
        places[0].release();
        assert!(places[1].hold(BODIES - 1));
        drop(places);
        assert_eq!(crowd.state().held, 0);
    }
}
