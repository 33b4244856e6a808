//! Executables: a process counts there by its own or any parent's, and here by its own.

use serde_saphyr::Location as Mark;

use super::glob;
use super::note::{NoteKind, Notes, shown};
use super::raw::RawBinary;
use crate::ProgramPattern;

/// Who may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Programs {
    Every,
    /// None where the list is empty, unlike in a rule.
    These(Vec<ProgramPattern>),
}

impl Programs {
    pub(super) fn read(mark: Mark, binaries: &[RawBinary], notes: &mut Notes) -> Programs {
        let mut these = Vec::new();
        for binary in binaries {
            let (text, mark) = (&binary.path.value, binary.path.referenced);
            notes.once(
                mark,
                NoteKind::NotExpressed,
                "a process counts by its own executable or any parent's, as long as that file is unchanged",
                "it counts by the path of its own executable alone",
            );
            if matches!(text.as_str(), "/**" | "**") {
                notes.reported(
                    mark,
                    format!("{} is every program that is known", shown(text)),
                    "every program, known or not",
                );
                return Programs::Every;
            }
            let patterns = glob::executables(text).and_then(|paths| {
                paths.iter().map(|path| ProgramPattern::parse(path).ok()).collect::<Option<Vec<_>>>()
            });
            match patterns {
                Some(patterns) => these.extend(patterns),
                None => notes.lost(mark, format!("{} is no executable here", shown(text)), "it is not let through"),
            }
        }
        if binaries.is_empty() {
            let what = "an entry without `binaries` matches no program";
            notes.reported(mark, what, "as there, nothing is allowed by it");
        }
        Programs::These(these)
    }

    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Programs::These(these) if these.is_empty())
    }

    /// As a rule has them.
    pub(super) fn listed(&self) -> Vec<ProgramPattern> {
        match self {
            Programs::Every => Vec::new(),
            Programs::These(these) => these.clone(),
        }
    }

    /// Whether some program may be meant by both.
    pub(super) fn overlap(&self, other: &Programs) -> bool {
        !self.is_nobody() && !other.is_nobody() && self.without(other) != *self
    }

    /// Those that cannot be meant by the other.
    pub(super) fn without(&self, other: &Programs) -> Programs {
        match (self, other) {
            (_, Programs::These(others)) if others.is_empty() => self.clone(),
            // All but some cannot be said.
            (Programs::Every, _) | (_, Programs::Every) => Programs::These(Vec::new()),
            (Programs::These(these), Programs::These(others)) => {
                let apart = |one: &&ProgramPattern| !others.iter().any(|other| may_meet(one, other));
                Programs::These(these.iter().filter(apart).cloned().collect())
            }
        }
    }
}

/// Whether some executable may be meant by both patterns.
fn may_meet(one: &ProgramPattern, other: &ProgramPattern) -> bool {
    let (text, others) = (one.as_str(), other.as_str());
    match (text.contains('*'), others.contains('*')) {
        (false, false) => text == others,
        (false, true) => other.takes(text),
        (true, false) => one.takes(others),
        (true, true) => {
            let start = |text: &str| text.split('*').next().unwrap_or_default().to_owned();
            let (one, other) = (start(text), start(others));
            one.starts_with(&other) || other.starts_with(&one)
        }
    }
}
