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
pub(crate) mod streams;
mod system;
mod tend;
mod up;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use plan::{Layer, Order};
use policy::{Conjunction, Policy};
use record::{Kind, Redactor, Segment};
use rustix::process::{WaitOptions, wait};
use wire::command::{ChildRun, ChildWord, DoctorAnswer, Outcome, Problem, Reply, Run, ServerRun};

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
use carried::Begins;
use children::{Adopted, Children, Heard, House, Outlet, Within};
use gate::Door;
use outcome::Unrun;
use prepare::Prepared;
use serve::{Generations, Ground, Questions, Renewal, Served, Session, Standing};
use servers::{Servers, Serves};
use streams::Streams;
use tend::Chores;

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

// As `stand` is: apart from what goes on for as long as the session does, which keeps its room on the stack.
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

/// A session whose cell was told to begin.
struct Stands<'c> {
    running: Box<Session<'c>>,
    held: limits::Held,
    hold: Option<File>,
}

#[inline(never)]
fn stand<'c>(
    client: &'c mut Client,
    asked: &Asked,
    (session, prepared): (&'c mut SessionDirectory, Box<Prepared>),
    mut early: Box<early::Early>,
    (stdio, line, store, up): (Vec<OwnedFd>, Option<OwnedFd>, &'c Store, Option<Up>),
) -> Result<Stands<'c>, Unrun> {
    let Prepared { plan, seen, held, home, hold, tls, credentials, begins, within, copied, .. } = *prepared;
    let served = line.map(|line| Outlet::on(&session.path, line));
    let outlet = asked.adopted.as_ref().map(|adopted| {
        if !copied.missing.is_empty() {
            client.reply(&Reply::Child(ChildWord::Missing { paths: copied.missing.clone() }));
        }
        Outlet::new(&session.path, &adopted.task, adopted.context.as_deref())
    });
    let outlet = outlet.or(served);
    let house = house(asked, session, within, (&held.groups, &begins));
    let policies = Conjunction::sharing(asked.policies().cloned());
    // First, since the walls take longer than the record, which the program waits for.
    let ground = Ground::of(&plan, reachable(asked, session));
    early.build(plan, &seen, &stdio)?;
    drop((seen, stdio));
    let gate = early.gate()?;
    if let Some(text) = mounts::unseen(session.record.trees.iter().map(|tree| tree.path.as_path())) {
        client.reply(&Reply::Notice { text });
    }
    // Whoever asked for a sub-agent or a server is no operator, who alone could change it.
    if asked.adopted.is_none() && asked.serves.is_none() {
        let told =
            owners::unchangeable(&session.record).into_iter().chain(gitfile::lacking(&session.record, &asked.policy));
        told.for_each(|text| client.reply(&Reply::Notice { text }));
    }
    // A session without a record never began: the next start clears it, so the record comes last.
    session.save_policy(&policies)?;
    let spoken: Vec<String> = session.record.command.iter().skip(1).cloned().collect();
    // What is kept out of the record is kept out of what `ls` and `show` tell.
    let redactor = redactor(asked, &begins);
    session.record.command.iter_mut().for_each(|word| *word = redactor.without_secrets(word));
    session.save()?;
    let session: &SessionDirectory = session;
    // By now whoever asks for the same finds it.
    drop(up);
    let ledger = begin(session, asked, &held, &begins)?;
    let segment = session.segment(Segment::Gate);
    gate::empty_segment(&segment).map_err(|error| state("make", &segment, &error))?;
    let audit = early.who.identity.privileged.then(|| Watch::over_user(early.who.identity.host_uid)).flatten();
    match asked.adopted.is_some() || asked.serves.is_some() {
        // Who asked may be paused by now, want it no more, or be gone.
        true => client.reply(&Reply::Child(ChildWord::Ready)),
        false => early.cell.order(Order::Begin),
    }
    let door = Door {
        gates: early.gates.clone(),
        origin: session.origin(Segment::Gate),
        policy: policies,
        segment,
        drops: match (&asked.adopted, &asked.serves) {
            (Some(adopted), _) => adopted.drops.clone(),
            (None, Some(serves)) => serves.drops.clone(),
            (None, None) => session.path.join(wire::DROPS),
        },
        proxy: asked.upstream.clone(),
        secrets: asked.secrets.clone(),
        lets_own: asked.accepted.credential.is_some(),
        tls,
        credentials,
        carried: begins.labels(),
        labelled: begins.labelled,
        heard: Heard::of(begins.heard),
        lacking: begins.lacking,
        intent: match &asked.adopted {
            // Its task is its parent's words, which are nobody's intent.
            Some(adopted) => adopted.intent.clone(),
            // What a policy says of a program is nobody's task.
            None if asked.serves.is_some() => Vec::new(),
            // Each argument is something that the operator said: which of them is the task, only the program knows.
            None => spoken,
        },
        reserved: policy::Amounts::default(),
        patience: patience(asked),
        suspicion: risk::Suspicion::default(),
        granted: Vec::new(),
        endorsed: Vec::new(),
        paused: false,
    };
    let renewal = {
        let (store, way) = (store.clone(), prepare::way(asked, &early.gates));
        Renewal::begin(&door.credentials, Box::new(move |policy| lend::lend(policy, &store, &way)))
    };
    let running = Box::new(Session {
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
        dismissed: None,
        sockets: Vec::new(),
        time: asked.policy.limits.time,
        chores: Chores::new(session, guards(asked), asked.policy.limits.disk, &home),
        audit,
        generations: Generations::begin(session),
        renewal,
        keys: keys::Keys::default(),
        questions: Questions::begin(asked.answers.clone()),
        standing: Standing::default(),
        merging: Merging::of(session, Pace::default()),
        store,
        children: Children::of(house),
        servers: Servers::default(),
        outlet,
    });
    Ok(Stands { running, held, hold })
}

/// What its own children would be made from.
fn house(asked: &Asked, session: &SessionDirectory, within: Within, (groups, begins): (&[PathBuf], &Begins)) -> House {
    let tree = session.record.trees.first();
    let view = tree.and_then(|tree| tree.view.as_ref());
    // What relays a sub-agent's stdio is of our making, whatever the operator handed on to the first of the line.
    let kept = |name: &&String| !name.contains(Layer::RelayedStdio.name());
    House {
        surroundings: asked.run.surroundings.clone(),
        accepted: asked.accepted.names.iter().filter(kept).cloned().collect(),
        patience: asked.run.patience,
        answers: asked.run.answers.clone(),
        workspace: asked.workspace.clone(),
        lower: view.map_or_else(|| asked.workspace.clone(), |view| view.at.clone()),
        upper: tree.filter(|_| asked.mode != policy::WorkspaceMode::ReadOnly).map(|tree| tree.changes.join("upper")),
        granted: view.map(|view| view.granted.clone()),
        within,
        labels: asked.adopted.as_ref().map(|adopted| adopted.labels.clone()).unwrap_or_default(),
        values: begins.carried.labels.iter().filter(|(_, value)| **value).map(|(label, _)| label.clone()).collect(),
        groups: groups.to_vec(),
        is_child: asked.adopted.is_some(),
        budget: asked.adopted.as_ref().map(|adopted| adopted.budget),
    }
}

/// How long what the policy asks waits: for a file of answers, which is there at once, as for anybody.
fn patience(asked: &Asked) -> u32 {
    let written = asked.answers.as_ref().map(|_| wire::Bounds::default().patience);
    asked.run.patience.or(written).unwrap_or(0)
}

/// Directories that files are copied from and to: the trees of the session and its home.
fn reachable(asked: &Asked, session: &SessionDirectory) -> Vec<PathBuf> {
    session.record.trees.iter().map(|tree| tree.path.clone()).chain([asked.home.clone()]).collect()
}

/// Names that are held back from merging.
fn guards(asked: &Asked) -> Vec<PathBuf> {
    asked.policy.files.guard.iter().map(PathBuf::from).collect()
}

/// Keeps out of the record what was let in, and what a file of secrets holds: a task may hold that, too.
fn redactor(asked: &Asked, begins: &Begins) -> Redactor {
    let mut redactor = asked.redactor();
    let heard = begins.heard.iter().flat_map(wire::Words::labelled);
    for one in begins.labelled.iter().cloned().chain(heard).filter(|one| one.exact) {
        let _ = redactor.add(one.label.as_str(), &one.text);
    }
    redactor
}

/// Begins the record: nothing runs before it says that it does.
fn begin(session: &SessionDirectory, asked: &Asked, held: &limits::Held, begins: &Begins) -> Result<Ledger, Problem> {
    let redactor = redactor(asked, begins);
    let path = session.segment(Segment::Plane);
    let begun = Ledger::begin(&path, &session.origin(Segment::Plane), redactor).and_then(|mut ledger| {
        ledger.write(Kind::SessionStart {
            session: session.record.id.clone(),
            command: session.record.command.clone(),
            // A server has none.
            workspace: match asked.serves {
                Some(_) => String::new(),
                None => asked.workspace.to_string_lossy().into_owned(),
            },
            mode: asked.mode.name().into(),
            policy: asked.policy.name.clone(),
            accepted_risks: asked.accepted.names.clone(),
        })?;
        if let Some(adopted) = &asked.adopted {
            ledger.write(Kind::ChildOf {
                session: adopted.parent.session.clone(),
                child: adopted.parent.child,
                event: adopted.event,
                task: adopted.task.clone(),
                labels: adopted.labels.iter().map(|label| label.as_str().to_owned()).collect(),
            })?;
        }
        let carried = &begins.carried;
        if !carried.labels.is_empty() {
            let (labels, values, from) = (carried.of(false), carried.of(true), carried.from.clone());
            ledger.write(Kind::Carried { labels, values, from })?;
        }
        if let Some(serves) = &asked.serves {
            ledger.write(Kind::ServerOf {
                session: serves.parent.session.clone(),
                server: serves.server.clone(),
                event: serves.event,
            })?;
        }
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
