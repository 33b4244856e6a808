//! Which recorded start a process's program had. Bounded: a process that was forgotten has no known start, never
//! another's.

use std::collections::{HashMap, VecDeque};

use record::EventId;

/// How many are kept.
const KEPT: usize = 4096;

/// The latest start of each process, the newest [`KEPT`] of them.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    by_pid: HashMap<u32, EventId>,
    order: VecDeque<(u32, EventId)>,
}

impl Starts {
    /// A process that starts another program is that program from then on.
    pub(crate) fn keep(&mut self, pid: u32, exec: EventId) {
        self.by_pid.insert(pid, exec);
        self.order.push_back((pid, exec));
        while self.order.len() > KEPT {
            if let Some((pid, exec)) = self.order.pop_front()
                && self.find(pid) == Some(exec)
            {
                self.forget(pid);
            }
        }
    }

    /// A process whose latest start was not recorded.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.by_pid.remove(&pid);
    }

    /// The latest recorded start.
    pub(crate) fn find(&self, pid: u32) -> Option<EventId> {
        self.by_pid.get(&pid).copied()
    }
}

#[cfg(test)]
mod tests {
    use record::Segment;

    use super::*;

    fn start(seq: u64) -> EventId {
        EventId { segment: Segment::Gate, seq }
    }

    #[test]
    fn the_latest_start_counts_and_the_oldest_are_forgotten() {
        let mut starts = Starts::default();
        starts.keep(7, start(1));
        starts.keep(7, start(2));
        assert_eq!(starts.find(7), Some(start(2)));
        for at in 0..4095 {
            starts.keep(100 + at, start(3 + u64::from(at)));
        }
        assert_eq!(starts.find(7), Some(start(2)));
        starts.keep(8, start(9000));
        assert_eq!((starts.find(7), starts.by_pid.len(), starts.order.len()), (None, 4096, 4096));
        starts.forget(8);
        assert_eq!(starts.find(8), None);
    }
}
