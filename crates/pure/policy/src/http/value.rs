//! Patterns of values, and how any pattern is compared.

use serde::{Deserialize, Serialize};

use super::{RequestError, hex};

/// Which values of a query or a header a rule means: text with `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValuePattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Piece {
    /// `*`
    Any,
    Byte(u8),
}

impl ValuePattern {
    /// A pattern, such as `open` or `v1.*`. As in a path, percent-encoding means the byte.
    ///
    /// # Errors
    /// [`RequestError::Percent`] for a `%` that encodes nothing.
    pub fn parse(text: &str) -> Result<ValuePattern, RequestError> {
        let mut pieces = Vec::new();
        let (bytes, mut at) = (text.as_bytes(), 0);
        while let Some(&byte) = bytes.get(at) {
            let (piece, length) = match byte {
                b'%' => (Piece::Byte(hex(bytes, at + 1).ok_or(RequestError::Percent)?), 3),
                b'*' => (Piece::Any, 1),
                byte => (Piece::Byte(byte), 1),
            };
            pieces.push(piece);
            at += length;
        }
        Ok(ValuePattern { text: text.into(), pieces })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn takes(&self, value: &[u8]) -> bool {
        wild(&self.pieces, value, |piece| *piece == Piece::Any, |piece, byte| piece.byte() == Some(*byte))
    }

    /// Whether it takes every value that the other one takes; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &ValuePattern) -> bool {
        let bytes: Option<Vec<u8>> = other.pieces.iter().map(|piece| piece.byte()).collect();
        let literal = bytes.is_some_and(|bytes| self.takes(&bytes));
        let begins = self.pieces.split_last().is_some_and(|(last, start)| {
            // `claude-*` and `claude-opus-*`: what begins so and goes on as it likes.
            *last == Piece::Any && start.iter().all(|piece| piece.byte().is_some()) && other.pieces.starts_with(start)
        });
        self == other || literal || begins
    }

    /// Whether it takes the one value there is, or any of several.
    pub(super) fn takes_of<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>, every: bool) -> bool {
        if !every {
            // A list in one header is that header several times.
            let some = |value: &[u8]| value.split(|byte| *byte == b',').any(|one| self.takes(one.trim_ascii()));
            return values.any(|value| self.takes(value) || some(value));
        }
        // Which of two a server takes cannot be told.
        values.next().is_some_and(|value| self.takes(value)) && values.next().is_none()
    }
}

impl Piece {
    pub(super) const fn byte(self) -> Option<u8> {
        match self {
            Piece::Any => None,
            Piece::Byte(byte) => Some(byte),
        }
    }
}

/// Whether a pattern whose `any` parts mean any number of items takes all of them. Goes back to the last such part
/// only: a later one can take over whatever an earlier one would.
pub(crate) fn wild<P, T>(pattern: &[P], items: &[T], any: impl Fn(&P) -> bool, one: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(part) if any(part) => {
                back = Some((at, item));
                at += 1;
            }
            Some(part) if one(part, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => match &mut back {
                Some((star, from)) => {
                    *from += 1;
                    (at, item) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(any)
}

impl TryFrom<String> for ValuePattern {
    type Error = RequestError;
    fn try_from(text: String) -> Result<Self, RequestError> {
        ValuePattern::parse(&text)
    }
}

impl From<ValuePattern> for String {
    fn from(pattern: ValuePattern) -> String {
        pattern.text
    }
}
