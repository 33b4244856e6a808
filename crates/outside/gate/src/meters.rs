//! How much the bounded rules have let through in this session, and what each request may still say.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Instant;

use policy::{Answers, Conjunction, Permit, RuleId, left_under_risk};

use crate::asked::Asks;
use crate::flood::{Flood, Rate};
use crate::head::Body;

/// What was used of each bounded rule.
#[derive(Debug)]
pub struct Meters {
    used: RefCell<HashMap<RuleId, Used>>,
    /// No gate served this session before. What one before this let through is not known, so it counts as all.
    fresh: bool,
    /// What is left is cut under risk.
    cut: Cell<bool>,
}

#[derive(Debug)]
struct Used {
    rate: Option<Flood>,
    left: Option<u64>,
    /// What of that was taken away under risk.
    withheld: u64,
}

/// What one request may say.
#[derive(Debug, Default)]
pub struct Meter {
    budgets: Vec<RuleId>,
    /// Bytes of its body.
    body: Cell<Option<u64>>,
    /// What may be answered.
    answers: Option<Answers>,
}

impl Meter {
    /// Bytes that one body may have.
    pub(crate) const fn most(&self) -> Option<u64> {
        self.body.get()
    }

    /// What may be answered.
    pub(crate) const fn answers(&self) -> Option<&Answers> {
        self.answers.as_ref()
    }
}

/// Why a request is more than its rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Bytes of one body.
    #[error("its body is longer than the {0} bytes that its rule allows")]
    Body(u64),
    /// Requests in a time.
    #[error("its rule allows {0} requests, no more for now")]
    Rate(policy::Rate),
    /// Bytes of all requests.
    #[error("the {0} bytes that its rule allows in one session are used up")]
    Budget(u64),
    /// The same, of what is left under risk.
    #[error("of the {0} bytes that its rule allows in one session those are used up that are left under risk")]
    Cut(u64),
}

impl Meters {
    /// Nothing was used yet, as far as this gate knows; `fresh` says that there was none before it.
    #[must_use]
    pub fn new(fresh: bool) -> Meters {
        Meters { used: RefCell::default(), fresh, cut: Cell::new(false) }
    }

    /// The same for policies that replace these: a rule that both have, with the same bounds, keeps what was used.
    #[must_use]
    pub fn succeeded(&self, before: &Conjunction, after: &Conjunction) -> Meters {
        let mut used = self.used.borrow_mut();
        let kept = after.bounded().filter_map(|(id, rule)| {
            let (old, _) = before.bounded().find(|(old, same)| *same == rule && used.contains_key(old))?;
            Some((id, used.remove(&old)?))
        });
        Meters { used: RefCell::new(kept.collect()), fresh: self.fresh, cut: self.cut.clone() }
    }

    /// Cuts what is left of each rule's bytes, or gives back what was cut; gives what stays, in words.
    pub(crate) fn cut(&self, policy: &Conjunction, cut: bool) -> Vec<String> {
        if self.cut.replace(cut) == cut {
            return Vec::new();
        }
        let mut used = self.used.borrow_mut();
        for one in used.values_mut() {
            if cut { one.cut() } else { one.restore() }
        }
        let left = policy.bounded().filter_map(|(id, rule)| {
            let all = rule.bounds.budget?;
            let left =
                used.get(&id).map_or(left_under_risk(if self.fresh { all } else { 0 }), |one| one.left.unwrap_or(0));
            Some(format!("{left} bytes to {}", rule.to))
        });
        if cut { left.collect() } else { Vec::new() }
    }

    /// What a request may say that was just allowed; none where no rule of it has bounds.
    ///
    /// # Errors
    /// [`TooMuch`] where that is less than it wants to.
    pub fn admit(&self, permit: &Permit<'_>, asks: Option<&Asks>) -> Result<Option<Box<Meter>>, TooMuch> {
        let (mut bounds, answers) = (permit.bounds().peekable(), permit.answers());
        if bounds.peek().is_none() && answers.is_none() {
            return Ok(None);
        }
        let mut meter = Box::new(Meter { answers, ..Meter::default() });
        let mut used = self.used.borrow_mut();
        for (id, bounds) in bounds {
            let used = used.entry(id).or_insert_with(|| {
                let mut used = Used::new(&bounds, self.fresh);
                if self.cut.get() {
                    used.cut();
                }
                used
            });
            let body = match asks.map(|asks| asks.body) {
                Some(Body::Length(length)) => length,
                _ => 0,
            };
            if let Some(most) = bounds.body {
                if body > most {
                    return Err(TooMuch::Body(most));
                }
                meter.body.set(Some(meter.body.get().map_or(most, |other| other.min(most))));
            }
            if let (Some(left), Some(all)) = (used.left, bounds.budget) {
                let head = asks.map_or(0, |asks| asks.head as u64);
                if left < body.saturating_add(head).max(1) {
                    return Err(if self.cut.get() { TooMuch::Cut(all) } else { TooMuch::Budget(all) });
                }
                meter.budgets.push(id);
            }
            if let (Some(flood), Some(rate)) = (&mut used.rate, bounds.rate)
                && !flood.admit(Instant::now(), 0)
            {
                return Err(TooMuch::Rate(rate));
            }
        }
        Ok(Some(meter))
    }

    /// Whether so many more bytes may be said, of its head or of its body; they are then.
    pub fn take(&self, meter: Option<&Meter>, bytes: usize, body: bool) -> bool {
        let Some(meter) = meter else { return true };
        let bytes = bytes as u64;
        if let (Some(left), true) = (meter.body.get(), body) {
            let Some(left) = left.checked_sub(bytes) else { return false };
            meter.body.set(Some(left));
        }
        let mut used = self.used.borrow_mut();
        meter.budgets.iter().all(|id| {
            let left = used.get_mut(id).and_then(|used| used.left.as_mut());
            left.is_none_or(|left| {
                let fits = *left >= bytes;
                *left = left.saturating_sub(bytes);
                fits
            })
        })
    }
}

impl Used {
    #[allow(clippy::cast_precision_loss)] // Nobody tells apart what is lost.
    fn new(bounds: &policy::Bounds, fresh: bool) -> Used {
        let rate = bounds.rate.map(|policy::Rate { count, seconds }| {
            let burst = count as f64;
            let mut flood = Flood::new(Instant::now(), Rate { burst, rate: burst / seconds as f64 });
            if !fresh {
                flood.drain();
            }
            flood
        });
        Used { rate, left: bounds.budget.map(|all| if fresh { all } else { 0 }), withheld: 0 }
    }

    fn cut(&mut self) {
        if let Some(left) = &mut self.left {
            let stays = left_under_risk(*left);
            self.withheld += *left - stays;
            *left = stays;
        }
    }

    fn restore(&mut self) {
        let withheld = std::mem::take(&mut self.withheld);
        if let Some(left) = &mut self.left {
            *left = left.saturating_add(withheld);
        }
    }
}

#[cfg(test)]
mod tests;
