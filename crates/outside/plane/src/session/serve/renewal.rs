//! Tokens that run out while a session goes on: others are derived in time, beside the loop, and told to the gate.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use policy::Policy;
use wire::command::Problem;
use wire::{GateOrder, Lent};

use super::sleep::earlier;
use super::{Course, Session};
use crate::session::generation;

/// How long before its end a token is replaced.
const BEFORE: Duration = Duration::from_secs(60);
/// The shortest time between two attempts.
const REST: Duration = Duration::from_secs(5);

/// Derives all that a policy lends once more.
pub(in crate::session) type Again = Box<dyn Fn(&Policy) -> Result<Vec<Lent>, Problem> + Send + Sync>;

/// When, and by whom.
pub(in crate::session) struct Renewal {
    again: std::sync::Arc<Again>,
    due: Option<Instant>,
    running: Option<JoinHandle<Result<Vec<Lent>, Problem>>>,
}

impl Renewal {
    /// Of a session that begins with these.
    pub(in crate::session) fn begin(lent: &[Lent], again: Again) -> Renewal {
        Renewal { again: std::sync::Arc::new(again), due: due(lent), running: None }
    }

    /// Tokens ran out for so long while no clock here went on.
    pub(super) fn slept(&mut self, by: Duration) {
        self.due = self.due.map(|due| earlier(due, by));
    }

    /// Of a policy that took the place of another, with what it lends.
    pub(super) fn follow(&mut self, lent: &[Lent]) {
        self.due = due(lent);
    }
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Renewal({:?})", self.due)
    }
}

/// When the first of them is to be replaced; none where none runs out, or not before the end of what a clock counts.
fn due(lent: &[Lent]) -> Option<Instant> {
    let first = lent.iter().filter_map(|lent| lent.expires).min()?;
    Instant::now().checked_add(Duration::from_secs(first).saturating_sub(BEFORE).max(REST))
}

impl Session<'_> {
    /// Begins to derive what is due, and hands on what was derived.
    pub(super) fn renew(&mut self, course: &mut Course, now: Instant) {
        // While another policy is on its way to the gate, what goes with the one of now would come behind it.
        let settled = !self.generations.is_swapping();
        if settled && self.renewal.running.as_ref().is_some_and(JoinHandle::is_finished) {
            match self.renewal.running.take().map(JoinHandle::join) {
                Some(Ok(Ok(lent))) => self.relend(lent),
                Some(Ok(Err(problem))) => {
                    if !course.end.warnings.contains(&problem.cause) {
                        course.end.warnings.push(problem.cause);
                    }
                    self.renewal.due = Some(now + REST);
                }
                _ => self.renewal.due = Some(now + REST),
            }
        }
        if self.renewal.running.is_none() && self.renewal.due.is_some_and(|due| due <= now) {
            let again = std::sync::Arc::clone(&self.renewal.again);
            let policy = self.door.policy.policies().last().cloned().unwrap_or_default();
            self.renewal.due = None;
            self.renewal.running = Some(std::thread::spawn(move || again(&policy)));
        }
    }

    /// In the place of those that run out, and of nothing else: another policy may be in force by now.
    fn relend(&mut self, derived: Vec<Lent>) {
        self.renewal.due = self.renewal.due.into_iter().chain(due(&derived)).min();
        let newer = |old: &Lent| {
            let same = |new: &&Lent| new.name == old.name && new.expires.is_some();
            derived.iter().find(same).unwrap_or(old).clone()
        };
        let lent: Vec<Lent> = self.door.credentials.iter().map(newer).collect();
        let gone = generation::retired(&self.door.credentials, &lent);
        self.door.secrets.extend(gone);
        self.door.credentials.clone_from(&lent);
        if let Some(gate) = &mut self.gate {
            gate.tell(&GateOrder::Lend { credentials: lent });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_out_past_every_clock_is_never_due() {
        let lent = |expires| Lent {
            name: "login".into(),
            value: "access-1".into(),
            to: policy::Target::parse("api.example:443").expect("a target"),
            paths: Vec::new(),
            expires,
        };
        assert!(due(&[lent(None)]).is_none() && due(&[lent(Some(u64::MAX))]).is_none());
        let soon = due(&[lent(Some(u64::MAX)), lent(Some(0))]).expect("the first that runs out");
        assert!(soon <= Instant::now() + REST);
    }

    /// By the clock that stands still while the host sleeps, requests went out with a token that had run out, for as long
    /// as was left of it before.
    #[test]
    fn what_ran_out_while_the_host_slept_is_due() {
        let hour = Duration::from_secs(3600);
        let again: Again = Box::new(|_| Ok(Vec::new()));
        let mut renewal =
            Renewal { again: std::sync::Arc::new(again), due: Some(Instant::now() + hour), running: None };
        renewal.slept(hour / 2);
        assert!(renewal.due.is_some_and(|due| due > Instant::now()));
        renewal.slept(hour);
        assert!(renewal.due.is_some_and(|due| due <= Instant::now()));
        renewal.due = None;
        renewal.slept(hour);
        assert!(renewal.due.is_none());
    }
}
