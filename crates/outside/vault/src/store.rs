//! The vault's verbs: set, list, get, remove.
//!
//! ```text
//! key           the age identity, made by the first `set`
//! NAME.age      one secret
//! *.new         not whole yet; what a crash left is removed
//! ```

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use wire::command::SecretText;

use crate::directory::{Directory, Found, Writing};
use crate::entry::{Entry, Name};
use crate::error::{Damage, VaultError};
use crate::key::{Key, Opened};

const KEY: &str = "key";
const SEALED: &str = ".age";
/// Longest file of a key, in bytes; the text of one has 75.
const MAX_KEY: usize = 256;
/// Longest file of a secret, in bytes: more than any that is written.
const MAX_SEALED: usize = 4 * SecretText::MOST;
/// Most secrets: their list is one answer.
const MAX_SECRETS: usize = 256;

/// The secrets of one operator.
pub struct Vault {
    directory: Directory,
}

/// One secret in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is called.
    pub name: Name,
    /// Where it may go, or why it cannot be used.
    pub bound: Result<Bound, Damage>,
}

/// Where a secret may go, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The one destination, `HOST[:PORT]`.
    pub to: String,
    /// Patterns of paths; empty means every path.
    pub paths: Vec<String>,
    /// The endpoint at which tokens are derived from it.
    pub derived_at: Option<String>,
    /// Seconds since the Unix epoch at which it was set.
    pub since: u64,
}

impl Vault {
    /// Opens the vault of a directory, which is made where its parent is there. What a crash left half written is
    /// removed.
    ///
    /// # Errors
    /// [`VaultError::Exposed`] where it is not the caller's alone, or the kernel's error.
    pub fn open(directory: &Path) -> Result<Vault, VaultError> {
        Ok(Vault { directory: Directory::open(directory)? })
    }

    /// Keeps a secret, on disk when it returns; says whether it took the place of one of the same name. The first makes
    /// the key.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub fn set(&self, entry: &Entry) -> Result<bool, VaultError> {
        let writing = self.directory.write()?;
        let (name, kept) = (file_of(entry.name()), self.kept()?);
        let replaces = kept.contains(entry.name());
        if !replaces && kept.len() >= MAX_SECRETS {
            return Err(VaultError::Full(MAX_SECRETS));
        }
        let key = match self.key()? {
            Some(key) => key,
            None if kept.is_empty() => self.make_key(&writing)?,
            // A new key would hide that what lies there is lost.
            None => return Err(VaultError::KeyGone(self.directory.path(KEY))),
        };
        let sealed = key.seal(entry, now()).map_err(|error| self.directory.host("write", &name, error))?;
        self.directory.put(&writing, &name, &sealed, true)?;
        Ok(replaces)
    }

    /// All that is kept, by name and without the values. One that is damaged says so, and hides no other.
    ///
    /// # Errors
    /// When the directory or the key cannot be used.
    pub fn list(&self) -> Result<Vec<Listed>, VaultError> {
        let kept = self.kept()?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.needed_key()?;
        let mut listed = Vec::new();
        for name in kept {
            match self.opened(&key, &name) {
                Ok(Opened { entry, since }) => {
                    let derived_at = entry.derives().map(|derives| derives.url.clone());
                    let bound = Bound { to: entry.to().into(), paths: entry.paths().into(), derived_at, since };
                    listed.push(Listed { name, bound: Ok(bound) });
                }
                Err(VaultError::Damaged(damage)) => listed.push(Listed { name, bound: Err(damage) }),
                // It was removed meanwhile.
                Err(VaultError::Absent) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(listed)
    }

    /// One secret, with its value.
    ///
    /// # Errors
    /// [`VaultError::Absent`], [`VaultError::Damaged`], or why the vault cannot be used.
    pub fn get(&self, name: &Name) -> Result<Entry, VaultError> {
        match self.key()? {
            Some(key) => self.opened(&key, name).map(|opened| opened.entry),
            None if self.kept()?.contains(name) => Err(VaultError::KeyGone(self.directory.path(KEY))),
            None => Err(VaultError::Absent),
        }
    }

    /// Forgets a secret; one that is damaged, or whose key is gone, too.
    ///
    /// # Errors
    /// [`VaultError::Absent`], or the kernel's error.
    pub fn remove(&self, name: &Name) -> Result<(), VaultError> {
        let writing = self.directory.write()?;
        if self.directory.remove(&writing, &file_of(name))? { Ok(()) } else { Err(VaultError::Absent) }
    }

    fn kept(&self) -> Result<Vec<Name>, VaultError> {
        let names = self.directory.names()?;
        Ok(names.iter().filter_map(|name| Name::parse(name.strip_suffix(SEALED)?).ok()).collect())
    }

    fn opened(&self, key: &Key, name: &Name) -> Result<Opened, VaultError> {
        match self.directory.read(&file_of(name), MAX_SEALED)? {
            Found::Nothing => Err(VaultError::Absent),
            Found::Exposed(how) => Err(VaultError::Damaged(Damage::Exposed(how))),
            Found::Bytes(sealed) => key.open(name, &sealed).map_err(VaultError::Damaged),
        }
    }

    fn needed_key(&self) -> Result<Key, VaultError> {
        self.key()?.ok_or_else(|| VaultError::KeyGone(self.directory.path(KEY)))
    }

    fn key(&self) -> Result<Option<Key>, VaultError> {
        let path = || self.directory.path(KEY);
        match self.directory.read(KEY, MAX_KEY)? {
            Found::Nothing => Ok(None),
            Found::Exposed(how) => Err(VaultError::Exposed { path: path(), how }),
            Found::Bytes(text) => Key::read(&text).map(Some).ok_or_else(|| VaultError::Key(path())),
        }
    }

    fn make_key(&self, writing: &Writing) -> Result<Key, VaultError> {
        let key = Key::make();
        self.directory.put(writing, KEY, key.text().as_bytes(), false)?;
        Ok(key)
    }
}

fn file_of(name: &Name) -> String {
    format!("{name}{SEALED}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
