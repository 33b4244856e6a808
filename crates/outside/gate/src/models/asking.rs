//! Asks the operator about calls that nothing he said speaks for, where the policy wants that. A call is held in its answer before
//! the judge of that has it; what becomes of it is decided under the policy of the moment, recorded, and only then told the judge.

use std::cell::RefCell;
use std::collections::VecDeque;

use futures_util::future::join_all;
use policy::Grounding;
use record::conversation::hold::{Judge, Ruling};
use record::conversation::{Block, Content, Conversation};
use record::{Cause, EventId, Kind, Known};
use sense::meaning::Passed;
use wire::question::Wanted;

use super::calls::{UNRECORDED, name_of};
use super::grounds::{Found, Grounds, Ungrounded};
use crate::asked::Asked;
use crate::consent::{Outcome, late};
use crate::passage::Passage;

/// Asks about the calls of one answer.
pub(crate) struct Asker<'c> {
    pub(super) passage: &'c Passage,
    pub(super) asked: &'c Asked,
    /// The request that is answered.
    pub(super) model: EventId,
    /// The same as an event that did not go through.
    pub(super) refused: Kind,
    pub(super) conversation: &'c Conversation,
    pub(super) grounds: &'c Grounds<'c>,
    /// What became of calls, in the order that they were asked about.
    pub(super) ruled: RefCell<VecDeque<([u8; 32], Ruling)>>,
}

/// Hears calls before their judge does, and lets all of them pass: what it hears goes nowhere.
pub(crate) struct Ears<'e, 'c> {
    pub(crate) asker: &'e Asker<'c>,
    /// Calls that are to be asked about.
    pub(crate) heard: &'e mut Vec<Block>,
}

impl Judge for Ears<'_, '_> {
    fn judge(&mut self, call: &Block) -> Ruling {
        if self.asker.wants(call) {
            self.heard.push(call.clone());
        }
        Ruling::Pass
    }
}

impl Asker<'_> {
    /// Whether the operator is to be asked about a call.
    fn wants(&self, call: &Block) -> bool {
        matches!(self.grounds.judge(call), Found::Against(against) if against.grounding == Grounding::Ask)
    }

    /// Asks about calls, all of them at once; ends when it is known what becomes of each.
    pub(crate) async fn ask(&self, calls: &[Block]) {
        let rulings = join_all(calls.iter().map(|call| self.decide(call))).await;
        let ruled = calls.iter().map(Block::digest).zip(rulings);
        self.ruled.borrow_mut().extend(ruled);
    }

    /// What became of a call, once.
    pub(super) fn ruled(&self, call: &Block) -> Option<Ruling> {
        let digest = call.digest();
        let mut ruled = self.ruled.borrow_mut();
        let at = ruled.iter().position(|(other, _)| *other == digest)?;
        ruled.remove(at).map(|(_, ruling)| ruling)
    }

    async fn decide(&self, call: &Block) -> Ruling {
        let held = &self.passage.held;
        let until = held.until();
        loop {
            let now = self.passage.now();
            let heard = (&self.passage.models, &self.passage.servers);
            let Some(grounds) = Grounds::of(&now, self.conversation, heard) else { return Ruling::Pass };
            let against = match grounds.judge(call) {
                Found::Nothing => return Ruling::Pass,
                Found::Endorsed(by) => return self.note(call, &by),
                Found::Against(against) => against,
            };
            let wanted = match against.grounding {
                Grounding::Ask => self.wanted(call, &against),
                _ => return self.withhold(call, &against, None),
            };
            let Some(wanted) = wanted else {
                return self.withhold(
                    call,
                    &against,
                    Some("the operator cannot be shown all of it, and was not asked"),
                );
            };
            match held.wait(wanted, until).await {
                Outcome::Once { question, .. } if self.passage.now().serial == now.serial => {
                    let passed = Passed::of(&against.judgement.effects.effects, arguments(call));
                    self.passage.models.told.pass(passed);
                    let short = question.get(..8).unwrap_or(&question);
                    return self.note(call, &format!("the operator, once (question {short})"));
                }
                Outcome::Once { .. } | Outcome::Again => {}
                Outcome::Late(question) => {
                    return self.withhold(call, &against, Some(&late(question.as_deref())));
                }
                Outcome::Refused { why, .. } => return self.withhold(call, &against, Some(&why)),
                Outcome::Unheld(why) => return self.withhold(call, &against, Some(why)),
            }
        }
    }

    /// A call goes on, and the record says by what.
    fn note(&self, call: &Block, by: &str) -> Ruling {
        match self.passage.grounded(self.model, &name_of(call), by) {
            Ok(_) => Ruling::Pass,
            Err(_) => Ruling::Refuse(UNRECORDED.into()),
        }
    }

    fn withhold(&self, call: &Block, against: &Ungrounded<'_>, why: Option<&str>) -> Ruling {
        let refused = (self.model, self.refused.clone());
        withhold(self.passage, self.asked, refused, (call, against, why))
    }

    /// What the operator is asked; nothing where it cannot be shown.
    fn wanted(&self, call: &Block, against: &Ungrounded<'_>) -> Option<Wanted> {
        let causes = std::iter::once(self.model).chain(against.events(&self.passage.models));
        self.asked.question(arguments(call), against.doubted.clone(), causes, hex(&call.digest()))
    }
}

fn arguments(call: &Block) -> &str {
    match &call.content {
        Content::ToolCall { arguments, .. } => arguments,
        Content::Unknown { json, .. } => json,
        _ => "",
    }
}

/// A call is taken out of its answer, and the record says why.
pub(super) fn withhold(
    passage: &Passage,
    asked: &Asked,
    refused: (EventId, Kind),
    (call, against, why): (&Block, &Ungrounded<'_>, Option<&str>),
) -> Ruling {
    let said = why.map(|why| format!(" As to that, {why}.")).unwrap_or_default();
    match passage.unground(asked, refused, call, (against, why)) {
        Ok(event) => Ruling::Instead(format!(
            "bastide withheld a call of `{}`: {}.{said} It was not carried out. Go on with what the operator asked for \
             without it, and tell him what you would have done; he finds it by: bastide why {event}",
            name_of(call),
            against.why()
        )),
        Err(_) => Ruling::Refuse(UNRECORDED.into()),
    }
}

impl Passage {
    /// Records by what a call goes on that the operator's words alone do not speak for.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(super) fn grounded(&self, model: EventId, name: &str, by: &str) -> std::io::Result<EventId> {
        let because = Cause { id: model, known: Known::Observed };
        let kind = Kind::Evidence {
            what: format!("ground for a call of {name}"),
            source: by.to_owned(),
            how: String::new(),
            quoted: String::new(),
        };
        self.ledger.borrow_mut().write_after([because], kind)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
