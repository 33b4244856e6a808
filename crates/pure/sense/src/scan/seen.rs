//! Texts that were looked at in a scan. One that comes again says nothing new, and of one that is nearly the same only what differs does:
//! a document in a document is read once more wherever something around it was undone.

use std::ops::Range;

use crate::coding::{Coding, Edits, New, Reading, Signs, edits_of};

/// Bytes of texts that are kept, and texts: where there are more, those before are forgotten.
const KEPT: usize = 8 << 20;
const MANY: usize = 64;

/// How many of the last ones are gone through for one that is nearly the same.
const LATELY: usize = 6;

/// Fewer bytes are sooner looked at than compared, with what is the same and with what is nearly so.
const LEAST: usize = 128;
const FEW: usize = 2 << 10;

/// What decides on what comes of a text besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    pub(super) depth: usize,
    pub(super) reading: Reading,
    /// What was undone last.
    pub(super) last: Option<Coding>,
    /// It may be deflated without a header.
    pub(super) raw_deflate: bool,
    /// Noise in it says nothing.
    pub(super) by_chance: bool,
    /// What is opaque in it was seen where it stood.
    pub(super) joined: bool,
    /// Its pieces of secrets are not looked for.
    pub(super) whole: bool,
}

impl View {
    /// Whether all that comes of a text in the other view comes of it in this one.
    fn covers(&self, other: &View) -> bool {
        self.depth <= other.depth
            && self.reading.covers(other.reading)
            && self.raw_deflate >= other.raw_deflate
            && self.by_chance <= other.by_chance
            && self.joined <= other.joined
            && self.whole <= other.whole
    }
}

/// A text that was looked at, and where it is kept.
struct Text {
    view: View,
    place: Range<usize>,
    signs: Option<Signs>,
}

/// What is known of a text.
pub(super) enum Known {
    /// All of it was looked at.
    All,
    /// What stands over none of the edits was; and the signs of the text, if they follow from those of the other.
    But(Edits, Option<Signs>),
    Nothing,
}

/// The last texts that were looked at.
#[derive(Default)]
pub(super) struct Seen {
    texts: Vec<Text>,
    /// All of them.
    bytes: Vec<u8>,
}

impl Seen {
    /// What is known of a text in that view, beside what is known of it otherwise.
    pub(super) fn known(&self, view: &View, bytes: &[u8], new: New<'_>) -> Known {
        if bytes.len() < LEAST {
            return Known::Nothing;
        }
        let mut before = self.texts.iter().rev().filter(|text| text.view.covers(view));
        if before.clone().any(|text| self.bytes[text.place.clone()] == *bytes) {
            return Known::All;
        }
        if bytes.len() < FEW {
            return Known::Nothing;
        }
        let near = |text: &&Text| text.view.last == view.last && text.place.len().abs_diff(bytes.len()) <= bytes.len() / 16;
        let edits = |text: &Text| edits_of(&self.bytes[text.place.clone()], bytes);
        let alike = before.by_ref().filter(near).take(LATELY).find_map(|text| Some((text, edits(text)?)));
        let fewer = |(_, edits): &(_, Edits)| new.edits().is_none_or(|new| edits.at.len() < new.len());
        alike.filter(fewer).map_or(Known::Nothing, |(text, edits)| {
            let signs = text.signs.as_ref().and_then(|signs| edits.carry(signs, true, bytes));
            Known::But(edits, signs)
        })
    }

    /// Keeps a text, which is looked at now.
    pub(super) fn keep(&mut self, view: View, bytes: &[u8], signs: Option<&Signs>) {
        if !(LEAST..=KEPT).contains(&bytes.len()) {
            return;
        }
        if self.texts.len() >= MANY || self.bytes.len() + bytes.len() > KEPT {
            self.texts.clear();
            self.bytes.clear();
        }
        let place = self.bytes.len()..self.bytes.len() + bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.texts.push(Text { view, place, signs: signs.cloned() });
    }
}
