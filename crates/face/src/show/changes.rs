//! `diff`, `apply` and `discard`.

use super::lines;
use crate::errors::wrap;
use crate::words;
use std::fmt::Write as _;
use wire::command::{ChangeInfo, DiffAnswer, MergeAnswer};

/// What asks for a second look comes first; then each change, under a line that names it.
pub(super) fn diff(answer: &DiffAnswer) -> String {
    if answer.changes.is_empty() {
        return format!("session {}: no changes\n", words::line(&answer.session, 64));
    }
    let (twice, plain): (Vec<_>, Vec<_>) = answer.changes.iter().partition(|change| is_special(change));
    let count = answer.count.unwrap_or(answer.changes.len() as u64);
    let changes = if count == 1 { "change" } else { "changes" };
    let mut text = format!("session {}: {count} {changes}\n", words::line(&answer.session, 64));
    for change in &twice {
        text.push_str(&warning(change));
    }
    for change in twice.iter().chain(&plain) {
        let _ =
            write!(text, "\n== {} {}\n{}", words::line(&change.kind, 16), quoted(&change.path), lines(&change.diff));
    }
    text
}

/// What was done, what was left, and why.
pub(super) fn merged(answer: &MergeAnswer) -> String {
    let counts = answer.counts.map(|counts| (counts.done, counts.left));
    let (done, left) = counts.unwrap_or((answer.done.len() as u64, answer.left.len() as u64));
    let mut text = format!("session {}: {done} done, {left} left\n", words::line(&answer.session, 64));
    for path in &answer.done {
        let _ = writeln!(text, "  done {}", quoted(path));
    }
    for (path, file) in &answer.kept {
        text.push_str(&indented(&format!(
            "kept {} as it was outside: {}",
            quoted(path),
            words::quoted(file.as_bytes(), 1000)
        )));
    }
    for (path, reason) in &answer.left {
        text.push_str(&indented(&format!("left {}: {}", quoted(path), words::line(reason, 300))));
    }
    text
}

fn is_special(change: &ChangeInfo) -> bool {
    change.held.is_some() || !change.flags.is_empty()
}

fn warning(change: &ChangeInfo) -> String {
    let flags = change.flags.iter().map(|flag| words::line(flag, 40)).collect::<Vec<_>>().join(", ");
    let held = change.held.as_ref().map(|why| format!("held back: {}", words::line(why, 300)));
    let parts: Vec<String> = [Some(flags).filter(|flags| !flags.is_empty()), held].into_iter().flatten().collect();
    indented(&format!("look at {}: {}", quoted(&change.path), parts.join("; ")))
}

fn indented(text: &str) -> String {
    wrap(text).lines().map(|line| format!("  {line}\n")).collect()
}

fn quoted(path: &str) -> String {
    words::quoted(path.as_bytes(), words::NAME)
}
