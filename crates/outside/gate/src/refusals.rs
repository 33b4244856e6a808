//! How many refused connections are recorded one by one. A program that asks again and again for what it is refused
//! must not fill the operator's disk: beyond a rate its refusals are counted. What was allowed is never counted so.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use policy::Host;

use crate::flood::{Flood, Rate};
use crate::passage::Asked;

/// How long refusals of one kind are counted before the count is recorded.
pub const PERIOD: Duration = Duration::from_secs(60);
/// Refusals of one kind in one period that are recorded one by one.
const FIRST: u32 = 16;
/// Kinds that are told apart in one period.
const KINDS: usize = 1024;
/// Over all of them: at once, and a second in the long run.
const ALL: Rate = Rate { burst: 1024.0, rate: 2.0 };

/// The refusals of the current period.
#[derive(Debug)]
pub struct Refusals {
    all: Flood,
    since: Instant,
    kinds: HashMap<Kind, Counted>,
    others: u64,
    behind: bool,
}

/// One destination, one program, and the rule that refused, where one did: what no rule names hides nothing that is denied.
type Kind = (Host, u16, Option<String>, Option<String>);

#[derive(Debug)]
struct Counted {
    asked: Asked,
    seen: u32,
    missed: u64,
}

impl Refusals {
    /// None so far.
    #[must_use]
    pub fn new(now: Instant) -> Refusals {
        Refusals { all: Flood::new(now, ALL), since: now, kinds: HashMap::new(), others: 0, behind: false }
    }

    /// Whether this refusal, which a rule may have decided, is recorded by itself; it is counted when not.
    pub fn admit(&mut self, now: Instant, asked: &Asked, rule: Option<&str>) -> bool {
        if !self.is_behind() && now.duration_since(self.since) >= PERIOD {
            self.kinds.clear();
            self.since = now;
        }
        let program = asked.who.as_ref().and_then(|seen| seen.chain.first().cloned());
        let kind = (asked.host.clone(), asked.port, program, rule.map(str::to_owned));
        if self.kinds.len() >= KINDS && !self.kinds.contains_key(&kind) {
            let fits = self.all.admit(now, asked.weight());
            self.others += u64::from(!fits);
            self.behind |= !fits;
            return fits;
        }
        let counted = self.kinds.entry(kind).or_insert_with(|| Counted {
            asked: Asked { asks: None, consent: None, ..asked.clone() },
            seen: 0,
            missed: 0,
        });
        counted.seen = counted.seen.saturating_add(1);
        let fits = counted.seen <= FIRST && self.all.admit(now, asked.weight());
        counted.missed += u64::from(!fits);
        self.behind |= !fits;
        fits
    }

    /// Counts a refusal that no connection was made for.
    pub const fn count(&mut self) {
        self.others += 1;
        self.behind = true;
    }

    /// Whether some were counted that were not asked for yet.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.behind
    }

    /// Ends the period: how often which connection was refused, and by which rule, beside what was recorded, and how many
    /// more there were of kinds that could not be told apart or did not fit.
    pub fn settle(&mut self, now: Instant) -> (Vec<(Asked, Option<String>, u64)>, u64) {
        let mut told = Vec::new();
        let mut others = std::mem::take(&mut self.others);
        for ((.., rule), Counted { asked, missed, .. }) in self.kinds.drain().filter(|(_, one)| one.missed > 0) {
            if self.all.admit(now, asked.weight()) {
                told.push((asked, rule, missed));
            } else {
                others += missed;
            }
        }
        (self.since, self.behind) = (now, false);
        (told, others)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(port: u16) -> Asked {
        Asked { host: Host::parse("other.example").unwrap(), port, who: None, asks: None, consent: None }
    }

    #[test]
    fn the_first_of_a_period_are_recorded_and_the_rest_counted_until_it_ends() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let admitted = (0..1000).filter(|_| refusals.admit(start, &asked(1), None)).count();
        assert!(refusals.admit(start, &asked(2), None), "another destination is not hidden by the flood");
        let (told, others) = refusals.settle(start);
        assert_eq!((admitted, told.len(), told[0].2, others), (16, 1, 984, 0));
        assert!(!refusals.is_behind() && refusals.admit(start, &asked(1), None));
    }

    #[test]
    fn what_a_rule_denies_is_not_hidden_by_what_none_names() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        assert_eq!((0..100).filter(|_| refusals.admit(start, &asked(1), None)).count(), 16);
        assert_eq!((0..100).filter(|_| refusals.admit(start, &asked(1), Some("a rule"))).count(), 16);
        let (mut told, _) = refusals.settle(start);
        told.sort_by_key(|(_, rule, _)| rule.clone());
        let told: Vec<_> = told.iter().map(|(_, rule, missed)| (rule.as_deref(), *missed)).collect();
        assert_eq!(told, [(None, 84), (Some("a rule"), 84)]);
    }

    #[test]
    fn slow_refusals_are_all_recorded() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        assert!((0..1000).all(|at| refusals.admit(start + at * Duration::from_secs(5), &asked(1), None)));
    }

    #[test]
    fn however_many_destinations_there_are_the_whole_is_bounded() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let mut recorded = 0;
        for second in 0..600_u16 {
            let now = start + Duration::from_secs(second.into());
            recorded += (0..200).filter(|port| refusals.admit(now, &asked(port + 200 * (second % 300)), None)).count();
            if second % 60 == 59 {
                recorded += refusals.settle(now).0.len() + 1;
            }
            assert!(refusals.kinds.len() <= KINDS);
        }
        assert!((1024..=1024 + 2 * 600 + 10).contains(&recorded), "{recorded}");
    }
}
