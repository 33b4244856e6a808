//! What the operator was shown: a digest of each change that `diff` told of, kept in the session's directory. `apply`
//! leaves what is another one by then, where the operator looked at all. The last look at a path is the one that counts:
//! what an earlier one showed, and that one did not, was not seen.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::command::Problem;

use super::paths::Wanted;
use crate::checksum;
use crate::problem::{shell, state};
use crate::store::{SessionDirectory, replace};
use crate::workspace::{Change, Stamp};

/// Longest list that is read: a million digests.
const LONGEST: u64 = 80 << 20;

/// What was shown of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Review {
    /// The number of the last look.
    #[serde(default)]
    look: u64,
    /// Digests of the paths beneath which all was shown, each with the last look at it.
    #[serde(default)]
    covered: BTreeMap<String, u64>,
    /// Digests of the changes, each with the last look that showed it.
    #[serde(default)]
    shown: BTreeMap<String, u64>,
    /// A look could not be kept: where nothing was looked at since, nothing counts as seen.
    #[serde(default)]
    lost: bool,
    /// What an older build noted, which did not say which look was the last.
    #[serde(default, skip_serializing)]
    scopes: Vec<String>,
}

impl Review {
    /// What was shown until now; nothing where nobody looked.
    ///
    /// # Errors
    /// When it cannot be read: what was shown is not guessed.
    pub(super) fn load(session: &SessionDirectory) -> Result<Review, Problem> {
        let path = file(session);
        let mut bytes = Vec::new();
        let mut review: Review =
            match std::fs::File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
                Ok(_) => checksum::read(&bytes).map_err(|error| damaged(&path, session, error))?,
                Err(error) if error.kind() == ErrorKind::NotFound => Review::default(),
                Err(error) => return Err(state("read", &path, &error)),
            };
        let lost = !review.scopes.is_empty() || std::fs::symlink_metadata(lost(session)).is_ok();
        if lost {
            review = Review { look: review.look, lost, ..Review::default() };
        }
        Ok(review)
    }

    /// Whether nobody looked.
    pub(super) fn is_empty(&self) -> bool {
        self.covered.is_empty() && !self.lost
    }

    /// Begins a look; one at everything leaves nothing of those before.
    pub(super) fn look(&mut self, everything: bool) {
        if everything {
            *self = Review { look: self.look, ..Review::default() };
        }
        self.look += 1;
    }

    /// Notes what of a tree this look is at.
    pub(super) fn covers(&mut self, tree: &Path, wanted: &Wanted) {
        let whole = [PathBuf::new()];
        let paths = if wanted.paths().is_empty() { &whole } else { wanted.paths() };
        self.covered.extend(paths.iter().map(|path| (scope(tree, path), self.look)));
    }

    /// Notes a change that it shows.
    pub(super) fn note(&mut self, tree: &Path, change: &Change) {
        self.shown.insert(digest(tree, change), self.look);
    }

    /// Whether a change is another one than the last look showed in its place.
    pub(super) fn differs(&self, tree: &Path, change: &Change) -> bool {
        match change.path.ancestors().filter_map(|above| self.covered.get(&scope(tree, above))).max() {
            Some(last) => self.shown.get(&digest(tree, change)) != Some(last),
            None => self.lost,
        }
    }

    /// Whether the last look in its place showed this very change.
    pub(super) fn saw(&self, tree: &Path, change: &Change) -> bool {
        let last = change.path.ancestors().filter_map(|above| self.covered.get(&scope(tree, above))).max();
        last.is_some() && self.shown.get(&digest(tree, change)) == last
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written. Then no earlier look counts any more.
    pub(super) fn save(&self, session: &SessionDirectory) -> Result<(), Problem> {
        let (path, lost) = (file(session), lost(session));
        let written = checksum::file_of(self).map_err(std::io::Error::from).and_then(|bytes| {
            let fits = bytes.len() as u64 <= LONGEST;
            if fits { replace(&path, &bytes) } else { Err(ErrorKind::FileTooLarge.into()) }
        });
        let marked = match &written {
            Ok(()) => std::fs::remove_file(&lost).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
            // A file without content finds room also where one with content does not.
            Err(_) => std::fs::File::create(&lost).map(drop),
        };
        written.and(marked).map_err(|error| state("write", &path, &error))
    }
}

/// No disk is full then: what was shown is to be shown again.
fn damaged(path: &Path, session: &SessionDirectory, error: checksum::Damaged) -> Problem {
    let (file, id) = (shell(&path.to_string_lossy()), &session.record.id);
    let hint = Some(format!("look again: `rm {file}`, then `bastide diff {id}`"));
    Problem { hint, ..state("read", path, &std::io::Error::other(error)) }
}

/// Stands there where a look could not be kept.
fn lost(session: &SessionDirectory) -> PathBuf {
    session.path.join("reviewed.lost")
}

fn file(session: &SessionDirectory) -> PathBuf {
    session.path.join("reviewed.json")
}

fn scope(tree: &Path, path: &Path) -> String {
    hash(&[tree.as_os_str().as_bytes(), path.as_os_str().as_bytes()])
}

/// What makes a change this one: path, kind, mode and content, and of one in conflict the same of what stands outside;
/// of a git directory what moves, what that changes, and what its index, reflogs and state say. Times do not count.
fn digest(tree: &Path, change: &Change) -> String {
    let of = |stamp: &Stamp| (stamp.node, stamp.mode, stamp.sha256);
    let after = change.after.as_ref().filter(|_| change.git.is_none()).map(of);
    let unit = change.git.as_ref().map(|unit| (&unit.moves, &unit.paths, unit.partial, &unit.says));
    let moves = unit.map(|(moves, paths, partial, says)| {
        let moves: Vec<_> = moves.iter().map(|moved| (&moved.name, &moved.old, &moved.new)).collect();
        (moves, paths, partial, says)
    });
    let mut what = serde_json::to_vec(&(change.kind, after, moves)).unwrap_or_default();
    if change.conflict.is_some() && change.git.is_none() {
        what.extend(serde_json::to_vec(&change.before.as_ref().map(of)).unwrap_or_default());
    }
    hash(&[tree.as_os_str().as_bytes(), change.path.as_os_str().as_bytes(), &what])
}

fn hash(parts: &[&[u8]]) -> String {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
