//! What an answer says of labelled texts, where anybody would be answered so: from then on it is no evidence to say that again.
//!
//! Runs are taken out of the texts themselves, never out of the answer, and each counts as a whole: a labelled run is hidden where
//! it lies within one of them. What is known of a text but for the few words that matter hides nothing of what holds those.

use std::ops::Range;

use crate::corpus::{Corpus, Full, Kind, SourceId};
use crate::evidence::{Beyond, Found, Stands};
use crate::fold::fold;
use crate::scan::Walk;
use crate::sparse::LEAST;
use crate::{Bounds, Label};

/// Runs of one answer that are told apart.
const PIECES: usize = 256;

/// Runs that are public, and bytes of them.
const MOST: usize = 1024;
const LIMIT: usize = 2 << 20;

/// Stretches of one run that are kept with their marks.
const STRETCHES: usize = 16;

/// What some bytes say of what is labelled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Runs of labelled texts, those left out that are public already.
    pub pieces: Vec<Piece>,
    /// Secrets. They stay secrets.
    pub secrets: Vec<Found>,
}

/// A run of a labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its label.
    pub label: Label,
    /// Which text.
    pub source: SourceId,
    /// Where it stands among the letters of the text.
    pub(crate) span: Range<usize>,
    /// And in the text.
    pub(crate) text: Range<usize>,
    /// Where it was said with the marks of the text.
    pub(crate) alike: Vec<Range<usize>>,
}

impl Piece {
    /// Letters and digits in it.
    #[must_use]
    pub fn letters(&self) -> usize {
        self.span.len()
    }

    /// Adds it to others, once.
    pub(crate) fn keep(self, to: &mut Vec<Piece>) {
        if to.len() < PIECES && !to.contains(&self) {
            to.push(self);
        }
    }
}

impl Corpus {
    /// Whether it holds a text that runs are looked for of.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        self.sources.iter().any(|source| source.label.is_some() && source.kind == Kind::Text)
    }

    /// What of the labelled texts and secrets some bytes say. Of the texts those runs that a scan would tell of and that have at
    /// least so many letters, as they are written and not in another form, whatever the bytes wrapped them in. None beyond
    /// bounds: what was not read says nothing.
    #[must_use]
    pub fn said(&self, bytes: &[u8], least: usize, bounds: &Bounds) -> Option<Said> {
        let (mut pieces, scan) = Walk::said(self, bytes, bounds);
        // What is wrapped too deep in one place says nothing of the others.
        if scan.beyond.is_some_and(|beyond| beyond != Beyond::Depth) {
            return None;
        }
        pieces.retain(|piece| piece.letters() >= least && !self.is_published(piece));
        Some(Said { pieces, secrets: scan.found })
    }

    /// From now on the run counts for nothing, whoever says it, and so does any part of it.
    ///
    /// # Errors
    /// [`Full`]: more is public than is kept, and it counts as before.
    pub fn publish(&mut self, piece: &Piece) -> Result<(), Full> {
        let stretches = self.stretches(piece);
        let said = self.sources.iter().filter(|source| matches!(source.kind, Kind::Said { .. }));
        let (count, held) = said.fold((0, 0), |(count, held), source| (count + 1, held + source.folded.len()));
        let wanted = stretches.iter().map(|(_, text)| text.len()).sum();
        if count + stretches.len() > MOST || held + wanted > LIMIT {
            return Err(Full { held, wanted, limit: LIMIT });
        }
        stretches.iter().try_for_each(|(marks, text)| self.enter(None, Kind::Said { marks: *marks }, text).map(|_| ()))
    }

    /// The beginning of a run as it stands in its text.
    #[must_use]
    pub fn quoted(&self, piece: &Piece) -> String {
        Stands::Bytes(piece.text.clone()).quoted(&self.sources[piece.source.0 as usize])
    }

    fn is_published(&self, piece: &Piece) -> bool {
        self.stretches(piece).iter().all(|(marks, text)| {
            let mut letters = Vec::new();
            fold(text, &mut letters);
            let kind = Kind::Said { marks: *marks };
            self.sources.iter().any(|source| source.kind == kind && source.folded == letters)
        })
    }

    /// What is kept of a run, by its letters and with its marks.
    fn stretches(&self, piece: &Piece) -> Vec<(bool, Vec<u8>)> {
        let text = &self.sources[piece.source.0 as usize].text;
        let alike = piece.alike.iter().filter(|stretch| stretch.len() >= LEAST).take(STRETCHES);
        let alike = alike.map(|stretch| (true, text[stretch.clone()].to_vec()));
        [(false, text[piece.text.clone()].to_vec())].into_iter().chain(alike).collect()
    }
}
