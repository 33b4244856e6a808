//! Texts that an agent chooses: names of tools, addresses of resources, arguments. What a server may read in another way than
//! it is written is taken by no allow rule, and meant by every deny rule.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 256;
/// Longest text that is compared with a pattern. A longer one is taken by `*` alone.
const MAX_TEXT: usize = 8 * 1024;

/// Which texts a rule means: `*` any text without a slash in it, `**` any text. Alone, either means whatever there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextPattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    /// `**`
    Any,
    /// `*`
    Within,
    Byte(u8),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is empty, or too long.
    #[error("it has 1 to {MAX_PATTERN} bytes")]
    Length,
    /// It holds a control character, or three stars in a row.
    #[error("it has no control character, and at most two stars in a row")]
    Characters,
}

impl TextPattern {
    /// A pattern, such as `search_*` or `/repo/**`.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn parse(text: &str) -> Result<TextPattern, TextError> {
        if text.is_empty() || text.len() > MAX_PATTERN {
            return Err(TextError::Length);
        }
        if text.contains("***") || text.chars().any(char::is_control) {
            return Err(TextError::Characters);
        }
        let (bytes, mut at, mut pieces) = (text.as_bytes(), 0, Vec::new());
        while let Some(&byte) = bytes.get(at) {
            let (piece, length) = match (byte, bytes.get(at + 1)) {
                (b'*', Some(b'*')) => (Piece::Any, 2),
                (b'*', _) => (Piece::Within, 1),
                (byte, _) => (Piece::Byte(byte), 1),
            };
            pieces.push(piece);
            at += length;
        }
        Ok(TextPattern { text: text.into(), pieces })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern that means this text and no other; none where there is no such pattern.
    #[must_use]
    pub fn literal(text: &str) -> Option<TextPattern> {
        TextPattern::parse(text).ok().filter(|pattern| !text.contains('*') && pattern.takes(text, false))
    }

    /// Whether it means whatever there is.
    pub(crate) const fn is_all(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Any | Piece::Within])
    }

    /// Whether it means a text: exactly, or loosely, as some server may read that.
    #[must_use]
    pub fn takes(&self, text: &str, loosely: bool) -> bool {
        if self.is_all() {
            return true;
        }
        if text.len() > MAX_TEXT || is_odd(text) {
            return loosely;
        }
        self.means(text.as_bytes(), loosely) || loosely && (self.means_number(text) || self.means_path(text))
    }

    /// Whether it means the path or address that a text may be read as: steps that are written twice are one, what is encoded
    /// means its byte, a backslash divides, and a directory is one with a slash at its end or without.
    fn means_path(&self, text: &str) -> bool {
        let (text, read) = (text.as_bytes(), decoded(text.as_bytes()));
        [squeezed(text), squeezed(&read), read].iter().any(|path| {
            let bare = path.strip_suffix(b"/").unwrap_or(path);
            let ended = || !bare.is_empty() && (self.means(bare, true) || self.means(&[bare, b"/"].concat(), true));
            self.means(path, true) || ended()
        })
    }

    /// Whether it means the number that a text may be read as, however either is written: `1000` is `1e3` and `1000.0`.
    fn means_number(&self, text: &str) -> bool {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // Adding nothing makes one zero of two.
        let number =
            |text: &str| text.trim().parse().map(|number: f64| number + 0.0).ok().filter(|one| one.is_finite());
        let Some(said) = number(text) else { return false };
        // Two that are written in digits are two, also where they are too long to be told apart as numbers.
        let same =
            number(&self.text).is_some_and(|own| own.total_cmp(&said).is_eq()) && !(plain(text) && plain(&self.text));
        same || self.means(said.to_string().as_bytes(), true) && !plain(text)
    }

    /// Whether it means an argument. A list is meant where each of it is; of what is no text nothing is known.
    pub(crate) fn takes_value(&self, value: &Value, loosely: bool) -> bool {
        match value {
            _ if self.is_all() => true,
            Value::String(text) => self.takes(text, loosely),
            Value::Number(number) => self.takes(&number.to_string(), loosely),
            Value::Bool(is) => self.takes(if *is { "true" } else { "false" }, loosely),
            Value::Array(list) if loosely => list.iter().any(|one| self.takes_value(one, true)),
            Value::Array(list) => {
                !list.is_empty() && list.iter().all(|one| !one.is_array() && self.takes_value(one, false))
            }
            Value::Null | Value::Object(_) => loosely,
        }
    }

    /// Whether every text that the other means is meant by this; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &TextPattern) -> bool {
        let literal = !other.text.contains('*') && self.takes(&other.text, false);
        self.is_all() || self == other || literal
    }

    /// Follows every way at once, so that no text takes long.
    fn means(&self, text: &[u8], loosely: bool) -> bool {
        let count = self.pieces.len();
        let mut at = vec![false; count + 1];
        at[0] = true;
        self.skip(&mut at);
        for &byte in text {
            let mut next = vec![false; count + 1];
            for (place, piece) in self.pieces.iter().enumerate().filter(|(place, _)| at[*place]) {
                match piece {
                    Piece::Any => next[place] = true,
                    Piece::Within => next[place] |= !matches!(byte, b'/' | b'\\'),
                    Piece::Byte(own) => {
                        next[place + 1] |= *own == byte || loosely && own.eq_ignore_ascii_case(&byte);
                    }
                }
            }
            self.skip(&mut next);
            at = next;
        }
        at[count]
    }

    /// A star may stand for nothing.
    fn skip(&self, at: &mut [bool]) {
        for (place, piece) in self.pieces.iter().enumerate() {
            at[place + 1] |= at[place] && !matches!(piece, Piece::Byte(_));
        }
    }
}

/// With a byte in the place of what stands for it; a `%` that encodes nothing stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut at, mut read) = (0, Vec::with_capacity(text.len()));
    while let Some(&byte) = text.get(at) {
        let encoded = (byte == b'%').then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?)).flatten();
        read.push(encoded.and_then(|byte| u8::try_from(byte).ok()).unwrap_or(byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    read
}

/// With one slash in the place of several, and of backslashes. Those that follow a scheme stay.
fn squeezed(text: &[u8]) -> Vec<u8> {
    let mut path: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }) {
        let follows = [&b":/"[..], b"://"].iter().any(|scheme| path.ends_with(scheme));
        if byte != b'/' || !path.ends_with(b"/") || follows {
            path.push(byte);
        }
    }
    path
}

/// Whether servers may take a text for another one: it steps up in a path, in any spelling, or holds what is not seen.
fn is_odd(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let steps = text.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
    let encoded = ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|byte| lower.contains(byte));
    steps || encoded || text.chars().any(char::is_control)
}

impl fmt::Display for TextPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TryFrom<String> for TextPattern {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        TextPattern::parse(&text)
    }
}

impl From<TextPattern> for String {
    fn from(pattern: TextPattern) -> String {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pattern(text: &str) -> TextPattern {
        TextPattern::parse(text).expect(text)
    }

    #[test]
    fn patterns_mean_texts() {
        for (written, text, exactly, loosely) in [
            ("read_file", "read_file", true, true),
            ("read_file", "Read_File", false, true),
            ("read_file", "read_file ", false, false),
            ("search_*", "search_", true, true),
            ("search_*", "search_a/b", false, false),
            ("search_**", "search_a/b", true, true),
            ("*", "a/../b\u{0}", true, true),
            ("**", "", true, true),
            ("/repo/**", "/repo/a/b", true, true),
            ("/repo/**", "/repo", false, true),
            ("/repo/*", "/repo/a\\b", false, false),
            ("/repo/**", "/repo/../etc/passwd", false, true),
            ("/repo/**", "/repo/..\\x", false, true),
            ("/repo/**", "/repo/%2e%2E/x", false, true),
            ("/repo/**", "/repo/a\nb", false, true),
            (".*", "..", false, true),
            ("/repo/private/**", "/repo//private/x", false, true),
            ("/repo/private/**", "//repo/private///x", false, true),
            ("/repo/private/**", "/repo/%70rivate/x", false, true),
            ("/repo/private/**", "/repo//%50rivate/x", false, true),
            ("/repo/private/**", "/repo\\private\\x", false, true),
            ("/repo/private/**", "/repo/private%/x", false, false),
            ("/repo/private/**", "/repo/private", false, true),
            ("/repo/private", "/repo/private/", false, true),
            ("/repo/private", "/repo/private/x", false, false),
            ("/repo/private/**", "/repo/public//private/x", false, false),
            ("https://a/private/**", "https://a//private/x", false, true),
            ("https://a/private/**", "https://a/private/x", true, true),
            ("file:///repo/private/**", "file:///repo//private/x", false, true),
            ("https://a/x/**", "https:/a/x/b", false, false),
            ("a*b*c", "aXbYbZc", true, true),
            ("a**b*c", "a/b/bc", true, true),
            ("a*b**c", "a/bc", false, false),
            ("é", "é", true, true),
            ("1000", "1e3", false, true),
            ("1000", "1000.0", false, true),
            ("1000", " +1000", false, true),
            ("1000", "1001", false, false),
            ("1000.0", "1000", false, true),
            ("10*", "1E3", false, true),
            ("0", "-0.0", false, true),
            ("9007199254740993", "9007199254740992", false, false),
            ("inf*", "1e999", false, false),
        ] {
            let found = (pattern(written).takes(text, false), pattern(written).takes(text, true));
            assert_eq!(found, (exactly, loosely), "{written} {text:?}");
        }
        assert!(
            !pattern("a*").takes(&"a".repeat(MAX_TEXT + 1), false) && pattern("*").takes(&"a".repeat(1 << 20), false)
        );
        for bad in ["", "a***", "a\tb", &"a".repeat(MAX_PATTERN + 1)] {
            assert!(TextPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_texts_numbers_or_lists_of_them() {
        for (written, value, exactly, loosely) in [
            ("a*", json!("ab"), true, true),
            ("1", json!(1), true, true),
            ("true", json!(true), true, true),
            ("a*", json!(["ab", "ac"]), true, true),
            ("a*", json!(["ab", "b"]), false, true),
            ("a*", json!([]), false, false),
            ("a*", json!([["ab"]]), false, true),
            ("a*", json!({"a": "ab"}), false, true),
            ("a*", json!(null), false, true),
            ("*", json!({"a": null}), true, true),
        ] {
            let found = (pattern(written).takes_value(&value, false), pattern(written).takes_value(&value, true));
            assert_eq!(found, (exactly, loosely), "{written} {value}");
        }
    }

    #[test]
    fn it_covers_what_it_means() {
        assert!(pattern("*").covers(&pattern("a/**")) && pattern("a*").covers(&pattern("ab")));
        assert!(!pattern("a*").covers(&pattern("ab*")) && !pattern("a").covers(&pattern("A")));
        assert_eq!(TextPattern::literal("a*"), None);
        assert_eq!(TextPattern::literal("a/../b"), None);
    }
}
