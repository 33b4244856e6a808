//! Which names exist for the cell. A name's verdict is recorded once, before the first answer leaves.

use std::cell::RefCell;
use std::collections::HashMap;

use policy::{Conjunction, DnsName, Host, Outcome, may_resolve};
use record::{Cause, Kind, Verdict};

use crate::dns::Answer;
use crate::ledger::Ledger;
use crate::names::{Full, INTERNAL, Names, Synthetic, is_internal, is_pool};

/// The name under which a program finds the explicit proxy.
pub const PROXY_BASTIDE: &str = "proxy.bastide";

/// The name under which it asks the planes outside for something.
pub const BASTIDE_INTERNAL: &str = "bastide.internal";

/// Why an address of the pool that no name has leads nowhere.
pub(crate) const NO_NAME: &str = "no name was given this address";

/// The names of one session and what was decided of each.
#[derive(Debug)]
pub struct Naming {
    names: Names,
    verdicts: HashMap<DnsName, Verdict>,
    /// Names that carry what may not leave, and why: as many as are bounded. Each is judged whenever it is asked for.
    kept: HashMap<DnsName, String>,
    bound: usize,
    /// Names that no rule allows and that would be asked for: they share one half of the pool.
    asked: usize,
    overflown: bool,
}

impl Naming {
    /// At most `bound` names get addresses, and at most as many refusals are recorded one by one. `earlier` had
    /// theirs from an earlier gate, in this order.
    ///
    /// # Errors
    /// [`Full`] when the pool does not hold the earlier names.
    pub fn new(policy: &Conjunction, bound: u32, earlier: &[DnsName]) -> Result<Naming, Full> {
        let mut names = Names::new(bound.max(u32::try_from(earlier.len()).unwrap_or(u32::MAX)));
        for name in earlier {
            names.assign(name)?;
        }
        let bound = usize::try_from(bound).unwrap_or(usize::MAX);
        let asked = earlier.iter().filter(|name| verdict(policy, name) == Verdict::Asked).count();
        Ok(Naming { names, verdicts: HashMap::new(), kept: HashMap::new(), bound, asked, overflown: false })
    }

    /// The one meaning of a destination, whichever way it came: an address of the pool is the name it was given to,
    /// and nothing where none was; a v4 address mapped into v6 is the v4 address.
    #[must_use]
    pub fn means(&self, host: &Host) -> Option<Host> {
        match host {
            Host::Address(address) if is_internal(*address) => Some(crate::petition::own()),
            Host::Address(address) if is_pool(*address) => self.names.name(*address).cloned().map(Host::Name),
            Host::Address(address) => Some(Host::Address(address.to_canonical())),
            Host::Name(_) => Some(host.clone()),
        }
    }

    /// What becomes of a name; recorded the first time.
    pub fn answer(&mut self, policy: &Conjunction, ledger: &RefCell<Ledger>, name: &DnsName) -> Answer {
        // It is there whatever a policy says and however many names were looked up. What is asked there is recorded.
        if name.as_str() == BASTIDE_INTERNAL {
            return Answer::Addresses(INTERNAL);
        }
        if !ledger.borrow().is_whole() {
            return Answer::Unable;
        }
        let known = self.verdicts.get(name).copied();
        match known.unwrap_or_else(|| verdict(policy, name)) {
            Verdict::Refused if known.is_some() => Answer::Denied,
            Verdict::Refused => self.refuse(ledger, name),
            verdict => self.give(ledger, name, verdict),
        }
    }

    /// Whether a rule lets a name exist that was not refused yet.
    pub(crate) fn may_exist(&self, policy: &Conjunction, name: &DnsName) -> bool {
        let own = matches!(name.as_str(), BASTIDE_INTERNAL | PROXY_BASTIDE);
        let known = self.verdicts.get(name).copied();
        !own && known.unwrap_or_else(|| verdict(policy, name)) != Verdict::Refused
    }

    /// Why a name does not exist that a rule would let.
    pub(crate) fn kept(&self, name: &DnsName) -> Option<&str> {
        self.kept.get(name).map(String::as_str)
    }

    /// Refuses a name from now on, whatever was decided of it before; `causes` are asked for where that is recorded.
    pub(crate) fn keep(
        &mut self,
        ledger: &RefCell<Ledger>,
        name: &DnsName,
        why: String,
        causes: impl FnOnce() -> Vec<Cause>,
    ) {
        if self.refusal_fits(ledger) {
            let kind = Kind::Resolve {
                name: name.as_str().into(),
                verdict: Verdict::Refused,
                reason: Some(why.clone()),
                times: 1,
            };
            let causes = causes();
            // Refused either way: an event that cannot be written changes nothing.
            let _ = ledger.borrow_mut().write_after(causes, kind);
        }
        if self.verdicts.contains_key(name) || self.has_room() {
            self.verdicts.insert(name.clone(), Verdict::Refused);
        }
        if self.kept.contains_key(name) || self.kept.len() < self.bound {
            self.kept.insert(name.clone(), why);
        }
    }

    /// Has every name decided anew; each keeps its address.
    pub fn forget(&mut self) {
        self.verdicts.clear();
        self.kept.clear();
    }

    fn give(&mut self, ledger: &RefCell<Ledger>, name: &DnsName, verdict: Verdict) -> Answer {
        let recorded = self.names.has(name);
        let asked = verdict == Verdict::Asked && !recorded;
        match self.place(name, asked) {
            // Recorded in the order of assignment: that is how a later gate gives the same addresses again.
            Ok(given) if recorded || record(ledger, name.as_str(), verdict, None) => {
                if !self.verdicts.contains_key(name) {
                    self.verdicts.insert(name.clone(), verdict);
                }
                self.asked += usize::from(asked);
                Answer::Addresses(given)
            }
            Ok(_) => Answer::Unable,
            Err(full) => {
                if self.refusal_fits(ledger) && record(ledger, name.as_str(), Verdict::Refused, Some(full)) {
                    self.verdicts.insert(name.clone(), Verdict::Refused);
                }
                Answer::Unable
            }
        }
    }

    /// However many names a program makes up, those that a rule allows find a place.
    fn place(&mut self, name: &DnsName, asked: bool) -> Result<Synthetic, String> {
        if asked && self.asked >= self.bound / 2 {
            return Err(format!("{} names that no rule allows were looked up, which is their bound", self.asked));
        }
        self.names.assign(name).map_err(|full| full.to_string())
    }

    fn refuse(&mut self, ledger: &RefCell<Ledger>, name: &DnsName) -> Answer {
        if self.refusal_fits(ledger) {
            let why = "no rule allows a connection to this name on any port";
            if !record(ledger, name.as_str(), Verdict::Refused, Some(why.into())) {
                return Answer::Unable;
            }
            self.verdicts.insert(name.clone(), Verdict::Refused);
        }
        Answer::Denied
    }

    /// Whether one more refused name is remembered.
    fn has_room(&self) -> bool {
        self.verdicts.len() < self.bound.saturating_mul(2)
    }

    /// Whether one more refusal is recorded. The first that is not says so, once.
    fn refusal_fits(&mut self, ledger: &RefCell<Ledger>) -> bool {
        let fits = self.has_room();
        if !fits && !self.overflown {
            let why = "too many names were refused: further ones are not recorded";
            self.overflown = record(ledger, "*", Verdict::Refused, Some(why.into()));
        }
        fits
    }
}

fn verdict(policy: &Conjunction, name: &DnsName) -> Verdict {
    if name.as_str() == PROXY_BASTIDE {
        return Verdict::Allowed;
    }
    match may_resolve(policy, name) {
        Outcome::Allow | Outcome::Read => Verdict::Allowed,
        Outcome::Ask => Verdict::Asked,
        Outcome::Deny => Verdict::Refused,
    }
}

fn record(ledger: &RefCell<Ledger>, name: &str, verdict: Verdict, reason: Option<String>) -> bool {
    ledger.borrow_mut().write(Kind::Resolve { name: name.into(), verdict, reason, times: 1 }).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;

    use policy::{Policy, Rule, Target};
    use record::{Origin, Redactor, Segment, Writer};

    use super::*;

    #[test]
    fn names_that_are_kept_take_bounded_memory() {
        let origin = Origin { session: "s1".into(), segment: Segment::Gate };
        let nothing = File::options().write(true).open("/dev/null").unwrap();
        let ledger = RefCell::new(Ledger::new(nothing, Writer::new(&origin), Redactor::new()));
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        policy.network.allow = vec![Rule::to(Target::parse("*.example.com:443").unwrap())];
        let policy = Conjunction::new(vec![policy]);
        let mut naming = Naming::new(&policy, 4, &[]).unwrap();
        let name = |at: usize| DnsName::parse(&format!("n{at}.example.com")).unwrap();
        assert!(matches!(naming.answer(&policy, &ledger, &name(0)), Answer::Addresses(_)));
        for at in (1..100).chain([0]) {
            naming.keep(&ledger, &name(at), "why".into(), Vec::new);
        }
        assert_eq!((naming.verdicts.len(), naming.kept.len()), (8, 4));
        assert_eq!(naming.answer(&policy, &ledger, &name(0)), Answer::Denied, "what was given is kept from now on");
        assert_eq!(naming.answer(&policy, &ledger, &name(1)), Answer::Denied);
    }
}
