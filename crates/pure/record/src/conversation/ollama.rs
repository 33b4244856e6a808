//! Ollama's `/api/chat` and `/api/generate`: a request's body, and the assistant's message that requests and answers
//! share.

use serde_json::Value;

use super::block::Speaker;
use super::shape::{Blocks, Malformed, count, each, field, list, maybe_flag, maybe_text, text, tool};
use super::{Conversation, Tool, canonical};

pub(super) fn read(path: &str, body: &Value) -> Result<Conversation, Malformed> {
    let mut blocks = Blocks::default();
    if path.ends_with("/generate") {
        generate(&mut blocks, body)?;
    } else {
        list(body, "messages")?;
        each(body, "messages", |value| message(&mut blocks, value))?;
    }
    Ok(Conversation {
        model: maybe_text(body, "model")?.map(str::to_owned),
        // Unlike anywhere else.
        streams: maybe_flag(body, "stream")?.unwrap_or(true),
        blocks: blocks.0,
        tools: tools(body)?,
        max_output: count(body.get("options").unwrap_or(&Value::Null), "num_predict"),
    })
}

fn generate(blocks: &mut Blocks, body: &Value) -> Result<(), Malformed> {
    for name in ["system", "template"] {
        blocks.text(Speaker::System, maybe_text(body, name)?.unwrap_or_default())?;
    }
    context(blocks, body)?;
    for name in ["prompt", "suffix"] {
        blocks.text(Speaker::User, maybe_text(body, name)?.unwrap_or_default())?;
    }
    images(blocks, Speaker::User, body)
}

/// A conversation so far, as tokens: nobody but the model can read it, so it must be one that was delivered.
pub(super) fn context(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    match field(value, "context") {
        Some(tokens) => blocks.sealed(Speaker::Assistant, "context", &canonical::json(tokens)),
        None => Ok(()),
    }
}

fn message(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let speaker = match text(value, "role")? {
        "system" => Speaker::System,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "tool" => return result(blocks, value),
        _ => return Err(Malformed::shape("role", "`system`, `user`, `assistant` or `tool`")),
    };
    said(blocks, speaker, value)
}

/// Thoughts, words, images, calls.
pub(super) fn said(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    blocks.thinking(speaker, maybe_text(value, "thinking")?.unwrap_or_default())?;
    blocks.text(speaker, maybe_text(value, "content")?.unwrap_or_default())?;
    images(blocks, speaker, value)?;
    each(value, "tool_calls", |call| {
        let function = call.get("function").unwrap_or(&Value::Null);
        let arguments = field(function, "arguments").map_or_else(String::new, Value::to_string);
        blocks.call(speaker, maybe_text(call, "id")?.unwrap_or_default(), text(function, "name")?, arguments)
    })
}

fn result(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let mut inner = Blocks::default();
    inner.text(Speaker::Tool, maybe_text(value, "content")?.unwrap_or_default())?;
    images(&mut inner, Speaker::Tool, value)?;
    let id = maybe_text(value, "tool_call_id")?.or(maybe_text(value, "tool_name")?).unwrap_or_default();
    blocks.result(id, inner, false)
}

fn images(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    if field(value, "images").is_none() {
        return Ok(());
    }
    list(value, "images")?.iter().try_for_each(|image| {
        let data = image.as_str().ok_or_else(|| Malformed::shape("images", "a list of strings"))?;
        blocks.sealed(speaker, "image", data)
    })
}

fn tools(body: &Value) -> Result<Vec<Tool>, Malformed> {
    let mut tools = Vec::new();
    each(body, "tools", |declared| {
        let kind = maybe_text(declared, "type")?.unwrap_or("function");
        let function = declared.get("function").unwrap_or(&Value::Null);
        let name = maybe_text(function, "name")?.unwrap_or_default();
        tool(&mut tools, name, function, kind)
    })?;
    Ok(tools)
}
