//! What agent and model say to each other, whatever the provider's wire: blocks, in order, each with a speaker.
//!
//! Providers and agents write the same thing in many ways; what judges and records reads it here once. A request is read
//! by [`read`], an answer piece by piece by [`Answer`], [`hold`] keeps its calls until they were judged, and [`History`] tells which blocks of a request are new and which
//! assistant blocks nobody delivered.
//!
//! Never here: a verdict. A field that only a policy can judge (hosted tools, stored state, caching) is passed over; a
//! block of an unknown type is kept as [`Content::Unknown`]. What is not shaped as the wire prescribes is [`Malformed`].

mod answer;
mod block;
mod bounded;
mod canonical;
mod chat;
mod embeddings;
mod events;
mod gemini;
mod history;
pub mod hold;
mod messages;
mod ollama;
mod responses;
mod shape;
mod told;
pub mod translate;
mod unique;

use serde_json::Value;

pub use answer::{Answer, Delivered, MAX_ANSWER, MAX_BODY, Usage};
pub use block::{Block, Content, Speaker, Whose, plain};
pub use bounded::{MAX_TREE, is_bounded};
pub use canonical::digest;
pub use events::MAX_EVENT;
pub use history::{History, MAX_KNOWN, Standing};
pub use shape::{MAX_BLOCKS, MAX_DEPTH, Malformed};
pub use told::{schema, told, told_by};
pub use unique::{is_ambiguous, unique};

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// Anthropic's messages, and the counting of their tokens.
    Messages,
    /// `OpenAI`'s chat completions, which most other providers speak too.
    Chat,
    /// `OpenAI`'s responses.
    Responses,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Gemini,
    /// Ollama's `/api/chat` and `/api/generate`.
    Ollama,
    /// Texts that become vectors: `OpenAI`'s, Gemini's and Ollama's form.
    Embeddings,
}

/// A tool that the request declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name; where a hosted one has none, its kind.
    pub name: String,
    /// What the model is told of it; empty where it is told nothing.
    pub description: String,
    /// `function` for one that the agent runs from a schema; else the wire's own type, as `web_search_20250305`.
    pub kind: String,
    /// The JSON schema of its arguments; `null` where the request has none.
    pub schema: Value,
}

/// A request, normalised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The model asked for: of the body, or of the path where the wire names it there.
    pub model: Option<String>,
    /// Whether the answer is to come piece by piece.
    pub streams: bool,
    /// What the wire holds apart from its messages (system prompt, instructions), then the messages in order.
    pub blocks: Vec<Block>,
    /// The tools, in order.
    pub tools: Vec<Tool>,
    /// The most tokens that the answer may have.
    pub max_output: Option<u64>,
}

/// Reads a request's body. `path` is the request's, with or without a query: Gemini names model and streaming there, and
/// Ollama and the embeddings have a form for each path.
///
/// Empty texts are left out. Blocks that stand within a tool's result and are no text follow it.
///
/// # Errors
/// When a part that says who speaks or what is said has not the shape that the wire prescribes, or there is more than
/// [`MAX_BLOCKS`] or [`MAX_DEPTH`].
///
/// ```
/// use record::conversation::{Content, Speaker, Wire, read};
///
/// let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
/// let conversation = read(Wire::Chat, "/v1/chat/completions", &body)?;
/// assert_eq!(conversation.blocks[0].speaker, Speaker::User);
/// assert_eq!(conversation.blocks[0].content, Content::Text("hello".into()));
/// # Ok::<(), record::conversation::Malformed>(())
/// ```
pub fn read(wire: Wire, path: &str, body: &Value) -> Result<Conversation, Malformed> {
    shape::bounded(body)?;
    let path = path.split('?').next().unwrap_or_default();
    match wire {
        Wire::Messages => messages::read(body),
        Wire::Chat => chat::read(body),
        Wire::Responses => responses::read(body),
        Wire::Gemini => gemini::read(path, body),
        Wire::Ollama => ollama::read(path, body),
        Wire::Embeddings => embeddings::read(path, body),
    }
}

#[cfg(test)]
mod tests;
