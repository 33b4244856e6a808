//! What an import tells beside the policy: what was permissive and is not adopted, and what cannot be said.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_saphyr::Location as Mark;

use crate::print::visible;
use crate::read::Location;

/// One thing to know about an imported policy. What is done instead never allows more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where.
    pub location: Location,
    /// The kind.
    pub kind: NoteKind,
    /// What the file says, or what it means by saying nothing.
    pub what: String,
    /// What the imported policy does.
    pub now: String,
}

/// Why there is a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Something permissive that is not adopted.
    Reported,
    /// Something that cannot be said here.
    NotExpressed,
}

impl NoteKind {
    /// The words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NoteKind::Reported => "reported",
            NoteKind::NotExpressed => "not expressed",
        }
    }
}

impl fmt::Display for Note {
    /// One line, without its place.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; here {}", self.kind.name(), self.what, self.now)
    }
}

/// One line for each thing to know, with the places where it stands; what cannot be said comes first.
#[must_use]
pub fn lines(notes: &[Note]) -> Vec<String> {
    let mut told: Vec<(&Note, Vec<String>)> = Vec::new();
    for note in notes {
        let Location { line, column, .. } = note.location;
        let place = if line == 0 { "the file".to_owned() } else { format!("{line}:{column}") };
        match told
            .iter_mut()
            .find(|(other, _)| (other.kind, &other.what, &other.now) == (note.kind, &note.what, &note.now))
        {
            Some((_, places)) => places.push(place),
            None => told.push((note, vec![place])),
        }
    }
    told.sort_by_key(|(note, _)| std::cmp::Reverse(note.kind));
    let line = |(note, places): &(&Note, Vec<String>)| {
        let more = places.len().saturating_sub(MOST_PLACES);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}: {note}", places[..places.len().min(MOST_PLACES)].join(", "))
    };
    told.iter().map(line).collect()
}

/// Places that a line names.
const MOST_PLACES: usize = 4;

/// The notes of one file, as they are found.
pub(super) struct Notes {
    file: String,
    pub(super) list: Vec<Note>,
    said: BTreeSet<&'static str>,
}

impl Notes {
    pub(super) fn of(file: &str) -> Notes {
        Notes { file: file.into(), list: Vec::new(), said: BTreeSet::new() }
    }

    pub(super) fn reported(&mut self, mark: Mark, what: impl Into<String>, now: impl Into<String>) {
        self.add(mark, NoteKind::Reported, what.into(), now.into());
    }

    pub(super) fn lost(&mut self, mark: Mark, what: impl Into<String>, now: impl Into<String>) {
        self.add(mark, NoteKind::NotExpressed, what.into(), now.into());
    }

    /// What holds for the whole file is told where it is met first.
    pub(super) fn once(&mut self, mark: Mark, kind: NoteKind, what: &'static str, now: &'static str) {
        if self.said.insert(what) {
            self.add(mark, kind, what.into(), now.into());
        }
    }

    fn add(&mut self, mark: Mark, kind: NoteKind, what: String, now: String) {
        let location = Location { file: self.file.clone(), line: mark.line(), column: mark.column() };
        let note = Note { location, kind, what, now };
        if !self.list.contains(&note) {
            self.list.push(note);
        }
    }
}

/// A value of the file for a note.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", visible(text))
}
