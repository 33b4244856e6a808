//! Judges what a model says before the program has it: a call that carries what a flow rule keeps from calls is taken out,
//! and so are the words that carry what one keeps from people, and a call that nothing the operator said speaks for.

use std::collections::HashMap;

use policy::Sink;
use record::conversation::hold::{Cut, Judge, Ruling, Said, Signed, Verdict, Wants};
use record::conversation::{Block, Content, plain};
use record::{EventId, Kind};
use sense::Bounds;

use super::asking::{Asker, withhold};
use super::grounds::{Found, Grounds};
use crate::asked::Asked;
use crate::flows::Stopped;
use crate::passage::Passage;

/// Where the calls of a session go, for what is looked at together.
const CALLS: &str = "calls of tools";
/// Bytes of words that wait for what comes behind them. The shortest run that is found has 48 letters: so many of them fit
/// in, written in any one way that is undone, and most in two.
const WAITS: usize = 512;
/// Different things that are taken out of the words of one answer; what finds more ends it.
const MOST: usize = 32;
/// Why an answer ends of which nothing can be recorded.
pub(super) const UNRECORDED: &str = "the record cannot be written, so nothing is let in";

/// The judge of one answer.
pub(super) struct Keeper<'c> {
    pub(super) passage: &'c Passage,
    pub(super) asked: &'c Asked,
    /// The request that is answered.
    pub(super) model: EventId,
    /// The same as an event that did not go through.
    pub(super) refused: Kind,
    /// What rules are about.
    pub(super) wants: Wants,
    /// What was taken out of its words already, and where the record says so.
    pub(super) told: HashMap<String, EventId>,
    /// What the operator's words say of calls, where a policy asks.
    pub(super) grounds: Option<&'c Grounds<'c>>,
    /// What he said of some, where he was asked.
    pub(super) asker: Option<&'c Asker<'c>>,
}

/// What a call calls, as it is told.
pub(super) fn name_of(call: &Block) -> String {
    let name = match &call.content {
        Content::ToolCall { name, .. } => name,
        Content::Unknown { kind, .. } => kind,
        _ => return String::new(),
    };
    name.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '`').take(64).collect()
}

impl Judge for Keeper<'_> {
    fn wants(&self) -> Wants {
        self.wants
    }

    fn judge(&mut self, call: &Block) -> Ruling {
        if !matches!(call.content, Content::ToolCall { .. } | Content::Unknown { .. }) {
            return Ruling::Pass;
        }
        // Whatever a flow rule says: an answer is for one call.
        let ruled = self.asker.and_then(|asker| asker.ruled(call));
        let name = name_of(call);
        let text = plain(call);
        let flows = &self.passage.flows;
        let stopped = match flows.guards(Sink::Tool) {
            true => flows.judge(CALLS, Sink::Tool, &[text.as_bytes()], &Bounds::USUAL),
            false => None,
        };
        let Some(stopped) = stopped else { return ruled.unwrap_or_else(|| self.ground(call, &name)) };
        let why = stopped.reason.clone();
        match self.passage.withhold(self.asked, self.model, self.refused.clone(), (call, stopped)) {
            Ok(event) => Ruling::Instead(format!(
                "bastide took a call of `{name}` out of this answer: {why}; the operator finds it by: bastide why {event}"
            )),
            Err(_) => Ruling::Refuse(UNRECORDED.into()),
        }
    }

    fn words(&mut self, said: &Said<'_>) -> Verdict {
        let new = said.text.len() - said.passed;
        if !said.ended && new <= WAITS {
            return Verdict::Go { cuts: Vec::new(), waits: new };
        }
        let parts = match self.passage.flows.places(said.text.as_bytes(), Sink::Human) {
            Ok(parts) => parts,
            Err(stopped) => return self.refuse(stopped),
        };
        let mut cuts = Vec::new();
        for (place, stopped) in parts.into_iter().filter(|(place, _)| place.end > said.passed) {
            match self.mark(stopped) {
                Ok(instead) => cuts.push(Cut { place, instead }),
                Err(verdict) => return verdict,
            }
        }
        Verdict::Go { cuts, waits: WAITS }
    }

    fn signed(&mut self, thought: Signed) {
        self.passage.models.thoughts.keep(thought);
    }
}

impl Keeper<'_> {
    /// A call goes on where what the operator said speaks for it.
    fn ground(&self, call: &Block, name: &str) -> Ruling {
        match self.grounds.map_or(Found::Nothing, |grounds| grounds.judge(call)) {
            Found::Nothing => Ruling::Pass,
            Found::Endorsed(by) => match self.passage.grounded(self.model, name, &by) {
                Ok(_) => Ruling::Pass,
                Err(_) => Ruling::Refuse(UNRECORDED.into()),
            },
            Found::Against(against) => {
                let refused = (self.model, self.refused.clone());
                withhold(self.passage, self.asked, refused, (call, &against, None))
            }
        }
    }

    /// What stands in the place of words that are taken out.
    fn mark(&mut self, stopped: Stopped) -> Result<String, Verdict> {
        let what = match stopped.evidence.first() {
            Some(one) => format!("`{}`", one.label),
            None => "what cannot be looked into".into(),
        };
        let key = stopped.evidence.first().map_or_else(String::new, |one| format!("{} {}", one.label, one.source));
        let event = match self.told.get(&key) {
            Some(event) => *event,
            None if self.told.len() >= MOST => return Err(self.refuse(stopped)),
            None => {
                let why = ("words were taken out of the answer", stopped);
                let event = self.passage.silence(self.asked, self.model, self.refused.clone(), why);
                let event = event.map_err(|_| Verdict::Refuse(UNRECORDED.into()))?;
                self.told.insert(key, event);
                event
            }
        };
        Ok(format!("[bastide took {what} out of these words: bastide why {event}]"))
    }

    fn refuse(&self, stopped: Stopped) -> Verdict {
        let reason = stopped.reason.clone();
        let why = ("the answer was ended for its words", stopped);
        match self.passage.silence(self.asked, self.model, self.refused.clone(), why) {
            Ok(event) => Verdict::Refuse(format!(
                "bastide ended this answer: {reason}; the operator finds it by: bastide why {event}"
            )),
            Err(_) => Verdict::Refuse(UNRECORDED.into()),
        }
    }
}
