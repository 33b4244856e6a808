//! The journal of one merge: on disk before the original is touched, gone when the merge is whole.

use super::snapshot::{Manifest, Stamp, seal, unseal};
use super::{Error, Tree, beneath::absent, io};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const MERGE: &str = "merge.json";
const MANIFEST: &str = "manifest.json";

/// How far a merge came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Copies are being made: a crash rolls back.
    Staging,
    /// All copies are durable: a crash is redone.
    Committed,
}

/// What one operation does to the original.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Act {
    /// Remove what stands there.
    Remove,
    /// Make a directory.
    Directory,
    /// Rename the staged copy into place.
    Put { temp: String, link: bool },
    /// Set permission bits.
    Mode,
}

/// One operation, able to be done twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Op {
    pub(super) path: String,
    pub(super) act: Act,
    pub(super) before: Option<Stamp>,
    pub(super) after: Option<Stamp>,
}

impl Op {
    pub(super) fn path(&self) -> PathBuf {
        unseal(&self.path)
    }

    pub(super) fn new(path: &Path, act: Act, before: Option<Stamp>, after: Option<Stamp>) -> Self {
        Self { path: seal(path), act, before, after }
    }
}

/// The journal file's content.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) state: State,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) ops: Vec<Op>,
}

impl Journal {
    pub(super) fn load(dir: &Tree) -> Result<Option<Self>, Error> {
        read(dir, MERGE)?.map(|bytes| serde_json::from_slice(&bytes).map_err(Error::from)).transpose()
    }

    pub(super) fn save(&self, dir: &Tree) -> Result<(), Error> {
        write(dir, MERGE, &serde_json::to_vec(self)?)
    }

    pub(super) fn finish(dir: &Tree) -> Result<(), Error> {
        dir.remove(Path::new(MERGE), false)
    }
}

impl Manifest {
    /// Reads the manifest kept in a journal directory; empty if there is none.
    pub fn load(dir: &Tree) -> Result<Self, Error> {
        Ok(match read(dir, MANIFEST)? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => Self::default(),
        })
    }

    /// Keeps the manifest in a journal directory, durably.
    pub fn save(&self, dir: &Tree) -> Result<(), Error> {
        write(dir, MANIFEST, &serde_json::to_vec(self)?)
    }
}

fn read(dir: &Tree, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = Path::new(name);
    let mut bytes = Vec::new();
    match dir.file(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(io("read", path))?,
        Err(Error::Io { source, .. }) if absent(&source) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}

/// Replaces a file whole or not at all.
fn write(dir: &Tree, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, temp) = (Path::new(name), format!("{name}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let mut file = File::from(dir.create(Path::new(&temp), flags, Mode::from_raw_mode(0o600))?);
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", path))?;
    let (parent, name) = dir.parent(path)?;
    rustix::fs::renameat(&parent, temp.as_str(), &parent, name).map_err(io("rename", path))?;
    super::beneath::sync(&parent, path)
}
