//! From the server to the program: frames that are such, without what was lent. Each byte of a secret becomes a star, however
//! its message is cut, so that every length stays true.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::carry::{Ended, PROTOCOL, Socket};
use super::frame::{Frames, Kind, Piece, Side, head, whole};
use crate::exchange::Broken;
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
        let (mut frames, mut veil) = (Frames::new(Side::Server), self.spellings.clone().map(Veil::new));
        loop {
            let mut out = Out { veil: veil.as_mut(), bytes: Vec::new(), parts: Vec::new(), ready: Vec::new() };
            let taken = self.give(&mut frames, &mut bytes, &mut out);
            let ready = out.end(false);
            self.to_program.set(false);
            self.say(&mut to, &ready, &self.received).await.map_err(|error| Ended::Broken(Broken::Program(error)))?;
            let found = veil.as_mut().map_or(0, |veil| std::mem::take(&mut veil.found));
            self.found.set(self.found.get() + found);
            // A message that may have begun a secret is held in part, within its frame.
            self.to_program.set(if veil.is_some() { frames.is_at_rest() } else { frames.is_between() });
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
    fn give(&self, frames: &mut Frames, bytes: &mut [u8], out: &mut Out<'_>) -> Result<bool, Ended> {
        let mut at = 0;
        loop {
            let (taken, piece) = frames
                .next(&mut bytes[at..])
                .map_err(|why| self.stop(PROTOCOL, &format!("what the server says is no frame: {why}")))?;
            let some = &bytes[at..at + taken];
            at += taken;
            match piece {
                None => return Ok(false),
                Some(Piece::Begin { kind, length, last }) => out.bytes.extend(head(kind, last, length, None)),
                Some(Piece::Payload) => {
                    out.parts.push((Part::Body, out.bytes.len()..out.bytes.len() + some.len()));
                    out.bytes.extend_from_slice(some);
                }
                Some(Piece::End { last: true }) => {
                    let ready = out.end(true);
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
    veil: Option<&'v mut Veil>,
    bytes: Vec<u8>,
    parts: Vec<(Part, std::ops::Range<usize>)>,
    ready: Vec<u8>,
}

impl Out<'_> {
    /// All that may go now; at the end of a message nothing is held.
    fn end(&mut self, message: bool) -> Vec<u8> {
        let (bytes, parts) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.parts));
        let mut ready = std::mem::take(&mut self.ready);
        match &mut self.veil {
            Some(veil) => ready.extend(veil.pass(&bytes, &parts, message)),
            None => ready.extend(bytes),
        }
        ready
    }
}
