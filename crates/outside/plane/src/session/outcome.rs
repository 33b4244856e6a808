//! What a session came to, from its record and its changes.

use policy::WorkspaceMode;
use record::{Kind, Segment, Summary, Verdict, Wall};
use wire::command::{Counted, Outcome, Problem};

use super::asked::Asked;
use super::serve::End;
use crate::problem::problem;
use crate::store::SessionDirectory;
use crate::verbs::changes;

/// Sums a session up; one whose walls could not be built is a problem instead.
pub(super) fn sum_up(
    session: &SessionDirectory,
    asked: &Asked,
    end: End,
    limits: Vec<Wall>,
) -> Result<Outcome, Problem> {
    if let Some(failure) = &end.failure {
        return Err(not_run(failure));
    }
    let mut warnings = end.warnings;
    let text = std::fs::read(session.segment(Segment::Gate)).unwrap_or_default();
    let entries: Vec<record::Entry> = record::Reader::new(Segment::Gate, &text).flatten().collect();
    let summary = record::summarise(entries.iter().map(|entry| &entry.event));
    let last_refusal = entries.iter().rev().find(|entry| refused(&entry.event.kind)).map(|entry| entry.id.to_string());
    let changed = changed(session).unwrap_or_else(|error| {
        warnings.push(format!("the changes could not be read: {}", error.cause));
        Vec::new()
    });
    Ok(Outcome {
        session: session.record.id.clone(),
        exit: end.exit,
        reason: end.reason,
        layers: end.layers,
        limits,
        accepted_risks: asked.accepted.names.clone(),
        allowed: counted(&summary, true),
        refused: counted(&summary, false),
        changed,
        last_refusal,
        warnings,
    })
}

fn refused(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Connect { verdict: Verdict::Refused | Verdict::Asked, .. }
            | Kind::Resolve { verdict: Verdict::Refused, .. }
    )
}

fn counted(summary: &Summary, allowed: bool) -> Vec<Counted> {
    let side = if allowed { &summary.allowed } else { &summary.refused };
    side.iter().map(|(what, times)| Counted { what: what.to_string(), times: *times }).collect()
}

/// Every path that differs, said as the operator names it.
fn changed(session: &SessionDirectory) -> Result<Vec<String>, Problem> {
    if session.record.mode == WorkspaceMode::ReadOnly {
        return Ok(Vec::new());
    }
    Ok(changes::list(session)?.into_iter().map(|change| change.path).collect())
}

/// A link or a file where a directory has to be.
fn in_the_way(errno: i32) -> bool {
    [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR].iter().any(|one| one.raw_os_error() == errno)
}

/// The walls could not be built, or the command not started.
fn not_run(failure: &plan::Failure) -> Problem {
    let errno = std::io::Error::from_raw_os_error(failure.errno);
    let cause = if failure.errno == 0 { failure.doing.clone() } else { format!("cannot {}: {errno}", failure.doing) };
    match failure.layer {
        // What an earlier session left in the kept home must not choose the operator's advice.
        Some(_) if in_the_way(failure.errno) => problem(
            "E-CELL-001",
            format!("the private root cannot be laid out: {cause}"),
            "something in the private home is in the way of a path that you named: `--fresh-home`",
            failure.exit,
        ),
        Some(layer) => problem(
            "E-CELL-001",
            format!("the layer `{}` does not hold: {cause}", layer.name()),
            &format!(
                "`bastide doctor` says what is missing; to run without it: `--accept-risk without-{}`",
                layer.name()
            ),
            failure.exit,
        ),
        None => problem("E-CELL-002", cause, "`bastide help E-CELL-002` says what to look at", failure.exit),
    }
}
