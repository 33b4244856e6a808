//! Labels that outlive a session: what it leaves in its private home, and in the trees that its changes are merged into, carries
//! the join of all that it may have read, until the operator takes it away. A later session that sees such a place begins with
//! those labels.
//!
//! A session is noted as *open* at a place before it can write there; what it may have read is told by its record, which comes
//! before any effect. So whatever is killed, and when, no label is lost: a note that nobody closed is closed by the next start.
//!
//! ```text
//! labels/home-KEY.json       of the home `homes/KEY`
//!        home-KEY.released   SHA-256 of what the operator declassified, as it stood
//!        tree-HASH.json      of a directory, by the hash of its path
//! ```

mod note;
mod place;
mod release;
mod seen;
mod shelf;
mod stood;
mod texts;
mod walk;

use record::{Join, Kind};

use crate::store::{Events, SessionDirectory};

pub use note::{attach, close, drop_home, files, forget, may_write, note_home, note_trees};
pub use place::{Mark, Place, Release, Released};
pub use release::{Declassifying, Taking};
pub use seen::{Carried, seen};
pub use shelf::Shelf;
pub use stood::Before;
pub use texts::{Made, Need, Texts};

/// What a session may have read, by its record; the paths that were merged while it ran.
///
/// # Errors
/// When the record cannot be read.
pub fn join_of(session: &SessionDirectory) -> std::io::Result<(Join, Vec<String>)> {
    let (mut join, mut merged) = (Join::default(), Vec::new());
    let mut events = Events::of(session);
    while let Some(next) = events.next_event()? {
        // What is no event any more may have been one that brought a label.
        let Ok(entry) = next else {
            join.lose();
            continue;
        };
        join.take(&entry.event);
        if let Kind::Merge { paths, state } = entry.event.kind
            && state == "merged"
        {
            merged.extend(paths);
        }
    }
    if !session.record.carries || !join.is_whole() {
        // An older build did not record what it began with; of a damaged record not all is known.
        let (policies, whole) = (session.in_force().map(|now| now.policies), join.is_whole());
        for data in policies.iter().flat_map(|all| all.policies()).flat_map(|policy| &policy.data) {
            if whole { join.bring(data.label.as_str()) } else { join.add(data.label.as_str()) }
        }
        join.join(&may_write());
    }
    Ok((join, merged))
}
