//! Events out of a segment's lines, without proving it: [`crate::verify`] does that.

use crate::event::{Event, EventId, Segment};
use crate::segment::{Fault, split};

/// An event and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the session.
    pub id: EventId,
    /// What happened.
    pub event: Event,
}

/// A line that is no event. Reading can go on after it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no line of a segment.
    #[error("line {line}: {cause}")]
    Line {
        /// From 1.
        line: u64,
        /// Why.
        cause: Fault,
    },
    /// Its JSON is no event.
    #[error("line {line}: not an event: {cause}")]
    Event {
        /// From 1.
        line: u64,
        /// Why.
        cause: serde_json::Error,
    },
}

/// One line by its place in the segment, from 1. The place names the event, whatever number the line claims: a forged
/// number answers to no other name.
///
/// # Errors
/// When it is no line of a segment, or no event.
pub fn decode(segment: Segment, place: u64, line: &[u8]) -> Result<Entry, ReadError> {
    let (_, json) = split(line).map_err(|cause| ReadError::Line { line: place, cause })?;
    let event = serde_json::from_slice(json).map_err(|cause| ReadError::Event { line: place, cause })?;
    Ok(Entry { id: EventId { segment, seq: place }, event })
}
