//! What of labelled texts left in drops, to whomever: places in the texts, never their words.
//!
//! A [`crate::Window`] joins what is said to one destination, in its order. Here a drop is looked up in the text that it is of, and goes
//! on where another ended there, whatever was said between them and wherever either went. Only that counts: words which everybody uses
//! stand anywhere in a text, and would add up to all of it.

use std::collections::VecDeque;

use crate::Bounds;
use crate::corpus::{Corpus, SourceId};
use crate::evidence::{Found, Scan, Stands};
use crate::matcher::LEAST;
use crate::scan::Walk;
use crate::window::Fresh;
use crate::{Coding, Label};

/// Letters in the shortest drop that is looked up: fewer stand in ordinary words.
pub(crate) const DROP: usize = 13;

/// Letters by which a drop may reach into the one before it: what stands beside it goes on like the text by chance.
const OVER: u32 = 4;

/// Drops that are known, the latest of them.
const KNOWN: usize = 4096;

/// Places of one drop that are kept: a text may say the same more than once.
pub(crate) const PLACES: usize = 4;

/// What left in drops.
#[derive(Debug, Clone, Default)]
pub struct Drips(VecDeque<Drop>);

/// A run of letters of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) source: u32,
    /// Where it begins and ends among the letters of the source.
    pub(crate) begin: u32,
    pub(crate) end: u32,
}

/// The drops of one request, each with what it goes on with.
#[derive(Debug, Default)]
pub struct Drops(Vec<Drop>);

impl Drips {
    /// The drops in what a request says anew. What they come to with those before them is added to what was found, of labels
    /// that `guarded` says may not leave there.
    #[must_use]
    pub fn scan(
        &self,
        corpus: &Corpus,
        fresh: &Fresh,
        bounds: &Bounds,
        guarded: impl Fn(Label) -> bool,
        scan: &mut Scan,
    ) -> Drops {
        let mut drops = Walk::drops(corpus, fresh.text(), bounds);
        drops.retain(|drop| corpus.sources[drop.source as usize].label.is_some_and(&guarded));
        for drop in &mut drops {
            let touches = |known: &&Drop| (known.end.saturating_sub(OVER)..=known.end).contains(&drop.begin);
            let before = self.0.iter().filter(|known| known.source == drop.source && known.begin < drop.begin);
            let before = before.filter(touches);
            // The longest: it may go on with several.
            drop.begin = before.map(|known| known.begin).min().unwrap_or(drop.begin);
        }
        for drop in drops.iter().filter(|drop| (drop.end - drop.begin) as usize >= LEAST) {
            let source = &corpus.sources[drop.source as usize];
            let known = scan.found.iter().any(|found| Some(found.label) == source.label);
            if let Some(label) = source.label.filter(|_| !known) {
                let letters = drop.begin as usize..drop.end as usize;
                let quoted = Stands::Bytes(source.places.unfold(&source.text, &letters)).quoted(source);
                let (source, length) = (SourceId(drop.source), letters.len());
                scan.found.push(Found { label, source, how: vec![Coding::Drops], quoted, length });
            }
        }
        Drops(drops)
    }

    /// Takes the drops of a request, let out or not: what goes on with one that was stopped is to be stopped as well. Those
    /// before it stay, or it could be said again.
    pub fn keep(&mut self, drops: Drops) {
        for drop in drops.0 {
            if !self.0.contains(&drop) {
                self.0.push_back(drop);
            }
        }
        self.0.drain(..self.0.len().saturating_sub(KNOWN));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Window;

    const MEMO: &str = include_str!("../tests/wrap/memo.txt");

    /// Whether what is said to several destinations is found, and how many letters of the memo went out before it was.
    fn told(requests: &[(usize, String)]) -> (bool, usize) {
        let mut corpus = Corpus::new();
        corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
        let (mut drips, mut windows) = (Drips::default(), vec![Window::new(4096); 8]);
        let mut found = false;
        for (to, request) in requests {
            let window = &mut windows[*to];
            let (mut scan, fresh) = window.scan(&corpus, &[request.as_bytes()], &Bounds::USUAL);
            let drops = drips.scan(&corpus, &fresh, &Bounds::USUAL, |_| true, &mut scan);
            drips.keep(drops);
            match scan.found.is_empty() {
                true => window.keep(fresh),
                false => {
                    window.keep_end(&scan, &fresh);
                    found = true;
                }
            }
            if found {
                return (true, 0);
            }
        }
        (false, requests.len())
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn drops_over_many_destinations_are_found_as_over_one(
            from in 0usize..400, length in 24usize..44, to in 1usize..8, noise in 0usize..3, coded in any::<bool>(),
        ) {
            let text = MEMO.get(from..from + 240).unwrap_or(&MEMO[..240]);
            let mut requests = Vec::new();
            for (at, drop) in text.as_bytes().chunks(length).enumerate() {
                let drop = String::from_utf8_lossy(drop);
                requests.push((at % to, if coded { format!("id={}", hex(&drop)) } else { format!("note {at}: {drop}") }));
                for other in 0..noise {
                    requests.push(((at + other) % to, format!("row {at}-{other} has {} of nineteen tall oak chairs", at * 7 + other)));
                }
            }
            prop_assert!(told(&requests).0, "{requests:?}");
        }
    }

    #[test]
    fn words_of_a_text_in_another_order_are_not_found() {
        let words: Vec<&str> = MEMO.split_inclusive(' ').collect();
        let mut requests: Vec<(usize, String)> =
            words.chunks(4).enumerate().map(|(at, some)| (at % 3, some.concat())).collect();
        requests.reverse();
        assert!(!told(&requests).0);
    }
}
