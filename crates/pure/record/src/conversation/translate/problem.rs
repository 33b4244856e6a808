//! What went wrong at the provider, in the words of the program's wire: its kind by the status, its message as it is.

use serde_json::{Value, json};

use super::Way;
use crate::conversation::shape::field;

/// Longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 8192;
/// How Anthropic begins to say that a conversation is too long. Agents look for these words and shorten it.
const TOO_LONG: &str = "prompt is too long";
/// What others say for it, as a code.
const TOO_LONG_CODE: &str = "context_length_exceeded";

/// The body of an answer with a status that is no success, in the program's wire.
#[must_use]
pub fn problem(way: Way, status: u16, body: &[u8]) -> Value {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = said(&read).unwrap_or_else(|| format!("the provider answers {status}"));
    told(way, kind(status), &message, &read)
}

/// An error that stands within an answer.
pub(super) fn within(way: Way, event: &Value) -> Value {
    let message = said(event).unwrap_or_else(|| "the provider tells of an error".to_owned());
    let error = event.get("error").unwrap_or(&Value::Null);
    let named = error.get("type").and_then(Value::as_str).filter(|kind| KINDS.iter().any(|known| known.1 == *kind));
    let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    told(way, named.unwrap_or_else(|| kind(status.unwrap_or(500))), &message, event)
}

const KINDS: [(u16, &str); 10] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (500, "api_error"),
    (503, "overloaded_error"),
    (529, "overloaded_error"),
];

fn kind(status: u16) -> &'static str {
    let usual = if status < 500 { "invalid_request_error" } else { "api_error" };
    KINDS.iter().find(|(known, _)| *known == status).map_or(usual, |(_, kind)| kind)
}

fn told(way: Way, kind: &str, message: &str, body: &Value) -> Value {
    match way {
        Way::IntoChat => {
            let long = body.pointer("/error/code").and_then(Value::as_str) == Some(TOO_LONG_CODE);
            let message = if long { format!("{TOO_LONG}: {message}") } else { message.to_owned() };
            json!({"type": "error", "error": {"type": kind, "message": message}})
        }
        Way::IntoMessages => {
            let code = message.starts_with(TOO_LONG).then_some(TOO_LONG_CODE);
            json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        }
    }
}

/// The message, wherever servers put it.
fn said(body: &Value) -> Option<String> {
    let error = field(body, "error").unwrap_or(body);
    let word = |name: &str| error.get(name).and_then(Value::as_str);
    let message = error.as_str().or_else(|| word("message")).or_else(|| word("detail"))?;
    Some(message.chars().take(MAX_MESSAGE).collect())
}
