//! The file of `--outcome`: whole or not there, for the operator alone, and known to be writable before the run.

use super::holes;
use crate::errors::Error;
use crate::words;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that is to become the outcome. Dropped unwritten, nothing is left of it.
#[derive(Debug)]
pub struct OutcomeFile {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl OutcomeFile {
    /// Makes the draft beside `path`.
    ///
    /// # Errors
    /// When that is not possible, or `path` is a directory.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        Self::draft(path, 0o600).map_err(|cause| Error::Outcome { path: words::name(path), cause })
    }

    /// The same for any file, which gets these permissions.
    ///
    /// # Errors
    /// As [`OutcomeFile::prepare`], in the kernel's words.
    pub(crate) fn draft(path: &Path, mode: u32) -> std::io::Result<Self> {
        if path.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let name = path.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let draft = path.with_file_name(hidden);
        // A draft of the same number is of a process that is gone, or a trap: neither is followed.
        let _ = std::fs::remove_file(&draft);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        Ok(Self { path: path.to_owned(), draft, file })
    }

    /// Puts `text` in its place.
    ///
    /// # Errors
    /// When the disk is full, or the directory is gone.
    pub fn write(self, text: &str) -> Result<(), Error> {
        let path = words::name(&self.path);
        self.put(text).map_err(|cause| Error::Outcome { path, cause })
    }

    /// The same, in the kernel's words.
    pub(crate) fn put(mut self, text: &str) -> std::io::Result<()> {
        self.file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&self.draft, &self.path))
    }

    /// The same with the first `length` bytes of another file. What costs nothing there costs nothing here: a hole stays one.
    pub(crate) fn put_from(mut self, from: &mut File, length: u64) -> std::io::Result<()> {
        holes::copy(from, &mut self.file, length).and_then(|()| std::fs::rename(&self.draft, &self.path))
    }
}

impl Drop for OutcomeFile {
    fn drop(&mut self) {
        // After the rename there is no draft any more.
        let _ = std::fs::remove_file(&self.draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_whole_private_and_leaves_no_draft() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("o.json");
        OutcomeFile::prepare(&path).expect("prepared").write("{}\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{}\n");
        assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        drop(OutcomeFile::prepare(&path).expect("prepared"));
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_refused_before() {
        let directory = tempfile::tempdir().expect("directory");
        for bad in [directory.path(), &directory.path().join("no/o.json"), Path::new("/proc/o.json")] {
            assert!(matches!(OutcomeFile::prepare(bad), Err(Error::Outcome { .. })), "{bad:?}");
        }
    }
}
