//! `metrics`: what all sessions of the operator came to, for Prometheus. One that a daemon serves is the same text.

use std::collections::BTreeSet;
use std::fs;

use record::metrics::{Counts, Page, Sessions};
use wire::command::{Problem, Reply, SessionState};

use super::running;
use crate::ledger::{Snapshot, refused};
use crate::store::{self, Store};

/// Longest file of `/proc` that is read.
const MOST: usize = 64 * 1024;

pub(super) fn metrics(store: &Store) -> Result<Reply, Problem> {
    Ok(Reply::Page { text: page(store)?.text() })
}

/// All that is told at one moment.
///
/// # Errors
/// When the sessions or the ledger cannot be read.
pub fn page(store: &Store) -> Result<Page, Problem> {
    let found = store::sessions(store)?;
    let (mut sessions, mut counts) = (Sessions::default(), Counts::default());
    let mut unread = found.damaged.len() as u64;
    let mut planes = BTreeSet::new();
    for session in &found.sessions {
        match session.state() {
            SessionState::Running => {
                sessions.running += 1;
                planes.extend(running::live(session, SessionState::Running).map(|live| live.pid));
            }
            SessionState::Ended => sessions.ended += 1,
            SessionState::Lost => sessions.lost += 1,
        }
        match store::counts(session) {
            Ok(counted) => {
                unread += u64::from(counted.unread > 0);
                counts.add(&counted.counts);
            }
            Err(_) => unread += 1,
        }
    }
    let book = Snapshot::take(store, None).map_err(refused)?.book;
    for (_, pruned) in book.sessions().values().filter_map(|known| known.pruned.as_ref()) {
        sessions.pruned += 1;
        // One that a kill left half removed is still among those that are there.
        if !found.sessions.iter().any(|session| session.record.id == pruned.session) {
            counts.add(&pruned.counts);
        }
    }
    let entries = book.tree().size();
    let ledger = (entries > 0).then_some((entries, book.newest()));
    Ok(Page { version: env!("CARGO_PKG_VERSION").into(), sessions, counts, gates: gates(&planes), ledger, unread })
}

/// Gates that these planes started, and the bytes that they hold: by `/proc`, where it tells. Gates of another state, and those
/// that are kept ready, are nobody's session's.
fn gates(planes: &BTreeSet<u32>) -> Option<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0_u64);
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let Some(status) = status(&entry.path()) else { continue };
        // What runs in a cell may call itself a gate, and is no child of a plane's.
        let parent = field_of(&status, "PPid:").and_then(|value| value.parse::<u32>().ok());
        if field_of(&status, "Name:") != Some("bastide-gate") || !parent.is_some_and(|pid| planes.contains(&pid)) {
            continue;
        }
        count += 1;
        let kib = field_of(&status, "VmRSS:").and_then(|value| value.strip_suffix(" kB")?.trim().parse::<u64>().ok());
        bytes = bytes.saturating_add(kib.unwrap_or(0).saturating_mul(1024));
    }
    Some((count, bytes))
}

fn status(process: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(process.join("status")).ok()?;
    (text.len() <= MOST).then_some(text)
}

fn field_of<'s>(status: &'s str, field: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim)
}
