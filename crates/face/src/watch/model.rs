//! What is known: sessions as they were told last, the order in which they are shown, and the questions that wait.

use std::collections::BTreeMap;

use wire::command::{News, SessionState, Watched};
use wire::question::Card;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now {
    /// Microseconds since the Unix epoch.
    pub(super) wall: u64,
    /// Milliseconds by a clock that is never set.
    pub(super) ticks: u64,
}

/// Sessions, by id.
#[derive(Debug, Default)]
pub(super) struct Model {
    known: BTreeMap<String, Known>,
    /// All was told once.
    pub(super) whole: bool,
}

/// One session.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) told: Watched,
    /// When, in ticks.
    at: u64,
}

impl Model {
    pub(super) fn take(&mut self, news: News, now: Now) {
        match news {
            News::Session(told) => {
                self.known.insert(told.session.id.clone(), Known { told: *told, at: now.ticks });
            }
            News::Gone { session } => drop(self.known.remove(&session)),
            News::Whole => self.whole = true,
        }
    }

    /// Who told is gone: all is told anew.
    pub(super) fn forget(&mut self) {
        *self = Model::default();
    }

    pub(super) fn get(&self, id: &str) -> Option<&Watched> {
        self.known.get(id).map(|known| &known.told)
    }

    /// The session that a word means: its id, or the newest of that name.
    pub(super) fn named(&self, word: &str) -> Option<&Watched> {
        let named = |one: &&Watched| one.session.name.as_deref() == Some(word);
        self.get(word).or_else(|| self.known.values().rev().map(|known| &known.told).find(named))
    }

    /// How many run, and how many do not.
    pub(super) fn count(&self) -> (usize, usize) {
        let running = self.known.values().filter(|known| runs(&known.told)).count();
        (running, self.known.len() - running)
    }

    /// Every session below its parent, and how deep; first those in whose tree something runs, the newest first.
    pub(super) fn tree(&self) -> Vec<(&Watched, usize)> {
        let mut below: BTreeMap<&str, Vec<&Watched>> = BTreeMap::new();
        let mut tops = Vec::new();
        for known in self.known.values().rev() {
            let parent = known.told.session.parent.as_ref().map(|parent| parent.session.as_str());
            match parent.filter(|parent| self.known.contains_key(*parent)) {
                Some(parent) => below.entry(parent).or_default().push(&known.told),
                None => tops.push(&known.told),
            }
        }
        for children in below.values_mut() {
            children.sort_by_key(|one| std::cmp::Reverse(one.session.parent.as_ref().map(|parent| parent.child)));
        }
        let (running, others): (Vec<_>, Vec<_>) = tops.into_iter().partition(|top| lives(top, &below));
        let mut open: Vec<_> = running.into_iter().chain(others).rev().map(|top| (top, 0)).collect();
        let mut shown = Vec::with_capacity(self.known.len());
        while let Some((one, depth)) = open.pop() {
            shown.push((one, depth));
            let children = below.get(one.session.id.as_str()).into_iter().flatten();
            open.extend(children.map(|child| (*child, depth + 1)));
        }
        shown
    }

    /// How many run below one.
    pub(super) fn below(&self, id: &str) -> usize {
        let mut tree = self.tree().into_iter().skip_while(|(one, _)| one.session.id != id);
        let Some((_, depth)) = tree.next() else { return 0 };
        tree.take_while(|(_, deeper)| *deeper > depth).filter(|(one, _)| runs(one)).count()
    }

    /// The questions that wait, as they stand now; the one with the least time left first.
    pub(super) fn questions(&self, now: Now) -> Vec<Card> {
        let aged = |known: &Known| {
            let passed = now.ticks.saturating_sub(known.at) / 1000;
            let cards = known.told.cards.iter().cloned();
            let age = move |card: Card| Card { age: card.age + passed, left: card.left.saturating_sub(passed), ..card };
            cards.map(age).collect::<Vec<_>>()
        };
        let mut cards: Vec<Card> = self.known.values().flat_map(aged).collect();
        cards.sort_by(|one, other| (one.left, &one.id).cmp(&(other.left, &other.id)));
        cards
    }
}

/// Whether it runs.
pub(super) fn runs(one: &Watched) -> bool {
    one.session.state == SessionState::Running
}

fn lives(one: &Watched, below: &BTreeMap<&str, Vec<&Watched>>) -> bool {
    runs(one) || below.get(one.session.id.as_str()).into_iter().flatten().any(|child| lives(child, below))
}
