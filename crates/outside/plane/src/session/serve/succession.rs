//! The gate of a running session: it takes its lease, and when it is lost another one takes over behind the same door.

use record::Kind;

use super::{Course, Session};
use crate::session::gate::Said;

impl Session<'_> {
    /// Gives the gate the door, once there are both.
    pub(super) fn lease(&mut self, course: &mut Course) {
        let Some(gate) = self.gate.as_ref().filter(|_| !self.sockets.is_empty()) else { return };
        let incarnation = gate.incarnation();
        let written = self.ledger.write(Kind::GateStarted { incarnation });
        let lines = match self.door.policy.has_servers() {
            true => self.servers.new_lines(),
            false => Ok(Vec::new()),
        };
        let leased = written.map(drop).and(lines).and_then(|lines| self.door.lease(gate, &self.sockets, &lines));
        if let Err(error) = leased {
            course.end.warnings.push(format!("gate {incarnation} could not be given the door: {error}"));
            self.replace(course);
        }
    }

    pub(super) fn hear_gate(&mut self, course: &mut Course) {
        let Some(gate) = &mut self.gate else { return };
        let said = gate.said();
        gate.flush();
        for said in said {
            match said {
                Said::Ready => self.tell_gate_to_narrow(),
                Said::Narrowed(narrowed) => self.narrowed(course, *narrowed),
                Said::Suspected(told) => self.suspected(course, *told),
                Said::Held(number, wanted) => self.question(course, number, *wanted),
                Said::Server(server, line) => self.serve_by(course, &server, line),
                Said::Parted(line) => self.servers.part(line),
                Said::Stood(number, wholes) => self.look_for_what_stood(number, wholes),
                Said::Left(number) => course.questions.left(number),
                Said::Paused(number) => {
                    self.gate_is_held(course, Some(number));
                    self.next_order(course);
                }
                Said::Replaced(revision) => {
                    // What it says that it decides by is not what is in force: it is none of ours any more.
                    if let Err(why) = self.in_force(course, revision) {
                        return self.lose_the_gate(course, &why);
                    }
                }
                Said::Reserved(reserved, fits) => self.heard_held(course, reserved, fits),
                Said::Petition(petitioned) => self.petition(course, *petitioned),
                // It was asked to.
                Said::Lost if course.ended => {
                    self.leave_policy(course, "the program ended before the gate answered");
                    return self.dismiss();
                }
                Said::Unable(why) => {
                    self.close(course, &why);
                    self.leave_policy(course, "the gate could not serve");
                    self.gate_is_held(course, None);
                    return self.next_order(course);
                }
                Said::Lost => return self.lose_the_gate(course, "the gate was lost"),
            }
        }
    }

    /// A gate that is gone, or is to go; what it was told of and did not answer for is left.
    pub(super) fn lose_the_gate(&mut self, course: &mut Course, why: &str) {
        self.record(course, Kind::GateLost);
        self.withdraw(course, "the gate was lost");
        self.replace(course);
        self.leave_policy(course, why);
        // The next one knows from its lease, and where there is none nothing passes.
        self.gate_is_held(course, None);
        self.next_order(course);
    }

    /// Puts another gate behind the door, once the last one is gone.
    fn replace(&mut self, course: &mut Course) {
        self.leave_who_reserved(course);
        self.children.forget_who_waits();
        self.servers.leave_lines();
        let next = self.gate.take().map_or(1, |gate| {
            let next = gate.incarnation() + 1;
            gate.kill();
            next
        });
        match self.door.start(next) {
            Ok(gate) => {
                self.gate = Some(gate);
                self.lease(course);
            }
            Err(error) => self.close(course, &error.to_string()),
        }
    }

    /// Waits until a gate that ends with the program has recorded all.
    pub(super) fn dismiss(&mut self) {
        if let Some(gate) = self.gate.take() {
            self.dismissed = gate.finish();
        }
    }

    /// No gate stays alive: the door is closed, which refuses at once.
    fn close(&mut self, course: &mut Course, why: &str) {
        self.withdraw(course, "no gate serves the cell");
        course.end.warnings.push(format!("no gate: the cell has no network: {why}"));
        if let Some(gate) = self.gate.take() {
            gate.kill();
        }
        self.servers.leave_lines();
        self.sockets.clear();
    }
}
