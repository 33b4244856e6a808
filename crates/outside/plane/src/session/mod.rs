//! One session: from what the operator asked to what it came to.

mod asked;
mod cell;
mod credentials;
mod doctor;
mod early;
mod environment;
mod gate;
mod homes;
mod host;
mod identity;
mod layout;
mod limits;
mod locate;
mod outcome;
mod prepare;
mod risks;
mod serve;
mod system;
mod tend;

use std::path::{Path, PathBuf};

use record::{Kind, Redactor, Segment};
use rustix::process::{WaitOptions, wait};
use wire::command::{DoctorAnswer, Outcome, Problem, Reply, Run};

use crate::channel::Client;
use crate::problem::{NOT_RUN, problem, state};
use crate::store::{Ledger, SessionDirectory, clear, now, repair};
use asked::{Asked, mode_word};
use gate::Door;
use prepare::Prepared;
use serve::{End, Session};
use tend::Chores;

/// Runs a program in a cell.
///
/// # Errors
/// Why nothing was run.
pub fn run(client: &mut Client, run: Run) -> Result<Outcome, Problem> {
    let outcome = begin_and_carry_out(client, run);
    // What was started for a request that was refused has lost its socket by now.
    reap();
    outcome
}

fn begin_and_carry_out(client: &mut Client, run: Run) -> Result<Outcome, Problem> {
    let cell = early::cell()?;
    let store = asked::store(&run)?;
    for line in repair(&store) {
        client.reply(&Reply::Notice { text: line });
    }
    let begun = asked::begin(run, &store)?;
    let early = early::begin(cell, &begun)?;
    let asked = asked::complete(begun, &store)?;
    let prepared = prepare::prepare(&asked, &store, &early.who, &early.foundation)?;
    for notice in &prepared.notices {
        client.reply(&Reply::Notice { text: notice.clone() });
    }
    carry_out(client, &asked, prepared, early)
}

/// Waits until every process of the session is gone: each is a child of ours, pid 1 with all of the cell.
fn reap() {
    while wait(WaitOptions::empty()).is_ok() {}
}

/// Lets the cell build and run, serves it and its gate, and sums up.
fn carry_out(client: &mut Client, asked: &Asked, prepared: Prepared, early: early::Early) -> Result<Outcome, Problem> {
    let Prepared { mut session, plan, held, .. } = prepared;
    session.save()?;
    session.save_policy(std::slice::from_ref(&asked.policy))?;
    let ledger = begin(&session, asked, &held)?;
    let segment = session.segment(Segment::Gate);
    gate::empty_segment(&segment).map_err(|error| state("make", &segment, &error))?;
    early.cell.build(&plan).map_err(early::unstarted)?;
    drop(plan);
    let door = Door {
        program: early.gates,
        origin: session.origin(Segment::Gate),
        policy: identity::conjunction(&asked.policy),
        segment,
        proxy: host::proxy(|name| asked.variable(name).map(str::to_owned)),
        uid: early.who.gate,
    };
    let running = Session {
        client,
        cell: early.cell,
        ledger,
        id: session.record.id.clone(),
        streams: asked.run.streams,
        door,
        gate: early.gate,
        sockets: Vec::new(),
        time: asked.policy.limits.time,
        chores: Chores::new(&session.record.trees, asked.mode, guards(asked), asked.policy.limits.disk),
    };
    let mut end = running.serve();
    reap();
    finish(&mut session, &mut end)?;
    outcome::sum_up(&session, asked, end, held.walls)
}

/// Names that are held back from merging.
fn guards(asked: &Asked) -> Vec<PathBuf> {
    asked.policy.files.guard.iter().map(PathBuf::from).collect()
}

/// Begins the record: nothing runs before it says that it does.
fn begin(session: &SessionDirectory, asked: &Asked, held: &limits::Held) -> Result<Ledger, Problem> {
    let path = session.segment(Segment::Plane);
    let begun = Ledger::begin(&path, &session.origin(Segment::Plane), Redactor::new()).and_then(|mut ledger| {
        ledger.write(Kind::SessionStart {
            session: session.record.id.clone(),
            command: session.record.command.clone(),
            workspace: asked.workspace.to_string_lossy().into_owned(),
            mode: mode_word(asked.mode).into(),
            policy: asked.policy.name.clone(),
            accepted_risks: asked.accepted.names.clone(),
        })?;
        ledger.write(Kind::Limits { limits: held.walls.clone() })?;
        Ok(ledger)
    });
    begun.map_err(|error| state("write", &path, &error))
}

/// Marks the session as ended and removes what it made on the host. What cannot be removed keeps the session's mark, so
/// that the next start's repair tries again.
fn finish(session: &mut SessionDirectory, end: &mut End) -> Result<(), Problem> {
    session.record.ended = Some(now());
    session.record.exit = Some(i32::from(end.exit));
    session.save()?;
    let home = session.record.fresh_home.as_deref().map_or(Ok(()), clear);
    match limits::release(&session.record.cgroups).and(home) {
        Ok(()) => session.leave(),
        Err(error) => {
            end.warnings.push(format!("what the session made on the host is removed at the next start: {error}"));
            Ok(())
        }
    }
}

/// The path of a program of ours: beside this one.
fn program(name: &str) -> Result<PathBuf, Problem> {
    let own = std::env::current_exe().unwrap_or_default();
    let path = own.parent().unwrap_or(Path::new("/")).join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(problem(
        "E-PLANE-061",
        format!("`{}` is missing", path.display()),
        "all four programs lie in one directory: install them together",
        NOT_RUN,
    ))
}

/// Measures the boundary in a throwaway cell.
///
/// # Errors
/// Why nothing was measured.
pub fn doctor(run: Run) -> Result<DoctorAnswer, Problem> {
    let answer = doctor::examine(run);
    reap();
    answer
}
