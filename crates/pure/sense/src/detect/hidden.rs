//! Text that no reader of a page sees: characters without a form, elements that a style hides, comments. What is hidden is
//! evidence only where it reads like an order: ordinary pages hide much.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::instruct::is_hidden_order;
use super::view::is_invisible;
use super::{Evidence, Found, Name, floor, quoted};

/// Bytes of one hidden piece that are looked at.
const PIECE: usize = 2 << 10;
/// Hidden pieces of one text that are looked at.
const PIECES: usize = 64;
/// Invisible characters in a row from which on they say something by themselves.
const ROW: usize = 12;

/// Bytes of one tag that are looked at.
const TAG: usize = 1 << 10;

/// What hides an element, in its tag.
static HIDES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let style = r#"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?\s*[;"']|font-size\s*:\s*[01](?:px|pt|em|%)?\s*[;"']|(?:left|top|text-indent)\s*:\s*-\d{3,}|["';\s]color\s*:\s*(?:white|#fff|transparent)|["';\s](?:max-)?(?:width|height)\s*:\s*0"#;
    Regex::new(&format!(r#"(?i-u)(?:{style}|\shidden[\s>=]|aria-hidden\s*=\s*["']true|type\s*=\s*["']hidden)"#)).ok()
});

pub(super) fn find(text: &str, from: usize, found: &mut Found) {
    invisible(text, from, found);
    direction(text, from, found);
    elements(text, from, found);
}

fn tell(found: &mut Found, from: usize, span: Range<usize>, (why, says): (&str, &str)) {
    found.push(Evidence {
        name: Name::HiddenText,
        span: from + span.start..from + span.end,
        weight: Name::HiddenText.weight(),
        why: why.to_owned(),
        quoted: quoted(says),
    });
}

/// Characters that stand for bytes, and rows of others without a form.
fn invisible(text: &str, from: usize, found: &mut Found) {
    let (mut row, mut says, mut begins) = (0_usize, Vec::new(), 0);
    let mut end = |row: &mut usize, says: &mut Vec<u8>, span: Range<usize>| {
        let read = String::from_utf8(std::mem::take(says)).unwrap_or_default();
        let readable = read.len() >= 4 && read.chars().all(|letter| !letter.is_control() || letter.is_whitespace());
        if readable && is_word(&read) {
            tell(found, from, span, ("it says this in characters that no screen shows", &read));
        } else if *row >= ROW {
            tell(found, from, span, ("a row of characters that no screen shows", ""));
        }
        *row = 0;
    };
    for (at, letter) in text.char_indices() {
        if is_invisible(letter) {
            if row == 0 {
                begins = at;
            }
            row += 1;
            says.extend(stands_for(letter));
        } else if row > 0 {
            end(&mut row, &mut says, begins..at);
        }
    }
    if row > 0 {
        end(&mut row, &mut says, begins..text.len());
    }
}

/// The flag of a region is written in tags too: a few letters, and nothing else.
fn is_word(read: &str) -> bool {
    read.len() > 8 || read.contains(' ')
}

/// The byte that an invisible character stands for.
fn stands_for(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    match code {
        0xe0020..=0xe007e => u8::try_from(code - 0xe0000).ok(),
        0xfe00..=0xfe0e => u8::try_from(code - 0xfe00).ok(),
        0xe0100..=0xe01ef => u8::try_from(code - 0xe0100 + 16).ok(),
        _ => None,
    }
}

/// Marks that show Latin letters in another order than they are written in.
fn direction(text: &str, from: usize, found: &mut Found) {
    for (at, _) in text.match_indices(['\u{202d}', '\u{202e}']).take(PIECES) {
        let rest = &text[at..];
        let end = rest.find(['\u{202c}', '\n']).unwrap_or(rest.len()).min(floor(rest, PIECE));
        let said = &rest[..end];
        if said.chars().filter(char::is_ascii_alphabetic).count() >= 4 {
            return tell(found, from, at..at + end, ("it is shown in another order than it is written in", said));
        }
    }
}

fn elements(text: &str, from: usize, found: &mut Found) {
    let (mut at, mut pieces) = (0, 0);
    while let Some((begins, says, why)) = next(text, at).filter(|_| pieces < PIECES) {
        pieces += 1;
        at = says.end.max(begins + 1);
        if is_hidden_order(&text[says.clone()]) {
            tell(found, from, begins..says.end, (why, &text[says]));
        }
    }
}

/// The next piece that a page does not show: where it begins, what it says, and why that is not seen.
fn next(text: &str, from: usize) -> Option<(usize, Range<usize>, &'static str)> {
    let mut at = from;
    loop {
        let begins = at + text[floor(text, at)..].find(['<', '['])?;
        let rest = &text[begins..];
        if rest.starts_with("<!--") {
            return Some((begins, until(text, begins + 4, "-->"), "a comment that no page shows says so"));
        }
        if rest.starts_with("[//]: #") {
            return Some((begins, until(text, begins + 7, "\n"), "a comment that no page shows says so"));
        }
        let tag = &rest[..floor(rest, TAG)];
        let end = tag[1..].find(['<', '>']).map(|end| end + 1).filter(|end| tag[*end..].starts_with('>'));
        if let (true, Some(end)) = (rest.starts_with('<'), end)
            && HIDES.as_ref().is_some_and(|hides| hides.is_match(&tag[..=end]))
        {
            let says = element(text, &(begins..begins + end + 1));
            return Some((begins, says, "an element that its style hides says so"));
        }
        at = begins + 1;
    }
}

fn until(text: &str, at: usize, end: &str) -> Range<usize> {
    let rest = &text[at..at + floor(&text[at..], PIECE)];
    at..at + rest.find(end).unwrap_or(rest.len())
}

/// What an element holds, up to the end of its kind; of one that holds nothing, what its attributes say.
fn element(text: &str, tag: &Range<usize>) -> Range<usize> {
    let name: String = text[tag.start + 1..tag.end].chars().take_while(char::is_ascii_alphanumeric).collect();
    if matches!(name.to_ascii_lowercase().as_str(), "input" | "img" | "meta") {
        return tag.clone();
    }
    let within = until(text, tag.end, &format!("</{name}"));
    if within.is_empty() { tag.clone() } else { within }
}
