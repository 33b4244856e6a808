//! Gemini's `generateContent` and its like: a request's body, and the parts that requests and answers share.
//!
//! The service takes every name in camel case and in snake case; so does this reader.

use serde_json::Value;

use super::block::Speaker;
use super::shape::{Blocks, Malformed, count, each, field, list, maybe_text, text, tool};
use super::{Conversation, Tool};

pub(super) fn read(path: &str, body: &Value) -> Result<Conversation, Malformed> {
    let (model, verb) = named(path);
    // The counting of tokens may hold the whole request one step further down.
    let body = either(body, "generateContentRequest", "generate_content_request").unwrap_or(body);
    let mut blocks = Blocks::default();
    if let Some(system) = either(body, "systemInstruction", "system_instruction") {
        parts(&mut blocks, Speaker::System, system)?;
    }
    list(body, "contents")?;
    each(body, "contents", |content| parts(&mut blocks, speaker(content)?, content))?;
    let limits = either(body, "generationConfig", "generation_config").unwrap_or(&Value::Null);
    Ok(Conversation {
        model: model.or(maybe_text(body, "model")?).map(|model| model.trim_start_matches("models/").to_owned()),
        streams: verb == "streamGenerateContent",
        blocks: blocks.0,
        tools: tools(body)?,
        max_output: count(limits, "maxOutputTokens").or_else(|| count(limits, "max_output_tokens")),
    })
}

/// Model and verb of `/v1beta/models/MODEL:VERB`.
pub(super) fn named(path: &str) -> (Option<&str>, &str) {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((model, verb)) => (Some(model), verb),
        None => (None, ""),
    }
}

/// A field by its camel or its snake name.
pub(super) fn either<'v>(value: &'v Value, camel: &str, snake: &str) -> Option<&'v Value> {
    field(value, camel).or_else(|| field(value, snake))
}

fn speaker(content: &Value) -> Result<Speaker, Malformed> {
    match maybe_text(content, "role")? {
        None | Some("" | "user" | "function") => Ok(Speaker::User),
        Some("model") => Ok(Speaker::Assistant),
        Some("system") => Ok(Speaker::System),
        Some(_) => Err(Malformed::shape("role", "`user`, `model` or `function`")),
    }
}

/// All parts of a content.
pub(super) fn parts(blocks: &mut Blocks, speaker: Speaker, content: &Value) -> Result<(), Malformed> {
    each(content, "parts", |value| part(blocks, speaker, value))
}

/// A part ought to hold one thing. All that it does hold is read: nothing hides behind something else.
fn part(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    let before = blocks.0.len();
    if let Some(said) = maybe_text(value, "text")? {
        match value.get("thought").and_then(Value::as_bool) {
            Some(true) => blocks.thinking(speaker, said)?,
            _ => blocks.text(speaker, said)?,
        }
    }
    if let Some(call) = either(value, "functionCall", "function_call") {
        let arguments = field(call, "args").map_or_else(String::new, Value::to_string);
        blocks.call(speaker, maybe_text(call, "id")?.unwrap_or_default(), text(call, "name")?, arguments)?;
    }
    if let Some(response) = either(value, "functionResponse", "function_response") {
        result(blocks, response)?;
    }
    data(blocks, speaker, value)?;
    if let (true, Some(kind)) = (blocks.0.len() == before, unknown(value)) {
        blocks.unknown(speaker, kind, value)?;
    }
    match either(value, "thoughtSignature", "thought_signature").and_then(Value::as_str) {
        Some(signature) if !signature.is_empty() => blocks.sealed(speaker, "thoughtSignature", signature),
        _ => Ok(()),
    }
}

/// What is no text, here or elsewhere.
fn data(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    if let Some(data) = either(value, "inlineData", "inline_data") {
        blocks.sealed(speaker, media(data)?.unwrap_or("inlineData"), text(data, "data")?)?;
    }
    if let Some(file) = either(value, "fileData", "file_data") {
        let uri = either(file, "fileUri", "file_uri").and_then(Value::as_str);
        let uri = uri.ok_or_else(|| Malformed::shape("fileData.fileUri", "a string"))?;
        blocks.linked(speaker, media(file)?.unwrap_or("fileData"), uri)?;
    }
    Ok(())
}

fn media(value: &Value) -> Result<Option<&str>, Malformed> {
    Ok(maybe_text(value, "mimeType")?.or(maybe_text(value, "mime_type")?))
}

/// The name of what a part of an unknown kind holds.
fn unknown(value: &Value) -> Option<&str> {
    const BESIDE: [&str; 5] = ["text", "thought", "thoughtSignature", "thought_signature", "videoMetadata"];
    value.as_object()?.keys().map(String::as_str).find(|name| !BESIDE.contains(name))
}

/// A result is an object: its words are in `output` or `error`, else it is told as JSON. Parts within it follow.
fn result(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let name = text(value, "name")?;
    let id = maybe_text(value, "id")?.filter(|id| !id.is_empty()).unwrap_or(name);
    let response = value.get("response").unwrap_or(&Value::Null);
    let word = |name: &str| response.get(name).filter(|_| response.as_object().is_some_and(|all| all.len() == 1));
    let (said, failed) = match (word("output").or_else(|| word("result")), word("error")) {
        (Some(said), _) => (said, false),
        (None, Some(said)) => (said, true),
        (None, None) => (response, false),
    };
    let mut inner = Blocks::default();
    inner.text(Speaker::Tool, &said.as_str().map_or_else(|| said.to_string(), str::to_owned))?;
    parts(&mut inner, Speaker::Tool, value)?;
    blocks.result(id, inner, failed)
}

/// Functions by name; a hosted tool by the field that switches it on.
fn tools(body: &Value) -> Result<Vec<Tool>, Malformed> {
    let mut tools = Vec::new();
    each(body, "tools", |group| {
        for (kind, _) in group.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            match kind.as_str() {
                "functionDeclarations" | "function_declarations" => {
                    each(group, kind, |declared| tool(&mut tools, text(declared, "name")?, declared, "function"))?;
                }
                kind => tool(&mut tools, "", &Value::Null, kind)?,
            }
        }
        Ok(())
    })?;
    Ok(tools)
}
