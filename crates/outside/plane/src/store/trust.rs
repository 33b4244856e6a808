//! Files of workspaces that the operator trusted, each by the hash of its content: another content is another file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::command::Problem;

use super::{Store, now, replace_durably, running};
use crate::checksum;
use crate::problem::{NOT_RUN, problem, state};

/// What is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    files: BTreeMap<PathBuf, Trusted>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trusted {
    sha256: String,
    at: u64,
}

impl Trust {
    /// What is trusted now.
    ///
    /// # Errors
    /// When the file cannot be read: nothing is trusted by guess.
    pub fn load(store: &Store) -> Result<Trust, Problem> {
        let path = store.trust();
        match std::fs::read(&path) {
            Ok(bytes) => checksum::read(&bytes).map_err(|error| {
                problem(
                    "E-PLANE-068",
                    format!("the list of trusted files `{}` is damaged: {error}", path.display()),
                    "remove it, and trust the files again with `bastide trust FILE`",
                    NOT_RUN,
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Trust::default()),
            Err(error) => Err(state("read", &path, &error)),
        }
    }

    /// Whether this content of this file is trusted. The path is a real one.
    #[must_use]
    pub fn holds(&self, path: &Path, content: &[u8]) -> bool {
        self.files.get(path).is_some_and(|trusted| trusted.sha256 == sha256(content))
    }

    /// Trusts this content of this file from now on, and tells both hashes: the new one, and the one before.
    ///
    /// # Errors
    /// When the list cannot be read or written.
    pub fn add(store: &Store, path: &Path, content: &[u8]) -> Result<(String, Option<String>), Problem> {
        // Two who trust at once must not lose one another's word.
        let lock = File::open(store.root()).map_err(|error| state("lock", store.root(), &error))?;
        running::wait_for(&lock, FlockOperation::LockExclusive).map_err(|error| state("lock", store.root(), &error))?;
        let mut trust = Trust::load(store)?;
        let trusted = Trusted { sha256: sha256(content), at: now() };
        let hash = trusted.sha256.clone();
        let before = trust.files.insert(path.to_owned(), trusted).map(|before| before.sha256);
        let bytes = checksum::file_of(&trust).map_err(|error| state("write", &store.trust(), &error.into()))?;
        replace_durably(&store.trust(), &bytes).map_err(|error| state("write", &store.trust(), &error))?;
        Ok((hash, before))
    }
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
