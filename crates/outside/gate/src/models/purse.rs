//! What a session spent on models. What a request is likely to cost, with the longest answer that it asks for, is taken out
//! before it goes out, and set right when its answer ended: many that run side by side spend no more than one after the other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use policy::{Currency, Money, Price, Tariff, Used, left_under_risk};
use record::Cost;
use record::conversation::Usage;

use super::Failure;

/// One session's purse.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    /// Millionths, by currency.
    spent: RefCell<BTreeMap<Currency, u64>>,
    /// What is the session's children's to spend.
    held: Cell<Option<Money>>,
    /// To what the budget is cut under risk, with what is its children's.
    cut: Cell<Option<Money>>,
    /// What an earlier gate spent is not known: all counts as spent.
    empty: bool,
}

/// What one request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asking {
    /// Bytes of its body.
    pub(crate) bytes: u64,
    /// The most tokens of its answer, where it says so.
    pub(crate) output: Option<u64>,
}

/// What was taken out for one request.
#[derive(Debug)]
pub(crate) struct Taken {
    tariff: Tariff,
    micros: u64,
    asking: Asking,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// No provider took it, or it was answered with an error.
    Unserved,
    /// The answer is whole, and says what was used.
    Told(Usage),
    /// It broke off, or does not say: what was told until then, and how many bytes came.
    Untold(Usage, u64),
}

impl Purse {
    pub(crate) fn new(first: bool) -> Purse {
        Purse { empty: !first, ..Purse::default() }
    }

    /// Leaves so much to the session's children; gives whether it was still there, of what may be spent.
    pub(crate) fn hold(&self, held: Option<Money>, limit: Option<Money>) -> bool {
        let before = self.held.replace(held);
        if let (Some(cut), Some(before)) =
            (self.cut.get(), before.filter(|one| self.cut.get().is_some_and(|cut| cut.currency == one.currency)))
        {
            // What comes back under risk is cut as what was left.
            let back = before.micros.saturating_sub(held.map_or(0, |held| held.micros));
            let micros = cut.micros.saturating_sub(back - left_under_risk(back));
            self.cut.set(Some(Money { micros, ..cut }));
        }
        let limit = self.within(limit);
        let (Some(held), Some(limit)) = (held.filter(|held| held.micros > 0), limit) else { return true };
        let spent = self.spent.borrow().get(&limit.currency).copied().unwrap_or(0);
        !self.empty && held.currency == limit.currency && spent.saturating_add(held.micros) <= limit.micros
    }

    /// Cuts what is left, or gives back what was cut; gives what stays.
    pub(crate) fn cut(&self, limit: Option<Money>, cut: bool) -> Option<Money> {
        let Some(limit) = limit.filter(|_| cut) else {
            self.cut.set(None);
            return None;
        };
        if let Some(before) = self.cut.get().filter(|before| before.currency == limit.currency) {
            return Some(before);
        }
        let spent =
            if self.empty { limit.micros } else { self.spent.borrow().get(&limit.currency).copied().unwrap_or(0) };
        let gone = spent.saturating_add(self.held(limit.currency));
        let stays = left_under_risk(limit.micros.saturating_sub(gone));
        self.cut.set(Some(Money { micros: gone.saturating_add(stays), ..limit }));
        Some(Money { micros: stays, ..limit })
    }

    /// What may be spent, as far as it is not cut.
    fn within(&self, limit: Option<Money>) -> Option<Money> {
        let cut = self.cut.get();
        limit.map(|limit| match cut.filter(|cut| cut.currency == limit.currency) {
            Some(cut) if cut.micros < limit.micros => cut,
            _ => limit,
        })
    }

    /// How much is not the session's own.
    fn held(&self, currency: Currency) -> u64 {
        self.held.get().filter(|held| held.currency == currency).map_or(0, |held| held.micros)
    }

    /// Takes out what a request is likely to cost; nothing where no price is known.
    ///
    /// # Errors
    /// [`Failure`]: so much is not left.
    pub(crate) fn take(&self, tariff: Option<Tariff>, asking: Asking) -> Result<Option<Taken>, Failure> {
        let Some(tariff) = tariff else { return Ok(None) };
        let micros = tariff.price.likely(asking.bytes, asking.output.unwrap_or(0));
        let mut all = self.spent.borrow_mut();
        let spent = all.entry(tariff.currency).or_default();
        let after = spent.saturating_add(micros);
        // What is its children's, counts as spent.
        let held = self.held(tariff.currency);
        let whole = tariff.limit.map(|micros| Money { micros, currency: tariff.currency });
        if let Some(limit) = self.within(whole).map(|limit| limit.micros) {
            let shown = |micros: u64| Money { micros, currency: tariff.currency };
            let refuse = |why: String| Err(Failure { status: "429 Too Many Requests", why, model: None });
            // What costs nothing is asked whatever was spent.
            if micros > 0 && (self.empty || spent.saturating_add(held) >= limit) {
                return refuse(format!("the session's budget of {} is used up", shown(limit)));
            }
            if after.saturating_add(held) > limit {
                let (left, most) = (shown(limit.saturating_sub(*spent).saturating_sub(held)), shown(micros));
                return refuse(format!(
                    "this may cost {most}, and {left} of the session's budget of {} are left; hint: say less, or ask for fewer tokens",
                    shown(limit)
                ));
            }
        }
        *spent = after;
        Ok(Some(Taken { tariff, micros, asking }))
    }

    /// Sets right what was taken out; gives what it cost.
    pub(crate) fn settle(&self, taken: Taken, ended: Ended) -> Cost {
        let Taken { tariff, micros, asking } = taken;
        let (cost, estimated) = match ended {
            Ended::Unserved => (0, false),
            Ended::Told(usage) => (tariff.price.cost(&used(usage)), false),
            Ended::Untold(usage, bytes) => (untold(&tariff.price, asking, usage, bytes), true),
        };
        let mut all = self.spent.borrow_mut();
        let spent = all.entry(tariff.currency).or_default();
        *spent = spent.saturating_sub(micros).saturating_add(cost);
        Cost { micros: cost, currency: tariff.currency.to_string(), estimated }
    }
}

/// What is not told is taken for as much as it can be: a token of what was asked for a byte, and of what was answered as
/// well, but no more of these than were asked for.
fn untold(price: &Price, asking: Asking, usage: Usage, bytes: u64) -> u64 {
    let output = bytes.min(asking.output.unwrap_or(u64::MAX)).max(usage.output.unwrap_or(0));
    match usage.input {
        Some(_) => price.cost(&Used { output, ..used(usage) }),
        None => price.most(asking.bytes, output),
    }
}

fn used(usage: Usage) -> Used {
    let count = |count: Option<u64>| count.unwrap_or(0);
    Used {
        input: count(usage.input),
        cached: count(usage.cached),
        written: count(usage.written),
        output: count(usage.output),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A token asked costs 1, one answered 10.
    fn tariff(limit: Option<u64>) -> Option<Tariff> {
        let price = Price { input: 1_000_000, output: 10_000_000, cached: 0, written: 2_000_000 };
        Some(Tariff { currency: "USD".parse().unwrap(), price, limit })
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input: Some(input), output: Some(output), ..Usage::default() }
    }

    const ASKING: Asking = Asking { bytes: 2928, output: Some(100) };
    /// A thousand and 24 and a third of 2928, and ten times a hundred.
    const LIKELY: u64 = 3000;

    #[test]
    fn what_may_be_spent_is_taken_out_before_and_set_right_after() {
        let purse = Purse::new(true);
        let take = |limit: u64| purse.take(tariff(Some(limit)), ASKING);
        let first = take(2 * LIKELY).unwrap().unwrap();
        let second = take(2 * LIKELY).unwrap().unwrap();
        // Side by side they cannot spend more than one after the other.
        assert!(take(2 * LIKELY).unwrap_err().why.contains("is used up"));
        let cost = purse.settle(first, Ended::Told(usage(900, 100)));
        assert_eq!(cost, Cost { micros: 1900, currency: "USD".into(), estimated: false });
        let left = take(2 * LIKELY).unwrap_err().why;
        assert!(left.contains("may cost 0.003 USD, and 0.0011 USD of the session's budget of 0.006 USD"), "{left}");
        purse.settle(second, Ended::Told(usage(1000, 0)));
        assert!(take(2 * LIKELY).is_ok());
    }

    #[test]
    fn what_is_its_childrens_is_not_its_own() {
        let purse = Purse::new(true);
        let money = |micros| Some(Money { micros, currency: "USD".parse().unwrap() });
        assert!(purse.take(tariff(Some(3 * LIKELY)), ASKING).is_ok());
        assert!(purse.hold(money(2 * LIKELY), money(3 * LIKELY)));
        assert!(purse.take(tariff(Some(3 * LIKELY)), ASKING).is_err());
        assert!(!purse.hold(money(2 * LIKELY + 1), money(3 * LIKELY)));
        // What comes back is its own again.
        assert!(purse.hold(money(0), money(3 * LIKELY)));
        assert!(purse.take(tariff(Some(3 * LIKELY)), ASKING).is_ok());
        // A gate that does not know what was spent has nothing to give.
        assert!(!Purse::new(false).hold(money(1), money(9)) && Purse::new(false).hold(money(1), None));
    }

    #[test]
    fn a_quarter_of_what_is_left_stays_under_risk() {
        let purse = Purse::new(true);
        let usd = |micros| Money { micros, currency: "USD".parse().unwrap() };
        let take = || purse.take(tariff(Some(9 * LIKELY)), ASKING);
        let first = take().unwrap().unwrap();
        purse.settle(first, Ended::Told(usage(LIKELY, 0)));
        assert_eq!(purse.cut(Some(usd(9 * LIKELY)), true), Some(usd(2 * LIKELY)));
        assert!(take().is_ok() && take().is_ok() && take().is_err());
        purse.cut(Some(usd(9 * LIKELY)), false);
        assert!(take().is_ok());
    }

    #[test]
    fn what_nobody_served_costs_nothing_and_what_costs_nothing_is_always_asked() {
        let purse = Purse::new(true);
        for _ in 0..10 {
            let taken = purse.take(tariff(Some(LIKELY)), ASKING).unwrap().unwrap();
            assert_eq!(purse.settle(taken, Ended::Unserved).micros, 0);
        }
        let free = Tariff { price: Price::default(), ..tariff(Some(1)).unwrap() };
        for purse in [purse, Purse::new(false)] {
            let taken = purse.take(Some(free), ASKING).unwrap().unwrap();
            assert_eq!(purse.settle(taken, Ended::Untold(Usage::default(), u64::MAX)).micros, 0);
        }
        assert!(Purse::new(false).take(tariff(Some(u64::MAX)), ASKING).unwrap_err().why.contains("is used up"));
    }

    #[test]
    fn what_is_not_told_costs_as_much_as_it_can() {
        let purse = Purse::new(true);
        let open = Asking { output: None, ..ASKING };
        for (asking, told, bytes, micros) in [
            // A token a byte, of the dearest kind, and a thousand and 24.
            (ASKING, Usage::default(), 30, 2 * 3952 + 300),
            (ASKING, Usage::default(), 9999, 2 * 3952 + 1000),
            (open, Usage::default(), 9999, 2 * 3952 + 99_990),
            (ASKING, Usage { input: Some(7), ..Usage::default() }, 30, 7 + 300),
            (ASKING, Usage { input: Some(7), output: Some(200), ..Usage::default() }, 30, 7 + 2000),
        ] {
            let taken = purse.take(tariff(None), asking).unwrap().unwrap();
            let cost = purse.settle(taken, Ended::Untold(told, bytes));
            assert_eq!((cost.micros, cost.estimated), (micros, true), "{asking:?} {told:?} {bytes}");
        }
    }

    #[test]
    fn a_count_ends_at_what_can_be_counted() {
        let purse = Purse::new(true);
        let huge = Asking { bytes: u64::MAX, output: Some(u64::MAX) };
        let taken = purse.take(tariff(None), huge).unwrap().unwrap();
        assert_eq!(purse.settle(taken, Ended::Told(usage(u64::MAX, u64::MAX))).micros, u64::MAX);
        assert!(purse.take(tariff(Some(u64::MAX)), ASKING).is_err());
        assert!(purse.take(None, ASKING).unwrap().is_none());
    }
}
