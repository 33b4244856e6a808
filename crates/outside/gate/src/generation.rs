//! What a gate decides by. All of it is replaced at once, or nothing: between two requests, never within a decision.

use std::rc::Rc;

use policy::{Conjunction, Decision, decide};
use wire::{Labelled, Lent};

use crate::asked::Asked;
use crate::lend::Lending;
use crate::meters::Meters;
use crate::passage::Passage;

/// Every policy that must allow, and what they lend and bound.
#[derive(Debug)]
pub struct Generation {
    /// The policies.
    pub policy: Conjunction,
    /// What was used of rules that have bounds.
    pub meters: Meters,
    /// Secrets that go with requests.
    pub lending: Lending,
}

impl Generation {
    /// The first one of a gate. Bounds are fresh where no gate came before it.
    #[must_use]
    pub fn new(policy: Conjunction, credentials: Vec<Lent>, fresh: bool) -> Generation {
        Generation { policy, meters: Meters::new(fresh), lending: Lending::new(credentials) }
    }
}

impl Passage {
    /// What is decided by now.
    pub(crate) fn now(&self) -> Rc<Generation> {
        Rc::clone(&self.generation.borrow())
    }

    /// Decides by something else from here on. What was used of a bound that both have stays used.
    pub(crate) fn replace(&self, policy: Conjunction, credentials: Vec<Lent>, labelled: &[Labelled]) {
        let meters = self.now().meters.succeeded(&self.now().policy, &policy);
        self.flows.replace(&policy, labelled);
        self.ledger.borrow_mut().keep(policy.bodies());
        let lending = Lending::new(credentials);
        self.generation.replace(Rc::new(Generation { policy, meters, lending }));
        self.naming.borrow_mut().forget();
        self.replaced.notify_waiters();
    }

    /// Lends something else from here on, under the same policy.
    pub(crate) fn lend(&self, credentials: Vec<Lent>) {
        let policy = self.now().policy.clone();
        let meters = self.now().meters.succeeded(&policy, &policy);
        let lending = Lending::new(credentials);
        self.generation.replace(Rc::new(Generation { policy, meters, lending }));
    }

    /// Ends when a connection that nobody looks into is allowed no more.
    pub(crate) async fn forbidden(&self, asked: &Asked) {
        loop {
            self.replaced.notified().await;
            let (now, asked) = (self.now(), self.named(asked.clone()));
            let still = match decide(&now.policy, &asked.egress()) {
                Decision::Allow(_) => !self.reads(&asked),
                _ => false,
            };
            if !still {
                return;
            }
        }
    }
}
