//! What changes from one policy to another, and whether it widens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Limits, Policy};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, for example `network.allow`.
    pub key: String,
    /// The value before; none when it is new.
    pub before: Option<String>,
    /// The value after; none when it is gone.
    pub after: Option<String>,
    /// Whether more is possible after than before, taken by itself.
    pub widens: bool,
}

/// The differences, in the order of a policy's keys.
#[must_use]
pub fn diff(before: &Policy, after: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut scalar = |key: &str, old: String, new: String, widens: bool| {
        if old != new {
            changes.push(Change { key: key.into(), before: Some(old), after: Some(new), widens });
        }
    };
    let (old, new) = (&before.files, &after.files);
    scalar(
        "files.workspace",
        format!("{:?}", old.workspace),
        format!("{:?}", new.workspace),
        new.workspace > old.workspace,
    );
    let (from, to) = (before.network.default, after.network.default);
    scalar("network.default", format!("{from:?}"), format!("{to:?}"), to > from);
    for ((key, old), (_, new)) in limits(&before.limits).into_iter().zip(limits(&after.limits)) {
        let shown = |limit: Option<u64>| limit.map_or("none".to_owned(), |value| value.to_string());
        scalar(key, shown(old), shown(new), old.is_some_and(|old| new.is_none_or(|new| new > old)));
    }
    list(&mut changes, "files.read", &old.read, &new.read, true);
    list(&mut changes, "files.write", &old.write, &new.write, true);
    list(&mut changes, "files.hide", &old.hide, &new.hide, false);
    list(&mut changes, "files.guard", &old.guard, &new.guard, false);
    let pairs =
        |policy: &Policy| policy.environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    list(&mut changes, "env", &pairs(before), &pairs(after), true);
    list(&mut changes, "network.allow", &before.network.allow, &after.network.allow, true);
    list(&mut changes, "network.deny", &before.network.deny, &after.network.deny, false);
    changes
}

fn limits(limits: &Limits) -> [(&'static str, Option<u64>); 5] {
    let Limits { memory, pids, cpu, time, disk } = *limits;
    [
        ("limits.memory", memory),
        ("limits.pids", pids),
        ("limits.cpu", cpu),
        ("limits.time", time),
        ("limits.disk", disk),
    ]
}

/// `grants`: an entry more is a grant; otherwise an entry less is one.
fn list<T: ToString>(changes: &mut Vec<Change>, key: &str, before: &[T], after: &[T], grants: bool) {
    let set = |items: &[T]| items.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (before, after) = (set(before), set(after));
    for gone in before.difference(&after) {
        changes.push(Change { key: key.into(), before: Some(gone.clone()), after: None, widens: !grants });
    }
    for new in after.difference(&before) {
        changes.push(Change { key: key.into(), before: None, after: Some(new.clone()), widens: grants });
    }
}
