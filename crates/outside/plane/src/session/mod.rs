//! One session: from what the operator asked to what it came to.

mod asked;
mod authority;
mod cell;
pub(crate) mod control;
mod credentials;
mod derive;
mod detached;
mod doctor;
mod early;
mod ending;
mod environment;
mod freezer;
mod gate;
mod gates;
pub(crate) mod generation;
mod homes;
mod host;
mod identity;
mod labels;
mod layout;
mod lend;
mod libraries;
mod limits;
mod locate;
mod mounts;
mod outcome;
mod paths;
mod prepare;
mod risks;
mod roots;
mod serve;
pub(crate) mod streams;
mod system;
mod tend;
mod up;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use plan::{Layer, Order};
use record::{Kind, Segment};
use rustix::process::{WaitOptions, wait};
use wire::command::{DoctorAnswer, Outcome, Problem, Reply, Run};

use crate::audit::Watch;
use crate::channel::Client;
use crate::ledger::{Merging, Pace};
use crate::problem::{NOT_RUN, problem, state};
use crate::store::{Ledger, SessionDirectory, Store, repair};
pub use early::Ahead;
pub use ending::Afterwards;
pub(crate) use prepare::home_of;
pub use up::Up;

use asked::Asked;
use gate::Door;
use outcome::Unrun;
use prepare::Prepared;
use serve::{Generations, Ground, Renewal, Session};
use streams::Streams;
use tend::Chores;

/// Standard input, output and error.
const STREAMS: usize = 3;

/// Runs a program in a cell: in one that was made ahead, where it serves.
///
/// Gives what it came to, or why nothing was run; and what remains to be done when that was told.
pub fn run(
    client: &mut Client,
    run: Run,
    descriptors: Vec<OwnedFd>,
    (ahead, up): (Option<Ahead>, Option<Up>),
) -> (Result<Outcome, Problem>, Option<Afterwards>) {
    if run.detached {
        // What ends the terminal that it was asked from does not end it.
        let _ = rustix::process::setsid();
    }
    let ended = begin_and_carry_out(client, run, descriptors, (ahead, up));
    // What was started for a request that was refused has lost its socket by now.
    reap();
    match ended {
        Ok(Ended { outcome, afterwards }) => (outcome.map_err(|unrun| unrun.problem), Some(afterwards)),
        Err(unrun) => (Err(unrun.problem), None),
    }
}

/// A session that has ended, whether or not its program ever began.
#[derive(Debug)]
struct Ended {
    outcome: Result<Outcome, Unrun>,
    afterwards: Afterwards,
}

fn begin_and_carry_out(
    client: &mut Client,
    run: Run,
    descriptors: Vec<OwnedFd>,
    (ahead, up): (Option<Ahead>, Option<Up>),
) -> Result<Ended, Unrun> {
    let ahead = ahead.map_or_else(Ahead::start, Ok)?;
    let store = asked::store(&run)?;
    for line in repair(&store) {
        client.reply(&Reply::Notice { text: line });
    }
    let begun = asked::begin(run, &store)?;
    let mut early = early::begin(&begun, ahead)?;
    let asked = asked::complete(begun, &store, early.policy.take())?;
    let stdio = stdio(&asked, descriptors)?;
    let prepared = prepare::prepare(&asked, &store, &early)?;
    for notice in asked.notices.iter().chain(&prepared.notices) {
        client.reply(&Reply::Notice { text: notice.clone() });
    }
    carry_out(client, &asked, prepared, early, (stdio, &store, up))
}

/// The client's own stdio, which comes in only where the layer that relays it was left out by name.
fn stdio(asked: &Asked, descriptors: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Problem> {
    if !asked.accepted.without.contains(Layer::RelayedStdio) {
        return Ok(Vec::new());
    }
    if descriptors.len() == STREAMS {
        return Ok(descriptors);
    }
    let cause =
        format!("without `relayed-stdio` the client must hand {STREAMS} descriptors on, not {}", descriptors.len());
    Err(problem("E-PLANE-053", cause, "use the `bastide` that lies beside this `bastided`", NOT_RUN))
}

/// Waits until every process of the session is gone: each is a child of ours, pid 1 with all of the cell.
fn reap() {
    while wait(WaitOptions::empty()).is_ok() {}
}

/// Lets the cell build and run, serves it and its gate, and sums up.
fn carry_out(
    client: &mut Client,
    asked: &Asked,
    prepared: Prepared,
    mut early: early::Early,
    (stdio, store, up): (Vec<OwnedFd>, &Store, Option<Up>),
) -> Result<Ended, Unrun> {
    let Prepared { session, plan, held, home, tls, credentials, labelled, .. } = prepared;
    // First, since the walls take longer than the record, which the program waits for.
    early.cell.build(&plan, &stdio).map_err(early::unstarted)?;
    let ground = Ground::of(&plan, copied(asked, &session));
    drop((plan, stdio));
    let gate = early.gate()?;
    if let Some(text) = mounts::unseen(session.record.trees.iter().map(|tree| tree.path.as_path())) {
        client.reply(&Reply::Notice { text });
    }
    // A session without a record never began: the next start clears it, so the record comes last.
    session.save_policy(std::slice::from_ref(&asked.policy))?;
    session.save()?;
    // By now whoever asks for the same finds it.
    drop(up);
    let ledger = begin(&session, asked, &held)?;
    let segment = session.segment(Segment::Gate);
    gate::empty_segment(&segment).map_err(|error| state("make", &segment, &error))?;
    let audit = early.who.identity.privileged.then(|| Watch::over_user(early.who.identity.host_uid)).flatten();
    early.cell.order(Order::Begin);
    let door = Door {
        gates: early.gates.clone(),
        origin: session.origin(Segment::Gate),
        policy: identity::conjunction(&asked.policy),
        segment,
        proxy: asked.upstream.clone(),
        secrets: asked.secrets.clone(),
        tls,
        credentials,
        labelled,
        // Each argument is something that the operator said: which of them is the task, only the program knows.
        intent: session.record.command.iter().skip(1).cloned().collect(),
    };
    let renewal = {
        let (store, way) = (store.clone(), prepare::way(asked, &early.gates));
        Renewal::begin(&door.credentials, Box::new(move |policy| lend::lend(policy, &store, &way)))
    };
    let running = Session {
        client,
        cell: early.cell,
        ledger,
        id: session.record.id.clone(),
        streams: asked.run.streams,
        detached: asked.run.detached.then_some(asked.run.terminal),
        kept: None,
        callers: Streams::open(&session.path).ok(),
        ground,
        door,
        gate,
        sockets: Vec::new(),
        time: asked.policy.limits.time,
        chores: Chores::new(&session.record, guards(asked), asked.policy.limits.disk, &home),
        audit,
        generations: Generations::begin(&session),
        renewal,
        merging: Merging::of(&session, Pace::default()),
        store,
    };
    let (mut end, records, mounts) = running.serve();
    reap();
    if limits::out_of_memory(&held.groups) > 0 {
        end.reason = format!("the memory limit was reached and the kernel ended a program; {}", end.reason);
        end.warnings.push("the memory limit was reached: the kernel ended a program".into());
    }
    let (changed, afterwards) = ending::finish(session, records, mounts, &mut end);
    let outcome = outcome::sum_up(afterwards.session(), asked, end, held.walls, changed);
    Ok(Ended { outcome, afterwards })
}

/// Directories that files are copied from and to: the trees of the session and its home.
fn copied(asked: &Asked, session: &SessionDirectory) -> Vec<PathBuf> {
    session.record.trees.iter().map(|tree| tree.path.clone()).chain([asked.home.clone()]).collect()
}

/// Names that are held back from merging.
fn guards(asked: &Asked) -> Vec<PathBuf> {
    asked.policy.files.guard.iter().map(PathBuf::from).collect()
}

/// Begins the record: nothing runs before it says that it does.
fn begin(session: &SessionDirectory, asked: &Asked, held: &limits::Held) -> Result<Ledger, Problem> {
    let path = session.segment(Segment::Plane);
    let begun = Ledger::begin(&path, &session.origin(Segment::Plane), asked.redactor()).and_then(|mut ledger| {
        ledger.write(Kind::SessionStart {
            session: session.record.id.clone(),
            command: session.record.command.clone(),
            workspace: asked.workspace.to_string_lossy().into_owned(),
            mode: asked.mode.name().into(),
            policy: asked.policy.name.clone(),
            accepted_risks: asked.accepted.names.clone(),
        })?;
        ledger.write(Kind::Limits { limits: held.walls.clone() })?;
        Ok(ledger)
    });
    begun.map_err(|error| state("write", &path, &error))
}

/// The path of a program of ours: beside this one.
fn program(name: &str) -> Result<PathBuf, Problem> {
    let own = std::env::current_exe().unwrap_or_default();
    let path = own.parent().unwrap_or(Path::new("/")).join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(absent(&path))
}

/// The problem of a program of ours that is not there.
fn absent(path: &Path) -> Problem {
    problem(
        "E-PLANE-061",
        format!("`{}` is missing", path.display()),
        "all four programs lie in one directory: install them together",
        NOT_RUN,
    )
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
