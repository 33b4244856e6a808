//! Files that options name: what was kept elsewhere is read, what others collect is written whole.

use crate::errors::Error;
use crate::session::outcome::OutcomeFile;
use crate::words;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The longest that is read.
const MOST: u64 = 64 * 1024;
/// For whoever collects it, as far as the operator's mask lets them.
const READABLE: u32 = 0o644;

/// The text that `option` names. It may come through a pipe, as from `<(ssh host cat checkpoint)`.
///
/// # Errors
/// When it cannot be read, is longer than any, or no text.
pub(crate) fn read(option: &'static str, path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    let read = read.and_then(|read| if read as u64 > MOST { Err(ErrorKind::FileTooLarge.into()) } else { Ok(()) });
    read.map(|()| text).map_err(|cause| Error::File { option, path: words::name(path), done: "read", cause })
}

/// Writes what `option` names: a reader sees the text before or this one, and never a part.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(option: &'static str, path: &Path, text: &str) -> Result<(), Error> {
    let written = OutcomeFile::draft(path, READABLE).and_then(|draft| draft.put(text));
    written.map_err(|cause| Error::File { option, path: words::name(path), done: "written", cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_long_one_is_not_read() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("bastide.prom");
        for text in ["one\n", "two\n"] {
            write("--textfile", &path, text).expect("written");
            assert_eq!(read("--key", &path).expect("read"), text);
        }
        assert_eq!(std::fs::read_dir(room.path()).expect("listed").count(), 1);
        std::fs::write(&path, vec![b'x'; 65 * 1024]).expect("written");
        for (path, option) in [(path.as_path(), "--key"), (Path::new("/nowhere/x"), "--checkpoint")] {
            let error = read(option, path).expect_err("refused");
            assert!(error.code() == "E-FACE-014" && error.exit() == 1 && error.to_string().contains(option), "{error}");
        }
        let error = write("--textfile", Path::new("/proc/x.prom"), "x").expect_err("refused");
        assert!(error.render(false).contains("hint: "), "{error}");
    }
}
