//! What whoever is inside asks for, and what he is answered.

use wire::GateOrder;
use wire::petition::{Answer, Denial, Petitioned, Reason};

use super::Session;

impl Session<'_> {
    /// Answers one petition.
    pub(super) fn petition(&mut self, Petitioned { number, petition, .. }: Petitioned) {
        let why = format!("nobody answers `{}` in this session", petition.verb().name());
        let answer = Answer::Denied(Denial::new(Reason::NotGranted, why, "go on without it"));
        if let Some(gate) = &mut self.gate {
            gate.tell(&GateOrder::Petitioned { number, answer });
        }
    }
}
