//! Anthropic's messages: a request's body, and the blocks that requests and answers share.

use serde_json::Value;

use super::block::{Content, Speaker};
use super::shape::{Blocks, Malformed, count, each, field, list, maybe_flag, maybe_text, text, tool};
use super::{Conversation, Tool};

pub(super) fn read(body: &Value) -> Result<Conversation, Malformed> {
    let mut blocks = Blocks::default();
    content(&mut blocks, Speaker::System, body, "system")?;
    list(body, "messages")?;
    each(body, "messages", |message| {
        field(message, "content").ok_or_else(|| Malformed::shape("content", "a string or a list"))?;
        content(&mut blocks, speaker(message)?, message, "content")
    })?;
    Ok(Conversation {
        model: maybe_text(body, "model")?.map(str::to_owned),
        streams: maybe_flag(body, "stream")?.unwrap_or(false),
        blocks: blocks.0,
        tools: tools(body)?,
        max_output: count(body, "max_tokens"),
    })
}

/// A message of the system's may stand among the others.
fn speaker(message: &Value) -> Result<Speaker, Malformed> {
    match text(message, "role")? {
        "user" => Ok(Speaker::User),
        "assistant" => Ok(Speaker::Assistant),
        "system" => Ok(Speaker::System),
        _ => Err(Malformed::shape("role", "`user`, `assistant` or `system`")),
    }
}

fn tools(body: &Value) -> Result<Vec<Tool>, Malformed> {
    let mut tools = Vec::new();
    each(body, "tools", |declared| {
        let kind = maybe_text(declared, "type")?.filter(|&kind| kind != "custom").unwrap_or("function");
        let name = maybe_text(declared, "name")?.unwrap_or_default();
        tool(&mut tools, name, declared, kind)
    })?;
    Ok(tools)
}

/// A content that is a text, a list of blocks, or absent.
fn content(blocks: &mut Blocks, speaker: Speaker, holder: &Value, name: &str) -> Result<(), Malformed> {
    match holder.get(name) {
        Some(Value::String(said)) => blocks.text(speaker, said),
        _ => each(holder, name, |value| block(blocks, speaker, value)),
    }
}

/// One block, of a request or of an answer.
pub(super) fn block(blocks: &mut Blocks, speaker: Speaker, value: &Value) -> Result<(), Malformed> {
    match text(value, "type")? {
        "text" => blocks.text(speaker, text(value, "text")?),
        "thinking" => {
            blocks.thinking(speaker, maybe_text(value, "thinking")?.unwrap_or_default())?;
            match maybe_text(value, "signature")? {
                Some(signature) if !signature.is_empty() => blocks.sealed(speaker, "signature", signature),
                _ => Ok(()),
            }
        }
        "redacted_thinking" => blocks.sealed(speaker, "redacted_thinking", text(value, "data")?),
        kind if is_call(kind) => {
            let input = field(value, "input").map_or_else(String::new, Value::to_string);
            blocks.call(speaker, text(value, "id")?, text(value, "name")?, input)
        }
        "tool_result" => result(blocks, value),
        kind @ ("image" | "document") => {
            for name in ["title", "context"] {
                blocks.text(speaker, maybe_text(value, name)?.unwrap_or_default())?;
            }
            source(blocks, speaker, kind, value.get("source").unwrap_or(&Value::Null))
        }
        "search_result" => {
            for name in ["title", "source"] {
                blocks.text(speaker, maybe_text(value, name)?.unwrap_or_default())?;
            }
            content(blocks, speaker, value, "content")
        }
        kind => blocks.unknown(speaker, kind, value),
    }
}

/// Whether a block asks for a tool: the agent's, a hosted one, or one of a remote server.
pub(super) fn is_call(kind: &str) -> bool {
    matches!(kind, "tool_use" | "server_tool_use" | "mcp_tool_use")
}

/// A result's text first, then what it holds beside text.
fn result(blocks: &mut Blocks, value: &Value) -> Result<(), Malformed> {
    let mut inner = Blocks::default();
    content(&mut inner, Speaker::Tool, value, "content")?;
    let (id, failed) = (text(value, "tool_use_id")?, maybe_flag(value, "is_error")?.unwrap_or(false));
    blocks.result(id, inner, failed)
}

fn source(blocks: &mut Blocks, speaker: Speaker, kind: &str, source: &Value) -> Result<(), Malformed> {
    let media = maybe_text(source, "media_type")?.unwrap_or(kind);
    match text(source, "type").map_err(|_| Malformed::shape("source.type", "a string"))? {
        "base64" => blocks.sealed(speaker, media, text(source, "data")?),
        "text" => blocks.text(speaker, text(source, "data")?),
        "url" => blocks.linked(speaker, kind, text(source, "url")?),
        "file" => blocks.sealed(speaker, "file", text(source, "file_id")?),
        "content" => content(blocks, speaker, source, "content"),
        _ => blocks.push(speaker, Content::Unknown { kind: kind.to_owned(), json: source.to_string() }),
    }
}
