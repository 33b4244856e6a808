//! Policies of another language: `policy import`, and what is told where one is used as it is.

use std::path::Path;

use policy::import::{Note, NoteKind, lines};
use serde_json::json;
use wire::command::{Checked, Problem, Reply};

use crate::channel::Client;
use crate::policy_file::{import_policy, notes};

/// Lines that are told before a run.
const MOST_LINES: usize = 20;

/// Writes it as a policy of this language. What was lost is no refusal: the policy is narrower.
pub(super) fn import(client: &mut Client, file: &Path, name: Option<&str>) -> Result<Checked, Problem> {
    let found = import_policy(file, name)?;
    for line in lines(&found.notes) {
        client.reply(&Reply::Notice { text: line });
    }
    let text = found.policy.to_yaml();
    let data = json!({ "policy": text, "notes": found.notes });
    Ok(Checked { yes: true, text, data })
}

/// Tells what to know about the policy of a run, where it is one of another language.
pub fn tell(client: &mut Client, file: &Path) {
    let (notes, mut told) = (notes(file), 0);
    let all = lines(&notes);
    for text in all.iter().take(MOST_LINES) {
        client.reply(&Reply::Notice { text: text.clone() });
        told += 1;
    }
    if all.len() > told {
        let more = all.len() - told;
        client.reply(&Reply::Notice { text: format!("{more} more: {}", all_of(file)) });
    }
}

/// Says in one line that there is something to know.
pub(super) fn mention(client: &mut Client, file: &Path) {
    let notes = notes(file);
    if notes.is_empty() {
        return;
    }
    let count = |kind: NoteKind| notes.iter().filter(|note: &&Note| note.kind == kind).count();
    let (lost, reported) = (count(NoteKind::NotExpressed), count(NoteKind::Reported));
    let text = format!("imported; not expressed: {lost}, reported: {reported}; {}", all_of(file));
    client.reply(&Reply::Notice { text });
}

fn all_of(file: &Path) -> String {
    format!("`bastide policy import {}` tells all", crate::problem::shell(&file.to_string_lossy()))
}
