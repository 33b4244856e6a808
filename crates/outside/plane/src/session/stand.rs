//! A session put together: its record begun, its cell told to begin, and what serves it until its program has ended.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use plan::{Layer, Order};
use policy::Conjunction;
use record::{Kind, Redactor, Segment};
use wire::command::{ChildWord, Problem, Reply};

use super::asked::Asked;
use super::carried::Begins;
use super::children::{Children, Heard, House, Outlet, Within};
use super::gate::{self, Door};
use super::outcome::Unrun;
use super::prepare::{self, Prepared};
use super::serve::{Generations, Ground, Questions, Renewal, Session, Standing};
use super::servers::Servers;
use super::streams::Streams;
use super::tend::Chores;
use super::{Up, early, gitfile, keys, lend, limits, mounts, owners, risk};
use crate::audit::Watch;
use crate::channel::Client;
use crate::ledger::{Merging, Pace};
use crate::problem::state;
use crate::store::{Ledger, SessionDirectory, Store};

/// A session whose cell was told to begin.
pub(super) struct Stands<'c> {
    pub(super) running: Box<Session<'c>>,
    pub(super) held: limits::Held,
    /// Of its home, which is one session's at a time.
    pub(super) hold: Option<File>,
}

/// Lets the cell build and begin, and puts together what serves it.
///
/// # Errors
/// Why nothing is run.
// Apart from what serves, which keeps the room of whoever called it on the stack.
#[inline(never)]
pub(super) fn stand<'c>(
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
