//! When the files of one merge say that they were written: now, and in the order in which the cell wrote them.
//!
//! Without it a program that was built before its source was changed arrives as the newer of both, and a build outside
//! says that there is nothing to do. The times themselves do not arrive: a file that says it is older than the merge could
//! hide from whoever looks for what is new.

use super::Stamp;
use super::stamp::Time;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;

/// Between two files, in nanoseconds: tools read times as floating numbers, which tell no less apart.
const STEP: i64 = 1_000;
const SECOND: i64 = 1_000_000_000;

/// The times of one merge.
#[derive(Debug)]
pub(super) struct Times {
    now: Timespec,
    places: BTreeMap<Time, i64>,
}

impl Times {
    /// Of a merge that brings these.
    pub(super) fn of<'s>(arriving: impl Iterator<Item = &'s Stamp>) -> Self {
        let mut places: BTreeMap<Time, i64> = arriving.map(|stamp| (stamp.mtime, 0)).collect();
        (0..).zip(places.values_mut()).for_each(|(n, place)| *place = n);
        Self { now: clock_gettime(ClockId::Realtime), places }
    }

    /// What a copy of a file with this stamp gets.
    pub(super) fn at(&self, stamp: &Stamp) -> Timestamps {
        let place = self.places.get(&stamp.mtime).copied().unwrap_or(0);
        let nanoseconds = self.now.tv_nsec + place * STEP;
        let written = Timespec { tv_sec: self.now.tv_sec + nanoseconds / SECOND, tv_nsec: nanoseconds % SECOND };
        Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: written }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mtime: Time) -> Stamp {
        Stamp { mtime, ..Stamp::of_content(b"", 0o644) }
    }

    #[test]
    fn files_arrive_in_their_order_whatever_times_they_say() {
        let all = [(i64::MIN, 0), (5, 3), (5, 3), (5, 4), (i64::MAX, 999_999_999)].map(written);
        let mut times = Times::of(all.iter().rev());
        // Also where a second ends meanwhile.
        times.now.tv_nsec = SECOND - 1_500;
        let at: Vec<_> =
            all.iter().map(|stamp| times.at(stamp).last_modification).map(|t| (t.tv_sec, t.tv_nsec)).collect();
        assert!(at[0] < at[1] && at[1] == at[2] && at[2] < at[3] && at[3] < at[4], "{at:?}");
        assert!(at.iter().all(|(seconds, _)| *seconds - times.now.tv_sec <= 1), "{at:?}");
        assert_eq!((at[0].1, at[4]), (SECOND - 1_500, (times.now.tv_sec + 1, 1_500)));
    }
}
