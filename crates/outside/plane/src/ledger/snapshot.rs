//! The whole log as it is at one moment, read without holding anybody up for longer than that takes.

use std::fs::File;

use record::ledger::{Book, Checkpoint, Note, Opened, PublicKey};
use rustix::fs::FlockOperation;

use super::log::read_checkpoint;
use super::{LedgerError, SigningKey, is_signature};
use crate::store::{Line, Lines, Store};

/// What is wrong is told of so many entries.
const MOST: usize = 16;

/// The log, and what is wrong with it.
#[derive(Debug)]
pub struct Snapshot {
    /// All that it says.
    pub book: Book,
    /// Entries that no plane wrote.
    pub bad: Vec<String>,
    /// The key of this machine.
    pub key: Option<PublicKey>,
    /// The newest checkpoint of this machine.
    pub own: Option<Own>,
}

/// The newest checkpoint of this machine.
#[derive(Debug)]
pub struct Own {
    /// As it stands in the file.
    pub text: String,
    /// What it says, or why it says nothing.
    pub opened: Result<Opened, String>,
}

impl Snapshot {
    /// Reads it; an empty one where there is no ledger yet. Its book tells its root at that size, too.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take(store: &Store, size: Option<u64>) -> Result<Snapshot, LedgerError> {
        let place = store.ledger();
        let lock = match File::open(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            other => Some(other.map_err(LedgerError::host("open", &place))?),
        };
        while let Some(lock) = &lock {
            match rustix::fs::flock(lock, FlockOperation::LockShared) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(LedgerError::host("lock", &place)(error.into())),
                Ok(()) => break,
            }
        }
        let key = SigningKey::open(&place.join("key"))?.map(|key| key.public().clone());
        let own = read_checkpoint(&place)?.map(|note| own(&note, key.as_ref()));
        let own_size = own.as_ref().and_then(|own| own.opened.as_ref().ok()).map(|opened| opened.checkpoint.size);
        let mut book = Book::watching(size.into_iter().chain(own_size));
        let (mut lines, mut bad) = (Lines::new(place.join("log")), Vec::new());
        while let Some(line) = lines.next_line().map_err(LedgerError::host("read", &place.join("log")))? {
            let read = match line {
                Line::Whole(line) => book.line(line),
                // It was skipped: nothing stands in its place that could be its leaf.
                Line::TooLong => book.line(b"\n"),
            };
            bad.extend(read.err().filter(|_| bad.len() < MOST).map(|error| error.to_string()));
        }
        Ok(Snapshot { book, bad, key, own })
    }

    /// What does not fit the newest checkpoint of this machine.
    #[must_use]
    pub fn strayed(&self) -> Option<String> {
        let opened = match &self.own.as_ref()?.opened {
            Err(why) => return Some(format!("the newest checkpoint of this machine is none: {why}")),
            Ok(opened) => opened,
        };
        off(&self.book, &opened.checkpoint).map(|why| format!("the newest checkpoint of this machine: {why}"))
    }
}

/// Why a log does not extend a checkpoint.
pub(super) fn off(book: &Book, checkpoint: &Checkpoint) -> Option<String> {
    let Checkpoint { size, root, .. } = checkpoint;
    match book.root_at(*size) {
        None => Some(format!("truncated: it covers {size} entries, the ledger holds {}", book.tree().size())),
        Some(there) if there != *root => {
            Some(format!("changed: the first {size} entries of the ledger are not those that it covers"))
        }
        Some(_) => None,
    }
}

fn own(note: &[u8], key: Option<&PublicKey>) -> Own {
    let opened = match (Note::read(note), key) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(_), None) => Err("the key is gone".into()),
        (Ok(note), Some(key)) => note.open(key, is_signature).map_err(|error| error.to_string()),
    };
    Own { text: String::from_utf8_lossy(note).into_owned(), opened }
}
