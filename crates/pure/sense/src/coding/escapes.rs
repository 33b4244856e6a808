//! Single characters that were written out (`%41`, `&#65;`, `\u0041`, `=41`), and tags between the letters of a text.
//!
//! Where several kinds stand in one text, they are undone together: one after another would be tried in every order.

use super::Coding;
use super::signs::Marks;
use crate::fold::fold;

/// A kind that a text may call for, how it reads one, and what it is called.
type Kind = (Coding, Marks, fn(&[u8]) -> Option<(usize, Undone)>);

const KINDS: [Kind; 5] = [
    (Coding::Percent, Marks::PERCENT, read_percent),
    (Coding::Escapes, Marks::BACKSLASH, read_backslash),
    (Coding::Entities, Marks::AMPERSAND, read_entity),
    (Coding::QuotedPrintable, Marks::EQUALS, read_quoted_printable),
    (Coding::Markup, Marks::LESS, read_tag),
];

/// `=41` is not rare in what is not quoted-printable: fewer than so many are left alone.
const FEW_QUOTED: usize = 3;

/// What was written out, undone.
#[derive(Default)]
pub(super) struct Read {
    pub(super) text: Vec<u8>,
    /// Where in the text something was undone.
    pub(super) edits: Vec<usize>,
    /// Which kinds there were.
    pub(super) how: Vec<Coding>,
}

/// The bytes with the kinds undone that those marks begin.
pub(super) fn undone(bytes: &[u8], marks: Marks) -> Read {
    if marks == Marks::NONE {
        return Read::default();
    }
    let (mut text, mut edits) = (Vec::with_capacity(bytes.len()), Vec::new());
    let used = read(bytes, marks, &mut text, &mut edits);
    let kinds = (0..KINDS.len()).filter(|&index| used[index] >= least(index));
    Read { text, edits, how: kinds.map(|index| KINDS[index].0).collect() }
}

/// Letters that undoing takes away at least: a few escapes stand in any program.
const MANY: usize = 16;

/// Whether much is written out in the bytes of what is compared: letters, not only what stands between them.
pub(super) fn hide(bytes: &[u8], marks: Marks) -> bool {
    let Read { text, how, .. } = undone(bytes, marks.without(Marks::EQUALS).without(Marks::LESS));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    fold(bytes, &mut before);
    fold(&text, &mut after);
    !how.is_empty() && before.len() >= after.len() + MANY
}

/// Appends the bytes with `%XX` undone, and `+` for a space where the caller says that it is a form's.
pub(crate) fn percent(bytes: &[u8], form: bool, out: &mut Vec<u8>) {
    if form && bytes.contains(&b'+') {
        let spaced: Vec<u8> = bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
        read(&spaced, Marks::PERCENT, out, &mut Vec::new());
    } else {
        read(bytes, Marks::PERCENT, out, &mut Vec::new());
    }
}

/// The bytes with one character's escape undone at their start, and its length.
pub(super) fn backslash(bytes: &[u8], out: &mut Vec<u8>, edits: &mut Vec<usize>) -> usize {
    match read_backslash(bytes) {
        Some((length, undone)) => {
            push(out, undone, edits);
            length
        }
        None => {
            out.push(bytes[0]);
            1
        }
    }
}

fn least(index: usize) -> usize {
    if KINDS[index].0 == Coding::QuotedPrintable { FEW_QUOTED } else { 1 }
}

/// Appends the bytes with the kinds undone that those marks begin; how many of each there were.
fn read(bytes: &[u8], marks: Marks, out: &mut Vec<u8>, edits: &mut Vec<usize>) -> [usize; KINDS.len()] {
    let (mut used, mut at) = ([0; KINDS.len()], 0);
    // What needs no undoing is copied in one piece.
    while let Some(plain) = marks.find(&bytes[at..]) {
        out.extend_from_slice(&bytes[at..at + plain]);
        at += plain;
        let kind = KINDS.iter().position(|(_, mark, _)| mark.begin_with(bytes[at]));
        match kind.and_then(|index| KINDS[index].2(&bytes[at..]).map(|read| (index, read))) {
            Some((index, (length, undone))) => {
                push(out, undone, edits);
                used[index] += 1;
                at += length;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&bytes[at..]);
    used
}

/// What was written out: a byte of some encoding, a character whatever the encoding, or nothing of the text.
enum Undone {
    Nothing,
    Byte(u8),
    Letter(char),
}

fn push(out: &mut Vec<u8>, undone: Undone, edits: &mut Vec<usize>) {
    edits.push(out.len());
    match undone {
        Undone::Nothing => {}
        Undone::Byte(byte) => out.push(byte),
        Undone::Letter(letter) => {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            // It may count as two, and a run begin with the second.
            edits.push(out.len());
        }
    }
}

fn byte(value: u32) -> Undone {
    Undone::Byte((value & 255) as u8)
}

/// So many hexadecimal digits from there.
fn hex(bytes: &[u8], from: usize, digits: usize) -> Option<u32> {
    let digits = bytes.get(from..from + digits)?;
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}

fn read_percent(bytes: &[u8]) -> Option<(usize, Undone)> {
    if matches!(bytes.get(1), Some(b'u' | b'U')) {
        return letter(hex(bytes, 2, 4)?, 6);
    }
    Some((3, byte(hex(bytes, 1, 2)?)))
}

fn read_quoted_printable(bytes: &[u8]) -> Option<(usize, Undone)> {
    match bytes {
        [_, b'\r', b'\n', ..] => Some((3, Undone::Nothing)),
        [_, b'\n', ..] => Some((2, Undone::Nothing)),
        _ => Some((3, byte(hex(bytes, 1, 2)?))),
    }
}

fn read_backslash(bytes: &[u8]) -> Option<(usize, Undone)> {
    let plain = match *bytes.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' | b'f' | b'v' | b'a' => b' ',
        b'x' => return Some((4, byte(hex(bytes, 2, 2)?))),
        b'u' | b'U' => return unicode(bytes),
        b'0'..=b'7' => return Some(octal(bytes)),
        other if other.is_ascii_punctuation() => other,
        _ => return None,
    };
    Some((2, Undone::Byte(plain)))
}

/// `\u0041`, a pair of surrogates, `\u{41}` or `\U00000041`.
fn unicode(bytes: &[u8]) -> Option<(usize, Undone)> {
    if bytes.get(2) == Some(&b'{') {
        let digits = bytes[3..].iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let closed = bytes.get(3 + digits) == Some(&b'}');
        return letter(hex(bytes, 3, digits)?, digits + 4).filter(|_| closed);
    }
    if let Some(long) = hex(bytes, 2, 8).filter(|_| bytes[1] == b'U').and_then(|code| letter(code, 10)) {
        return Some(long);
    }
    let high = hex(bytes, 2, 4)?;
    let low = hex(bytes, 8, 4).filter(|_| bytes.get(6..8).is_some_and(|mark| mark.eq_ignore_ascii_case(b"\\u")));
    if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (high, low) {
        return letter(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12);
    }
    Some(letter(high, 6).unwrap_or((6, Undone::Letter(char::REPLACEMENT_CHARACTER))))
}

fn letter(code: u32, length: usize) -> Option<(usize, Undone)> {
    char::from_u32(code).map(|letter| (length, Undone::Letter(letter)))
}

fn octal(bytes: &[u8]) -> (usize, Undone) {
    let digits = bytes[1..].iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let value = bytes[1..=digits].iter().fold(0, |value, &digit| value * 8 + u32::from(digit - b'0'));
    (digits + 1, byte(value))
}

fn read_entity(bytes: &[u8]) -> Option<(usize, Undone)> {
    // No name is longer than seven letters; a number has at most eight digits.
    let end = bytes.iter().take(12).position(|&byte| byte == b';')?;
    let plain = match &bytes[1..end] {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        b"nbsp" => b' ',
        // `&eacute;`: comparing leaves the accent out anyway.
        [letter, accent @ ..] if ACCENTS.contains(&accent) => *letter,
        name => return letter(numbered(name)?, end + 1),
    };
    Some((end + 1, Undone::Byte(plain)))
}

/// The longest tag.
const TAG: usize = 1024;

/// A tag, which editors and web pages put in a word wherever its look changes. One in which something is written out stays.
fn read_tag(bytes: &[u8]) -> Option<(usize, Undone)> {
    let begins = bytes.get(1).is_some_and(|&byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?'));
    let inside = bytes[1..bytes.len().min(TAG)].iter();
    let end =
        inside.clone().position(|&byte| matches!(byte, b'<' | b'>')).filter(|&end| begins && bytes[end + 1] == b'>')?;
    let escapes = inside.take(end).any(|&byte| matches!(byte, b'%' | b'\\' | b'&'));
    let quoted = bytes[..end].windows(3).filter(|three| three[0] == b'=' && hex(three, 1, 2).is_some()).count();
    (!escapes && quoted < FEW_QUOTED).then_some((end + 2, Undone::Nothing))
}

/// How the names of letters with an accent end.
const ACCENTS: [&[u8]; 8] = [b"acute", b"grave", b"circ", b"uml", b"tilde", b"cedil", b"ring", b"caron"];

fn numbered(name: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(name.strip_prefix(b"#")?).ok()?;
    match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(index: usize, text: &str) -> String {
        let mut out = Vec::new();
        read(text.as_bytes(), KINDS[index].1, &mut out, &mut Vec::new());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn each_kind_is_undone() {
        assert_eq!(alone(0, "a%20%C3%a4%u0041%zz%4"), "a äA%zz%4");
        assert_eq!(alone(1, r#"\"a\n\u0041\u{42}\x43\104\ud83d\ude00\q\U00000045"#), "\"a\nABCD😀\\qE");
        assert_eq!(alone(2, "&lt;&#65;&#x42;&ouml;&what;&"), "<ABo&what;&");
        assert_eq!(
            alone(4, "<p class=\"a\">The ke<b>y</b> i<!-- no -->s</p> <a x=\"&amp;\">"),
            "The key is <a x=\"&amp;\">"
        );
        assert_eq!(alone(4, "a < b, c <d, <e> << 3 <"), "a < b, c <d,  << 3 <");
        assert_eq!(alone(3, "=41=C3=A4=zz=\r\nb=\nc="), "Aä=zzbc=");
    }

    #[test]
    fn plus_is_a_space_in_forms() {
        let read = |text: &str, form| {
            let mut out = Vec::new();
            percent(text.as_bytes(), form, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(read("a+b%2Bc", true), "a b+c");
        assert_eq!(read("a+b", true), "a b");
        assert_eq!(read("a+b%2Bc", false), "a+b+c");
    }
}
