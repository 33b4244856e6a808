//! One message of JSON-RPC 2.0, as MCP has it: an object of known names, never a list of messages.

use std::fmt;

use serde_json::{Map, Value};

use super::folded;

/// Longest text that names a message, a method, a tool or a prompt.
pub(super) const MAX_NAME: usize = 256;
/// Longest address of a resource.
pub(super) const MAX_URI: usize = 4096;

/// What tells one message from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The parts are JSON-RPC's own.
pub enum Rpc<'v> {
    /// It wants an answer.
    Request { id: Id, method: &'v str, params: Option<&'v Map<String, Value>> },
    /// It wants none.
    Notification { method: &'v str, params: Option<&'v Map<String, Value>> },
    /// An answer.
    Result { id: Id, result: &'v Map<String, Value> },
    /// An answer that says that there is none.
    Error { id: Option<Id>, error: &'v Map<String, Value> },
}

/// Why something is no message that can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // Each message says it.
pub enum Odd {
    #[error("it is a list of messages, which the protocol no longer has: each is said by itself")]
    Batch,
    #[error("it is no message of JSON-RPC 2.0")]
    Shape,
    #[error("it has a name that no message has")]
    Field,
    #[error(
        "two of its names differ in the case of letters alone, one holds a control character, or a known one is in another case"
    )]
    Alike,
    #[error("its id is neither a whole number nor a text of at most {MAX_NAME} bytes")]
    Id,
    #[error("its method is none that is known here")]
    Method,
    #[error("it does not name what it is about, in a text of plain characters that is not too long")]
    Name,
    #[error("its arguments are no object")]
    Arguments,
    #[error("a header says another thing than it does, or stands twice")]
    Header,
    #[error("what it offers is no list of things with names, each once")]
    Offers,
    #[error("it wants something of the program in a way that cannot be read")]
    Wants,
}

impl<'v> Rpc<'v> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Odd`].
    pub fn read(value: &'v Value) -> Result<Rpc<'v>, Odd> {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Array(_) => return Err(Odd::Batch),
            _ => return Err(Odd::Shape),
        };
        let known =
            |name: &String| matches!(name.as_str(), "jsonrpc" | "id" | "method" | "params" | "result" | "error");
        if !fields.keys().all(known) {
            return Err(Odd::Field);
        }
        if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Odd::Shape);
        }
        let object = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => unlike(object, &[]).map(|()| Some(object)),
            Some(_) => Err(Odd::Shape),
        };
        let (params, result, error) = (object("params")?, object("result")?, object("error")?);
        match (fields.get("method"), params, result, error) {
            (Some(Value::String(method)), params, None, None) => match fields.get("id") {
                None => Ok(Rpc::Notification { method, params }),
                Some(id) => Ok(Rpc::Request { id: Id::read(id)?, method, params }),
            },
            (None, None, Some(result), None) => {
                Ok(Rpc::Result { id: Id::read(fields.get("id").ok_or(Odd::Id)?)?, result })
            }
            (None, None, None, Some(error)) => {
                let told =
                    error.get("code").is_some_and(Value::is_i64) && error.get("message").is_some_and(Value::is_string);
                let id = fields.get("id").filter(|id| !id.is_null()).map(Id::read).transpose()?;
                if told { Ok(Rpc::Error { id, error }) } else { Err(Odd::Shape) }
            }
            _ => Err(Odd::Shape),
        }
    }
}

impl Id {
    /// The id that a value is; none where it is none.
    #[must_use]
    pub fn of(value: &Value) -> Option<Id> {
        Id::read(value).ok()
    }

    fn read(value: &Value) -> Result<Id, Odd> {
        match value {
            Value::Number(number) => number.as_i64().map(Id::Number).ok_or(Odd::Id),
            Value::String(text) if text.len() <= MAX_NAME => Ok(Id::Text(text.clone())),
            _ => Err(Odd::Id),
        }
    }

    /// The id as it stands in a message.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Id::Number(number) => (*number).into(),
            Id::Text(text) => text.as_str().into(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(formatter)
    }
}

/// Refuses names that some reader takes for one another, or for one that is known.
pub(super) fn unlike(object: &Map<String, Value>, known: &[&str]) -> Result<(), Odd> {
    let mut seen = std::collections::HashSet::new();
    for name in object.keys() {
        let other = folded(name);
        let hidden = name.chars().any(char::is_control);
        if hidden || known.iter().any(|known| *known != name && folded(known) == other) || !seen.insert(other) {
            return Err(Odd::Alike);
        }
    }
    Ok(())
}

/// A text that names something: not empty, not too long, of characters that are seen.
pub(super) fn name<'v>(object: Option<&'v Map<String, Value>>, key: &str, most: usize) -> Result<&'v str, Odd> {
    let text = object.and_then(|object| object.get(key)).and_then(Value::as_str);
    text.filter(|text| is_name(text, most)).ok_or(Odd::Name)
}

/// Whether a text names something.
pub(super) fn is_name(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_a_message_is_one() {
        for (value, odd) in [
            (json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]), Odd::Batch),
            (json!([]), Odd::Batch),
            (json!("ping"), Odd::Shape),
            (json!({"id": 1, "method": "ping"}), Odd::Shape),
            (json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}), Odd::Shape),
            (json!({"jsonrpc": 2.0, "id": 1, "method": "ping"}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "METHOD": "tools/call"}), Odd::Field),
            (json!({"jsonrpc": "2.0", "id": 1, "method": ["ping"]}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": ""}}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": null, "method": "ping"}), Odd::Id),
            (json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}), Odd::Id),
            (json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}), Odd::Id),
            (json!({"jsonrpc": "2.0", "result": {}}), Odd::Id),
            (json!({"jsonrpc": "2.0", "id": 1, "result": "x"}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": ""}}), Odd::Shape),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"name": "a", "Name": "b"}}), Odd::Alike),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"s": 1, "\u{17f}": 2}}), Odd::Alike),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"\u{df}": 1, "\u{1e9e}": 2}}), Odd::Alike),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"name\u{0}": 1}}), Odd::Alike),
        ] {
            assert_eq!(Rpc::read(&value), Err(odd), "{value}");
        }
        let request = json!({"jsonrpc": "2.0", "id": "a", "method": "ping"});
        assert_eq!(Rpc::read(&request), Ok(Rpc::Request { id: Id::Text("a".into()), method: "ping", params: None }));
        let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "no"}});
        assert!(matches!(Rpc::read(&error), Ok(Rpc::Error { id: None, .. })));
        assert_eq!((Id::Number(-1).to_string(), Id::Text("\"".into()).to_string()), ("-1".into(), "\"\\\"\"".into()));
    }
}
