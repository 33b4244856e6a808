//! What a piece of bytes could hold, seen in one pass: bytes that hold nothing wrapped are read once and left.

const BASE64: u8 = 1;
const HEXISH: u8 = 2;
const PERCENT: u8 = 4;
const BACKSLASH: u8 = 8;
const AMPERSAND: u8 = 16;
const EQUALS: u8 = 32;
const QUOTE: u8 = 64;
const BINARY: u8 = 128;

/// The shortest run of digits that is decoded: twelve bytes of base64, eight of hexadecimal.
pub(super) const LEAST_DIGITS: usize = 16;

/// What a piece calls for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// The longest run of base64 digits.
    pub(crate) base64: usize,
    /// The longest run of hexadecimal digits and what stands between them.
    pub(crate) hexish: usize,
    pub(crate) percent: bool,
    pub(crate) backslash: bool,
    pub(crate) ampersand: bool,
    pub(crate) equals: bool,
    pub(crate) quotes: bool,
    /// Bytes that are no ASCII text.
    pub(crate) binary: usize,
}

impl Signs {
    /// The signs of the bytes.
    pub(crate) fn of(bytes: &[u8]) -> Signs {
        let (mut all, mut binary) = (0, 0);
        let (mut base64, mut hexish) = (Longest::default(), Longest::default());
        for &byte in bytes {
            let class = CLASS[usize::from(byte)];
            all |= class;
            binary += usize::from(class >> 7);
            base64.step(class & BASE64 != 0);
            hexish.step(class & HEXISH != 0);
        }
        Signs {
            base64: base64.most,
            hexish: hexish.most,
            percent: all & PERCENT != 0,
            backslash: all & BACKSLASH != 0,
            ampersand: all & AMPERSAND != 0,
            equals: all & EQUALS != 0,
            quotes: all & QUOTE != 0,
            binary,
        }
    }

    /// Whether there is nothing to undo.
    pub(crate) fn plain(&self) -> bool {
        let marks = self.percent || self.backslash || self.ampersand || self.equals || self.quotes || self.binary > 0;
        !marks && self.base64 < LEAST_DIGITS && self.hexish < LEAST_DIGITS
    }
}

/// Whether the bytes read like text: nine in ten are printable.
pub(crate) fn readable(bytes: &[u8]) -> bool {
    let plain = bytes.iter().filter(|&&byte| CLASS[usize::from(byte)] & BINARY == 0).count();
    plain * 10 >= bytes.len() * 9 || std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control))
}

/// The shortest stretch of text within noise that is taken for text.
const STRETCH: usize = 6;

/// Appends the stretches of the bytes that read like text; the longest gap between them.
pub(super) fn legible(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let (mut gap, mut most) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        for stretch in chunk.valid().split_inclusive(|letter| letter < ' ' && !matches!(letter, '\t' | '\n' | '\r')) {
            if stretch.len() >= STRETCH {
                out.extend_from_slice(stretch.as_bytes());
                gap = 0;
            } else {
                gap += stretch.len();
            }
            most = most.max(gap);
        }
        gap += chunk.invalid().len();
        most = most.max(gap);
    }
    most
}

#[derive(Default)]
struct Longest {
    now: usize,
    most: usize,
}

impl Longest {
    #[inline]
    fn step(&mut self, within: bool) {
        self.now = if within { self.now + 1 } else { 0 };
        self.most = self.most.max(self.now);
    }
}

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let one = byte as u8;
        table[byte] = class(one);
        byte += 1;
    }
    table
}

const fn class(byte: u8) -> u8 {
    let base64 = if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_') { BASE64 } else { 0 };
    let between = matches!(byte, b' ' | b':' | b',' | b'-' | b'x' | b'X' | b'\\' | b'%' | b'\n' | b'\r');
    let hexish = if byte.is_ascii_hexdigit() || between { HEXISH } else { 0 };
    let text = matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    let mark = match byte {
        b'%' => PERCENT,
        b'\\' => BACKSLASH,
        b'&' => AMPERSAND,
        b'=' => EQUALS,
        b'"' => QUOTE,
        _ if !text => BINARY,
        _ => 0,
    };
    base64 | hexish | mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_plain_and_what_is_wrapped_is_not() {
        assert!(Signs::of(b"Please write a short test, then run it.").plain());
        for bytes in [&b"a%20b"[..], b"a\\nb", b"a=b", b"&amp;", b"\"a\"", b"VGhpcyBpcyBiYXNl", b"\x1f\x8b"] {
            assert!(!Signs::of(bytes).plain());
        }
    }

    #[test]
    fn text_is_readable_and_noise_is_not() {
        assert!(readable("Grüße aus Köln, 秘密".as_bytes()));
        assert!(!readable(b"\x01\x80\xff\xfe abc \x9c\x00"));
    }
}
