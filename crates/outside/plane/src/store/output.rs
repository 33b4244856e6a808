//! What a session printed that keeps its program's output itself: the newest of it, in files of one size, each named by how
//! many bytes came before it. The oldest goes when another begins.
//!
//! The bytes are the agent's, as it printed them: whoever shows them to a terminal filters them there.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::private_directory;

/// The directory within a session's.
const NAME: &str = "output";
/// Bytes of one file.
const PIECE: u64 = 1024 * 1024;
/// Files that are kept.
const KEPT: usize = 8;
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// Where it is written.
#[derive(Debug)]
pub struct Output {
    directory: PathBuf,
    file: Option<File>,
    /// How many bytes were printed.
    length: u64,
    /// Those that the file at hand holds.
    filled: u64,
    /// How many could not be kept: the disk is full.
    lost: u64,
}

impl Output {
    /// That of a session that begins.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn begin(session: &Path) -> io::Result<Output> {
        let directory = session.join(NAME);
        private_directory(&directory)?;
        Ok(Output { directory, file: None, length: 0, filled: 0, lost: 0 })
    }

    /// Keeps some more. What there is no room for is lost, and counted.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(PIECE - self.filled).unwrap_or(0).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            if self.write(now).is_err() {
                self.lost += now.len() as u64;
                // Where it goes on, another file says so.
                self.file = None;
            }
            self.length += now.len() as u64;
            self.filled += now.len() as u64;
            if self.filled >= PIECE {
                (self.file, self.filled) = (None, 0);
            }
            bytes = rest;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                drop_oldest(&self.directory)?;
                let path = self.directory.join(format!("{:020}", self.length));
                self.filled = 0;
                none.insert(File::options().create_new(true).append(true).mode(0o600).open(path)?)
            }
        };
        file.write_all(bytes)
    }

    /// How many bytes were printed.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// How many of them could not be kept.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Leaves room for one more.
fn drop_oldest(directory: &Path) -> io::Result<()> {
    let pieces = pieces(directory)?;
    for (_, path) in pieces.iter().take((pieces.len() + 1).saturating_sub(KEPT)) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Each file with how many bytes came before it, the oldest first.
fn pieces(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut pieces = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let before = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        pieces.extend(before.map(|before| (before, path)));
    }
    pieces.sort_unstable();
    Ok(pieces)
}

/// Reads what is kept, from the oldest on.
#[derive(Debug)]
pub struct Printed {
    directory: PathBuf,
    at: u64,
}

impl Printed {
    /// What a session printed; none where it did not keep it.
    #[must_use]
    pub fn of(session: &Path) -> Option<Printed> {
        let directory = session.join(NAME);
        directory.is_dir().then_some(Printed { directory, at: 0 })
    }

    /// The next bytes, with how many are missing before them; none where nothing more is there yet.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn next_bytes(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        for (before, path) in pieces(&self.directory)? {
            let mut file = match File::open(&path) {
                // Its writer was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let from = self.at.max(before);
            if file.metadata()?.len() <= from - before {
                continue;
            }
            file.seek(SeekFrom::Start(from - before))?;
            let mut bytes = vec![0; CHUNK];
            let length = file.read(&mut bytes)?;
            bytes.truncate(length);
            let missing = from - self.at;
            self.at = from + length as u64;
            return Ok(Some((missing, bytes)));
        }
        Ok(None)
    }

    /// How many bytes were read or are missing.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(printed: &mut Printed) -> (u64, Vec<u8>) {
        let (mut missing, mut all) = (0, Vec::new());
        while let Some((before, bytes)) = printed.next_bytes().expect("read") {
            missing += before;
            all.extend(bytes);
        }
        (missing, all)
    }

    #[test]
    fn the_newest_stays_and_what_is_missing_is_counted() {
        let session = tempfile::tempdir().expect("a directory");
        let mut output = Output::begin(session.path()).expect("begun");
        let mut printed = Printed::of(session.path()).expect("kept");
        output.push(b"first ");
        output.push(b"second");
        assert_eq!(all(&mut printed), (0, b"first second".to_vec()));
        let line = [b'x'; 1000];
        for _ in 0..12_000 {
            output.push(&line);
        }
        output.push(b"last");
        let (missing, rest) = all(&mut printed);
        assert!(rest.ends_with(b"xlast") && rest.len() as u64 <= KEPT as u64 * PIECE);
        assert_eq!(12 + missing + rest.len() as u64, output.length());
        assert_eq!(printed.at(), output.length());
        assert!(fs::read_dir(session.path().join(NAME)).expect("there").count() <= KEPT);
    }

    #[test]
    fn a_full_disk_costs_what_was_printed_and_nothing_else() {
        let session = tempfile::tempdir().expect("a directory");
        let mut output = Output::begin(session.path()).expect("begun");
        fs::remove_dir(session.path().join(NAME)).expect("gone");
        output.push(b"lost");
        assert_eq!((output.lost(), output.length()), (4, 4));
        private_directory(&session.path().join(NAME)).expect("back");
        output.push(b"kept");
        assert_eq!(all(&mut Printed::of(session.path()).expect("kept")), (4, b"kept".to_vec()));
    }
}
