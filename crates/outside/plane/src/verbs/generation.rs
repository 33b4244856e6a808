//! `policy apply` and `policy undo`: another policy for a session that runs. Here it is read, compared and completed; the
//! session's own plane puts it in force, or does not.

use std::path::Path;

use policy::{Change, Policy, diff};
use serde_json::json;
use wire::command::{Checked, Problem, Select, SessionState};
use wire::control::{Answer, Order, Replacement};

use super::Place;
use crate::policy_file::read_policy_beside;
use crate::problem::{NO, problem, quoted};
use crate::session::control::{self, Unanswered};
use crate::session::generation;
use crate::store::{self, InForce, SessionDirectory};

/// How often a policy is compared anew with one that others put in force meanwhile.
const TRIES: usize = 16;
/// Changes that go into the record.
const RECORDED: usize = 100;

/// Puts the policy of a file in force, as `run` would have read it.
pub(super) fn apply(place: &Place, select: &Select, file: &Path) -> Result<Checked, Problem> {
    let session = running(place, select)?;
    let trees: Vec<&Path> = session.record.trees.iter().map(|tree| tree.path.as_path()).collect();
    let mut policy = read_policy_beside(Some(file), place.home(), &place.store, &trees)?;
    session.record.options.complete(&mut policy);
    let mut now = session.in_force()?;
    let replacement = made(place, &session, &now, policy)?;
    for _ in 0..TRIES {
        if let Some(told) = put(&session, &now, &replacement)? {
            return Ok(told);
        }
        now = session.in_force()?;
    }
    Err(overtaken(&session))
}

/// Puts the policy in force again that the one of now took the place of.
pub(super) fn undo(place: &Place, select: &Select) -> Result<Checked, Problem> {
    let session = running(place, select)?;
    let now = session.in_force()?;
    let before = now.earlier.last().and_then(|earlier| session.policy_before(*earlier).ok());
    let policy = before.as_ref().map(last).ok_or_else(|| {
        let cause = match now.revision {
            1 => "no other policy was put in force in this session".to_owned(),
            revision => format!("from revision {revision} nothing is left to go back to"),
        };
        problem("E-PLANE-094", cause, "`bastide policy apply SESSION FILE` puts another one in force", NO)
    })?;
    let replacement = Replacement { undoes: true, ..made(place, &session, &now, policy)? };
    put(&session, &now, &replacement)?.ok_or_else(|| overtaken(&session))
}

fn running(place: &Place, select: &Select) -> Result<SessionDirectory, Problem> {
    let session = store::select(&place.store, select)?;
    if session.state() == SessionState::Running {
        return Ok(session);
    }
    let cause = format!("session `{}` does not run: its policy stays what it was", session.record.id);
    let hint = "begin one under it: `bastide run --policy FILE -- CMD`; `bastide ls` shows which run";
    Err(problem("E-PLANE-090", cause, hint, NO))
}

fn last(of: &InForce) -> Policy {
    of.policies.policies().last().cloned().unwrap_or_default()
}

/// What goes with the policy. Nothing is taken out of the vault for one that no running cell takes.
fn made(place: &Place, session: &SessionDirectory, now: &InForce, policy: Policy) -> Result<Replacement, Problem> {
    generation::taken(&last(now), &policy)?;
    generation::of(policy, session, &place.store)
}

/// Asks the session's plane; none where another policy is in force by now than the one that it was compared with.
fn put(session: &SessionDirectory, now: &InForce, replacement: &Replacement) -> Result<Option<Checked>, Problem> {
    // Examples allow nothing.
    let changes = diff(&last(now), &replacement.policy).into_iter().filter(|change| change.key != "tests");
    let changes: Vec<Change> = changes.collect();
    let mut lines: Vec<String> = changes.iter().take(RECORDED).map(ToString::to_string).collect();
    if changes.len() > RECORDED {
        lines.push(format!("…[{} more]", changes.len() - RECORDED));
    }
    let replacement = Replacement { changes: lines, replaces: now.revision, ..replacement.clone() };
    match control::ask(&session.path, Order::Replace(Box::new(replacement.clone()))) {
        Ok(Answer::InForce { revision }) => Ok(Some(told(session, &replacement, revision, &changes))),
        Ok(Answer::Overtaken { .. }) => Ok(None),
        Ok(Answer::Refused(problem)) => Err(*problem),
        Err(Unanswered::Refused(problem)) => Err(*problem),
        other => {
            let id = &session.record.id;
            let why = other.map_or_else(|error| error.to_string(), |_| "it answered something else".into());
            let cause = format!("the plane of session `{id}` gave no answer: {why}");
            Err(problem("E-PLANE-095", cause, &format!("`bastide show {id}` tells which policy is in force"), NO))
        }
    }
}

fn told(session: &SessionDirectory, put: &Replacement, revision: u32, changes: &[Change]) -> Checked {
    let (id, name) = (&session.record.id, quoted(&put.policy.name));
    let mut text = format!("session {id}: policy `{name}` is in force, revision {revision}\n");
    for change in changes {
        text += &format!("{}\n", quoted(&change.to_string()));
    }
    if changes.is_empty() {
        text += &format!("the same rules as revision {}; credentials and labels were taken anew\n", put.replaces);
    }
    let data = json!({
        "session": id, "policy": put.policy.name, "revision": revision, "replaced": put.replaces,
        "undoes": put.undoes.then_some(put.replaces), "changes": changes,
    });
    Checked { yes: true, text, data }
}

fn overtaken(session: &SessionDirectory) -> Problem {
    let cause = format!("another policy was put in force in session `{}` meanwhile", session.record.id);
    problem("E-PLANE-096", cause, "look at it with `bastide show`, and ask again if that is still meant", NO)
}
