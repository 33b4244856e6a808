//! What a piece of bytes could hold: bytes that hold nothing wrapped are seen to do so at little cost, and left.

use std::ops::Range;

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
    /// Where runs of base64 digits are.
    pub(crate) base64: Vec<Range<usize>>,
    /// Where runs of hexadecimal digits and of what stands between them are.
    pub(crate) hexish: Vec<Range<usize>>,
    pub(crate) marks: Marks,
    pub(crate) quotes: bool,
    /// There is what is no ASCII text.
    pub(crate) binary: bool,
}

impl Signs {
    /// The signs of the bytes.
    pub(crate) fn of(bytes: &[u8]) -> Signs {
        let classes = classes_of(bytes);
        let [base64, hexish] = digits(bytes);
        Signs {
            base64,
            hexish,
            marks: Marks::among(classes),
            quotes: classes & QUOTE != 0,
            binary: classes & BINARY != 0,
        }
    }

    /// Whether there is nothing to undo.
    pub(crate) fn plain(&self) -> bool {
        let digits = !self.base64.is_empty() || !self.hexish.is_empty();
        !(digits || self.marks != Marks::NONE || self.quotes || self.binary)
    }
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

    /// The marks in the bytes.
    pub(crate) fn of(bytes: &[u8]) -> Marks {
        Marks::among(classes_of(bytes))
    }

    /// Whether any of the others is among them.
    pub(crate) const fn hold(self, others: Marks) -> bool {
        self.0 & others.0 != 0
    }

    /// Those that are not among the others.
    pub(crate) const fn without(self, others: Marks) -> Marks {
        Marks(self.0 & !others.0)
    }

    /// Whether a byte is one of them.
    pub(crate) const fn begin_with(self, byte: u8) -> bool {
        self.hold(Marks::among(CLASS[byte as usize]))
    }

    /// Where one of them first stands. Many bytes are looked at together: most are none.
    pub(super) fn find(self, bytes: &[u8]) -> Option<usize> {
        let (blocks, _) = bytes.as_chunks::<16>();
        let holds = |block: &[u8; 16]| block.iter().fold(0, |all, &byte| all | seen(byte)) & self.0 != 0;
        let before = blocks.iter().take_while(|block| !holds(block)).count() * 16;
        bytes[before..].iter().position(|&byte| self.begin_with(byte)).map(|at| before + at)
    }

    const fn among(classes: u16) -> Marks {
        Marks(classes as u8)
    }

    const fn class(self) -> u16 {
        self.0 as u16
    }
}

/// Whether a byte is a digit of base64, and so of every narrower alphabet, or what ends one.
pub(crate) fn is_digit(byte: u8) -> bool {
    CLASS[usize::from(byte)] & BASE64 != 0 || byte == b'='
}

/// The marks, quotes and what is no ASCII text among all bytes. Without a table or a branch, so that many are looked at
/// together.
fn classes_of(bytes: &[u8]) -> u16 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut all = [0; 32];
    for block in blocks {
        for (all, &byte) in all.iter_mut().zip(block) {
            *all |= seen(byte);
        }
    }
    let all = all.iter().fold(0, |all, one| all | one) | rest.iter().fold(0, |all, &byte| all | seen(byte));
    let quotes = if all & SEEN_QUOTE != 0 { QUOTE } else { 0 };
    let binary = if all & SEEN_BINARY != 0 { BINARY } else { 0 };
    u16::from(all & !(SEEN_QUOTE | SEEN_BINARY)) | quotes | binary
}

const SEEN_QUOTE: u8 = 1 << 6;
const SEEN_BINARY: u8 = 1 << 7;

/// The marks that a byte is, in their own bits, and in two more whether it is a quote, or no text.
#[inline]
fn seen(byte: u8) -> u8 {
    let is = |what: u8, bit: u8| if byte == what { bit } else { 0 };
    let text = (b' '..=b'~').contains(&byte) | (byte == b'\t') | (byte == b'\n') | (byte == b'\r');
    is(b'%', Marks::PERCENT.0)
        | is(b'\\', Marks::BACKSLASH.0)
        | is(b'&', Marks::AMPERSAND.0)
        | is(b'=', Marks::EQUALS.0)
        | is(b'<', Marks::LESS.0)
        | is(b'"', SEEN_QUOTE)
        | if text { 0 } else { SEEN_BINARY }
}

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

/// Runs of base64 digits, and of hexadecimal ones with what stands between them. Each holds eight bytes that are looked at
/// together, and most of those hold something else.
fn digits(bytes: &[u8]) -> [Vec<Range<usize>>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    let mut ends = [0, 0];
    let (words, _) = bytes.as_chunks::<{ LEAST_DIGITS / 2 }>();
    for (number, word) in words.iter().enumerate() {
        let classes = word.iter().fold(BASE64 | HEXISH, |classes, byte| classes & CLASS[usize::from(*byte)]);
        if classes == 0 {
            continue;
        }
        let (at, behind) = (number * word.len(), (number + 1) * word.len());
        for (kind, class) in [BASE64, HEXISH].into_iter().enumerate() {
            if classes & class != 0 && ends[kind] <= at {
                let within = |byte: &u8| CLASS[usize::from(*byte)] & class != 0;
                let begin = at - bytes[ends[kind]..at].iter().rev().take_while(|byte| within(byte)).count();
                let end = behind + bytes[behind..].iter().take_while(|byte| within(byte)).count();
                if end - begin >= LEAST_DIGITS {
                    all[kind].push(begin..end);
                }
                ends[kind] = end;
            }
        }
    }
    all
}

/// Where a byte first stands.
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    memchr::memchr(byte, bytes)
}

/// Whether any of those bytes is among them. Many are looked at together, for all of those.
pub(super) fn holds_any<const COUNT: usize>(bytes: &[u8], any: [u8; COUNT]) -> bool {
    let is = |byte: u8| any.iter().fold(false, |is, &one| is | (one == byte));
    let (blocks, rest) = bytes.as_chunks::<16>();
    let holds = |block: &[u8; 16]| block.iter().fold(false, |holds, &byte| holds | is(byte));
    blocks.iter().any(holds) || rest.iter().any(|&byte| is(byte))
}

/// Whether the bytes read like text: nine in ten are printable.
pub(super) fn readable(bytes: &[u8]) -> bool {
    let plain = bytes.iter().filter(|&&byte| CLASS[usize::from(byte)] & BINARY == 0).count();
    plain * 10 >= bytes.len() * 9 || is_text(bytes)
}

/// Whether the bytes are text and nothing else.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !holds_controls(bytes) && std::str::from_utf8(bytes).is_ok()
}

/// Whether there are control characters but those that move on. Without a branch, so that many bytes are looked at together.
fn holds_controls(bytes: &[u8]) -> bool {
    let control = |byte: u8| (byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r') | (byte == 0x7f);
    bytes.iter().fold(false, |any, &byte| any | control(byte))
}

/// The shortest stretch of text within noise that is taken for text.
const STRETCH: usize = 6;

/// Appends the stretches of the bytes that read like text; the longest gap between them.
pub(super) fn legible(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let (mut at, mut before, mut most) = (0, 0, 0);
    while let Some(begin) = next_stretch(bytes, at) {
        let end = begin + stretch(&bytes[begin..]);
        // What ends a stretch belongs to none.
        at = end + 1;
        if end - begin >= STRETCH {
            out.extend_from_slice(&bytes[begin..end]);
            // A zero between two texts keeps them apart; noise within one does not.
            out.extend(bytes.get(end).filter(|byte| **byte < b' '));
            most = most.max(begin - before);
            before = end;
        }
    }
    most.max(bytes.len() - before)
}

/// Where bytes begin, at `from` or after it, that could be a stretch. Without a branch that depends on them, since noise
/// leads every prediction astray.
fn next_stretch(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut run, mut before) = (0, BAD);
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        let kind = KIND[usize::from(byte)];
        let [kept, more] = GOES_ON[usize::from(before)][usize::from(kind)];
        run = (run & kept) + more;
        before = kind;
        if run == STRETCH {
            return Some(at + 1 - STRETCH);
        }
    }
    None
}

/// What a byte is to a text: one of its letters, none, or the first or a further byte of a letter beyond ASCII.
const ASCII: u8 = 0;
const BAD: u8 = 1;
const FIRST: u8 = 2;
const FURTHER: u8 = 3;

const KIND: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut table = [BAD; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7e => ASCII,
            0x80..=0xbf => FURTHER,
            0xc2..=0xf4 => FIRST,
            _ => BAD,
        };
        byte += 1;
    }
    table
}

/// What becomes of a run when one kind of byte follows another: what of it is kept, and what is added.
const GOES_ON: [[[usize; 2]; 4]; 4] = {
    const MORE: [usize; 2] = [usize::MAX, 1];
    const ANEW: [usize; 2] = [0, 1];
    const NONE: [usize; 2] = [0, 0];
    [[MORE, NONE, MORE, NONE], [MORE, NONE, MORE, NONE], [ANEW, NONE, ANEW, MORE], [MORE, NONE, MORE, MORE]]
};

/// How many bytes at the start are text.
fn stretch(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if KIND[usize::from(byte)] == ASCII {
            at += 1;
        } else {
            match character(&bytes[at..]) {
                Some(letter) => at += letter.len_utf8(),
                None => break,
            }
        }
    }
    at
}

/// The character beyond ASCII at the start.
pub(crate) fn character(bytes: &[u8]) -> Option<char> {
    let length = match *bytes {
        [first @ 0xc2..=0xdf, second @ 0x80..=0xbf, ..] => {
            return char::from_u32(u32::from(first & 0x1f) << 6 | u32::from(second & 0x3f));
        }
        [0xe0..=0xef, ..] => 3,
        [0xf0..=0xf4, ..] => 4,
        _ => return None,
    };
    // Most of what is none is seen by its second byte.
    let goes_on = bytes.get(1).is_some_and(|byte| byte & 0xc0 == 0x80);
    std::str::from_utf8(bytes.get(..length).filter(|_| goes_on)?).ok()?.chars().next()
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
            for marks in [Marks::PERCENT, Marks::LESS, Marks(31), Marks::NONE] {
                assert_eq!(marks.find(&bytes), marks.begin_with(byte).then_some(before), "{byte} after {before}");
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
            assert_eq!(digits(&bytes)[0], naive(&bytes));
        }
    }

    #[test]
    fn text_is_read_out_of_noise() {
        let read = |bytes: &[u8]| {
            let mut out = Vec::new();
            let gap = legible(bytes, &mut out);
            (String::from_utf8(out).expect("text"), gap)
        };
        assert_eq!(read(b"\x80\xff\x01abcdef"), ("abcdef".into(), 3));
        assert_eq!(
            read("Gr\u{fc}\u{df}e\0\u{79d8}\u{5bc6}!".as_bytes()),
            ("Gr\u{fc}\u{df}e\0\u{79d8}\u{5bc6}!".into(), 1)
        );
        assert_eq!(read(b"abc\xffde\xc3fghijklm\x80"), ("fghijklm".into(), 7));
        assert_eq!(read(b"abcde\xff"), (String::new(), 6));
        assert_eq!(read(b""), (String::new(), 0));
    }

    #[test]
    fn text_is_readable_and_noise_is_not() {
        assert!(readable("Grüße aus Köln, 秘密".as_bytes()));
        assert!(!readable(b"\x01\x80\xff\xfe abc \x9c\x00"));
    }
}
