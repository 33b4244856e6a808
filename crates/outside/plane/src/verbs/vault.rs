//! `vault`: secrets of the operator, each for one destination. A value comes in here and is never answered.

use policy::{HostPattern, PathPattern, Target};
use vault::{Entry, EntryError, Listed, Name, Value, Vault, VaultError};
use wire::command::{Problem, Reply, SecretText, VaultEntry, VaultRequest};

use crate::problem::{NO, problem, quoted, state};
use crate::store::Store;

/// Answers what is asked about secrets.
pub(super) fn answer(store: &Store, request: VaultRequest) -> Result<Reply, Problem> {
    match request {
        VaultRequest::Set { name, to, paths, value, derives } => {
            let entry = entry(&name, &to, &paths, &value)?;
            set(store, &derives.map_or(Ok(entry.clone()), |derives| entry.deriving(derives)).map_err(wrong)?)
        }
        VaultRequest::List => list(store),
        VaultRequest::Remove { name } => remove(store, &name),
    }
}

fn set(store: &Store, entry: &Entry) -> Result<Reply, Problem> {
    let replaced = open(store)?.set(entry).map_err(refused)?;
    let paths = if entry.paths().is_empty() { "every path".to_owned() } else { entry.paths().join(" ") };
    let mut text = format!("kept:  {}\nfor:   {}\npaths: {paths}\n", entry.name(), entry.to());
    if let Some(derives) = entry.derives() {
        text += &format!("used:  for tokens of {}\n", derives.url);
    }
    if replaced {
        text += "it took the place of the one before\n";
    }
    Ok(Reply::Text { text })
}

fn list(store: &Store) -> Result<Reply, Problem> {
    let secrets = open(store)?.list().map_err(refused)?.into_iter().map(listed).collect();
    Ok(Reply::Vault { secrets })
}

fn remove(store: &Store, name: &str) -> Result<Reply, Problem> {
    let name = Name::parse(name).map_err(wrong)?;
    open(store)?.remove(&name).map_err(refused)?;
    Ok(Reply::Text { text: format!("removed: {name}\nwho issued it may still take it: revoke it there too\n") })
}

fn open(store: &Store) -> Result<Vault, Problem> {
    Vault::open(&store.vault()).map_err(refused)
}

/// What was asked, parsed once.
fn entry(name: &str, to: &str, paths: &[String], value: &SecretText) -> Result<Entry, Problem> {
    let name = Name::parse(name).map_err(wrong)?;
    let to = destination(to)?;
    let paths = paths.iter().map(|path| pattern(path)).collect::<Result<_, _>>()?;
    let value = Value::parse(value).map_err(wrong)?;
    Entry::new(name, value, to.to_string(), paths).map_err(wrong)
}

/// One host: what is for every name below another, or for a network, is for whoever is next to own one of them.
fn destination(text: &str) -> Result<Target, Problem> {
    let bad = |cause: String| problem("E-PLANE-081", cause, "name one host: `--to api.github.com:443`", NO);
    let target = Target::written(text).map_err(|error| bad(format!("`--to {}`: {error}", quoted(text))))?;
    match target.host {
        HostPattern::Exact(_) | HostPattern::Address(_) => Ok(target),
        HostPattern::Below(_) | HostPattern::Shaped(_) | HostPattern::Network(_) => {
            Err(bad(format!("`--to {}` means several hosts, and a secret is for one", quoted(text))))
        }
    }
}

fn pattern(text: &str) -> Result<String, Problem> {
    PathPattern::parse(text).map(|pattern| pattern.as_str().to_owned()).map_err(|error| {
        let cause = format!("`--path {}`: {error}", quoted(text));
        problem("E-PLANE-082", cause, "write it as in a policy: `--path '/repos/acme/**'`", NO)
    })
}

fn listed(one: Listed) -> VaultEntry {
    let name = one.name.as_str().to_owned();
    match one.bound {
        Ok(bound) => {
            let (derived_at, since) = (bound.derived_at, Some(bound.since));
            VaultEntry { name, to: Some(bound.to), paths: bound.paths, derived_at, since, damaged: None }
        }
        Err(damage) => {
            let damaged = Some(damage.to_string());
            VaultEntry { name, to: None, paths: Vec::new(), derived_at: None, since: None, damaged }
        }
    }
}

/// What was asked for cannot be kept.
fn wrong(error: EntryError) -> Problem {
    let (code, hint) = match error {
        EntryError::Name => ("E-PLANE-080", "`bastide vault set NAME --to HOST`; the value is read from stdin"),
        EntryError::To => ("E-PLANE-081", "name one host: `--to api.github.com:443`"),
        EntryError::Derives => ("E-PLANE-081", "`--oauth https://HOST/PATH --client-id ID`"),
        EntryError::Paths => ("E-PLANE-082", "write fewer and shorter ones, with `*` and `/**`"),
        EntryError::Empty => ("E-PLANE-083", "the value is read from stdin: `bastide vault set NAME --to HOST < FILE`"),
        EntryError::Short | EntryError::Long | EntryError::Lines | EntryError::Character => {
            ("E-PLANE-083", "give the token alone, on one line, as it stands behind `Authorization: Bearer`")
        }
    };
    problem(code, error, hint, NO)
}

/// The vault did not do it.
fn refused(error: VaultError) -> Problem {
    let cause = error.to_string();
    let (code, hint) = match error {
        VaultError::Host { what, path, cause } => return state(what, &path, &cause),
        VaultError::Exposed { path, .. } => {
            let hint = format!("look at it with `ls -ld {0}`; if it is yours: `chmod go= {0}`", quoted_path(&path));
            return problem("E-PLANE-084", quoted(&cause), &hint, NO);
        }
        VaultError::Absent => ("E-PLANE-085", "`bastide vault list` says what there is"),
        VaultError::Damaged(_) => ("E-PLANE-086", "set it anew, or remove it: `bastide vault rm NAME`"),
        VaultError::Key(_) | VaultError::KeyGone(_) => {
            ("E-PLANE-087", "put the key back from a copy, or give the secrets up: `bastide help E-PLANE-087`")
        }
        VaultError::Full(_) => {
            ("E-PLANE-088", "remove what is not used: `bastide vault list`, `bastide vault rm NAME`")
        }
    };
    problem(code, quoted(&cause), hint, NO)
}

fn quoted_path(path: &std::path::Path) -> String {
    crate::problem::shell(&path.to_string_lossy())
}
