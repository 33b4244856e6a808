//! What whoever is inside asks for, on its way through the session's loop.

use wire::GateOrder;
use wire::control::Happened;
use wire::petition::{Answer, Denial, Petition, Petitioned, Reason, Report};

use super::{Course, Session};

impl Session<'_> {
    /// Takes one petition.
    pub(super) fn petition(&mut self, course: &mut Course, petitioned: Petitioned) {
        match &petitioned.petition {
            Petition::Spawn(_) | Petition::Wait(_) | Petition::Send(_) | Petition::Result(_) | Petition::Cancel(_) => {
                match self.keys.take(&petitioned) {
                    None => self.ask_of_children(course, petitioned),
                    Some(answers) => self.tell_petitioners(answers),
                }
            }
            Petition::Report(Report { words, result }) => {
                let (words, labels) = (words.as_str().to_owned(), petitioned.labels.clone());
                self.report_up(&words, *result, &labels);
                self.tell(&Happened::Reported { words, result: *result, labels, petition: petitioned.event });
                self.answer_petition(petitioned.number, Answer::Done);
            }
            Petition::Whoami | Petition::Ask(_) => {
                let denial = Denial::new(Reason::Unfit, "the gate answers this", "say it to the gate");
                self.answer_petition(petitioned.number, Answer::Denied(denial));
            }
        }
    }

    /// Answers one, and all who said the same key meanwhile.
    pub(super) fn answer_petition(&mut self, number: u64, answer: Answer) {
        let answers = self.keys.answered(number, answer);
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
