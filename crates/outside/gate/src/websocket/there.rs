//! From the program to the server: frame by frame where nobody looks at what is said, else message by message, each judged
//! before it goes out. All goes out under masks of the gate's own.

use policy::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::carry::{Ended, LATER, POLICY, PROTOCOL, Socket, TOO_LONG, key};
use super::frame::{Frames, Kind, Piece, Side, head, mask, whole};
use crate::asked::Asked;
use crate::exchange::Broken;
use crate::lend::{self, LendError};
use crate::meters::TooMuch;
use crate::models::asks_a_model;
use crate::passage::{Closed, Passage};
use crate::requests::PATIENCE;

/// Longest message that is looked at.
const LONGEST: u64 = 1 << 20;
/// What a message may hold without asking for room.
const FREE: u64 = 4 << 10;

/// The message that is under way.
struct Message<'r> {
    kind: Kind,
    length: u64,
    /// It goes out when it is whole.
    held: Option<Vec<u8>>,
    room: Option<SemaphorePermit<'r>>,
    /// When it has to be whole.
    due: Option<Instant>,
    /// Of the frame that goes out in pieces, and how far it is.
    mask: ([u8; 4], usize),
    /// Within such a frame.
    within: bool,
}

impl Message<'_> {
    const fn none() -> Self {
        Message { kind: Kind::Binary, length: 0, held: None, room: None, due: None, mask: ([0; 4], 0), within: false }
    }
}

impl Passage {
    /// What keeps a message in, by what it says.
    async fn keeps_message(&self, asked: &Asked, message: &mut Vec<u8>) -> Option<Closed> {
        if self.now().policy.routes_models()
            && let Some(why) = asks_a_model(message, std::iter::empty())
        {
            return Some(self.closed_to(asked, why.into()));
        }
        if self.holds_credentials() && lend::has_placeholder(message) {
            return Some(self.closed_to(asked, LendError::Placeholder.to_string()));
        }
        let to = format!("{}:{}", asked.host, asked.port);
        self.flows.tells(&asked.host.to_string(), message.len());
        let stopped = self.judges(&to, Sink::Network, &[], message).await?;
        Some(self.stop(asked, stopped).await)
    }
}

impl<'s> Socket<'s> {
    /// Carries what the program says until it closed.
    ///
    /// # Errors
    /// How the WebSocket ended otherwise.
    pub(super) async fn there(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        mut bytes: Vec<u8>,
    ) -> Result<(), Ended> {
        let (mut frames, mut message) = (Frames::new(Side::Program), Message::none());
        loop {
            let mut out = Vec::new();
            let taken = self.take(&mut frames, &mut message, &mut bytes, &mut out).await;
            self.to_server.set(false);
            // A server that takes no more has left.
            self.say(&mut to, &out, &self.sent).await.map_err(|_| Ended::Done)?;
            self.to_server.set(!message.within);
            if taken? {
                self.to_server.set(false);
                self.closing.set(self.closing.get().or(Some(Instant::now())));
                return Ok(());
            }
            bytes = match self.hear(&mut from, message.due).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(Ended::Done),
                Err(_) if message.due.is_some_and(|due| due <= Instant::now()) => {
                    return Err(self.stop(POLICY, "a message is looked at whole, and was not there in time"));
                }
                Err(error) => return Err(Ended::Broken(Broken::Program(error))),
            };
        }
    }

    /// Puts into `out` what goes out of these bytes. Gives whether the program closed.
    async fn take(
        &self,
        frames: &mut Frames,
        message: &mut Message<'s>,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Ended> {
        let mut at = 0;
        loop {
            let (taken, piece) = frames
                .next(&mut bytes[at..])
                .map_err(|why| self.stop(PROTOCOL, &format!("what the program says is no frame: {why}")))?;
            let some = &mut bytes[at..at + taken];
            at += taken;
            match piece {
                None => return Ok(false),
                Some(Piece::Begin { kind, length, last }) => self.begin(message, (kind, length, last), out)?,
                Some(Piece::Payload) => match &mut message.held {
                    Some(held) => held.extend_from_slice(some),
                    None => {
                        self.may(some.len())?;
                        mask(some, message.mask.0, message.mask.1);
                        message.mask.1 = message.mask.1.wrapping_add(some.len());
                        out.extend_from_slice(some);
                    }
                },
                Some(Piece::End { last }) => {
                    message.within = false;
                    if last {
                        let Message { kind, held, room, .. } = std::mem::replace(message, Message::none());
                        if let Some(held) = held {
                            self.whole(kind, held, out).await?;
                        }
                        drop(room);
                    }
                }
                Some(Piece::Control(kind, payload)) => {
                    self.whole(kind, payload, out).await?;
                    if kind == Kind::Close {
                        return Ok(true);
                    }
                }
            }
        }
    }

    fn begin(
        &self,
        message: &mut Message<'s>,
        (kind, length, last): (Kind, u64, bool),
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        if kind != Kind::More {
            let held = self.passage.watches().then(Vec::new);
            let due = held.as_ref().map(|_| Instant::now() + PATIENCE);
            *message = Message { kind, held, due, ..Message::none() };
        }
        message.length = message.length.saturating_add(length);
        if let Some(most) = self.most().filter(|most| message.length > *most) {
            return Err(self.stop(TOO_LONG, &TooMuch::Body(most).to_string()));
        }
        if message.held.is_none() {
            let key = key()?;
            let head = head(kind, last, length, Some(key));
            self.may(head.len())?;
            (message.mask, message.within) = ((key, 0), true);
            out.extend(head);
            return Ok(());
        }
        if message.length > LONGEST {
            let why = format!("a message is longer than the {LONGEST} bytes that are looked at, so it is held back");
            return Err(self.stop(TOO_LONG, &why));
        }
        if message.length > FREE {
            // What it has is given back first: two that grow must not wait for one another.
            message.room = None;
            message.room = self.room.now(message.length);
            if message.room.is_none() {
                return Err(self.stop(LATER, "messages are looked at whole, and there is no room for more at once"));
            }
        }
        Ok(())
    }

    /// Judges what is whole, and lets it out as one frame: how it was cut says nothing.
    async fn whole(&self, kind: Kind, mut said: Vec<u8>, out: &mut Vec<u8>) -> Result<(), Ended> {
        if self.passage.watches()
            && !said.is_empty()
            && let Some(Closed { why, event }) = self.passage.keeps_message(self.asked, &mut said).await
        {
            return Err(Ended::Shut { code: POLICY, why: Broken::Ended(why.to_string()), event });
        }
        let frame = whole(kind, &said, Some(key()?));
        self.may(frame.len())?;
        out.extend(frame);
        Ok(())
    }
}
