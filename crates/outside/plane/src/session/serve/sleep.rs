//! Whether the host slept: the clock that everything here is counted by stands still meanwhile. What somebody else counts goes
//! on: a token runs out, and what was granted for ten minutes was meant for ten minutes of his day.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Course, Session};

/// By how much two readings of clocks may differ that were taken one after the other.
const SLACK: Duration = Duration::from_secs(1);

/// How long the host has slept since it started, as it was last seen.
#[derive(Debug)]
pub(super) struct Sleep {
    seen: Duration,
}

impl Sleep {
    pub(super) fn begin() -> Sleep {
        Sleep { seen: slept() }
    }

    /// How long it slept since the last time that this was not zero.
    fn noticed(&mut self, slept: Duration) -> Duration {
        match slept.saturating_sub(self.seen) {
            since if since > SLACK => {
                self.seen = slept;
                since
            }
            _ => Duration::ZERO,
        }
    }
}

fn slept() -> Duration {
    let since = |clock| {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
        Duration::new(u64::try_from(tv_sec).unwrap_or(0), u32::try_from(tv_nsec).unwrap_or(0))
    };
    // In this order: what passes between is no sleep.
    let awake = since(ClockId::Monotonic);
    since(ClockId::Boottime).saturating_sub(awake)
}

/// A moment, as much earlier as was slept: at once, where it would be before all that a clock counts.
pub(super) fn earlier(moment: Instant, by: Duration) -> Instant {
    moment.checked_sub(by).unwrap_or_else(Instant::now)
}

impl Session<'_> {
    /// Brings forward what others count, when the host has slept.
    pub(super) fn watch_for_sleep(&mut self, course: &mut Course) {
        let by = course.sleep.noticed(slept());
        if by > Duration::ZERO {
            self.renewal.slept(by);
            course.questions.slept(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_noticed_once_and_what_is_none_never() {
        let seconds = Duration::from_secs;
        let mut sleep = Sleep { seen: seconds(100) };
        assert_eq!(sleep.noticed(seconds(100) + Duration::from_millis(900)), Duration::ZERO);
        assert_eq!(sleep.noticed(seconds(3700)), seconds(3600));
        assert_eq!(sleep.noticed(seconds(3700)), Duration::ZERO);
        assert_eq!(sleep.noticed(seconds(3690)), Duration::ZERO);
        // What was seen at the beginning is no sleep of this session's.
        assert_eq!(Sleep::begin().noticed(slept()), Duration::ZERO);
    }

    #[test]
    fn nothing_is_earlier_than_clocks_count() {
        let now = Instant::now();
        assert_eq!(earlier(now + Duration::from_secs(60), Duration::from_secs(50)), now + Duration::from_secs(10));
        assert!(earlier(now, Duration::MAX) <= Instant::now());
    }
}
