//! The hash chain: events into lines, and lines back into a proof.
//!
//! A line is `HASH SP JSON LF`, HASH being the lower-case SHA-256 of the previous line's hash (32 raw bytes)
//! followed by JSON. The first line follows a genesis hash made of the session's id and the segment's letter,
//! so that no segment passes for another.

use sha2::{Digest, Sha256};

use crate::bodies::{Bodies, MAX_BODIES, MAX_BODY};
use crate::event::{Cause, Event, EventId, Kind, Segment};
use crate::redact::{Bounds, Redactor};

/// The longest line, with its end. A longer one is refused by reader and writer alike.
pub const MAX_LINE: usize = 256 * 1024;

/// Bytes of a line before its JSON: the hash and a space.
const PREFIX: usize = 65;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// A hash in lower-case hexadecimal.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    hex_bytes(hash).iter().map(|&byte| char::from(byte)).collect()
}

fn hex_bytes(hash: &Hash) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// The hash that such a text says: 64 of `0` to `9` and `a` to `f`.
#[must_use]
pub fn unhex(text: &str) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// Whose segment it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The session's id.
    pub session: String,
    /// Which of its segments.
    pub segment: Segment,
}

impl Origin {
    fn genesis(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(b"bastide segment 1\0");
        hasher.update([self.segment.letter() as u8]);
        hasher.update(self.session.as_bytes());
        hasher.finalize().into()
    }
}

/// The end of a chain. Kept elsewhere, it also proves that nothing was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many events lead to it.
    pub events: u64,
    /// The last line's hash, or the genesis hash.
    pub hash: Hash,
}

impl Head {
    /// The hash in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }

    fn next(&self, json: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(self.hash).chain_update(json).finalize().into();
        Self { events: self.events + 1, hash }
    }
}

/// The event cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It did not become JSON.
    #[error("event cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// Even cut short it is longer than [`MAX_LINE`].
    #[error("event is longer than {MAX_LINE} bytes")]
    TooLong,
}

/// Turns events into lines. Holds the chain's end and nothing else; the caller writes the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    segment: Segment,
    head: Head,
    /// Bytes of bodies that may still be kept whole.
    room: usize,
}

impl Writer {
    /// Begins an empty segment.
    pub fn new(origin: &Origin) -> Self {
        let head = Verifier::new(origin).finish().head;
        Self { segment: origin.segment, head, room: MAX_BODIES }
    }

    /// Goes on after a verified end. What was kept before is not known, and counts as all that may be kept whole.
    pub fn after(segment: Segment, head: Head) -> Self {
        Self { segment, head, room: 0 }
    }

    /// The chain's end.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next event's name and line, redacted before it is hashed. The chain advances only on success: a
    /// caller whose write fails goes back by a clone taken before.
    pub fn append(
        &mut self,
        redactor: &Redactor,
        at: u64,
        cause: Vec<Cause>,
        kind: Kind,
    ) -> Result<(EventId, Vec<u8>), WriteError> {
        let seq = self.head.events + 1;
        let whole = redactor.bodies() == Bodies::Full && self.room >= MAX_BODY;
        let bounds = if whole { Bounds::FULL } else { Bounds::USUAL };
        let mut event = Event { seq, at, cause, kind: redactor.kind(&kind, bounds) };
        let mut line = encode(&event)?;
        if line.len() >= MAX_LINE {
            event.kind = redactor.kind(kind, Bounds::TIGHT);
            line = encode(&event)?;
        }
        if line.len() >= MAX_LINE {
            return Err(WriteError::TooLong);
        }
        if whole {
            self.room = self.room.saturating_sub(event.kind.body().map_or(0, str::len));
        }
        self.head = self.head.next(&line[PREFIX..]);
        line[..PREFIX - 1].copy_from_slice(&hex_bytes(&self.head.hash));
        line.push(b'\n');
        Ok((EventId { segment: self.segment, seq }, line))
    }
}

/// The event's JSON behind room for the hash.
fn encode(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Vec::with_capacity(512);
    line.resize(PREFIX, b' ');
    serde_json::to_writer(&mut line, event)?;
    Ok(line)
}

/// What a whole chain proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many events.
    pub events: u64,
    /// The chain's end, to compare with one kept elsewhere.
    pub head: Head,
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct Broken {
    /// From 1.
    pub line: u64,
    /// How.
    pub cause: Fault,
}

/// How a chain breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The hash does not follow from the previous line and this one.
    #[error("changed, moved, inserted, or the line before it is gone")]
    Mismatch,
    /// It is no line of a segment.
    #[error("not a hash, a space and an event")]
    Malformed,
    /// Its event claims another place.
    #[error("its event claims another place")]
    Place,
    /// It is longer than [`MAX_LINE`].
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    /// The last line has no end: its writer was stopped.
    #[error("the last line is incomplete")]
    Torn,
}

/// Verifies line by line, in constant memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Head,
}

impl Verifier {
    /// Begins at a segment's first line.
    pub fn new(origin: &Origin) -> Self {
        Self { head: Head { events: 0, hash: origin.genesis() } }
    }

    /// Takes the next line, with its end.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let (hash, json) = split(line).map_err(|cause| self.broken(cause))?;
        let next = self.head.next(json);
        if hex_bytes(&next.hash) != hash {
            return Err(self.broken(Fault::Mismatch));
        }
        // A writer that was taken over chains whatever it likes: what is no event, or claims another's name, is no
        // proof of anything.
        let event: Event = serde_json::from_slice(json).map_err(|_| self.broken(Fault::Malformed))?;
        if event.seq != next.events {
            return Err(self.broken(Fault::Place));
        }
        self.head = next;
        Ok(())
    }

    /// The end of what was proved so far.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// What was proved.
    pub fn finish(self) -> Verified {
        Verified { events: self.head.events, head: self.head }
    }

    fn broken(&self, cause: Fault) -> Broken {
        Broken { line: self.head.events + 1, cause }
    }
}

/// A line's hash and JSON.
pub(crate) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.len() > MAX_LINE {
        return Err(Fault::TooLong);
    }
    let line = line.strip_suffix(b"\n").ok_or(Fault::Torn)?;
    match line.split_at_checked(PREFIX) {
        Some((prefix, json)) if prefix[PREFIX - 1] == b' ' => Ok((&prefix[..PREFIX - 1], json)),
        _ => Err(Fault::Malformed),
    }
}

/// Verifies a whole segment. A torn last line is a fault here; [`resume`] drops it.
pub fn verify(origin: &Origin, text: &[u8]) -> Result<Verified, Broken> {
    let mut verifier = Verifier::new(origin);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        verifier.line(line)?;
    }
    Ok(verifier.finish())
}

/// A writer that goes on where the text ends, and how many of its bytes to keep: a last line that was torn by
/// a kill is dropped, and the file is to be cut there before anything is appended.
pub fn resume(origin: &Origin, text: &[u8]) -> Result<(Writer, usize), Broken> {
    let keep = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let verified = verify(origin, &text[..keep])?;
    Ok((Writer::after(origin.segment, verified.head), keep))
}

#[cfg(test)]
mod tests;
