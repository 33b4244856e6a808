//! A file that the operator named and that steers us: opened once, judged on the descriptor, read within a bound.
//!
//! Its last component is never a symbolic link, and opening it never waits for somebody at the other end of a FIFO.
//! That its parents may be links is the operator's business: the path is theirs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem, quoted};

/// A file's content, and where it really lies.
#[derive(Debug)]
pub struct NamedFile {
    /// The path with every link of its parents followed.
    pub path: PathBuf,
    /// What it holds.
    pub content: Vec<u8>,
    /// Owner, mode and the like of what was read.
    pub stat: Stat,
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// When it is not there, is a link or no regular file, or is longer.
pub fn read(path: &Path, most: usize) -> Result<NamedFile, Problem> {
    let shown = quoted(&path.to_string_lossy());
    let failed = |error: &io::Error| {
        let hint = "look at it with `ls -l`, and write its path in full";
        problem("E-PLANE-074", format!("cannot read `{shown}`: {error}"), hint, NOT_RUN)
    };
    let real = real(path).map_err(|error| failed(&error))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&real, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(irregular(&shown, "a symbolic link")),
        Err(Errno::NXIO) => return Err(irregular(&shown, "a socket or a device")),
        other => File::from(other.map_err(|error| failed(&error.into()))?),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(&error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(irregular(&shown, "a directory")),
        FileType::Fifo => return Err(irregular(&shown, "a pipe")),
        _ => return Err(irregular(&shown, "a device")),
    }
    let mut content = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut content).map_err(|error| failed(&error))?;
    if content.len() > most {
        let cause = format!("`{shown}` is longer than {most} bytes");
        return Err(problem("E-PLANE-062", cause, "name the file that is meant, or make it shorter", NOT_RUN));
    }
    Ok(NamedFile { path: real, content, stat })
}

fn real(path: &Path) -> io::Result<PathBuf> {
    let name: &OsStr = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(parent.canonicalize()?.join(name))
}

fn irregular(shown: &str, what: &str) -> Problem {
    problem(
        "E-PLANE-075",
        format!("`{shown}` is {what}, and only a regular file is read"),
        "name the file itself: `readlink -f FILE` tells where a link leads",
        NOT_RUN,
    )
}
