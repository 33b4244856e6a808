//! What a session came to, as counters. Of one that ended they are kept beside its segments, so that asking often costs
//! little; they count for nothing else.

use std::fs;
use std::io;

use record::Segment;
use record::metrics::Counts;
use serde::{Deserialize, Serialize};

use super::{Events, SessionDirectory, replace};
use crate::checksum;

/// Counts, and how much of the segments they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// What was counted.
    pub counts: Counts,
    /// Lines that are no event.
    pub unread: u64,
    /// Bytes of the plane's and of the gate's segment.
    bytes: [u64; 2],
}

/// Counts what both segments hold.
///
/// # Errors
/// When one cannot be read.
pub fn counts(session: &SessionDirectory) -> io::Result<Counted> {
    let (file, bytes) =
        (session.path.join("counts.json"), [Segment::Plane, Segment::Gate].map(|one| length(session, one)));
    let kept = fs::read(&file).ok().and_then(|text| checksum::read::<Counted>(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.bytes == bytes) {
        return Ok(kept);
    }
    let mut counted = Counted { bytes, ..Counted::default() };
    let mut events = Events::of(session);
    while let Some(next) = events.next_event()? {
        match next {
            Ok(entry) => counted.counts.take(&entry.event.kind),
            Err(_) => counted.unread += 1,
        }
    }
    // Not to be kept is no harm: it is counted again.
    if session.record.ended.is_some() {
        let _ = checksum::file_of(&counted).map(|text| replace(&file, &text));
    }
    Ok(counted)
}

fn length(session: &SessionDirectory, segment: Segment) -> u64 {
    fs::symlink_metadata(session.segment(segment)).map_or(0, |meta| meta.len())
}
