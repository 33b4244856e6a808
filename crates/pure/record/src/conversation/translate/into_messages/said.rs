//! What is said: chat's messages, several of which may become one of Anthropic's, where user and model take turns.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fields::{Fields, Left, Untranslatable, each};
use crate::conversation::bounded;
use crate::conversation::shape::{list, maybe_flag, maybe_text, text};

const SPOKEN: Fields = Fields { known: &["role", "content"], spare: &["name", "cache_control"] };
const RESULT: Fields = Fields { known: &["role", "content", "tool_call_id"], spare: &["name", "cache_control"] };
const ASSISTANT: Fields = Fields {
    known: &["role", "content", "refusal", "tool_calls", "prefix"],
    spare: &[
        "name",
        "cache_control",
        "annotations",
        "reasoning",
        "reasoning_content",
        "reasoning_text",
        "reasoning_opaque",
        "reasoning_details",
    ],
};
const TEXT: Fields = Fields { known: &["type", "text", "refusal"], spare: &["cache_control"] };
const PICTURE: Fields = Fields { known: &["type", "image_url"], spare: &["cache_control"] };
const ADDRESS: Fields = Fields { known: &["url"], spare: &["detail"] };
const FILE: Fields = Fields { known: &["type", "file"], spare: &["cache_control"] };
const HELD: Fields = Fields { known: &["filename", "file_data"], spare: &[] };
const CALL: Fields = Fields { known: &["type", "id", "function"], spare: &["index"] };
const FUNCTION: Fields = Fields { known: &["name", "arguments"], spare: &[] };

/// All that is said.
#[derive(Default)]
pub(super) struct Said {
    /// Blocks of the system's, from wherever they stood.
    pub(super) system: Vec<Value>,
    /// The turns.
    pub(super) messages: Vec<Value>,
}

impl Said {
    /// Adds blocks to the turn of a role, or begins one.
    fn add(&mut self, role: &str, blocks: Vec<Value>) {
        if blocks.is_empty() {
            return;
        }
        match self.messages.last_mut().filter(|last| last["role"] == role) {
            Some(last) => {
                last["content"].as_array_mut().into_iter().for_each(|content| content.extend(blocks.iter().cloned()))
            }
            None => self.messages.push(json!({"role": role, "content": blocks})),
        }
    }
}

pub(super) fn messages(body: &Value, left: &mut Left) -> Result<Said, Untranslatable> {
    let mut said = Said::default();
    let messages = list(body, "messages")?;
    each(body, "messages", |message| one(&mut said, message, left))?;
    let goes_on = |last: &Value| last["role"] == "assistant" && maybe_flag(last, "prefix").ok().flatten() != Some(true);
    if messages.last().is_some_and(goes_on) {
        let why = "its last message is the model's, which the other wire would go on with";
        return Err(Untranslatable::at("messages", why));
    }
    Ok(said)
}

fn one(said: &mut Said, message: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match text(message, "role")? {
        "system" | "developer" => {
            left.account(message, &SPOKEN)?;
            content(&mut said.system, message, left, words)
        }
        "user" => {
            left.account(message, &SPOKEN)?;
            let mut blocks = Vec::new();
            content(&mut blocks, message, left, part)?;
            said.add("user", blocks);
            Ok(())
        }
        "tool" => {
            left.account(message, &RESULT)?;
            said.add("user", vec![result(message, left)?]);
            Ok(())
        }
        "assistant" => {
            let blocks = assistant(message, left)?;
            said.add("assistant", blocks);
            Ok(())
        }
        "function" => Err(Untranslatable::word("role", "function", "the old form of tools; use `tools` instead")),
        other => Err(Untranslatable::word("role", other, "it is none that chat completions have")),
    }
}

/// Takes a content that is a text, a list of parts, or absent.
fn content(
    blocks: &mut Vec<Value>,
    message: &Value,
    left: &mut Left,
    take: fn(&mut Vec<Value>, &Value, &mut Left) -> Result<(), Untranslatable>,
) -> Result<(), Untranslatable> {
    match message.get("content") {
        Some(Value::String(said)) => {
            say(blocks, said);
            Ok(())
        }
        _ => each(message, "content", |part| take(blocks, part, left)),
    }
}

/// A text of white space alone is refused by Anthropic and says nothing.
fn say(blocks: &mut Vec<Value>, said: &str) {
    if !said.trim().is_empty() {
        blocks.push(json!({"type": "text", "text": said}));
    }
}

/// A part that may be nothing but text.
fn words(blocks: &mut Vec<Value>, part: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match text(part, "type")? {
        kind @ ("text" | "refusal") => {
            left.account(part, &TEXT)?;
            say(blocks, text(part, kind)?);
            Ok(())
        }
        "thinking" => {
            left.note("thinking");
            Ok(())
        }
        other => Err(Untranslatable::kind(other)),
    }
}

fn part(blocks: &mut Vec<Value>, part: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match text(part, "type")? {
        "image_url" => {
            left.account(part, &PICTURE)?;
            let url = match part.get("image_url").unwrap_or(&Value::Null) {
                Value::String(url) => url,
                image => {
                    left.account(image, &ADDRESS).map_err(|why| why.within("image_url"))?;
                    text(image, "url")?
                }
            };
            blocks.push(json!({"type": "image", "source": source(url)}));
            Ok(())
        }
        "file" => {
            left.account(part, &FILE)?;
            let file = part.get("file").unwrap_or(&Value::Null);
            left.account(file, &HELD).map_err(|why| why.within("file"))?;
            document(blocks, file)
        }
        _ => words(blocks, part, left),
    }
}

/// Bytes that a `data:` address holds, by their type; else the address.
fn source(url: &str) -> Value {
    match data(url) {
        Some((media, data)) => json!({"type": "base64", "media_type": media, "data": data}),
        None => json!({"type": "url", "url": url}),
    }
}

fn data(url: &str) -> Option<(&str, &str)> {
    let scheme = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"))?;
    let (head, data) = url[scheme.len()..].split_once(',')?;
    Some((head.strip_suffix(";base64")?, data))
}

fn document(blocks: &mut Vec<Value>, file: &Value) -> Result<(), Untranslatable> {
    let held = text(file, "file_data")?;
    let Some((media @ "application/pdf", data)) = data(held) else {
        return Err(Untranslatable::at("file.file_data", "it is no PDF in a `data:` address"));
    };
    let mut document = json!({"type": "document", "source": {"type": "base64", "media_type": media, "data": data}});
    if let Some(name) = maybe_text(file, "filename")? {
        document["title"] = name.into();
    }
    blocks.push(document);
    Ok(())
}

fn result(message: &Value, left: &mut Left) -> Result<Value, Untranslatable> {
    let mut result = json!({"type": "tool_result", "tool_use_id": id(text(message, "tool_call_id")?)});
    let mut blocks = Vec::new();
    content(&mut blocks, message, left, part)?;
    // Without content it is one that gave nothing.
    if !blocks.is_empty() {
        result["content"] = blocks.into();
    }
    Ok(result)
}

fn assistant(message: &Value, left: &mut Left) -> Result<Vec<Value>, Untranslatable> {
    left.account(message, &ASSISTANT)?;
    let mut blocks = Vec::new();
    content(&mut blocks, message, left, words)?;
    say(&mut blocks, maybe_text(message, "refusal")?.unwrap_or_default());
    each(message, "tool_calls", |call| {
        match maybe_text(call, "type")?.unwrap_or("function") {
            "function" => left.account(call, &CALL)?,
            other => return Err(Untranslatable::word("type", other, "tools take JSON alone in the other wire")),
        }
        let function = call.get("function").unwrap_or(&Value::Null);
        left.account(function, &FUNCTION).map_err(|why| why.within("function"))?;
        let input = arguments(maybe_text(function, "arguments")?.unwrap_or_default())?;
        let (id, name) = (id(text(call, "id")?), text(function, "name")?);
        blocks.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
        Ok(())
    })?;
    Ok(blocks)
}

/// The object that arguments are; none are an empty one.
fn arguments(text: &str) -> Result<Value, Untranslatable> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    let read = bounded::json(text).ok();
    read.filter(Value::is_object)
        .ok_or_else(|| Untranslatable::at("function.arguments", "they are no JSON object, which the other wire wants"))
}

/// An id as Anthropic takes it. Two that differ stay different.
fn id(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !id.is_empty() && id.bytes().all(plain) {
        return id.to_owned();
    }
    id.bytes().fold("id_".to_owned(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Every list of this file.
#[cfg(test)]
pub(in super::super) const LISTS: &[&Fields] =
    &[&SPOKEN, &RESULT, &ASSISTANT, &TEXT, &PICTURE, &ADDRESS, &FILE, &HELD, &CALL, &FUNCTION];
