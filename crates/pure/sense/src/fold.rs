//! The form in which texts are compared: letters and digits in lower case, one byte each, and nothing else.
//!
//! Spaces, punctuation, line ends and invisible characters are dropped, so that none of them hides a text. Letters that
//! look like those of ASCII become those, without their accents; others become one byte above 127 by a hash, ideographs
//! and syllables two, since each says more. There is no Unicode normalisation: where a letter has no look-alike, `й` and
//! `и` with an accent that combines are two texts.

mod lookalike;

use std::ops::Range;
use std::sync::LazyLock;

pub(crate) use lookalike::lookalike;

use crate::coding::{character, gathered};

/// What a byte stands for in the table with which a character beyond ASCII begins.
const WIDE: u8 = u8::MAX;

/// The folded byte of each ASCII character; zero for what is dropped, and for what begins no character.
const FOLDED: [u8; 256] = table();

/// Where scripts begin whose characters count twice.
const DENSE: u32 = 0x2e80;

const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let one = byte as u8;
        table[byte] = if one >= 0xc2 && one <= 0xf4 {
            WIDE
        } else if one.is_ascii_alphanumeric() {
            one.to_ascii_lowercase()
        } else {
            0
        };
        byte += 1;
    }
    table
}

/// Bytes that are folded together, and the longest run of letters among them that is copied at once.
const BLOCK: usize = 64;
const RUN: usize = 16;

/// The bit that a small letter has and a large one has not.
const SMALL: u8 = 0x20;

/// Appends the folded form of the bytes; what is not UTF-8 is dropped. Never longer than the bytes.
pub(crate) fn fold(bytes: &[u8], out: &mut Vec<u8>) {
    fold_with(bytes, &[], out, |_| {});
}

/// The same, and where in all of the folded form those places of the bytes are, which come in order. A place within a
/// character is the one behind it.
pub(crate) fn fold_at(bytes: &[u8], places: &[usize], out: &mut Vec<u8>) -> Vec<usize> {
    let mut folded = Vec::with_capacity(places.len());
    fold_with(bytes, places, out, |place| folded.push(place));
    folded
}

/// Bytes that are folded on each side of a place at most, for each letter that is asked for.
const SPARSE: usize = 12;

/// The folded form of what stands around a place, with so many letters and more on each side where there are as many, and where
/// in it the place is. None where they are farther from each other than is looked.
pub(crate) fn fold_around(bytes: &[u8], place: usize, letters: usize, out: &mut Vec<u8>) -> Option<usize> {
    let (mut reach, mut at) = ((2 * letters).max(BLOCK / 2), 0);
    while reach <= SPARSE * letters {
        let (begin, end) = (place.saturating_sub(reach), bytes.len().min(place + reach));
        out.clear();
        fold_with(&bytes[begin..end], &[place - begin], out, |place| at = place);
        if (begin == 0 || at >= letters) && (end == bytes.len() || out.len() - at >= letters) {
            return Some(at);
        }
        reach *= 2;
    }
    None
}

fn fold_with(bytes: &[u8], places: &[usize], out: &mut Vec<u8>, mut see: impl FnMut(usize)) {
    let begin = out.len();
    out.resize(begin + bytes.len() + BLOCK + RUN, 0);
    let room = &mut out[begin..];
    let (mut at, mut kept) = (0, 0);
    let mut places = places.iter().copied().peekable();
    while at < bytes.len() {
        let end = bytes.len().min(at + RUN);
        if bytes[at..end].is_ascii() {
            let filled;
            let whole = match bytes[at..].first_chunk() {
                Some(whole) => whole,
                None => {
                    filled = Block::filled(&bytes[at..]);
                    &filled
                }
            };
            let block = Block::of(whole, bytes.len() - at);
            while let Some(place) = places.next_if(|place| *place < at + block.length) {
                see(begin + kept + block.before(place.saturating_sub(at)));
            }
            kept += room[kept..].first_chunk_mut().map_or(0, |room| block.write(room));
            at += block.length;
            continue;
        }
        while at < end {
            while places.next_if(|place| *place <= at).is_some() {
                see(begin + kept);
            }
            let (length, letters) = step(&bytes[at..]);
            for &one in letters.bytes() {
                room[kept] = one;
                kept += 1;
            }
            at += length;
        }
    }
    places.for_each(|_| see(begin + kept));
    out.truncate(begin + kept);
}

/// Some bytes of ASCII.
struct Block<'b> {
    /// As they are, and as many more as a run has.
    whole: &'b [u8; BLOCK + RUN],
    length: usize,
    /// Which of them are letters and digits, the first one in the lowest bit.
    letters: u64,
}

impl<'b> Block<'b> {
    /// What the bytes begin with, up to the first one that is none of ASCII; at most so many. Without a branch that depends on them.
    #[inline(always)]
    fn of(whole: &'b [u8; BLOCK + RUN], most: usize) -> Self {
        let bytes: &[u8; BLOCK] = whole.first_chunk().unwrap_or(&[0; BLOCK]);
        let most = most.min(BLOCK);
        let length = if bytes.is_ascii() { most } else { Self::ascii(bytes).min(most) };
        let letters = gathered(&bytes.map(|byte| {
            // A digit has that bit.
            u8::from((byte | SMALL).wrapping_sub(b'a') < 26) | u8::from(byte.wrapping_sub(b'0') < 10)
        }));
        Block { whole, length, letters: letters & (u64::MAX >> (BLOCK - length)) }
    }

    /// How many bytes of ASCII come first. Apart, or the bytes would be taken one by one in any case.
    #[cold]
    #[inline(never)]
    fn ascii(bytes: &[u8; BLOCK]) -> usize {
        bytes.iter().take_while(|byte| byte.is_ascii()).count()
    }

    /// The last bytes of a text, and nothing behind them.
    fn filled(bytes: &[u8]) -> [u8; BLOCK + RUN] {
        let mut whole = [0; BLOCK + RUN];
        let length = bytes.len().min(BLOCK);
        whole[..length].copy_from_slice(&bytes[..length]);
        whole
    }

    /// How many letters stand before that byte of them.
    fn before(&self, at: usize) -> usize {
        (self.letters & ((1 << at) - 1)).count_ones() as usize
    }

    /// Writes the letters; how many they are.
    #[inline(always)]
    fn write(&self, room: &mut [u8; BLOCK + RUN]) -> usize {
        let (mut left, mut kept) = (self.letters, 0);
        while left != 0 {
            let begin = left.trailing_zeros() as usize;
            let length = (!(left >> begin)).trailing_zeros() as usize;
            // Adding to the lowest letter of a run carries over all of it.
            left &= left.wrapping_add(left & left.wrapping_neg());
            self.copy(begin, room, kept);
            let mut more = RUN;
            while more < length {
                self.copy(begin + more, room, kept + more);
                more += RUN;
            }
            kept += length;
        }
        kept
    }

    /// What begins before the end of the block, in small letters.
    #[inline(always)]
    fn copy(&self, begin: usize, room: &mut [u8; BLOCK + RUN], at: usize) {
        if let (Some(room), Some(run)) =
            (room[at % BLOCK..].first_chunk_mut::<RUN>(), self.whole[begin % BLOCK..].first_chunk())
        {
            *room = run.map(|byte| byte | SMALL);
        }
    }
}

/// Where in a text its folded letters stand: the place of one in so many, from which the others are counted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Places(Vec<(u32, u32)>);

/// Letters from one known place to the next.
const APART: usize = 64;

/// What counts of that which stands between two letters: indentation and rulers say nothing.
pub(crate) const GAP: usize = 24;

impl Places {
    /// The places of a text, which is shorter than four GiB.
    pub(crate) fn of(text: &[u8]) -> Self {
        let (mut places, mut at, mut count) = (Vec::with_capacity(text.len() / APART), 0, 0);
        while at < text.len() {
            if count >= places.len() * APART {
                places.push((at as u32, count as u32));
            }
            let (length, folded) = step(&text[at..]);
            at += length;
            count += folded.bytes().len();
        }
        places.shrink_to_fit();
        Self(places)
    }

    /// Where in the text those stand that folded to `span`.
    pub(crate) fn unfold(&self, text: &[u8], span: &Range<usize>) -> Range<usize> {
        let (mut at, mut count) = self.before(span.start);
        let mut begin = None;
        while at < text.len() && count < span.end {
            let (length, folded) = step(&text[at..]);
            count += folded.bytes().len();
            if count > span.start && begin.is_none() {
                begin = Some(at);
            }
            at += length;
        }
        begin.unwrap_or(at)..at
    }

    /// How many bytes of the text those span that folded to `span`, with what stands before and after them, and of what
    /// stands between two letters no more than [`GAP`].
    pub(crate) fn spanned(&self, text: &[u8], span: &Range<usize>) -> usize {
        let (mut at, mut count) = self.before(span.start);
        let (mut gap, mut all) = (0, 0);
        while at < text.len() {
            let (length, folded) = step(&text[at..]);
            at += length;
            let letters = folded.bytes().len();
            if letters == 0 {
                gap += length;
                continue;
            }
            count += letters;
            if count > span.start {
                all += gap.min(GAP);
            }
            if count > span.end {
                return all;
            }
            gap = 0;
            if count > span.start {
                all += length;
            }
        }
        all + gap.min(GAP)
    }

    /// A known place well before that letter: what stands in front of it counts.
    fn before(&self, letter: usize) -> (usize, usize) {
        let known = self.0.get((letter / APART).saturating_sub(1)).copied().unwrap_or_default();
        (known.0 as usize, known.1 as usize)
    }
}

/// Each byte of another form, with where its character begins: letters and digits as they are folded, and the marks of ASCII.
pub(crate) fn marked(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, u8)> {
    let mut next = from;
    let one = move || {
        let at = next;
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let (length, letters) = step(rest);
        next += length;
        let mark = rest[0].is_ascii_graphic() && letters.1 == 0;
        Some((at, if mark { Folded([rest[0], 0], 1) } else { letters }))
    };
    std::iter::from_fn(one)
        .flat_map(|(at, Folded(bytes, count))| bytes.into_iter().take(count).map(move |byte| (at, byte)))
}

/// What one character folds to: none, one or two bytes.
struct Folded([u8; 2], usize);

impl Folded {
    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

/// The length and folded form of the character at the start of `bytes`, which is not empty.
fn step(bytes: &[u8]) -> (usize, Folded) {
    let folded = FOLDED[usize::from(bytes[0])];
    if folded != WIDE {
        return (1, Folded([folded, 0], usize::from(folded != 0)));
    }
    match character(bytes) {
        Some(letter) => (letter.len_utf8(), wide(letter)),
        None => (1, Folded([0; 2], 0)),
    }
}

/// What letters of two bytes fold to, zero for none: most alphabets are among them, and noise that reads like text is full
/// of them.
static NARROW: LazyLock<[u8; 0x800]> = LazyLock::new(|| {
    std::array::from_fn(|code| {
        let folded = char::from_u32(code as u32).map(computed);
        folded.and_then(|folded| folded.bytes().first().copied()).unwrap_or(0)
    })
});

fn wide(letter: char) -> Folded {
    match NARROW.get(letter as usize) {
        Some(&byte) => Folded([byte, 0], usize::from(byte != 0)),
        None => computed(letter),
    }
}

fn computed(letter: char) -> Folded {
    if let Some(plain) = lookalike(letter) {
        return Folded([plain, 0], 1);
    }
    if !letter.is_alphanumeric() {
        return Folded([0; 2], 0);
    }
    let code = u32::from(letter.to_lowercase().next().unwrap_or(letter));
    let hash = code.wrapping_mul(0x9e37_79b1);
    let byte = |shift: u32| 0x80 | (hash >> shift) as u8;
    Folded([byte(25), byte(17)], if code >= DENSE { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        fold(text.as_bytes(), &mut out);
        out
    }

    #[test]
    fn letters_and_digits_stay_in_lower_case() {
        assert_eq!(folded("You are, a\tCoding\u{200b} Agent-7!\r\n"), b"youareacodingagent7");
        assert_eq!(folded("\u{ff39}ou \u{212a}"), b"youk");
    }

    #[test]
    fn places_are_found_in_the_folded_form() {
        let text = "One, two \u{df} th\u{e9}re is mor\u{79d8}e to come, and more; and \u{1d400} more.".repeat(3);
        for step in 1..9 {
            let places: Vec<usize> = (0..text.len() + 9).step_by(step).collect();
            let mut out = b"before".to_vec();
            let found = fold_at(text.as_bytes(), &places, &mut out);
            let before = |place: usize| folded(&text[..text.ceil_char_boundary(place.min(text.len()))]).len();
            let expected: Vec<usize> = places.iter().map(|place| 6 + before(*place)).collect();
            assert_eq!((&out[6..], found), (&folded(&text)[..], expected));
        }
    }

    #[test]
    fn letters_beyond_ascii_count_one_and_ideographs_two() {
        assert_eq!(folded("ДЯ").len(), 2);
        assert_eq!(folded("ДЯ"), folded("дя"));
        assert_eq!(folded("Äo\u{308}"), b"ao");
        assert_eq!(folded("秘密").len(), 4);
    }

    #[test]
    fn what_is_no_utf8_is_dropped() {
        let mut out = Vec::new();
        fold(b"a\xff\xc3b\xf0\x9f", &mut out);
        assert_eq!(out, b"ab");
    }

    #[test]
    fn a_span_is_found_again() {
        let before = "nothing at all, ".repeat(40);
        for before in ["", &before] {
            let text = format!("{before}Д-b, 秘 Cd!");
            let (all, first) = (folded(&text), folded(before).len());
            let places = Places::of(text.as_bytes());
            let unfold =
                |span: Range<usize>| &text[places.unfold(text.as_bytes(), &(first + span.start..first + span.end))];
            assert_eq!(unfold(0..all.len() - first), "Д-b, 秘 Cd");
            assert_eq!(unfold(1..2), "b");
            assert_eq!(unfold(4..6), "Cd");
        }
    }

    #[test]
    fn what_stands_between_letters_counts_up_to_a_bound() {
        let text = format!("{}one, two{}three;", "word ".repeat(50), " ".repeat(30));
        let places = Places::of(text.as_bytes());
        let spanned = |span: Range<usize>| places.spanned(text.as_bytes(), &(200 + span.start..200 + span.end));
        assert_eq!(spanned(0..6), " one, two".len() + GAP);
        assert_eq!(spanned(3..11), ", two".len() + GAP + "three;".len());
        assert_eq!(places.spanned(text.as_bytes(), &(0..4)), "word ".len());
    }
}
