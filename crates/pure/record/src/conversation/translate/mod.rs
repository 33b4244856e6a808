//! Between the two wires that most agents and providers speak: Anthropic's messages and `OpenAI`'s chat completions. A
//! request goes over into the provider's wire, and its answer, whole or piece by piece, comes back in the program's.
//!
//! What one wire says and the other has no word for is [`Untranslatable`], by the name of its field. Only what changes
//! neither the question nor what may be answered is left out, and told in [`Request::left_out`]; the lists stand beside the
//! fields that are translated, in `into_chat` and `into_messages`.
//!
//! [`super::read`] finds the same blocks before and after, with these differences:
//!
//! - thoughts are left out: the other side could neither read nor check them
//! - an image is the same by the hash of its bytes; its kind is the other wire's word
//! - what a tool gave beside text follows all results, as the user's: chat takes texts alone from a tool
//! - that a tool failed is said in words, as [`FAILED`], since chat has no field for it
//! - system messages that stand among the others go to the front of a request in messages, which has no other place for them
//!
//! Never here: a verdict, a secret, a clock. Nothing is said to be the model's that it did not say.

mod answer;
mod fields;
mod into_chat;
mod into_messages;
mod problem;

use serde_json::Value;

use super::Wire;

pub use answer::{Answering, Told};
pub use fields::Untranslatable;
pub use into_chat::FAILED;
pub use into_messages::MOST_TOKENS;
pub use problem::problem;

/// Which way a request goes; its answer comes back the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The program speaks messages, its provider chat.
    IntoChat,
    /// The program speaks chat, its provider messages.
    IntoMessages,
}

/// How a provider is to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// The model.
    pub model: &'w str,
    /// Whether it is `OpenAI` itself, whose newest models take no `max_tokens`: they want `max_completion_tokens`, which
    /// many others do not know.
    pub openai: bool,
}

/// A request in the provider's wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its body.
    pub body: Value,
    /// Names of fields that were left out, sorted.
    pub left_out: Vec<&'static str>,
    /// Whether a stream is to end with what it cost: a program that speaks chat has to ask for that.
    pub counts: bool,
}

impl Way {
    /// The way between two wires, if there is one.
    #[must_use]
    pub const fn between(program: Wire, provider: Wire) -> Option<Way> {
        match (program, provider) {
            (Wire::Messages, Wire::Chat) => Some(Way::IntoChat),
            (Wire::Chat, Wire::Messages) => Some(Way::IntoMessages),
            _ => None,
        }
    }

    /// What the provider speaks.
    #[must_use]
    pub const fn provider(self) -> Wire {
        match self {
            Way::IntoChat => Wire::Chat,
            Way::IntoMessages => Wire::Messages,
        }
    }

    /// The path of the provider's wire.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Way::IntoChat => "/v1/chat/completions",
            Way::IntoMessages => "/v1/messages",
        }
    }
}

/// Translates a request's body.
///
/// # Errors
/// [`Untranslatable`]: the first field that the other wire has no word for, or that is not shaped as its wire prescribes.
///
/// ```
/// use record::conversation::translate::{Wanted, Way, request};
///
/// let body = serde_json::json!({"model": "claude", "max_tokens": 9, "top_k": 3,
///     "messages": [{"role": "user", "content": "hello"}]});
/// let chat = request(Way::IntoChat, &body, &Wanted { model: "small", openai: false })?;
/// assert_eq!(chat.body, serde_json::json!({"model": "small", "max_tokens": 9,
///     "messages": [{"role": "user", "content": "hello"}]}));
/// assert_eq!(chat.left_out, ["top_k"]);
/// # Ok::<(), record::conversation::translate::Untranslatable>(())
/// ```
pub fn request(way: Way, body: &Value, wanted: &Wanted<'_>) -> Result<Request, Untranslatable> {
    super::shape::bounded(body)?;
    match way {
        Way::IntoChat => into_chat::request(body, wanted),
        Way::IntoMessages => into_messages::request(body, wanted),
    }
}

#[cfg(test)]
mod tests;
