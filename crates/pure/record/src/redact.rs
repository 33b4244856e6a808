//! What is taken out of an event before it is hashed: secrets, invisible characters, excess.
//!
//! A hash chain makes a leaked secret permanent, so [`crate::Writer`] accepts no event that has not been
//! through a [`Redactor`]. Encoded forms of a secret (base64, percent) are not recognised. A text may have been cut
//! before it came here, as arguments are in the cell: the beginning of a secret at its end is one, too.

mod fields;

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use crate::bodies::{self, Bodies, MAX_BODY};

/// The shortest secret that is looked for. Anything shorter would blank ordinary words.
pub const MIN_SECRET: usize = 4;

/// The shortest beginning of a secret that is looked for at the end of a text.
pub const MIN_BEGINNING: usize = 16;

/// How much of one event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one string.
    pub text: usize,
    /// Bytes of what was said.
    pub body: usize,
    /// Members of one list.
    pub items: usize,
}

impl Bounds {
    /// What an event is held to first: a path fits whole.
    pub const USUAL: Self = Self { text: 4096, body: 4096, items: 128 };
    /// The same where all that was said is kept.
    pub const FULL: Self = Self { body: MAX_BODY, ..Self::USUAL };
    /// What an event is held to when its line came out too long.
    pub const TIGHT: Self = Self { text: 256, body: 256, items: 32 };
}

/// The secret is too short to be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret `{name}` is shorter than {MIN_SECRET} bytes and cannot be redacted")]
pub struct TooShort {
    /// The secret's name.
    pub name: String,
}

/// Knows the secrets of a session and takes them out of strings.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<Secret>,
    bodies: Bodies,
}

#[derive(Clone)]
struct Secret {
    /// In ASCII lower case: host names are lowered before they are recorded, and a secret may hide in one.
    value: String,
    mark: String,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// Knows no secret; still bounds and makes visible.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret. Its occurrences become `[redacted:NAME]`, in any ASCII case.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), TooShort> {
        if value.len() < MIN_SECRET {
            return Err(TooShort { name: name.into() });
        }
        let mark = format!("[redacted:{}]", visible(name));
        self.secrets.push(Secret { value: value.to_ascii_lowercase(), mark });
        Ok(())
    }

    /// Keeps so much of what is said from here on.
    pub fn keep(&mut self, bodies: Bodies) {
        self.bodies = bodies;
    }

    /// What is kept of what is said.
    #[must_use]
    pub const fn bodies(&self) -> Bodies {
        self.bodies
    }

    /// The text as it may be written: no secret, no invisible character, at most about `limit` bytes.
    pub fn text(&self, text: &str, limit: usize) -> String {
        // Secrets go first, while they are still spelled as they were given (a key file has line ends), and
        // again once escapes are written out. Only then is it cut: a cut secret would not be recognised.
        let blanked = self.hide(text);
        let shown = visible(&blanked);
        let kept = bounded(&self.hide(&shown), limit);
        if !self.holds_secret(&kept) {
            return kept;
        }
        // A secret made of our own marks: nothing of the text can be shown.
        let blank = "[redacted]".to_owned();
        if self.holds_secret(&blank) { String::new() } else { blank }
    }

    /// The same for what was said.
    fn body(&self, text: &str, limit: usize) -> String {
        // Nothing to hide tells nothing by its hash.
        if self.bodies == Bodies::Hash && !text.is_empty() {
            return bodies::mark(&self.hide(text));
        }
        self.text(text, limit)
    }

    /// The same for what is a name, as long as it is no more than one.
    fn name(&self, text: &str, limit: usize) -> String {
        if bodies::is_name(text) { self.text(text, limit) } else { self.body(text, limit) }
    }

    fn holds_secret(&self, text: &str) -> bool {
        !self.secrets.is_empty() && {
            let lower = text.to_ascii_lowercase();
            self.secrets.iter().any(|secret| lower.contains(&secret.value))
        }
    }

    /// The text as it is, but for secrets.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        self.hide(text).into_owned()
    }

    fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end, mark) in spans {
            out.push_str(&text[from..start]);
            out.push_str(mark);
            from = end;
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }

    /// Where secrets stand; overlapping ones are one span, so that no half of either is left.
    fn spans(&self, text: &str) -> Vec<(usize, usize, &str)> {
        if self.secrets.is_empty() {
            return Vec::new();
        }
        let lower = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for secret in &self.secrets {
            let step = secret.value.chars().next().map_or(1, char::len_utf8);
            let mut from = 0;
            while let Some(at) = lower[from..].find(&secret.value) {
                let start = from + at;
                found.push((start, start + secret.value.len(), secret.mark.as_str()));
                from = start + step;
            }
            found.extend(secret.begun(&lower).map(|start| (start, text.len(), secret.mark.as_str())));
        }
        found.sort_unstable_by_key(|&(start, end, _)| (start, std::cmp::Reverse(end)));
        found.dedup_by(|next, last| {
            let joins = next.0 < last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        found
    }
}

impl Secret {
    /// Where the text, in lower case, ends in the beginning of the secret. What was cut within a character ends in a
    /// replacement character.
    fn begun(&self, lower: &str) -> Option<usize> {
        let text = lower.trim_end_matches(char::REPLACEMENT_CHARACTER).as_bytes();
        let value = self.value.as_bytes();
        let longest = text.len().min(value.len() - 1);
        // It begins where a character of the secret does, and so where one of the text does.
        let length = (MIN_BEGINNING..=longest).rev().find(|&length| text.ends_with(&value[..length]))?;
        Some(text.len() - length)
    }
}

/// The text with characters that hide or reorder others written out as `\u{…}`. Stable when repeated.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Most are plain, which is quicker to see.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if hidden(letter) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// Controls, and characters that reorder, hide or join what stands beside them, or are blank and no space: a row of those pushes
/// what follows to where something else is looked for. The one list: the client has it from here.
#[must_use]
pub fn hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(u32::from(letter),
            0xa0 | 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x1680 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3000 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
            | 0xfff0..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let keep = text.floor_char_boundary(limit);
    format!("{}…[{} bytes more]", &text[..keep], text.len() - keep)
}

#[cfg(test)]
mod tests;
