//! Names on their way out: recorded before a resolver has them, and looked at as what a request says is, since whoever keeps
//! the zone is told every name beneath it that is looked up.

use policy::{DnsName, Host};

use super::{Closed, Passage, UNRECORDED, Why};
use crate::asked::Asked;
use crate::dns::Answer;
use crate::flows::Stopped;

impl Passage {
    /// What becomes of a name that a program asks for.
    pub fn resolves(&self, name: &DnsName) -> Answer {
        let now = self.now();
        if self.naming.borrow().may_exist(&now.policy, name)
            && let Some(stopped) = self.flows.judge_name(name.as_str())
        {
            self.keep_name(name, stopped);
        }
        self.naming.borrow_mut().answer(&now.policy, &self.ledger, name)
    }

    /// A name that goes to a resolver is recorded first, even when the program never looked it up itself.
    pub(super) fn name(&self, asked: &Asked) -> Result<(), Closed> {
        let Host::Name(name) = &asked.host else { return Ok(()) };
        match self.resolves(name) {
            Answer::Addresses(_) => return Ok(()),
            Answer::Unable if !self.ledger.borrow().is_whole() => return Err(UNRECORDED),
            Answer::Unable | Answer::Denied => {}
        }
        let kept = self.naming.borrow().kept(name).map(str::to_owned);
        let why =
            kept.unwrap_or_else(|| format!("`{name}` cannot be looked up: the session's bound of names is reached"));
        let event = self.turn_away(asked, &why);
        Err(Closed { why: Why::Refused { why, suggestion: None }, event })
    }

    /// Refuses a name that carries what may not leave, and records why.
    fn keep_name(&self, name: &DnsName, stopped: Stopped) {
        let Stopped { rule, reason, evidence } = stopped;
        let rule = rule.map_or(String::new(), |rule| format!(" (flows: {rule})"));
        let why = format!("the name is not looked up: {reason}{rule}");
        let causes = || evidence.iter().filter_map(|one| self.carries(one)).collect();
        self.naming.borrow_mut().keep(&self.ledger, name, why, causes);
    }
}
