//! What a gate decides by. All of it is replaced at once, or nothing: between two requests, never within a decision.

use std::rc::Rc;

use policy::{Conjunction, Decision, Endorsement, Narrowed, Rule, decide};
use wire::{Labelled, Lent};

use crate::asked::Asked;
use crate::lend::Lending;
use crate::meters::Meters;
use crate::passage::Passage;
use crate::risk::asks;

/// Budgets of which is told what stays under risk.
const MOST_LEFT: usize = 16;

/// Every policy that must allow, and what they lend and bound.
#[derive(Debug)]
pub struct Generation {
    /// The policies, with what the operator granted beside them.
    pub policy: Conjunction,
    /// What he granted.
    pub granted: Vec<Rule>,
    /// What he endorsed for this session.
    pub endorsed: Vec<Endorsement>,
    /// Which policies those are: one more for each that took the place of others.
    pub serial: u64,
    /// Whether any of them wants the operator asked.
    pub asks: bool,
    /// What was used of rules that have bounds.
    pub meters: Meters,
    /// Secrets that go with requests.
    pub lending: Lending,
}

impl Generation {
    /// The first one of a gate. Bounds are fresh where no gate came before it.
    #[must_use]
    pub fn new(policy: Conjunction, credentials: Vec<Lent>, fresh: bool) -> Generation {
        let meters = Meters::new(fresh);
        meters.cut(&policy, policy.is_cut());
        let (asks, lending) = (asks(&policy), Lending::new(credentials));
        Generation { policy, granted: Vec::new(), endorsed: Vec::new(), serial: 1, asks, meters, lending }
    }

    /// The same with what the operator granted, and endorsed.
    #[must_use]
    pub fn granted(self, granted: Vec<Rule>, endorsed: Vec<Endorsement>) -> Generation {
        Generation { policy: self.policy.granting(&granted), granted, endorsed, ..self }
    }
}

impl Passage {
    /// What is decided by now.
    pub(crate) fn now(&self) -> Rc<Generation> {
        Rc::clone(&self.generation.borrow())
    }

    /// Decides by something else from here on. What was used of a bound that both have stays used, and what the operator
    /// granted stays granted as far as the new policy asks; what waits is decided again.
    pub(crate) fn replace(&self, policy: Conjunction, credentials: Vec<Lent>, labelled: &[Labelled]) {
        let now = self.now();
        let policy = policy.granting(&now.granted);
        let meters = now.meters.succeeded(&now.policy, &policy);
        // What was cut under risk is there again where the operator took that back.
        self.models.cut(&policy, policy.is_cut());
        meters.cut(&policy, policy.is_cut());
        self.flows.replace(&policy, labelled);
        self.models.under(&policy, labelled, None, false);
        self.ledger.borrow_mut().keep(policy.bodies());
        let (granted, endorsed) = (now.granted.clone(), now.endorsed.clone());
        let (serial, lending) = (now.serial + 1, Lending::new(credentials));
        self.decide_by(Generation { asks: asks(&policy), policy, granted, endorsed, serial, meters, lending });
        self.naming.borrow_mut().forget();
        self.held.again();
        self.replaced.notify_waiters();
    }

    /// Narrows what is decided by, from the next decision on, and cuts what is left of budgets; gives what to. What was let out
    /// unread ends where it would now be asked about.
    pub(crate) fn narrow(&self, narrowed: Narrowed) -> Narrowed {
        let now = self.now();
        let mut left = self.models.cut(&now.policy, true);
        left.extend(now.meters.cut(&now.policy, true));
        left.truncate(MOST_LEFT);
        let narrowed = Narrowed { left, ..narrowed };
        let policy = now.policy.narrow(&narrowed).granting(&now.granted);
        let meters = now.meters.succeeded(&now.policy, &policy);
        let (granted, serial, lending) = (now.granted.clone(), now.serial + 1, now.lending.clone());
        let endorsed = now.endorsed.clone();
        self.decide_by(Generation { asks: true, policy, granted, endorsed, serial, meters, lending });
        self.held.again();
        self.replaced.notify_waiters();
        narrowed
    }

    /// Lends something else from here on, under the same policy.
    pub(crate) fn lend(&self, credentials: Vec<Lent>) {
        let now = self.now();
        let (policy, granted, asks, serial) = (now.policy.clone(), now.granted.clone(), now.asks, now.serial);
        let (meters, endorsed) = (now.meters.succeeded(&policy, &policy), now.endorsed.clone());
        let lending = Lending::new(credentials);
        self.decide_by(Generation { policy, granted, endorsed, serial, asks, meters, lending });
    }

    /// What the operator granted from here on, in place of what he had before. What was made under a grant that is over ends.
    pub(crate) fn grant(&self, granted: Vec<Rule>, endorsed: Vec<Endorsement>) {
        let now = self.now();
        let (policy, asks, serial) = (now.policy.granting(&granted), now.asks, now.serial);
        let meters = now.meters.succeeded(&now.policy, &policy);
        let lending = now.lending.clone();
        self.decide_by(Generation { policy, granted, endorsed, serial, asks, meters, lending });
        self.replaced.notify_waiters();
    }

    fn decide_by(&self, generation: Generation) {
        self.generation.replace(Rc::new(generation));
    }

    /// Ends when a connection that nobody looks into is allowed no more.
    pub(crate) async fn forbidden(&self, asked: &Asked) {
        loop {
            self.replaced.notified().await;
            let (now, asked) = (self.now(), self.named(asked.clone()));
            let policy = now.still(&asked);
            let still = match decide(&policy, &asked.egress()) {
                Decision::Allow(_) => !self.reads(&asked),
                _ => false,
            };
            if !still {
                return;
            }
        }
    }
}
