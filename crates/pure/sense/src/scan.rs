//! One scan: layer after layer undone and compared, until nothing is wrapped or a bound is met.
//!
//! Bounds are on the whole scan, so that no document can be built whose parts are each within them.

use std::ops::Range;

use crate::coding::{Coding, Cut, LEAST_DIGITS, New, Reading, Signs, Take, may_hold_lists, undo};
use crate::corpus::{Corpus, Kind};
use crate::drips::{DROP, Drop};
use crate::evidence::{Beyond, Scan, Sighting, Sightings, Stands};
use crate::fold::{fold, fold_around, fold_at};
use crate::fours::FOUR;
use crate::grams::{MARK, SHARED};
use crate::matcher::Form;
use crate::needles::MIN_SECRET;
use crate::said::Piece;
use crate::torn::{CODED, Runs};
use crate::{Seal, matcher};

/// How far a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Layers of encoded bytes that are undone, one within the other. Escapes and documents are no such layers: within
    /// each, five of them are read one after the other.
    pub depth: usize,
    /// Bytes that are made by undoing, for each byte that is looked at, with four MiB more for small requests.
    pub times: usize,
    /// Bytes that are looked at, and bytes that are made.
    pub bytes: usize,
    /// Pieces that are undone.
    pub decodings: usize,
    /// Whether the bytes may be deflated without a header: only `Content-Encoding: deflate` says so.
    pub raw_deflate: bool,
}

impl Bounds {
    /// Five layers, 48 times the bytes and four MiB, at most 64 MiB, 4,096 pieces.
    pub const USUAL: Self = Self { depth: 5, times: 48, bytes: 64 << 20, decodings: 4096, raw_deflate: false };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What undoing may make in any case: a push of a small repository is read in several ways.
const SOME: usize = 4 << 20;

/// Characters that may be compared in any case.
const FEW: usize = 1 << 20;

/// Characters that are compared for each byte of a request, before it is told as more than may be.
const WORK: usize = 64;

/// Places in a text that are nearer to each other on average are not looked at one by one.
const FAR: usize = 40;

/// Letters of sources that short runs of one request are looked up among.
const LETTERS: usize = 64 << 20;

/// The same, for each letter that is looked at on one side of them: the text between them is not even folded.
const ALONE: usize = 5;

/// What of so many bytes is within reach of one of the places; all of it where there are none.
pub(crate) fn around(edits: Option<&[usize]>, reach: usize, length: usize) -> impl Iterator<Item = Range<usize>> {
    let mut whole = edits.is_none().then_some(0..length);
    let mut edits = edits.unwrap_or_default().iter().copied().peekable();
    std::iter::from_fn(move || {
        if let Some(whole) = whole.take() {
            return Some(whole);
        }
        let first = edits.next()?;
        let mut last = first;
        while let Some(next) = edits.next_if(|next| next.saturating_sub(reach) <= length.min(last + reach)) {
            last = next;
        }
        Some(first.saturating_sub(reach)..length.min(last + reach))
    })
}

/// A scan under way.
pub(crate) struct Walk<'c> {
    corpus: &'c Corpus,
    bounds: Bounds,
    /// Bytes that are looked at, with those that were made so far.
    length: usize,
    /// Bytes that may still be made.
    room: usize,
    pieces: usize,
    /// Characters that may still be compared.
    work: usize,
    /// What was undone to come to the layer that is looked at.
    how: Vec<Coding>,
    depth: usize,
    folded: Vec<u8>,
    sightings: Sightings,
    scan: Scan,
    /// Something compressed was undone.
    unpacked: bool,
    /// How deep the parts stand that are looked at.
    parts: Option<usize>,
    /// How deep what is left of noise stands.
    remains: Option<usize>,
    /// A bound on the whole scan was exceeded: nothing more is undone.
    stopped: bool,
    /// Where short runs are looked for, those that were found, and the letters of sources that may still be looked through.
    drops: Option<(Vec<Drop>, usize)>,
    /// Where secrets in pieces are looked for: the pieces of them in what was undone.
    runs: Option<Runs>,
    /// Where all that is said of labelled texts is looked for, as it was written: what was found. Nothing of it is evidence.
    said: Option<Vec<Piece>>,
    /// All of each reading is compared.
    #[cfg(test)]
    whole: bool,
}

#[cfg(test)]
mod tests;

impl<'c> Walk<'c> {
    pub(crate) fn new(corpus: &'c Corpus, bounds: &Bounds, length: usize) -> Self {
        let room = length.saturating_mul(bounds.times).saturating_add(SOME).min(bounds.bytes);
        let work = length.saturating_mul(WORK).saturating_add(FEW);
        let (how, folded, sightings, scan) = Default::default();
        let mut walk = Self {
            corpus,
            bounds: *bounds,
            length,
            room,
            pieces: 0,
            work,
            how,
            depth: 0,
            folded,
            sightings,
            scan,
            unpacked: false,
            parts: None,
            remains: None,
            stopped: false,
            drops: None,
            runs: None,
            said: None,
            #[cfg(test)]
            whole: false,
        };
        if length > bounds.bytes {
            walk.beyond(Beyond::Size);
        }
        walk
    }

    /// Looks at bytes as they came.
    pub(crate) fn start(&mut self, bytes: &[u8]) {
        self.within(None, bytes, 0..bytes.len());
    }

    /// Looks at what was joined. Only what is near the joint was not compared where it came from.
    pub(crate) fn joined(&mut self, how: Coding, bytes: &[u8], near: Range<usize>) {
        self.within(Some(how), bytes, near);
    }

    /// Keeps pieces of secrets in what is undone from now on.
    pub(crate) fn gather(&mut self) {
        self.runs = (!self.corpus.torn.is_empty()).then(Runs::default);
    }

    /// The pieces of secrets that were kept.
    pub(crate) fn gathered(&mut self) -> Runs {
        self.runs.take().unwrap_or_default()
    }

    /// Looks for secrets that some texts say in pieces, with those in what was undone.
    pub(crate) fn torn(&mut self, how: Coding, texts: &[&[u8]]) {
        if self.stopped {
            return;
        }
        let mut runs = self.gathered();
        let length = texts.iter().map(|text| text.len()).sum();
        let mut look = |text: &[u8], least| self.corpus.torn.runs(text, (length, least), &mut self.work, &mut runs);
        // UTF-16 among other bytes.
        let wide = texts.iter().filter(|text| memchr::memchr(0, text).is_some());
        let bare: Vec<Vec<u8>> = wide.map(|text| text.iter().copied().filter(|byte| *byte != 0).collect()).collect();
        let all = texts.iter().try_for_each(|text| look(text, FOUR));
        if all.and_then(|()| bare.iter().try_for_each(|text| look(text, CODED))).is_none() {
            self.beyond(Beyond::Work);
        }
        self.whole(how, &runs);
        self.runs = Some(runs);
    }

    /// Looks for secrets that are all there in the pieces.
    pub(crate) fn whole(&mut self, how: Coding, runs: &Runs) {
        let corpus = self.corpus;
        self.how.push(how);
        corpus.torn.whole(runs, |source, length| self.sight_secret(source, None, length));
        self.how.clear();
    }

    /// Keeps the pieces of secrets in something that was undone. What was joined was looked at in its parts.
    fn tear(&mut self, bytes: &[u8]) {
        let Some(runs) = self.runs.as_mut().filter(|_| self.how.first().is_some_and(|how| *how != Coding::Parts))
        else {
            return;
        };
        if self.corpus.torn.runs(bytes, (self.length, CODED), &mut self.work, runs).is_none() {
            self.beyond(Beyond::Work);
        }
    }

    /// The short runs of labelled texts that stand in some bytes, in whatever they are wrapped.
    pub(crate) fn drops(corpus: &'c Corpus, bytes: &[u8], bounds: &Bounds) -> Vec<Drop> {
        let mut walk = Walk::new(corpus, bounds, bytes.len());
        walk.drops = Some((Vec::new(), LETTERS));
        walk.start(bytes);
        walk.drops.map(|(drops, _)| drops).unwrap_or_default()
    }

    /// What of labelled texts some bytes say as it was written, and what else a scan tells of them: secrets, and bounds.
    pub(crate) fn said(corpus: &'c Corpus, bytes: &[u8], bounds: &Bounds) -> (Vec<Piece>, Scan) {
        let mut walk = Walk::new(corpus, bounds, bytes.len());
        walk.said = Some(Vec::new());
        walk.start(bytes);
        (walk.said.take().unwrap_or_default(), walk.finish())
    }

    fn within(&mut self, how: Option<Coding>, bytes: &[u8], new: Range<usize>) {
        if !self.stopped {
            self.how.extend(how);
            self.compare(&bytes[new], New::All);
            self.unwrap(bytes, New::All, Reading::NEW);
            self.how.clear();
        }
    }

    pub(crate) fn finish(self) -> Scan {
        Scan { found: self.sightings.quoted(&self.corpus.sources), ..self.scan }
    }

    fn look(&mut self, bytes: &[u8], new: New<'_>, reading: Reading) {
        self.compare(bytes, new);
        self.unwrap(bytes, new, reading);
    }

    fn unwrap(&mut self, bytes: &[u8], new: New<'_>, reading: Reading) {
        let seen = new.signs().is_none().then(|| Signs::of(bytes));
        // A header says how the body is encoded, one within the other, and nothing of what is in it.
        let raw_deflate = self.bounds.raw_deflate && self.how.iter().all(|coding| coding.unpacks());
        let calls = |signs: &&Signs| raw_deflate || !signs.plain() || may_hold_lists(bytes);
        let Some(signs) = new.signs().or(seen.as_ref()).filter(calls) else { return };
        undo(bytes, signs, (reading, new), raw_deflate, self);
    }

    /// Whether a piece may be looked at, which takes of what there is room for.
    fn admits(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() < MIN_SECRET || self.stopped {
            return false;
        }
        self.pieces += 1;
        let room = self.room.checked_sub(bytes.len());
        if self.pieces > self.bounds.decodings {
            self.beyond(Beyond::Decodings);
        } else if room.is_none() {
            self.beyond(Beyond::Size);
        }
        self.room = room.unwrap_or_default();
        self.length = self.length.saturating_add(bytes.len());
        !self.stopped
    }

    fn compare(&mut self, bytes: &[u8], new: New<'_>) {
        if bytes.len() < MIN_SECRET {
            return;
        }
        let corpus = self.corpus;
        // Places that are many are looked at as one.
        let places = match new {
            New::Near(edits, _) if edits.len() * FAR <= bytes.len() && self.drops.is_none() => Some(edits),
            _ => None,
        };
        for range in around(places, corpus.exact.longest(), bytes.len()) {
            let within = &bytes[range];
            corpus.exact.each(within, |source, coding, length| self.sight_secret(source, coding, length));
            self.tear(within);
        }
        // Folding makes nothing longer.
        let least = if self.drops.is_some() { DROP } else { corpus.least_folded() };
        if bytes.len() < least {
            return;
        }
        let mut folded = std::mem::take(&mut self.folded);
        let far = places.filter(|edits| edits.len() * ALONE * self.letters() <= bytes.len());
        if far.is_none_or(|edits| edits.iter().any(|&edit| self.may_hold(bytes, edit, &mut folded))) {
            self.compare_letters(bytes, places, &mut folded);
        }
        self.folded = folded;
        if self.said.is_some() {
            return;
        }
        for run in corpus.sparse.runs(corpus, bytes, places, &mut self.work) {
            self.sight(run.source, None, run.letters, Some(Stands::Bytes(run.there)));
        }
        if self.work == 0 {
            self.beyond(Beyond::Work);
        }
    }

    fn compare_letters(&mut self, bytes: &[u8], places: Option<&[usize]>, folded: &mut Vec<u8>) {
        let corpus = self.corpus;
        folded.clear();
        let edits = places.map(|edits| fold_at(bytes, edits, folded)).or_else(|| {
            fold(bytes, folded);
            None
        });
        if let Some((drops, letters)) = &mut self.drops {
            matcher::drops(corpus, folded, drops, letters);
        }
        for range in around(edits.as_deref(), corpus.folded.longest(), folded.len()) {
            corpus.folded.each(&folded[range], |source, coding, length| self.sight_secret(source, coding, length));
        }
        if let Some(said) = &mut self.said {
            match matcher::said(corpus, bytes, folded, edits.as_deref(), &mut self.work) {
                Some(pieces) => pieces.into_iter().for_each(|piece| piece.keep(said)),
                None => self.beyond(Beyond::Work),
            }
            return;
        }
        match matcher::runs(corpus, bytes, folded, edits.as_deref(), &mut self.work) {
            Some(runs) => runs.into_iter().for_each(|run| self.sight_run(run)),
            None => self.beyond(Beyond::Work),
        }
    }

    /// Letters on each side of a place that tell of most that nothing stands over it.
    fn letters(&self) -> usize {
        MARK.max(self.corpus.folded.longest())
    }

    /// Whether anything may stand over that place.
    fn may_hold(&self, bytes: &[u8], edit: usize, folded: &mut Vec<u8>) -> bool {
        let corpus = self.corpus;
        let Some(at) = fold_around(bytes, edit, self.letters(), folded) else { return true };
        let mut holds = false;
        corpus.folded.each(folded, |_, _, _| holds = true);
        if holds || !corpus.grams.are_marked(folded, at) {
            return holds;
        }
        let Some(at) = fold_around(bytes, edit, SHARED, folded) else { return true };
        corpus.grams.each(folded, Some(&[at]), |_, _| {
            holds = true;
            false
        });
        holds
    }

    fn sight_run(&mut self, run: matcher::Run) {
        let form = match run.form {
            Form::Plain => None,
            Form::Reversed => Some(Coding::Reversed),
            Form::Rot13 => Some(Coding::Rot13),
        };
        self.sight(run.source, form, run.span.len(), Some(Stands::Letters(run)));
    }

    fn sight_secret(&mut self, index: u32, coding: Option<Coding>, length: usize) {
        let source = &self.corpus.sources[index as usize];
        debug_assert_eq!(source.kind, Kind::Secret);
        if !source.public {
            self.sight(index, coding, length, None);
        }
    }

    fn sight(&mut self, source: u32, coding: Option<Coding>, length: usize, stands: Option<Stands>) {
        let Some(label) = self.corpus.sources[source as usize].label else { return };
        if self.sightings.wants(label, source, length) {
            let how = self.how.iter().copied().chain(coding).collect();
            self.sightings.keep(Sighting { label, source, how, length, stands });
        }
    }
}

impl Take for Walk<'_> {
    fn layer(&mut self, how: &[Coding], bytes: &[u8]) {
        self.unpacked |= how.iter().any(|coding| coding.unpacks());
        if self.depth < self.bounds.depth {
            self.depth += 1;
            self.reading(how, bytes, New::All, Reading::NEW);
            self.depth -= 1;
        } else if self.admits(bytes) {
            self.beyond(Beyond::Depth);
        }
    }

    fn parts(&mut self, how: &[Coding], bytes: &[u8]) {
        let above = self.parts.replace(self.depth + 1);
        self.layer(how, bytes);
        self.parts = above;
    }

    fn scattered(&mut self, how: &[Coding], bytes: &[u8]) {
        if self.admits(bytes) {
            self.how.extend_from_slice(how);
            self.compare(bytes, New::All);
            self.how.truncate(self.how.len() - how.len());
        }
    }

    fn pieces(&mut self, how: &[Coding], pieces: &[Cut]) {
        let corpus = self.corpus;
        if self.stopped || corpus.exact.is_empty() {
            return;
        }
        self.how.extend_from_slice(how);
        // A run by itself is looked at whole.
        for piece in pieces.iter().filter(|piece| piece.text.len() <= 2 * LEAST_DIGITS) {
            corpus.exact.each(&piece.text, |source, coding, length| self.sight_secret(source, coding, length));
        }
        pieces.iter().for_each(|piece| self.tear(&piece.text));
        let mut work = self.work;
        let within = corpus.exact.each_in(pieces, &mut work, |source, coding, length| {
            self.sight_secret(source, coding, length);
        });
        self.how.truncate(self.how.len() - how.len());
        self.work = work;
        if within.is_none() {
            self.beyond(Beyond::Work);
        }
    }

    fn reading(&mut self, how: &[Coding], bytes: &[u8], new: New<'_>, reading: Reading) {
        // What reads like text in noise was compared with the noise between it, not by itself.
        let whole = self.remains == Some(self.depth);
        #[cfg(test)]
        let whole = whole || self.whole;
        let new = if whole { New::All } else { new };
        if self.admits(bytes) {
            self.how.extend_from_slice(how);
            self.look(bytes, new, reading);
            self.how.truncate(self.how.len() - how.len());
        }
    }

    fn sealed(&mut self, seal: Seal, size: usize) {
        // Strings that were joined are noise when they are many names, and parts when one of them is compressed and was
        // cut; what is opaque in one was seen where it stood.
        let joined = |coding: &Coding| match coding {
            Coding::Json | Coding::JsonNames | Coding::Form => true,
            Coding::Parts => self.unpacked,
            _ => false,
        };
        // Of many checksums some bytes are letters by chance, and one begins like something compressed; read in another way,
        // they are the same ones.
        let depth = Some(self.depth);
        let by_chance = seal == Seal::Noise && (self.parts == depth || self.remains == depth);
        if !by_chance && !self.how.iter().any(joined) {
            self.scan.seal(seal, size, &self.how);
        }
    }

    fn remains(&mut self, read: &mut dyn FnMut(&mut dyn Take)) {
        let above = self.remains.replace(self.depth);
        read(self);
        self.remains = above;
    }

    fn beyond(&mut self, beyond: Beyond) {
        // What is wrapped too deep in one place says nothing of the others.
        self.stopped |= beyond != Beyond::Depth;
        self.scan.exceed(beyond);
    }

    fn room(&self) -> usize {
        self.room
    }
}
