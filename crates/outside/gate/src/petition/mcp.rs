//! The same as a server of MCP: streamable HTTP without sessions or streams, so that each message stands by itself. A verb is
//! a tool; a no is a tool's error, in words that an agent can act on.

use policy::Request;
use policy::mcp::{Id, Message, Odd, Said, What as Asks};
use serde_json::{Map, Value, json};
use wire::petition::{Answer, Verb};

use super::http::{Reply, value};
use super::{Told, What, tools};
use crate::mcp::is_json;
use crate::passage::Passage;
use crate::sightings::Seen;

/// Versions of the protocol that begin with `initialize`, the newest last.
const BEGUN: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
/// The one in which each message stands by itself.
const ALONE: &str = "2026-07-28";
/// Where such a message names it.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Milliseconds for which the list of tools may be kept.
const KEPT: u32 = 60_000;

/// What JSON-RPC calls a method that is not known, a message that is none, and arguments that do not fit.
const NO_METHOD: i64 = -32601;
const NO_MESSAGE: i64 = -32600;
const NO_PARAMS: i64 = -32602;

/// Answers one message.
pub(super) async fn answer(passage: &Passage, who: Option<&Seen>, request: &Request, body: &[u8]) -> Reply {
    if !is_json(request) {
        return unread(passage, who, (None, NO_MESSAGE), "a message is `application/json`, and not compressed");
    }
    let message = match crate::mcp::read(body) {
        Ok(message) => message,
        Err(why) => return unread(passage, who, (None, NO_MESSAGE), &format!("it cannot be read: {why}")),
    };
    let said = match Said::read(&message, request) {
        Ok(said) => said,
        Err(odd) => {
            let code = if odd == Odd::Method { NO_METHOD } else { NO_MESSAGE };
            return unread(passage, who, (message.get("id").and_then(Id::of), code), &odd.to_string());
        }
    };
    let mut versions = request.headers().filter(|(name, _)| *name == "mcp-protocol-version").map(|(_, value)| value);
    let known = |version: &[u8]| BEGUN.iter().chain([&ALONE]).any(|one| one.as_bytes() == version);
    let own = message.pointer(&format!("/params/_meta/{}", VERSION.replace('/', "~1"))).and_then(Value::as_str);
    if !versions.all(known) || own.is_some_and(|own| own != ALONE) {
        let why = format!("the protocol is spoken in the versions {}, {ALONE}", BEGUN.join(", "));
        return unread(passage, who, (said.id, NO_MESSAGE), &why);
    }
    let (Some(id), Asks::Message(asked)) = (said.id, said.what) else {
        // Told, and not asked.
        return Reply { status: "202 Accepted", kind: "", body: String::new() };
    };
    let mut result = match (asked.method(), asked) {
        ("initialize", _) => begun(&message),
        ("server/discover", _) => discovered(),
        ("ping", _) => Map::new(),
        ("tools/list", _) => listed(own.is_some()),
        (_, Message::Tool { name, arguments }) => match Verb::named(&name) {
            Some(verb) => {
                let with = Value::Object(arguments.unwrap_or_default());
                called(passage.petition(who, verb, with).await)
            }
            None => return unread(passage, who, (Some(id), NO_PARAMS), "there is no such tool"),
        },
        _ => return unread(passage, who, (Some(id), NO_METHOD), "this server has tools, and nothing else"),
    };
    if own.is_some() {
        result.insert("resultType".into(), "complete".into());
    }
    Reply::json("200 OK", &json!({"jsonrpc": "2.0", "id": id.json(), "result": result}))
}

/// An error of the protocol: a message that is none, or none that is known here.
fn unread(passage: &Passage, who: Option<&Seen>, (id, code): (Option<Id>, i64), why: &str) -> Reply {
    passage.unfit(who, "", &format!("refused message: {why}"));
    let status = if id.is_some() { "200 OK" } else { "400 Bad Request" };
    let id = id.as_ref().map_or(Value::Null, Id::json);
    Reply::json(status, &json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}}))
}

fn begun(message: &Value) -> Map<String, Value> {
    let wanted = message.pointer("/params/protocolVersion").and_then(Value::as_str);
    let version = wanted.filter(|wanted| BEGUN.contains(wanted)).unwrap_or(BEGUN[BEGUN.len() - 1]);
    object(json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": server(),
        "instructions": tools::INSTRUCTIONS,
    }))
}

fn discovered() -> Map<String, Value> {
    let versions: Vec<&str> = BEGUN.into_iter().chain([ALONE]).collect();
    object(json!({
        "supportedVersions": versions,
        "capabilities": {"tools": {}},
        "serverInfo": server(),
        "instructions": tools::INSTRUCTIONS,
        "ttlMs": KEPT,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": server()},
    }))
}

fn server() -> Value {
    json!({"name": "bastide", "version": env!("CARGO_PKG_VERSION")})
}

fn listed(alone: bool) -> Map<String, Value> {
    let mut list = Map::from_iter([("tools".to_owned(), Value::Array(tools::all()))]);
    if alone {
        list.extend([("ttlMs".to_owned(), KEPT.into()), ("cacheScope".to_owned(), "private".into())]);
    }
    list
}

/// What a tool gives: the same as text and as data.
fn called(told: Told) -> Map<String, Value> {
    let denied = matches!(&told.what, What::Answer(Answer::Denied(_)));
    let text = match &told.what {
        What::Me(me) => me.words.clone(),
        What::Answer(Answer::Denied(denial)) => format!("{}; hint: {}", denial.why, denial.hint),
        What::Answer(answer) => serde_json::to_string(answer).unwrap_or_default(),
    };
    object(json!({
        "content": [{"type": "text", "text": text}],
        "structuredContent": value(told),
        "isError": denied,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
