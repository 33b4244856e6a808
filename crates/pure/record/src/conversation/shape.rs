//! What a field must be, and how it is told when it is something else. A message names fields of the wire and places,
//! never a word of the agent's.

use serde_json::Value;

use super::block::{Block, Content, Speaker};
use super::{Tool, canonical};
use crate::segment::Hash;

/// The most blocks, and the most tools, of one request or answer.
pub const MAX_BLOCKS: usize = 32_768;

/// How deep a body may be nested; what `serde_json` reads is never deeper.
pub const MAX_DEPTH: usize = 128;

/// The text is not what the wire prescribes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field has another shape.
    #[error("`{at}` is not {want}")]
    Shape {
        /// The field and where it stands, as in `messages[3].role`.
        at: String,
        /// What it must be.
        want: &'static str,
    },
    /// More than [`MAX_BLOCKS`].
    #[error("more than {MAX_BLOCKS} blocks")]
    TooMany,
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// One event of a stream is longer than [`super::MAX_EVENT`].
    #[error("an event of more than {} bytes", super::MAX_EVENT)]
    LongEvent,
    /// An answer is longer than [`super::MAX_BODY`], or its content than [`super::MAX_ANSWER`].
    #[error("an answer that is too long")]
    LongAnswer,
    /// It would take more than [`super::MAX_TREE`] to read it.
    #[error("more values than are read at once")]
    TooLarge,
    /// An answer or an event that is no JSON.
    #[error("not JSON")]
    NotJson,
    /// A name stands twice in it.
    #[error("a name stands in it twice, of which a program may take either")]
    Ambiguous,
}

impl Malformed {
    /// A field that is not what it must be.
    pub(super) fn shape(at: &str, want: &'static str) -> Self {
        Self::Shape { at: at.to_owned(), want }
    }

    fn within(self, field: &str, index: usize) -> Self {
        match self {
            Self::Shape { at, want } => Self::Shape { at: format!("{field}[{index}].{at}"), want },
            other => other,
        }
    }
}

/// Refuses what is nested too deeply: all that follows may recurse.
pub(super) fn bounded(value: &Value) -> Result<(), Malformed> {
    if fits(value, MAX_DEPTH) { Ok(()) } else { Err(Malformed::TooDeep) }
}

fn fits(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
        Value::Object(fields) => left > 0 && fields.values().all(|field| fits(field, left - 1)),
        _ => true,
    }
}

/// A field that is there. `null` says the same as nothing.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|field| !field.is_null())
}

/// A text, if there is one.
pub(super) fn maybe_text<'v>(value: &'v Value, name: &str) -> Result<Option<&'v str>, Malformed> {
    field(value, name).map(|text| text.as_str().ok_or_else(|| Malformed::shape(name, "a string"))).transpose()
}

/// A text that must be there.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Malformed> {
    maybe_text(value, name)?.ok_or_else(|| Malformed::shape(name, "a string"))
}

/// A yes or no, if there is one.
pub(super) fn maybe_flag(value: &Value, name: &str) -> Result<Option<bool>, Malformed> {
    field(value, name).map(|flag| flag.as_bool().ok_or_else(|| Malformed::shape(name, "true or false"))).transpose()
}

/// A count, if there is one that is none below zero.
pub(super) fn count(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(Value::as_u64)
}

/// A list that must be there.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], Malformed> {
    let items = field(value, name).and_then(Value::as_array);
    items.map(Vec::as_slice).ok_or_else(|| Malformed::shape(name, "a list"))
}

/// Takes each member of a list that may be absent, and says at which one it failed.
pub(super) fn each<'v>(
    value: &'v Value,
    name: &str,
    mut take: impl FnMut(&'v Value) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if field(value, name).is_none() {
        return Ok(());
    }
    let mut members = list(value, name)?.iter().enumerate();
    members.try_for_each(|(index, member)| {
        if !member.is_object() {
            return Err(Malformed::Shape { at: format!("{name}[{index}]"), want: "an object" });
        }
        take(member).map_err(|fault| fault.within(name, index))
    })
}

/// Names that wires have for the schema of a tool's arguments.
const SCHEMAS: [&str; 4] = ["parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema"];

/// Tools as they are gathered; bounded.
pub(super) fn tool(tools: &mut Vec<Tool>, name: &str, declared: &Value, kind: &str) -> Result<(), Malformed> {
    if tools.len() >= MAX_BLOCKS {
        return Err(Malformed::TooMany);
    }
    let name = if name.is_empty() { kind } else { name }.to_owned();
    let description = maybe_text(declared, "description")?.unwrap_or_default().to_owned();
    let schema = SCHEMAS.iter().find_map(|name| field(declared, name)).cloned().unwrap_or_default();
    tools.push(Tool { name, description, kind: kind.to_owned(), schema });
    Ok(())
}

/// Blocks as they are gathered; bounded.
#[derive(Debug, Default)]
pub(super) struct Blocks(pub(super) Vec<Block>);

impl Blocks {
    /// Adds a block.
    pub(super) fn push(&mut self, speaker: Speaker, content: Content) -> Result<(), Malformed> {
        if self.0.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        self.0.push(Block { speaker, content });
        Ok(())
    }

    /// Adds a text that says something.
    pub(super) fn text(&mut self, speaker: Speaker, text: &str) -> Result<(), Malformed> {
        if text.is_empty() { Ok(()) } else { self.push(speaker, Content::Text(text.to_owned())) }
    }

    /// Adds a thought that says something.
    pub(super) fn thinking(&mut self, speaker: Speaker, text: &str) -> Result<(), Malformed> {
        if text.is_empty() { Ok(()) } else { self.push(speaker, Content::Thinking(text.to_owned())) }
    }

    /// Adds a tool call.
    pub(super) fn call(&mut self, speaker: Speaker, id: &str, name: &str, arguments: String) -> Result<(), Malformed> {
        self.push(speaker, Content::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments })
    }

    /// Adds a tool's result: all its text as one, then what is no text.
    pub(super) fn result(&mut self, id: &str, inner: Self, failed: bool) -> Result<(), Malformed> {
        let mut text = String::new();
        let mut others = Vec::new();
        for block in inner.0 {
            match block.content {
                Content::Text(piece) => {
                    text.push_str(if text.is_empty() { "" } else { "\n" });
                    text.push_str(&piece);
                }
                other => others.push(other),
            }
        }
        self.push(Speaker::Tool, Content::ToolResult { id: id.to_owned(), text, failed })?;
        others.into_iter().try_for_each(|other| self.push(Speaker::Tool, other))
    }

    /// Adds what is no text, by its hash.
    pub(super) fn sealed(&mut self, speaker: Speaker, kind: &str, data: &str) -> Result<(), Malformed> {
        self.attachment(speaker, kind, canonical::hash(data.as_bytes()), None)
    }

    /// Adds what a URL names: the bytes of a `data:` URL, else something elsewhere.
    pub(super) fn linked(&mut self, speaker: Speaker, kind: &str, url: &str) -> Result<(), Malformed> {
        match url.split_once(',') {
            Some((_, data)) if inline(url) => self.sealed(speaker, kind, data),
            _ => self.attachment(speaker, kind, canonical::hash(url.as_bytes()), Some(url.to_owned())),
        }
    }

    /// Adds data that may, or may not, be written as a `data:` URL.
    pub(super) fn linked_data(&mut self, speaker: Speaker, kind: &str, data: &str) -> Result<(), Malformed> {
        if inline(data) { self.linked(speaker, kind, data) } else { self.sealed(speaker, kind, data) }
    }

    fn attachment(&mut self, speaker: Speaker, kind: &str, digest: Hash, url: Option<String>) -> Result<(), Malformed> {
        self.push(speaker, Content::Attachment { kind: kind.to_owned(), digest, url })
    }

    /// Adds what this version does not know.
    pub(super) fn unknown(&mut self, speaker: Speaker, kind: &str, value: &Value) -> Result<(), Malformed> {
        self.push(speaker, Content::Unknown { kind: kind.to_owned(), json: value.to_string() })
    }
}

fn inline(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}
