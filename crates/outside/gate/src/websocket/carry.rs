//! One WebSocket: both directions at once, until one side ends it or the gate does. An idle one holds no buffer.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::ready;
use std::time::Duration;

use policy::{Decision, decide};
use record::EventId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::frame::{Kind, whole};
use crate::asked::Asked;
use crate::collect::Room;
use crate::exchange::Broken;
use crate::forward::FAREWELL;
use crate::generation::Generation;
use crate::judges::Judge;
use crate::meters::Meter;
use crate::passage::Passage;
use crate::requests::Requests;
use crate::stream::Outer;
use crate::veil::Veil;

/// How long the other side may take to close when one has.
const CLOSING: Duration = Duration::from_secs(10);
/// How often is looked how long nothing came.
const STEP: Duration = Duration::from_secs(15);
/// Why one ends that another policy does not allow.
const REPLACED: &str = "the policy that replaced the one before does not allow it";
/// Longest reason in a closing frame.
const REASON: usize = 123;
const SCRATCH: usize = 16 * 1024;

/// Codes of RFC 6455 for what the gate ends.
pub(super) const AWAY: u16 = 1001;
pub(super) const PROTOCOL: u16 = 1002;
pub(super) const POLICY: u16 = 1008;
pub(super) const TOO_LONG: u16 = 1009;
pub(super) const LATER: u16 = 1013;

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Both sides closed it, or one left.
    Done,
    /// The program's connection, or the server's, broke off.
    Broken(Broken),
    /// The gate ended it.
    Shut { code: u16, why: Broken, event: Option<EventId> },
}

/// What both directions share.
pub(super) struct Socket<'s> {
    pub(super) passage: &'s Passage,
    pub(super) room: &'s Room,
    pub(super) asked: &'s Asked,
    idle: Duration,
    /// By what its messages are counted.
    leash: RefCell<(Rc<Generation>, Option<Box<Meter>>)>,
    /// Every spelling of what was lent to it.
    pub(super) spellings: Option<Vec<String>>,
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
    /// Secrets that came back.
    pub(super) found: Cell<u64>,
    /// Whether a frame of the gate's own may be said to the program, and to the server.
    pub(super) to_program: Cell<bool>,
    pub(super) to_server: Cell<bool>,
    /// When one side closed it.
    pub(super) closing: Cell<Option<Instant>>,
    last: Cell<Instant>,
}

impl<'s> Socket<'s> {
    pub(super) fn new(
        requests: &'s Requests<'_>,
        asked: &'s Asked,
        leash: (Rc<Generation>, Option<Box<Meter>>),
        spellings: Option<Vec<String>>,
    ) -> Socket<'s> {
        Socket {
            passage: requests.passage,
            room: requests.room,
            asked,
            idle: requests.idle,
            leash: RefCell::new(leash),
            spellings,
            sent: Cell::new(0),
            received: Cell::new(0),
            found: Cell::new(0),
            to_program: Cell::new(true),
            to_server: Cell::new(true),
            closing: Cell::new(None),
            last: Cell::new(Instant::now()),
        }
    }

    /// Carries what both sides say; they said this already.
    pub(super) async fn run(
        &self,
        inside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        outside: &mut Outer,
        said: Vec<u8>,
        answered: Vec<u8>,
    ) -> Ended {
        let ended = {
            let ((from, to), (answer, ask)) = (split(&mut *inside), split(&mut *outside));
            let both = async { tokio::try_join!(self.back(answer, to, answered), self.there(from, ask, said)) };
            tokio::select! {
                biased;
                ended = both => ended.err().unwrap_or(Ended::Done),
                ended = self.watch() => ended,
            }
        };
        if let Ended::Shut { code, why, event } = &ended {
            self.shut(inside, outside, *code, &reason(why, *event)).await;
        }
        ended
    }

    /// Ends when it may not go on: nothing comes, or another policy does not allow it.
    async fn watch(&self) -> Ended {
        // It may have been replaced while the server had not agreed yet.
        let same = Rc::ptr_eq(&self.leash.borrow().0, &self.passage.now());
        if !same && !self.is_still_allowed() {
            return self.stop(POLICY, REPLACED);
        }
        loop {
            let mut replaced = pin!(self.passage.replaced.notified());
            let now = Instant::now();
            let end = self.closing.get().map_or(self.last.get() + self.idle, |since| since + CLOSING);
            if end <= now && self.closing.get().is_some() {
                return Ended::Done;
            }
            if end <= now {
                let why = Broken::Server(format!("and the program said nothing for {} seconds", self.idle.as_secs()));
                return Ended::Shut { code: AWAY, why, event: None };
            }
            tokio::select! {
                () = &mut replaced => if !self.is_still_allowed() {
                    return self.stop(POLICY, REPLACED);
                },
                () = sleep_until(end.min(now + STEP)) => {}
            }
        }
    }

    /// Whether the policies of now allow it, too. By those it is counted from here on.
    fn is_still_allowed(&self) -> bool {
        let now = self.passage.now();
        let meter = match decide(&now.policy, &self.asked.egress()) {
            Decision::Allow(permit) => now.meters.admit(&permit, self.asked.asks.as_deref()),
            _ => return false,
        };
        let Ok(meter) = meter else { return false };
        self.leash.replace((now, meter));
        true
    }

    /// Takes so many bytes from what its rules allow.
    pub(super) fn may(&self, bytes: usize) -> Result<(), Ended> {
        let leash = self.leash.borrow();
        let fits = leash.0.meters.take(leash.1.as_deref(), bytes, false);
        if fits { Ok(()) } else { Err(self.stop(POLICY, "it said more than its rule allows")) }
    }

    /// Most bytes of one message.
    pub(super) fn most(&self) -> Option<u64> {
        self.leash.borrow().1.as_ref().and_then(|meter| meter.most())
    }

    /// Most bytes of one message of the server.
    pub(super) fn most_answered(&self) -> Option<u64> {
        self.leash.borrow().1.as_ref().and_then(|meter| meter.answers()?.size)
    }

    /// Ends it, and records why.
    pub(super) fn stop(&self, code: u16, why: &str) -> Ended {
        let event = self.passage.turn_away(self.asked, &format!("WebSocket closed: {why}"));
        Ended::Shut { code, why: Broken::Ended(why.to_owned()), event }
    }

    /// The same bytes without what was lent.
    pub(super) fn veiled(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(spellings) = &self.spellings else { return bytes.to_vec() };
        let (mut veil, mut veiled) = (Veil::new(spellings), bytes.to_vec());
        veil.blank(&mut veiled);
        self.found.set(self.found.get() + veil.masked());
        veiled
    }

    /// What comes next, by `due`; nothing at the end.
    pub(super) async fn hear(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        due: Option<Instant>,
    ) -> io::Result<Option<Vec<u8>>> {
        let read = some(from);
        let read = match due {
            None => read.await,
            Some(due) => timeout_at(due, read).await?,
        };
        // Within TLS, an end without the words for it: whether all was said, the frames tell.
        let ends = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        let bytes = if read.as_ref().is_err_and(ends) { Vec::new() } else { read? };
        self.last.set(Instant::now());
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(super) async fn say(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
        counted: &Cell<u64>,
    ) -> io::Result<()> {
        if !bytes.is_empty() {
            to.write_all(bytes).await?;
            to.flush().await?;
            counted.set(counted.get() + bytes.len() as u64);
            self.last.set(Instant::now());
        }
        Ok(())
    }

    /// Tells both sides that it is over, where they are between two frames.
    async fn shut(
        &self,
        inside: &mut (impl AsyncWrite + Unpin),
        outside: &mut (impl AsyncWrite + Unpin),
        code: u16,
        reason: &str,
    ) {
        let closing = [&code.to_be_bytes(), reason.as_bytes()].concat();
        if self.to_program.get() {
            let _ = timeout(FAREWELL, self.say(inside, &whole(Kind::Close, &closing, None), &self.received)).await;
        }
        // The server learns no more than that.
        if let (true, Ok(key)) = (self.to_server.get(), key()) {
            let frame = whole(Kind::Close, &code.to_be_bytes(), Some(key));
            let _ = timeout(FAREWELL, self.say(outside, &frame, &self.sent)).await;
        }
    }
}

/// The mask of one frame. The program's own could say something to the server that nobody looks at.
pub(super) fn key() -> Result<[u8; 4], Ended> {
    let mut key = [0; 4];
    let made = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty());
    made.map(|_| key).map_err(|error| Ended::Broken(Broken::Ended(format!("there is no mask: {error}"))))
}

/// What a program is told, cut where a letter ends.
fn reason(why: &Broken, event: Option<EventId>) -> String {
    let found = event.map_or(String::new(), |event| format!(" (bastide why {event})"));
    let mut text = format!("bastide{found}: {why}");
    let end = (0..=REASON.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

thread_local! {
    /// One for all: a socket that waits holds none.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// Some of what is there; empty at the end.
async fn some(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    std::future::poll_fn(|context| {
        BUFFER.with_borrow_mut(|scratch| {
            let mut space = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *from).poll_read(context, &mut space))?;
            std::task::Poll::Ready(Ok(space.filled().to_vec()))
        })
    })
    .await
}
