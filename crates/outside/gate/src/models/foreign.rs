//! Links and images in a model's words whose host only others brought up: what a policy has done with them before a person
//! sees them.

use std::cell::OnceCell;
use std::io;

use policy::{Conjunction, Foreign, Intent, Repeated};
use record::conversation::hold::Said;
use record::conversation::{Block, Content, Conversation, Speaker};
use record::{Cause, EventId, Kind, Known};
use sense::meaning::{Brought, Link, links, open};

use super::Models;
use crate::asked::Asked;
use crate::passage::Passage;

/// Letters of an address that the record quotes.
const MOST_QUOTED: usize = 400;

/// What the policies have done with what one answer repeats.
pub(super) struct Repeats<'c> {
    foreign: Foreign,
    /// What stands as the user's is the operator's, by every policy.
    vouched: bool,
    conversation: &'c Conversation,
    models: &'c Models,
    /// Read when the first link comes, and not where none does.
    words: OnceCell<Words<'c>>,
}

#[derive(Default)]
struct Words<'c> {
    own: Vec<&'c str>,
    others: Vec<&'c str>,
    blocks: Vec<&'c Block>,
}

/// One link that is others'.
pub(super) struct Repeat<'c, 't> {
    pub(super) link: Link<'t>,
    pub(super) becomes: Repeated,
    /// What brought it up.
    pub(super) source: &'c Block,
}

impl<'c> Repeats<'c> {
    /// Nothing where every policy has words pass.
    pub(super) fn of(
        policy: &'c Conjunction,
        conversation: &'c Conversation,
        models: &'c Models,
    ) -> Option<Repeats<'c>> {
        let foreign = policy.policies().map(|one| one.foreign).fold(Foreign::default(), Foreign::and);
        let vouched = policy.policies().all(|one| one.intent == Intent::UserRole);
        foreign.looks().then(|| Repeats { foreign, vouched, conversation, models, words: OnceCell::new() })
    }

    /// What of these words is others', and where what may go on begins.
    pub(super) fn find<'t>(&self, said: &Said<'t>) -> (Vec<Repeat<'c, 't>>, usize) {
        let whole = if said.ended { said.text.len() } else { open(said.text).unwrap_or(said.text.len()) };
        let found = links(said.text).into_iter().filter(|link| link.place.end > said.passed && link.place.end <= whole);
        let found = found.filter_map(|link| {
            let becomes = if link.image { self.foreign.images } else { self.foreign.links };
            let words = self.words.get_or_init(|| self.read());
            let brought = Brought { own: &words.own, others: &words.others };
            let source = words.blocks.get(brought.by_others(link.host)?)?;
            (becomes != Repeated::Pass).then_some(Repeat { link, becomes, source })
        });
        (found.collect(), whole)
    }

    fn read(&self) -> Words<'c> {
        let mut words = Words::default();
        for block in &self.conversation.blocks {
            let own = block.speaker == Speaker::User && (self.vouched || self.models.attests(block));
            match (block.speaker, &block.content) {
                (Speaker::System | Speaker::Assistant, _) => {}
                (_, Content::Text(text)) if own => words.own.push(text),
                (_, Content::Text(text) | Content::Unknown { json: text, .. } | Content::ToolResult { text, .. }) => {
                    words.others.push(text);
                    words.blocks.push(block);
                }
                _ => {}
            }
        }
        words
    }
}

impl Passage {
    /// Records that a model repeats an address whose host only others' words name, and where they do; `refused` is the event where
    /// it is left out.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(super) fn repeats(
        &self,
        asked: &Asked,
        model: EventId,
        refused: Option<Kind>,
        (repeat, whole): (&Repeat<'_, '_>, &str),
    ) -> io::Result<EventId> {
        let because = Cause { id: model, known: Known::Observed };
        let given = self.models.given(repeat.source);
        let host = repeat.link.host;
        let evidence = Kind::Evidence {
            what: format!("an address whose host, {host}, only what was read names"),
            source: given.map_or_else(|| "what was read".into(), |id| format!("what a tool gave, {id}")),
            how: String::new(),
            quoted: whole.chars().take(MOST_QUOTED).collect(),
        };
        let from = [because].into_iter().chain(given.map(|id| Cause { id, known: Known::Observed }));
        let evidence = self.ledger.borrow_mut().write_after(from, evidence)?;
        let Some(mut kind) = refused else { return Ok(evidence) };
        if let Kind::Model { rule, reason, .. } = &mut kind {
            let which = if repeat.link.image { "images" } else { "links" };
            *rule = Some(format!("foreign: {{{which}: cut}}"));
            *reason = Some(format!("words were taken out of the answer: only what was read names {host}"));
        }
        let causes = asked.exec().into_iter().chain([Cause { id: evidence, known: Known::Observed }, because]);
        self.ledger.borrow_mut().write_after(causes.collect::<Vec<_>>(), kind)
    }
}
