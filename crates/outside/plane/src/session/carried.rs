//! The labels that a session begins with: of its workspace's files, and of what earlier sessions left where it looks.

use std::path::{Path, PathBuf};

use policy::Label;
use wire::command::Problem;
use wire::{Labelled, Words};

use super::asked::Asked;
use super::labels::Found;
use crate::labels::{Carried, Made, Need, Shelf, Texts, note_home, note_trees, seen};
use crate::store::{SessionDirectory, Store};

/// What a session begins with.
#[derive(Debug, Default)]
pub(super) struct Begins {
    pub(super) carried: Carried,
    /// Texts that carry a label and are looked for.
    pub(super) labelled: Vec<Labelled>,
    /// Words of other agents.
    pub(super) heard: Vec<Words>,
    /// Why those are not all.
    pub(super) lacking: Option<String>,
}

impl Begins {
    /// Every label.
    pub(super) fn labels(&self) -> Vec<Label> {
        self.carried.labels.keys().cloned().collect()
    }
}

/// Of a session that the operator asked for, or a server: notes first that it may write into its home and, where it merges by
/// itself, into its trees; nothing of it runs yet.
pub(super) fn begin(
    asked: &Asked,
    store: &Store,
    session: &SessionDirectory,
    (home, agent): (&Path, &str),
    found: Found,
) -> Result<Begins, Problem> {
    let shelf = Shelf::open(store)?;
    let id = (session.record.id.as_str(), session.record.started);
    let before = match session.record.home {
        Some(_) => Some((home, note_home(&shelf, id, home, (agent, &asked.workspace))?)),
        None => None,
    };
    let trees = session.record.trees.iter().map(|tree| tree.path.clone());
    let read = asked.policy.files.read.iter().map(|path| PathBuf::from(path.as_str()));
    let directories: Vec<PathBuf> = trees.chain(read).collect();
    let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    let mut carried = seen(store, &shelf, id.0, before, &directories)?;
    note_trees(&shelf, session)?;
    let Found { mut labelled, labels } = found;
    labels.iter().for_each(|(label, value)| carried.add(label, *value));
    let texts = Texts::of(&carried, &Need::of(asked.policies().map(AsRef::as_ref)), &shelf, &labelled)?;
    labelled.extend(texts.labelled);
    let heard = asked.serves.as_ref().map(|serves| serves.heard.clone()).unwrap_or_default();
    Ok(Begins { carried, labelled, heard, lacking: texts.lacking })
}

/// Of a sub-agent: what its parent may have read, also where it made files of that, and what its own policy labels in what it sees.
pub(super) fn adopted(asked: &Asked, found: Found, labelled: Vec<Labelled>, made: Made<'_>) -> Begins {
    let mut begins = Begins { labelled, ..Begins::default() };
    let Some(adopted) = &asked.adopted else { return begins };
    let known = adopted.labels.iter().chain(begins.labelled.iter().map(|one| &one.label));
    let known: Vec<Label> = known.cloned().collect();
    known.iter().for_each(|label| begins.carried.add(label, adopted.values.contains(label)));
    found.labels.iter().for_each(|(label, value)| begins.carried.add(label, *value));
    begins.carried.from = vec![format!("session {}", adopted.parent.session)];
    // What is a secret by its value alone is looked for as that.
    let words: Vec<Label> = adopted.labels.iter().filter(|label| !adopted.values.contains(label)).cloned().collect();
    let texts = Texts::made(made, &words, &Need::of(asked.policies().map(AsRef::as_ref)), &begins.labelled);
    begins.labelled.extend(texts.labelled);
    begins.lacking = adopted.lacking.clone().or(texts.lacking);
    begins.heard = adopted.heard();
    begins
}

/// What a policy that is put in force in a session has looked for beside what its own `data` says.
///
/// # Errors
/// When not all of it can be.
pub(super) fn again(
    policy: &policy::Policy,
    session: &SessionDirectory,
    store: &Store,
    labelled: &mut Vec<Labelled>,
) -> Result<(), Problem> {
    let shelf = Shelf::open(store)?;
    let home = session.record.home.as_ref().map(|key| store.homes().join(key));
    let place = match &session.record.home {
        Some(key) => shelf.home(key)?,
        None => None,
    };
    let trees: Vec<&Path> = session.record.trees.iter().map(|tree| tree.path.as_path()).collect();
    let carried = seen(store, &shelf, &session.record.id, home.as_deref().zip(place), &trees)?;
    let texts = Texts::of(&carried, &Need::of([policy]), &shelf, labelled)?;
    match texts.lacking {
        None => labelled.extend(texts.labelled),
        Some(why) => return Err(super::labels::too_much(why)),
    }
    Ok(())
}
