//! What the conversations of a session say as the user, what was read in them, and which calls the operator let through himself:
//! what a request is judged by, whichever conversation led to it.

use std::cell::{Ref, RefCell};
use std::collections::VecDeque;

use record::EventId;
use record::conversation::{Block, Whose};
use sense::meaning::Passed;

/// Texts of the user's that are known, and bytes of them. Later ones speak for nothing.
const MOST_SAID: (usize, usize) = (1024, 1 << 20);
/// Texts that were read of which the place is told, and bytes of them: the newest.
const MOST_READ: (usize, usize) = (64, 1 << 20);
/// Calls that the operator let through: the newest.
const MOST_PASSED: usize = 64;

/// Those of one session.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// As the user's, by whoever's word.
    said: RefCell<Vec<String>>,
    read: RefCell<VecDeque<(String, EventId)>>,
    passed: RefCell<VecDeque<Passed>>,
}

impl Told {
    /// Takes a block that is new; `others` says that what it says as the user's is known to be somebody else's.
    pub(super) fn take(&self, block: &Block, attested: bool, others: bool, id: EventId) {
        if let (Whose::Operators(text), false) = (block.whose(!others), attested) {
            let mut said = self.said.borrow_mut();
            let room = MOST_SAID.1.saturating_sub(said.iter().map(String::len).sum());
            if said.len() < MOST_SAID.0 && text.len() <= room {
                said.push(text.to_owned());
            }
        }
        if let Whose::Others(text) = block.whose(attested) {
            let mut read = self.read.borrow_mut();
            read.push_back((text.to_owned(), id));
            while read.len() > MOST_READ.0 || read.iter().map(|(text, _)| text.len()).sum::<usize>() > MOST_READ.1 {
                read.pop_front();
            }
        }
    }

    /// What stands as the user's, for policies that vouch for that.
    pub(crate) fn said(&self) -> Ref<'_, Vec<String>> {
        self.said.borrow()
    }

    /// What was read, and where the record has it.
    pub(crate) fn read(&self) -> Ref<'_, VecDeque<(String, EventId)>> {
        self.read.borrow()
    }

    /// The operator let a call through.
    pub(super) fn pass(&self, call: Passed) {
        let mut passed = self.passed.borrow_mut();
        passed.push_back(call);
        if passed.len() > MOST_PASSED {
            passed.pop_front();
        }
    }

    /// Those.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.passed.borrow().iter().cloned().collect()
    }
}
