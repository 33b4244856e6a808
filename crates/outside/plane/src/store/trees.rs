//! Directories that an agent could change, now or in any session before. A policy found in one of them counts only
//! after the operator trusted its content. Noted by the hash of the path: a look costs as many stats as the path is
//! deep, however many sessions there were.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Store, private_directory};

impl Store {
    /// Notes a directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember_tree(&self, tree: &Path) -> io::Result<()> {
        private_directory(&self.trees())?;
        let note = self.note(tree);
        if fs::symlink_metadata(&note).is_ok() {
            return Ok(());
        }
        // What it holds is for people; its name is what counts, and is there whole or not at all.
        match File::options().create_new(true).write(true).mode(0o600).open(note) {
            Ok(mut file) => file.write_all(tree.as_os_str().as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the note of a directory away: of one that a throwaway session had, once it is gone itself.
    ///
    /// # Errors
    /// When it cannot be removed. One that is gone already is no error.
    pub fn forget_tree(&self, tree: &Path) -> io::Result<()> {
        match fs::remove_file(self.note(tree)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The directory that holds the path and that an agent could change, if there is one. The path is a real one.
    #[must_use]
    pub fn tree_of(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find(|tree| fs::symlink_metadata(self.note(tree)).is_ok()).map(Path::to_owned)
    }

    fn note(&self, tree: &Path) -> PathBuf {
        let hash = Sha256::digest(tree.as_os_str().as_bytes());
        self.trees().join(hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}
