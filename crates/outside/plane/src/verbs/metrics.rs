//! `metrics`: what all sessions of the operator came to, for Prometheus. One that a daemon serves is the same text.

use std::collections::BTreeSet;
use std::fs;

use record::metrics::{Counts, Page, Sessions};
use wire::command::{Problem, Reply, SessionState};

use super::running;
use crate::channel::Client;
use crate::ledger::{LedgerError, Snapshot, refused};
use crate::store::{self, Store};

/// Longest file of `/proc` that is read.
const MOST: usize = 64 * 1024;

/// The page; that the ledger is damaged is told beside it, so that what is counted is told all the same.
pub(super) fn metrics(store: &Store, client: &mut Client) -> Result<Reply, Problem> {
    let (page, damaged) = page(store)?;
    if let Some(why) = damaged {
        let Problem { code, cause, .. } = refused(LedgerError::Damaged(why));
        client.reply(&Reply::Notice { text: format!("{cause}; `bastide help {code}` says what to do") });
    }
    Ok(Reply::Page { text: page.text() })
}

/// All that is told at one moment, and what is wrong with the ledger.
///
/// # Errors
/// When the sessions or the ledger cannot be read.
fn page(store: &Store) -> Result<(Page, Option<String>), Problem> {
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
    let snapshot = Snapshot::take(store, None).map_err(refused)?;
    let why = snapshot.bad.first().cloned().or_else(|| snapshot.strayed());
    let (book, damaged) = (snapshot.book, why.is_some());
    for (_, pruned) in book.sessions().values().filter_map(|known| known.pruned.as_ref()) {
        sessions.pruned += 1;
        // One that a kill left half removed is still among those that are there.
        if !found.sessions.iter().any(|session| session.record.id == pruned.session) {
            counts.add(&pruned.counts);
        }
    }
    let entries = book.tree().size();
    let ledger = (entries > 0).then_some((entries, book.newest()));
    let (version, gates) = (env!("CARGO_PKG_VERSION").into(), gates(&planes));
    Ok((Page { version, sessions, counts, gates, ledger, damaged, unread }, why))
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
