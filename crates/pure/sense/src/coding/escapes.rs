//! Single characters that were written out (`%41`, `&#65;`, `\u0041`, `=41`), and tags between the letters of a text.
//!
//! Where several kinds stand in one text, they are undone together: one after another would be tried in every order.

use std::ops::Range;

use super::Coding;
use super::edits::Edits;
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

/// `=41` is not rare in what is not quoted-printable: with fewer of them a tag is one.
const FEW_QUOTED: usize = 3;

/// What was written out, undone.
#[derive(Default)]
pub(super) struct Read {
    pub(super) text: Vec<u8>,
    /// Where something was undone.
    pub(super) edits: Edits,
    /// Which kinds there were.
    pub(super) how: Vec<Coding>,
}

/// The bytes with the kinds undone that those marks begin; with `tried` without those of them that were left standing where
/// the text was read from, away from its edits.
pub(super) fn undone(bytes: &[u8], marks: Marks, tried: Option<(Marks, &[usize])>) -> Read {
    if marks == Marks::NONE {
        return Read::default();
    }
    let (mut text, mut edits) = Default::default();
    let (used, done) = read(bytes, marks, tried, &mut text, Some(&mut edits));
    let kinds = (0..KINDS.len()).filter(|&index| used[index] > 0);
    let how: Vec<Coding> = kinds.map(|index| KINDS[index].0).collect();
    if !how.is_empty() {
        text.extend_from_slice(&bytes[done..]);
    }
    Read { text, edits, how }
}

/// Letters that undoing takes away at least: a few escapes stand in any program.
const MANY: usize = 16;

/// Whether much is written out in the bytes of what is compared: letters, not only what stands between them.
pub(super) fn hide(bytes: &[u8], marks: Marks) -> bool {
    let Read { text, how, .. } = undone(bytes, marks.without(Marks::EQUALS).without(Marks::LESS), None);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    fold(bytes, &mut before);
    fold(&text, &mut after);
    !how.is_empty() && before.len() >= after.len() + MANY
}

/// Appends the bytes with `%XX` undone, and `+` for a space where the caller says that it is a form's.
pub(crate) fn percent(bytes: &[u8], form: bool, out: &mut Vec<u8>) {
    let mut rest = bytes;
    let next = |rest| if form { memchr::memchr2(b'%', b'+', rest) } else { memchr::memchr(b'%', rest) };
    while let Some(at) = next(rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (length, undone) = match rest[0] {
            b'+' => (1, Undone::Byte(b' ')),
            mark => read_percent(rest).unwrap_or((1, Undone::Byte(mark))),
        };
        push(out, undone, 0..length, None);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
}

/// Appends the character whose escape stands there, or the byte if none does; the length of either.
pub(super) fn backslash(bytes: &[u8], at: usize, out: &mut Vec<u8>, edits: &mut Edits) -> usize {
    match read_backslash(&bytes[at..]) {
        Some((length, undone)) => {
            push(out, undone, at..at + length, Some(edits));
            length
        }
        None => {
            out.push(bytes[at]);
            1
        }
    }
}

/// Appends the bytes with the kinds undone that those marks begin, up to the end of the last of them; how many of each there
/// were, and where that end is.
fn read(
    bytes: &[u8],
    marks: Marks,
    tried: Option<(Marks, &[usize])>,
    out: &mut Vec<u8>,
    mut edits: Option<&mut Edits>,
) -> ([usize; KINDS.len()], usize) {
    let (mut used, mut done) = ([0; KINDS.len()], 0);
    let (tried, edits_there) = tried.unwrap_or((Marks::NONE, &[]));
    let far = marks.without(tried) == Marks::NONE && edits_there.len() * FAR <= bytes.len();
    let mut near = edits_there;
    let mut see = |at: usize| {
        let mark = bytes[at];
        if at < done || !bytes.get(at + 1).is_some_and(|&next| Marks::before(next).begin_with(mark)) {
            return;
        }
        let Some(index) = KINDS.iter().position(|(_, marks, _)| marks.begin_with(mark)) else { return };
        if tried.begin_with(mark) {
            let passed = near.iter().take_while(|edit| **edit < at).count();
            near = &near[passed..];
            if near.first().is_none_or(|edit| *edit > at + longest(index)) {
                return;
            }
        }
        if let Some((length, undone)) = KINDS[index].2(&bytes[at..]) {
            // Nothing is longer undone than it was, and what needs no undoing is copied in one piece.
            out.reserve(if done == 0 { bytes.len() } else { 0 });
            out.extend_from_slice(&bytes[done..at]);
            done = at + length;
            push(out, undone, at..done, edits.as_deref_mut());
            used[index] += 1;
        }
    };
    if far {
        let windows = before(bytes, marks, edits_there);
        windows.into_iter().for_each(|window| marks.each(&bytes[window.clone()], |at| see(window.start + at)));
    } else {
        marks.each(bytes, see);
    }
    (used, done)
}

/// Edits that are farther from each other on average are looked before one by one.
const FAR: usize = 64;

/// Where something may begin that goes over one of the edits.
fn before(bytes: &[u8], marks: Marks, edits: &[usize]) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for &edit in edits {
        let tag = || memchr::memrchr2(b'<', b'>', &bytes[edit.saturating_sub(TAG)..edit]);
        let tag = Some(marks).filter(|marks| marks.hold(Marks::LESS)).and_then(|_| tag());
        let tag = tag.map_or(edit, |tag| edit.saturating_sub(TAG) + tag);
        let window = tag.min(edit.saturating_sub(ESCAPE))..bytes.len().min(edit + 1);
        match windows.last_mut().filter(|last| window.start <= last.end) {
            Some(last) => *last = last.start.min(window.start)..last.end.max(window.end),
            None => windows.push(window),
        }
    }
    windows
}

/// Bytes that one of a kind has at most.
fn longest(index: usize) -> usize {
    if KINDS[index].0 == Coding::Markup { TAG } else { ESCAPE }
}

/// The longest of the others: two surrogates.
const ESCAPE: usize = 12;

/// What was written out: a byte of some encoding, a character whatever the encoding, or nothing of the text.
enum Undone {
    Nothing,
    Byte(u8),
    Letter(char),
}

fn push(out: &mut Vec<u8>, undone: Undone, taken: Range<usize>, edits: Option<&mut Edits>) {
    let begin = out.len();
    match undone {
        Undone::Nothing => {}
        Undone::Byte(byte) => out.push(byte),
        Undone::Letter(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    let Some(edits) = edits else { return };
    edits.at.push(begin);
    if matches!(undone, Undone::Letter(_)) {
        // It may count as two, and a run begin with the second.
        edits.at.push(out.len());
    }
    edits.change(taken, begin..out.len());
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
    // No name is longer than seven letters; a number has at most eight digits, and may end without a mark.
    let Some(end) = bytes.iter().take(12).position(|&byte| byte == b';') else { return read_number(bytes) };
    let plain = match &bytes[1..end] {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        b"nbsp" => b' ',
        // `&eacute;`: comparing leaves the accent out anyway.
        [letter, accent @ ..] if ACCENTS.contains(&accent) => *letter,
        name => return numbered(name).map_or_else(|| read_number(bytes), |code| letter(code, end + 1)),
    };
    Some((end + 1, Undone::Byte(plain)))
}

/// `&#65` or `&#x41` before a space or the next one; before anything else it may have been cut.
fn read_number(bytes: &[u8]) -> Option<(usize, Undone)> {
    let hex = matches!(bytes.get(2), Some(b'x' | b'X'));
    let is_digit = |byte: &&u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let begin = if hex { 3 } else { 2 };
    let digits = bytes.get(begin..)?.iter().take(8).take_while(is_digit).count();
    let end = begin + digits;
    let whole = bytes.get(end).is_some_and(|next| next.is_ascii_whitespace() || *next == b'&');
    letter(numbered(&bytes[1..end]).filter(|_| whole)?, end)
}

/// The longest tag.
const TAG: usize = 1024;

/// A tag, which editors and web pages put in a word wherever its look changes. One in which something is written out stays, and
/// `<` that no name or mark of a tag follows was not asked for.
fn read_tag(bytes: &[u8]) -> Option<(usize, Undone)> {
    let after = &bytes[1..bytes.len().min(TAG)];
    let end = memchr::memchr2(b'<', b'>', after).filter(|&end| after[end] == b'>')?;
    let inside = &after[..end];
    let escapes = memchr::memchr3(b'%', b'\\', b'&', inside).is_some();
    let quoted = || memchr::memchr_iter(b'=', inside).filter(|&at| hex(inside, at + 1, 2).is_some()).count();
    (!escapes && quoted() < FEW_QUOTED).then_some((end + 2, Undone::Nothing))
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
    use proptest::prelude::*;

    use super::*;

    fn alone(index: usize, text: &str) -> String {
        let mut out = Vec::new();
        let (_, done) = read(text.as_bytes(), KINDS[index].1, None, &mut out, None);
        out.extend_from_slice(&text.as_bytes()[done..]);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn each_kind_is_undone() {
        assert_eq!(alone(0, "a%20%C3%a4%u0041%zz%4"), "a äA%zz%4");
        assert_eq!(alone(1, r#"\"a\n\u0041\u{42}\x43\104\ud83d\ude00\q\U00000045"#), "\"a\nABCD😀\\qE");
        assert_eq!(alone(2, "&lt;&#65;&#x42;&ouml;&what;&"), "<ABo&what;&");
        assert_eq!(alone(2, "&#65 &#66&#x43 &#67<&# &#x &#9999999999 "), "A BC &#67<&# &#x &#9999999999 ");
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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn percent_is_read_in_forms_as_it_is_among_the_others(text in "([%+ua-f0-9\u{e9}]|%[0-9a-f]{2}|%u[0-9a-f]{4}){0,30}") {
            let spaced = text.replace('+', " ");
            for (form, text, like) in [(true, &text, &spaced), (false, &text, &text)] {
                let mut out = Vec::new();
                percent(text.as_bytes(), form, &mut out);
                prop_assert_eq!(String::from_utf8_lossy(&out), alone(0, like));
            }
        }
    }
}
