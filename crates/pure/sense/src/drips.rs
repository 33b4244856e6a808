//! What of labelled texts left in drops, to whomever and whoever said it: places in the texts, never their words.
//!
//! A [`crate::Window`] joins what is said to one destination, in its order. Here a drop is looked up in the text that it is of, and goes
//! on where another ended there, whatever was said between them, wherever either went and whichever cell of a tree said it. Only that
//! counts: words which everybody uses stand anywhere in a text, and would add up to all of it.
//!
//! Cells that know the same text know it by the same digest. [`Drips`] follows from the order in which it takes places and from nothing
//! else, so whoever takes the same ones in the same order comes to the same.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::corpus::{Corpus, SourceId};
use crate::evidence::{Found, Scan, Stands};
use crate::matcher::LEAST;
use crate::scan::Walk;
use crate::window::Fresh;
use crate::{Bounds, Coding, Label};

/// Letters in the shortest drop that is looked up: fewer stand in ordinary words.
pub(crate) const DROP: usize = 13;

/// Letters by which a drop may reach into the one before it: what stands beside it goes on like the text by chance.
const OVER: u32 = 4;

/// Cells that are named of those which said a run.
const NAMED: usize = 4;

/// Places of one drop that are kept: a text may say the same more than once.
pub(crate) const PLACES: usize = 4;

/// A labelled text, wherever it is known: the beginning of the SHA-256 of its letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub [u8; 16]);

/// Which cell of a tree said something: a number of the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Speaker(pub u16);

/// A run of letters of a labelled text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which text.
    pub text: TextId,
    /// Where it begins and ends among the letters of the text.
    pub begin: u32,
    /// The end, which is not part of it.
    pub end: u32,
}

/// A run of letters of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) source: u32,
    pub(crate) begin: u32,
    pub(crate) end: u32,
}

/// The drops of one request.
#[derive(Debug, Default)]
pub struct Drops(Vec<(SourceId, Place)>);

impl Drops {
    /// The drops in what a request says anew, of labels that `guarded` says may not leave there.
    #[must_use]
    pub fn of(corpus: &Corpus, fresh: &Fresh, bounds: &Bounds, guarded: impl Fn(Label) -> bool) -> Drops {
        let drops = Walk::drops(corpus, fresh.text(), bounds).into_iter().filter(|drop| {
            let source = &corpus.sources[drop.source as usize];
            // What has fewer letters never comes to what is told.
            source.folded.len() >= LEAST && source.label.is_some_and(&guarded)
        });
        let place = |Drop { source, begin, end }: Drop| {
            let source = SourceId(source);
            (source, Place { text: corpus.text_id(source), begin, end })
        };
        Drops(drops.map(place).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The source of the first of them.
    #[must_use]
    pub fn first(&self) -> Option<SourceId> {
        self.0.first().map(|(source, _)| *source)
    }

    /// Where they stand, each place once, in the order in which they were said.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let mut seen = HashSet::new();
        self.0.iter().map(|(_, place)| *place).filter(move |place| seen.insert(*place))
    }

    /// Adds what they come to, with those before them that they go on with, to what was found; `own` is who says them.
    pub fn evidence(&self, corpus: &Corpus, drips: &Drips, own: Speaker, scan: &mut Scan) {
        for (id, place) in &self.0 {
            let source = &corpus.sources[id.0 as usize];
            let before = drips.before(place);
            let begin = before.map_or(place.begin, |run| run.begin);
            let known = scan.found.iter().any(|found| Some(found.label) == source.label);
            let letters = begin as usize..place.end as usize;
            if let Some(label) = source.label.filter(|_| !known && letters.len() >= LEAST) {
                let quoted = Stands::Bytes(source.places.unfold(&source.text, &letters)).quoted(source);
                let by = before.iter().flat_map(Run::by).copied().filter(|one| *one != own).collect();
                scan.found.push(Found {
                    label,
                    source: *id,
                    how: vec![Coding::Drops],
                    quoted,
                    length: letters.len(),
                    by,
                });
            }
        }
    }
}

/// What left in drops, or was to: what goes on with one that was stopped is to be stopped as well. Nothing is ever forgotten; the
/// caller bounds what it takes.
#[derive(Debug, Clone, Default)]
pub struct Drips {
    /// By numbers: there are few of them.
    texts: HashMap<TextId, u32>,
    /// The longest run of a text that ends there.
    ends: BTreeMap<(u32, u32), Run>,
}

/// Drops that go on with each other.
#[derive(Debug, Clone, Copy)]
struct Run {
    begin: u32,
    /// Who said them: the first cells of them.
    by: [Speaker; NAMED],
    named: u8,
}

impl Run {
    fn by(&self) -> &[Speaker] {
        &self.by[..usize::from(self.named)]
    }

    fn add(&mut self, by: Speaker) {
        let named = usize::from(self.named);
        if named < NAMED && !self.by().contains(&by) {
            self.by[named] = by;
            self.named += 1;
        }
    }
}

impl Drips {
    /// Takes the drops of one request that is about to be let out or stopped. They go on with those of requests before it, and not
    /// with each other: a long one shares phrases from all over a text.
    pub fn take(&mut self, request: &[Place], by: Speaker) {
        let run = |place: &Place| {
            let alone = Run { begin: place.begin, by: [by; NAMED], named: 0 };
            let mut run = self.before(place).unwrap_or(alone);
            run.add(by);
            run
        };
        let runs: Vec<Run> = request.iter().map(run).collect();
        for (place, run) in request.iter().zip(runs) {
            let next = self.texts.len() as u32;
            let text = *self.texts.entry(place.text).or_insert(next);
            if self.ends.get(&(text, place.end)).is_none_or(|known| run.begin < known.begin) {
                self.ends.insert((text, place.end), run);
            }
        }
    }

    /// Whether taking it by itself would change nothing.
    #[must_use]
    pub fn knows(&self, place: &Place) -> bool {
        let begin = self.before(place).map_or(place.begin, |run| run.begin);
        let known = self.texts.get(&place.text).and_then(|text| self.ends.get(&(*text, place.end)));
        known.is_some_and(|known| known.begin <= begin)
    }

    /// What it goes on with: of several the longest.
    fn before(&self, place: &Place) -> Option<Run> {
        let text = *self.texts.get(&place.text)?;
        let ends = (text, place.begin)..=(text, place.begin.saturating_add(OVER));
        let touching = self.ends.range(ends).map(|(_, run)| *run).filter(|run| run.begin < place.begin);
        touching.min_by_key(|run| run.begin)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Window;

    const MEMO: &str = include_str!("../tests/wrap/memo.txt");

    /// Cells of one tree, each of which knows the memo and what the others said in drops.
    struct Cells {
        corpora: Vec<Corpus>,
        windows: Vec<Vec<Window>>,
        drips: Drips,
    }

    /// What came of what was said.
    #[derive(Debug, PartialEq)]
    enum Came {
        /// Nothing was found.
        Passed,
        /// The cell and the number of the request, and who had said what it goes on with.
        Stopped(usize, usize, Vec<Speaker>),
    }

    impl Cells {
        fn new(cells: usize) -> Cells {
            let corpus = |cell: usize| {
                let mut corpus = Corpus::new();
                // Each under numbers of its own.
                for other in 0..cell {
                    corpus
                        .add(Label(7), format!("what cell {other} alone knows, and nobody else").as_bytes())
                        .expect("there is room");
                }
                corpus.add(Label(cell as u16), MEMO.as_bytes()).expect("there is room");
                corpus
            };
            let corpora = (0..cells).map(corpus).collect();
            Cells { corpora, windows: vec![vec![Window::new(4096); 8]; cells], drips: Drips::default() }
        }

        /// Says each in its order, until one is stopped.
        fn say(&mut self, requests: &[(usize, usize, String)]) -> Came {
            for (at, (cell, to, request)) in requests.iter().enumerate() {
                let (corpus, window) = (&self.corpora[*cell], &mut self.windows[*cell][*to]);
                let (mut scan, fresh) = window.scan(corpus, &[request.as_bytes()], &Bounds::USUAL);
                let drops = Drops::of(corpus, &fresh, &Bounds::USUAL, |label| label == Label(*cell as u16));
                drops.evidence(corpus, &self.drips, Speaker(*cell as u16), &mut scan);
                self.drips.take(&drops.places().collect::<Vec<_>>(), Speaker(*cell as u16));
                match scan.found.pop() {
                    None => window.keep(fresh),
                    Some(found) => return Came::Stopped(*cell, at, found.by),
                }
            }
            Came::Passed
        }
    }

    #[test]
    fn the_shortest_drop_is_found_by_itself() {
        let mut corpus = Corpus::new();
        corpus.add(Label(1), MEMO.as_bytes()).expect("there is room");
        for at in 0..40 {
            let piece = &pieces(at, &[DROP])[0];
            for request in [piece.clone(), hex(piece)] {
                assert!(!Walk::drops(&corpus, request.as_bytes(), &Bounds::USUAL).is_empty(), "{request}");
            }
        }
    }

    fn letters(text: &str) -> usize {
        text.bytes().filter(u8::is_ascii_alphanumeric).count()
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The memo from a place on, cut into pieces with so many letters each.
    fn pieces(from: usize, lengths: &[usize]) -> Vec<String> {
        let (mut rest, mut pieces) = (&MEMO[from..], Vec::new());
        for &length in lengths {
            let end = rest.char_indices().filter(|(_, one)| one.is_ascii_alphanumeric()).nth(length - 1);
            let Some((end, last)) = end else { break };
            let (piece, after) = rest.split_at(end + last.len_utf8());
            pieces.push(piece.to_owned());
            rest = after;
        }
        pieces
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        /// However a text is cut over the cells of a tree and their destinations, fewer letters of it leave than are told.
        #[test]
        fn drops_over_cells_and_destinations_are_found_as_over_one(
            from in 0usize..400,
            lengths in proptest::collection::vec(DROP..LEAST, 8),
            said in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..8), 8),
            cells in 1usize..8,
            noise in 0usize..3,
            coded in any::<bool>(),
        ) {
            let from = (0..=from).rev().find(|at| MEMO.is_char_boundary(*at)).unwrap_or(0);
            let (mut requests, mut whole) = (Vec::new(), Vec::new());
            for (at, (piece, (cell, to))) in pieces(from, &lengths).into_iter().zip(&said).enumerate() {
                let cell = cell.index(cells);
                whole.push((requests.len(), letters(&piece)));
                requests.push((cell, *to, if coded { format!("id={}", hex(&piece)) } else { format!("note {at}: {piece}") }));
                for other in 0..noise {
                    let row = format!("row {at}-{other} has {} of nineteen tall oak chairs", at * 7 + other);
                    requests.push(((cell + other) % cells, (to + other) % 8, row));
                }
            }
            let Came::Stopped(_, at, _) = Cells::new(cells).say(&requests) else {
                return Err(TestCaseError::fail(format!("nothing was stopped: {requests:?}")));
            };
            let left: usize = whole.iter().filter(|(request, _)| *request < at).map(|(_, letters)| letters).sum();
            prop_assert!(left < LEAST, "{left} letters left: {requests:?}");
        }

        /// Whoever takes the same drops in the same order says the same of each, whatever others take beside them.
        #[test]
        fn what_changes_nothing_is_known(
            places in proptest::collection::vec((0u8..3, 0u32..60, 13u32..48, 0u16..4), 1..60),
        ) {
            let mut drips = Drips::default();
            for (text, begin, length, by) in places {
                let place = Place { text: TextId([text; 16]), begin, end: begin + length };
                let (known, before) = (drips.knows(&place), format!("{drips:?}"));
                drips.take(&[place], Speaker(by));
                prop_assert_eq!(known, before == format!("{drips:?}"));
                prop_assert!(drips.knows(&place));
            }
        }
    }

    #[test]
    fn who_said_what_a_drop_goes_on_with_is_told() {
        let cut = pieces(0, &[20, 20, 20]);
        let said = |cells: [usize; 3]| {
            let requests: Vec<_> = cells.iter().zip(&cut).map(|(cell, piece)| (*cell, 0, piece.clone())).collect();
            Cells::new(4).say(&requests)
        };
        assert_eq!(said([1, 3, 2]), Came::Stopped(2, 2, vec![Speaker(1), Speaker(3)]));
        assert_eq!(said([2, 1, 2]), Came::Stopped(2, 2, vec![Speaker(1)]));
        // By what it says to one destination it is found without them.
        assert_eq!(said([2, 2, 2]), Came::Stopped(2, 2, vec![]));
    }

    #[test]
    fn what_is_of_no_text_that_both_know_is_not_joined() {
        let mut cells = Cells::new(2);
        cells.corpora[1] = Corpus::new();
        cells.corpora[1].add(Label(1), &MEMO.as_bytes()[1..]).expect("there is room");
        let cut = pieces(1, &[30, 30]);
        assert_eq!(cells.say(&[(0, 0, cut[0].clone()), (1, 0, cut[1].clone())]), Came::Passed);
    }

    #[test]
    fn words_of_a_text_in_another_order_are_not_found() {
        let words: Vec<&str> = MEMO.split_inclusive(' ').collect();
        let mut requests: Vec<_> =
            words.chunks(4).enumerate().map(|(at, some)| (at % 2, at % 3, some.concat())).collect();
        requests.reverse();
        assert_eq!(Cells::new(2).say(&requests), Came::Passed);
    }

    /// A document that begins with a licence says no more of itself by that.
    #[test]
    fn what_is_public_is_no_drop() {
        let licence: String = include_str!("../../../../LICENSE").chars().take(2000).collect();
        let mut cells = Cells::new(2);
        for (at, corpus) in cells.corpora.iter_mut().enumerate() {
            corpus.add(Label(at as u16), format!("{licence}\n{MEMO}").as_bytes()).expect("there is room");
            corpus.make_public(licence.as_bytes()).expect("there is room");
        }
        assert_eq!(cells.say(&[(0, 0, licence.clone())]), Came::Passed);
        let lines = licence.lines().enumerate().map(|(at, line)| (at % 2, at % 3, line.to_owned()));
        assert_eq!(cells.say(&lines.collect::<Vec<_>>()), Came::Passed);
        let cut = pieces(0, &[30, 30]);
        assert_eq!(cells.say(&[(0, 0, cut[0].clone()), (1, 0, cut[1].clone())]), Came::Stopped(1, 1, vec![Speaker(0)]));
    }

    #[test]
    fn prose_of_others_is_not_stopped() {
        let others = [
            include_str!("../../../../LICENSE"),
            include_str!("../../../../CONTRIBUTING.md"),
            include_str!("../README.md"),
        ];
        for text in others {
            let lines = text.lines().enumerate().map(|(at, line)| (at % 5, at % 7, line.to_owned()));
            assert_eq!(Cells::new(5).say(&lines.collect::<Vec<_>>()), Came::Passed);
        }
    }
}
