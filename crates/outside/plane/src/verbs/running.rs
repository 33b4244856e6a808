//! `stop`, `pause` and `resume`: the process that holds the session does it, and here it is asked.

use std::time::{Duration, Instant};

use wire::command::{ControlAnswer, LiveInfo, Problem, Reply, Select, SessionInfo, SessionState};
use wire::control::{Answer, Happened, Order, State};

use super::family;
use super::sessions::info;
use crate::problem::{NO, problem, quoted};
use crate::session::control::{Dialled, Unanswered, ask};
use crate::store::{self, SessionDirectory, Store};

const TERMINATE: u8 = 15;
/// How long the session may take to answer: as for a policy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one may that is only asked how it stands.
const GLANCE: Duration = Duration::from_millis(300);
/// How long all may take to be gone after it was ended, and to be put in order.
const SETTLING: Duration = Duration::from_secs(20);
/// How long until nothing goes on: each level below has its time.
const STANDING: Duration = Duration::from_secs(60);
/// How often a session is looked at that is being put in order.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks the program to end, waits until the session has, and tells how.
pub(super) fn stop(store: &Store, select: &Select, grace: u64) -> Result<Reply, Problem> {
    let session = running(store, select, "stopped")?;
    let mut dialled = Dialled::dial(&session.path, PATIENCE).map_err(|error| unanswered(&session, error))?;
    for order in [Order::Events, Order::Stop { signal: TERMINATE, grace }] {
        match dialled.ask(order).map_err(|error| unanswered(&session, error))? {
            Answer::Done => {}
            other => return Err(refused(&session, other)),
        }
    }
    let id = &session.record.id;
    let until = Instant::now() + Duration::from_millis(grace) + SETTLING;
    let mut reason = String::from("it ended");
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(PAUSE);
        match dialled.next_event(left) {
            Ok(Some(Happened::Ended { reason: told, .. })) => reason = told,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(still_there(&session, &error)),
        }
    }
    let ended = loop {
        let now = SessionDirectory::open(&session.path)?;
        if now.state() != SessionState::Running {
            break now;
        }
        if Instant::now() > until {
            return Err(still_there(&session, &"its end is still being recorded"));
        }
        std::thread::sleep(PAUSE);
    };
    let exit = ended.record.exit.map_or_else(String::new, |exit| format!(", exit {exit}"));
    Ok(controlled(info(&ended), format!("session {id} ended{exit}: {}\n", quoted(&reason))))
}

/// Lets nothing in it go on, nor in any sub-agent of it: its process tells those below.
pub(super) fn pause(store: &Store, select: &Select) -> Result<Reply, Problem> {
    let session = running(store, select, "paused")?;
    let asked = Dialled::dial(&session.path, STANDING).and_then(|mut one| one.ask(Order::Pause));
    let (by, below) = match asked.map_err(|error| unanswered(&session, error))? {
        Answer::Paused { by, below } => (by, below),
        other => return Err(refused(&session, other)),
    };
    let id = &session.record.id;
    let below = match below {
        Some(below) => with(below as usize),
        None => "; what is below it is not: its programs are of an older build, which `bastide pause` tells one by one"
            .into(),
    };
    let text = format!("session {id} is paused {by}{below}\n`bastide resume {id}` lets it go on\n");
    Ok(controlled(shown(&session), text))
}

/// Lets it go on, and what is below it.
pub(super) fn resume(store: &Store, select: &Select) -> Result<Reply, Problem> {
    let session = running(store, select, "resumed")?;
    let below = family::below(store, &session.record.id)?.len();
    match ask(&session.path, Order::Resume).map_err(|error| unanswered(&session, error))? {
        Answer::Done => {
            Ok(controlled(shown(&session), format!("session {} goes on{}\n", session.record.id, with(below))))
        }
        other => Err(refused(&session, other)),
    }
}

fn with(below: usize) -> String {
    match below {
        0 => String::new(),
        1 => ", and one sub-agent with it".into(),
        more => format!(", and {more} sub-agents with it"),
    }
}

/// What the process that holds a session says of it; none where it does not run, or does not answer at once.
pub(super) fn live(session: &SessionDirectory, state: SessionState) -> Option<LiveInfo> {
    if state != SessionState::Running {
        return None;
    }
    let Ok(Answer::State(state)) = Dialled::dial(&session.path, GLANCE).and_then(|mut one| one.ask(Order::State))
    else {
        return None;
    };
    Some(live_by(&state))
}

/// What a list tells of how a session stands.
pub(super) fn live_by(state: &State) -> LiveInfo {
    let State { pid, cell, paused, ending, asks, asks_hour, risk, narrowed, inherited, .. } = *state;
    LiveInfo { pid, cell, paused, ending, asks, asks_hour, risk, narrowed, inherited }
}

fn shown(session: &SessionDirectory) -> SessionInfo {
    let mut shown = info(session);
    shown.live = live(session, shown.state);
    shown
}

fn controlled(session: SessionInfo, text: String) -> Reply {
    Reply::Controlled(Box::new(ControlAnswer { text, session }))
}

fn running(store: &Store, select: &Select, done: &str) -> Result<SessionDirectory, Problem> {
    let session = store::select(store, select)?;
    if session.state() == SessionState::Running {
        return Ok(session);
    }
    let cause = format!("session `{}` does not run, so it cannot be {done}", session.record.id);
    Err(problem("E-PLANE-101", cause, "`bastide ls` shows which run", NO))
}

fn unanswered(session: &SessionDirectory, error: Unanswered) -> Problem {
    match error {
        Unanswered::Refused(problem) => *problem,
        Unanswered::Silent(error) => silent(session, &error),
    }
}

fn refused(session: &SessionDirectory, answer: Answer) -> Problem {
    match answer {
        Answer::Refused(problem) => *problem,
        _ => silent(session, &"it answered something else"),
    }
}

fn silent(session: &SessionDirectory, why: &dyn std::fmt::Display) -> Problem {
    let id = &session.record.id;
    let cause = format!("the plane of session `{id}` gave no answer: {why}");
    problem("E-PLANE-095", cause, &format!("`bastide show {id}` tells how it stands"), NO)
}

fn still_there(session: &SessionDirectory, why: &dyn std::fmt::Display) -> Problem {
    let id = &session.record.id;
    let cause = format!("session `{id}` was told to end, and has not yet: {why}");
    problem("E-PLANE-101", cause, &format!("`bastide show {id}` tells how it stands"), NO)
}
