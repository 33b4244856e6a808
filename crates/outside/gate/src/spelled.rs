//! A text in whatever spelling a server gives it back: letter by letter as it is, percent-encoded, escaped as JSON and what is
//! like it has that, or as a page of HTML has it. Which letters one escapes is each program's own choice, so that no list of
//! spellings would be whole.

/// Most backslashes before a letter: JSON within a string of JSON.
const DEEP: usize = 3;
/// Most zeros before the number of a letter in HTML.
const ZEROS: usize = 6;
/// Ways in which a text may be read at once. More than one needs a `%`, a `&` or a backslash in what is looked for.
const WAYS: usize = 8;

/// What stands at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// Something else.
    Nothing,
    /// Its beginning, as far as there is text.
    Begun,
    /// All of it, in so many bytes.
    Whole(usize),
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Spelled(Vec<char>);

/// Places up to which a text was read.
#[derive(Clone, Copy, Default)]
struct Ways {
    at: [usize; WAYS],
    count: usize,
}

impl Ways {
    fn add(&mut self, at: usize) {
        if self.count < WAYS && !self.all().contains(&at) {
            self.at[self.count] = at;
            self.count += 1;
        }
    }

    fn all(&self) -> &[usize] {
        &self.at[..self.count]
    }
}

impl Spelled {
    pub(crate) fn new(text: &str) -> Spelled {
        Spelled(text.chars().collect())
    }

    /// Whether it may begin with this byte.
    pub(crate) fn begins(&self, byte: u8) -> bool {
        let first = self.0.first().copied().unwrap_or_default();
        let plain = first.encode_utf8(&mut [0; 4]).as_bytes().first() == Some(&byte);
        plain || matches!(byte, b'%' | b'&' | b'\\') || (byte, first) == (b'+', ' ')
    }

    /// How a text begins with it.
    pub(crate) fn met(&self, text: &[u8]) -> Met {
        let mut at = 0;
        // Mostly it stands there as it is, or does not.
        for letter in &self.0 {
            let plain = letter.is_ascii() && !matches!(letter, '%' | '&' | '\\');
            match text.get(at) {
                Some(byte) if plain && char::from(*byte) == *letter => at += 1,
                Some(byte) if plain && !matches!(byte, b'%' | b'&' | b'\\' | b'+') => return Met::Nothing,
                _ => break,
            }
        }
        let (mut ways, mut begun) = (Ways::default(), false);
        ways.add(at);
        for &letter in self.0.iter().skip(at) {
            let mut next = Ways::default();
            for &at in ways.all() {
                begun |= lengths(letter, &text[at..], |length| next.add(at + length));
            }
            if next.count == 0 {
                return if begun { Met::Begun } else { Met::Nothing };
            }
            ways = next;
        }
        Met::Whole(ways.all().iter().copied().max().unwrap_or_default())
    }
}

/// Gives how many bytes a letter may have at the beginning of a text, and whether it may go on behind its end.
fn lengths(letter: char, text: &[u8], mut add: impl FnMut(usize)) -> bool {
    let mut utf8 = [0; 4];
    let bytes = letter.encode_utf8(&mut utf8).as_bytes();
    let mut ended = false;
    let mut is = |met: Met| match met {
        Met::Whole(length) => add(length),
        Met::Begun => ended = true,
        Met::Nothing => {}
    };
    is(same(bytes, text));
    if letter == ' ' {
        is(same(b"+", text));
    }
    match text.first() {
        Some(b'%') => is(percent(bytes, text)),
        Some(b'&') => is(entity(letter, text)),
        Some(b'\\') => {
            if letter == '\\' {
                is(same(br"\\", text));
                is(same(br"\\\\", text));
            }
            is(escaped(letter, text));
        }
        _ => {}
    }
    ended
}

fn same(wanted: &[u8], text: &[u8]) -> Met {
    match text.get(..wanted.len()) {
        Some(start) if start == wanted => Met::Whole(wanted.len()),
        None if wanted.starts_with(text) => Met::Begun,
        _ => Met::Nothing,
    }
}

/// The same, where hexadecimal digits may be of either case.
fn digits(wanted: &[u8], text: &[u8]) -> Met {
    match text.get(..wanted.len()) {
        Some(start) if start.eq_ignore_ascii_case(wanted) => Met::Whole(wanted.len()),
        None if wanted[..text.len()].eq_ignore_ascii_case(text) => Met::Begun,
        _ => Met::Nothing,
    }
}

fn percent(bytes: &[u8], text: &[u8]) -> Met {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for byte in bytes {
        let wanted = [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        match digits(&wanted, &text[at..]) {
            Met::Whole(length) => at += length,
            other => return other,
        }
    }
    Met::Whole(at)
}

/// A letter as HTML writes what could be taken for a part of it: by its number, or by one of the names that templates use.
fn entity(letter: char, text: &[u8]) -> Met {
    let Some(rest) = text.strip_prefix(b"&#") else {
        let name: &[u8] = match letter {
            '&' => b"&amp;",
            '<' => b"&lt;",
            '>' => b"&gt;",
            '"' => b"&quot;",
            '\'' => b"&apos;",
            _ => b"",
        };
        return match same(name, text) {
            // A number may follow.
            _ if text == b"&" => Met::Begun,
            met if !name.is_empty() => met,
            _ => Met::Nothing,
        };
    };
    let (mark, number) = match rest.first() {
        None => return Met::Begun,
        Some(b'x' | b'X') => (1, format!("{:x};", u32::from(letter))),
        Some(_) => (0, format!("{};", u32::from(letter))),
    };
    let zeros = rest[mark..].iter().take(ZEROS).take_while(|byte| **byte == b'0').count();
    match digits(number.as_bytes(), &rest[mark + zeros..]) {
        Met::Whole(length) => Met::Whole(b"&#".len() + mark + zeros + length),
        other => other,
    }
}

/// A letter behind backslashes: by its number, or by a letter that stands for it.
fn escaped(letter: char, text: &[u8]) -> Met {
    let deep = text.iter().take(DEEP + 1).take_while(|byte| **byte == b'\\').count();
    if deep > DEEP {
        return Met::Nothing;
    }
    let Some(&kind) = text.get(deep) else { return Met::Begun };
    if kind != b'u' {
        return if Some(kind) == short(letter) { Met::Whole(deep + 1) } else { Met::Nothing };
    }
    let mut at = 0;
    for unit in letter.encode_utf16(&mut [0; 2]) {
        match same(&text[..deep], &text[at..]) {
            Met::Whole(length) => at += length,
            other => return other,
        }
        match digits(format!("u{unit:04x}").as_bytes(), &text[at..]) {
            Met::Whole(length) => at += length,
            other => return other,
        }
    }
    Met::Whole(at)
}

/// What stands for a letter behind a backslash.
fn short(letter: char) -> Option<u8> {
    match letter {
        '\u{8}' => Some(b'b'),
        '\u{c}' => Some(b'f'),
        '\n' => Some(b'n'),
        '\r' => Some(b'r'),
        '\t' => Some(b't'),
        _ => u8::try_from(letter).ok().filter(u8::is_ascii_punctuation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_letter_may_be_written_in_any_way() {
        let wanted = Spelled::new("a/+&\"é😀\\ %\n");
        let ways: [&[&str]; 11] = [
            &["a", "%61", "\\u0061", "\\\\u0061"],
            &["/", "%2f", "%2F", "\\/", "\\u002f", "\\\\\\/", "&#x2F;"],
            &["+", "%2B", "\\u002B", "&#43;", "&#0043;", "&#X02b;"],
            &["&", "%26", "\\u0026", "&amp;", "&#38;"],
            &["\"", "\\\"", "\\\\\\\"", "%22", "\\u0022", "&quot;", "&#34;"],
            &["é", "%C3%a9", "\\u00E9"],
            &["😀", "%f0%9f%98%80", "\\ud83d\\ude00", "\\\\uD83D\\\\uDE00"],
            &["\\", "\\\\", "\\\\\\\\", "%5c", "\\u005c"],
            &[" ", "+", "%20", "\\u0020"],
            &["%", "%25", "\\u0025"],
            &["\n", "\\n", "%0a", "%0A", "\\u000a"],
        ];
        let most = ways.iter().map(|ways| ways.len()).max().unwrap_or_default();
        for seed in 0..most * most {
            let pick = |(at, ways): (usize, &&[&str])| ways[(seed * (at + 1) + seed / most) % ways.len()].to_owned();
            let text: String = ways.iter().enumerate().map(pick).collect();
            assert_eq!(wanted.met(text.as_bytes()), Met::Whole(text.len()), "{text}");
            assert!(text.bytes().next().is_some_and(|first| wanted.begins(first)));
            for end in 0..text.len() {
                assert_eq!(wanted.met(&text.as_bytes()[..end]), Met::Begun, "{text} up to {end}");
            }
        }
    }

    #[test]
    fn nothing_else_is_taken_for_it() {
        let wanted = Spelled::new("s3/t");
        for text in [
            "s3.t",
            "s3\\t",
            "s3%2ft/".trim_end_matches("t/"),
            "S3/t",
            "s3%2et",
            "s3\\u002et",
            "s3//t",
            "s3%zz",
            "s3&#47t",
            "s3&#46;t",
            "s3&sol;t",
            "s3&#x47;t",
            "s3&#00000000047;t",
            "\\s3/t",
        ] {
            assert!(!matches!(wanted.met(text.as_bytes()), Met::Whole(_)), "{text}");
        }
        assert_eq!(wanted.met(b"s3.t"), Met::Nothing);
        assert_eq!(wanted.met(b"%74"), Met::Nothing);
        assert_eq!(wanted.met(b""), Met::Begun);
    }
}
