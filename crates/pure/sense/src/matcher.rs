//! Runs that some folded bytes share with labelled texts: candidates verified, extended, and freed of what is public.
//!
//! It never tells of a run shorter than [`LEAST`], but for a run of 32 that a text repeats so often that not all of its
//! places are kept.

use std::cmp::Reverse;
use std::ops::Range;

use crate::Label;
use crate::corpus::{Corpus, Source};
use crate::evidence::MAX_QUOTE;
use crate::fold::unfold;
use crate::grams::{Form, GRAM, GRID, Place};
use crate::needles::rot13;

/// The shortest run that is told of, in letters and digits; any run of so many is found.
pub const LEAST: usize = GRAM + GRID - 1;

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

/// The longest run of each labelled source in `folded`, from which `work` takes the characters that were compared. None
/// when that was more than there were.
pub(crate) fn runs(corpus: &Corpus, folded: &[u8], work: &mut usize) -> Option<Vec<Run>> {
    let mut seeker = Seeker { corpus, folded, runs: Vec::new(), covered: Vec::new(), work: 0 };
    let most = *work;
    corpus.grams.each(folded, |at, place| {
        seeker.candidate(at, place);
        seeker.work <= most
    });
    *work = most.saturating_sub(seeker.work);
    (seeker.work <= most).then(|| seeker.evidence())
}

impl Run {
    /// The span as it stands in the source's own text, bounded.
    pub(crate) fn quoted(&self, source: &Source) -> String {
        let (at, length) = (self.at, self.span.len());
        let span = match self.form {
            Form::Plain | Form::Rot13 => at..at + length,
            Form::Reversed => source.folded.len() - at - length..source.folded.len() - at,
        };
        let quoted = String::from_utf8_lossy(&source.text[unfold(&source.text, &span)]);
        quoted[..quoted.floor_char_boundary(MAX_QUOTE)].to_owned()
    }

    /// The part of it that stands in `span` of the bytes.
    fn part(&self, span: Range<usize>) -> Run {
        Run { at: self.at + span.start - self.span.start, span, ..self.clone() }
    }
}

struct Seeker<'c> {
    corpus: &'c Corpus,
    folded: &'c [u8],
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
        if run.span.len() < LEAST && !run.crowded {
            return;
        }
        match self.covered.iter_mut().find(|(label, _)| *label == source.label) {
            Some((_, reach)) => *reach = run.span.end,
            None => self.covered.push((source.label, run.span.end)),
        }
        self.runs.push(run);
    }

    /// The longest common run around a candidate, if it is one.
    fn extended(&mut self, at: usize, place: Place, source: &Source) -> Option<Run> {
        let begin = place.at as usize;
        let last = source.folded.len();
        let same = |here: usize, there: usize| self.folded[here] == letter(&source.folded, place.form, there);
        let equal = (0..GRAM).take_while(|step| same(at + step, begin + step)).count();
        self.work += equal;
        if equal < GRAM {
            return None;
        }
        let before = (1..=at.min(begin)).take_while(|step| same(at - step, begin - step)).count();
        let room = (self.folded.len() - at).min(last - begin);
        let after = (GRAM..room).take_while(|step| same(at + step, begin + step)).count() + GRAM;
        self.work += before + after;
        let (span, at) = (at - before..at + after, begin - before);
        Some(Run { source: place.source, form: place.form, span, at, crowded: place.crowded })
    }

    /// The labelled runs without what is public: what is left counts when it is long enough by itself.
    fn evidence(self) -> Vec<Run> {
        let label = |run: &Run| self.corpus.sources[run.source as usize].label;
        let (mut labelled, public): (Vec<Run>, Vec<Run>) = self.runs.into_iter().partition(|run| label(run).is_some());
        if !public.is_empty() {
            let spans = disjoint(public.into_iter().map(|run| run.span).collect());
            for run in &mut labelled {
                *run = run.part(longest_outside(&run.span, &spans));
            }
            labelled.retain(|run| run.span.len() >= if run.crowded { GRAM } else { LEAST });
        }
        labelled.sort_unstable_by_key(|run| (run.source, Reverse(run.span.len()), run.span.start));
        labelled.dedup_by_key(|run| run.source);
        labelled
    }
}

fn letter(folded: &[u8], form: Form, at: usize) -> u8 {
    match form {
        Form::Plain => folded[at],
        Form::Reversed => folded[folded.len() - 1 - at],
        Form::Rot13 => rot13(folded[at]),
    }
}

/// The spans in their order, those that touch as one.
fn disjoint(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
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
fn longest_outside(span: &Range<usize>, disjoint: &[Range<usize>]) -> Range<usize> {
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
