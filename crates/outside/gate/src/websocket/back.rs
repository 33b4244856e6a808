//! From the server to the program: frames that are such, without what was lent. Each byte of a secret becomes a star, however
//! its message is cut, so that every length stays true.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::carry::{Ended, POLICY, PROTOCOL, Socket, TOO_LONG};
use super::frame::{Frames, Kind, Piece, Side, head, whole};
use crate::exchange::Broken;
use crate::judges::Judges;
use crate::look::Unread;
use crate::reply::Part;
use crate::veil::Veil;

impl Socket<'_> {
    /// Carries what the server says until it closed.
    ///
    /// # Errors
    /// How the WebSocket ended otherwise.
    pub(super) async fn back(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        mut bytes: Vec<u8>,
    ) -> Result<(), Ended> {
        let mut judges = Judges::default().and(self.spellings.as_deref().map(Veil::new));
        let (mut frames, mut message, reads) = (Frames::new(Side::Server), 0, judges.reads());
        loop {
            let mut out = Out::of(&mut judges);
            let taken = self.give(&mut frames, (&mut bytes, &mut message), &mut out);
            let between = out.between;
            let ready = out.end(false).map_err(|why| self.stop(POLICY, &why.to_string()))?;
            self.to_program.set(false);
            self.say(&mut to, &ready, &self.received).await.map_err(|error| Ended::Broken(Broken::Program(error)))?;
            self.found.set(self.found.get() + judges.masked());
            // A message that may have begun a secret is held in part, within its frame.
            self.to_program.set(between || if reads { frames.is_at_rest() } else { frames.is_between() });
            if taken? {
                self.to_program.set(false);
                self.closing.set(self.closing.get().or(Some(Instant::now())));
                return Ok(());
            }
            bytes = match self.hear(&mut from, None).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(Ended::Done),
                Err(error) => {
                    return Err(Ended::Broken(Broken::Server(format!("broke the connection off: {error}"))));
                }
            };
        }
    }

    /// Gives whether the server closed.
    fn give(
        &self,
        frames: &mut Frames,
        (bytes, message): (&mut [u8], &mut u64),
        out: &mut Out<'_>,
    ) -> Result<bool, Ended> {
        let most = self.most_answered();
        let mut at = 0;
        loop {
            let (taken, piece) = frames
                .next(&mut bytes[at..])
                .map_err(|why| self.stop(PROTOCOL, &format!("what the server says is no frame: {why}")))?;
            let some = &bytes[at..at + taken];
            at += taken;
            match piece {
                None => return Ok(false),
                Some(Piece::Begin { kind, length, last }) => {
                    // What a frame says of its length is seen before any of it.
                    let first = std::mem::replace(message, message.saturating_add(length)) == 0;
                    if let Some(most) = most.filter(|most| *message > *most) {
                        let why =
                            format!("a message of the server is longer than the {most} bytes that its rule allows");
                        out.between = first || !out.judges.reads();
                        return Err(self.stop(TOO_LONG, &why));
                    }
                    out.bytes.extend(head(kind, last, length, None));
                }
                Some(Piece::Payload) => {
                    out.parts.push((Part::Body, out.bytes.len()..out.bytes.len() + some.len()));
                    out.bytes.extend_from_slice(some);
                }
                Some(Piece::End { last: true }) => {
                    *message = 0;
                    let ready = out.end(true).map_err(|why| self.stop(POLICY, &why.to_string()))?;
                    out.ready = ready;
                }
                Some(Piece::End { .. }) => {}
                Some(Piece::Control(kind, payload)) => {
                    out.bytes.extend(whole(kind, &self.veiled(&payload), None));
                    if kind == Kind::Close {
                        return Ok(true);
                    }
                }
            }
        }
    }
}

/// What goes to the program of one piece of what the server says.
struct Out<'v> {
    judges: &'v mut Judges,
    bytes: Vec<u8>,
    parts: Vec<(Part, std::ops::Range<usize>)>,
    ready: Vec<u8>,
    /// It ends before a frame of which nothing goes on.
    between: bool,
}

impl<'v> Out<'v> {
    const fn of(judges: &'v mut Judges) -> Out<'v> {
        Out { judges, bytes: Vec::new(), parts: Vec::new(), ready: Vec::new(), between: false }
    }

    /// All that may go now; at the end of a message nothing is held.
    fn end(&mut self, message: bool) -> Result<Vec<u8>, Unread> {
        let (bytes, parts) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.parts));
        let mut ready = std::mem::take(&mut self.ready);
        match self.judges.reads() {
            true => ready.extend(self.judges.pass(&bytes, &parts, message)?),
            false => ready.extend(bytes),
        }
        Ok(ready)
    }
}
