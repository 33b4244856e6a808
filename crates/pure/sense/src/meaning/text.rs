//! Texts as they are compared and told: without case, by their numbers, bounded.

use std::borrow::Cow;

use crate::detect::is_invisible;

/// Letters of a value that are told.
const MOST_TOLD: usize = 160;

/// The operator's own words, with a space where a sentence ends without one: `see a.example.They` names a site.
pub(super) fn parted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        out.push(*letter);
        let around = (at.checked_sub(1).map(|at| letters[at]), letters.get(at + 1), letters.get(at + 2));
        if let ('.', (Some(before), Some(first), Some(second))) = (*letter, around)
            && before.is_lowercase()
            && first.is_uppercase()
            && second.is_lowercase()
        {
            out.push(' ');
        }
    }
    out
}

/// The numbers of a text, as they are written.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    parts.map(|part| part.trim_matches('.')).filter(|part| part.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A text without what no screen shows: who reads it does not know of that.
pub(super) fn seen(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|letter| !is_invisible(*letter)).collect())
}

/// A text without case, its white space one space each, and what no screen shows left out.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return String::from_utf8(ascii(text.as_bytes())).unwrap_or_default();
    }
    let text = &*seen(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        match word.is_ascii() {
            true => {
                let begin = out.len();
                out.push_str(word);
                out[begin..].make_ascii_lowercase();
            }
            false => out.push_str(&word.to_lowercase()),
        }
    }
    out
}

/// The same of ASCII, without a branch: words are short, and end where no predictor knows.
fn ascii(text: &[u8]) -> Vec<u8> {
    let (mut out, mut kept, mut before) = (vec![0; text.len()], 0, true);
    for byte in text {
        let space = matches!(byte, b'\t'..=b'\r' | b' ');
        out[kept] = if space { b' ' } else { byte.to_ascii_lowercase() };
        kept += usize::from(!(space & before));
        before = space;
    }
    // One stands at the end.
    out.truncate(kept - usize::from(before && kept > 0));
    out
}

/// The end of the letter before, where a place is within one.
pub(super) fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Where a value stands in a text, as a whole: not within a longer word.
pub(super) fn find(text: &str, value: &str) -> Option<usize> {
    let edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(value).map(|(at, _)| at).take(1024).find(|at| {
        let (before, after) = (text[..*at].chars().next_back(), text[at + value.len()..].chars().next());
        edge(before) && edge(after)
    })
}

/// A value for people: bounded, nothing in it moves a cursor.
pub(super) fn told(value: &str) -> String {
    let mut out: String = value.chars().filter(|letter| !letter.is_control()).take(MOST_TOLD).collect();
    if value.chars().nth(MOST_TOLD).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_one_space_each() {
        for text in ["", " ", " A  b\t\r\n\u{b}c\u{c}", "a\u{1c}b \u{7f}", "\n\nONE two", "x", "x "] {
            let plain: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
            assert_eq!(fold(text), plain.join(" "), "{text:?}");
            let wide = format!("{text}\u{a0}\u{c4}\u{3a3}");
            let plain: Vec<String> = wide.split_whitespace().map(str::to_lowercase).collect();
            assert_eq!(fold(&wide), plain.join(" "), "{wide:?}");
        }
    }
}
