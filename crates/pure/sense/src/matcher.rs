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

use crate::Label;
use crate::corpus::{Corpus, Source};
use crate::drips::{DROP, Drop, PLACES};
pub(crate) use crate::fold::GAP as GAP_MOST;
use crate::fold::{Places, marked};
use crate::grams::{GRAM, Place, SHARED};
use crate::needles::rot13;

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
    let (places, runs, covered) = Default::default();
    let mut seeker = Seeker { corpus, bytes, folded, places, runs, covered, work: 0 };
    let most = *work;
    corpus.grams.each(folded, edits, |at, place| {
        seeker.candidate(at, place);
        seeker.work <= most
    });
    *work = most.saturating_sub(seeker.work);
    if seeker.work > most {
        return None;
    }
    // What is public may stand beside the places.
    match edits {
        Some(_) if !seeker.runs.is_empty() => self::runs(corpus, bytes, folded, None, work),
        _ => Some(seeker.evidence()),
    }
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
    /// How far runs of each label reach, or of what is public. One that begins within is no further evidence, and to
    /// look at each of them would take long where a text repeats itself.
    covered: Vec<(Option<Label>, usize)>,
    work: usize,
}

impl Seeker<'_> {
    fn candidate(&mut self, at: usize, place: Place) {
        self.work += 1;
        let source = &self.corpus.sources[place.source as usize];
        let reach = self.covered.iter().find(|(label, _)| *label == source.label).map_or(0, |(_, reach)| *reach);
        if at + GRAM <= reach {
            return;
        }
        let Some(run) = self.extended(at, place, source) else { return };
        if !self.says_something(&run, source) {
            return;
        }
        match self.covered.iter_mut().find(|(label, _)| *label == source.label) {
            Some((_, reach)) => *reach = run.span.end,
            None => self.covered.push((source.label, run.span.end)),
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
            // What is shorter hides only what is no longer than itself: everybody's words stand in every text.
            let long = public.into_iter().map(|run| run.span).filter(|span| span.len() >= LEAST);
            let spans = disjoint(long.collect());
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

/// Adds every run of a labelled text in `folded` that is shorter than what is told and long enough to be a drop. Each is looked
/// for in all of the texts, as far as those have no more than so many letters.
pub(crate) fn drops(corpus: &Corpus, folded: &[u8], drops: &mut Vec<Drop>, letters: &mut usize) {
    for row in corpus.grams.rows(folded, DROP) {
        let mut at = row.start;
        while at + DROP <= row.end {
            let mut longest = DROP;
            let seed = memmem::Finder::new(&folded[at..at + DROP]);
            for (number, source) in corpus.sources.iter().enumerate().filter(|(_, source)| source.label.is_some()) {
                let Some(left) = letters.checked_sub(source.folded.len()) else { return };
                *letters = left;
                for begin in seed.find_iter(&source.folded).take(PLACES) {
                    let there = &source.folded[begin..];
                    let length = folded[at..].iter().zip(there).take_while(|(one, other)| one == other).count();
                    longest = longest.max(length);
                    drops.push(Drop { source: number as u32, begin: begin as u32, end: (begin + length) as u32 });
                }
            }
            at += longest - DROP + 1;
        }
    }
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
    let (mut longest, mut from) = (span.start..span.start, span.start);
    let within = &disjoint[disjoint.partition_point(|one| one.end <= span.start)..];
    let within = within.iter().take_while(|one| one.start < span.end);
    for gap in within.cloned().chain(std::iter::once(span.end..span.end)) {
        if gap.start > from && gap.start - from > longest.len() {
            longest = from..gap.start;
        }
        from = from.max(gap.end);
    }
    longest
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
