//! How events and errors stand in each wire.

use serde_json::{Value, json};

use super::Event;
use crate::conversation::Wire;

/// An event as it stands in the stream.
pub(super) fn say(wire: Wire, event: &Event, out: &mut String) {
    let data = event.data.clone().unwrap_or_else(|| event.value.to_string());
    if wire == Wire::Ollama {
        out.push_str(&data);
        out.push('\n');
        return;
    }
    if let (Wire::Messages | Wire::Responses, Some(name)) = (wire, event.value["type"].as_str()) {
        out.push_str("event: ");
        out.extend(name.chars().filter(|letter| !letter.is_control()));
        out.push('\n');
    }
    for line in data.split('\n') {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
}

/// An error in the words of a wire.
pub(super) fn error(wire: Wire, why: &str) -> Value {
    match wire {
        Wire::Messages => json!({"type": "error", "error": {"type": "permission_error", "message": why}}),
        Wire::Responses => json!({"type": "error", "code": "bastide", "message": why, "param": null,
            "error": {"type": "permission_error", "code": "bastide", "message": why}}),
        Wire::Gemini => json!({"error": {"code": 403, "message": why, "status": "PERMISSION_DENIED"}}),
        Wire::Ollama => json!({"error": why}),
        Wire::Chat | Wire::Embeddings => {
            json!({"error": {"message": why, "type": "permission_error", "code": "bastide"}})
        }
    }
}
