//! A pause: nothing in the cell runs, until the operator says otherwise or it is to end. Recorded before it is done.
//!
//! By the freezer of the cell's control group where it has one, which pid 1 is in as well; else by pid 1, which sends
//! SIGSTOP to all others. A paused cell ends with its plane like any other: both ways, SIGKILL still does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plan::Order;
use record::Kind;
use wire::control::{Answer, Happened, Means};

use super::{Course, Session};
use crate::problem::{NO, problem};
use crate::session::control::Asking;
use crate::session::freezer;

/// How long pid 1 may take to tell all others to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far a pause came.
#[derive(Debug)]
pub(super) enum Pause {
    /// All goes on.
    No,
    /// Pid 1 was told.
    Asked { asking: Asking, until: Instant },
    /// Nothing goes on.
    By(Held),
}

/// What holds a cell.
#[derive(Debug)]
pub(super) enum Held {
    Group(PathBuf),
    Signal,
}

impl Held {
    const fn means(&self) -> Means {
        match self {
            Held::Group(_) => Means::ControlGroup,
            Held::Signal => Means::Signal,
        }
    }
}

impl Pause {
    /// When pid 1 has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        if let Pause::Asked { until, .. } = self { Some(*until) } else { None }
    }

    /// By what, where nothing goes on.
    pub(super) const fn means(&self) -> Option<Means> {
        if let Pause::By(held) = self { Some(held.means()) } else { None }
    }
}

impl Session<'_> {
    /// Pauses, unless the session is about to end.
    pub(super) fn pause(&mut self, course: &mut Course, asking: Asking) {
        if let Some(by) = course.pause.means() {
            return asking.answer(&Answer::Paused { by });
        }
        if course.ended || course.kill_at.is_some() {
            return asking.refuse(unpaused("the session is about to end"));
        }
        if let Err(why) = self.note_order("pause", &asking, course) {
            return asking.refuse(unpaused(&why));
        }
        let Some(group) = freezer::group(&self.generations.directory().record.cgroups).map(PathBuf::from) else {
            course.pause = Pause::Asked { asking, until: Instant::now() + PATIENCE };
            return self.cell.order(Order::Pause);
        };
        match freezer::freeze(&group) {
            Ok(()) => self.is_paused(course, Held::Group(group), asking),
            Err(error) => asking.refuse(unpaused(&error.to_string())),
        }
    }

    /// Pid 1 says whether all others were told to stop.
    pub(super) fn paused(&mut self, course: &mut Course, done: bool) {
        match std::mem::replace(&mut course.pause, Pause::No) {
            Pause::Asked { asking, .. } if done => self.is_paused(course, Held::Signal, asking),
            Pause::Asked { asking, .. } => {
                let why = "without the layer `pid-namespace` its processes cannot be told from others, and it has no \
                           control group of version 2";
                asking.refuse(unpaused(why));
            }
            // It came too late, or was not asked for.
            other => course.pause = other,
        }
    }

    fn is_paused(&mut self, course: &mut Course, held: Held, asking: Asking) {
        let by = held.means();
        course.pause = Pause::By(held);
        self.tell(&Happened::Paused { by, who: asking.who().into() });
        asking.answer(&Answer::Paused { by });
    }

    /// Lets all go on.
    pub(super) fn resume(&mut self, course: &mut Course, asking: Asking) {
        if matches!(course.pause, Pause::No) {
            return asking.answer(&Answer::Done);
        }
        if let Err(why) = self.note_order("resume", &asking, course) {
            return asking.refuse(problem("E-PLANE-101", format!("the session was not resumed: {why}"), HINT, NO));
        }
        self.let_go_on(course);
        self.tell(&Happened::Resumed { who: asking.who().into() });
        asking.answer(&Answer::Done);
    }

    /// Takes a pause back, whatever came of it.
    pub(super) fn let_go_on(&self, course: &mut Course) {
        match std::mem::replace(&mut course.pause, Pause::No) {
            Pause::No => {}
            Pause::By(Held::Group(group)) => {
                // A group that is gone holds nothing.
                let _ = freezer::thaw(&group);
            }
            Pause::By(Held::Signal) => self.cell.order(Order::Resume),
            Pause::Asked { asking, .. } => {
                self.cell.order(Order::Resume);
                asking.refuse(unpaused("the session is about to end"));
            }
        }
    }

    /// Lets all go on where pid 1 does not answer.
    pub(super) fn watch_the_pause(&mut self, course: &mut Course, now: Instant) {
        if course.pause.due().is_some_and(|due| due <= now)
            && let Pause::Asked { asking, .. } = std::mem::replace(&mut course.pause, Pause::No)
        {
            self.cell.order(Order::Resume);
            asking.refuse(unpaused(&format!("pid 1 did not answer within {} s", PATIENCE.as_secs())));
            self.next_order(course);
        }
    }

    /// Records what the operator asks for, before it is done.
    pub(super) fn note_order(&mut self, order: &str, asking: &Asking, course: &mut Course) -> Result<(), String> {
        let event = Kind::Ordered { order: order.into(), who: asking.who().into() };
        self.ledger.write(event).map(drop).map_err(|error| {
            self.unrecorded(course, &error);
            format!("the record cannot be written: {error}")
        })
    }
}

const HINT: &str = "`bastide show SESSION` tells how it stands, `bastide stop SESSION` ends it";

fn unpaused(why: &str) -> wire::command::Problem {
    problem("E-PLANE-101", format!("the session was not paused: {why}"), HINT, NO)
}
