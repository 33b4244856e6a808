//! Every verb but `run` and `help`: one request, and its answer on stdout.

use crate::args::{Changes, LogVerb, Policy, Verb, Why};
use crate::errors::Error;
use crate::plane::Plane;
use crate::session::asked::{named, surrounded, working_directory};
use crate::show::{self, Shown};
use crate::verbs::print;
use crate::{exit, words};
use std::io::Write;
use std::path::{Path, PathBuf};
use wire::command::{PolicyRequest, Reply, Request, Select};

/// Asks what `verb` says, shows the answer, and says how to exit.
///
/// # Errors
/// When it was not done.
pub(crate) fn ask(verb: Verb, json: bool) -> Result<u8, Error> {
    let limits = matches!(&verb, Verb::Doctor(doctor) if doctor.limits);
    let directory = working_directory()?;
    let code = tell_with(&request(verb, directory), &Shown { json, limits })?;
    Ok(code)
}

/// Asks the plane one thing.
///
/// # Errors
/// When it was not done.
pub(crate) fn tell(request: &Request, json: bool) -> Result<u8, Error> {
    tell_with(request, &Shown { json, limits: false })
}

fn tell_with(request: &Request, how: &Shown) -> Result<u8, Error> {
    let mut plane = Plane::ask(request)?;
    loop {
        match plane.reply()? {
            Reply::Refused(problem) => return Err(Error::Plane(problem)),
            Reply::Notice { text } if !how.json => {
                let _ = writeln!(std::io::stderr(), "bastide: {}", words::line(&text, 1000));
            }
            Reply::Notice { .. } => {}
            // Who no longer reads a log does not want the rest of it.
            Reply::Event(line) if !show::event(&line, how) => return Ok(exit::DONE),
            Reply::Event(_) => {}
            last if last.is_last() => {
                let (text, code) = show::last(last, how).ok_or(Error::Language)?;
                print(&text);
                return Ok(code);
            }
            _ => return Err(Error::Language),
        }
    }
}

fn request(verb: Verb, directory: PathBuf) -> Request {
    match verb {
        Verb::Doctor(_) => Request::Doctor(Box::new(surrounded(directory))),
        Verb::Diff(changes) => Request::Diff(changed(changes, directory)),
        Verb::Apply(changes) => Request::Apply(changed(changes, directory)),
        Verb::Discard(changes) => Request::Discard(changed(changes, directory)),
        Verb::Show(asked) => Request::Show(select(asked.session, directory)),
        Verb::Log(asked) => match asked.verb {
            Some(LogVerb::Verify(asked)) => Request::Verify(select(asked.session, directory)),
            None => Request::Log { select: select(asked.session, directory), follow: asked.follow },
        },
        Verb::Why(asked) => why(asked, directory),
        Verb::Policy(asked) => Request::Policy(policy(asked, directory)),
        Verb::Trust(asked) => Request::Trust { file: directory.join(asked.file) },
        // `run` and `help` never come here.
        Verb::Ls | Verb::Run(_) | Verb::Help(_) => Request::Ls,
    }
}

fn select(session: Option<String>, directory: PathBuf) -> Select {
    Select { session, directory, paths: Vec::new() }
}

/// The first word is a session if it is no path that exists and looks like an id or a name.
fn changed(asked: Changes, directory: PathBuf) -> Select {
    let mut paths = asked.path;
    let session = match asked.session.map(|word| (is_session(&word, &directory), word)) {
        Some((true, word)) => word.into_string().ok(),
        Some((false, word)) => {
            paths.insert(0, word.into());
            None
        }
        None => None,
    };
    Select { session, paths: paths.into_iter().map(|path| directory.join(path)).collect(), directory }
}

fn is_session(word: &std::ffi::OsStr, directory: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = word.as_encoded_bytes();
    let named = bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(plain);
    named && directory.join(word).symlink_metadata().is_err()
}

fn why(asked: Why, directory: PathBuf) -> Request {
    match asked.file {
        Some(file) => Request::WhyFile { path: directory.join(file), select: select(asked.id, directory) },
        None => Request::Why { select: select(asked.session, directory), event: asked.id },
    }
}

fn policy(asked: Policy, directory: PathBuf) -> PolicyRequest {
    let file = |path: PathBuf| named(&path, &directory);
    match asked {
        Policy::Check { file: path } => PolicyRequest::Check { file: file(path) },
        Policy::Show { file: path } => PolicyRequest::Show { file: path.map(file) },
        Policy::Explain { file: path, request, program } => PolicyRequest::Explain {
            file: file(path),
            request: destination(request, &directory),
            program: program.map(|program| directory.join(program)),
        },
        Policy::Diff { old, new } => PolicyRequest::Diff { old: file(old), new: file(new) },
        Policy::Test { file: path } => PolicyRequest::Test { file: file(path) },
        Policy::Suggest(asked) => PolicyRequest::Suggest(select(asked.session, directory)),
    }
}

/// `./x`, `../x` and `~`-free relative paths become absolute; what could be a host stays.
fn destination(request: String, directory: &Path) -> String {
    let path = request.starts_with("./") || request.starts_with("../") || matches!(request.as_str(), "." | "..");
    let absolute = if path { directory.join(&request).into_os_string().into_string().ok() } else { None };
    absolute.unwrap_or(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select_of(words: &[&str], directory: &Path) -> Select {
        let mut words = words.iter();
        let session = words.next().map(Into::into);
        changed(Changes { session, path: words.map(PathBuf::from).collect() }, directory.to_owned())
    }

    #[test]
    fn the_first_word_is_a_session_unless_it_is_a_path() {
        let held = tempfile::tempdir().expect("directory");
        let directory = held.path();
        std::fs::write(directory.join("there"), "").expect("file");
        let session = |words: &[&str]| select_of(words, directory).session;
        let paths = |words: &[&str]| select_of(words, directory).paths;
        assert_eq!(session(&["s1", "a"]).as_deref(), Some("s1"));
        assert_eq!(paths(&["s1", "a"]), [directory.join("a")]);
        assert_eq!(session(&["there"]), None);
        assert_eq!(paths(&["there", "b"]), [directory.join("there"), directory.join("b")]);
        assert_eq!(session(&["./new"]), None);
        assert_eq!(session(&["/etc/x"]), None);
        assert_eq!(session(&[]), None);
    }
}
