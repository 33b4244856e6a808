//! `log verify --checkpoint` and `log prune`.

use super::table::time;
use crate::errors::wrap;
use crate::words;
use std::fmt::Write as _;
use wire::command::{Held, LedgerProof, PruneAnswer};

/// The longest fault that is told.
const FAULT: usize = 400;

/// What the ledger proves, what does not hold, and what is to be known beside.
pub(super) fn proved(proof: &LedgerProof) -> String {
    let LedgerProof { held, entries, sessions, under, after, pruned, faults, notes } = proof;
    let mut text = String::new();
    for fault in faults {
        text.push_str(&wrap(&format!("FAULT  {}", words::line(fault, FAULT))));
    }
    if let Some(held) = held {
        text.push_str(&wrap(&checkpoint(held)));
    }
    let chain = if faults.is_empty() { "chain intact" } else { "chain NOT intact" };
    text.push_str(&wrap(&format!(
        "ledger: {entries} entries; {sessions} sessions: {under} events under the checkpoint, {after} after it; {chain}"
    )));
    for day in pruned {
        let date = time(day.at);
        let date = date.split(' ').next().unwrap_or(&date);
        text.push_str(&wrap(&format!("{} sessions pruned on {date}, {chain}", day.sessions)));
    }
    for note in notes {
        text.push_str(&wrap(&format!("note: {}", words::line(note, FAULT))));
    }
    if held.as_ref().is_some_and(|held| !held.elsewhere) {
        text.push_str(&wrap(
            "this machine's own word: whoever may write its state could have signed another; compare with a checkpoint kept \
             elsewhere",
        ));
    }
    text
}

fn checkpoint(held: &Held) -> String {
    let whose = if held.elsewhere { "held checkpoint" } else { "newest checkpoint" };
    let origin = words::line(&held.origin, 80);
    let signed = held.time.map(|seconds| format!(", signed {}", time(seconds.saturating_mul(1_000_000))));
    let key = words::line(&held.key_id, 8);
    format!("{whose}: {} entries of {origin}{} by key {key}", held.size, signed.unwrap_or_default())
}

/// What is gone, and what stayed with the reason.
pub(super) fn pruned(answer: &PruneAnswer) -> String {
    let mut text = String::new();
    for session in &answer.done {
        let _ = writeln!(text, "pruned  {}", words::line(session, 64));
    }
    for (session, why) in &answer.left {
        text.push_str(&wrap(&format!("left    {}: {}", words::line(session, 64), words::line(why, FAULT))));
    }
    if text.is_empty() { "nothing is that old\n".to_owned() } else { text }
}
