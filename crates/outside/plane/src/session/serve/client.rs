//! The client, or the parent in its place: what it orders, and that it is gone.

use plan::Order;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::GateOrder;

use super::stopping::GRACE;
use super::{Asked, Course, Session};
use crate::channel;

/// Most texts of the operator's that a gate is told.
const MOST_INTENT: usize = 4096;
/// How long after its line was closed a program may tell that it has ended.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const HANG_UP: u8 = 1;

impl Session<'_> {
    pub(super) fn hear_client(&mut self, course: &mut Course) {
        let (mut bytes, mut none) = (Vec::new(), Vec::new());
        let open = matches!(channel::receive(&*self.client, &mut bytes, &mut none), Ok(true));
        match course.orders.push(&bytes) {
            Ok(orders) if open => {
                for order in orders {
                    match order {
                        Asked::Signal { number } => self.cell.order(Order::Signal(number)),
                        Asked::Typed { line } => self.typed(line.expose()),
                        // Who has the program's pty gives it a size himself.
                        Asked::Size(_) => {}
                        other => self.hear_above(course, other),
                    }
                }
            }
            _ => {
                course.client_open = false;
                if self.outlet.is_some() {
                    // What it ran may have ended by itself, which closes the line to its parent as well.
                    let mut ended = [PollFd::new(&self.cell, PollFlags::IN)];
                    if poll(&mut ended, Some(&MOMENT)).is_ok_and(|ready| ready > 0) {
                        self.hear_cell(course);
                    }
                    if course.ended {
                        return;
                    }
                    // Whatever became of its parent, nobody hears what it would still do.
                    self.end_soon(course, HANG_UP, GRACE, "its parent ended, or ended it");
                    return self.kill(course);
                }
                if self.detached.is_some() && course.started {
                    return;
                }
                self.end_soon(course, HANG_UP, GRACE, "the operator's client is gone");
            }
        }
    }

    /// The operator said something: his gate knows it, and every later one.
    pub(super) fn typed(&mut self, line: &str) {
        if self.door.intent.len() < MOST_INTENT {
            self.door.intent.push(line.to_owned());
            if let Some(gate) = &mut self.gate {
                gate.tell(&GateOrder::Attested { words: line.to_owned() });
            }
        }
    }
}
