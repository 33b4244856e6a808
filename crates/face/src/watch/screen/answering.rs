//! Cards and prompts: which key is an answer, and when it is one. What is sent names what was drawn, and nothing that came since.

use wire::question::{Card, Say};

use super::{Asked, Of, Over, PAUSE, READ_ONLY, Screen, Sure, View, named};
use crate::show::card::KEYS;
use crate::watch::hand::Effect;
use crate::watch::keys::Key;
use crate::watch::model::{Now, runs};

/// How much a card covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::watch) struct Stood {
    newest: Option<u64>,
    waiting: usize,
}

impl Asked {
    /// The card as it stood there first: what began to wait under the operator's fingers is not covered by it.
    pub(in crate::watch) fn as_it_stood(&mut self, card: Card) -> Card {
        let Card { newest, waiting, .. } = card;
        let stood = *self.stood.get_or_insert(Stood { newest, waiting });
        Card { newest: stood.newest, waiting: waiting.min(stood.waiting), ..card }
    }
}

impl Screen {
    pub(super) fn begin_stop(&mut self, now: Now) {
        let Some(session) = self.subject(now) else { return drop(self.missed()) };
        if self.hand.is_none() {
            self.message = Some(READ_ONLY.to_owned());
        } else if self.model.get(&session).is_none_or(|one| !runs(one)) {
            self.message = Some("it does not run".to_owned());
        } else {
            self.over = Some(Over::Sure(Sure { of: Of::Stop(session), since: None, back: None }));
        }
    }

    /// Shows the card of the chosen question, or of the first of the chosen session.
    pub(super) fn begin_answer(&mut self, now: Now) {
        let id = match &self.view {
            View::Queue => self.queue.chosen().map(str::to_owned),
            _ => {
                let session = self.subject(now);
                let own = |card: &Card| Some(&card.session) == session.as_ref();
                self.model.questions(now).into_iter().find(own).map(|card| card.id)
            }
        };
        match id {
            Some(id) => self.over = Some(Over::Card(Asked { id, ..Asked::default() })),
            None if self.view == View::Queue => drop(self.missed()),
            None => self.message = Some("no question of it waits".to_owned()),
        }
    }

    /// A key while a card stands there.
    pub(super) fn answered(&mut self, mut asked: Asked, key: Key, rested: bool, now: Now) -> Option<Effect> {
        match key {
            Key::Escape | Key::Char('q') => return None,
            Key::Char('n') => {
                let ids = self.question_ids(now);
                let at = ids.iter().position(|id| *id == asked.id).map_or(0, |at| at + 1);
                let next = ids.get(at).or(ids.first()).filter(|id| **id != asked.id).cloned();
                match next {
                    Some(id) => {
                        self.queue.choose(&ids, ids.iter().position(|one| *one == id).unwrap_or(0));
                        self.over = Some(Over::Card(Asked { id, ..Asked::default() }));
                    }
                    None => self.message = Some("no other question waits".to_owned()),
                }
                return None;
            }
            Key::Down | Key::Enter | Key::Char('j') => asked.top = asked.top.saturating_add(1),
            Key::Up | Key::Char('k') => asked.top = asked.top.saturating_sub(1),
            Key::PageDown | Key::Char(' ') => asked.top = asked.top.saturating_add_signed(self.height()),
            Key::PageUp => asked.top = asked.top.saturating_add_signed(-self.height()),
            Key::Home | Key::Char('g') => asked.top = 0,
            Key::End | Key::Char('G') => asked.top = usize::MAX,
            Key::Char(letter) => return self.chose(asked, letter, rested, now),
            _ => {}
        }
        self.over = Some(Over::Card(asked));
        None
    }

    /// A letter that may be an answer.
    fn chose(&mut self, mut asked: Asked, letter: char, rested: bool, now: Now) -> Option<Effect> {
        let say = KEYS.iter().find(|(key, _)| char::from(*key) == letter).map(|(_, say)| *say);
        let stood = asked.since.is_some_and(|since| now.ticks.saturating_sub(since) >= PAUSE) && rested;
        let card = self.card(&asked.id, now).filter(|_| !asked.gone);
        let offered = say.filter(|say| card.as_ref().is_some_and(|card| card.offers(*say)));
        // A denial lets nothing through, whatever was read of the card.
        let read = asked.seen || matches!(say, Some(Say::Deny));
        let id = asked.id.clone();
        let shown = card.clone().map(|card| asked.as_it_stood(card).reference());
        match (&self.hand, offered) {
            (None, Some(_)) => self.message = Some(READ_ONLY.to_owned()),
            (Some(_), Some(_)) if !stood => {}
            (Some(_), Some(_)) if !read => self.message = Some("read it to its end first: PageDown".to_owned()),
            (Some(_), Some(Say::Always)) => {
                self.over = Some(Over::Sure(Sure { of: Of::Always(id), since: None, back: Some(asked) }));
                return None;
            }
            (Some(hand), Some(say)) => {
                let effect = hand.answer(shown.unwrap_or(id), say);
                self.message = Some("answering…".to_owned());
                return Some(effect);
            }
            // A key that this card does not offer does nothing.
            (_, None) => {}
        }
        self.over = Some(Over::Card(asked));
        None
    }

    /// A key while a yes or a no is waited for.
    pub(super) fn sure(&mut self, sure: Sure, key: Key, rested: bool, now: Now) -> Option<Effect> {
        let stood = sure.since.is_some_and(|since| now.ticks.saturating_sub(since) >= PAUSE) && rested;
        let stood = stood && !sure.back.as_ref().is_some_and(|asked| asked.gone);
        match (key, &self.hand) {
            (Key::Char('y'), Some(hand)) if stood => {
                let effect = match &sure.of {
                    Of::Stop(session) => {
                        self.message = Some(format!("stopping {}…", named(&self.model, session)));
                        hand.stop(session)
                    }
                    Of::Always(id) => {
                        self.message = Some("answering…".to_owned());
                        hand.answer(id.clone(), Say::Always)
                    }
                };
                return Some(effect);
            }
            (Key::Char('n' | 'q') | Key::Escape, _) => {
                // It has to stand there for a while again.
                self.over = sure.back.map(|asked| Over::Card(Asked { since: None, stood: None, ..asked }));
            }
            _ => self.over = Some(Over::Sure(sure)),
        }
        None
    }
}
