//! Where the notes of places lie: read and changed one at a time, whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};
use wire::command::Problem;

use super::place::{Place, Released};
use crate::checksum;
use crate::problem::{NOT_RUN, problem, state};
use crate::store::{Store, private_directory, replace_durably, replace_soon};

/// Trees whose notes are looked through. Where there are more, the oldest are to be declassified first.
const MOST_TREES: usize = 8192;

/// The notes, held: nobody else changes one meanwhile.
#[derive(Debug)]
pub struct Shelf {
    at: PathBuf,
    _lock: File,
}

impl Shelf {
    /// Opens it, made on first use.
    ///
    /// # Errors
    /// When it cannot be made or held.
    pub fn open(store: &Store) -> Result<Shelf, Problem> {
        let at = store.labels();
        let failed = |error| state("open", &at, &error);
        private_directory(&at).map_err(failed)?;
        let lock = File::open(&at).map_err(failed)?;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::LockExclusive) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.map_err(|error| failed(error.into()))?,
            }
        }
        Ok(Shelf { at, _lock: lock })
    }

    /// The notes of a home, by its key; none where nothing is noted.
    ///
    /// # Errors
    /// When they are damaged: what they said is not guessed.
    pub fn home(&self, key: &str) -> Result<Option<Place>, Problem> {
        self.read(&self.home_file(key))
    }

    /// Those of a tree.
    ///
    /// # Errors
    /// As [`Shelf::home`].
    pub fn tree(&self, tree: &Path) -> Result<Option<Place>, Problem> {
        self.read(&self.tree_file(tree))
    }

    /// All of one kind, `home` or `tree`, each with its file's name.
    ///
    /// # Errors
    /// As [`Shelf::home`]; or when there are more than are looked through.
    pub fn all(&self, kind: &str) -> Result<Vec<(String, Place)>, Problem> {
        let entries = fs::read_dir(&self.at).map_err(|error| state("read", &self.at, &error))?;
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| state("read", &self.at, &error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with(&format!("{kind}-")) && name.ends_with(".json") {
                names.push(name);
            }
        }
        if names.len() > MOST_TREES {
            let cause = format!("labels of more than {MOST_TREES} places are noted in `{}`", self.at.display());
            let hint = "`bastide labels` lists them; `bastide declassify --workspace DIR` takes some away";
            return Err(problem("E-PLANE-171", cause, hint, NOT_RUN));
        }
        names.sort_unstable();
        let mut all = Vec::new();
        for name in names {
            if let Some(place) = self.read(&self.at.join(&name))? {
                all.push((name, place));
            }
        }
        Ok(all)
    }

    /// Keeps the notes of a home.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_home(&self, key: &str, place: &Place) -> Result<(), Problem> {
        self.write(&self.home_file(key), place)
    }

    /// Keeps those of a tree.
    ///
    /// # Errors
    /// As [`Shelf::keep_home`].
    pub fn keep_tree(&self, tree: &Path, place: &Place) -> Result<(), Problem> {
        self.write(&self.tree_file(tree), place)
    }

    /// Keeps those that were read by a name.
    ///
    /// # Errors
    /// As [`Shelf::keep_home`].
    pub fn keep(&self, name: &str, place: &Place) -> Result<(), Problem> {
        self.write(&self.at.join(name), place)
    }

    /// Contents of a place that carry labels no more, by its file's name.
    ///
    /// # Errors
    /// As [`Shelf::home`].
    pub fn released(&self, name: &str) -> Result<Vec<Released>, Problem> {
        self.read_as(&self.released_file(name)).map(Option::unwrap_or_default)
    }

    /// Keeps them.
    ///
    /// # Errors
    /// As [`Shelf::keep_home`].
    pub fn keep_released(&self, name: &str, released: &[Released]) -> Result<(), Problem> {
        let path = self.released_file(name);
        let bytes = checksum::file_of(&released).map_err(|error| state("write", &path, &error.into()))?;
        replace_durably(&path, &bytes).map_err(|error| state("write", &path, &error))
    }

    /// Takes away all that is noted of a home, which is gone itself.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn drop_home(&self, key: &str) -> io::Result<()> {
        let file = self.home_file(key);
        for path in [self.released_file(&name(&file)), file] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of a home's file.
    #[must_use]
    pub fn name_of_home(key: &str) -> String {
        format!("home-{key}.json")
    }

    /// The name of a tree's.
    #[must_use]
    pub fn name_of_tree(tree: &Path) -> String {
        let hash = Sha256::digest(tree.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("tree-{hash}.json")
    }

    fn home_file(&self, key: &str) -> PathBuf {
        self.at.join(Shelf::name_of_home(key))
    }

    fn tree_file(&self, tree: &Path) -> PathBuf {
        self.at.join(Shelf::name_of_tree(tree))
    }

    fn released_file(&self, name: &str) -> PathBuf {
        self.at.join(name).with_extension("released")
    }

    fn read(&self, path: &Path) -> Result<Option<Place>, Problem> {
        self.read_as(path)
    }

    fn read_as<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, Problem> {
        match fs::read(path) {
            Ok(bytes) => checksum::read(&bytes).map(Some).map_err(|error| damaged(path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(state("read", path, &error)),
        }
    }

    fn write(&self, path: &Path, place: &Place) -> Result<(), Problem> {
        let bytes = checksum::file_of(place).map_err(|error| state("write", path, &error.into()))?;
        // In time for a start: until a session ended its note says no more than that it may have written.
        replace_soon(path, &bytes).map_err(|error| state("write", path, &error))
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn damaged(path: &Path, error: &checksum::Damaged) -> Problem {
    problem(
        "E-PLANE-170",
        format!("the labels noted in `{}` are damaged: {error}", path.display()),
        "restore that file from a copy; or run with `--fresh-home`, or in another workspace",
        NOT_RUN,
    )
}
