//! What a piece of bytes could hold: bytes that hold nothing wrapped are seen to do so at little cost, and left.

use std::ops::Range;

use super::legible::plain;

/// What a byte may be part of, or begins: the marks of [`Marks`] and these.
const BASE64: u16 = 1 << 8;
const HEXISH: u16 = 1 << 9;
const BINARY: u16 = 1 << 10;
const QUOTE: u16 = 1 << 11;

/// The shortest run of digits that is decoded: twelve bytes of base64, eight of hexadecimal.
pub(crate) const LEAST_DIGITS: usize = 16;

/// What a piece calls for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    pub(crate) runs: Runs,
    pub(crate) marks: Marks,
    pub(crate) quotes: bool,
    /// There is what is no ASCII text.
    pub(crate) binary: bool,
}

impl Signs {
    /// The signs of the bytes.
    pub(crate) fn of(bytes: &[u8]) -> Signs {
        Signs { runs: Runs::of(bytes), ..Signs::default() }.with(classes_of(bytes))
    }

    /// These and those of some bytes more, in which there are no runs.
    pub(super) fn with_few(self, bytes: &[u8]) -> Signs {
        self.with(bytes.iter().fold(0, |classes, byte| classes | CLASS[usize::from(*byte)]))
    }

    fn with(self, classes: u16) -> Signs {
        let (quotes, binary) = (self.quotes | (classes & QUOTE != 0), self.binary | (classes & BINARY != 0));
        Signs { marks: self.marks.with(Marks::among(classes)), quotes, binary, ..self }
    }

    /// Whether there is nothing to undo.
    pub(crate) fn plain(&self) -> bool {
        let digits = self.runs != Runs::default();
        !(digits || self.marks != Marks::NONE || self.quotes || self.binary)
    }
}

/// Where runs of digits are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// Of base64.
    pub(crate) base64: Vec<Range<usize>>,
    /// Hexadecimal ones, and what stands between them.
    pub(crate) hexish: Vec<Range<usize>>,
}

/// Bytes that are looked at together: every run holds as many whole.
const WORD: usize = LEAST_DIGITS / 2;

/// Hexadecimal digits in the shortest line of a dump: with fewer, a run is one of spaces.
const FEW_DIGITS: usize = 6;

impl Runs {
    /// The runs in the bytes. Each holds eight bytes that are looked at together, and most of those hold something else.
    fn of(bytes: &[u8]) -> Runs {
        let (mut runs, mut ends) = (Runs::default(), [0; 2]);
        for (number, word) in bytes.as_chunks::<WORD>().0.iter().enumerate() {
            let classes = classes_of_all(word);
            // What was found already goes on over many words.
            if classes != 0 && ends.iter().any(|end| *end <= number * WORD) {
                runs.find(bytes, number * WORD, classes, &mut ends);
            }
        }
        runs
    }

    /// Takes the runs around a word of those classes, if they end behind those before. Apart, or the loop would not stay in registers.
    #[inline(never)]
    fn find(&mut self, bytes: &[u8], at: usize, classes: u16, ends: &mut [usize; 2]) {
        let kinds = [(BASE64, &mut self.base64), (HEXISH, &mut self.hexish)];
        for ((class, runs), end) in kinds.into_iter().zip(ends) {
            // Of a run that has only spaces in its words, what stands around them says nothing.
            let says = || class == BASE64 || bytes[at..at + WORD].iter().any(u8::is_ascii_hexdigit);
            if classes & class != 0 && *end <= at && says() {
                let run = around(bytes, *end..bytes.len(), at, class);
                *end = run.end;
                if is_run(&bytes[run.clone()], class) {
                    runs.push(run);
                }
            }
        }
    }

    /// Whether there is a run that is only one with what was put there, or with what stands together there now.
    pub(super) fn joined(text: &[u8], made: &Range<usize>) -> bool {
        let classes = |at: usize| text.get(at).map_or(0, |byte| CLASS[usize::from(*byte)]);
        let before = made.start.checked_sub(1).map_or(0, classes);
        let both = classes(made.start) & if made.is_empty() { before } else { BASE64 | HEXISH };
        [BASE64, HEXISH].into_iter().any(|class| {
            let near = made.start.saturating_sub(NEAR)..text.len().min(made.start + NEAR);
            let is = |run: Range<usize>| {
                // What goes on for longer may be anything.
                let more = run.start == near.start && run.start > 0 || run.end == near.end && run.end < text.len();
                more || is_run(&text[run], class)
            };
            both & class != 0 && is(around(text, near.clone(), made.start, class))
        })
    }
}

/// Bytes around a joint that are looked at for what is joined there.
const NEAR: usize = 64;

/// What of a class stands around a place, within some bytes.
fn around(bytes: &[u8], within: Range<usize>, at: usize, class: u16) -> Range<usize> {
    let is = |byte: &&u8| CLASS[usize::from(**byte)] & class != 0;
    let before = bytes[within.start..at].iter().rev().take_while(is).count();
    let after = &bytes[at..within.end];
    let words = after.as_chunks::<WORD>().0.iter().take_while(|word| classes_of_all(word) & class != 0).count() * WORD;
    at - before..at + words + after[words..].iter().take_while(is).count()
}

/// The classes of digits that all of the bytes are of.
#[inline(always)]
fn classes_of_all(word: &[u8; WORD]) -> u16 {
    word.iter().fold(BASE64 | HEXISH, |classes, byte| classes & CLASS[usize::from(*byte)])
}

fn is_run(bytes: &[u8], class: u16) -> bool {
    let digits = || bytes.iter().filter(|byte| byte.is_ascii_hexdigit()).take(FEW_DIGITS).count() == FEW_DIGITS;
    bytes.len() >= LEAST_DIGITS && (class == BASE64 || digits())
}

/// A set of characters that begin something written out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) const NONE: Marks = Marks(0);
    pub(crate) const PERCENT: Marks = Marks(1);
    pub(crate) const BACKSLASH: Marks = Marks(1 << 1);
    pub(crate) const AMPERSAND: Marks = Marks(1 << 2);
    pub(crate) const EQUALS: Marks = Marks(1 << 3);
    pub(crate) const LESS: Marks = Marks(1 << 4);
    const ALL: Marks = Marks(31);

    /// All of them as they are written.
    const BYTES: &[u8; 5] = b"%\\&=<";

    /// Whether any of the others is among them.
    pub(crate) const fn hold(self, others: Marks) -> bool {
        self.0 & others.0 != 0
    }

    /// Those and the others.
    pub(crate) const fn with(self, others: Marks) -> Marks {
        Marks(self.0 | others.0)
    }

    /// Those that are not among the others.
    pub(crate) const fn without(self, others: Marks) -> Marks {
        Marks(self.0 & !others.0)
    }

    /// Whether a byte is one of them.
    pub(crate) const fn begin_with(self, byte: u8) -> bool {
        self.hold(Marks::among(CLASS[byte as usize]))
    }

    /// Calls `see` with every place where one of them stands, in their order.
    pub(super) fn each(self, bytes: &[u8], mut see: impl FnMut(usize)) {
        if self == Marks::NONE {
            return;
        }
        let (marks, (blocks, rest)) = (self.bytes(), bytes.as_chunks());
        let mut bits = |mut bits: u64, from: usize| {
            while bits != 0 {
                see(from + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        };
        for (number, block) in blocks.iter().enumerate() {
            bits(Self::bits(marks, block), number * block.len());
        }
        let one = |(at, byte): (usize, &u8)| u64::from(self.begin_with(*byte)) << at;
        bits(rest.iter().enumerate().map(one).fold(0, |all, bit| all | bit), bytes.len() - rest.len());
    }

    /// Which of the bytes are some of those, the first one in the lowest bit. Without a branch, so that many are looked at
    /// together.
    fn bits([a, b, c, d, e]: [u8; 5], block: &[u8; 64]) -> u64 {
        gathered(&block.map(|byte| u8::from((byte == a) | (byte == b) | (byte == c) | (byte == d) | (byte == e))))
    }

    /// Those that they are, some of them more than once.
    fn bytes(self) -> [u8; 5] {
        let first = Self::BYTES.iter().copied().find(|byte| self.begin_with(*byte)).unwrap_or_default();
        Self::BYTES.map(|byte| if self.begin_with(byte) { byte } else { first })
    }

    /// Those of them that stand in the bytes.
    pub(super) fn within(self, bytes: &[u8]) -> Marks {
        let stands = |byte: &&u8| self.begin_with(**byte) && find(bytes, **byte).is_some();
        let one = |byte: &u8| Marks::among(CLASS[usize::from(*byte)]);
        Self::BYTES.iter().filter(stands).map(one).fold(Marks::NONE, Marks::with)
    }

    /// Those that may begin something that goes on with that byte.
    pub(super) const fn before(next: u8) -> Marks {
        FOLLOWS[next as usize]
    }

    const fn among(classes: u16) -> Marks {
        Marks(classes as u8)
    }

    const fn class(self) -> u16 {
        self.0 as u16
    }
}

const FOLLOWS: [Marks; 256] = {
    let mut table = [Marks::BACKSLASH; 256];
    let mut byte = 0;
    while byte < 256 {
        let next = byte as u8;
        let hex = next.is_ascii_hexdigit();
        let (mut all, letter) = (Marks::BACKSLASH.0, next.is_ascii_alphabetic());
        if hex || matches!(next, b'u' | b'U') {
            all |= Marks::PERCENT.0;
        }
        if letter || next == b'#' {
            all |= Marks::AMPERSAND.0;
        }
        if hex || matches!(next, b'\r' | b'\n') {
            all |= Marks::EQUALS.0;
        }
        if letter || matches!(next, b'/' | b'!' | b'?') {
            all |= Marks::LESS.0;
        }
        table[byte] = Marks(all);
        byte += 1;
    }
    table
};

/// The lowest bits of 64 bytes, each of which has no other, the first one in the lowest bit.
#[inline(always)]
pub(crate) fn gathered(flags: &[u8; 64]) -> u64 {
    // The product has the bits of eight bytes in its highest byte.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    flags.as_chunks().0.iter().enumerate().fold(0, |all, (number, eight)| all | bits(eight) << (8 * number))
}

/// Whether a byte is a digit of base64, and so of every narrower alphabet, or what ends one.
pub(crate) fn is_digit(byte: u8) -> bool {
    CLASS[usize::from(byte)] & BASE64 != 0 || byte == b'='
}

/// The marks, quotes and what is no ASCII text among all bytes.
fn classes_of(bytes: &[u8]) -> u16 {
    if bytes.len() < FEW {
        return bytes.iter().fold(0, |all, &byte| all | CLASS[usize::from(byte)]) & !(BASE64 | HEXISH);
    }
    let quotes = if find(bytes, b'"').is_some() { QUOTE } else { 0 };
    let binary = if plain(bytes) < bytes.len() { BINARY } else { 0 };
    Marks::ALL.within(bytes).class() | quotes | binary
}

/// Bytes that are sooner looked at one by one than for one mark after the other.
const FEW: usize = 64;

/// Runs of bytes that are within a class, at least so long. One byte in so many is looked at, and those around it if it is.
pub(super) fn runs(bytes: &[u8], least: usize, within: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let (mut runs, mut from, mut at) = (Vec::new(), 0, least - 1);
    while at < bytes.len() {
        if within(bytes[at]) {
            let begin =
                bytes[from..at].iter().rposition(|&byte| !within(byte)).map_or(from, |before| from + before + 1);
            let end = bytes[at..].iter().position(|&byte| !within(byte)).map_or(bytes.len(), |length| at + length);
            if end - begin >= least {
                runs.push(begin..end);
            }
            (from, at) = (end, end);
        }
        at += least;
    }
    runs
}

/// Where a byte first stands.
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    memchr::memchr(byte, bytes)
}

/// Whether all of the bytes are such. Many are looked at together.
pub(super) fn all(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(32).all(|some| some.iter().fold(true, |all, byte| all & is(*byte)))
}

/// How many of the bytes are such. Without a branch.
pub(super) fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.chunks(128).map(|some| usize::from(some.iter().map(|byte| u8::from(is(*byte))).sum::<u8>())).sum()
}

/// Whether any of those bytes is among them. Many are looked at together, for all of those.
pub(super) fn holds_any<const COUNT: usize>(bytes: &[u8], any: [u8; COUNT]) -> bool {
    let is = |byte: u8| any.iter().fold(false, |is, &one| is | (one == byte));
    let (blocks, rest) = bytes.as_chunks::<16>();
    // Filled up with what is among them anyway.
    let mut last = [bytes.last().copied().unwrap_or_default(); 16];
    last[..rest.len()].copy_from_slice(rest);
    let holds = |block: &[u8; 16]| block.iter().fold(false, |holds, &byte| holds | is(byte));
    !bytes.is_empty() && blocks.iter().chain([&last]).any(holds)
}

const CLASS: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let one = byte as u8;
        table[byte] = class(one);
        byte += 1;
    }
    table
}

const fn class(byte: u8) -> u16 {
    let base64 = if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_') { BASE64 } else { 0 };
    let between = matches!(byte, b' ' | b':' | b',' | b';' | b'-' | b'x' | b'X' | b'\\' | b'%' | b'\t' | b'\n' | b'\r');
    let hexish = if byte.is_ascii_hexdigit() || between { HEXISH } else { 0 };
    let text = matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    let mark = match byte {
        b'%' => Marks::PERCENT.class(),
        b'\\' => Marks::BACKSLASH.class(),
        b'&' => Marks::AMPERSAND.class(),
        b'=' => Marks::EQUALS.class(),
        b'<' => Marks::LESS.class(),
        b'"' => QUOTE,
        _ => 0,
    };
    base64 | hexish | mark | if text { 0 } else { BINARY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_plain_and_what_is_wrapped_is_not() {
        assert!(Signs::of(b"Please write a short test, then run it.").plain());
        for bytes in [&b"a%20b"[..], b"a\\nb", b"a=b", b"&amp;", b"<b>", b"\"a\"", b"VGhpcyBpcyBiYXNl", b"\x1f\x8b"] {
            assert!(!Signs::of(bytes).plain());
        }
    }

    #[test]
    fn every_byte_is_seen_as_its_class_says() {
        for (byte, before) in (0..=u8::MAX).flat_map(|byte| [0, 5, 31, 32, 70].map(|before| (byte, before))) {
            let bytes = [&vec![b'a'; before][..], &[byte], &[b'b'; 40]].concat();
            assert_eq!(classes_of(&bytes), CLASS[usize::from(byte)] & !(BASE64 | HEXISH), "{byte} after {before}");
            for marks in [Marks::PERCENT, Marks::LESS, Marks(31), Marks(21)] {
                let mut places = Vec::new();
                marks.each(&bytes, |at| places.push(at));
                assert_eq!(places.pop(), marks.begin_with(byte).then_some(before), "{byte} after {before}");
                assert!(places.is_empty(), "{byte} after {before}");
            }
        }
    }

    #[test]
    fn runs_are_found_wherever_they_are() {
        let naive = |bytes: &[u8]| {
            let run = |begin: usize| {
                begin..bytes[begin..].iter().position(|&byte| byte == b'.').map_or(bytes.len(), |end| begin + end)
            };
            let begins = (0..bytes.len()).filter(|&at| bytes[at] != b'.' && (at == 0 || bytes[at - 1] == b'.'));
            begins.map(run).filter(|run| run.len() >= LEAST_DIGITS).collect::<Vec<_>>()
        };
        for seed in 1..200usize {
            let dots = |at: usize| if at * at * seed % 97 < 6 { b'.' } else { b'a' };
            let bytes: Vec<u8> = (0..seed).map(dots).collect();
            assert_eq!(Runs::of(&bytes).base64, naive(&bytes));
        }
    }
}
