//! One request and its answer, both at once: a server may answer before it read everything.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::body;
use crate::head::Body;
use crate::http2::answer::Unsayable;
use crate::look::{Look, Unread};
use crate::passage::Why;
use crate::reply::Reply;
use crate::requests::PATIENCE;
use crate::scratch::Scratch;
use crate::stream::Inside;

/// What is read at once where more came than a [`Scratch`] has room for.
const LARGE: usize = 64 << 10;
/// How long a program that said all it will is waited for: whether it is still there shows only at the next byte.
const HALF: Duration = Duration::from_secs(60);

/// How often a program hears that somebody is there while its answer waits for the operator.
const ALIVE: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    /// As the destination gets it.
    pub(crate) head: &'a [u8],
    /// What follows it.
    pub(crate) body: Body,
    /// What came behind the head already.
    pub(crate) rest: Vec<u8>,
    /// It is the only one on its connection: a program that goes on when its answer began has that answer, whatever the
    /// server keeps open.
    pub(crate) only: bool,
}

/// What can still be said when a request and its answer were.
#[derive(Debug)]
pub(crate) enum Left {
    /// A request on the same two connections, which has begun with this.
    Both(Vec<u8>),
    Neither,
}

/// Why an exchange did not come to its end, in words for the record and the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the program left, or broke its request off: {0}")]
    Program(io::Error),
    #[error("the program does not read its answer: nothing was taken for {} seconds", .0.as_secs())]
    Unheard(Duration),
    #[error("the program does not go on with its request: nothing came for {} seconds", .0.as_secs())]
    Unsaid(Duration),
    #[error("it said more than its rule allows")]
    TooMuch,
    #[error("the server {0}")]
    Server(String),
    #[error("{0}")]
    Unread(#[from] Unread),
    /// The gate ended what would go on, and told both sides.
    #[error("{0}")]
    Ended(String),
}

impl Broken {
    /// What is said of it to a program that has nothing of an answer yet; nothing where it would not be read, or must not
    /// come behind a part.
    pub(crate) fn told(&self, begun: bool) -> Option<Why> {
        match self {
            _ if begun => None,
            Broken::Program(_) | Broken::Unheard(_) | Broken::TooMuch | Broken::Ended(_) => None,
            Broken::Unsaid(_) => Some(Why::Slow(self.to_string())),
            Broken::Server(_) | Broken::Unread(_) => Some(Why::Unreachable(self.to_string())),
        }
    }

    fn server(error: &io::Error) -> Broken {
        Broken::Server(match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset the connection".into(),
            // Within TLS, without the words that end it.
            io::ErrorKind::UnexpectedEof => "ended the connection before its answer was whole".into(),
            _ => format!("broke the connection off: {error}"),
        })
    }
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// The program says more of its request.
    Program,
    /// The server takes more of it, or answers.
    Server,
}

/// What was carried so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Cell<u64>,
    pub(crate) received: Cell<u64>,
    /// Something of the answer reached the program: it can be told nothing else.
    pub(crate) begun: Cell<bool>,
    last: Cell<Instant>,
    idle: Cell<Duration>,
    asking: Cell<Waits>,
    /// The program is to take what was answered.
    giving: Cell<bool>,
    /// What it takes next is the last that it is told.
    ending: Cell<bool>,
}

/// A program's side while it is answered.
struct Answered<'e, S> {
    stream: &'e mut S,
    ending: &'e Cell<bool>,
}

/// One direction of a stream whose other one has its turn in the same task, and so at no time in the middle of this.
struct Half<'s, S>(&'s RefCell<S>);

const fn halves<S>(stream: &RefCell<S>) -> (Half<'_, S>, Half<'_, S>) {
    (Half(stream), Half(stream))
}

impl Exchange {
    /// Ends when nothing came for so long.
    pub(crate) fn new(idle: Duration) -> Exchange {
        Exchange {
            sent: Cell::new(0),
            received: Cell::new(0),
            begun: Cell::new(false),
            last: Cell::new(Instant::now()),
            idle: Cell::new(idle),
            asking: Cell::new(Waits::Server),
            giving: Cell::new(false),
            ending: Cell::new(false),
        }
    }

    /// Carries a request and its answer until that is whole. `may` is asked about bytes of the head, or of the body, before
    /// they go out.
    ///
    /// # Errors
    /// When the program left before its request was whole or said more than it may, when the answer broke off or does not
    /// go on, and after silence.
    pub(crate) async fn run(
        &self,
        inside: &mut impl Inside,
        outside: &mut (impl AsyncRead + AsyncWrite + Unpin),
        Said { head, body, mut rest, only }: Said<'_>,
        may: &impl Fn(usize, bool) -> bool,
        look: &mut Look<'_>,
    ) -> Result<Left, Broken> {
        let inside = RefCell::new(Answered { stream: inside, ending: &self.ending });
        let outside = RefCell::new(outside);
        let ((mut from, mut to), (mut answer, mut ask)) = (halves(&inside), halves(&outside));
        let bare = head.starts_with(b"HEAD ");
        look.answers_head(bare);
        let mut reply = Reply::new(bare, look.reads());
        let mut left = body::Left::new(body);
        // Not what was read from the program, but what reached the server: an answer may come before either is whole.
        let whole = Cell::new(false);
        let said = async {
            whole.set(self.say(&mut from, &mut ask, head, (&mut left, &mut rest), may).await?);
            self.goes_on(&mut from, &mut rest, only).await.map_err(Broken::Program)
        };
        let alone = tokio::select! {
            biased;
            answered = self.follow(&mut answer, &mut to, &mut reply, look) => answered?,
            asked = said => asked?,
            broken = self.silence() => return Err(broken),
        };
        // Where the answer ends with the connection, or more came than was asked for, nothing can follow.
        Ok(if reply.is_whole() && !reply.ends() && whole.get() && alone { Left::Both(rest) } else { Left::Neither })
    }

    /// Says the request and leaves in `rest` what comes after it. Gives whether all of it went out.
    async fn say(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        head: &[u8],
        (left, rest): (&mut body::Left, &mut Vec<u8>),
        may: &impl Fn(usize, bool) -> bool,
    ) -> Result<bool, Broken> {
        let first = left.take(rest).map_err(Broken::Program)?;
        if !may(head.len(), false) || !may(first, true) {
            return Err(Broken::TooMuch);
        }
        let mut takes = self.put(to, head).await && (first == 0 || self.put(to, &rest[..first]).await);
        rest.drain(..first);
        if left.is_done() {
            return Ok(takes);
        }
        while !left.is_done() {
            self.asking.set(Waits::Program);
            let bytes = Scratch::read(from).await.map_err(Broken::Program)?;
            self.asking.set(Waits::Server);
            if bytes.is_empty() {
                return Err(Broken::Program(io::ErrorKind::UnexpectedEof.into()));
            }
            let taken = left.take(&bytes).map_err(Broken::Program)?;
            if !may(taken, true) {
                return Err(Broken::TooMuch);
            }
            // A server that stopped reading may have answered.
            takes = takes && self.put(to, &bytes[..taken]).await;
            rest.extend_from_slice(&bytes[taken..]);
        }
        Ok(takes)
    }

    /// Hears what the program says when its request was said: the next one, or its end. Ends only where the answer no longer
    /// matters.
    async fn goes_on(&self, from: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>, only: bool) -> io::Result<bool> {
        while rest.is_empty() || only {
            let bytes = Scratch::read(from).await?;
            if bytes.is_empty() {
                self.idle.set(self.idle.get().min(HALF));
                break;
            }
            match only {
                true if self.received.get() > 0 => return Ok(false),
                true => {}
                false => rest.extend_from_slice(&bytes),
            }
        }
        std::future::pending().await
    }

    async fn put(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
        let written = to.write_all(bytes).await.is_ok() && to.flush().await.is_ok();
        if written {
            self.count(&self.sent, bytes.len());
        }
        written
    }

    /// Passes an answer on; says whether nothing came after it.
    async fn follow(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        reply: &mut Reply,
        look: &mut Look<'_>,
    ) -> Result<bool, Broken> {
        let mut large = Vec::new();
        let mut alone = true;
        // When a head has to be whole that began.
        let mut due = None;
        while !reply.is_whole() {
            let mut small = None;
            let read = async {
                if large.is_empty() {
                    return Ok(small.insert(Scratch::read(from).await?).len());
                }
                from.read(&mut large).await
            };
            let read = match due {
                None => read.await,
                Some(due) => timeout_at(due, read).await.map_err(|_| self.late())?,
            };
            let length = read.map_err(|error| Broken::server(&error))?;
            let bytes = small.as_deref().unwrap_or(&large);
            if length == 0 {
                // Where its head tells no end, this is one. Else the program must not take a part for the whole.
                if !reply.ends_with_the_connection() {
                    return Err(Broken::server(&io::ErrorKind::UnexpectedEof.into()));
                }
                self.give(to, &look.pass(&[], &[], true)?, look.is_headed()).await?;
                // On the heap, as what is rare and large.
                if look.holds() {
                    Box::pin(self.wait(to, look, true)).await?;
                }
                return Ok(false);
            }
            // What is held back came all the same: the connection is not silent.
            self.last.set(Instant::now());
            let mut parts = Vec::new();
            let taken = reply.take_with(&bytes[..length], &mut |part, range| parts.push((part, range)));
            let given = look.pass(&bytes[..taken], &parts, reply.is_whole())?;
            if reply.is_torn() {
                return Err(Unread::Odd.into());
            }
            self.ending.set(reply.is_whole() && look.is_last() && !look.holds());
            due = look.waits().then(|| due.unwrap_or_else(|| Instant::now() + self.patience()));
            self.give(to, &given, look.is_headed()).await?;
            if look.holds() {
                Box::pin(self.wait(to, look, reply.is_whole())).await?;
            }
            if look.is_over() {
                return Ok(false);
            }
            alone = taken == length;
            if small.is_some_and(|small| small.is_full()) {
                large.resize(LARGE, 0);
            }
        }
        Ok(alone)
    }

    /// Waits where something of an answer waits for somebody, and passes on what goes on then. What follows it is not read
    /// meanwhile, and the program hears that somebody is there.
    async fn wait(&self, to: &mut (impl AsyncWrite + Unpin), look: &mut Look<'_>, end: bool) -> Result<(), Broken> {
        while look.holds() {
            // The first carries the head, where that did not go on before.
            let first = look.alive();
            self.give(to, &first, look.is_headed()).await?;
            let (alive, headed) = (look.alive(), look.is_headed());
            {
                let mut wait = std::pin::pin!(look.wait());
                let tick = ALIVE.min(self.idle.get() / 2);
                while timeout(tick, &mut wait).await.is_err() {
                    self.last.set(Instant::now());
                    self.give(to, &alive, headed).await?;
                }
            }
            self.last.set(Instant::now());
            let given = look.resume(end)?;
            self.ending.set(end && look.is_last() && !look.holds());
            self.give(to, &given, look.is_headed()).await?;
        }
        Ok(())
    }

    async fn give(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], headed: bool) -> Result<(), Broken> {
        if !bytes.is_empty() {
            let begun = self.begun.replace(headed);
            self.giving.set(true);
            to.write_all(bytes).await.map_err(|error| self.untaken(error, begun))?;
            to.flush().await.map_err(Broken::Program)?;
            self.giving.set(false);
            self.count(&self.received, bytes.len());
        }
        Ok(())
    }

    /// Why a program's side does not take what was answered. One that speaks HTTP/2 has nothing of a head that cannot be
    /// said there.
    fn untaken(&self, error: io::Error, begun: bool) -> Broken {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Unsayable>()) {
            Some(why) => {
                self.begun.set(begun);
                Broken::Unread((*why).into())
            }
            None => Broken::Program(error),
        }
    }

    fn count(&self, which: &Cell<u64>, bytes: usize) {
        which.set(which.get() + bytes as u64);
        self.last.set(Instant::now());
    }

    /// How long a head may take.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.idle.get())
    }

    fn late(&self) -> Broken {
        Broken::Server(format!("takes more than {} seconds for the head of its answer", self.patience().as_secs()))
    }

    async fn silence(&self) -> Broken {
        // Looked at now and then: the patience may have become shorter meanwhile.
        let mut look = self.last.get();
        loop {
            look = (look + HALF).min(self.last.get() + self.idle.get());
            sleep_until(look).await;
            let idle = self.idle.get();
            if Instant::now() < self.last.get() + idle {
                continue;
            }
            return match (self.giving.get(), self.begun.get(), self.asking.get()) {
                (true, ..) => Broken::Unheard(idle),
                (_, true, _) => Broken::Server(format!(
                    "does not go on with its answer: nothing came for {} seconds",
                    idle.as_secs()
                )),
                (_, _, Waits::Program) => Broken::Unsaid(idle),
                _ => Broken::Server(format!("does not answer: nothing came for {} seconds", idle.as_secs())),
            };
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Half<'_, S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Half<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answered<'_, S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: Inside> AsyncWrite for Answered<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut *this.stream);
        if this.ending.get() { stream.poll_last(context, bytes) } else { stream.poll_write(context, bytes) }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(context)
    }
}
