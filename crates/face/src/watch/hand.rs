//! What a key may ask for. What changes something can only be said with a [`Hand`], and who only reads has none.

use std::path::PathBuf;

use wire::command::{Request, Select};
use wire::question::Say;

/// How long a program that is stopped has, in milliseconds: as `bastide stop` gives it.
const GRACE: u64 = 10_000;

/// What is to be done outside of the screen.
#[derive(Debug)]
pub(super) enum Effect {
    /// The end.
    Quit,
    /// The terminal is the shell's for a while.
    Suspend,
    /// All is drawn anew.
    Redraw,
    /// An id is given to the terminal's clipboard.
    Copy(String),
    /// Something is looked at.
    Look(Look),
    /// The record of a session is followed from its beginning, in the place of another one's.
    Follow(String),
    /// Something is done.
    Act(Act),
}

/// What is looked at. Its answer is a page, where the operator still waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All of one session.
    Show(String),
    /// Why an event of a session came out as it did; its last refusal without one.
    Why(String, Option<String>),
}

impl Look {
    pub(super) fn request(&self) -> Request {
        match self {
            Look::Show(session) => Request::Show(select(session)),
            Look::Why(session, event) => Request::Why { select: select(session), event: event.clone() },
        }
    }
}

/// The record of a session.
pub(super) fn record(session: &str) -> Request {
    Request::Log { select: select(session), follow: true }
}

/// What acts.
#[derive(Debug)]
pub(super) struct Hand(());

/// Something that changes what runs.
#[derive(Debug)]
pub(super) struct Act(Request);

impl Hand {
    /// None for who only reads.
    pub(super) fn unless(read_only: bool) -> Option<Hand> {
        (!read_only).then_some(Hand(()))
    }

    pub(super) fn answer(&self, question: String, say: Say) -> Effect {
        Effect::Act(Act(Request::Answer { question, say }))
    }

    pub(super) fn freeze(&self, session: &str) -> Effect {
        Effect::Act(Act(Request::Pause(select(session))))
    }

    pub(super) fn thaw(&self, session: &str) -> Effect {
        Effect::Act(Act(Request::Resume(select(session))))
    }

    pub(super) fn stop(&self, session: &str) -> Effect {
        Effect::Act(Act(Request::Stop { select: select(session), grace: GRACE }))
    }
}

impl Act {
    pub(super) fn request(&self) -> &Request {
        &self.0
    }
}

fn select(session: &str) -> Select {
    Select { session: Some(session.to_owned()), directory: PathBuf::from("/"), paths: Vec::new() }
}
