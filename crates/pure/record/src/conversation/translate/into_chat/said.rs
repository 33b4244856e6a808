//! What is said: Anthropic's messages, each of which becomes none, one or several of chat's.

use serde_json::{Value, json};

use super::super::fields::{Fields, Left, Untranslatable, each};
use crate::conversation::shape::{field, list, maybe_flag, maybe_text, text};

/// What stands before the words of a tool that failed: chat has no field for that.
pub const FAILED: &str = "Error: ";

const MESSAGE: Fields = Fields { known: &["role", "content"], spare: &["output_config", "clear_at"] };
const TEXT: Fields = Fields { known: &["type", "text"], spare: &["cache_control", "citations"] };
const IMAGE: Fields = Fields { known: &["type", "source"], spare: &["cache_control"] };
const SOURCE: Fields = Fields { known: &["type", "media_type", "data", "url", "content", "file_id"], spare: &[] };
const DOCUMENT: Fields =
    Fields { known: &["type", "source", "title", "context"], spare: &["cache_control", "citations"] };
const FOUND: Fields = Fields { known: &["type", "source", "title", "content"], spare: &["cache_control", "citations"] };
const REFERENCE: Fields = Fields { known: &["type", "tool_name"], spare: &["cache_control"] };
const RESULT: Fields = Fields { known: &["type", "tool_use_id", "is_error", "content"], spare: &["cache_control"] };
const CALL: Fields = Fields { known: &["type", "id", "name", "input"], spare: &["cache_control", "caller"] };

/// The parts of one message of chat's.
#[derive(Default)]
struct Parts(Vec<Value>);

impl Parts {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push(json!({"type": "text", "text": text}));
        }
    }

    /// A single text as itself: not every provider takes it as a list.
    fn content(mut self) -> Value {
        match self.0.as_mut_slice() {
            [only] if only["type"] == "text" => only["text"].take(),
            _ => self.0.into(),
        }
    }

    /// All its words, as one text, and what is none.
    fn apart(self) -> (String, Vec<Value>) {
        let (texts, others): (Vec<Value>, Vec<Value>) = self.0.into_iter().partition(|part| part["type"] == "text");
        let texts: Vec<&str> = texts.iter().filter_map(|part| part["text"].as_str()).collect();
        (texts.join("\n"), others)
    }
}

pub(super) fn messages(body: &Value, left: &mut Left) -> Result<Vec<Value>, Untranslatable> {
    let mut out = Vec::new();
    let mut system = Parts::default();
    blocks(&mut system, body, "system", left, words)?;
    if !system.0.is_empty() {
        out.push(json!({"role": "system", "content": system.content()}));
    }
    list(body, "messages")?;
    each(body, "messages", |message| one(&mut out, message, left))?;
    if out.last().is_some_and(|last| last["role"] == "assistant") {
        let why = "its last message is the model's, to be gone on with, which chat completions do not do";
        return Err(Untranslatable::at("messages", why));
    }
    Ok(out)
}

fn one(out: &mut Vec<Value>, message: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    left.account(message, &MESSAGE)?;
    match text(message, "role")? {
        "user" => user(out, message, left),
        "assistant" => assistant(out, message, left),
        "system" => {
            let mut parts = Parts::default();
            blocks(&mut parts, message, "content", left, words)?;
            if !parts.0.is_empty() {
                out.push(json!({"role": "system", "content": parts.content()}));
            }
            Ok(())
        }
        other => Err(Untranslatable::word("role", other, "it is neither the user's, the model's nor the system's")),
    }
}

/// Takes a content that is a text, a list of blocks, or absent.
fn blocks(
    parts: &mut Parts,
    holder: &Value,
    name: &str,
    left: &mut Left,
    take: fn(&mut Parts, &Value, &mut Left) -> Result<(), Untranslatable>,
) -> Result<(), Untranslatable> {
    match holder.get(name) {
        Some(Value::String(said)) => {
            parts.text(said);
            Ok(())
        }
        _ => each(holder, name, |block| take(parts, block, left)),
    }
}

/// A block that may be nothing but text.
fn words(parts: &mut Parts, block: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match text(block, "type")? {
        "text" => {
            left.account(block, &TEXT)?;
            parts.text(text(block, "text")?);
            Ok(())
        }
        other => Err(Untranslatable::kind(other)),
    }
}

/// Results go first, each a message of its own: chat wants them right behind the calls.
fn user(out: &mut Vec<Value>, message: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    let (mut results, mut parts) = (Vec::new(), Parts::default());
    if let Some(Value::String(said)) = message.get("content") {
        parts.text(said);
    } else {
        each(message, "content", |block| match text(block, "type")? {
            "tool_result" => {
                results.push(result(&mut parts, block, left)?);
                Ok(())
            }
            _ => part(&mut parts, block, left),
        })?;
    }
    out.extend(results);
    if !parts.0.is_empty() {
        out.push(json!({"role": "user", "content": parts.content()}));
    }
    Ok(())
}

/// A tool's words; what it gave beside them is put among the user's parts.
fn result(parts: &mut Parts, block: &Value, left: &mut Left) -> Result<Value, Untranslatable> {
    left.account(block, &RESULT)?;
    let mut given = Parts::default();
    blocks(&mut given, block, "content", left, part)?;
    let (mut words, others) = given.apart();
    if maybe_flag(block, "is_error")?.unwrap_or(false) {
        words.insert_str(0, FAILED);
    }
    parts.0.extend(others);
    Ok(json!({"role": "tool", "tool_call_id": text(block, "tool_use_id")?, "content": words}))
}

fn part(parts: &mut Parts, block: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match text(block, "type")? {
        "text" => words(parts, block, left),
        "image" => {
            left.account(block, &IMAGE)?;
            image(parts, source(block, left)?)
        }
        "document" => {
            left.account(block, &DOCUMENT)?;
            for name in ["title", "context"] {
                parts.text(maybe_text(block, name)?.unwrap_or_default());
            }
            document(parts, source(block, left)?, left)
        }
        "search_result" => {
            left.account(block, &FOUND)?;
            for name in ["title", "source"] {
                parts.text(maybe_text(block, name)?.unwrap_or_default());
            }
            blocks(parts, block, "content", left, words)
        }
        // The tool is at hand anyway; the model is told which one was found.
        "tool_reference" => {
            left.account(block, &REFERENCE)?;
            parts.text(&format!("tool: {}", text(block, "tool_name")?));
            Ok(())
        }
        other => Err(Untranslatable::kind(other)),
    }
}

fn source<'v>(block: &'v Value, left: &mut Left) -> Result<&'v Value, Untranslatable> {
    let source = block.get("source").unwrap_or(&Value::Null);
    left.account(source, &SOURCE).map_err(|why| why.within("source"))?;
    Ok(source)
}

fn image(parts: &mut Parts, source: &Value) -> Result<(), Untranslatable> {
    let url = match text(source, "type")? {
        "base64" => format!("data:{};base64,{}", text(source, "media_type")?, text(source, "data")?),
        "url" => text(source, "url")?.to_owned(),
        other => return Err(Untranslatable::kind(other).within("source")),
    };
    parts.0.push(json!({"type": "image_url", "image_url": {"url": url}}));
    Ok(())
}

fn document(parts: &mut Parts, source: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    match (text(source, "type")?, maybe_text(source, "media_type")?) {
        ("text", _) => parts.text(text(source, "data")?),
        ("content", _) => return blocks(parts, source, "content", left, part).map_err(|why| why.within("source")),
        ("base64", Some(media @ "application/pdf")) => {
            let data = format!("data:{media};base64,{}", text(source, "data")?);
            parts.0.push(json!({"type": "file", "file": {"filename": "document.pdf", "file_data": data}}));
        }
        (other, _) => return Err(Untranslatable::kind(other).within("source")),
    }
    Ok(())
}

/// Words, then calls; a message of thoughts alone is none.
fn assistant(out: &mut Vec<Value>, message: &Value, left: &mut Left) -> Result<(), Untranslatable> {
    let (mut parts, mut calls) = (Parts::default(), Vec::new());
    if let Some(Value::String(said)) = message.get("content") {
        parts.text(said);
    } else {
        each(message, "content", |block| match text(block, "type")? {
            "thinking" | "redacted_thinking" => {
                left.note("thinking");
                Ok(())
            }
            "tool_use" => {
                calls.push(call(block, left)?);
                Ok(())
            }
            _ => words(&mut parts, block, left),
        })?;
    }
    if parts.0.is_empty() && calls.is_empty() {
        return Ok(());
    }
    let content = if parts.0.is_empty() { Value::Null } else { parts.content() };
    let mut said = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        said["tool_calls"] = calls.into();
    }
    out.push(said);
    Ok(())
}

fn call(block: &Value, left: &mut Left) -> Result<Value, Untranslatable> {
    left.account(block, &CALL)?;
    let arguments = field(block, "input").map_or_else(|| "{}".to_owned(), Value::to_string);
    let function = json!({"name": text(block, "name")?, "arguments": arguments});
    Ok(json!({"id": text(block, "id")?, "type": "function", "function": function}))
}

/// Every list of this file.
#[cfg(test)]
pub(in super::super) const LISTS: &[&Fields] =
    &[&MESSAGE, &TEXT, &IMAGE, &SOURCE, &DOCUMENT, &FOUND, &REFERENCE, &RESULT, &CALL];
