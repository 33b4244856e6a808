//! Judges the calls of a model before the program has them: one that carries what a flow rule keeps from calls is taken out.

use policy::Sink;
use record::conversation::hold::{Judge, Ruling};
use record::conversation::{Block, Content, plain};
use record::{EventId, Kind};
use sense::Bounds;

use crate::asked::Asked;
use crate::passage::Passage;

/// Where the calls of a session go, for what is looked at together.
const CALLS: &str = "calls of tools";

/// The judge of one answer.
pub(super) struct Calls<'c> {
    pub(super) passage: &'c Passage,
    pub(super) asked: &'c Asked,
    /// The request that is answered.
    pub(super) model: EventId,
    /// The same as an event that did not go through.
    pub(super) refused: Kind,
}

impl Judge for Calls<'_> {
    fn judge(&mut self, call: &Block) -> Ruling {
        let name = match &call.content {
            Content::ToolCall { name, .. } => name,
            Content::Unknown { kind, .. } => kind,
            _ => return Ruling::Pass,
        };
        let text = plain(call);
        let flows = &self.passage.flows;
        let Some(stopped) = flows.judge(CALLS, Sink::Tool, &[text.as_bytes()], &Bounds::USUAL) else {
            return Ruling::Pass;
        };
        let why = stopped.reason.clone();
        let name: String = name.chars().filter(|letter| letter.is_ascii_graphic() && *letter != '`').take(64).collect();
        match self.passage.withhold(self.asked, self.model, self.refused.clone(), (call, stopped)) {
            Ok(event) => Ruling::Instead(format!(
                "bastide took a call of `{name}` out of this answer: {why}; the operator finds it by: bastide why {event}"
            )),
            Err(_) => Ruling::Refuse("the record cannot be written, so nothing is let in".into()),
        }
    }
}
