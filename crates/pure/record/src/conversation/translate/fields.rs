//! Every field of a request is accounted for: translated, left out by a list, or the reason why there is no translation.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::conversation::shape::{Malformed, field, list};

/// Longest name or word of the program's own that is told, in characters.
const MAX_SHOWN: usize = 64;
/// Why a field is not translated.
const NO_WORD: &str = "there is no word for it in the other wire";

/// Why something has no translation. It shows no more of what was sent than names of fields and types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Untranslatable {
    at: String,
    /// The word that stands there, where that is the reason.
    word: String,
    why: String,
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(formatter, "`{}`", self.at)?;
            if !self.word.is_empty() {
                write!(formatter, " `{}`", self.word)?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.why)
    }
}

impl From<Malformed> for Untranslatable {
    fn from(fault: Malformed) -> Self {
        match fault {
            Malformed::Shape { at, want } => Self { at, word: String::new(), why: format!("it is not {want}") },
            other => Self { at: String::new(), word: String::new(), why: other.to_string() },
        }
    }
}

impl Untranslatable {
    /// A field, and why.
    pub(super) fn at(at: &str, why: &str) -> Self {
        Self { at: shown(at), word: String::new(), why: why.to_owned() }
    }

    /// A field whose word is the reason.
    pub(super) fn word(at: &str, word: &str, why: &str) -> Self {
        Self { word: shown(word), ..Self::at(at, why) }
    }

    /// A block or part of a type that the other wire does not have.
    pub(super) fn kind(kind: &str) -> Self {
        Self::word("type", kind, NO_WORD)
    }

    /// The same, of a field within this one.
    pub(super) fn within(self, holder: &str) -> Self {
        let at = if self.at.is_empty() { holder.to_owned() } else { format!("{holder}.{}", self.at) };
        Self { at, ..self }
    }
}

/// What the fields of an object are to a translation.
pub(super) struct Fields {
    /// They are translated.
    pub(super) known: &'static [&'static str],
    /// They are left out.
    pub(super) spare: &'static [&'static str],
}

/// What was left out so far.
#[derive(Debug, Default)]
pub(super) struct Left(BTreeSet<&'static str>);

impl Left {
    /// Accounts for the fields of an object.
    pub(super) fn account(&mut self, object: &Value, fields: &Fields) -> Result<(), Untranslatable> {
        let object = object.as_object().ok_or_else(|| Untranslatable::at("", "it is not an object"))?;
        for (name, value) in object {
            let known = fields.known.contains(&name.as_str());
            match fields.spare.iter().find(|spare| *spare == name) {
                Some(spare) if !says_nothing(value) => self.note(spare),
                None if !known && !says_nothing(value) => return Err(Untranslatable::at(name, NO_WORD)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Something is left out.
    pub(super) fn note(&mut self, name: &'static str) {
        self.0.insert(name);
    }

    /// All of it.
    pub(super) fn told(self) -> Vec<&'static str> {
        self.0.into_iter().collect()
    }
}

/// A field that is absent in other words. An empty object is not: it switches some things on.
fn says_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty)
}

/// Takes each member of a list that may be absent, and says at which one it failed.
pub(super) fn each<'v>(
    holder: &'v Value,
    name: &str,
    mut take: impl FnMut(&'v Value) -> Result<(), Untranslatable>,
) -> Result<(), Untranslatable> {
    if field(holder, name).is_none() {
        return Ok(());
    }
    let mut members = list(holder, name)?.iter().enumerate();
    members.try_for_each(|(index, member)| take(member).map_err(|why| why.within(&format!("{name}[{index}]"))))
}

/// Puts a field there under this name, if it is said.
pub(super) fn carry(from: &Value, name: &str, to: &mut Value, other: &str) {
    if let Some(value) = field(from, name) {
        to[other] = value.clone();
    }
}

/// A text of the program's own in visible characters of one line.
fn shown(text: &str) -> String {
    let visible = |letter: char| if letter.is_ascii_graphic() && letter != '`' { letter } else { '?' };
    text.chars().take(MAX_SHOWN).map(visible).collect()
}
