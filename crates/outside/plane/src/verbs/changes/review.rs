//! What the operator was shown: a digest of each change that `diff` told of, kept in the session's directory. `apply`
//! leaves what is another one by then, where the operator looked at all.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::command::Problem;

use super::paths::Wanted;
use crate::checksum;
use crate::problem::state;
use crate::store::{SessionDirectory, replace};
use crate::workspace::Change;

/// Longest list that is read: a million digests.
const LONGEST: u64 = 80 << 20;

/// What was shown of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Review {
    /// Digests of the paths beneath which all was shown.
    scopes: BTreeSet<String>,
    /// Digests of the changes.
    seen: BTreeSet<String>,
}

impl Review {
    /// What was shown until now; nothing where nobody looked.
    ///
    /// # Errors
    /// When it cannot be read: what was shown is not guessed.
    pub(super) fn load(session: &SessionDirectory) -> Result<Review, Problem> {
        let path = file(session);
        let mut bytes = Vec::new();
        match std::fs::File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
            Ok(_) => checksum::read(&bytes).map_err(|error| state("read", &path, &std::io::Error::other(error))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Review::default()),
            Err(error) => Err(state("read", &path, &error)),
        }
    }

    /// Whether nobody looked.
    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// Notes what is shown of a tree.
    pub(super) fn note(&mut self, tree: &Path, wanted: &Wanted, changes: &[Change]) {
        let whole = [PathBuf::new()];
        let scopes = if wanted.paths().is_empty() { &whole } else { wanted.paths() };
        self.scopes.extend(scopes.iter().map(|path| scope(tree, path)));
        self.seen.extend(changes.iter().filter(|change| wanted.takes(&change.path)).map(|change| digest(tree, change)));
    }

    /// Whether a change is another one than was shown in its place.
    pub(super) fn differs(&self, tree: &Path, change: &Change) -> bool {
        let looked = || change.path.ancestors().any(|above| self.scopes.contains(&scope(tree, above)));
        !self.is_empty() && looked() && !self.seen.contains(&digest(tree, change))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, session: &SessionDirectory) -> Result<(), Problem> {
        let path = file(session);
        let bytes = checksum::file_of(self).map_err(|error| state("write", &path, &error.into()))?;
        replace(&path, &bytes).map_err(|error| state("write", &path, &error))
    }
}

fn file(session: &SessionDirectory) -> PathBuf {
    session.path.join("reviewed.json")
}

fn scope(tree: &Path, path: &Path) -> String {
    hash(&[tree.as_os_str().as_bytes(), path.as_os_str().as_bytes()])
}

/// What makes a change this one: path, kind, mode and content; of a git directory what moves and what that changes.
/// Times do not count.
fn digest(tree: &Path, change: &Change) -> String {
    let after = change.after.as_ref().filter(|_| change.git.is_none());
    let after = after.map(|stamp| (stamp.node, stamp.mode, stamp.sha256));
    let unit = change.git.as_ref().map(|unit| (&unit.moves, &unit.paths, unit.partial));
    let moves = unit.map(|(moves, paths, partial)| {
        let moves: Vec<_> = moves.iter().map(|moved| (&moved.name, &moved.old, &moved.new)).collect();
        (moves, paths, partial)
    });
    let what = serde_json::to_vec(&(change.kind, after, moves)).unwrap_or_default();
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
