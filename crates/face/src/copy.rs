//! `bastide cp`: one file, out of a running session or into it. The plane hands it over open; here the bytes are carried, so
//! that on the host everything is done as the operator himself would.

use crate::args::Cp;
use crate::errors::Error;
use crate::given::is_plain;
use crate::plane::Plane;
use crate::session::asked::working_directory;
use crate::session::outcome::OutcomeFile;
use crate::{exit, words};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wire::command::{CopyFile, CopyWay, Reply, Request, Select};

/// One side of a copy.
enum Side<'a> {
    Session(&'a str, &'a str),
    Host(&'a Path),
}

/// Copies.
///
/// # Errors
/// When nothing, or not all, was copied.
pub(crate) fn copy(asked: &Cp) -> Result<u8, Error> {
    match (side(&asked.from), side(&asked.to)) {
        (Side::Session(session, path), Side::Host(host)) => out(session, path, host),
        (Side::Host(host), Side::Session(session, path)) => into(host, session, path),
        _ => Err(Error::Usage {
            cause: "one of both is a session's file, and the other the host's".to_owned(),
            hint: "`bastide cp SESSION:PATH FILE`, or `bastide cp FILE SESSION:PATH`".to_owned(),
            run: false,
        }),
    }
}

/// `SESSION:PATH`, or a path of the host: `./a:b` is one.
fn side(word: &Path) -> Side<'_> {
    match word.to_str().and_then(|text| text.split_once(':')) {
        Some((session, path)) if is_plain(session.as_bytes()) && !path.is_empty() => Side::Session(session, path),
        _ => Side::Host(word),
    }
}

fn out(session: &str, path: &str, host: &Path) -> Result<u8, Error> {
    let failed = |cause| Error::File { option: "cp", path: words::name(host), done: "written", cause };
    let (mut file, length, executable) = ask(session, path, CopyWay::Out)?;
    // A file that grows has no end: what it had when it was opened is what is copied.
    if host == Path::new("-") {
        let mut out = io::stdout().lock();
        let copied = io::copy(&mut file.take(length), &mut out).and_then(|_| out.flush());
        return copied.map(|()| exit::DONE).map_err(|cause| Error::Answer { cause });
    }
    let mut place = host.to_owned();
    if host.is_dir() {
        place.push(Path::new(path).file_name().unwrap_or_default());
    }
    let draft = OutcomeFile::draft(&place, if executable { 0o755 } else { 0o644 }).map_err(failed)?;
    draft.put_from(&mut file, length).map(|()| exit::DONE).map_err(failed)
}

fn into(host: &Path, session: &str, path: &str) -> Result<u8, Error> {
    let failed = |cause| Error::File { option: "cp", path: words::name(host), done: "read", cause };
    let mut from = File::open(host).map_err(failed)?;
    let meta = from.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut place = PathBuf::from(path);
    if path.ends_with('/') {
        place.push(host.file_name().unwrap_or_default());
    }
    let executable = meta.permissions().mode() & 0o100 != 0;
    let (mut file, ..) = ask(session, &place.to_string_lossy(), CopyWay::In { executable })?;
    let failed = |cause| Error::File { option: "cp", path: words::name(&place), done: "written", cause };
    let copied = file.set_len(0).and_then(|()| io::copy(&mut from, &mut file)).and_then(|_| file.sync_all());
    copied.map(|()| exit::DONE).map_err(failed)
}

/// The file of the session's, open, with its length and whether it may be executed.
fn ask(session: &str, path: &str, way: CopyWay) -> Result<(File, u64, bool), Error> {
    let select = Select { session: Some(session.to_owned()), directory: working_directory()?, paths: Vec::new() };
    let mut plane = Plane::ask(&Request::Copy(CopyFile { select, path: path.into(), way }))?;
    loop {
        match plane.reply()? {
            Reply::Notice { .. } => {}
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Copying { length, executable } => {
                let file = plane.descriptors().pop().ok_or(Error::Language)?;
                return Ok((File::from(file), length, executable));
            }
            _ => return Err(Error::Language),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_from_a_file() {
        for (word, session) in
            [("fix:a/b", true), ("20261125-a1b2:/w/x", true), ("./fix:a", false), ("/w/a:b", false), ("fix:", false)]
        {
            assert_eq!(matches!(side(Path::new(word)), Side::Session(..)), session, "{word}");
        }
    }
}
