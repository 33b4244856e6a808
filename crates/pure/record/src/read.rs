//! Events out of a segment's text, without proving it: [`crate::verify`] does that.

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

/// Walks through a segment's text. A last line without an end is left for later: its writer may be at it.
#[derive(Debug, Clone)]
pub struct Reader<'t> {
    segment: Segment,
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl<'t> Reader<'t> {
    /// Reads from the first byte of a line.
    pub fn new(segment: Segment, text: &'t [u8]) -> Self {
        Self { segment, text, at: 0, line: 0 }
    }

    /// Bytes of whole lines so far: where to go on when the text has grown.
    pub fn consumed(&self) -> usize {
        self.at
    }

    fn decode(&self, line: &[u8]) -> Result<Entry, ReadError> {
        let event = event(line, self.line)?;
        Ok(Entry { id: EventId { segment: self.segment, seq: event.seq }, event })
    }
}

/// One line by its place in the segment, from 1. The place names the event, whatever number the line claims: a forged
/// number answers to no other name.
///
/// # Errors
/// When it is no line of a segment, or no event.
pub fn decode(segment: Segment, place: u64, line: &[u8]) -> Result<Entry, ReadError> {
    Ok(Entry { id: EventId { segment, seq: place }, event: event(line, place)? })
}

fn event(line: &[u8], number: u64) -> Result<Event, ReadError> {
    let (_, json) = split(line).map_err(|cause| ReadError::Line { line: number, cause })?;
    serde_json::from_slice(json).map_err(|cause| ReadError::Event { line: number, cause })
}

impl Iterator for Reader<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n')? + 1;
        self.at += length;
        self.line += 1;
        Some(self.decode(&rest[..length]))
    }
}
