//! What whoever is inside asks for, on its way through the session's loop.

use std::time::Instant;

use wire::GateOrder;
use wire::control::Happened;
use wire::petition::{Answer, Denial, Petition, Petitioned, Reason, Report};

use super::Session;

impl Session<'_> {
    /// Takes one petition.
    pub(super) fn petition(&mut self, petitioned: Petitioned) {
        if let Petition::Report(Report { words, result }) = &petitioned.petition {
            let (words, labels) = (words.as_str().to_owned(), petitioned.labels.clone());
            self.tell(&Happened::Reported { words, result: *result, labels, petition: petitioned.event });
        }
        let answers = self.petitions.take(petitioned);
        self.tell_petitioners(answers);
    }

    /// Tells the answers that have become due.
    pub(super) fn answer_petitions(&mut self, now: Instant) {
        let answers = self.petitions.answers(now);
        self.tell_petitioners(answers);
    }

    fn tell_petitioners(&mut self, answers: Vec<(u64, Answer)>) {
        // Who asked through a gate that is gone has no connection left to be told on.
        let Some(gate) = &mut self.gate else { return };
        for (number, answer) in answers {
            let frame = wire::encode(&GateOrder::Petitioned { number, answer }).or_else(|_| {
                let denial = Denial::new(Reason::Unfit, "the answer is too long to be told", "ask for less of it");
                wire::encode(&GateOrder::Petitioned { number, answer: Answer::Denied(denial) })
            });
            if let Ok(frame) = frame {
                gate.tell_all(&frame);
            }
        }
    }
}
