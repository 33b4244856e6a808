//! The journal of one merge: on disk before the original is touched, gone when the merge is whole.

use super::seal::{seal, unseal};
use super::{Baseline, Error, Node, Stamp, Tree, beneath::absent, io};
use crate::checksum;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const MERGE: &str = "merge.json";
const BASELINE: &str = "baseline.json";

/// How far a merge came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Copies are being made: a crash rolls back.
    Staging,
    /// All copies are durable: a crash is redone.
    Committed,
}

/// What one operation does to the original.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Act {
    /// Remove what stands there.
    Remove,
    /// Make a directory.
    Directory,
    /// Rename the staged copy into place.
    Put { temp: String },
    /// Likewise, unless something stands there: git objects, whose name says what they hold.
    Import { temp: String },
    /// Nothing; but the group goes only if this is as it was.
    Expect,
    /// Set permission bits.
    Mode,
    /// Nothing; but what the upper layer holds there was merged with its group.
    Settle,
}

impl Act {
    /// Where the copy is staged, relative to the original's root.
    pub(super) fn temp(&self) -> Option<PathBuf> {
        match self {
            Self::Put { temp } | Self::Import { temp } => Some(unseal(temp)),
            _ => None,
        }
    }
}

/// One operation, able to be done twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Op {
    pub(super) path: String,
    pub(super) act: Act,
    pub(super) before: Option<Stamp>,
    pub(super) after: Option<Stamp>,
    /// Operations of one group are committed together or not at all; the group is named by its change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
}

impl Op {
    pub(super) fn new(path: &Path, act: Act, before: Option<Stamp>, after: Option<Stamp>) -> Self {
        Self { path: seal(path), act, before, after, group: None }
    }

    pub(super) fn path(&self) -> PathBuf {
        unseal(&self.path)
    }

    /// The path that is reported for this operation.
    pub(super) fn reported(&self) -> PathBuf {
        self.group.as_deref().map_or_else(|| self.path(), unseal)
    }
}

/// The journal file's content.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) state: State,
    pub(super) owner: Option<(u32, u32)>,
    /// The directory of the staged copies, a name at the original's root.
    pub(super) staging: String,
    pub(super) ops: Vec<Op>,
}

impl Journal {
    /// Inodes that more than one operation found, each under a name of its own.
    pub(super) fn shared(&self) -> BTreeSet<u64> {
        let mut once = BTreeMap::new();
        for op in &self.ops {
            if let Some(before) = op.before.as_ref().filter(|before| before.node == Node::File) {
                once.entry(before.ino).or_insert_with(BTreeSet::new).insert(&op.path);
            }
        }
        once.into_iter().filter(|(_, names)| names.len() > 1).map(|(ino, _)| ino).collect()
    }

    pub(super) fn load(dir: &Tree) -> Result<Option<Self>, Error> {
        read(dir, MERGE)?.map(|bytes| checksum::read(&bytes).map_err(Error::from)).transpose()
    }

    pub(super) fn save(&self, dir: &Tree) -> Result<(), Error> {
        write(dir, MERGE, &checksum::file_of(self).map_err(checksum::Damaged::from)?, true)
    }

    pub(super) fn finish(dir: &Tree) -> Result<(), Error> {
        dir.remove(Path::new(MERGE), false)?;
        super::beneath::sync(dir.dir(Path::new(""))?, Path::new(MERGE))
    }
}

impl Baseline {
    /// Reads the baseline kept in a journal directory. Where there is none, everything counts as changed outside.
    pub(super) fn load(dir: &Tree) -> Result<Self, Error> {
        Ok(match read(dir, BASELINE)? {
            Some(bytes) => checksum::read(&bytes)?,
            None => Self::default(),
        })
    }

    /// Keeps the baseline in a journal directory. At a session's start it is not synced: that costs more than the
    /// whole start, and a power cut then leaves a session that is refused, not one that is misjudged.
    pub(super) fn save(&self, dir: &Tree, durable: bool) -> Result<(), Error> {
        write(dir, BASELINE, &checksum::file_of(self).map_err(checksum::Damaged::from)?, durable)
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
fn write(dir: &Tree, name: &str, bytes: &[u8], durable: bool) -> Result<(), Error> {
    let (path, temp) = (Path::new(name), format!("{name}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let mut file = File::from(dir.create(Path::new(&temp), flags, Mode::from_raw_mode(0o600))?);
    file.write_all(bytes).map_err(io("write", path))?;
    if durable {
        file.sync_all().map_err(io("sync", path))?;
    }
    let (parent, name) = dir.parent(path)?;
    rustix::fs::renameat(&parent, temp.as_str(), &parent, name).map_err(io("rename", path))?;
    if durable { super::beneath::sync(&parent, path) } else { Ok(()) }
}
