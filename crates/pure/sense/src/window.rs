//! What leaves in drops: the new text of the last requests to one destination, joined.
//!
//! What requests repeat (names, models, fixed fields) would stand between the drops and is left out. A drop of fewer than
//! eight letters, or one out of its order, is not recognised.

use std::collections::{HashSet, VecDeque};

use crate::coding::Coding;
use crate::corpus::Corpus;
use crate::evidence::Scan;
use crate::fold::fold;
use crate::scan::Walk;
use crate::{Bounds, plain};

/// Pieces whose repetition is known.
const PIECES: usize = 1024;

/// Letters in the shortest piece that counts as repeated, or as a drop.
const DROP: usize = 8;

/// The last requests to one destination.
#[derive(Debug, Clone)]
pub struct Window {
    kept: usize,
    /// New text in its order, undone but not folded: a drop may be one of base64.
    text: Vec<u8>,
    seen: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

/// What a request says that the ones before it to the same destination did not.
#[derive(Debug, Default)]
pub struct Fresh {
    text: Vec<u8>,
    pieces: Vec<Vec<u8>>,
}

impl Window {
    /// Keeps so many bytes of new text. A run that leaves in drops is seen with one KiB; what has to be undone as a whole
    /// must fit in. Each scan costs in proportion.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { kept, text: Vec::new(), seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Scans the parts of a request, and the new text of the requests before it with this one's joined. It counts as sent
    /// only when it is [kept](Self::keep).
    #[must_use]
    pub fn scan(&self, corpus: &Corpus, parts: &[&[u8]], bounds: &Bounds) -> (Scan, Fresh) {
        let mut scan = corpus.scan_parts(parts, bounds);
        let mut fresh = Fresh::default();
        parts.iter().for_each(|part| self.gather(&plain::text(part), &mut fresh));
        if !self.text.is_empty() && !fresh.text.is_empty() {
            let joined = [&self.text[..], &fresh.text].concat();
            let mut walk = Walk::new(corpus, bounds, joined.len());
            walk.within(&[Coding::Requests], &joined);
            let joined = walk.finish();
            let known = |label| scan.found.iter().any(|found| found.label == label);
            let new: Vec<_> = joined.found.into_iter().filter(|found| !known(found.label)).collect();
            scan.found.extend(new);
            scan.beyond = scan.beyond.or(joined.beyond);
        }
        (scan, fresh)
    }

    /// Takes the new text of a request that is let out.
    pub fn keep(&mut self, fresh: Fresh) {
        self.text.extend_from_slice(&fresh.text);
        self.text.drain(..self.text.len().saturating_sub(self.kept));
        fresh.pieces.into_iter().for_each(|piece| self.remember(piece));
    }

    fn gather(&self, text: &[u8], fresh: &mut Fresh) {
        // Only the end of a long text can go on in the next request.
        let text = &text[text.len().saturating_sub(self.kept)..];
        for piece in text.split(|byte| matches!(byte, b'/' | b'?' | b'&' | b'\n' | b'"')) {
            let mut folded = Vec::new();
            fold(piece, &mut folded);
            folded.truncate(64);
            if folded.len() >= DROP && !self.seen.contains(&folded) && !fresh.pieces.contains(&folded) {
                fresh.text.extend_from_slice(piece);
                fresh.pieces.push(folded);
            }
        }
    }

    fn remember(&mut self, folded: Vec<u8>) {
        if self.order.len() >= PIECES
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(folded.clone());
        self.order.push_back(folded);
    }
}
