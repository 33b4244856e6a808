//! `bastide attach` and `bastide exec`: what there is of a session or a program of its, carried as with `run`.

use super::{End, Session, clear_screens};
use crate::args::{Attach, Exec};
use crate::errors::Error;
use crate::plane::Plane;
use crate::session::asked::{surrounded, working_directory};
use crate::terminal::mode::Kept;
use crate::terminal::signals::{self, Signals};
use crate::{exit, words};
use std::os::unix::ffi::OsStringExt;
use wire::command::{self, Request, Select};

/// The key that leaves an attached session: ^\.
pub(super) const LEAVE: u8 = 0x1c;

/// How a session is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// What is typed goes to the program.
    Types,
    /// Nothing is typed.
    Looks,
}

/// Watches a session.
///
/// # Errors
/// When it cannot be watched.
pub(crate) fn attach(asked: &Attach, json: bool) -> Result<u8, Error> {
    let shown = surrounded(working_directory()?);
    let types = !asked.read_only;
    let select = Select { session: Some(asked.session.clone()), directory: shown.directory, paths: Vec::new() };
    let terminal = if types { shown.terminal } else { None };
    let plane = Plane::ask(&Request::Attach(command::Attach { select, types, terminal }))?;
    let mut session = begin(plane, json)?;
    session.watch = Some(if types { Watch::Types } else { Watch::Looks });
    let kept = Kept::of(rustix::stdio::stdin()).ok().flatten();
    let ended = session.hold();
    session.put_back();
    if kept.is_some() {
        // A screen of the program's may be there still.
        clear_screens();
    }
    let name = words::line(&asked.session, 64);
    match ended? {
        End::Finished(code, reason) => {
            super::say(&format!("bastide: session {name}: {}\n", words::line(&reason, 300)));
            Ok(code)
        }
        End::Left(code) => {
            super::say(&format!("bastide: left session {name}, which goes on\n"));
            Ok(code)
        }
        End::Outcome(_) => Err(Error::Language),
    }
}

/// Runs another program in the cell of a session.
///
/// # Errors
/// When nothing was run.
pub(crate) fn exec(asked: &Exec, json: bool) -> Result<u8, Error> {
    let shown = surrounded(working_directory()?);
    super::refused::secrets_entering(&asked.env)?;
    let select = Select { session: Some(asked.session.clone()), directory: shown.directory, paths: Vec::new() };
    let exec = command::Exec {
        select,
        command: asked.command.iter().map(|word| word.clone().into_vec()).collect(),
        workdir: asked.workdir.clone(),
        environment: asked.env.clone(),
        streams: shown.streams,
        terminal: shown.terminal,
    };
    let plane = Plane::ask(&Request::Exec(Box::new(exec)))?;
    let mut session = begin(plane, json)?;
    let ended = session.hold();
    session.put_back();
    match ended.map_err(not_run)? {
        End::Finished(code, _) | End::Left(code) => Ok(code),
        End::Outcome(_) => Err(Error::Language),
    }
}

/// A refusal must not look like a program that says no: 1 is the program's own.
fn not_run(error: Error) -> Error {
    match error {
        Error::Plane(mut problem) if problem.exit == exit::NO => {
            problem.exit = exit::NOT_RUN;
            Error::Plane(problem)
        }
        other => other,
    }
}

fn begin(plane: Plane, json: bool) -> Result<Session, Error> {
    let signals = Signals::watch(&signals::ignored()).map_err(|cause| Error::Host { what: "watch signals", cause })?;
    Ok(Session::new(plane, signals, json))
}

/// Whoever leaves by the key leaves well.
pub(super) const LEFT: End = End::Left(exit::DONE);
