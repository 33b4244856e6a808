//! One segment, proved from its beginning: its chain, and where the ledger knows of it, its place there.

use record::ledger::Following;
use record::{Segment, Verifier};
use wire::command::{Problem, SegmentCheck};

use crate::problem::state;
use crate::store::{Line, Lines, SessionDirectory};

/// Proves one chain, line by line, and holds it to what the ledger knows. Says also whether its end is torn where that is
/// no break.
///
/// # Errors
/// When it cannot be read.
pub fn check(
    session: &SessionDirectory,
    segment: Segment,
    mut following: Option<Following>,
    in_order: bool,
) -> Result<(SegmentCheck, bool), Problem> {
    let path = session.segment(segment);
    let failed = |error: &std::io::Error| state("read", &path, error);
    let (mut lines, mut verifier) = (Lines::new(path.clone()), Verifier::new(&session.origin(segment)));
    let mut strayed = |verifier: &Verifier| {
        following.as_mut().and_then(|following| following.at(verifier.head()).err()).map(|strayed| strayed.to_string())
    };
    let mut broken = std::fs::symlink_metadata(&path).err().map(|error| format!("it cannot be read: {error}"));
    broken = broken.or_else(|| strayed(&verifier));
    while broken.is_none() {
        broken = match lines.next_line().map_err(|error| failed(&error))? {
            None => break,
            Some(Line::Whole(line)) => match verifier.line(line) {
                Ok(()) => strayed(&verifier),
                Err(broken) => Some(broken.to_string()),
            },
            Some(Line::TooLong) => Some(format!("line {}: longer than any event", verifier.head().events + 1)),
        };
    }
    let proved = verifier.finish();
    let torn = broken.is_none() && lines.is_torn();
    if torn && in_order {
        broken = Some(format!("line {}: the last line is incomplete", proved.events + 1));
    }
    let short = following.and_then(|following| following.end(proved.events).err()).map(|strayed| strayed.to_string());
    broken = broken.or(short);
    let name = match segment {
        Segment::Plane => "plane",
        Segment::Gate => "gate",
    };
    let check = SegmentCheck { segment: name.into(), events: proved.events, head: proved.head.hex(), broken };
    Ok((check, torn && !in_order))
}
