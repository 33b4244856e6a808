//! What stands in the log: one line of JSON for each leaf. Its bytes are what is hashed, so no form of JSON has to be
//! agreed on.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::metrics::Counts;
use crate::segment::{Head, hex, unhex};

/// The longest line, with its end.
pub const MAX_LEAF: usize = 16 * 1024;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "leaf", rename_all = "kebab-case")]
pub enum Leaf {
    /// How far a session's segments had come.
    Cut(Cut),
    /// A session's segments were removed by the operator.
    Pruned(Box<Pruned>),
    /// Something that a later version writes. It counts as a leaf and says nothing.
    #[serde(other)]
    Unknown,
}

/// How far both segments of a session had come. Cuts of one session follow each other: what is beneath an earlier one
/// came before what a later one adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Microseconds since the Unix epoch, by the plane's clock.
    pub at: u64,
    /// The session's id.
    pub session: String,
    /// The plane's segment.
    pub plane: Part,
    /// The gate's.
    pub gate: Part,
}

/// A session whose segments are gone. Its cuts stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Microseconds since the Unix epoch, by the plane's clock.
    pub at: u64,
    /// The session's id.
    pub session: String,
    /// What it had come to.
    pub counts: Counts,
}

/// The end of a part of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part(pub Head);

#[derive(Serialize, Deserialize)]
struct Spelled {
    events: u64,
    head: String,
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Spelled { events: self.0.events, head: hex(&self.0.hash) }.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Spelled { events, head } = Spelled::deserialize(input)?;
        let hash = unhex(&head).ok_or_else(|| de::Error::custom("not a hash of 64 hexadecimal digits"))?;
        Ok(Part(Head { events, hash }))
    }
}

impl Leaf {
    /// The line, with its end. It holds no other line end: JSON escapes them.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}
