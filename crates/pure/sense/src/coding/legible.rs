//! What of some bytes reads like text.

use super::signs::count;

/// Whether the bytes read like text: nine in ten are printable.
pub(super) fn readable(bytes: &[u8]) -> bool {
    plain(bytes) * 10 >= bytes.len() * 9 || is_text(bytes)
}

/// How many of the bytes are ASCII text.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    count(bytes, is_plain)
}

#[inline]
fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) | (byte == b'\t') | (byte == b'\n') | (byte == b'\r')
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
pub(super) const STRETCH: usize = 6;

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

#[cfg(test)]
mod tests {
    use super::*;

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
