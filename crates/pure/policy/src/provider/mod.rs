//! What a model provider may be asked. Providers can act for the agent: search, fetch, run code, call other servers,
//! hold files and conversations. Each would be a way around the door, so a wire has a list of endpoints, fields and
//! types, and what is not on the list is refused by name.
//!
//! Nothing here reads text or changes a body: the caller parses once, refuses repeated keys, and makes the edits. An
//! unknown field is never passed on because nothing is known against it.

mod chat;
mod embeddings;
mod endpoint;
mod gemini;
mod header;
mod hosted;
mod judge;
mod messages;
mod ollama;
mod refused;
mod responses;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

pub use endpoint::endpoint;
pub use header::{Verdict, header};
pub use hosted::Hosted;
pub use refused::Refused;
use rule::{Field, Forced};

/// A form of requests to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Anthropic's `/v1/messages`.
    Messages,
    /// OpenAI's `/v1/chat/completions`, which many providers take.
    Chat,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// OpenAI's `/v1/embeddings`.
    Embeddings,
    /// Google's `generateContent` and its kin.
    Gemini,
    /// Ollama's `/api`.
    Ollama,
}

/// What an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A model answers.
    Inference,
    /// Tokens are counted; nothing is answered.
    Count,
    /// Whether the provider is there.
    Probe,
    /// Which models there are.
    Models,
    /// Text becomes vectors.
    Embedding,
}

/// A request that is on the list.
#[derive(Debug)]
pub struct Endpoint {
    /// The wire whose list judges its body.
    pub wire: Wire,
    /// `GET`, `HEAD` or `POST`.
    pub method: &'static str,
    /// The path; `{model}` stands for the name of a model.
    pub path: &'static str,
    /// What it is for.
    pub kind: Kind,
    body: &'static [Field],
    forced: &'static [Forced],
}

/// What the policy lets a provider do although it is refused by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// What a provider may do for the agent.
    pub hosted: BTreeSet<Hosted>,
    /// Fields, beta features and headers that the lists do not know, fields as a refusal spells them: `chat:messages.name2`,
    /// `anthropic-beta:new-thing-2027-01-01`, `header:x-team`. What is refused or left out by name is not opened by this.
    pub fields: BTreeSet<String>,
}

/// What this gate itself delivered earlier in the session.
pub trait Held {
    /// Whether it delivered the answer with this id, or an item with it, and so knows what the provider holds by it.
    fn response(&self, id: &str) -> bool;
    /// Whether it delivered this sealed item, byte for byte.
    fn encrypted(&self, item: &str) -> bool;
}

/// Something that must change before a body is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A field has this value, whatever it had.
    Set {
        /// A JSON pointer to a field of the body itself, for example `/store`.
        pointer: &'static str,
        /// The value.
        value: Value,
    },
}

impl Wire {
    /// Every wire, in the order of the reference.
    pub const ALL: [Wire; 6] =
        [Wire::Messages, Wire::Chat, Wire::Responses, Wire::Embeddings, Wire::Gemini, Wire::Ollama];

    /// The name as printed, for example `responses`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Wire::Messages => "messages",
            Wire::Chat => "chat",
            Wire::Responses => "responses",
            Wire::Embeddings => "embeddings",
            Wire::Gemini => "gemini",
            Wire::Ollama => "ollama",
        }
    }
}

/// Judges a body: every field, type and word is on the list of its wire, or granted. The edits must be made, each,
/// before the body is sent.
///
/// The value must be all that the provider reads: a body with a key that stands twice is the caller's to refuse.
///
/// # Errors
/// [`Refused`] names the first part that is not allowed.
pub fn judge(endpoint: &Endpoint, body: &Value, grants: &Grants, held: &dyn Held) -> Result<Vec<Edit>, Refused> {
    let Value::Object(object) = body else {
        return Err(Refused { what: String::new(), why: "its body is no JSON object", hint: None });
    };
    judge::Walk::new(endpoint.wire, grants, held).object(object, [endpoint.body, &[]])?;
    Ok(edits(endpoint, body, grants))
}

fn edits(endpoint: &Endpoint, body: &Value, grants: &Grants) -> Vec<Edit> {
    let due = |forced: &&Forced| {
        let said = body.pointer(forced.pointer);
        let other = said.map_or(forced.always, |said| *said != Value::Bool(forced.value));
        other && !grants.hosted.contains(&forced.unless)
    };
    let set = |forced: &Forced| Edit::Set { pointer: forced.pointer, value: Value::Bool(forced.value) };
    endpoint.forced.iter().filter(due).map(set).collect()
}
