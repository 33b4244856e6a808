//! The policies of a session: the one in force, and those before it, which `undo` goes back to.
//!
//! A policy that is to follow is written beside the one in force before any gate hears of it, and takes its place by one
//! rename: what is read here is one of the two, whole, whenever the plane is killed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policy::Conjunction;
use serde::{Deserialize, Serialize};
use wire::command::Problem;

use super::SessionDirectory;
use super::session::{bounded, damaged, unread};
use crate::checksum;
use crate::problem::state;

/// The one in force.
const IN_FORCE: &str = "policy.json";
/// The one that is to follow.
const DRAFT: &str = "policy.new";
/// How many numbers a policy that nothing goes back to is kept for.
const KEPT: u32 = 64;

/// What is in force, and where it stands among the policies of its session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// Counts up from 1. Numbers of policies that did not come into force are missing.
    pub revision: u32,
    /// Revisions that `undo` goes back to, the last first to.
    pub earlier: Vec<u32>,
    /// Every policy that must allow, ceiling first.
    pub policies: Conjunction,
}

/// A policy on disk that is not in force. Dropped, nothing is left of it.
#[derive(Debug)]
#[must_use]
pub struct Draft {
    directory: PathBuf,
    revision: u32,
}

impl SessionDirectory {
    /// Keeps the policies that a session begins with.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save_policy(&self, policies: &Conjunction) -> Result<(), Problem> {
        let first = InForce { revision: 1, earlier: Vec::new(), policies: policies.clone() };
        self.draft_policy(&first)?.put_in_force(&[]).map_err(|error| state("write", &self.path.join(IN_FORCE), &error))
    }

    /// Writes what is to follow. What is in force is kept under its number from here on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draft_policy(&self, next: &InForce) -> Result<Draft, Problem> {
        let path = self.path.join(DRAFT);
        let failed = |error: io::Error| state("write", &path, &error);
        let draft = Draft { directory: self.path.clone(), revision: next.revision };
        let bytes = checksum::file_of(next).map_err(|error| failed(error.into()))?;
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&bytes)).map_err(failed)?;
        if let Some(number) = self.revision() {
            match fs::hard_link(self.path.join(IN_FORCE), self.path.join(kept(number))) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(draft)
    }

    /// What is in force, or was last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn in_force(&self) -> Result<InForce, Problem> {
        let bytes = bounded(&self.path.join(IN_FORCE)).map_err(|error| unread(&self.path, IN_FORCE, &error))?;
        self.said_by(IN_FORCE, &bytes)
    }

    /// What was in force under a number.
    ///
    /// # Errors
    /// When it is kept no more, or cannot be read.
    pub fn policy_before(&self, revision: u32) -> Result<InForce, Problem> {
        let name = kept(revision);
        let file = self.path.join(&name);
        let bytes = bounded(&file).map_err(|error| state("read", &file, &error))?;
        self.said_by(&name, &bytes)
    }

    fn said_by(&self, name: &str, bytes: &[u8]) -> Result<InForce, Problem> {
        checksum::read(bytes).map_err(|error| damaged(&self.path, &format!("`{name}`: {error}")))
    }

    /// The policies that are in force, or were last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn policy(&self) -> Result<Conjunction, Problem> {
        Ok(self.in_force()?.policies)
    }

    /// Which revision is in force; none when it cannot be read.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        self.named().map(|named| named.revision)
    }

    /// The names of the policies that are in force, ceiling first; empty when they cannot be read.
    #[must_use]
    pub fn policy_names(&self) -> Vec<String> {
        let named = self.named().into_iter().flat_map(|named| named.policies);
        named.map(|policy| policy.name).collect()
    }

    /// As little of it as a list of sessions tells.
    fn named(&self) -> Option<Named> {
        checksum::read(&bounded(&self.path.join(IN_FORCE)).ok()?).ok()
    }

    /// Every file that holds a policy of the session's.
    pub(super) fn policy_files(&self) -> io::Result<Vec<PathBuf>> {
        let numbered = numbered(&self.path)?.into_iter().map(|(_, path)| path);
        Ok(std::iter::once(self.path.join(IN_FORCE)).chain(numbered).collect())
    }

    /// Takes away what a plane that was killed left of a policy that did not come into force.
    pub(super) fn drop_draft(&self) -> io::Result<()> {
        gone(&self.path.join(DRAFT))
    }

    /// Takes away the socket at which another policy was asked for.
    pub(super) fn drop_control(&self) -> io::Result<()> {
        gone(&self.path.join(wire::control::NAME))
    }
}

impl Draft {
    /// Puts it in the place of what was in force, whole or not at all. Of those before, `earlier` are kept, and the last.
    ///
    /// # Errors
    /// The kernel's error; the one before then stays, and this is gone.
    pub fn put_in_force(self, earlier: &[u32]) -> io::Result<()> {
        fs::rename(self.directory.join(DRAFT), self.directory.join(IN_FORCE))?;
        // One that stays in the way is only in the way.
        for (number, path) in numbered(&self.directory).unwrap_or_default() {
            if !earlier.contains(&number) && number.saturating_add(KEPT) < self.revision {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it is in force there is none.
        let _ = fs::remove_file(self.directory.join(DRAFT));
    }
}

#[derive(Deserialize)]
struct Named {
    revision: u32,
    policies: Vec<NamedPolicy>,
}

#[derive(Deserialize)]
struct NamedPolicy {
    name: String,
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn kept(revision: u32) -> String {
    format!("policy.{revision}.json")
}

/// Those that were in force before, by number.
fn numbered(directory: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("policy.")?.strip_suffix(".json")?.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    Ok(found)
}
