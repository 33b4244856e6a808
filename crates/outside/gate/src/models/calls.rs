//! Judges what a model says before the program has it: a call that carries what a flow rule keeps from calls is taken out,
//! and so are the words that carry what one keeps from people, and a call that nothing the operator said speaks for.

use std::collections::HashMap;

use policy::{Repeated, Sink};
use record::conversation::hold::{Cut, Judge, Ruling, Said, Signed, Verdict, Wants, Withheld};
use record::conversation::{Block, Content, Wire, is_ambiguous, plain};
use record::{EventId, Kind};
use sense::Bounds;

use super::asking::{Asker, withhold};
use super::foreign::{Ordered, Repeat, Repeats};
use super::grounds::{Found, Grounds, shown};
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
/// Why an answer ends that names too many hosts.
const MANY: &str = "bastide ended this answer: it repeats more of others' links and orders than are told";
/// Why an answer ends of which nothing can be recorded.
pub(super) const UNRECORDED: &str = "the record cannot be written, so nothing is let in";

/// The judge of one answer.
pub(super) struct Keeper<'c> {
    pub(super) passage: &'c Passage,
    pub(super) asked: &'c Asked,
    /// What its program speaks.
    pub(super) wire: Wire,
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
    /// What becomes of links that are others'.
    pub(super) repeats: Option<Repeats<'c>>,
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

/// Whether a call's arguments name something twice: programs take the first or the last, and one alone can be judged.
fn is_two(call: &Block) -> bool {
    let text = match &call.content {
        Content::ToolCall { arguments, .. } => arguments,
        Content::Unknown { json, .. } => json,
        _ => return false,
    };
    // Where a wire has a value, what is not read as one stands there as a text.
    is_ambiguous(text) || serde_json::from_str::<String>(text).is_ok_and(|text| is_ambiguous(&text))
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
            _ if self.grounds.is_some() && is_two(call) => Some(Stopped::two_ways()),
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
        let (mut cuts, mut waits) = (Vec::new(), 0);
        if self.passage.flows.guards(Sink::Human) {
            let new = said.text.len() - said.passed;
            if !said.ended && new <= WAITS {
                return Verdict::Go { cuts, waits: new };
            }
            waits = WAITS;
            if let Err(verdict) = self.labelled(said, &mut cuts) {
                return verdict;
            }
        }
        let (repeats, whole) = match &self.repeats {
            Some(repeats) => repeats.find(said),
            None => (Vec::new(), said.text.len()),
        };
        for repeat in repeats {
            let place = repeat.link.place.clone();
            match self.repeated(&repeat, &said.text[place.clone()]) {
                Ok(instead) => cuts.push(Cut { place, instead }),
                Err(verdict) => return verdict,
            }
        }
        let (orders, ends) = match &self.repeats {
            Some(repeats) => repeats.orders(said),
            None => (Vec::new(), said.text.len()),
        };
        for ordered in orders {
            match self.ordered(&ordered, &said.text[ordered.place.clone()]) {
                Ok(cut) => cuts.push(cut),
                Err(verdict) => return verdict,
            }
        }
        Verdict::Go { cuts, waits: waits.max(said.text.len() - whole.min(ends)) }
    }

    fn withheld(&mut self, withheld: Withheld) {
        self.passage.models.kept.keep(self.wire, withheld);
    }

    fn signed(&mut self, thought: Signed) {
        self.passage.models.thoughts.keep(thought);
    }
}

impl Keeper<'_> {
    /// Parts of words that carry what a flow rule keeps from people.
    fn labelled(&mut self, said: &Said<'_>, cuts: &mut Vec<Cut>) -> Result<(), Verdict> {
        let places = self.passage.flows.places(said.text.as_bytes(), Sink::Human);
        let parts = places.map_err(|stopped| self.refuse(stopped))?;
        for (place, stopped) in parts.into_iter().filter(|(place, _)| place.end > said.passed) {
            let instead = self.mark(stopped)?;
            cuts.push(Cut { place, instead });
        }
        Ok(())
    }

    /// What stands in the place of a link that is others'. Each host is recorded once in an answer.
    fn repeated(&mut self, repeat: &Repeat<'_, '_>, whole: &str) -> Result<String, Verdict> {
        let (host, cut) = (shown(repeat.link.host), repeat.becomes == Repeated::Cut);
        let key = format!("{} {host}", repeat.becomes.name());
        let event = match self.told.get(&key) {
            Some(event) => *event,
            None if self.told.len() >= MOST => return Err(Verdict::Refuse(MANY.into())),
            None => {
                let refused = cut.then(|| self.refused.clone());
                let event = self.passage.repeats(self.asked, self.model, refused, (repeat, whole));
                let event = event.map_err(|_| Verdict::Refuse(UNRECORDED.into()))?;
                self.told.insert(key, event);
                event
            }
        };
        let what = if repeat.link.image { "an image" } else { "a link" };
        Ok(match cut {
            true => format!(
                "{} [bastide left out {what} to `{host}`, which only what was read names: bastide why {event}]",
                repeat.link.label()
            ),
            false => format!("{whole} [bastide: only what was read names `{host}`: bastide why {event}]"),
        })
    }

    /// What becomes of a sentence that repeats what others order. Each is recorded once in an answer.
    fn ordered(&mut self, ordered: &Ordered<'_>, whole: &str) -> Result<Cut, Verdict> {
        let cut = ordered.becomes == Repeated::Cut;
        let key = format!("{} {}", ordered.becomes.name(), whole.trim());
        let event = match self.told.get(&key) {
            Some(event) => *event,
            None if self.told.len() >= MOST => return Err(Verdict::Refuse(MANY.into())),
            None => {
                let refused = cut.then(|| self.refused.clone());
                let event = self.passage.ordered(self.asked, self.model, refused, (ordered, whole.trim()));
                let event = event.map_err(|_| Verdict::Refuse(UNRECORDED.into()))?;
                self.told.insert(key, event);
                event
            }
        };
        let gap = whole.len() - whole.trim_end().len();
        let gap = &whole[whole.len() - gap..];
        if cut {
            let instead = format!(
                "[bastide left out words that repeat what was read, and order something: bastide why {event}]{gap}"
            );
            return Ok(Cut { place: ordered.place.clone(), instead });
        }
        // Only its end is put anew: what stands within it may be cut for itself.
        let last = whole.trim_end().chars().next_back().map_or(0, char::len_utf8);
        let (from, last) = match gap.is_empty() {
            true => (ordered.place.end - last, &whole[whole.len() - last..]),
            false => (ordered.place.end - gap.len(), ""),
        };
        let instead = format!(
            "{last} [bastide: these words repeat what was read, and order something: bastide why {event}]{gap}"
        );
        Ok(Cut { place: from..ordered.place.end, instead })
    }

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
