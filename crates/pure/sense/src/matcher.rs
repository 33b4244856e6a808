//! Runs that some folded bytes share with labelled texts: candidates verified, extended, and freed of what is public.
//!
//! A run is told of when it has [`LEAST`] letters and digits, however it is spaced. In programs and tables half of what is
//! said is marks, so fewer are told of where they span [`SPAN`] bytes: of the source, and with fewer than [`MANY`] of the
//! bytes that are looked at, too, since everybody's documents have the same names in the same order. Of a run that a text
//! repeats so often that not all of its places are kept, [`CROWDED`] are enough.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::ops::Range;

use memchr::memmem;

use crate::corpus::{Corpus, Kin, Kind, Source, SourceId};
use crate::drips::{DROP, Drop, PLACES};
pub(crate) use crate::fold::GAP as GAP_MOST;
use crate::fold::{Places, marked};
use crate::grams::{GRAM, Place, SHARED};
use crate::needles::rot13;
use crate::said::Piece;

/// A run of so many letters and digits is told of wherever it is found, and found wherever it stands.
pub const LEAST: usize = 48;

/// Bytes of a text, of what stands between two letters not counting more than 24, that are told of with fewer letters. A
/// run of 64 bytes may begin and end within such a gap.
pub(crate) const SPAN: usize = 60;

/// Letters and digits that may be spaced in another way than in the source.
const MANY: usize = 40;

/// The same where the marks between them are those of the source, and none but those of JSON: everybody's requests have 27 in
/// a row.
const MARKED: usize = 32;

/// The fewest letters and digits that say anything.
pub(crate) const FEW: usize = SHARED;

/// Letters of a run whose places are not all kept.
const CROWDED: usize = 32;

/// How a labelled text stands in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Reversed,
    Rot13,
}

pub(crate) const FORMS: [Form; 3] = [Form::Plain, Form::Reversed, Form::Rot13];

/// A run in the bytes that is one in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) source: u32,
    pub(crate) form: Form,
    /// In the folded bytes.
    pub(crate) span: Range<usize>,
    /// Where it begins in the source, in the form's own direction.
    at: usize,
    crowded: bool,
}

/// The longest run of each labelled source in `bytes`, which fold to `folded`; from `work` it takes the characters that were
/// compared. None when that was more than there were. With `edits` none is looked for that stands over none of those places
/// in `folded`.
pub(crate) fn runs(
    corpus: &Corpus,
    bytes: &[u8],
    folded: &[u8],
    edits: Option<&[usize]>,
    work: &mut usize,
) -> Option<Vec<Run>> {
    let seeker = seek(corpus, bytes, folded, edits, work)?;
    // What is public may stand beside the places.
    match edits {
        Some(_) if !seeker.runs.is_empty() => self::runs(corpus, bytes, folded, None, work),
        _ => Some(seeker.evidence()),
    }
}

/// Every run of a labelled text that counts and is said as it was written, public or not. Otherwise as [`runs`].
pub(crate) fn said(
    corpus: &Corpus,
    bytes: &[u8],
    folded: &[u8],
    edits: Option<&[usize]>,
    work: &mut usize,
) -> Option<Vec<Piece>> {
    let seeker = seek(corpus, bytes, folded, edits, work)?;
    let piece = |run: &Run| {
        let source = &corpus.sources[run.source as usize];
        let label = source.label.filter(|_| run.form == Form::Plain)?;
        let here = seeker.places.get_or_init(|| Places::of(bytes)).unfold(bytes, &run.span);
        let text = run.unfolded(source);
        let alike = stretches((bytes, here), (&source.text, text.clone()));
        Some(Piece { label, source: SourceId(run.source), span: run.there(source), text, alike })
    };
    Some(seeker.runs.iter().filter_map(piece).collect())
}

/// Every run that counts.
fn seek<'c>(
    corpus: &'c Corpus,
    bytes: &'c [u8],
    folded: &'c [u8],
    edits: Option<&[usize]>,
    work: &mut usize,
) -> Option<Seeker<'c>> {
    let (places, runs, covered) = Default::default();
    let mut seeker = Seeker { corpus, bytes, folded, places, runs, covered, work: 0 };
    let most = *work;
    corpus.grams.each(folded, edits, |at, place| {
        seeker.candidate(at, place);
        seeker.work <= most
    });
    *work = most.saturating_sub(seeker.work);
    (seeker.work <= most).then_some(seeker)
}

impl Run {
    /// The span in the source's own text.
    pub(crate) fn unfolded(&self, source: &Source) -> Range<usize> {
        source.places.unfold(&source.text, &self.there(source))
    }

    /// Its span in the folded source.
    fn there(&self, source: &Source) -> Range<usize> {
        let begin = self.form.forwards(self.at, self.span.len(), source.folded.len());
        begin..begin + self.span.len()
    }

    /// The part of it that stands in `span` of the bytes.
    fn part(&self, span: Range<usize>) -> Run {
        Run { at: self.at + span.start - self.span.start, span, ..self.clone() }
    }
}

struct Seeker<'c> {
    corpus: &'c Corpus,
    bytes: &'c [u8],
    folded: &'c [u8],
    /// Where in the bytes the letters stand: asked for where a run is short.
    places: OnceCell<Places>,
    runs: Vec<Run>,
    /// The run of each label, of what is public or was said, that reaches farthest. One that begins within is no further
    /// evidence, and to look at each of them would take long where a text repeats itself.
    covered: Vec<(Kin, Range<usize>)>,
    work: usize,
}

impl Seeker<'_> {
    fn candidate(&mut self, at: usize, place: Place) {
        self.work += 1;
        let source = &self.corpus.sources[place.source as usize];
        let kin = source.kin();
        let known = self.covered.iter().find(|(of, _)| *of == kin).map_or(0..0, |(_, known)| known.clone());
        let places = (at, place.at as usize);
        // What was said hides as a whole, so the longest of it counts.
        if at + GRAM <= known.end && !(kin.1 && goes_beyond(self.folded, &source.folded, &known, places)) {
            return;
        }
        let Some(run) = self.extended(at, place, source) else { return };
        if !self.says_something(&run, source) {
            return;
        }
        match self.covered.iter_mut().find(|(of, _)| *of == kin) {
            Some((_, known)) if known.end > run.span.end => {}
            Some((_, known)) => *known = run.span.clone(),
            None => self.covered.push((kin, run.span.clone())),
        }
        self.runs.push(run);
    }

    /// Whether a run is long enough; of what is public, whether it may hide one that is.
    fn says_something(&mut self, run: &Run, source: &Source) -> bool {
        if source.label.is_none() || run.span.len() < FEW {
            return run.span.len() >= FEW;
        }
        self.work += run.span.len();
        self.is_long(run, source)
    }

    fn is_long(&self, run: &Run, source: &Source) -> bool {
        let letters = run.span.len();
        if letters >= if run.crowded { CROWDED } else { LEAST } {
            return true;
        }
        let there = || source.places.spanned(&source.text, &run.there(source)) >= SPAN;
        let places = || self.places.get_or_init(|| Places::of(self.bytes));
        let here = || places().spanned(self.bytes, &run.span) >= SPAN;
        let alike = || {
            let here = places().unfold(self.bytes, &run.span);
            let here = &self.bytes[here];
            // Everybody's documents have the same names in JSON.
            let own = letters >= MARKED
                || here.iter().any(|byte| byte.is_ascii_punctuation() && !b"\":,[]{}_".contains(byte));
            own && run.form == Form::Plain && are_alike(here, &source.text[run.unfolded(source)])
        };
        letters >= FEW && there() && (letters >= MANY || here() || alike())
    }

    /// The longest common run around a candidate, if it is one in any form.
    fn extended(&mut self, at: usize, place: Place, source: &Source) -> Option<Run> {
        // What is public is so as it was written.
        let forms = if source.label.is_some() { &FORMS[..] } else { &FORMS[..1] };
        forms.iter().find_map(|form| self.extended_as(*form, at, place, source))
    }

    fn extended_as(&mut self, form: Form, at: usize, place: Place, source: &Source) -> Option<Run> {
        let (found, compared) = shared(self.folded, &source.folded, form, (at, place.at as usize));
        self.work += compared;
        let (span, at) = found?;
        Some(Run { source: place.source, form, span, at, crowded: place.crowded })
    }

    /// The labelled runs without what is public: what is left counts when it is long enough by itself.
    fn evidence(mut self) -> Vec<Run> {
        let label = |run: &Run| self.corpus.sources[run.source as usize].label;
        let runs = std::mem::take(&mut self.runs);
        let (mut labelled, public): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| label(run).is_some());
        if !public.is_empty() {
            let within =
                |run: &Run| public.iter().any(|one| one.span.start <= run.span.start && run.span.end <= one.span.end);
            labelled.retain(|run| !within(run));
            // What is shorter hides only what is no longer than itself: everybody's words stand in every text. So does what
            // was said, however long: it may be all of a text but for what nobody else knows.
            let cuts =
                |run: &Run| run.span.len() >= LEAST && self.corpus.sources[run.source as usize].kind == Kind::Text;
            let spans = disjoint(public.into_iter().filter(cuts).map(|run| run.span).collect());
            for run in &mut labelled {
                *run = run.part(longest_outside(&run.span, &spans));
            }
            labelled.retain(|run| self.is_long(run, &self.corpus.sources[run.source as usize]));
        }
        labelled.sort_unstable_by_key(|run| (run.source, Reverse(run.span.len()), run.span.start));
        labelled.dedup_by_key(|run| run.source);
        labelled
    }
}

impl Form {
    /// Where what begins there in the form's own direction begins in the text of so many.
    pub(crate) fn forwards(self, at: usize, length: usize, all: usize) -> usize {
        if self == Form::Reversed { all - at - length } else { at }
    }
}

/// The longest common run around a gram at these two places, and where it begins in `there` in the form's own direction;
/// and how many characters were compared.
pub(crate) fn shared(
    here: &[u8],
    there: &[u8],
    form: Form,
    (at, place): (usize, usize),
) -> (Option<(Range<usize>, usize)>, usize) {
    let begin = form.forwards(place, GRAM, there.len());
    let same = |one: usize, other: usize| here[one] == letter(there, form, other);
    let equal = (0..GRAM).take_while(|step| same(at + step, begin + step)).count();
    if equal < GRAM {
        return (None, equal + 1);
    }
    let before = (1..=at.min(begin)).take_while(|step| same(at - step, begin - step)).count();
    let room = (here.len() - at).min(there.len() - begin);
    let after = (GRAM..room).take_while(|step| same(at + step, begin + step)).count() + GRAM;
    (Some((at - before..at + after, begin - before)), equal + 1 + before + after)
}

/// Whether what is shared around a gram at these two places may go on in front of a run that is known, or behind it.
pub(crate) fn goes_beyond(here: &[u8], there: &[u8], known: &Range<usize>, (at, place): (usize, usize)) -> bool {
    let same = |one: usize| {
        let other = (place + one).checked_sub(at).and_then(|other| there.get(other));
        other.is_some_and(|other| here.get(one) == Some(other))
    };
    known.start.checked_sub(1).is_some_and(same) || same(known.end)
}

/// Adds every run of a labelled text in `folded` that is long enough to be a drop, without what is public. Each is looked for in
/// all of the texts, as far as those have no more than so many letters.
pub(crate) fn drops(corpus: &Corpus, folded: &[u8], drops: &mut Vec<Drop>, letters: &mut usize) {
    for row in corpus.grams.rows(folded, DROP) {
        let mut found = Vec::new();
        let labelled = |source: &Source| source.label.is_some();
        seek_in(corpus, labelled, (folded, &row, DROP), letters, |at, drop| found.push((at, drop)));
        // One that was said lies within what anybody may have, or counts as a whole.
        found.retain(|(at, drop)| {
            let mut said = corpus.sources.iter().filter(|source| source.kin().1).take_while(|source| {
                let left = letters.checked_sub(source.folded.len());
                *letters = left.unwrap_or(0);
                left.is_some()
            });
            let length = (drop.end - drop.begin) as usize;
            !said.any(|source| lengths(source, folded, *at, DROP).any(|(_, same)| same >= length))
        });
        if found.is_empty() {
            continue;
        }
        let mut public = Vec::new();
        let known = |source: &Source| source.kin() == (None, false);
        seek_in(corpus, known, (folded, &row, FEW), letters, |at, run| {
            public.push(at..at + (run.end - run.begin) as usize)
        });
        let long = disjoint(public.iter().filter(|span| span.len() >= LEAST).cloned().collect());
        for (at, drop) in found {
            let span = at..at + (drop.end - drop.begin) as usize;
            // What is shorter hides only what is no longer than itself.
            if !public.iter().any(|one| one.start <= span.start && span.end <= one.end) {
                let parts = outside(&span, &long).filter(|part| part.len() >= DROP);
                drops.extend(parts.map(|part| {
                    let begin = drop.begin + (part.start - at) as u32;
                    Drop { begin, end: begin + part.len() as u32, ..drop }
                }));
            }
        }
    }
}

/// Calls `see` with each run of so many letters and more in a row that is one of such a text.
fn seek_in(
    corpus: &Corpus,
    wanted: impl Fn(&Source) -> bool,
    (folded, row, least): (&[u8], &Range<usize>, usize),
    letters: &mut usize,
    mut see: impl FnMut(usize, Drop),
) {
    let mut at = row.start;
    while at + least <= row.end {
        let mut longest = least;
        for (number, source) in corpus.sources.iter().enumerate().filter(|(_, source)| wanted(source)) {
            let Some(left) = letters.checked_sub(source.folded.len()) else { return };
            *letters = left;
            for (begin, length) in lengths(source, folded, at, least) {
                longest = longest.max(length);
                see(at, Drop { source: number as u32, begin: begin as u32, end: (begin + length) as u32 });
            }
        }
        at += longest - least + 1;
    }
}

/// Where a text goes on as `folded` does from there, for so many letters at least, and for how many.
fn lengths(source: &Source, folded: &[u8], at: usize, least: usize) -> impl Iterator<Item = (usize, usize)> {
    let begins: Vec<usize> = memmem::find_iter(&source.folded, &folded[at..at + least]).take(PLACES).collect();
    begins.into_iter().map(move |begin| {
        let there = &source.folded[begin..];
        (begin, folded[at..].iter().zip(there).take_while(|(one, other)| one == other).count())
    })
}

/// Where there two texts of the same letters have the same marks, too, and around them.
fn stretches((here, at): (&[u8], Range<usize>), (there, place): (&[u8], Range<usize>)) -> Vec<Range<usize>> {
    let mut ones = marked(&here[..at.end], at.start).peekable();
    let mut others = marked(&there[..place.end], place.start).peekable();
    let is_mark = |one: &(usize, u8)| one.1.is_ascii_punctuation();
    let (mut all, mut open): (Vec<[Range<usize>; 2]>, bool) = Default::default();
    while let (Some(&one), Some(&other)) = (ones.peek(), others.peek()) {
        if one.1 != other.1 {
            // What is no letter is passed over on either side, up to the next ones.
            open = false;
            let passed = ones.next_if(is_mark).is_some() | others.next_if(is_mark).is_some();
            if !passed {
                break;
            }
            continue;
        }
        match all.last_mut().filter(|_| open) {
            Some([here, there]) => (here.end, there.end) = (one.0 + 1, other.0 + 1),
            None => all.push([one.0..one.0 + 1, other.0..other.0 + 1]),
        }
        open = true;
        ones.next();
        others.next();
    }
    all.into_iter().map(|[at, place]| with_marks((here, at), (there, place))).collect()
}

/// What stands there, with the marks around it that stand here, too.
fn with_marks((here, at): (&[u8], Range<usize>), (there, place): (&[u8], Range<usize>)) -> Range<usize> {
    let same = |((_, one), (_, other)): &((usize, u8), (usize, u8))| one == other && one.is_ascii_punctuation();
    let last = after(here, at.end).zip(after(there, place.end)).take_while(same).last();
    let first = before(here, at.start).zip(before(there, place.start)).take_while(same).last();
    first.map_or(place.start, |(_, (at, _))| at)..last.map_or(place.end, |(_, (at, _))| at + 1)
}

/// What is no space from there on, with its place.
fn after(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, u8)> {
    bytes.iter().copied().enumerate().skip(from).filter(|(_, byte)| !byte.is_ascii_whitespace())
}

/// The same backwards, from in front of there.
fn before(bytes: &[u8], end: usize) -> impl Iterator<Item = (usize, u8)> {
    bytes[..end].iter().copied().enumerate().rev().filter(|(_, byte)| !byte.is_ascii_whitespace())
}

/// Whether two texts are the same but for spaces and case.
fn are_alike(here: &[u8], there: &[u8]) -> bool {
    let marks = |bytes| marked(bytes, 0).map(|(_, mark)| mark);
    marks(here).eq(marks(there))
}

fn letter(folded: &[u8], form: Form, at: usize) -> u8 {
    match form {
        Form::Plain => folded[at],
        Form::Reversed => folded[folded.len() - 1 - at],
        Form::Rot13 => rot13(folded[at]),
    }
}

/// The spans in their order, those that touch as one.
pub(crate) fn disjoint(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    spans
}

/// The longest stretch of `span` that none of the disjoint spans covers.
pub(crate) fn longest_outside(span: &Range<usize>, disjoint: &[Range<usize>]) -> Range<usize> {
    let first = |longest: Range<usize>, part: Range<usize>| if part.len() > longest.len() { part } else { longest };
    outside(span, disjoint).fold(span.start..span.start, first)
}

/// The stretches of `span` that none of the disjoint spans covers.
fn outside(span: &Range<usize>, disjoint: &[Range<usize>]) -> impl Iterator<Item = Range<usize>> {
    let (mut from, end) = (span.start, span.end);
    let within = &disjoint[disjoint.partition_point(|one| one.end <= span.start)..];
    let within = within.iter().take_while(move |one| one.start < end);
    within.cloned().chain(std::iter::once(end..end)).filter_map(move |gap| {
        let part = from..gap.start;
        from = from.max(gap.end);
        (part.start < part.end).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_cut_out() {
        assert_eq!(longest_outside(&(10..100), &[]), 10..100);
        assert_eq!(longest_outside(&(10..100), &disjoint(vec![15..40, 0..20, 18..30])), 40..100);
        assert_eq!(longest_outside(&(10..100), &[0..20, 60..65]), 20..60);
        assert_eq!(longest_outside(&(10..100), &[0..200]).len(), 0);
        assert_eq!(longest_outside(&(10..100), &[90..95, 96..300]), 10..90);
        assert_eq!(longest_outside(&(10..100), &[100..120]), 10..100);
    }
}
