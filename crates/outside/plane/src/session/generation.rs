//! All that a gate decides by, made from a policy: when a session starts, and when another policy is put in force in it.

use policy::{Change, Policy, diff};
use wire::command::Problem;
use wire::control::Replacement;
use wire::{Labelled, Lent};

use super::derive::Way;
use super::gates::Gates;
use super::{carried, host, identity, labels, lend};
use crate::problem::{NO, problem, quoted};
use crate::store::{SessionDirectory, Store};

/// Takes out of the vault what a policy lends, and finds what it labels, for a session that runs.
///
/// # Errors
/// When the vault holds no such secret, or more is labelled than can be looked for.
pub(crate) fn of(policy: Policy, session: &SessionDirectory, store: &Store) -> Result<Replacement, Problem> {
    let credentials = lend::lend(&policy, store, &way(&policy)?)?;
    let mut labelled = match session.record.trees.first() {
        Some(workspace) => labels::find(&policy, &workspace.path)?.labelled,
        None => Vec::new(),
    };
    carried::again(&policy, session, store, &mut labelled)?;
    Ok(Replacement { policy, credentials, labelled, changes: Vec::new(), replaces: 0, undoes: false })
}

/// How a token of what the policy lends would be derived, by this process's own variables: those of who asks.
fn way(policy: &Policy) -> Result<Way, Problem> {
    if !policy.network.allow.iter().any(|rule| rule.credential.is_some()) {
        return Ok(Way::default());
    }
    let variable = |name: &str| std::env::var(name).ok();
    let proxy = host::upstream(variable)?.map(|(proxy, _)| proxy);
    // Where the program is missing, that is said when a token is to be derived, and not before.
    let gates = Gates::open(identity::gate(std::process::id())?).ok();
    Ok(Way { roots: variable("SSL_CERT_FILE"), proxy, gates })
}

/// Whether a cell that runs takes another policy.
///
/// # Errors
/// Where it differs in what the cell was made from: each key of that.
pub(crate) fn taken(now: &Policy, next: &Policy) -> Result<(), Problem> {
    let of_cell = |policy: &Policy| Policy {
        files: policy.files.clone(),
        environment: policy.environment.clone(),
        limits: policy.limits.clone(),
        // Those that run are under what they were begun with.
        servers: policy.servers.clone(),
        ..Policy::default()
    };
    let mut keys: Vec<String> = Vec::new();
    for key in diff(&of_cell(now), &of_cell(next)).iter().filter_map(key) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    let cause = format!(
        "policy `{}` differs from what the running cell was made from: {}",
        quoted(&next.name),
        quoted(&keys.join(", "))
    );
    let hint = "leave these keys as they are, or begin a session under it: `bastide run --policy FILE -- CMD`";
    Err(problem("E-PLANE-091", cause, hint, NO))
}

/// The key of a change. Of a variable the name, never the value.
fn key(change: &Change) -> Option<String> {
    if change.key == "env" {
        let text = change.before.as_deref().or(change.after.as_deref())?;
        return Some(format!("env.{}", text.split('=').next()?));
    }
    Some(change.key.clone())
}

/// Whether a gate has to read requests to decide by it.
pub(super) fn reads(policy: &Policy, labelled: &[Labelled]) -> bool {
    // What acts is judged by what it asks for.
    policy.network.reads() || !labelled.is_empty() || policy.grounding != policy::Grounding::Off
}

/// Secrets that are lent no more: a gate that takes over must still keep them out of the record.
pub(super) fn retired(before: &[Lent], now: &[Lent]) -> Vec<wire::Secret> {
    let gone = before.iter().filter(|old| !now.iter().any(|new| new.value == old.value));
    gone.map(|old| wire::Secret { name: old.name.clone(), value: old.value.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use policy::{CanonicalPath, Limit, Rule, Target};

    use super::*;

    #[test]
    fn every_key_that_is_fixed_is_named_once_and_no_value_of_a_variable() {
        let now = Policy::default();
        let mut next = Policy { name: "mine".into(), ..Policy::default() };
        next.network.allow.push(Rule::to(Target::parse("a.example").expect("a target")));
        taken(&now, &next).expect("the network is no part of the cell");
        for path in ["/a", "/b"] {
            next.files.read.push(CanonicalPath::parse(path).expect("a path"));
        }
        next.files.workspace = policy::WorkspaceMode::Live;
        next.environment.insert("KEY".into(), "hunter2".into());
        next.limits.pids = Some(3);
        next.limits.required = [Limit::Pids].into();
        let refused = taken(&now, &next).expect_err("refused");
        let keys = "files.workspace, files.read, env.KEY, limits.pids, limits.required";
        assert!(refused.cause.ends_with(keys) && refused.code == "E-PLANE-091", "{refused}");
        assert!(taken(&next, &now).expect_err("refused").cause.ends_with(keys));
    }
}
