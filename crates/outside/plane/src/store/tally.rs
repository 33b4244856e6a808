//! What a session came to so far, counted from its segments: for `show`, and for the outcome of a run.

use std::collections::BTreeMap;
use std::io;

use record::summary::{Answers, Target};
use record::{EventId, Kind, Summary, Wall};
use wire::command::{Counted, ModelsInfo};

use super::{Events, SessionDirectory};

/// What refused files are counted as, where the host's audit tells of them.
const FILES: &str = "access to files";

/// Counts, and what was measured.
#[derive(Debug, Default)]
pub struct Tally {
    /// Destinations that were allowed, the most frequent first.
    pub allowed: Vec<Counted>,
    /// Names and destinations that were refused, the most frequent first; then files, as one.
    pub refused: Vec<Counted>,
    /// The boundary's layers, as measured.
    pub layers: Vec<Wall>,
    /// The limits, as the host gives them.
    pub limits: Vec<Wall>,
    /// What models answered, where they did.
    pub models: Option<ModelsInfo>,
    /// The last that whoever is inside reported: its own words.
    pub reported: Option<String>,
    /// The event of the last refusal.
    pub last_refusal: Option<EventId>,
    /// Lines that are no event.
    pub unread: u64,
}

/// Counts what both segments hold.
///
/// # Errors
/// When one cannot be read.
pub fn tally(session: &SessionDirectory) -> io::Result<Tally> {
    let (mut tally, mut summary) = (Tally::default(), Summary::default());
    let mut events = Events::of(session);
    while let Some(next) = events.next_event()? {
        let Ok(entry) = next else {
            tally.unread += 1;
            continue;
        };
        summary.take(&entry.event.kind);
        if entry.event.is_refusal() {
            tally.last_refusal = Some(entry.id);
        }
        match entry.event.kind {
            Kind::Walls { layers } => tally.layers = layers,
            Kind::Limits { limits } => tally.limits = limits,
            _ => {}
        }
    }
    let Answers { answers, input, output, cost } = summary.models;
    tally.models = (answers > 0).then_some(ModelsInfo { answers, input, output, cost });
    tally.reported = summary.reported.take();
    tally.allowed = counted(&summary.allowed);
    tally.refused = counted(&summary.refused);
    if summary.files_refused > 0 {
        // One item, last: programs look at many files that they do not need.
        tally.refused.push(Counted { what: FILES.into(), times: summary.files_refused });
    }
    Ok(tally)
}

fn counted(targets: &BTreeMap<Target, u64>) -> Vec<Counted> {
    let mut counts: Vec<_> =
        targets.iter().map(|(target, &times)| Counted { what: target.to_string(), times }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.times));
    counts
}
