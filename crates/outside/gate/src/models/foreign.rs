//! Links and images in a model's words whose host only others brought up, and sentences that repeat what others order: what a
//! policy has done with them before a person sees them.

use std::cell::OnceCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use policy::{Conjunction, Foreign, Intent, Repeated};
use record::conversation::hold::Said;
use record::conversation::{Block, Conversation, Whose};
use record::{Cause, EventId, Kind, Known};
use sense::meaning::{Brought, Link, Order, links, open, repeats, sentences};

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
    /// What others order, for each of their texts; read when the first sentence comes.
    orders: OnceCell<Vec<Rc<Vec<Order>>>>,
}

#[derive(Default)]
struct Words<'c> {
    own: Vec<&'c str>,
    others: Vec<&'c str>,
    blocks: Vec<&'c Block>,
}

/// One sentence that repeats what others order.
pub(super) struct Ordered<'c> {
    pub(super) place: Range<usize>,
    pub(super) becomes: Repeated,
    /// What orders it.
    pub(super) source: &'c Block,
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
        foreign.looks().then(|| Repeats {
            foreign,
            vouched,
            conversation,
            models,
            words: OnceCell::new(),
            orders: OnceCell::new(),
        })
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

    /// The sentences that repeat what others order, and where what may go on begins.
    pub(super) fn orders(&self, said: &Said<'_>) -> (Vec<Ordered<'c>>, usize) {
        let becomes = self.foreign.instructions;
        if becomes == Repeated::Pass {
            return (Vec::new(), said.text.len());
        }
        let (found, whole) = sentences(said.text, said.ended);
        let one = |place: Range<usize>| {
            let words = self.words.get_or_init(|| self.read());
            let orders = self.orders.get_or_init(|| words.others.iter().map(|text| self.models.orders(text)).collect());
            let others = orders.iter().map(|orders| orders.as_slice());
            let source = words.blocks.get(repeats(&said.text[place.clone()], &words.own, others)?)?;
            Some(Ordered { place, becomes, source })
        };
        (found.into_iter().filter(|place| place.end > said.passed).filter_map(one).collect(), whole)
    }

    fn read(&self) -> Words<'c> {
        let mut words = Words::default();
        for block in &self.conversation.blocks {
            match block.whose(self.vouched || self.models.attests(block)) {
                Whose::Neither => {}
                Whose::Operators(text) => words.own.push(text),
                Whose::Others(text) => {
                    words.others.push(text);
                    words.blocks.push(block);
                }
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
        let host = repeat.link.host;
        let refused = refused.map(|kind| {
            let which = if repeat.link.image { "images" } else { "links" };
            (kind, which, format!("only what was read names {host}"))
        });
        let what = format!("an address whose host, {host}, only what was read names");
        self.foreign(asked, model, refused, (what, repeat.source, whole))
    }

    /// The same of a sentence that repeats what others order.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(super) fn ordered(
        &self,
        asked: &Asked,
        model: EventId,
        refused: Option<Kind>,
        (ordered, whole): (&Ordered<'_>, &str),
    ) -> io::Result<EventId> {
        let refused =
            refused.map(|kind| (kind, "instructions", "they repeat what was read, and order something".into()));
        let what = "words that repeat what was read, and order something".to_owned();
        self.foreign(asked, model, refused, (what, ordered.source, whole))
    }

    fn foreign(
        &self,
        asked: &Asked,
        model: EventId,
        refused: Option<(Kind, &str, String)>,
        (what, source, whole): (String, &Block, &str),
    ) -> io::Result<EventId> {
        let because = Cause { id: model, known: Known::Observed };
        let given = self.models.given(source);
        let evidence = Kind::Evidence {
            what,
            source: given.map_or_else(|| "what was read".into(), |id| format!("what a tool gave, {id}")),
            how: String::new(),
            quoted: whole.chars().take(MOST_QUOTED).collect(),
        };
        let from = [because].into_iter().chain(given.map(|id| Cause { id, known: Known::Observed }));
        let evidence = self.ledger.borrow_mut().write_after(from, evidence)?;
        let Some((mut kind, which, why)) = refused else { return Ok(evidence) };
        if let Kind::Model { rule, reason, .. } = &mut kind {
            *rule = Some(format!("foreign: {{{which}: cut}}"));
            *reason = Some(format!("words were taken out of the answer: {why}"));
        }
        let causes = asked.exec().into_iter().chain([Cause { id: evidence, known: Known::Observed }, because]);
        self.ledger.borrow_mut().write_after(causes.collect::<Vec<_>>(), kind)
    }
}
