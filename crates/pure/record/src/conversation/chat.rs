//! `OpenAI`'s chat completions: a request's body, and the assistant's message that requests and answers share.

use serde_json::Value;

use super::block::Speaker;
use super::shape::{Blocks, Malformed, count, each, field, list, maybe_flag, maybe_text, text, tool};
use super::{Conversation, Tool};

pub(super) fn read(body: &Value) -> Result<Conversation, Malformed> {
    let mut blocks = Blocks::default();
    list(body, "messages")?;
    each(body, "messages", |value| message(&mut blocks, value))?;
    Ok(Conversation {
        model: maybe_text(body, "model")?.map(str::to_owned),
        streams: maybe_flag(body, "stream")?.unwrap_or(false),
        blocks: blocks.0,
        tools: tools(body)?,
        // Which of the two a server goes by is its own.
        max_output: count(body, "max_completion_tokens").max(count(body, "max_tokens")),
    })
}

fn message(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    match text(value, "role")? {
        "system" | "developer" => content(blocks, Speaker::System, value),
        "user" => content(blocks, Speaker::User, value),
        "assistant" => assistant(blocks, value),
        "tool" => result(blocks, value, text(value, "tool_call_id")?),
        "function" => result(blocks, value, text(value, "name")?),
        _ => Err(Malformed::shape("role", "`system`, `developer`, `user`, `assistant` or `tool`")),
    }
}

/// What the model said: thoughts, words, calls.
pub(super) fn assistant(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let speaker = Speaker::Assistant;
    blocks.thinking(speaker, thought(value)?)?;
    content(blocks, speaker, value)?;
    blocks.text(speaker, maybe_text(value, "refusal")?.unwrap_or_default())?;
    each(value, "tool_calls", |call| {
        let id = maybe_text(call, "id")?.unwrap_or_default();
        let (name, arguments) = called(call)?;
        blocks.call(speaker, id, name, arguments.to_owned())
    })?;
    if let Some(call) = field(value, "function_call") {
        blocks.call(speaker, "", text(call, "name")?, text(call, "arguments")?.to_owned())?;
    }
    if let Some(audio) = field(value, "audio") {
        blocks.sealed(speaker, "audio", maybe_text(audio, "id")?.unwrap_or_default())?;
    }
    Ok(())
}

/// Thoughts, by the two names that providers have for them. Who sends both sends one text twice.
pub(super) fn thought(value: &Value) -> Result<&str, Malformed> {
    let reasoning = || value.get("reasoning").and_then(Value::as_str);
    Ok(maybe_text(value, "reasoning_content")?.filter(|text| !text.is_empty()).or_else(reasoning).unwrap_or_default())
}

fn called(call: &Value) -> Result<(&str, &str), Malformed> {
    let none = &Value::Null;
    match maybe_text(call, "type")?.unwrap_or("function") {
        "custom" => {
            let custom = call.get("custom").unwrap_or(none);
            Ok((text(custom, "name")?, text(custom, "input")?))
        }
        "function" => {
            let function = call.get("function").unwrap_or(none);
            Ok((text(function, "name")?, maybe_text(function, "arguments")?.unwrap_or_default()))
        }
        _ => Err(Malformed::shape("type", "`function` or `custom`")),
    }
}

fn result(blocks: &mut Blocks, value: &Value, id: &str) -> Result<(), Malformed> {
    let mut inner = Blocks::default();
    content(&mut inner, Speaker::Tool, value)?;
    blocks.result(id, inner, false)
}

/// A content that is a text, a list of parts, or absent.
pub(super) fn content(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    match value.get("content") {
        Some(Value::String(said)) => blocks.text(speaker, said),
        _ => each(value, "content", |value| part(blocks, speaker, value)),
    }
}

fn part(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    let held = |name: &str| value.get(name).unwrap_or(&Value::Null);
    match text(value, "type")? {
        "text" => blocks.text(speaker, text(value, "text")?),
        "refusal" => blocks.text(speaker, text(value, "refusal")?),
        "thinking" => match held("thinking") {
            Value::String(thought) => blocks.thinking(speaker, thought),
            _ => each(value, "thinking", |part| blocks.thinking(speaker, text(part, "text")?)),
        },
        "image_url" => match held("image_url") {
            Value::String(url) => blocks.linked(speaker, "image_url", url),
            image => blocks.linked(speaker, "image_url", text(image, "url")?),
        },
        "input_audio" => blocks.sealed(speaker, "input_audio", text(held("input_audio"), "data")?),
        "file" => file(blocks, speaker, held("file")),
        kind => blocks.unknown(speaker, kind, value),
    }
}

/// A file in the body, or one that the provider keeps.
fn file(blocks: &mut Blocks, speaker: Speaker, file: &Value) -> Result<(), Malformed> {
    blocks.text(speaker, maybe_text(file, "filename")?.unwrap_or_default())?;
    match maybe_text(file, "file_data")? {
        Some(data) => blocks.linked_data(speaker, "file", data),
        None => blocks.sealed(speaker, "file_id", text(file, "file_id")?),
    }
}

fn tools(body: &Value) -> Result<Vec<Tool>, Malformed> {
    let mut tools = Vec::new();
    each(body, "tools", |declared| {
        let kind = text(declared, "type")?;
        add(&mut tools, declared.get(kind).unwrap_or(&Value::Null), kind)
    })?;
    each(body, "functions", |declared| add(&mut tools, declared, "function"))?;
    Ok(tools)
}

fn add(tools: &mut Vec<Tool>, declared: &Value, kind: &str) -> Result<(), Malformed> {
    let name = maybe_text(declared, "name")?.unwrap_or_default();
    tool(tools, name, declared, kind)
}
