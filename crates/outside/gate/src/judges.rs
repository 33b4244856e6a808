//! The hook on what servers say: judges of one answer, asked before the program has it. Each hears the head, and then
//! either how many bytes came, or the bytes themselves, of which it lets pass, holds, masks or refuses what it will.
//!
//! A judge is pure: it knows what it was given and the answer, and nothing else. What detectors find in answers comes in
//! here, as a judge beside those that there are. Where there is none, an answer goes by untouched.

use std::ops::Range;

use policy::{AnswerHead, Answers};

use crate::look::Unread;
use crate::reply::Part;

/// Most bytes of an answer that are held for its judges: a window, not a store.
pub(crate) const MAX_HELD: usize = 64 << 10;

/// Judges one answer.
pub(crate) trait Judge {
    /// Its head is whole.
    ///
    /// # Errors
    /// Why it does not go on.
    fn begin(&mut self, _head: &AnswerHead) -> Result<(), Unread> {
        Ok(())
    }

    /// So many more bytes of its body came.
    ///
    /// # Errors
    /// Why it goes on no further.
    fn comes(&mut self, _bytes: usize) -> Result<(), Unread> {
        Ok(())
    }

    /// Hears what the answer carries, on its way: nothing waits for it.
    fn hear(&mut self, _text: &[u8]) {}

    /// Whether it wants to see what the answer carries. Compressed ones are refused then, and nothing passes unseen.
    fn reads(&self) -> bool {
        false
    }

    /// Judges all that was not passed on yet, in which it may put other bytes, one for one, so that every length stays true.
    /// Gives how many bytes at its end wait for more; at the end of an answer, or of a message, none does.
    ///
    /// # Errors
    /// Why it goes on no further.
    fn judge(&mut self, _text: &mut [u8]) -> Result<usize, Unread> {
        Ok(0)
    }

    /// Whether a line by itself holds what is masked.
    fn knows(&self, _line: &[u8]) -> bool {
        false
    }

    /// How often it masked something since it was asked last.
    fn masked(&mut self) -> u64 {
        0
    }
}

/// The judges of one answer, and what of it was not passed on yet.
#[derive(Default)]
pub(crate) struct Judges {
    list: Vec<Box<dyn Judge>>,
    held: Vec<u8>,
    /// Which bytes of `held` are what the answer carries, in order; the others frame it.
    carried: Vec<usize>,
}

impl Judges {
    /// The same with one more, where there is one.
    #[must_use]
    pub(crate) fn and(mut self, judge: Option<impl Judge + 'static>) -> Judges {
        self.list.extend(judge.map(|judge| Box::new(judge) as Box<dyn Judge>));
        self
    }

    /// Whether any wants to see what the answer carries.
    pub(crate) fn reads(&self) -> bool {
        self.list.iter().any(|judge| judge.reads())
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn begin(&mut self, head: &AnswerHead) -> Result<(), Unread> {
        self.list.iter_mut().try_for_each(|judge| judge.begin(head))
    }

    pub(crate) fn hear(&mut self, text: &[u8]) {
        self.list.iter_mut().for_each(|judge| judge.hear(text));
    }

    pub(crate) fn comes(&mut self, bytes: usize) -> Result<(), Unread> {
        self.list.iter_mut().try_for_each(|judge| judge.comes(bytes))
    }

    pub(crate) fn knows(&self, line: &[u8]) -> bool {
        self.list.iter().any(|judge| judge.knows(line))
    }

    pub(crate) fn masked(&mut self) -> u64 {
        self.list.iter_mut().map(|judge| judge.masked()).sum()
    }

    /// Takes a piece of an answer, of which `parts` are heads and what it carries, and gives what may be passed on; all of
    /// it at the end.
    ///
    /// # Errors
    /// Why it goes on no further.
    pub(crate) fn pass(&mut self, bytes: &[u8], parts: &[(Part, Range<usize>)], end: bool) -> Result<Vec<u8>, Unread> {
        if !self.reads() {
            return Ok(bytes.to_vec());
        }
        let from = self.held.len();
        self.held.extend_from_slice(bytes);
        self.carried.extend(parts.iter().flat_map(|(_, range)| range.clone()).map(|at| from + at));
        let mut text: Vec<u8> = self.carried.iter().map(|at| self.held[*at]).collect();
        let mut waits = 0;
        for judge in self.list.iter_mut().filter(|judge| judge.reads()) {
            waits = waits.max(judge.judge(&mut text)?.min(text.len()));
        }
        self.carried.iter().zip(text).for_each(|(at, byte)| self.held[*at] = byte);
        let keep = if end { 0 } else { waits };
        if keep > MAX_HELD {
            return Err(Unread::Much);
        }
        let out = match keep {
            0 => self.held.len(),
            keep => self.carried[self.carried.len() - keep],
        };
        let passed: Vec<u8> = self.held.drain(..out).collect();
        self.carried = self.carried.split_off(self.carried.len() - keep).iter().map(|at| at - out).collect();
        Ok(passed)
    }

    /// The same of all that is carried by itself.
    ///
    /// # Errors
    /// As [`Judges::pass`].
    pub(crate) fn plain(&mut self, text: Vec<u8>, end: bool) -> Result<Vec<u8>, Unread> {
        match self.reads() {
            true => self.pass(&text, &[(Part::Body, 0..text.len())], end),
            false => Ok(text),
        }
    }
}

/// The bounds of a rule on its answers.
#[derive(Debug)]
pub(crate) struct Bounded {
    answers: Answers,
    came: u64,
}

impl Bounded {
    pub(crate) const fn by(answers: Answers) -> Bounded {
        Bounded { answers, came: 0 }
    }
}

impl Judge for Bounded {
    fn begin(&mut self, head: &AnswerHead) -> Result<(), Unread> {
        Ok(self.answers.admits(head)?)
    }

    fn comes(&mut self, bytes: usize) -> Result<(), Unread> {
        self.came = self.came.saturating_add(bytes as u64);
        Ok(self.answers.holds(self.came)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds until a full stop, masks digits, refuses an exclamation mark: each thing that a judge may do.
    struct Sentences(u64);

    impl Judge for Sentences {
        fn reads(&self) -> bool {
            true
        }

        fn judge(&mut self, text: &mut [u8]) -> Result<usize, Unread> {
            if text.contains(&b'!') {
                return Err(Unread::Answer("it shouts".into()));
            }
            for byte in text.iter_mut().filter(|byte| byte.is_ascii_digit()) {
                (*byte, self.0) = (b'#', self.0 + 1);
            }
            Ok(text.iter().rev().take_while(|byte| **byte != b'.').count())
        }

        fn masked(&mut self) -> u64 {
            std::mem::take(&mut self.0)
        }
    }

    #[test]
    fn a_judge_passes_holds_masks_and_refuses() {
        let mut judges = Judges::default().and(Some(Sentences(0))).and(None::<Bounded>);
        let mut say = |text: &str, end| judges.plain(text.as_bytes().to_vec(), end);
        assert_eq!(say("one 1. tw", false), Ok(b"one #.".to_vec()));
        assert_eq!(say("o 22", false), Ok(vec![]));
        assert_eq!(say(". and", false), Ok(b" two ##.".to_vec()));
        assert_eq!(say(" the rest", true), Ok(b" and the rest".to_vec()));
        assert_eq!(say("no!", false), Err(Unread::Answer("it shouts".into())));
        assert_eq!(judges.masked(), 3);
        assert_eq!(judges.masked(), 0);
    }

    #[test]
    fn what_frames_a_body_waits_with_what_it_frames() {
        let mut judges = Judges::default().and(Some(Sentences(0)));
        let chunk = b"3\r\na.b\r\n";
        let given = judges.pass(chunk, &[(Part::Body, 3..6)], false);
        assert_eq!(given, Ok(b"3\r\na.".to_vec()));
        let given = judges.pass(b"2\r\n7.\r\n", &[(Part::Body, 3..5)], false);
        assert_eq!(given, Ok(b"b\r\n2\r\n#.\r\n".to_vec()));
    }

    #[test]
    fn no_more_is_held_than_a_window() {
        let mut judges = Judges::default().and(Some(Sentences(0)));
        assert_eq!(judges.plain(vec![b'a'; MAX_HELD], false), Ok(vec![]));
        assert_eq!(judges.plain(vec![b'a'], false), Err(Unread::Much));
    }

    #[test]
    fn bounds_see_the_head_and_a_count_alone() {
        let answers = Answers { size: Some(4), types: None };
        let mut judges = Judges::default().and(Some(Bounded::by(answers)));
        assert!(!judges.reads() && !judges.is_empty());
        let head = |length| AnswerHead { has_body: true, kind: None, length, coded: false };
        assert!(judges.begin(&head(Some(5))).is_err() && judges.begin(&head(None)).is_ok());
        assert!(judges.comes(3).is_ok() && judges.comes(1).is_ok());
        assert_eq!(judges.comes(1), Err(Unread::Unfit(policy::Unfit::Long(4))));
    }
}
