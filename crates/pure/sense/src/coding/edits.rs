//! Where a text differs from the one that it was read from.

use std::ops::Range;

use super::signs::{Runs, Signs};

/// Where a text differs from the one that it was read from, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// Places in it over which something stands together that did not.
    pub(crate) at: Vec<usize>,
    /// What of the other text is not there as it was, and what stands there instead.
    taken: Vec<(Range<usize>, Range<usize>)>,
    /// There were more than are kept.
    more: bool,
}

/// Changes that are kept: of a text with more, the signs are looked for anew.
const KEPT: usize = 1 << 16;

/// How much of the edits is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known(usize, usize);

impl Edits {
    /// What there is so far.
    pub(super) fn known(&self) -> Known {
        Known(self.at.len(), self.taken.len())
    }

    /// Forgets what came later.
    pub(super) fn forget(&mut self, known: Known) {
        self.at.truncate(known.0);
        self.taken.truncate(known.1);
    }

    /// Takes something out that stood there.
    pub(super) fn take(&mut self, taken: Range<usize>, at: usize) {
        self.at.push(at);
        self.change(taken, at..at);
    }

    /// What stood there stands so here.
    pub(super) fn change(&mut self, taken: Range<usize>, made: Range<usize>) {
        self.more |= self.taken.len() >= KEPT;
        if !self.more {
            self.taken.push((taken, made));
        }
    }

    /// The signs of the text by those of the other, as far as those are not of quotes between which it stood. None where a run
    /// of digits is new, or one is missing between others.
    pub(super) fn carry(&self, signs: &Signs, quotes: bool, text: &[u8]) -> Option<Signs> {
        if self.more {
            return None;
        }
        let runs = Runs { base64: self.moved(&signs.runs.base64)?, hexish: self.moved(&signs.runs.hexish)? };
        if self.taken.iter().any(|(_, made)| Runs::joined(text, made)) {
            return None;
        }
        let kept = Signs { runs, quotes: signs.quotes && quotes, ..*signs };
        Some(self.taken.iter().fold(kept, |signs, (_, made)| signs.with_few(&text[made.clone()])))
    }

    /// Where those runs are in the text, if none of them is touched.
    fn moved(&self, runs: &[Range<usize>]) -> Option<Vec<Range<usize>>> {
        let mut next = 0;
        let moved = |run: &Range<usize>| {
            next += self.taken[next..].iter().take_while(|(taken, _)| taken.end < run.start).count();
            if self.taken.get(next).is_some_and(|(taken, _)| taken.start <= run.end) {
                return None;
            }
            let (there, here) = self.taken[..next].last().map_or((0, 0), |(taken, made)| (taken.end, made.end));
            Some(run.start - there + here..run.end - there + here)
        };
        runs.iter().map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::alphabet::PADDED;
    use super::super::escapes::{Read, undone};
    use super::super::pieces::are_padded;
    use super::super::signs::Marks;
    use super::super::strings::strings;
    use super::*;

    /// What is carried is what looking would tell, but for marks and quotes that are gone.
    fn agrees(carried: Option<Signs>, text: &[u8]) -> Result<(), TestCaseError> {
        let seen = Signs::of(text);
        let Some(carried) = carried else { return Ok(()) };
        prop_assert_eq!(&carried.runs.base64, &seen.runs.base64);
        // Fewer digits are found by where words begin.
        let many = |runs: &Runs| {
            let digits =
                |run: &&Range<usize>| text[run.start..run.end].iter().filter(|byte| byte.is_ascii_hexdigit()).count();
            runs.hexish.iter().filter(|run| digits(run) > 14).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(many(&carried.runs), many(&seen.runs));
        prop_assert_eq!(seen.marks.without(carried.marks), Marks::NONE);
        prop_assert!(carried.quotes | !seen.quotes && carried.binary | !seen.binary);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn signs_are_carried_and_nothing_is_tried_again(pieces in proptest::collection::vec(
            prop_oneof![
                "[a-f0-9]{1,20}", "[ ,\n]{1,20}", "[A-Za-z/_]{1,18}", "<[a-z]{0,3}>", "<[a-z ]{0,3}", ">", "%[0-9a-f]{2}", "%25",
                "&lt;", "&amp;", "[a-z]{2}(Q=|8)=", "=", "&", "\\\\[nu\\\\\"x]", "\"", "\",\"", "[.!(]{1,4}", "=[0-9a-f]{2}", "\u{e9}",
            ], 0..40,
        )) {
            let bytes = pieces.concat().into_bytes();
            let signs = Signs::of(&bytes);
            let padded = |text: &[u8], edits| are_padded(text, edits, &PADDED);
            let (found, pads) = (strings(&bytes, signs.marks), padded(&bytes, None));
            prop_assert!(pads || padded(&found.values, Some(&found.edits.at[..])) == padded(&found.values, None));
            agrees(found.edits.carry(&signs, false, &found.values), &found.values)?;
            let Read { text, edits, how } = undone(&bytes, signs.marks, None);
            if !how.is_empty() {
                prop_assert!(pads || padded(&text, Some(&edits.at[..])) == padded(&text, None));
                agrees(edits.carry(&signs, true, &text), &text)?;
                let marks = Signs::of(&text).marks;
                let (again, anew) = (undone(&text, marks, None), undone(&text, marks, Some((signs.marks, &edits.at))));
                prop_assert_eq!((again.text, again.edits, again.how), (anew.text, anew.edits, anew.how));
            }
        }
    }
}
