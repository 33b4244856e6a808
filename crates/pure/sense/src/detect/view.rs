//! A text as it is read for its words: in lower case, look-alikes as what they look like, nothing invisible, one space for
//! any, and where each byte of it stands in the text.

use std::ops::Range;

use crate::fold::lookalike;

/// A text, folded.
#[derive(Debug)]
pub(super) struct View {
    /// Folded.
    pub(super) text: String,
    /// For each byte of it the byte of the text that it came from.
    at: Vec<u32>,
}

impl View {
    pub(super) fn of(text: &str) -> View {
        let mut view = View { text: String::with_capacity(text.len()), at: Vec::with_capacity(text.len()) };
        let mut space = true;
        for (at, letter) in text.char_indices() {
            let folded = match letter {
                'A'..='Z' => letter.to_ascii_lowercase(),
                // What marks words up stands within them.
                '*' | '_' | '`' | '~' => continue,
                _ if letter.is_ascii() => letter,
                _ if is_invisible(letter) => continue,
                '\u{2018}' | '\u{2019}' => '\'',
                '\u{201c}' | '\u{201d}' => '"',
                _ => match lookalike(letter) {
                    Some(plain) => char::from(plain),
                    None if letter.is_whitespace() => ' ',
                    None => letter,
                },
            };
            let is_space = folded.is_ascii_whitespace() || folded.is_ascii_control();
            if !(is_space && space) {
                view.push(if is_space { ' ' } else { folded }, at);
            }
            space = is_space;
        }
        view
    }

    fn push(&mut self, letter: char, at: usize) {
        self.text.push(letter);
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.at.resize(self.text.len(), at);
    }

    /// Where in the text stands what stands here in the view.
    pub(super) fn place(&self, span: &Range<usize>, text: &str) -> Range<usize> {
        let byte = |at: usize| self.at.get(at).map_or(text.len(), |at| *at as usize);
        let last = span.end.checked_sub(1).map_or(0, byte);
        let end = text.get(last..).and_then(|rest| rest.chars().next()).map_or(last, |one| last + one.len_utf8());
        byte(span.start)..end.max(byte(span.start))
    }
}

/// Characters that no screen shows.
pub(crate) fn is_invisible(letter: char) -> bool {
    matches!(u32::from(letter),
        0xad | 0x34f | 0x61c | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f
        | 0xfeff | 0xe0000..=0xe01ef)
}
