//! The log, held by who appends to it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use record::ledger::{Checkpoint, Leaf, MAX_LEAF, MAX_NOTE, Note, Opened, Tree};
use record::segment::{hex, unhex};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{LedgerError, SigningKey, is_signature};
use crate::checksum;
use crate::store::{Store, now, private_directory, replace};

/// Longest file of a tree: 64 hashes.
const MAX_TREE: u64 = 16 * 1024;

/// The ledger's directory, with nobody else appending.
#[derive(Debug)]
pub struct Log {
    place: PathBuf,
    _lock: File,
}

/// Where the log ends.
struct End {
    key: SigningKey,
    file: File,
    tree: Tree,
    bytes: u64,
    /// All that is there is under the newest checkpoint.
    signed: bool,
}

/// What the file `tree` keeps: worth nothing but with the checkpoint whose root it has.
#[derive(Serialize, Deserialize)]
struct Kept {
    size: u64,
    bytes: u64,
    subtrees: Vec<String>,
}

impl Log {
    /// Waits until nobody else appends. The directory is made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made or held.
    pub fn wait(store: &Store) -> Result<Log, LedgerError> {
        let (place, lock) = directory(store)?;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(LedgerError::host("lock", &place)(error.into())),
                Ok(()) => return Ok(Log { place, _lock: lock }),
            }
        }
    }

    /// The same for who cannot wait: none while somebody else appends.
    ///
    /// # Errors
    /// When it cannot be made or held.
    pub fn at_once(store: &Store) -> Result<Option<Log>, LedgerError> {
        let (place, lock) = directory(store)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(LedgerError::host("lock", &place)(error.into())),
            Ok(()) => Ok(Some(Log { place, _lock: lock })),
        }
    }

    /// Appends leaves, and signs the state after them. They are on disk before they are signed: a power cut may take
    /// the checkpoint, and never what it covers.
    ///
    /// # Errors
    /// Nothing was signed then. What was written of it goes on to count, or is cut off where it is no whole line.
    pub fn append(&self, leaves: &[Leaf]) -> Result<(), LedgerError> {
        let mut end = self.end()?;
        let mut text = Vec::new();
        for leaf in leaves {
            let line = leaf.line().map_err(|error| LedgerError::host("write", &self.log())(error.into()))?;
            if line.len() > MAX_LEAF {
                return Err(LedgerError::host("write", &self.log())(io::Error::other("an entry is too long")));
            }
            end.tree.push(line.strip_suffix(b"\n").unwrap_or(&line));
            text.extend(line);
        }
        end.file.write_all(&text).map_err(LedgerError::host("write", &self.log()))?;
        end.bytes += text.len() as u64;
        self.sign(&end)
    }

    /// Cuts off what a kill left torn, and signs what it left unsigned. To be called before the checkpoint is given away.
    ///
    /// # Errors
    /// When the log is not what was signed.
    pub fn settle(&self) -> Result<(), LedgerError> {
        let end = self.end()?;
        if end.signed { Ok(()) } else { self.sign(&end) }
    }

    /// The key, made where there is none and nothing was signed by one.
    ///
    /// # Errors
    /// When it is gone or damaged.
    pub fn key(&self) -> Result<SigningKey, LedgerError> {
        let path = self.place.join("key");
        if let Some(key) = SigningKey::open(&path)? {
            return Ok(key);
        }
        let begun = |name: &str| fs::symlink_metadata(self.place.join(name)).is_ok_and(|meta| meta.len() > 0);
        if begun("log") || begun("checkpoint") {
            // A new one would hide that what lies there was signed by another.
            return Err(LedgerError::Key(format!("`{}` is gone", path.display())));
        }
        SigningKey::make(&path)
    }

    fn log(&self) -> PathBuf {
        self.place.join("log")
    }

    fn sign(&self, end: &End) -> Result<(), LedgerError> {
        let path = self.log();
        end.file.sync_data().map_err(LedgerError::host("write", &path))?;
        let subtrees = end.tree.subtrees().iter().map(hex).collect();
        let kept = Kept { size: end.tree.size(), bytes: end.bytes, subtrees };
        let kept = checksum::file_of(&kept).map_err(|error| LedgerError::host("write", &path)(error.into()))?;
        let put = |name: &str, bytes: &[u8]| {
            let path = self.place.join(name);
            replace(&path, bytes).map_err(LedgerError::host("write", &path))
        };
        put("tree", &kept)?;
        let origin = end.key.public().name().to_owned();
        let checkpoint = Checkpoint { origin, size: end.tree.size(), root: end.tree.root() };
        put("checkpoint", end.key.note(&checkpoint, now() / 1_000_000).as_bytes())
    }

    /// Where the log ends, held to the newest checkpoint.
    fn end(&self) -> Result<End, LedgerError> {
        let (key, path) = (self.key()?, self.log());
        let signed = read_checkpoint(&self.place)?.map(|note| opened(&note, &key)).transpose()?;
        let file = File::options().create(true).read(true).append(true).mode(0o600).open(&path);
        let mut file = file.map_err(LedgerError::host("open", &path))?;
        let length = file.metadata().map_err(LedgerError::host("read", &path))?.len();
        let (mut tree, mut bytes) = signed.as_ref().and_then(|signed| self.kept(signed)).unwrap_or_default();
        if bytes > length {
            return Err(LedgerError::Damaged(format!("{} bytes of its log are gone", bytes - length)));
        }
        let begun = tree.size();
        let mut held = signed.as_ref().map(|signed| &signed.checkpoint);
        if held.is_some_and(|held| holds(held, &tree)) {
            held = None;
        }
        file.seek(SeekFrom::Start(bytes)).map_err(LedgerError::host("read", &path))?;
        let mut reader = BufReader::with_capacity(64 * 1024, &mut file);
        let mut line = Vec::new();
        while next(&mut reader, &mut line).map_err(LedgerError::host("read", &path))? {
            if serde_json::from_slice::<Leaf>(&line).is_err() {
                return Err(LedgerError::Damaged(format!("entry {} is none", tree.size() + 1)));
            }
            tree.push(line.strip_suffix(b"\n").unwrap_or(&line));
            bytes += line.len() as u64;
            if held.is_some_and(|held| holds(held, &tree)) {
                held = None;
            }
        }
        if let Some(held) = held {
            let words = match tree.size() < held.size {
                true => format!("{} entries are signed and {} are there", held.size, tree.size()),
                false => format!("its first {} entries are not those that were signed", held.size),
            };
            return Err(LedgerError::Damaged(words));
        }
        if bytes < length {
            file.set_len(bytes).map_err(LedgerError::host("write", &path))?;
        }
        let signed = signed.is_some_and(|signed| signed.checkpoint.size == tree.size()) && begun == tree.size();
        Ok(End { key, file, tree, bytes, signed })
    }

    /// The tree that was kept, if it is the checkpoint's.
    fn kept(&self, signed: &Opened) -> Option<(Tree, u64)> {
        let bytes = bounded(&self.place.join("tree"), MAX_TREE).ok()?;
        let Kept { size, bytes, subtrees } = checksum::read(&bytes).ok()?;
        let subtrees = subtrees.iter().map(|hash| unhex(hash)).collect::<Option<_>>()?;
        let tree = Tree::of(size, subtrees).ok()?;
        holds(&signed.checkpoint, &tree).then_some((tree, bytes))
    }
}

fn holds(checkpoint: &Checkpoint, tree: &Tree) -> bool {
    checkpoint.size == tree.size() && checkpoint.root == tree.root()
}

/// The next whole line, with its end; none where the rest is torn. One that is too long is given as far as it may be, and
/// is no leaf.
fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(MAX_LEAF as u64 + 1).read_until(b'\n', line)?;
    Ok(line.last() == Some(&b'\n') || line.len() > MAX_LEAF)
}

fn directory(store: &Store) -> Result<(PathBuf, File), LedgerError> {
    let place = store.ledger();
    private_directory(&place).map_err(LedgerError::host("make", &place))?;
    let lock = File::open(&place).map_err(LedgerError::host("open", &place))?;
    Ok((place, lock))
}

/// The newest checkpoint as it stands in the file. An empty one was taken by a power cut, and is none.
pub(super) fn read_checkpoint(place: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let path = place.join("checkpoint");
    match bounded(&path, MAX_NOTE as u64) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(other.map_err(LedgerError::host("read", &path))?).filter(|note| !note.is_empty())),
    }
}

fn opened(note: &[u8], key: &SigningKey) -> Result<Opened, LedgerError> {
    let damaged = |why: String| LedgerError::Damaged(format!("its newest checkpoint is none: {why}"));
    let note = Note::read(note).map_err(|error| damaged(error.to_string()))?;
    let opened = note.open(key.public(), is_signature).map_err(|error| damaged(error.to_string()))?;
    if opened.checkpoint.origin != key.public().name() {
        return Err(damaged("it is another log's".into()));
    }
    Ok(opened)
}

fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(io::Error::other(format!("longer than {most} bytes"))) } else { Ok(bytes) }
}
