//! `policy apply` and `policy undo`: another policy for a session that runs. Here it is read, compared and completed; the
//! session's own plane puts it in force, or does not.

use std::path::Path;

use policy::{Policy, diff};
use serde_json::json;
use wire::command::{Checked, Problem, Select, SessionState};
use wire::control::{Answer, Order, Replacement};

use super::Place;
use crate::policy_file::read_policy_beside;
use crate::problem::{NO, problem, quoted};
use crate::session::{control, generation};
use crate::store::{self, InForce, SessionDirectory};

/// Puts the policy of a file in force, as `run` would have read it.
pub(super) fn apply(place: &Place, select: &Select, file: &Path) -> Result<Checked, Problem> {
    let session = running(place, select)?;
    let trees: Vec<&Path> = session.record.trees.iter().map(|tree| tree.path.as_path()).collect();
    let mut policy = read_policy_beside(Some(file), place.home(), &place.store, &trees)?;
    session.record.options.complete(&mut policy);
    put(place, &session, &session.in_force()?, policy, None)
}

/// Puts the policy in force again that the one of now took the place of.
pub(super) fn undo(place: &Place, select: &Select) -> Result<Checked, Problem> {
    let session = running(place, select)?;
    let now = session.in_force()?;
    let before = now.earlier.last().and_then(|earlier| session.policy_before(*earlier).ok());
    let policy = before.as_ref().and_then(last).ok_or_else(|| {
        let cause = match now.revision {
            1 => "no other policy was put in force in this session".to_owned(),
            revision => format!("nothing is kept that was in force before revision {revision}"),
        };
        problem("E-PLANE-094", cause, "`bastide policy apply SESSION FILE` puts another one in force", NO)
    })?;
    put(place, &session, &now, policy, Some(now.revision))
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

fn last(of: &InForce) -> Option<Policy> {
    of.policies.policies().last().cloned()
}

fn put(
    place: &Place,
    session: &SessionDirectory,
    now: &InForce,
    policy: Policy,
    undoes: Option<u32>,
) -> Result<Checked, Problem> {
    // Before anything is taken out of the vault.
    generation::changes(&last(now).unwrap_or_default(), &policy)?;
    let replacement = generation::of(policy, session, &place.store)?;
    let policy = replacement.policy.clone();
    let order = Order::Replace(Box::new(Replacement { undoes, ..replacement }));
    match control::ask(&session.path, order) {
        Ok(Answer::InForce { revision, replaced }) => Ok(told(session, &policy, revision, replaced, undoes)),
        Ok(Answer::Refused(problem)) => Err(*problem),
        Err(error) => {
            let id = &session.record.id;
            let cause = format!("the plane of session `{id}` gave no answer: {error}");
            Err(problem("E-PLANE-095", cause, &format!("`bastide show {id}` tells which policy is in force"), NO))
        }
    }
}

fn told(session: &SessionDirectory, policy: &Policy, revision: u32, replaced: u32, undoes: Option<u32>) -> Checked {
    let before = session.policy_before(replaced).ok().and_then(|before| last(&before)).unwrap_or_default();
    let changes = diff(&before, policy);
    let (id, name) = (&session.record.id, quoted(&policy.name));
    let mut text = format!("session {id}: policy `{name}` is in force, revision {revision}\n");
    for change in &changes {
        text += &format!("{}\n", quoted(&change.to_string()));
    }
    if changes.is_empty() {
        text += &format!("the same rules as revision {replaced}; credentials and labels were taken anew\n");
    }
    let data = json!({
        "session": id, "policy": policy.name, "revision": revision, "replaced": replaced, "undoes": undoes,
        "changes": changes,
    });
    Checked { yes: true, text, data }
}
