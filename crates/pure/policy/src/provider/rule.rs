//! The words in which the tables of the wires are written: what a field may hold. Constant data that is never parsed;
//! what a table does not name is refused.

use serde_json::Value;

use super::Hosted;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Anything, within the bounds: arguments, metadata, what the provider only reads.
    Free,
    /// A JSON schema: anything that refers to nothing outside of itself.
    Schema,
    Text,
    Number,
    Flag,
    /// One of these words.
    Word(&'static [Word]),
    /// The name of a model that does not act by itself.
    Model,
    /// A `data:` address, and no other.
    Data,
    /// Base64, and so no address.
    Bytes,
    /// The id of an answer that this gate delivered.
    Held,
    /// An id that stands beside the content itself, in one of these fields; alone it is what [`Rule::Held`] says.
    Beside(&'static [&'static str]),
    /// An item that only the provider can read: one that this gate delivered, byte for byte.
    Sealed,
    /// Sealed, or one of the placeholders that stand for none.
    SealedOr(&'static [&'static str]),
    Object(&'static [Field]),
    /// An object whose names are the agent's own.
    Map(&'static Rule),
    List(&'static Rule),
    /// The first of these that takes the type of the value.
    Any(&'static [Rule]),
    /// An object, one of whose fields says what the others are.
    Kinds(&'static Kinds),
    /// Refused unless granted, or switched off: null, false, or an empty list.
    Hosted(Hosted),
}

/// A field that is on the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
}

/// A word that is on the list, or that asks for something hosted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) hosted: Option<Hosted>,
}

/// Objects that a field tells apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    /// The field.
    pub(super) by: &'static str,
    /// The kind where it is absent; none: it must be there.
    pub(super) absent: Option<&'static str>,
    pub(super) kinds: &'static [Kind],
    /// What every kind may have besides, unless the kind itself lists it.
    pub(super) common: &'static [Field],
}

/// One kind of object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// Fields without which the provider would read another kind.
    pub(super) needs: &'static [&'static str],
}

/// What an object of a kind is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Fields(&'static [Field]),
    Hosted(Hosted),
}

/// A field that every request has with this value, whatever the agent said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forced {
    pub(super) pointer: &'static str,
    pub(super) value: bool,
    /// Set where the agent said nothing as well; otherwise only where it said something else.
    pub(super) always: bool,
    /// What lifts it.
    pub(super) unless: Hosted,
}

impl Rule {
    /// Whether a value has the type of this rule.
    pub(super) fn takes(&self, value: &Value) -> bool {
        match self {
            Rule::Free | Rule::Schema | Rule::Hosted(_) => true,
            Rule::Number => value.is_number(),
            Rule::Flag => value.is_boolean(),
            Rule::Object(_) | Rule::Map(_) | Rule::Kinds(_) => value.is_object(),
            Rule::List(_) => value.is_array(),
            Rule::Any(rules) => rules.iter().any(|rule| rule.takes(value)),
            _ => value.is_string(),
        }
    }
}

/// A field.
pub(super) const fn field(name: &'static str, rule: Rule) -> Field {
    Field { name, rule }
}

/// A kind of these fields.
pub(super) const fn kind(name: &'static str, fields: &'static [Field]) -> Kind {
    Kind { name, shape: Shape::Fields(fields), needs: &[] }
}

/// A kind of these fields, some of which it must have.
pub(super) const fn needing(name: &'static str, needs: &'static [&'static str], fields: &'static [Field]) -> Kind {
    Kind { name, shape: Shape::Fields(fields), needs }
}

/// A kind that is hosted.
pub(super) const fn hosted(name: &'static str, hosted: Hosted) -> Kind {
    Kind { name, shape: Shape::Hosted(hosted), needs: &[] }
}

/// A harmless word.
pub(super) const fn word(name: &'static str) -> Word {
    Word { name, hosted: None }
}

/// A word that asks for something hosted.
pub(super) const fn asks(name: &'static str, hosted: Hosted) -> Word {
    Word { name, hosted: Some(hosted) }
}

/// A list of texts.
pub(super) const TEXTS: Rule = Rule::List(&Rule::Text);
/// A text, or a list of them.
pub(super) const TEXT_OR_TEXTS: Rule = Rule::Any(&[Rule::Text, TEXTS]);
/// A list of anything.
pub(super) const FREE_LIST: Rule = Rule::List(&Rule::Free);
