//! Words and lists that are bounded wherever they are read: what is too long is never held whole.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Longest [`Name`].
const MAX_NAME: usize = 64;
/// Longest words about what cannot be read, in characters.
const MAX_WHY: usize = 300;

/// Words of an agent: 1 to so many bytes, without NUL. They are data, and shown as such.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MOST: usize>(String);

impl<const MOST: usize> Text<MOST> {
    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> TryFrom<String> for Text<MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Text<MOST>, String> {
        match text.len() {
            0 => Err("there are no words".into()),
            length if length > MOST => Err(format!("these are {length} bytes, and {MOST} is the most")),
            _ if text.contains('\0') => Err("words hold no NUL".into()),
            _ => Ok(Text(text)),
        }
    }
}

impl<const MOST: usize> From<Text<MOST>> for String {
    fn from(text: Text<MOST>) -> String {
        text.0
    }
}

impl<const MOST: usize> fmt::Display for Text<MOST> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A name: 1 to 64 of letters, digits, `.`, `_` and `-`, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Name, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= MAX_NAME && text.bytes().all(plain) {
            return Ok(Name(text));
        }
        Err(format!("a name is 1 to {MAX_NAME} letters, digits, `.`, `_` and `-`, a letter or digit first"))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// At most so many.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct List<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> List<T, MOST> {
        List(Vec::new())
    }
}

impl<T, const MOST: usize> Deref for List<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MOST: usize> TryFrom<Vec<T>> for List<T, MOST> {
    type Error = String;

    fn try_from(all: Vec<T>) -> Result<List<T, MOST>, String> {
        if all.len() <= MOST { Ok(List(all)) } else { Err(format!("these are more than {MOST}")) }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<List<T, MOST>, D::Error> {
        input.deserialize_seq(Listed::<T, MOST>(PhantomData))
    }
}

struct Listed<T, const MOST: usize>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Listed<T, MOST> {
    type Value = List<T, MOST>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<List<T, MOST>, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = all.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format!("these are more than {MOST}")));
            }
            list.push(one);
        }
        Ok(List(list))
    }
}

/// What is wrong, in so many words and no control character.
pub(super) fn bounded(why: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut words: String = why.chars().take(MAX_WHY).map(plain).collect();
    if words.len() < why.len() && why.chars().count() > MAX_WHY {
        words.push('…');
    }
    words
}

/// A method, as it is said.
pub(super) mod method {
    use policy::Method;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::ref_option)] // Serde hands it over so.
    pub(in super::super) fn serialize<S: Serializer>(method: &Option<Method>, out: S) -> Result<S::Ok, S::Error> {
        match method {
            Some(method) => out.serialize_some(method.as_str()),
            None => out.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Method>, D::Error> {
        let text = Option::<String>::deserialize(input)?;
        text.map(|text| Method::parse(&text).map_err(D::Error::custom)).transpose()
    }
}
