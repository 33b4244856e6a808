//! One session: from what the operator asked to what it came to.

mod asked;
mod cell;
mod credentials;
mod doctor;
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

use plan::Layer;
use record::{Kind, Redactor, Segment};
use rustix::process::{WaitOptions, wait};
use wire::command::{DoctorAnswer, Outcome, Problem, Reply, Run};

use crate::channel::Client;
use crate::problem::{NOT_RUN, problem, state};
use crate::store::{Ledger, SessionDirectory, now, repair};
use asked::{Asked, mode_word};
use cell::Cell;
use gate::Door;
use prepare::Prepared;
use serve::{End, Session};
use tend::Chores;

/// Runs a program in a cell.
///
/// # Errors
/// Why nothing was run.
pub fn run(client: &mut Client, run: Run) -> Result<Outcome, Problem> {
    let store = asked::store(&run)?;
    for line in repair(&store) {
        client.reply(&Reply::Notice { text: line });
    }
    let asked = asked::check(run, &store)?;
    let prepared = prepare::prepare(&asked, &store)?;
    for notice in &prepared.notices {
        client.reply(&Reply::Notice { text: notice.clone() });
    }
    carry_out(client, &asked, prepared)
}

/// Starts cell and gate, serves them, and sums up.
fn carry_out(client: &mut Client, asked: &Asked, prepared: Prepared) -> Result<Outcome, Problem> {
    let Prepared { mut session, plan, who, held, .. } = prepared;
    session.save()?;
    session.save_policy(std::slice::from_ref(&asked.policy))?;
    let ledger = begin(&session, asked, &held)?;
    let segment = session.segment(Segment::Gate);
    gate::empty_segment(&segment).map_err(|error| state("make", &segment, &error))?;
    let door = Door {
        program: program("bastide-gate")?,
        origin: session.origin(Segment::Gate),
        policy: identity::conjunction(&asked.policy),
        segment,
        proxy: host::proxy(|name| asked.variable(name).map(str::to_owned)),
        uid: who.gate,
    };
    let unstarted = |error: std::io::Error| {
        problem(
            "E-PLANE-060",
            format!("cannot start a cell: {error}"),
            "`bastide doctor` says what is missing",
            NOT_RUN,
        )
    };
    let cell = Cell::start(&program("bastide-cell")?, &plan).map_err(unstarted)?;
    let networked = !plan.without.contains(Layer::NetworkNamespace);
    drop(plan);
    let gate = if networked { Some(door.start(1).map_err(unstarted)?) } else { None };
    let running = Session {
        client,
        cell,
        ledger,
        id: session.record.id.clone(),
        streams: asked.run.streams,
        door,
        gate,
        sockets: Vec::new(),
        time: asked.policy.limits.time,
        chores: Chores::new(&session.record.trees, asked.mode, guards(asked), asked.policy.limits.disk),
    };
    let end = running.serve();
    // Every process of the session is a child of ours: when none is left, nothing survives.
    while wait(WaitOptions::empty()).is_ok() {}
    limits::release(&held.groups);
    finish(&mut session, &end)?;
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

fn finish(session: &mut SessionDirectory, end: &End) -> Result<(), Problem> {
    if let Some(home) = &session.record.fresh_home {
        let _ = std::fs::remove_dir_all(home);
    }
    session.record.ended = Some(now());
    session.record.exit = Some(i32::from(end.exit));
    session.save()?;
    session.leave()
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
    doctor::examine(run)
}
