//! What whoever is inside asks for, answered by the session's process. It came through the gate of this very cell, which
//! recorded it: who asks is known, and is not among what was said.
//!
//! Questions and children each have an [`Office`] that is joined in; without one the answer is a no, in
//! words that an agent can act on.

mod keys;

use std::time::Instant;

use wire::petition::{Answer, Denial, Petition, Petitioned, Reason, Verb};

use keys::{Keys, Taken};

/// Who answers some verbs. What it does for them it records first.
pub(in crate::session) trait Office: std::fmt::Debug {
    /// Takes a petition. Its answer, or none where that comes later by [`Office::answers`].
    fn take(&mut self, petitioned: Petitioned) -> Option<Answer>;

    /// Answers that have become due, each with the number of its petition.
    fn answers(&mut self, now: Instant) -> Vec<(u64, Answer)>;

    /// When there may be some.
    fn due(&self) -> Option<Instant>;
}

/// The petitions of one session.
#[derive(Debug, Default)]
pub(in crate::session) struct Desk {
    /// Answers `ask`.
    pub(in crate::session) questions: Option<Box<dyn Office>>,
    /// Answers `spawn`, `wait`, `send`, `result` and `cancel`.
    pub(in crate::session) family: Option<Box<dyn Office>>,
    keys: Keys,
}

impl Desk {
    /// Looks at the key of a petition that is answered elsewhere: none where it is to be done.
    pub(in crate::session) fn begin(&mut self, petitioned: &Petitioned) -> Option<Vec<(u64, Answer)>> {
        match self.keys.take(petitioned) {
            Taken::First => None,
            Taken::Later => Some(Vec::new()),
            Taken::Again(answer) => Some(vec![(petitioned.number, answer)]),
        }
    }

    /// Takes a petition; gives the answers that there are by now.
    pub(in crate::session) fn take(&mut self, petitioned: Petitioned) -> Vec<(u64, Answer)> {
        let number = petitioned.number;
        match self.keys.take(&petitioned) {
            Taken::First => {}
            Taken::Later => return Vec::new(),
            Taken::Again(answer) => return vec![(number, answer)],
        }
        let answer = match &petitioned.petition {
            // The gate answers it, from the policy that it decides by.
            Petition::Whoami => Some(refused(Verb::Whoami, "it is answered by the gate")),
            // It stands in the record, and whoever hears what happens was told.
            Petition::Report(_) => Some(Answer::Done),
            Petition::Ask(_) => hand_to(&mut self.questions, petitioned, "nobody is asked in this session"),
            _ => hand_to(&mut self.family, petitioned, "this session's policy grants no children"),
        };
        answer.map(|answer| self.answered(number, answer)).unwrap_or_default()
    }

    /// Answers that have become due.
    pub(in crate::session) fn answers(&mut self, now: Instant) -> Vec<(u64, Answer)> {
        let offices = [&mut self.questions, &mut self.family].into_iter().flatten();
        let due: Vec<(u64, Answer)> = offices.flat_map(|office| office.answers(now)).collect();
        due.into_iter().flat_map(|(number, answer)| self.answered(number, answer)).collect()
    }

    /// When there may be some.
    pub(in crate::session) fn due(&self) -> Option<Instant> {
        [&self.questions, &self.family].into_iter().flatten().filter_map(|office| office.due()).min()
    }

    /// The answer for whoever asked it, and for all who asked the same meanwhile.
    pub(in crate::session) fn answered(&mut self, number: u64, answer: Answer) -> Vec<(u64, Answer)> {
        self.keys.answered(number, answer)
    }
}

fn hand_to(office: &mut Option<Box<dyn Office>>, petitioned: Petitioned, why: &str) -> Option<Answer> {
    let verb = petitioned.petition.verb();
    match office {
        Some(office) => office.take(petitioned),
        None => Some(refused(verb, why)),
    }
}

fn refused(verb: Verb, why: &str) -> Answer {
    let hint = match verb {
        Verb::Ask => "go on with what `whoami` says that you may do, or report what you would need",
        _ => "do the task yourself, or report that it needs a helper",
    };
    Answer::Denied(Denial::new(Reason::NotGranted, why, hint))
}

#[cfg(test)]
mod tests;
