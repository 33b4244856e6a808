//! How many events of one kind are recorded one by one. A build starts hundreds of programs a second and each is kept;
//! a loop that starts them for their own sake must not fill the operator's disk, so beyond a rate they are counted.

use std::time::Instant;

/// How fast events may come.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Events at once.
    pub burst: f64,
    /// Events a second, in the long run.
    pub rate: f64,
}

/// What programs may be started at.
pub const PROGRAMS: Rate = Rate { burst: 8192.0, rate: 500.0 };
/// What allowed connections may be made at; further ones wait.
pub const CONNECTIONS: Rate = Rate { burst: 65_536.0, rate: 200.0 };
/// What further requests on a connection may come at; beyond that they wait.
pub const REQUESTS: Rate = Rate { burst: 1_048_576.0, rate: 2000.0 };
/// What refusals may come at that are recorded with what speaks for them; beyond that they wait.
pub const STOPPED: Rate = Rate { burst: 1024.0, rate: 4.0 };
/// What the record may hold of what others say, in pieces of [`WEIGHT`]: 128 MiB at once, and 64 KiB a second. Beyond that
/// whatever would be let out waits.
pub const WORDS: Rate = Rate { burst: 262_144.0, rate: 128.0 };
/// Bytes that weigh as much as one event.
const WEIGHT: usize = 512;

/// A bucket of leave to record.
#[derive(Debug)]
pub struct Flood {
    rate: Rate,
    left: f64,
    at: Instant,
    missed: u64,
}

impl Flood {
    /// A full bucket.
    #[must_use]
    pub const fn new(now: Instant, rate: Rate) -> Flood {
        Flood { rate, left: rate.burst, at: now, missed: 0 }
    }

    /// Whether one more may be recorded; it is counted as missed when not.
    pub fn admit(&mut self, now: Instant, bytes: usize) -> bool {
        let weight = 1.0 + self.weight(bytes);
        self.fill(now);
        let fits = self.left >= weight;
        if fits {
            self.left -= weight;
        } else {
            self.missed += 1;
        }
        fits
    }

    /// Takes what was recorded already, even where there is no leave for it: time makes up for that first.
    pub fn owe(&mut self, now: Instant, bytes: usize) {
        self.fill(now);
        self.left -= self.weight(bytes);
    }

    /// Whether there is less than nothing left.
    pub fn is_owing(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left < 0.0
    }

    fn fill(&mut self, now: Instant) {
        let Rate { burst, rate } = self.rate;
        self.left = (self.left + now.duration_since(self.at).as_secs_f64() * rate).min(burst);
        self.at = now;
    }

    fn weight(&self, bytes: usize) -> f64 {
        u32::try_from(bytes / WEIGHT).map_or(self.rate.burst, f64::from)
    }

    /// Empties the bucket: only time gives more.
    pub const fn drain(&mut self) {
        self.left = 0.0;
    }

    /// Whether some were missed that were not asked for yet.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.missed > 0
    }

    /// How many were missed since this was asked last.
    pub fn missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn beyond_the_burst_programs_are_counted_until_time_gives_more() {
        let start = Instant::now();
        let mut flood = Flood::new(start, PROGRAMS);
        let admitted = (0..20_000).filter(|_| flood.admit(start, 0)).count();
        assert_eq!((admitted, flood.missed(), flood.missed()), (8192, 20_000 - 8192, 0));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| flood.admit(later, 0)).count(), 500);
    }

    #[test]
    fn connections_beyond_their_burst_come_at_their_rate() {
        let start = Instant::now();
        let mut pace = Flood::new(start, CONNECTIONS);
        assert_eq!((0..100_000).filter(|_| pace.admit(start, 0)).count(), 65_536);
        let later = start + Duration::from_secs(10);
        assert_eq!((0..100_000).filter(|_| pace.admit(later, 0)).count(), 2000);
    }

    #[test]
    fn what_is_recorded_already_is_made_up_for() {
        let start = Instant::now();
        let mut words = Flood::new(start, WORDS);
        words.owe(start, 128 << 20);
        assert!(!words.is_owing(start));
        words.owe(start, 1 << 20);
        assert!(words.is_owing(start + Duration::from_secs(15)) && !words.is_owing(start + Duration::from_secs(17)));
    }

    #[test]
    fn long_arguments_weigh_more() {
        let start = Instant::now();
        let mut flood = Flood::new(start, PROGRAMS);
        assert_eq!((0..20_000).filter(|_| flood.admit(start, 8 * 1024)).count(), 8192 / 17);
    }
}
