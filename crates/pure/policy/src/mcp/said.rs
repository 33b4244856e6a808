//! What a program says to a server: one message, and headers that say nothing else than it does.

use serde_json::{Map, Value};

use super::rpc::{Id, Odd, Rpc, unlike};
use super::{Grant, Message};
use crate::Request;

/// The version of the protocol, as a message itself names it.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// How a value begins and ends in a header that could not hold it.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// A message of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What the answer is known by; none where none is wanted.
    pub id: Option<Id>,
    /// What it is.
    pub what: What,
    /// Names under which it gives what a server wanted to know for going on.
    pub gives: Vec<String>,
}

/// What a program says.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Something that is decided.
    Message(Message),
    /// The answer to what the server asked under this id.
    Answer(Id),
}

impl Said {
    /// Reads what stands in a body, beside the headers that it came with.
    ///
    /// # Errors
    /// [`Odd`].
    pub fn read(value: &Value, request: &Request) -> Result<Said, Odd> {
        let said = match Rpc::read(value)? {
            Rpc::Request { id, method, params } => {
                let message = Message::requested(method, params)?;
                keys(&message, params)?;
                let what = What::Message(message);
                Said { id: Some(id), what, gives: gives(params)? }
            }
            Rpc::Notification { method, .. } => {
                Said { id: None, what: What::Message(Message::told(method)?), gives: Vec::new() }
            }
            Rpc::Result { id, .. } | Rpc::Error { id: Some(id), .. } => {
                Said { id: None, what: What::Answer(id), gives: Vec::new() }
            }
            Rpc::Error { id: None, .. } => return Err(Odd::Id),
        };
        headers(value, &said, request)?;
        Ok(said)
    }
}

/// Of what is called, read or fetched every key is known: another one may be read as one of these.
fn keys(message: &Message, params: Option<&Map<String, Value>>) -> Result<(), Odd> {
    const OTHERS: [&str; 5] = ["_meta", "inputResponses", "requestState", "task", "arguments"];
    let own = match message {
        Message::Plain { .. } | Message::Granted(_) => return Ok(()),
        _ if message.method() == "completion/complete" => &["ref", "argument", "context"][..],
        _ if message.method() == "subscriptions/listen" => &["notifications"],
        Message::Tool { .. } | Message::Prompt { .. } => &["name"],
        Message::Resource { .. } => &["uri"],
    };
    let known = |key: &String| own.contains(&key.as_str()) || OTHERS.contains(&key.as_str());
    if !params.into_iter().flat_map(Map::keys).all(known) {
        return Err(Odd::Field);
    }
    let within = params.into_iter().flat_map(Map::values).filter_map(Value::as_object);
    within.into_iter().try_for_each(|object| unlike(object, &[]))
}

fn gives(params: Option<&Map<String, Value>>) -> Result<Vec<String>, Odd> {
    match params.and_then(|params| params.get("inputResponses")) {
        None => Ok(Vec::new()),
        Some(Value::Object(given)) => Ok(given.keys().cloned().collect()),
        Some(_) => Err(Odd::Wants),
    }
}

/// What stands between program and server may go by the headers, so they say what the body does or nothing.
fn headers(value: &Value, said: &Said, request: &Request) -> Result<(), Odd> {
    let (method, params) = (value.get("method").and_then(Value::as_str), value.get("params"));
    let message = if let What::Message(message) = &said.what { Some(message) } else { None };
    let version = params.and_then(|params| params.get("_meta")?.get(VERSION)).and_then(Value::as_str);
    let mut seen = std::collections::HashSet::new();
    for (name, text) in request.headers() {
        let same = match name {
            "content-type" | "mcp-session-id" | "last-event-id" => true,
            "mcp-protocol-version" => version.is_none_or(|version| version.as_bytes() == text),
            "mcp-method" => method.is_some_and(|method| method.as_bytes() == text),
            "mcp-name" => decoded(text).as_deref() == message.and_then(Message::name),
            name if name.starts_with("mcp-param-") => {
                let arguments = message.and_then(Message::arguments);
                let text = decoded(text);
                text.is_some_and(|text| arguments.is_some_and(|all| all.values().any(|one| holds(one, &text))))
            }
            _ => continue,
        };
        if !same || !seen.insert(name) {
            return Err(Odd::Header);
        }
    }
    Ok(())
}

/// Whether a value is this text, or holds it.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Number(number) => number.to_string() == text,
        Value::Bool(is) => text == if *is { "true" } else { "false" },
        Value::Object(fields) => fields.values().any(|one| holds(one, text)),
        Value::Array(_) | Value::Null => false,
    }
}

/// A header's value, out of what it may be encoded in.
fn decoded(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    match text.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1)) {
        Some(digits) => String::from_utf8(base64(digits.as_bytes())?).ok(),
        None => Some(text.to_owned()),
    }
}

/// What digits of base64 mean, written in the one way in which they may be.
fn base64(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        let at = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(u32::from(at))
    };
    if !digits.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::new();
    for (at, four) in digits.chunks(4).enumerate() {
        let last = (at + 1) * 4 == digits.len();
        let pads = four.iter().rev().take_while(|byte| **byte == b'=').count();
        if pads > 2 || pads > 0 && !last {
            return None;
        }
        let bits = four[..4 - pads].iter().try_fold(0, |bits, byte| Some(bits << 6 | digit(byte)?))? << (6 * pads);
        if bits & ((1 << (8 * pads)) - 1) != 0 {
            return None;
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..4 - pads]);
    }
    Some(out)
}

/// How a program begins a conversation, without what its server is not granted: one that keeps to the protocol does not ask
/// for it then. None where nothing is left out.
#[must_use]
pub fn without_capabilities(value: &Value, granted: impl Fn(Grant) -> bool) -> Option<Value> {
    if value.get("method").and_then(Value::as_str) != Some("initialize") {
        return None;
    }
    let mut begins = value.clone();
    let capabilities = begins.get_mut("params")?.get_mut("capabilities")?.as_object_mut()?;
    let before = capabilities.len();
    capabilities.retain(|name, _| Grant::ALL.iter().all(|grant| grant.name() != name || granted(*grant)));
    (capabilities.len() < before).then_some(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(params: &Value, method: &str, headers: &[(&str, &str)]) -> Result<Said, Odd> {
        let value = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        Said::read(&value, &Request::new("POST", "/mcp").expect("a request").with_headers(headers))
    }

    #[test]
    fn a_call_names_its_tool_in_one_way() {
        let call = json!({"name": "read", "arguments": {"path": "/a"}, "_meta": {"progressToken": 1}});
        let said = read(&call, "tools/call", &[]).expect("a call");
        let What::Message(Message::Tool { name, arguments: Some(arguments) }) = &said.what else { panic!("{said:?}") };
        assert_eq!((name.as_str(), arguments.get("path")), ("read", Some(&json!("/a"))));
        for (params, method, odd) in [
            (json!({"name": "read", "Arguments": {}}), "tools/call", Odd::Field),
            (json!({"name": "read", "tool": "write"}), "tools/call", Odd::Field),
            (json!({"name": "read", "NAME": "write"}), "tools/call", Odd::Alike),
            (json!({"name": "read", "arguments": {"path": "/a", "Path": "/b"}}), "tools/call", Odd::Alike),
            (json!({"name": "read", "arguments": "{}"}), "tools/call", Odd::Arguments),
            (json!({"name": ""}), "tools/call", Odd::Name),
            (json!({"name": "a\u{0}"}), "tools/call", Odd::Name),
            (json!({"name": ["read"]}), "tools/call", Odd::Name),
            (json!({"name": "a".repeat(257)}), "tools/call", Odd::Name),
            (json!({}), "resources/read", Odd::Name),
            (json!({"uri": "file:///a", "name": "b"}), "resources/read", Odd::Field),
            (json!({"name": "read"}), "Tools/Call", Odd::Method),
            (json!({"name": "read"}), "tools/call ", Odd::Method),
            (json!({}), "sampling/createMessage", Odd::Method),
            (json!({"ref": {"type": "ref/tool", "name": "a"}}), "completion/complete", Odd::Name),
            (json!({"name": "read", "inputResponses": []}), "tools/call", Odd::Wants),
            (json!({"notifications": {"resourceSubscriptions": ["a:b", "c:d"]}}), "subscriptions/listen", Odd::Name),
            (json!({"name": "read", "arguments": {"path": "/a", "path\u{0}": "/b"}}), "tools/call", Odd::Alike),
        ] {
            assert_eq!(read(&params, method, &[]), Err(odd), "{method} {params}");
        }
    }

    #[test]
    fn headers_say_what_the_body_does() {
        let call = json!({"name": "read", "arguments": {"path": "/a", "deep": {"region": 7}}, "_meta": {VERSION: "2026-07-28"}});
        let checked = |headers: &[(&str, &str)]| read(&call, "tools/call", headers).map(drop);
        let good = [
            ("Content-Type", "application/json"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "=?base64?cmVhZA==?="),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Param-Path", "/a"),
            ("Mcp-Param-Region", "7"),
        ];
        assert_eq!(checked(&good), Ok(()));
        for bad in [
            ("Mcp-Method", "tools/list"),
            ("Mcp-Method", "Tools/Call"),
            ("Mcp_Name", "write"),
            ("Mcp-Name", "=?base64?d3JpdGU=?="),
            ("Mcp-Name", "=?base64?cmVhZB==?="),
            ("Mcp-Name", "=?base64?cmVh?="),
            ("Mcp-Param-Path", "/b"),
            ("MCP-Protocol-Version", "2025-06-18"),
        ] {
            assert_eq!(checked(&[bad]), Err(Odd::Header), "{bad:?}");
        }
        assert_eq!(checked(&[("Mcp-Name", "read"), ("mcp-name", "read")]), Err(Odd::Header));
        assert_eq!(read(&json!({}), "tools/list", &[("Mcp-Name", "read")]), Err(Odd::Header));
    }

    #[test]
    fn a_server_is_told_of_nothing_that_it_is_not_granted() {
        let begins =
            json!({"method": "initialize", "params": {"capabilities": {"sampling": {}, "roots": {}, "tasks": {}}}});
        let left = without_capabilities(&begins, |grant| grant == Grant::Roots).expect("changed");
        assert_eq!(left.pointer("/params/capabilities"), Some(&json!({"roots": {}, "tasks": {}})));
        assert_eq!(without_capabilities(&begins, |_| true), None);
        assert_eq!(
            without_capabilities(&json!({"method": "ping", "params": {"capabilities": {"roots": {}}}}), |_| false),
            None
        );
    }
}
