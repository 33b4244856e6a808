//! The record of a session that runs, on its way to the disk and into the ledger of all sessions.

use super::{Course, Session};

impl Session<'_> {
    /// Brings the record to disk; what of it was read before that may go into the ledger.
    pub(super) fn make_durable(&mut self, course: &mut Course) {
        match self.ledger.checkpoint().and_then(|()| self.door.checkpoint(course.synced)) {
            Ok(synced) => {
                course.synced = synced;
                if let Err(error) = self.merging.tell_in_passing(self.store) {
                    course.warn(format!("the ledger could not be told of the session yet: {error}"));
                }
                self.merge(course);
            }
            Err(error) => course.warn(format!("the record could not be made durable: {error}")),
        }
    }

    /// Reads a little of what is new in the record.
    pub(super) fn merge(&mut self, course: &mut Course) {
        if let Err(error) = self.merging.step() {
            course.warn(format!("the record could not be read for the ledger: {error}"));
        }
    }
}

impl Course {
    /// Something that the operator must know, once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.end.warnings.contains(&warning) {
            self.end.warnings.push(warning);
        }
    }
}
