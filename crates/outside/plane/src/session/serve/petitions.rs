//! What whoever is inside asks for, and what he is answered.

use wire::petition::{Answer, Denial, Petition, Petitioned, Reason};

use super::{Course, Session};

impl Session<'_> {
    /// Answers one petition.
    pub(super) fn petition(&mut self, course: &mut Course, asked: Petitioned) {
        match &asked.petition {
            Petition::Spawn(_) | Petition::Wait(_) | Petition::Send(_) | Petition::Result(_) | Petition::Cancel(_) => {
                self.ask_of_children(course, asked);
            }
            Petition::Report(report) => {
                self.report_up(report.words.as_str(), report.result, &asked.labels);
                self.answer(asked.number, Answer::Done);
            }
            other => {
                let why = format!("nobody answers `{}` in this session", other.verb().name());
                let answer = Answer::Denied(Denial::new(Reason::NotGranted, why, "go on without it"));
                self.answer(asked.number, answer);
            }
        }
    }
}
