//! One session: from what the operator asked to what it came to.

mod asked;
mod authority;
mod beneath;
mod carried;
mod cell;
mod children;
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
mod gitfile;
mod ground;
mod holder;
mod homes;
mod host;
mod identity;
mod keys;
mod labels;
mod layout;
mod lend;
mod libraries;
mod limits;
mod listener;
mod locate;
mod mounts;
pub(crate) mod names;
mod outcome;
pub(crate) mod owners;
pub(crate) mod paths;
mod prepare;
mod risk;
mod risks;
mod roots;
mod serve;
mod servers;
mod stand;
pub(crate) mod streams;
mod system;
mod tend;
mod up;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use plan::Layer;
use policy::Policy;
use rustix::process::{WaitOptions, wait};
use wire::command::{ChildRun, DoctorAnswer, Outcome, Problem, Reply, Run, ServerRun};

use crate::channel::Client;
use crate::problem::{NOT_RUN, problem};
use crate::store::{SessionDirectory, Store, repair};
pub use early::Ahead;
pub use ending::Afterwards;
pub(crate) use prepare::home_of;
pub use up::Up;

use asked::Asked;
use children::Adopted;
use outcome::Unrun;
use prepare::Prepared;
use serve::Served;
use servers::Serves;
use stand::{Stands, stand};

/// Standard input, output and error.
const STREAMS: usize = 3;

/// What a session came to, or why nothing was run; and what remains to be done when that was told.
type Concluded = (Result<Box<Outcome>, Problem>, Option<Box<Afterwards>>);

/// Runs a program in a cell: in one that was made ahead, where it serves.
///
/// Gives what it came to, or why nothing was run; and what remains to be done when that was told.
pub fn run(
    client: &mut Client,
    run: Box<Run>,
    descriptors: Vec<OwnedFd>,
    (ahead, up): (Option<Box<Ahead>>, Option<Up>),
) -> Concluded {
    if run.detached {
        // What ends the terminal that it was asked from does not end it.
        let _ = rustix::process::setsid();
    }
    conclude(begin_and_carry_out(client, (run, Whose::Operator), descriptors, (ahead, up)))
}

/// Runs a sub-agent, whose parent's plane is the client.
///
/// Gives as [`run`] does.
#[inline(never)]
pub fn run_child(client: &mut Client, child: ChildRun, ahead: Option<Box<Ahead>>) -> Concluded {
    match Adopted::of(child) {
        Ok((run, adopted)) => {
            let whose = Whose::Child(Box::new(adopted));
            conclude(begin_and_carry_out(client, (Box::new(run), whose), Vec::new(), (ahead, None)))
        }
        Err(problem) => (Err(problem), None),
    }
}

/// Runs a server of MCP; the plane of the session that speaks to it is the client, and its line came along.
///
/// Gives as [`run`] does.
#[inline(never)]
pub fn run_server(
    client: &mut Client,
    server: ServerRun,
    mut descriptors: Vec<OwnedFd>,
    ahead: Option<Box<Ahead>>,
) -> Concluded {
    let (Some(line), true) = (descriptors.pop(), descriptors.is_empty()) else {
        let cause = "a server was asked for without the one line on which it is spoken with";
        return (Err(problem("E-PLANE-161", cause, "", NOT_RUN)), None);
    };
    let (run, serves) = Serves::of(server);
    conclude(begin_and_carry_out(
        client,
        (Box::new(run), Whose::Server(Box::new(serves), line)),
        Vec::new(),
        (ahead, None),
    ))
}

/// Who asked for a session.
enum Whose {
    Operator,
    /// An agent, by its plane.
    Child(Box<Adopted>),
    /// A gate, which is at the other end of the line.
    Server(Box<Serves>, OwnedFd),
}

fn conclude(ended: Result<Ended, Unrun>) -> Concluded {
    match ended {
        Ok(Ended { outcome, afterwards }) => (outcome.map(Box::new).map_err(|unrun| unrun.problem), Some(afterwards)),
        Err(unrun) => {
            // What was started for a request that was refused has lost its socket by now.
            reap();
            (Err(unrun.problem), None)
        }
    }
}

/// A session that has ended, whether or not its program ever began.
#[derive(Debug)]
struct Ended {
    outcome: Result<Outcome, Unrun>,
    afterwards: Box<Afterwards>,
}

fn begin_and_carry_out(
    client: &mut Client,
    (run, whose): (Box<Run>, Whose),
    descriptors: Vec<OwnedFd>,
    (ahead, up): (Option<Box<Ahead>>, Option<Up>),
) -> Result<Ended, Unrun> {
    let ahead = ahead.map_or_else(Ahead::start, Ok)?;
    let store = asked::store(&run)?;
    let Ready { asked, prepared, early, stdio, line } = ready(client, (run, whose), descriptors, (ahead, &store))?;
    carry_out(client, &asked, prepared, early, (stdio, line, &store, up))
}

/// A session of which all is known, and nothing runs.
struct Ready {
    asked: Box<Asked>,
    prepared: (Box<SessionDirectory>, Box<Prepared>),
    early: Box<early::Early>,
    stdio: Vec<OwnedFd>,
    line: Option<OwnedFd>,
}

// As `stand::stand` is: apart from what goes on for as long as the session does, which keeps its room on the stack.
#[inline(never)]
fn ready(
    client: &mut Client,
    (run, whose): (Box<Run>, Whose),
    descriptors: Vec<OwnedFd>,
    (ahead, store): (Box<Ahead>, &Store),
) -> Result<Ready, Unrun> {
    // What it says is for the operator, and no sub-agent's parent is.
    let lost = if matches!(whose, Whose::Operator) { repair(store) } else { Vec::new() };
    for line in lost {
        client.reply(&Reply::Notice { text: line });
    }
    let begun = asked::begin(run, store)?;
    let mut early = early::begin(&begun, ahead)?;
    // That of a sub-agent or a server is given, and read nowhere.
    let policy = match &whose {
        Whose::Operator => early.policy.take(),
        Whose::Child(adopted) => Some((begun.home.clone(), Policy::clone(&adopted.own))),
        Whose::Server(serves, _) => Some((begun.home.clone(), serves.own.clone())),
    };
    let mut asked = asked::complete(begun, store, policy)?;
    let mut line = None;
    match whose {
        Whose::Operator => {}
        Whose::Child(adopted) => {
            asked.secrets.extend(adopted.secrets.iter().cloned());
            asked.adopted = Some(adopted);
        }
        Whose::Server(serves, end) => {
            asked.secrets.extend(serves.secrets.iter().cloned());
            asked.workdir.clone_from(&asked.home);
            (asked.serves, line) = (Some(serves), Some(end));
        }
    }
    let stdio = stdio(&asked, descriptors)?;
    let prepared = prepare::prepare(&asked, store, &mut early)?;
    for notice in asked.notices.iter().chain(&prepared.1.notices) {
        client.reply(&Reply::Notice { text: notice.clone() });
    }
    Ok(Ready { asked, prepared, early, stdio, line })
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
    (mut session, prepared): (Box<SessionDirectory>, Box<Prepared>),
    early: Box<early::Early>,
    with: (Vec<OwnedFd>, Option<OwnedFd>, &Store, Option<Up>),
) -> Result<Ended, Unrun> {
    let Stands { running, held, hold } = stand(client, asked, (&mut session, prepared), early, with)?;
    let served = running.serve();
    Ok(sum_up(client, asked, session, served, (held, hold)))
}

/// What a session came to, whose program has ended.
#[inline(never)]
fn sum_up(
    client: &mut Client,
    asked: &Asked,
    session: Box<SessionDirectory>,
    (mut end, records, mut remains, mut outlet): Served,
    (held, hold): (limits::Held, Option<File>),
) -> Ended {
    remains.wait_for_the_cell();
    // Before the outcome is told: who begins the next session then finds its home free.
    drop(hold);
    if limits::out_of_memory(&held.groups) > 0 {
        end.reason = format!("the memory limit was reached and the kernel ended a program; {}", end.reason);
        end.warnings.push("the memory limit was reached: the kernel ended a program".into());
    }
    if limits::out_of_processes(&held.groups) > 0 {
        end.warnings.push("the limit of processes was reached: the kernel refused a program another one".into());
    }
    let (changed, join, afterwards) = ending::finish(*session, records, remains, &mut end);
    if let Some(adopted) = &asked.adopted {
        children::tell(client, afterwards.session(), adopted, outlet.as_mut(), &join);
    }
    let outcome = outcome::sum_up(afterwards.session(), asked, end, held.walls, changed);
    Ended { outcome, afterwards: Box::new(afterwards) }
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
