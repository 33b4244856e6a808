//! `approve`: which questions wait in the sessions of this state, and an answer to one. The process that holds the session
//! takes it; here it is only found.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::command::{Problem, Reply, SessionState};
use wire::control::{Answer, Order};
use wire::question::{Card, Say, referred};

use crate::channel::Client;
use crate::problem::{NO, problem, quoted};
use crate::session::control::{Dialled, Unanswered};
use crate::store::{self, SessionDirectory, Store};

/// How long one session may take to tell its questions.
const GLANCE: Duration = Duration::from_millis(500);
/// How long all may take.
const MOST_ASKED: Duration = Duration::from_secs(3);
/// How long it may take to answer: as for a policy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest beginning of an id that means one.
const LEAST: usize = 4;

/// The questions of every session, one of each in turn: none that asks much pushes another's out.
pub(super) fn list(store: &Store, client: &mut Client) -> Result<Reply, Problem> {
    let asked = all(store)?;
    for text in &asked.unheard {
        client.reply(&Reply::Notice { text: text.clone() });
    }
    Ok(Reply::Questions { cards: in_turn(asked.by_session.into_iter().map(|(_, cards)| cards).collect()) })
}

/// Answers one.
pub(super) fn answer(store: &Store, question: &str, say: Say) -> Result<Reply, Problem> {
    let plain = |id: &str| id.len() >= LEAST && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (id, newest) = referred(question).filter(|(id, _)| plain(id)).ok_or_else(|| unknown(question))?;
    let found = all(store)?.by_session;
    let mut meant = found.iter().flat_map(|(session, cards)| cards.iter().map(move |card| (session, card)));
    let mut meant = meant.by_ref().filter(|(_, card)| card.id.starts_with(id));
    let (session, card) = match (meant.next(), meant.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(unknown(question)),
        (Some(_), Some(_)) => {
            let cause = format!("several questions begin with `{}`", quoted(question));
            return Err(problem(
                "E-PLANE-120",
                cause,
                "write more of it: `bastide approve --json` tells all of it",
                NO,
            ));
        }
    };
    let order = Order::Answer { question: card.id.clone(), revision: card.revision, newest, say };
    let answered = Dialled::dial(&session.path, PATIENCE).and_then(|mut one| one.ask(order));
    let text = match answered {
        Ok(Answer::Done) => words(card, newest, say),
        Ok(Answer::InForce { revision }) => kept(card, revision),
        Ok(Answer::Refused(problem)) | Err(Unanswered::Refused(problem)) => return Err(*problem),
        Ok(Answer::Overtaken { .. }) => return Err(unknown(question)),
        other => {
            let why = other.map_or_else(|error| error.to_string(), |_| "it answered something else".into());
            let id = &session.record.id;
            let cause = format!("the plane of session `{id}` gave no answer: {why}");
            return Err(problem("E-PLANE-095", cause, "`bastide approve` lists what still waits", NO));
        }
    };
    Ok(Reply::Answered { text, card: Box::new(card.clone()), say })
}

struct Asked {
    by_session: Vec<(SessionDirectory, VecDeque<Card>)>,
    /// A line for each session that did not tell.
    unheard: Vec<String>,
}

fn all(store: &Store) -> Result<Asked, Problem> {
    let until = Instant::now() + MOST_ASKED;
    let mut asked = Asked { by_session: Vec::new(), unheard: Vec::new() };
    for session in store::sessions(store)?.sessions {
        if session.state() != SessionState::Running {
            continue;
        }
        let late = Instant::now() >= until;
        let told = if late {
            None
        } else {
            Dialled::dial(&session.path, GLANCE).and_then(|mut one| one.ask(Order::Questions)).ok()
        };
        match told {
            Some(Answer::Questions { cards }) => asked.by_session.push((session, cards.into())),
            // Its programs know no questions: it was begun by an earlier build.
            Some(Answer::Refused(_)) => {}
            _ => asked.unheard.push(format!("session {} did not tell what waits in it", session.record.id)),
        }
    }
    Ok(asked)
}

fn in_turn(mut sessions: Vec<VecDeque<Card>>) -> Vec<Card> {
    let mut cards = Vec::new();
    while sessions.iter().any(|session| !session.is_empty()) {
        cards.extend(sessions.iter_mut().filter_map(VecDeque::pop_front));
    }
    cards
}

fn words(card: &Card, newest: Option<u64>, say: Say) -> String {
    let (id, waiting) = (card.short(), card.waiting);
    let what = match say {
        Say::Once if newest < card.newest && (newest.is_some() || waiting > 1) => {
            let which = newest.map_or("the first that waited", |_| "what waited when it was shown");
            format!("{which} is allowed once; what came after it is asked about anew")
        }
        Say::Once if waiting == 0 => "allowed once, when it is asked for again".to_owned(),
        Say::Once => format!("allowed once, {waiting} waited"),
        Say::Session { seconds: Some(seconds), .. } => format!("allowed for {seconds} s, {waiting} waited"),
        Say::Session { .. } => format!("allowed for the session, {waiting} waited"),
        Say::Always => "allowed".to_owned(),
        Say::Deny => format!("denied, {waiting} waited"),
    };
    format!("question {id} of session {}: {what}\n", card.session)
}

fn kept(card: &Card, revision: u32) -> String {
    let always = card.choices.iter().find(|choice| choice.answer == Say::Always);
    let rule = always.and_then(|choice| choice.rule.as_deref()).unwrap_or_default();
    let key = if card.call.is_some() { "endorse:" } else { "network: allow:" };
    format!(
        "question {} of session {}: allowed from here on, policy revision {revision}\n\
         `bastide policy undo {}` takes it back; a later session has it with this line under `{key}`\n- {}\n",
        card.short(),
        card.session,
        card.session,
        quoted(rule)
    )
}

fn unknown(question: &str) -> Problem {
    let cause = format!("no question `{}` waits: it was answered, it changed, or its time is over", quoted(question));
    problem("E-PLANE-120", cause, "`bastide approve` lists what waits now", NO)
}
