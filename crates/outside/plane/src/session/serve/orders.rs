//! What others of the operator ask of a session while it runs, one after the other, and what they are told.

use std::time::{Duration, Instant};

use record::{Children, Summary, Target};
use wire::command::Problem;
use wire::control::{Answer, Counts, Happened, MAX_GRACE, Order, State};

use super::questions::Said;
use super::{Course, Session};
use crate::problem::{NO, problem};
use crate::session::control::{Asking, Control};
use crate::session::risk::is_inherited;
use crate::store::{self, Events, SessionDirectory};

/// Events that are read of the record in one turn of the loop.
const MOST_EVENTS: usize = 4096;
const LAST_SIGNAL: u8 = 31;

/// The record, as far as it was counted.
#[derive(Debug)]
pub(super) struct Reckoning {
    events: Events,
    summary: Summary,
    children: Children,
    /// What was told last.
    told: Counts,
}

impl Reckoning {
    /// That of a session that begins. Nothing is read before somebody asks.
    pub(super) fn of(directory: &SessionDirectory) -> Reckoning {
        let (summary, children) = (Summary::default(), Children::default());
        Reckoning { events: Events::of(directory), summary, children, told: Counts::default() }
    }

    /// Whether the session was let through to a destination before.
    pub(super) fn reached(&mut self, host: &str, port: u16) -> bool {
        self.counts();
        self.summary.allowed.contains_key(&Target::new(host, Some(port)))
    }

    /// Counts on. A record that cannot be read further is counted as far as it could be.
    fn counts(&mut self) -> Counts {
        let mut behind = true;
        for _ in 0..MOST_EVENTS {
            match self.events.next_event() {
                Ok(Some(Ok(entry))) => {
                    self.summary.take(&entry.event.kind);
                    self.children.take(&entry.event);
                }
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => {
                    behind = false;
                    break;
                }
            }
        }
        store::so_far(&self.summary, &self.children, behind)
    }
}

impl Session<'_> {
    /// Hears who asks.
    // Apart from the loop, in most sessions of which it does nothing.
    #[inline(never)]
    pub(super) fn hear_control(&mut self, course: &mut Course) {
        if let Some(control) = self.generations.control_mut() {
            control.turn(Instant::now());
        }
        self.next_order(course);
    }

    /// Carries out what is asked, as long as there is something that can be begun now.
    pub(super) fn next_order(&mut self, course: &mut Course) {
        self.narrow_what_waits(course);
        loop {
            let (swapping, pausing) = (self.generations.is_swapping(), course.pause.due().is_some());
            let now = |order: &Order| match order {
                Order::State | Order::Events | Order::Questions => true,
                // Before the program runs there is nothing to change or to end.
                _ if !course.started => false,
                Order::Replace(_) | Order::Answer { .. } => !swapping,
                Order::Pause | Order::Resume => !pausing,
                Order::Stop { .. } => true,
            };
            let Some((order, asking)) = self.generations.control_mut().and_then(|control| control.next(now)) else {
                return;
            };
            self.carry_out(course, order, asking);
        }
    }

    fn carry_out(&mut self, course: &mut Course, order: Order, asking: Asking) {
        match order {
            Order::State => {
                let state = self.state(course);
                asking.answer(&Answer::State(Box::new(state)));
            }
            Order::Events => match self.generations.control_mut().map(|control| control.follow(&asking)) {
                Some(Err(problem)) => asking.refuse(problem),
                _ => asking.answer(&Answer::Done),
            },
            Order::Replace(asked) => {
                self.begin_policy(course, *asked, asking);
            }
            Order::Questions => {
                let cards = self.cards(course);
                asking.answer(&Answer::Questions { cards });
            }
            Order::Answer { question: id, revision, newest, say } => {
                self.answer(course, Said { id: &id, revision, newest, say }, asking);
            }
            Order::Pause => self.pause(course, asking),
            Order::Resume => self.resume(course, asking),
            Order::Stop { signal, grace } => self.stop(course, signal, grace, asking),
        }
    }

    /// Asks the program to end, and ends all after that grace; asked again, only sooner than before.
    fn stop(&mut self, course: &mut Course, signal: u8, grace: u64, asking: Asking) {
        if !(1..=LAST_SIGNAL).contains(&signal) || grace > MAX_GRACE {
            return asking.refuse(unstopped("no such signal, or more than a day of grace"));
        }
        if let Err(why) = self.note_order("stop", &asking, course) {
            return asking.refuse(unstopped(&why));
        }
        if course.ended {
            // It ended by itself, and why it did stays so.
            return asking.answer(&Answer::Done);
        }
        let who = asking.who().to_owned();
        let before = course.kill_at;
        let reason = match before {
            Some(_) => course.end.reason.clone(),
            None => format!("the operator stopped it ({who})"),
        };
        self.end_soon(course, signal, Duration::from_millis(grace), &reason);
        course.kill_at = [before, course.kill_at].into_iter().flatten().min();
        if grace == 0 {
            self.kill(course);
        }
        self.tell(&Happened::Stopping { who });
        asking.answer(&Answer::Done);
    }

    /// Tells who asked for it what happens.
    pub(super) fn tell(&mut self, happened: &Happened) {
        if let Some(control) = self.generations.control_mut() {
            control.tell(happened);
        }
    }

    /// Tells what was counted, where somebody is told and it is more than before.
    pub(super) fn tell_counts(&mut self, course: &mut Course) {
        if !self.generations.control().is_some_and(Control::is_followed) {
            return;
        }
        let counts = course.reckoning.counts();
        if std::mem::replace(&mut course.reckoning.told, counts) != counts {
            self.tell(&Happened::Counted(counts));
        }
    }

    fn state(&self, course: &mut Course) -> State {
        let record = &self.generations.directory().record;
        let program = record.command.first().map_or("", String::as_str);
        State {
            session: record.id.clone(),
            name: record.name.clone(),
            pid: std::process::id(),
            cell: course.pid_1.map(|pid| pid.as_raw_nonzero().get().cast_unsigned()),
            started: record.started,
            running: course.started && !course.ended,
            paused: course.pause.means(),
            ending: course.ended || course.kill_at.is_some(),
            agent: program.rsplit('/').next().unwrap_or_default().to_owned(),
            workspace: record.trees.first().map(|tree| tree.path.clone()).unwrap_or_default(),
            mode: record.mode.name().into(),
            policy: self.door.policy.policies().last().map(|policy| policy.name.clone()).unwrap_or_default(),
            revision: self.generations.revision(),
            asks: course.questions.open(),
            asks_hour: course.questions.in_the_last_hour(),
            risk: self.door.suspicion.score(),
            narrowed: self.door.policy.is_narrowed(),
            inherited: self.door.policy.policies().last().is_some_and(is_inherited),
            counts: course.reckoning.counts(),
        }
    }
}

fn unstopped(why: &str) -> Problem {
    let hint = "`bastide stop SESSION --timeout 10s`; `bastide show SESSION` tells how it stands";
    problem("E-PLANE-101", format!("the session was not stopped: {why}"), hint, NO)
}
