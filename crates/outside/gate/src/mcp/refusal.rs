//! Says to a program that what it asked of a server of MCP was refused, in words that an agent reads.

use policy::mcp::{Id, Odd};
use record::EventId;
use serde_json::{Value, json};

/// Why something is refused, and where the record says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) event: Option<EventId>,
    pub(crate) code: i64,
}

/// What JSON-RPC calls a method that is not known, and a message that is none.
const NO_METHOD: i64 = -32601;
const NO_MESSAGE: i64 = -32600;
/// What a policy does not allow. Outside of what JSON-RPC and MCP give out.
const FORBIDDEN: i64 = 403;

impl Refused {
    /// By the policy.
    pub(crate) fn forbidden(why: String, event: Option<EventId>) -> Refused {
        Refused { why, event, code: FORBIDDEN }
    }

    /// Since it is none that can be decided.
    pub(crate) fn odd(odd: Option<Odd>, why: String, event: Option<EventId>) -> Refused {
        Refused { why, event, code: if odd == Some(Odd::Method) { NO_METHOD } else { NO_MESSAGE } }
    }
}

/// The answer, as a message.
pub(crate) fn error(id: Option<&Id>, refused: &Refused) -> Value {
    let mut message = format!("bastide refused this: {}", refused.why);
    if let Some(event) = refused.event {
        message += &format!("; the operator finds it by: bastide why {event}");
    }
    json!({"jsonrpc": "2.0", "id": id.map_or(Value::Null, Id::json), "error": {"code": refused.code, "message": message}})
}

/// The same as a whole answer. Where something waits for it by its id, it is one that programs read; else the status says
/// that there is none.
pub(crate) fn say(id: Option<&Id>, status: &str, refused: &Refused) -> Vec<u8> {
    let status = if id.is_some() { "200 OK" } else { status };
    let body = error(id, refused).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}
