//! How much of a session's changes one answer holds: a frame has an end, and a cell can make changes without one.

use wire::command::ChangeInfo;

/// Bytes of diffs, and of all else, in one answer. Escaped as JSON a diff takes at most twice as much, since its
/// control characters were made visible before; a name takes at most six times as much.
const DIFFS: usize = 2 << 20;
const ALL: usize = 1 << 19;

/// What an answer still has room for.
pub(super) struct Budget {
    diffs: usize,
    all: usize,
    left_out: u64,
}

impl Budget {
    pub(super) const fn new() -> Budget {
        Budget { diffs: DIFFS, all: ALL, left_out: 0 }
    }

    /// Whether a diff may still be shown.
    pub(super) const fn shows(&self) -> bool {
        self.diffs > 0
    }

    /// Whether not even a path has room.
    pub(super) const fn is_spent(&self) -> bool {
        self.all == 0
    }

    pub(super) const fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// The change as it fits.
    pub(super) fn take(&mut self, mut change: ChangeInfo) -> ChangeInfo {
        if change.diff.len() > self.diffs || !self.shows() {
            change.diff = "not shown here: name the path to see it\n".into();
            if change.diff.len() > self.diffs {
                self.diffs = 0;
            }
        }
        self.diffs = self.diffs.saturating_sub(change.diff.len());
        self.all = self.all.saturating_sub(change.path.len() + 100);
        change
    }

    /// How many there are, where `listed` are not all.
    pub(super) fn count(&self, listed: usize) -> Option<u64> {
        (self.left_out > 0).then_some(self.left_out + listed as u64)
    }

    /// A line about what had no room.
    pub(super) fn rest(self) -> Option<ChangeInfo> {
        (self.left_out > 0).then(|| ChangeInfo {
            path: format!("({} more)", self.left_out),
            kind: "more".into(),
            flags: Vec::new(),
            held: None,
            diff: format!("{} more changes: name a directory to see those in it\n", self.left_out),
        })
    }
}

/// A list of paths as far as one answer holds it; and how many there are, where that is not all of them.
pub(crate) fn bounded<T>(
    mut paths: Vec<T>,
    size: impl Fn(&T) -> usize,
    more: impl Fn(usize) -> T,
) -> (Vec<T>, Option<u64>) {
    let mut room = ALL;
    let fits = paths.iter().take_while(|path| {
        room = room.saturating_sub(size(path) + 8);
        room > 0
    });
    let (kept, all) = (fits.count(), paths.len());
    paths.truncate(kept);
    if kept < all {
        paths.push(more(all - kept));
    }
    (paths, (kept < all).then_some(all as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(diff: usize) -> ChangeInfo {
        let diff = "x".repeat(diff);
        ChangeInfo { path: "p".into(), kind: "created".into(), flags: Vec::new(), held: None, diff }
    }

    #[test]
    fn an_answer_fits_a_frame_whatever_was_changed() {
        let (mut budget, mut changes) = (Budget::new(), Vec::new());
        for _ in 0..50_000 {
            if budget.is_spent() {
                budget.leave_out();
            } else {
                changes.push(budget.take(change(5000)));
            }
        }
        changes.extend(budget.rest());
        assert!(changes[0].diff.len() == 5000 && changes[5000].diff.starts_with("not shown"));
        assert!(changes.last().is_some_and(|last| last.kind == "more"));
        assert!(wire::encode(&changes).is_ok());
        let (paths, count) =
            bounded(vec!["long/path".repeat(20); 100_000], String::len, |more| format!("({more} more)"));
        assert_eq!(count, Some(100_000));
        assert!(paths.len() < 100_000 && paths.last().is_some_and(|last| last.ends_with(" more)")));
        assert!(wire::encode(&paths).is_ok());
    }
}
