//! What a session begins with: the labels of its home and of the directories that it sees, each with the sessions that left them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use policy::Label;
use record::join::UNTRUSTED;
use wire::command::Problem;

use super::{Place, Shelf, join_of, may_write};
use crate::store::{SessionDirectory, Store};

/// Places that are told of in words.
const TOLD: usize = 8;

/// The labels that a session begins with.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Each, and whether it is of secrets alone.
    pub labels: BTreeMap<Label, bool>,
    /// Where from, in words.
    pub from: Vec<String>,
    /// The places themselves: where each lies, the name of its notes, what is noted.
    pub places: Vec<(PathBuf, String, Place)>,
}

impl Carried {
    /// Adds a label; what is of a text stays so.
    pub fn add(&mut self, label: &Label, value: bool) {
        let value = value && !label.as_str().starts_with(UNTRUSTED);
        self.labels.entry(label.clone()).and_modify(|known| *known &= value).or_insert(value);
    }

    /// Those of texts, or those of secrets alone.
    pub fn of(&self, value: bool) -> Vec<String> {
        self.labels.iter().filter(|(_, own)| **own == value).map(|(label, _)| label.as_str().to_owned()).collect()
    }

    /// Adds a place as it stands now: sessions that are still open there count with all that they may have read so far, and
    /// may read.
    fn take(&mut self, store: &Store, at: &Path, name: String, mut place: Place, own: &str) {
        let open: Vec<(String, u64)> = place.open.iter().map(|(id, since)| (id.clone(), *since)).collect();
        for (id, since) in open.iter().filter(|(id, _)| id != own) {
            let join = SessionDirectory::open(&store.sessions().join(id)).ok().and_then(|one| join_of(&one).ok());
            let mut all = may_write();
            if let Some((join, _)) = join {
                all.join(&join);
            }
            place.attach((id, *since), &all, None);
        }
        if place.marks.is_empty() {
            return;
        }
        let mut sessions: Vec<&str> = place.marks.iter().map(|mark| mark.last.as_str()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        if self.from.len() < TOLD {
            let more = sessions.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown: Vec<&str> = sessions.iter().rev().take(3).copied().collect();
            self.from.push(format!("{}, by {}{more}", place.name(), shown.join(", ")));
        }
        for mark in &place.marks {
            self.add(&mark.label, mark.value);
        }
        self.places.push((at.to_owned(), name, place));
    }
}

/// What is noted of a home, as it was before, and of every directory that overlaps one of these.
///
/// # Errors
/// When the notes cannot be read.
pub fn seen(
    store: &Store,
    shelf: &Shelf,
    own: &str,
    home: Option<(&Path, Place)>,
    directories: &[&Path],
) -> Result<Carried, Problem> {
    let mut carried = Carried::default();
    if let Some((at, place)) = home {
        let key = at.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        carried.take(store, at, Shelf::name_of_home(&key), place, own);
    }
    for (name, mut place) in shelf.all("tree")? {
        let at = PathBuf::from(&place.path);
        if directories.iter().any(|one| one.starts_with(&at)) && !directories.iter().any(|one| at.starts_with(one)) {
            // Only a part of it is seen.
            place.marks.retain(|mark| {
                let marked = mark.path.as_ref().map_or_else(|| at.clone(), |path| at.join(path));
                directories.iter().any(|one| one.starts_with(&marked) || marked.starts_with(one))
            });
            carried.take(store, &at, name, place, own);
        } else if directories.iter().any(|one| at.starts_with(one)) {
            carried.take(store, &at, name, place, own);
        }
    }
    Ok(carried)
}
