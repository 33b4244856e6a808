//! Says to a program that its model was not asked, in the words of the wire that it speaks: an agent reads them.

use policy::provider::Wire;
use record::EventId;
use serde_json::json;

/// Why a model was not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: &'static str,
    pub(crate) why: String,
    /// The model that was asked for, where it is known by then.
    pub(crate) model: Option<String>,
}

impl Failure {
    /// The policy does not allow it.
    pub(crate) fn refused(why: String) -> Failure {
        Failure { status: "403 Forbidden", why, model: None }
    }

    /// The request is none.
    pub(crate) fn bad(why: String) -> Failure {
        Failure { status: "400 Bad Request", why, model: None }
    }
}

/// The answer, whole.
pub(crate) fn say(wire: Option<Wire>, failure: &Failure, event: Option<EventId>) -> Vec<u8> {
    let code: String = failure.status.chars().take(3).collect();
    let mut message = format!("bastide refused this: {}", failure.why);
    if let Some(event) = event {
        message += &format!("; the operator finds it by: bastide why {event}");
    }
    let body = match wire {
        Some(Wire::Messages) => {
            json!({"type": "error", "error": {"type": "permission_error", "message": message}})
        }
        Some(Wire::Gemini) => {
            let code: u16 = code.parse().unwrap_or(403);
            json!({"error": {"code": code, "message": message, "status": "PERMISSION_DENIED"}})
        }
        Some(Wire::Ollama) => json!({"error": message}),
        _ => json!({"error": {"message": message, "type": "permission_error", "code": "bastide"}}),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        failure.status,
        body.len()
    );
    (head + &body).into_bytes()
}
