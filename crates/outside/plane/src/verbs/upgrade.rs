//! `upgrade --check`: which running sessions the programs on disk could not speak with, or not carry on.
//!
//! A session goes on with the process that it began with. What that starts later comes from disk: the next gate, and whoever
//! enters the cell; what asks it comes from disk as well. So each of these is compared.

use std::time::Duration;

use wire::command::{Built, Problem, Reply, SessionState, Spoken, UpgradeAnswer};
use wire::control;

use crate::problem::quoted;
use crate::session::control::{Dialled, Unanswered};
use crate::store::{self, SessionDirectory, Store};

/// How long a session may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What this build is.
pub(crate) fn built() -> Built {
    Built {
        build: env!("CARGO_PKG_VERSION").into(),
        control: (control::LEAST, control::VERSION),
        streams: wire::streams::VERSION,
        plan: plan::VERSION,
        lease: wire::VERSION,
    }
}

/// Compares each session that runs with the programs on disk, which these are.
pub(super) fn check(store: &Store) -> Result<Reply, Problem> {
    let ours = built();
    let running = store::sessions(store)?.sessions;
    let running = running.iter().filter(|session| session.state() == SessionState::Running);
    let sessions = running.map(|session| spoken(session, &ours)).collect();
    Ok(Reply::Upgrade(Box::new(UpgradeAnswer { ours, sessions })))
}

fn spoken(session: &SessionDirectory, ours: &Built) -> Spoken {
    let record = &session.record;
    let mut stops = Vec::new();
    match Dialled::dial(&session.path, PATIENCE) {
        Ok(_) => {}
        Err(Unanswered::Refused(problem)) => {
            stops.push(format!("policy, pause, resume and stop: {}", quoted(&problem.cause)));
        }
        Err(Unanswered::Silent(error)) => stops.push(format!("policy, pause, resume and stop: no answer: {error}")),
    }
    match &record.built {
        Some(theirs) => stops.extend(differences(theirs, ours)),
        None => stops.push("what it was begun with is not known: an older build did not write it down".into()),
    }
    let built = record.built.clone();
    Spoken { session: record.id.clone(), name: record.name.clone(), built, stops }
}

/// What would not go on, a line each.
fn differences(theirs: &Built, ours: &Built) -> Vec<String> {
    let mut stops = Vec::new();
    let mut differ = |what: &str, theirs: u32, ours: u32, which: &str| {
        if theirs != ours {
            stops.push(format!("{which}: its {what} is of version {theirs}, those on disk speak {ours}"));
        }
    };
    differ("second socket", theirs.streams, ours.streams, "attach, exec, cp and open");
    differ("cell", theirs.plan, ours.plan, "exec, cp and open");
    differ("gate", theirs.lease, ours.lease, "the network, from when its gate would be succeeded by another");
    stops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_stops_nothing_and_each_difference_is_named() {
        let ours = built();
        assert!(differences(&ours, &ours).is_empty());
        let older = Built { plan: ours.plan - 1, lease: ours.lease - 1, ..ours.clone() };
        let stops = differences(&older, &ours);
        assert!(stops.len() == 2 && stops[0].starts_with("exec, cp and open") && stops[1].starts_with("the network"));
    }
}
