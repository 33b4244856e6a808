//! What the first word of `diff`, `apply` and `discard` means: a session, or a path of the newest one.
//!
//! The agent makes files, so no file may take a session's name away: where both exist, the session wins.

use crate::errors::Error;
use crate::{given, words};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use wire::command::SessionInfo;

/// The meaning of the word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// A session, by id, name, or the beginning of an id.
    Session(String),
    /// A path.
    Path(PathBuf),
}

/// What `word` means in `directory`. The sessions are asked for only where it could be both.
///
/// # Errors
/// When it is a file and only the beginning of an id, or the sessions are not told.
pub(crate) fn meant(
    word: &OsStr,
    directory: &Path,
    sessions: impl FnOnce() -> Result<Vec<SessionInfo>, Error>,
) -> Result<First, Error> {
    let path = || First::Path(word.into());
    let Some(name) = word.to_str().filter(|name| given::is_plain(name.as_bytes())) else { return Ok(path()) };
    if directory.join(word).symlink_metadata().is_err() {
        return Ok(First::Session(name.to_owned()));
    }
    let sessions = sessions()?;
    if sessions.iter().any(|one| one.id == name || one.name.as_deref() == Some(name)) {
        return Ok(First::Session(name.to_owned()));
    }
    if sessions.iter().any(|one| one.id.starts_with(name)) {
        return Err(Error::TwoMeanings { word: words::quoted(name.as_bytes(), words::NAME) });
    }
    Ok(path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::command::SessionState;

    fn session(id: &str, name: Option<&str>) -> SessionInfo {
        SessionInfo {
            id: id.into(),
            name: name.map(Into::into),
            state: SessionState::Ended,
            started: 0,
            ended: None,
            command: Vec::new(),
            workspace: PathBuf::new(),
            mode: String::new(),
            policy: String::new(),
            revision: None,
            accepted_risks: Vec::new(),
            exit: None,
            pending: None,
            layers: None,
            limits: None,
            allowed: None,
            refused: None,
            live: None,
            parent: None,
            children: None,
            built: None,
            disk: None,
            bodies: None,
            models: None,
            reported: None,
        }
    }

    #[test]
    fn a_file_never_takes_a_sessions_name_away() {
        let held = tempfile::tempdir().expect("directory");
        for file in ["fix", "20261125-a1b2", "2026", "src"] {
            std::fs::write(held.path().join(file), "").expect("file");
        }
        let known = || Ok(vec![session("20261125-a1b2", Some("fix")), session("20261125-c3d4", None)]);
        let meaning = |word: &str| meant(OsStr::new(word), held.path(), known);
        for word in ["fix", "20261125-a1b2", "20261125-c3d4", "gone", "20261125-c"] {
            assert_eq!(meaning(word).expect("one meaning"), First::Session(word.into()));
        }
        for word in ["src", "./fix", "./gone", "/etc/x", "a b", ".x", "-"] {
            assert_eq!(meaning(word).expect("one meaning"), First::Path(word.into()));
        }
        assert!(matches!(meaning("2026"), Err(Error::TwoMeanings { .. })));
    }

    #[test]
    fn the_sessions_are_not_asked_for_where_no_such_file_is() {
        let unasked = || panic!("asked");
        assert!(matches!(meant(OsStr::new("gone"), Path::new("/nowhere"), unasked), Ok(First::Session(_))));
        assert!(matches!(meant(OsStr::new("./src"), Path::new("/"), unasked), Ok(First::Path(_))));
    }
}
