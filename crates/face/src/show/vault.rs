//! `vault list`.

use super::table::{minute, table};
use crate::words;
use wire::command::VaultEntry;

/// One line for each secret; a value is not even known here.
pub(super) fn list(secrets: &[VaultEntry]) -> String {
    if secrets.is_empty() {
        return "no secrets; `bastide vault set NAME --to HOST` keeps one\n".to_owned();
    }
    let head = ["NAME", "SET", "FOR", "PATHS"].map(String::from).to_vec();
    table(&std::iter::once(head).chain(secrets.iter().map(row)).collect::<Vec<_>>())
}

fn row(secret: &VaultEntry) -> Vec<String> {
    let name = words::line(&secret.name, 20);
    let since = secret.since.map_or_else(|| "-".to_owned(), |seconds| minute(seconds.saturating_mul(1_000_000)));
    match &secret.damaged {
        Some(why) => vec![name, since, "damaged".to_owned(), words::line(why, 60)],
        None => vec![name, since, words::line(secret.to.as_deref().unwrap_or("-"), 30), paths(&secret.paths)],
    }
}

fn paths(paths: &[String]) -> String {
    if paths.is_empty() { "all".to_owned() } else { words::line(&paths.join(" "), 60) }
}
