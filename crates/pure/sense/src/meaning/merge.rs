//! A change that is merged, as something that is done on the host: to remove, to make a file one that runs, and to write what the
//! host runs by itself are asked for by the operator's words, or told him.

use super::task::Task;
use super::text::parted;
use super::words::{Word, is_form_of, phrase, words};

/// Verbs by which something goes away from where it was.
const MOVES: &[&str] =
    &["rename", "move", "replace", "refactor", "merge", "split", "rewrite", "restructure", "reorganise", "reorganize"];
/// Words that ask for what can be run.
const RUNS: &[&str] = &["script", "executable", "chmod", "binary", "binaries", "command", "runnable"];

/// A change as far as it is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Merged<'a> {
    /// Its path, as the operator knows it.
    pub path: &'a str,
    /// Nothing is there any more.
    pub removed: bool,
    /// It can be run, and could not before.
    pub runs: bool,
    /// What the host runs or obeys by itself: words that it is asked for by. None is a file like any other.
    pub host: Option<&'a [&'a str]>,
}

/// What the operator's words do not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unasked {
    /// That it goes away.
    Removal,
    /// That it can be run.
    Executable,
    /// That the host runs it by itself.
    HostRuns,
}

/// The operator's words, as changes are judged by them.
#[derive(Debug, Clone, Default)]
pub struct Said {
    said: Vec<Vec<Word>>,
    task: Task,
}

impl Said {
    /// Of all that he said.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Said {
        let mut all = Said::default();
        for text in texts {
            all.task.add(text);
            all.said.push(words(&parted(text)));
        }
        all
    }

    /// What of a change nothing asks for.
    #[must_use]
    pub fn unasked(&self, change: &Merged<'_>) -> Vec<Unasked> {
        let mut found = Vec::new();
        if self.names(change.path) {
            return found;
        }
        if change.removed && self.task.asks(policy::Effect::Delete).is_none() && !self.asks(MOVES) {
            found.push(Unasked::Removal);
        }
        if change.runs && !self.asks(RUNS) {
            found.push(Unasked::Executable);
        }
        if change.host.is_some_and(|nouns| !self.asks(nouns)) {
            found.push(Unasked::HostRuns);
        }
        found
    }

    /// Whether a path stands in his words: all of it, or its name where that is more than one word.
    fn names(&self, path: &str) -> bool {
        let (all, last) = (words(path), words(path.rsplit('/').next().unwrap_or_default()));
        let stands = |wanted: &[Word]| wanted.len() > 1 && self.said.iter().any(|said| phrase(said, wanted).is_some());
        stands(&all) || stands(&last)
    }

    fn asks(&self, known: &[&str]) -> bool {
        // What is taken back by a word before it asks for nothing.
        let not = |at: usize, said: &[Word]| {
            (1..=2)
                .any(|back| at.checked_sub(back).is_some_and(|at| super::task::NOT.contains(&said[at].text.as_str())))
        };
        self.said.iter().any(|said| {
            said.iter()
                .enumerate()
                .any(|(at, word)| known.iter().any(|one| is_form_of(&word.text, one)) && !not(at, said))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unasked(said: &str, change: Merged<'_>) -> Vec<Unasked> {
        Said::of([said]).unasked(&change)
    }

    const CI: &[&str] = &["ci", "workflow", "pipeline"];

    #[test]
    fn what_is_merged_is_what_was_asked_for() {
        let removed = |path| Merged { path, removed: true, ..Merged::default() };
        let runs = |path| Merged { path, runs: true, ..Merged::default() };
        let ci = Merged { path: ".github/workflows/ci.yml", host: Some(CI), ..Merged::default() };
        use Unasked::{Executable, HostRuns, Removal};
        for (said, change, expected) in [
            ("Fix the failing test", removed("notes/plan.md"), &[Removal][..]),
            ("Delete what is old", removed("notes/plan.md"), &[]),
            ("Do not delete anything", removed("notes/plan.md"), &[Removal]),
            ("Rename the module", removed("src/old.rs"), &[]),
            ("Drop it all into notes/plan.md", removed("notes/plan.md"), &[]),
            ("Fix the failing test", runs("run"), &[Executable]),
            ("Write a script for it", runs("run"), &[]),
            ("Fix the failing test", ci, &[HostRuns]),
            ("Fix the CI", ci, &[]),
            ("Fix the test, and leave no workflow changed", ci, &[HostRuns]),
            ("Fix the test, see ci.yml", ci, &[]),
            ("Fix the failing test", Merged { removed: true, runs: false, ..ci }, &[Removal, HostRuns]),
            ("Fix the failing test", Merged { path: "src/lib.rs", ..Merged::default() }, &[]),
        ] {
            assert_eq!(unasked(said, change), expected, "{said}: {change:?}");
        }
    }

    proptest! {
        /// Other paths, and what they are called, ask for nothing: only what is said does.
        #[test]
        fn a_change_asks_for_nothing_itself(path in "[a-z/.]{1,20}", removed: bool, runs: bool) {
            let change = Merged { path: &path, removed, runs, host: Some(CI) };
            let found = Said::of([""; 0]).unasked(&change);
            prop_assert_eq!(found.len(), usize::from(removed) + usize::from(runs) + 1);
        }
    }
}
