//! Secrets of the vault that the policy's rules name, taken out for one session. They go to its gate and nowhere else.

use std::collections::BTreeSet;

use policy::{Credential, HostPattern, PathPattern, Policy, Rule, Target};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vault::{Name, Vault, VaultError};
use wire::Lent;
use wire::command::Problem;

use super::derive::{self, Derived, Way};
use crate::problem::{NOT_RUN, problem, quoted, shell};
use crate::store::Store;

/// Takes out what the policy lends; the vault is not opened where it lends nothing.
///
/// # Errors
/// When the vault does not hold one, or binds it to another destination than its rule's.
pub(super) fn lend(policy: &Policy, store: &Store, way: &Way) -> Result<Vec<Lent>, Problem> {
    let rules = || policy.network.allow.iter().filter_map(|rule| Some((rule, rule.credential.as_ref()?)));
    let names: BTreeSet<&str> = rules().map(|(_, credential)| credential.name.as_str()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    leave_no_core();
    let vault = Vault::open(&store.vault()).map_err(|error| unopened(&error))?;
    let mut lent = Vec::new();
    for (rule, credential) in rules() {
        if lent.iter().any(|one: &Lent| one.name == credential.name) {
            continue;
        }
        lent.push(take(&vault, rule, credential, way)?);
    }
    for (rule, credential) in rules() {
        let bound = lent.iter().find(|one| one.name == credential.name);
        if let Some(one) = bound.filter(|one| !one.to.covers(&rule.to)) {
            let cause = format!(
                "the vault binds `{}` to `{}`, and a rule of policy `{}` lends it to `{}`",
                one.name, one.to, policy.name, rule.to
            );
            let hint =
                format!("name `{}` in the rule, or set it anew: `bastide vault set {} --to HOST`", one.to, one.name);
            return Err(problem("E-PLANE-059", cause, &hint, NOT_RUN));
        }
    }
    Ok(lent)
}

/// Where the host dumps core, what is taken out would lie on its disk. To lower a limit is never refused. Not to 0, which a
/// host that hands dumps to a program takes no notice of.
pub(super) fn leave_no_core() {
    let least = getrlimit(Resource::Core).maximum.map_or(1, |maximum| maximum.min(1));
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(least), maximum: Some(least) });
}

fn take(vault: &Vault, rule: &Rule, credential: &Credential, way: &Way) -> Result<Lent, Problem> {
    let name = &credential.name;
    let parsed = Name::parse(name).map_err(|_| missing(name, rule))?;
    let entry = vault.get(&parsed).map_err(|error| match error {
        VaultError::Absent => missing(name, rule),
        other => unopened(&other),
    })?;
    let to = Target::parse(entry.to());
    let paths = entry.paths().iter().map(|path| PathPattern::parse(path)).collect::<Result<Vec<_>, _>>();
    let (Ok(to), Ok(paths)) = (to, paths) else {
        let cause = format!("what the vault binds `{}` to cannot be read", quoted(name));
        return Err(problem("E-PLANE-059", cause, "set it anew: `bastide vault set NAME --to HOST`", NOT_RUN));
    };
    let (value, expires) = match entry.derives() {
        Some(derives) => {
            let Derived { value, expires } = derive::token(way, vault, &entry, derives)?;
            (value.expose().to_owned(), expires)
        }
        None => (entry.value().expose().to_owned(), None),
    };
    Ok(Lent { name: name.clone(), value, to, paths, expires })
}

fn missing(name: &str, rule: &Rule) -> Problem {
    let cause = format!(
        "the policy lends the credential `{}` to `{}`, and the vault has none of that name",
        quoted(name),
        rule.to
    );
    let host = match &rule.to.host {
        HostPattern::Exact(_) | HostPattern::Address(_) => rule.to.to_string(),
        _ => "HOST".into(),
    };
    problem("E-PLANE-058", cause, &format!("`bastide vault set {} --to {}`", shell(name), shell(&host)), NOT_RUN)
}

fn unopened(error: &VaultError) -> Problem {
    problem("E-PLANE-058", format!("the vault cannot be read: {error}"), "`bastide vault list` says more", NOT_RUN)
}
