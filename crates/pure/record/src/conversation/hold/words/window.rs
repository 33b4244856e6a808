//! One text as it grows: what waits, and the end of what went on, so that what is found at the joint is found.

use crate::conversation::answer::MAX_ANSWER;
use crate::conversation::hold::Stop;
use crate::conversation::hold::judge::{Cut, Judge, Said, Verdict};
use crate::conversation::shape::Malformed;

/// Bytes of what went on that are looked at again.
const BEHIND: usize = 4 << 10;

/// One text.
#[derive(Default)]
pub(super) struct Window {
    text: String,
    /// How much of it went on.
    passed: usize,
    /// From which length on the judge is asked again: not for each letter.
    next: usize,
    /// The last that went on stands in the place of a part that may go on here.
    within: bool,
}

impl Window {
    /// Whether anything waits.
    pub(super) fn waits(&self) -> bool {
        self.passed < self.text.len()
    }

    /// Takes the next piece, gives what goes on; all of it where the text ended.
    pub(super) fn push(&mut self, more: &str, ended: bool, judge: &mut dyn Judge) -> Result<String, Stop> {
        self.text.push_str(more);
        if self.text.len() - self.passed > MAX_ANSWER {
            return Err(Malformed::LongAnswer.into());
        }
        if !self.waits() || !ended && self.text.len() < self.next {
            return Ok(String::new());
        }
        let (cuts, waits) = match judge.words(&Said { text: &self.text, passed: self.passed, ended }) {
            Verdict::Go { cuts, waits } => (cuts, if ended { 0 } else { waits }),
            Verdict::Refuse(why) => return Err(Stop::Refused(why)),
        };
        self.next = self.text.len() + waits.min(self.text.len()) / 8;
        let end = self.text.floor_char_boundary(self.text.len().saturating_sub(waits)).max(self.passed);
        let out = self.release(end, cuts);
        self.within &= !ended;
        self.forget();
        Ok(out)
    }

    fn release(&mut self, end: usize, mut cuts: Vec<Cut>) -> String {
        let (mut at, mut out) = (self.passed, String::new());
        cuts.sort_by_key(|cut| (cut.place.start, cut.place.end));
        for Cut { place, instead } in cuts {
            let from = self.text.floor_char_boundary(place.start.min(self.text.len()));
            let to = self.text.ceil_char_boundary(place.end.min(self.text.len())).min(end);
            if to <= at || from >= end {
                continue;
            }
            if from > at {
                out.push_str(&self.text[at..from]);
                self.within = false;
            }
            // What began before has its mark already, and so has what another part runs into.
            if !(self.within && from < at) {
                out.push_str(&instead);
            }
            (at, self.within) = (to, true);
        }
        if at < end {
            out.push_str(&self.text[at..end]);
            self.within = false;
        }
        self.passed = end;
        out
    }

    fn forget(&mut self) {
        if self.passed > 2 * BEHIND {
            let gone = self.text.floor_char_boundary(self.passed - BEHIND);
            self.text.drain(..gone);
            self.passed -= gone;
            self.next = self.next.saturating_sub(gone);
        }
    }
}
