//! `OpenAI`'s responses: a request's body, and the items that requests and answers share.

use serde_json::Value;

use super::block::Speaker;
use super::shape::{Blocks, Malformed, count, each, field, maybe_flag, maybe_text, text, tool};
use super::{Conversation, Tool};

pub(super) fn read(body: &Value) -> Result<Conversation, Malformed> {
    let mut blocks = Blocks::default();
    let mut tools = Vec::new();
    blocks.text(Speaker::System, maybe_text(body, "instructions")?.unwrap_or_default())?;
    match body.get("input") {
        Some(Value::String(said)) => blocks.text(Speaker::User, said)?,
        // A stored prompt may stand in for it.
        _ => each(body, "input", |value| match maybe_text(value, "type")? {
            // Declared within the conversation, and said by nobody.
            Some("additional_tools") => each(value, "tools", |declared| add(&mut tools, "", declared)),
            _ => item(&mut blocks, value),
        })?,
    }
    each(body, "tools", |declared| add(&mut tools, "", declared))?;
    Ok(Conversation {
        model: maybe_text(body, "model")?.map(str::to_owned),
        streams: maybe_flag(body, "stream")?.unwrap_or(false),
        blocks: blocks.0,
        tools,
        max_output: count(body, "max_output_tokens"),
    })
}

/// One item, of a request or of an answer. What names no speaker and is no result is the model's: it must have been
/// delivered, or nobody vouches for it.
pub(super) fn item(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let speaker = Speaker::Assistant;
    match maybe_text(value, "type")?.unwrap_or("message") {
        "message" => {
            let speaker = role(text(value, "role")?)?;
            field(value, "content").ok_or_else(|| Malformed::shape("content", "a string or a list"))?;
            content(blocks, speaker, value, "content")
        }
        "function_call" => called(blocks, value, text(value, "arguments")?.to_owned()),
        "custom_tool_call" => called(blocks, value, text(value, "input")?.to_owned()),
        "local_shell_call" => {
            let action = field(value, "action").map_or_else(String::new, Value::to_string);
            blocks.call(speaker, maybe_text(value, "call_id")?.unwrap_or_default(), "local_shell", action)
        }
        "function_call_output" | "custom_tool_call_output" => result(blocks, value, text(value, "call_id")?),
        "local_shell_call_output" => {
            let id = maybe_text(value, "call_id")?.or(maybe_text(value, "id")?).unwrap_or_default();
            result(blocks, value, id)
        }
        "reasoning" => reasoning(blocks, value),
        kind => blocks.unknown(if kind.ends_with("_output") { Speaker::Tool } else { speaker }, kind, value),
    }
}

fn role(role: &str) -> Result<Speaker, Malformed> {
    match role {
        "system" | "developer" => Ok(Speaker::System),
        "user" => Ok(Speaker::User),
        "assistant" => Ok(Speaker::Assistant),
        _ => Err(Malformed::shape("role", "`system`, `developer`, `user` or `assistant`")),
    }
}

/// A tool within a namespace is named with it.
fn called(blocks: &mut Blocks, value: &Value, arguments: String) -> Result<(), Malformed> {
    let name = within(maybe_text(value, "namespace")?.unwrap_or_default(), text(value, "name")?);
    blocks.call(Speaker::Assistant, text(value, "call_id")?, &name, arguments)
}

fn within(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn result(blocks: &mut Blocks, value: &Value, id: &str) -> Result<(), Malformed> {
    let mut inner = Blocks::default();
    content(&mut inner, Speaker::Tool, value, "output")?;
    blocks.result(id, inner, false)
}

/// Thoughts, told or sealed.
fn reasoning(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    for name in ["summary", "content"] {
        each(value, name, |part| blocks.thinking(Speaker::Assistant, text(part, "text")?))?;
    }
    match maybe_text(value, "encrypted_content")? {
        Some(sealed) if !sealed.is_empty() => blocks.sealed(Speaker::Assistant, "encrypted_content", sealed),
        _ => Ok(()),
    }
}

fn content(blocks: &mut Blocks, speaker: Speaker, holder: &Value, name: &str) -> Result<(), Malformed> {
    match holder.get(name) {
        Some(Value::String(said)) => blocks.text(speaker, said),
        _ => each(holder, name, |value| part(blocks, speaker, value)),
    }
}

fn part(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    match text(value, "type")? {
        "input_text" | "output_text" | "text" => blocks.text(speaker, text(value, "text")?),
        "refusal" => blocks.text(speaker, text(value, "refusal")?),
        kind @ "input_image" => match maybe_text(value, "image_url")? {
            Some(url) => blocks.linked(speaker, kind, url),
            None => blocks.sealed(speaker, "file_id", text(value, "file_id")?),
        },
        kind @ "input_file" => file(blocks, speaker, kind, value),
        kind => blocks.unknown(speaker, kind, value),
    }
}

/// A file in the body, elsewhere, or one that the provider keeps.
fn file(blocks: &mut Blocks, speaker: Speaker, kind: &str, value: &Value) -> Result<(), Malformed> {
    blocks.text(speaker, maybe_text(value, "filename")?.unwrap_or_default())?;
    match (maybe_text(value, "file_data")?, maybe_text(value, "file_url")?) {
        (Some(data), _) => blocks.linked_data(speaker, kind, data),
        (None, Some(url)) => blocks.linked(speaker, kind, url),
        (None, None) => blocks.sealed(speaker, "file_id", text(value, "file_id")?),
    }
}

fn add(tools: &mut Vec<Tool>, namespace: &str, declared: &Value) -> Result<(), Malformed> {
    let kind = text(declared, "type")?;
    let name = maybe_text(declared, "name")?.unwrap_or_default();
    if kind == "namespace" && namespace.is_empty() {
        return each(declared, "tools", |inner| add(tools, name, inner));
    }
    tool(tools, &within(namespace, name), declared, kind)
}
