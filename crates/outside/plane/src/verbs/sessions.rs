//! `ls` and `show`.

use std::time::{Duration, Instant};

use wire::command::{DiskInfo, ParentInfo, Problem, Reply, Select, SessionInfo, SessionState};

use super::{changes, family, gone, running};
use crate::channel::Client;
use crate::problem::{quoted, state};
use crate::store::{self, ParentRecord, SessionDirectory, Store, Weight};

/// Every session, newest first; what cannot be shown is told of. What killed planes left is put in order before, so
/// that nobody has to run a program to be rid of it.
pub(super) fn ls(store: &Store, client: &mut Client) -> Result<Reply, Problem> {
    for text in store::repair(store) {
        client.reply(&Reply::Notice { text });
    }
    let found = store::sessions(store)?;
    for text in found.damaged {
        client.reply(&Reply::Notice { text });
    }
    let (mut room, all) = (MOST_BYTES, found.sessions.len());
    let fits = move |session: &&SessionDirectory| {
        let words: usize = session.record.command.iter().map(|word| word.len() + 8).sum();
        room = room.saturating_sub(words + 1000);
        room > 0
    };
    let mut sessions: Vec<_> = found.sessions.iter().take_while(fits).map(info).collect();
    let until = Instant::now() + MOST_ASKED;
    for (session, info) in found.sessions.iter().zip(&mut sessions) {
        if Instant::now() < until {
            info.live = running::live(session, info.state);
        }
    }
    for (session, info) in found.sessions.iter().zip(&sessions) {
        unreadable(session, info, client);
    }
    if sessions.len() < all {
        let text = format!("{} older sessions are not listed", all - sessions.len());
        client.reply(&Reply::Notice { text });
    }
    Ok(Reply::Sessions { sessions })
}

/// Bytes of sessions in one answer, which is one frame; escaping makes a byte six at worst.
const MOST_BYTES: usize = wire::MAX_FRAME / 6;

/// How long running sessions are asked for a list, all together.
const MOST_ASKED: Duration = Duration::from_secs(1);

/// One session, with its counts.
pub(super) fn show(store: &Store, client: &mut Client, select: &Select) -> Result<Reply, Problem> {
    let session = store::select(store, select)?;
    let tally = store::tally(&session).map_err(|error| state("read", &session.path, &error))?;
    if tally.unread > 0 {
        let text = format!("{} lines of the record are no events; `bastide log verify` says where", tally.unread);
        client.reply(&Reply::Notice { text });
    }
    gone::tell(store, client, &session);
    let mut shown = info(&session);
    unreadable(&session, &shown, client);
    shown.live = running::live(&session, shown.state);
    shown.pending = match changes::pending(&session) {
        Ok(count) => Some(count),
        Err(problem) => {
            client.reply(&Reply::Notice { text: format!("the changes cannot be counted: {}", quoted(&problem.cause)) });
            None
        }
    };
    shown.bodies = session.policy().ok().map(|policy| policy.bodies());
    shown.layers = Some(tally.layers);
    shown.limits = Some(tally.limits);
    shown.models = tally.models;
    shown.reported = tally.reported;
    shown.allowed = Some(tally.allowed);
    shown.refused = Some(tally.refused);
    // While it runs its own process looks, at its home too.
    let looked = Some(Weight::of(&session)).filter(|_| shown.state != SessionState::Running || shown.disk.is_none());
    shown.disk = looked.map(told).or(shown.disk).filter(|disk| disk.own > 0 || disk.below > 0);
    shown.children = Some(family::children(&session).map_err(|error| state("read", &session.path, &error))?);
    Ok(Reply::Session(Box::new(shown)))
}

fn told(Weight { own, below }: Weight) -> DiskInfo {
    DiskInfo { own, below }
}

/// Says that its policy cannot be read, and why, where it cannot.
fn unreadable(session: &SessionDirectory, info: &SessionInfo, client: &mut Client) {
    if info.revision.is_none()
        && let Err(problem) = session.in_force()
    {
        client.reply(&Reply::Notice { text: format!("session `{}`: {}", info.id, quoted(&problem.cause)) });
    }
}

/// For its name, where a policy cannot be read.
const UNREADABLE: &str = "damaged";

/// What `ls` tells of a session.
pub(crate) fn info(session: &SessionDirectory) -> SessionInfo {
    let (record, revision) = (&session.record, session.revision());
    let names = session.policy_names().join(" and ");
    SessionInfo {
        id: record.id.clone(),
        name: record.name.clone(),
        state: session.state(),
        started: record.started,
        ended: record.ended,
        command: record.command.clone(),
        workspace: record.trees.first().map(|tree| tree.path.clone()).unwrap_or_default(),
        mode: record.mode.name().into(),
        policy: if revision.is_some() { names } else { UNREADABLE.into() },
        revision,
        bodies: None,
        accepted_risks: record.accepted_risks.clone(),
        exit: record.exit,
        pending: None,
        layers: None,
        limits: None,
        models: None,
        reported: None,
        allowed: None,
        refused: None,
        live: None,
        parent: record.parent.as_ref().map(|ParentRecord { session, child, server, .. }| ParentInfo {
            session: session.clone(),
            child: *child,
            server: server.clone(),
        }),
        children: None,
        built: record.built.clone(),
        disk: Weight::noted(&session.path).map(told),
    }
}
