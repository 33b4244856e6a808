//! One secret: what it is called, its value, and where it may go. Parsed once; never shown with its value.

use std::fmt;

use wire::command::{Derives, SecretText};
use zeroize::Zeroizing;

/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Shortest value, in bytes: what is shorter is guessed, and is found by chance in whatever is searched for it.
const MIN_VALUE: usize = 8;
/// Longest destination, in bytes: a name of 255, a port, and brackets.
const MAX_TO: usize = 272;
/// Most patterns of paths.
const MAX_PATHS: usize = 32;
/// Longest pattern, in bytes.
const MAX_PATH: usize = 512;

/// What a secret is called: 1 to 64 of `a` to `z`, `0` to `9`, `.`, `_` and `-`, a letter or digit first. Such a name
/// is a file's name too, and leads nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A secret's value: visible ASCII, with spaces inside, since it is to stand in a header. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<String>);

/// One secret with all that binds it.
///
/// The destination and the patterns are text here: who knows what they mean has parsed them before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: Name,
    value: Value,
    to: String,
    paths: Vec<String>,
    derives: Option<Derives>,
}

/// Why something cannot be kept. No text holds any part of what was refused: names are mistaken for values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The name.
    #[error("a secret's name is 1 to {MAX_NAME} of `a` to `z`, `0` to `9`, `.`, `_` and `-`, a letter or digit first")]
    Name,
    /// The value has no byte.
    #[error("the value is empty")]
    Empty,
    /// The value has few bytes.
    #[error("the value is shorter than {MIN_VALUE} bytes")]
    Short,
    /// The value has many bytes.
    #[error("the value is longer than {} KiB", SecretText::MOST / 1024)]
    Long,
    /// The value has several lines.
    #[error("the value has more than one line, and a header holds one")]
    Lines,
    /// The value holds a byte that no header takes.
    #[error("the value holds something else than visible ASCII with spaces inside")]
    Character,
    /// The destination.
    #[error("a destination is visible ASCII, at most {MAX_TO} bytes")]
    To,
    /// The paths.
    #[error("at most {MAX_PATHS} patterns of paths, each beginning with `/` and of at most {MAX_PATH} bytes")]
    Paths,
    /// The endpoint of tokens, or what it is told.
    #[error(
        "tokens are derived at an `https://` URL; it, the client's id and the scope are visible ASCII of at most {MAX_PATH} bytes"
    )]
    Derives,
}

impl Name {
    /// Takes a word as a name.
    ///
    /// # Errors
    /// [`EntryError::Name`].
    pub fn parse(text: &str) -> Result<Name, EntryError> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let plain = |byte: u8| first(byte) || b"._-".contains(&byte);
        let begins = text.bytes().next().is_some_and(first);
        if begins && text.len() <= MAX_NAME && text.bytes().all(plain) {
            Ok(Name(text.into()))
        } else {
            Err(EntryError::Name)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Value {
    /// Takes what was read as a value, without the one line's end that may follow it.
    ///
    /// # Errors
    /// Why it is none; never with a part of it.
    pub fn parse(text: &SecretText) -> Result<Value, EntryError> {
        let text = text.expose();
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        Value::check(text)?;
        Ok(Value(Zeroizing::new(text.to_owned())))
    }

    fn check(text: &str) -> Result<(), EntryError> {
        match text.len() {
            0 => return Err(EntryError::Empty),
            length if length < MIN_VALUE => return Err(EntryError::Short),
            length if length > SecretText::MOST => return Err(EntryError::Long),
            _ => {}
        }
        if text.contains(['\n', '\r']) {
            return Err(EntryError::Lines);
        }
        let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let inside = !text.starts_with(' ') && !text.ends_with(' ');
        if visible && inside { Ok(()) } else { Err(EntryError::Character) }
    }

    /// The value, for whoever puts it where it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Value {
    /// Without the value, and without its length.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Value")
    }
}

impl Entry {
    /// A secret for one destination, `HOST[:PORT]`, and for these paths of it; no path means every one.
    ///
    /// # Errors
    /// [`EntryError::To`] and [`EntryError::Paths`] for what is beyond all bounds; what it means is not judged here.
    pub fn new(name: Name, value: Value, to: String, paths: Vec<String>) -> Result<Entry, EntryError> {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if to.is_empty() || to.len() > MAX_TO || !visible(&to) {
            return Err(EntryError::To);
        }
        let path = |path: &String| path.starts_with('/') && path.len() <= MAX_PATH && visible(path);
        if paths.len() > MAX_PATHS || !paths.iter().all(path) {
            return Err(EntryError::Paths);
        }
        Ok(Entry { name, value, to, paths, derives: None })
    }

    /// The same as what tokens are derived from.
    ///
    /// # Errors
    /// [`EntryError::Derives`] for what is beyond all bounds.
    pub fn deriving(self, derives: Derives) -> Result<Entry, EntryError> {
        let plain = |text: &str, space: bool| {
            let fits = |byte: u8| byte.is_ascii_graphic() || space && byte == b' ';
            !text.is_empty() && text.len() <= MAX_PATH && text.bytes().all(fits)
        };
        let scheme = derives.url.starts_with("https://") || derives.url.starts_with("http://host.bastide:");
        let scope = derives.scope.as_deref().is_none_or(|scope| plain(scope, true));
        if scheme && plain(&derives.url, false) && plain(&derives.client, false) && scope {
            Ok(Entry { derives: Some(derives), ..self })
        } else {
            Err(EntryError::Derives)
        }
    }

    /// The same with another value: one that an endpoint gave in its place.
    #[must_use]
    pub fn renewed(&self, value: Value) -> Entry {
        Entry { value, ..self.clone() }
    }

    /// How tokens are derived from it; none where it is one.
    #[must_use]
    pub const fn derives(&self) -> Option<&Derives> {
        self.derives.as_ref()
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The destination that it is for.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// Patterns of the paths that it is for; empty means every path.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, EntryError> {
        Value::parse(&SecretText::from(text.to_owned())).map(|value| value.expose().to_owned())
    }

    #[test]
    fn names_are_plain_and_lead_nowhere() {
        for good in ["a", "0", "github", "github.work_2-x", "a.age", "key", &"x".repeat(64)] {
            assert_eq!(Name::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", ".", "..", "-a", "_a", ".a", "A", "aB", "a/b", "a b", "é", "a\n", "a\0", &"x".repeat(65)] {
            assert_eq!(Name::parse(bad), Err(EntryError::Name), "{bad:?}");
        }
    }

    #[test]
    fn a_value_is_one_line_that_a_header_takes() {
        for (typed, kept) in [
            ("12345678", "12345678"),
            ("12345678\n", "12345678"),
            ("12345678\r\n", "12345678"),
            ("Bearer a b ~!\"\\", "Bearer a b ~!\"\\"),
        ] {
            assert_eq!(value(typed).as_deref(), Ok(kept));
        }
        assert!(value(&"x".repeat(64 * 1024)).is_ok() && value(&("x".repeat(64 * 1024) + "\r\n")).is_ok());
        for (typed, why) in [
            ("", EntryError::Empty),
            ("\n", EntryError::Empty),
            ("1234567", EntryError::Short),
            ("1234567\n", EntryError::Short),
            (&"x".repeat(64 * 1024 + 1), EntryError::Long),
            ("12345678\n\n", EntryError::Lines),
            ("12345678\r", EntryError::Lines),
            ("1234\n5678", EntryError::Lines),
            ("1234\x005678", EntryError::Character),
            ("1234\t5678", EntryError::Character),
            (" 12345678", EntryError::Character),
            ("12345678 \n", EntryError::Character),
            ("1234567é", EntryError::Character),
            ("1234567\u{7f}", EntryError::Character),
        ] {
            assert_eq!(value(typed), Err(why), "{typed:?}");
        }
    }

    fn entry(to: &str, paths: Vec<String>) -> Result<Entry, EntryError> {
        let secret = Value::parse(&SecretText::from("hunter2-hunter2".to_owned())).expect("a value");
        Entry::new(Name::parse("a").expect("a name"), secret, to.into(), paths)
    }

    #[test]
    fn nothing_shows_a_value() {
        let entry = entry("a.example", vec!["/**".into()]).expect("an entry");
        assert!(!format!("{entry:?}{entry:#?}").contains("hunter"));
    }

    #[test]
    fn what_binds_has_bounds() {
        assert!(entry("a.example:443", vec!["/a/**".into(); 32]).is_ok());
        for bad in ["", "a b", "a\n", &"a".repeat(273)] {
            assert_eq!(entry(bad, vec![]), Err(EntryError::To), "{bad:?}");
        }
        for bad in [vec!["/".into(); 33], vec!["a".into()], vec!["/\u{1b}".into()], vec!["/".repeat(513)]] {
            assert_eq!(entry("a", bad), Err(EntryError::Paths));
        }
    }
}
