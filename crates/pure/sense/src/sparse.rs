//! Runs of which most is no letter: brackets, quotes, rows of tables. Letters alone say too little of them, so they are compared with
//! their marks, without spaces and case.
//!
//! Of a labelled text only those places are kept of which 64 bytes have fewer than 24 letters, and only those are looked for:
//! prose has none, a program one in twenty.

use std::ops::Range;

use crate::corpus::{Corpus, Kin, Kind, Source};
use crate::fold::marked;
use crate::grams::{GRAM, Grams, Place};
use crate::matcher::{FEW, FORMS, GAP_MOST, SPAN, disjoint, goes_beyond, longest_outside, shared};
use crate::scan::around;

/// The fewest characters, and letters among them, that say anything.
pub(crate) const LEAST: usize = 24;
const LETTERS: usize = 8;

/// Bytes that are counted together, and how many of those any 64 bytes hold whole.
const BLOCK: usize = 16;
const BLOCKS: usize = 3;

/// Bytes on each side of what is new that hold all of 64 bytes over it, wherever blocks begin.
const NEAR: usize = 64 + 2 * BLOCK;

/// What stands between two places, of a text and of what is looked at: nothing that is compared, and not the same.
const BETWEEN: [u8; 2] = [1, 2];

/// The places of all texts.
#[derive(Default, Clone)]
pub(crate) struct Sparse {
    grams: Grams,
    /// By the number of the source.
    texts: Vec<Text>,
}

/// What is compared of one text.
#[derive(Default, Clone)]
struct Text {
    /// Of all places, joined.
    marks: Vec<u8>,
    /// Where each place begins there and in the text.
    begins: Vec<(u32, u32)>,
}

/// A run that stands in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) source: u32,
    /// Among what is compared of the bytes.
    span: Range<usize>,
    /// Letters and digits in it.
    pub(crate) letters: usize,
    /// Where it stands in the source.
    pub(crate) there: Range<usize>,
}

impl Sparse {
    /// Takes a text; of what is public all of it, since it may be spaced in another way.
    pub(crate) fn add(&mut self, source: u32, bytes: &[u8], public: bool) {
        let places = if public { vec![0..bytes.len()] } else { places(bytes) };
        let mut text = Text::default();
        for place in places {
            text.begins.push((text.marks.len() as u32, place.start as u32));
            text.marks.extend(marked(&bytes[..place.end], place.start).map(|(_, one)| one));
            text.marks.push(BETWEEN[0]);
        }
        if text.marks.is_empty() {
            return;
        }
        text.marks.shrink_to_fit();
        self.texts.resize_with(source as usize + 1, Text::default);
        self.texts[source as usize] = text;
        self.grams.add(self.texts.iter().map(|text| text.marks.as_slice()), source);
    }

    /// The longest run of each labelled source that stands in the bytes, near one of `edits` where there are any. From `work`
    /// it takes what was compared.
    pub(crate) fn runs(&self, corpus: &Corpus, bytes: &[u8], edits: Option<&[usize]>, work: &mut usize) -> Vec<Run> {
        let (mut labelled, mut public, mut said): (Vec<Run>, Vec<_>, Vec<Range<usize>>) = Default::default();
        if bytes.len() < BLOCK * BLOCKS || self.texts.is_empty() {
            return labelled;
        }
        // How far runs of each label reach, as among letters.
        let mut reached: Vec<(Kin, Range<usize>)> = Vec::new();
        let here = Here::of(bytes, edits);
        self.grams.each(&here.marks, None, |at, place| {
            let source = &corpus.sources[place.source as usize];
            *work = work.saturating_sub(1);
            let kin = source.kin();
            let before = reached.iter_mut().find(|(of, _)| *of == kin);
            let beyond = |known: &Range<usize>| {
                let (there, places) = (&self.texts[place.source as usize].marks, (at, place.at as usize));
                at + GRAM > known.end || kin.1 && goes_beyond(&here.marks, there, known, places)
            };
            if before.as_ref().is_none_or(|(_, known)| beyond(known))
                && let Some(run) = self.run(&here, at, place, source, work)
            {
                match before {
                    Some((_, known)) if known.end > run.span.end => {}
                    Some((_, known)) => *known = run.span.clone(),
                    None => reached.push((kin, run.span.clone())),
                }
                match (source.label, source.kind) {
                    (Some(_), _) => labelled.push(run),
                    (None, Kind::Said { .. }) => said.push(run.span),
                    (None, _) => public.push(run.span),
                }
            }
            *work > 0
        });
        labelled.retain(|run| !said.iter().any(|one| one.start <= run.span.start && run.span.end <= one.end));
        let public = disjoint(public);
        for run in &mut labelled {
            run.span = longest_outside(&run.span, &public);
        }
        labelled.retain_mut(|run| {
            run.letters = here.letters(&run.span);
            here.says_something(run)
        });
        labelled
    }

    /// The run around a candidate.
    fn run(&self, here: &Here, at: usize, place: Place, source: &Source, work: &mut usize) -> Option<Run> {
        let text = &self.texts[place.source as usize];
        let forms = if source.label.is_some() { &FORMS[..] } else { &FORMS[..1] };
        let found = forms.iter().find_map(|form| {
            let (found, compared) = shared(&here.marks, &text.marks, *form, (at, place.at as usize));
            *work = work.saturating_sub(compared);
            found.filter(|(span, _)| span.len() >= LEAST).map(|found| (*form, found))
        });
        let (form, (span, from)) = found?;
        let from = form.forwards(from, span.len(), text.marks.len());
        let mut run = Run { source: place.source, letters: here.letters(&span), there: 0..0, span };
        *work = work.saturating_sub(run.span.len());
        if source.label.is_some() {
            run.there = Some(text.unfold(&source.text, from, run.span.len())).filter(|_| here.says_something(&run))?;
        }
        Some(run)
    }
}

impl Text {
    /// Where in the text so many of what is compared stand from there on.
    fn unfold(&self, text: &[u8], from: usize, count: usize) -> Range<usize> {
        let known = self.begins.partition_point(|(begin, _)| *begin as usize <= from).saturating_sub(1);
        let Some(&(begin, at)) = self.begins.get(known) else { return 0..0 };
        let mut marks = marked(text, at as usize).map(|(at, _)| at).skip(from - begin as usize);
        let first = marks.next().unwrap_or(text.len());
        first..marks.nth(count.saturating_sub(1)).unwrap_or(text.len())
    }
}

/// What is compared of some bytes.
struct Here {
    marks: Vec<u8>,
    /// Where they stand in the bytes.
    at: Vec<usize>,
}

impl Here {
    fn of(bytes: &[u8], edits: Option<&[usize]>) -> Here {
        let near = |place: &Range<usize>| {
            edits.is_none_or(|edits| {
                edits.get(edits.partition_point(|edit| *edit < place.start)).is_some_and(|edit| *edit <= place.end)
            })
        };
        let (mut marks, mut stand) = (Vec::new(), Vec::new());
        let within = around(edits, NEAR, bytes.len());
        let there = |range: Range<usize>| {
            let begin = range.start;
            places(&bytes[range]).into_iter().map(move |place| begin + place.start..begin + place.end)
        };
        for place in within.flat_map(there).filter(near) {
            // What stands before the first of them counts.
            marks.push(BETWEEN[1]);
            stand.push(place.start.wrapping_sub(1));
            for (at, one) in marked(&bytes[..place.end], place.start) {
                marks.push(one);
                stand.push(at);
            }
            marks.push(BETWEEN[1]);
            stand.push(place.end);
        }
        Here { marks, at: stand }
    }

    fn letters(&self, span: &Range<usize>) -> usize {
        self.marks[span.clone()].iter().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()).count()
    }

    /// Whether a run is long enough. What stands between two characters counts up to a bound, and so does what stands before
    /// and after them.
    fn says_something(&self, run: &Run) -> bool {
        let (first, last) = (run.span.start, run.span.end);
        if run.span.len() < LEAST || run.letters < LETTERS {
            return false;
        }
        let gap = |at: usize| self.at[at].wrapping_sub(self.at[at - 1]).wrapping_sub(1).min(GAP_MOST);
        let gaps: usize = (first.max(1)..=last.min(self.at.len() - 1)).map(gap).sum();
        run.span.len() + gaps >= SPAN
    }
}

/// Whether a letter or digit begins with a byte; what does not space but is no letter (accents by themselves, invisible
/// characters) begins with one of four.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0xc3 && !matches!(byte, 0xcc | 0xcd | 0xe2)
}

/// The places of some bytes around every 64 of them that have fewer letters than say anything by themselves.
fn places(bytes: &[u8]) -> Vec<Range<usize>> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let mut places: Vec<Range<usize>> = Vec::new();
    // Without a branch that depends on the bytes.
    let letters = |block: &[u8; BLOCK]| block.iter().map(|&byte| u8::from(is_letter(byte))).sum::<u8>();
    let (mut before, mut last) = (FEW as u8, FEW as u8);
    for (number, block) in blocks.iter().enumerate() {
        let count = letters(block);
        if usize::from(before) + usize::from(last) + usize::from(count) < FEW {
            let (begin, end) = ((number - 2) * BLOCK, (number + 1) * BLOCK);
            let (begin, end) = (begin.saturating_sub(BLOCK), bytes.len().min(end + BLOCK));
            match places.last_mut().filter(|place| begin <= place.end) {
                Some(place) => place.end = end,
                None => places.push(begin..end),
            }
        }
        (before, last) = (last, count);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_64_bytes_of_few_letters_are_in_a_place() {
        for seed in 1..300usize {
            let byte = |at: usize| if at * at * seed % 101 < seed % 60 { b'a' } else { b'(' };
            let bytes: Vec<u8> = (0..200 + seed).map(byte).collect();
            let places = places(&bytes);
            for (from, window) in bytes.windows(64).enumerate() {
                if window.iter().filter(|byte| is_letter(**byte)).count() < FEW {
                    assert!(places.iter().any(|place| place.start <= from && from + 64 <= place.end), "{seed}: {from}");
                }
            }
        }
    }

    #[test]
    fn prose_has_none() {
        assert!(
            places(include_str!("../../../../SECURITY-MODEL.md").split('|').next().unwrap_or_default().as_bytes())
                .is_empty()
        );
    }
}
