//! What whoever is inside asks for, answered by the session's process. It came through the gate of this very cell, which
//! recorded it: who asks is known, and is not among what was said. What is asked of children is answered beside this; what the
//! session may do, and what the operator is asked, the gate answers by what it decides by.

mod keys;

use wire::petition::{Answer, Petitioned};

use keys::{Keys, Taken};

/// The petitions of one session.
#[derive(Debug, Default)]
pub(in crate::session) struct Desk {
    keys: Keys,
}

impl Desk {
    /// Looks at the key of a petition: none where it is to be done.
    pub(in crate::session) fn begin(&mut self, petitioned: &Petitioned) -> Option<Vec<(u64, Answer)>> {
        match self.keys.take(petitioned) {
            Taken::First => None,
            Taken::Later => Some(Vec::new()),
            Taken::Again(answer) => Some(vec![(petitioned.number, answer)]),
        }
    }

    /// The answer for whoever asked it, and for all who asked the same meanwhile.
    pub(in crate::session) fn answered(&mut self, number: u64, answer: Answer) -> Vec<(u64, Answer)> {
        self.keys.answered(number, answer)
    }
}

#[cfg(test)]
mod tests;
