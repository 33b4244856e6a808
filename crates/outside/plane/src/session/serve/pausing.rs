//! A pause: nothing in the cell runs, nor in anything that the session began (`below.rs`), until the operator says otherwise
//! or it is to end; whoever asks for it, and whatever begins meanwhile. Recorded before it is done.
//!
//! By the freezer of the cell's control group where it has one, which pid 1 is in as well; else by pid 1, which sends
//! SIGSTOP to all others. A paused cell ends with its plane like any other: both ways, SIGKILL still does. What a signal
//! stops another one may wake, so the gate lets nothing through either, and said so before anybody is told of a pause.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plan::Order;
use record::Kind;
use wire::GateOrder;
use wire::command::ChildWord;
use wire::control::{Answer, Happened, Means};

use super::{Course, Session};
use crate::problem::{NO, problem};
use crate::session::control::Asking;
use crate::session::freezer;

/// How long pid 1 may take to tell all others to stop, and the gate to say that it holds all. A gate that is silent is ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How far a pause came.
#[derive(Debug)]
pub(super) enum Pause {
    /// All goes on.
    No,
    /// Pid 1 was told, or the gate, under this number, or both; and those below, who have until `below`.
    Asked { asking: Asking, until: Instant, below: Instant, held: Option<Held>, gate: Option<u32> },
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
    /// Whether there is one, or is about to be.
    pub(super) const fn is_some(&self) -> bool {
        !matches!(self, Pause::No)
    }

    /// When pid 1 and the gate have had their time, or those below theirs.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Pause::Asked { below, held: Some(_), gate: None, .. } => Some(*below),
            Pause::Asked { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// By what, where nothing goes on.
    pub(super) const fn means(&self) -> Option<Means> {
        if let Pause::By(held) = self { Some(held.means()) } else { None }
    }
}

impl Session<'_> {
    /// Pauses, unless the session is about to end. Asked again, what was resumed below since is paused, too.
    pub(super) fn pause(&mut self, course: &mut Course, asking: Asking) {
        if course.ended || course.kill_at.is_some() {
            return self.is_not_paused(course, asking, "the session is about to end");
        }
        let (until, below) = (Instant::now() + PATIENCE, Instant::now() + self.patience_below());
        if let Pause::By(held) = std::mem::replace(&mut course.pause, Pause::No) {
            self.pause_below();
            course.pause = Pause::Asked { asking, until, below, held: Some(held), gate: None };
            return self.settle_the_pause(course);
        }
        if let Err(why) = self.note_order("pause", &asking, course) {
            return self.is_not_paused(course, asking, &why);
        }
        let gate = self.hold_the_gate(course);
        self.pause_below();
        let held = match freezer::group(&self.generations.directory().record.cgroups).map(PathBuf::from) {
            Some(group) => match freezer::freeze(&group) {
                Ok(()) => Some(Held::Group(group)),
                Err(error) => {
                    self.let_the_gate_go_on();
                    self.resume_below();
                    return self.is_not_paused(course, asking, &error.to_string());
                }
            },
            None => {
                self.cell.order(Order::Pause);
                None
            }
        };
        course.pause = Pause::Asked { asking, until, below, held, gate };
        self.settle_the_pause(course);
    }

    fn is_not_paused(&mut self, course: &mut Course, asking: Asking, why: &str) {
        self.tell_above(course, ChildWord::Unpaused { why: why.into() });
        asking.refuse(unpaused(why));
    }

    /// Pid 1 says whether all others were told to stop.
    pub(super) fn paused(&mut self, course: &mut Course, done: bool) {
        match &mut course.pause {
            Pause::Asked { held: held @ None, .. } if done => {
                *held = Some(Held::Signal);
                self.settle_the_pause(course);
            }
            Pause::Asked { held: None, .. } => {
                let why = "without the layer `pid-namespace` its processes cannot be told from others, and it has no \
                           control group of version 2";
                self.abandon(course, why);
            }
            // It came too late, or was not asked for.
            _ => {}
        }
    }

    /// The gate says that it holds all; without a number it is gone, and the one that follows begins so.
    pub(super) fn gate_is_held(&mut self, course: &mut Course, number: Option<u32>) {
        if let Pause::Asked { gate, .. } = &mut course.pause
            && (number.is_none() || *gate == number)
        {
            *gate = None;
            self.settle_the_pause(course);
        }
    }

    /// From here on no gate lets anything through. The number under which one was told, which is to be waited for.
    fn hold_the_gate(&mut self, course: &mut Course) -> Option<u32> {
        self.door.paused = true;
        let gate = self.gate.as_mut()?;
        course.pauses += 1;
        let number = course.pauses;
        // So small that it can be told in any case.
        let frame = wire::encode(&GateOrder::Pause { number }).unwrap_or_default();
        gate.tell_all(&frame);
        Some(number)
    }

    fn let_the_gate_go_on(&mut self) {
        self.door.paused = false;
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Resume)) {
            gate.tell_all(&frame);
        }
    }

    /// Says that it is paused, once cell and gate are, and all below.
    pub(super) fn settle_the_pause(&mut self, course: &mut Course) {
        if !matches!(course.pause, Pause::Asked { held: Some(_), gate: None, .. }) || self.is_pausing_below() {
            return;
        }
        if let Pause::Asked { asking, held: Some(held), .. } = std::mem::replace(&mut course.pause, Pause::No) {
            self.is_paused(course, held, asking);
        }
    }

    fn is_paused(&mut self, course: &mut Course, held: Held, asking: Asking) {
        let (by, below) = (held.means(), self.paused_below());
        course.pause = Pause::By(held);
        self.tell(&Happened::Paused { by, who: asking.who().into() });
        self.tell_above(course, ChildWord::Paused { below });
        asking.answer(&Answer::Paused { by, below: Some(below) });
    }

    /// Lets all go on.
    pub(super) fn resume(&mut self, course: &mut Course, asking: Asking) {
        if !course.pause.is_some() {
            // What is below may have been paused by itself.
            self.resume_below();
            return asking.answer(&Answer::Done);
        }
        if let Err(why) = self.note_order("resume", &asking, course) {
            return asking.refuse(problem("E-PLANE-101", format!("the session was not resumed: {why}"), HINT, NO));
        }
        // That first, so that nobody waits for what is still paused.
        self.resume_below();
        self.let_go_on(course);
        self.tell(&Happened::Resumed { who: asking.who().into() });
        asking.answer(&Answer::Done);
    }

    /// Takes a pause back, whatever came of it.
    pub(super) fn let_go_on(&mut self, course: &mut Course) {
        if course.pause.is_some() {
            self.let_the_gate_go_on();
        }
        self.let_the_cell_go_on(course);
    }

    /// The same, for one that is to be killed: nothing of it passes any more.
    pub(super) fn let_the_cell_go_on(&self, course: &mut Course) {
        match std::mem::replace(&mut course.pause, Pause::No) {
            Pause::No => {}
            Pause::By(held) => self.release(Some(held)),
            Pause::Asked { asking, held, .. } => {
                self.release(held);
                asking.refuse(unpaused("the session is about to end"));
            }
        }
    }

    /// Lets the cell go on. Where nothing holds it yet, pid 1 may be about to.
    fn release(&self, held: Option<Held>) {
        match held {
            // A group that is gone holds nothing.
            Some(Held::Group(group)) => drop(freezer::thaw(&group)),
            Some(Held::Signal) | None => self.cell.order(Order::Resume),
        }
    }

    /// Lets all go on where pid 1 does not answer, and ends a gate that does not, or who does not below.
    pub(super) fn watch_the_pause(&mut self, course: &mut Course, now: Instant) {
        if course.pause.due().is_none_or(|due| due > now) {
            return;
        }
        let Pause::Asked { held, gate, .. } = &course.pause else { return };
        let why = |who: &str| format!("{who} did not answer within {} s", PATIENCE.as_secs());
        if held.is_none() {
            self.abandon(course, &why("pid 1"));
            self.next_order(course);
        } else if gate.is_none() {
            self.end_who_goes_on(course);
            self.settle_the_pause(course);
            self.next_order(course);
        } else if course.ended {
            // After the program no other gate is needed.
            self.abandon(course, "the session is about to end");
        } else {
            self.lose_the_gate(course, &why("the gate"));
        }
    }

    /// A pause that does not come about.
    pub(super) fn abandon(&mut self, course: &mut Course, why: &str) {
        if let Pause::Asked { asking, held, .. } = std::mem::replace(&mut course.pause, Pause::No) {
            self.let_the_gate_go_on();
            self.resume_below();
            self.release(held);
            self.is_not_paused(course, asking, why);
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
