//! Which recorded start a process's program had. Bounded: a process that was forgotten has no known start, never
//! another's.

use std::collections::{HashMap, VecDeque};

use record::{Cause, EventId, Known};

/// How many are kept.
const KEPT: usize = 4096;

/// The latest start of each process, the newest [`KEPT`] of them, and the program that it claimed.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    by_pid: HashMap<u32, (EventId, Box<str>)>,
    order: VecDeque<(u32, EventId)>,
}

impl Starts {
    /// A process that starts another program is that program from then on.
    pub(crate) fn keep(&mut self, pid: u32, exec: EventId, claimed: Box<str>) {
        self.by_pid.insert(pid, (exec, claimed));
        self.order.push_back((pid, exec));
        while self.order.len() > KEPT {
            if let Some((pid, exec)) = self.order.pop_front()
                && self.by_pid.get(&pid).is_some_and(|&(latest, _)| latest == exec)
            {
                self.forget(pid);
            }
        }
    }

    /// A process whose latest start was not recorded.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.by_pid.remove(&pid);
    }

    /// The latest recorded start, of a process that now runs `program`. A start is told before it happens, and the
    /// number of a process is used again: only a process that runs what was claimed is known to have been started
    /// so. A link, a script or a start that failed is none of that.
    pub(crate) fn find(&self, pid: u32, program: Option<&String>) -> Option<Cause> {
        let (id, claimed) = self.by_pid.get(&pid)?;
        // Both are empty where they could not be read.
        let confirmed = !claimed.is_empty() && program.is_some_and(|program| **program == **claimed);
        Some(Cause { id: *id, known: if confirmed { Known::Observed } else { Known::Inferred } })
    }
}

#[cfg(test)]
mod tests {
    use record::Segment;

    use super::*;

    fn start(seq: u64) -> EventId {
        EventId { segment: Segment::Gate, seq }
    }

    fn known(starts: &Starts, pid: u32, program: &str) -> Option<(u64, Known)> {
        starts.find(pid, Some(&program.into())).map(|cause| (cause.id.seq, cause.known))
    }

    #[test]
    fn the_latest_start_counts_and_the_oldest_are_forgotten() {
        let mut starts = Starts::default();
        starts.keep(7, start(1), "/bin/a".into());
        starts.keep(7, start(2), "/bin/b".into());
        let latest = Some((2, Known::Observed));
        assert_eq!(known(&starts, 7, "/bin/b"), latest);
        for at in 0..4095 {
            starts.keep(100 + at, start(3 + u64::from(at)), "/bin/c".into());
        }
        assert_eq!(known(&starts, 7, "/bin/b"), latest);
        starts.keep(8, start(9000), "/bin/d".into());
        assert_eq!(known(&starts, 7, "/bin/b"), None);
        assert_eq!((starts.by_pid.len(), starts.order.len()), (4096, 4096));
        starts.forget(8);
        assert_eq!(known(&starts, 8, "/bin/d"), None);
    }

    #[test]
    fn a_start_that_the_program_does_not_confirm_is_inferred() {
        let mut starts = Starts::default();
        starts.keep(7, start(1), "/bin/absent".into());
        starts.keep(8, start(2), "".into());
        for (pid, program) in [(7, "/bin/sh"), (7, ""), (8, ""), (8, "/bin/sh")] {
            assert_eq!(known(&starts, pid, program).map(|(_, known)| known), Some(Known::Inferred), "{pid} {program}");
        }
        assert_eq!(starts.find(7, None).map(|cause| cause.known), Some(Known::Inferred));
    }
}
