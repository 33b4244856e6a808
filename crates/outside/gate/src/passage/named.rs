//! Names on their way out: recorded before a resolver has them, and looked at as what a request says is, since whoever keeps
//! the zone is told every name beneath it that is looked up.

use std::time::Instant;

use policy::{DnsName, Host};

use super::{Closed, Passage, UNRECORDED, Why};
use crate::asked::Asked;
use crate::dns::Answer;
use crate::flows::Stopped;

impl Passage {
    /// What becomes of a name that a program asks for.
    pub fn resolves(&self, name: &DnsName) -> Answer {
        self.looked_up(name).0
    }

    /// The same, and why a name does not exist that a rule would let.
    fn looked_up(&self, name: &DnsName) -> (Answer, Option<String>) {
        let now = self.now();
        let may_exist = self.naming.borrow().may_exist(&now.policy, name);
        if let Some(stopped) = may_exist.then(|| self.flows.judge_name(name.as_str())).flatten() {
            if !self.stopped_pace.borrow_mut().admit(Instant::now(), 0) {
                // Nobody waits for a name for long: it may be asked for again.
                self.refusals.borrow_mut().count();
                self.behind.notify_one();
                return (Answer::Unable, Some(why(&stopped)));
            }
            let why = self.keep_name(name, stopped);
            // However many there are: what finds no place among those that are remembered is refused all the same.
            let answer = if self.ledger.borrow().is_whole() { Answer::Denied } else { Answer::Unable };
            return (answer, Some(why));
        }
        let answer = self.naming.borrow_mut().answer(&now.policy, &self.ledger, name);
        (answer, self.naming.borrow().kept(name).map(str::to_owned))
    }

    /// A name that goes to a resolver is recorded first, even when the program never looked it up itself.
    pub(super) fn name(&self, asked: &Asked) -> Result<(), Closed> {
        let Host::Name(name) = &asked.host else { return Ok(()) };
        let (answer, kept) = self.looked_up(name);
        match answer {
            Answer::Addresses(_) => return Ok(()),
            Answer::Unable if !self.ledger.borrow().is_whole() => return Err(UNRECORDED),
            Answer::Unable | Answer::Denied => {}
        }
        let why =
            kept.unwrap_or_else(|| format!("`{name}` cannot be looked up: the session's bound of names is reached"));
        let event = self.turn_away(asked, &why);
        Err(Closed { why: Why::Refused { why, suggestion: None }, event })
    }

    /// Refuses a name that carries what may not leave, and records why; says it.
    fn keep_name(&self, name: &DnsName, stopped: Stopped) -> String {
        let why = why(&stopped);
        let causes = || stopped.evidence.iter().filter_map(|one| self.carries(one)).collect();
        self.naming.borrow_mut().keep(&self.ledger, name, why.clone(), causes);
        why
    }
}

fn why(Stopped { rule, reason, .. }: &Stopped) -> String {
    let rule = rule.as_ref().map_or(String::new(), |rule| format!(" (flows: {rule})"));
    format!("the name is not looked up: {reason}{rule}")
}
