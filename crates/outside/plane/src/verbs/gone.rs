//! What is missing of a record, for whoever reads it: an empty answer of what is gone says that nothing happened.

use record::Segment;
use wire::command::{Reply, SessionState};

use crate::channel::Client;
use crate::ledger::Snapshot;
use crate::store::{SessionDirectory, Store};

/// Tells of each segment that is gone.
pub(super) fn tell(store: &Store, client: &mut Client, session: &SessionDirectory) {
    for segment in [Segment::Plane, Segment::Gate] {
        if is_gone(store, session, segment) {
            client.reply(&Reply::Notice { text: words(segment).into() });
        }
    }
}

/// Whether a segment is not there though it was. A session that has just begun has none yet, and a cell without a network has no
/// gate: of that only the ledger tells.
fn is_gone(store: &Store, session: &SessionDirectory, segment: Segment) -> bool {
    if std::fs::symlink_metadata(session.segment(segment)).is_ok() {
        return false;
    }
    match segment {
        Segment::Plane => session.state() != SessionState::Running,
        Segment::Gate => Snapshot::take(store, None).is_ok_and(|snapshot| {
            let known = snapshot.book.sessions().get(&session.record.id);
            known.is_some_and(|known| known.following(segment).under(u64::MAX) > 0)
        }),
    }
}

const fn words(segment: Segment) -> &'static str {
    match segment {
        Segment::Plane => {
            "of this session's record `plane.segment` is gone: what its programs did is not told; `bastide log verify` says more"
        }
        Segment::Gate => {
            "of this session's record `gate.segment` is gone: what went through the door, or was refused there, is not told; \
             `bastide log verify` says more"
        }
    }
}
