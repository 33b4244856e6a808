//! A pause of all that a session began: it is told in one moment to every plane below, and each tells those below it. What
//! has not begun does not; what does not answer is ended, since nothing may go on once a pause was answered.

use std::time::Duration;

use policy::Amounts;
use wire::command::{ChildWord, Order, Reply};

use super::pausing::PATIENCE;
use super::{Course, Session};
use crate::session::beneath::Beneath;
use crate::session::children::Kid;
use crate::session::control::Asking;

/// What a record says of who asked for it.
const PARENT: &str = "its parent";

impl Session<'_> {
    fn planes(&self) -> impl Iterator<Item = &Beneath> {
        self.children.kids.values().map(|kid| &kid.plane).chain(self.servers.planes())
    }

    /// Tells all that this session began.
    pub(super) fn pause_below(&mut self) {
        self.children.kids.values_mut().for_each(|kid| kid.plane.pause());
        self.servers.planes_mut().for_each(Beneath::pause);
    }

    /// Lets all of it go on, and begin what waited.
    pub(super) fn resume_below(&mut self) {
        self.children.kids.values_mut().for_each(Kid::resume);
        self.servers.planes_mut().for_each(Beneath::resume);
    }

    /// Whether some of it may still go on though it was told.
    pub(super) fn is_pausing_below(&self) -> bool {
        self.planes().any(Beneath::is_pausing)
    }

    /// How many are paused below.
    pub(super) fn paused_below(&self) -> u32 {
        self.planes().map(Beneath::paused).fold(0, u32::saturating_add)
    }

    /// How long those below may take: each level as long as the one below it, and as pid 1 and the gate of its own.
    pub(super) fn patience_below(&self) -> Duration {
        let levels = self.door.policy.agents().map_or(0, |agents| agents.depth);
        PATIENCE.saturating_mul(levels.saturating_add(2))
    }

    /// Ends those that did not answer in time.
    pub(super) fn end_who_goes_on(&mut self, course: &mut Course) {
        const WHY: &str = "it could not be paused with its parent, and was killed";
        let kids = self.children.kids.iter().filter(|(_, kid)| kid.plane.is_pausing());
        for (child, all) in
            kids.map(|(child, kid)| (*child, (kid.budget, kid.below))).collect::<Vec<(_, (Amounts, _))>>()
        {
            let _ = self.children.kids.get_mut(&child).and_then(Kid::release);
            self.over(course, child, (137, WHY), all);
        }
        for server in self.servers.pausing() {
            self.server_over(course, server, (None, WHY, None));
        }
    }

    /// Hears the plane that began this session. One that nobody began but the operator has none.
    pub(super) fn hear_above(&mut self, course: &mut Course, order: Order) {
        match order {
            Order::Message { words, labels } => self.message_from_above(words, labels),
            Order::Narrow { score } if self.children.house.is_child => self.narrow_from_above(score),
            Order::Widen if self.children.house.is_child => self.widen_from_above(course),
            _ if self.outlet.is_none() => {}
            Order::Begin => {
                course.begun = true;
                self.cell.order(plan::Order::Begin);
            }
            Order::Pause => self.pause_from_above(course),
            Order::Resume => self.resume_from_above(course),
            _ => {}
        }
    }

    /// The parent is being paused, and hears when nothing goes on here: a program that is about to begin is waited for.
    pub(super) fn pause_from_above(&mut self, course: &mut Course) {
        course.above_waits = true;
        // One that is under way is as good as another.
        if course.started && course.pause.due().is_none() {
            self.pause(course, Asking::own(PARENT.into()));
        }
    }

    /// The same, as soon as the program runs.
    pub(super) fn pause_where_above_waits(&mut self, course: &mut Course) {
        if course.above_waits {
            self.pause_from_above(course);
        }
    }

    /// The parent goes on, or could not be paused.
    pub(super) fn resume_from_above(&mut self, course: &mut Course) {
        course.above_waits = false;
        match course.pause.due() {
            Some(_) => self.abandon(course, "its parent goes on"),
            None => self.resume(course, Asking::own(PARENT.into())),
        }
    }

    /// Tells the parent what came of it, if it waits for that.
    pub(super) fn tell_above(&mut self, course: &mut Course, word: ChildWord) {
        if std::mem::take(&mut course.above_waits) {
            self.client.reply(&Reply::Child(word));
        }
    }
}
