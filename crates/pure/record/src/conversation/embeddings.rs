//! Texts that become vectors, in three forms. The vectors are not kept.

use serde_json::Value;

use super::Conversation;
use super::block::Speaker;
use super::shape::{Blocks, Malformed, each, list, maybe_text};
use super::{canonical, gemini};

pub(super) fn read(path: &str, body: &Value) -> Result<Conversation, Malformed> {
    let mut blocks = Blocks::default();
    let (mut model, verb) = gemini::named(path);
    match verb {
        "embedContent" => one(&mut blocks, body)?,
        "batchEmbedContents" => {
            list(body, "requests")?;
            each(body, "requests", |request| one(&mut blocks, request))?;
        }
        // Only Gemini names the model in the path.
        _ => {
            model = None;
            let name = if body.get("input").is_some() { "input" } else { "prompt" };
            input(&mut blocks, name, body.get(name).unwrap_or(&Value::Null))?;
        }
    }
    let model = model.or(maybe_text(body, "model")?).map(str::to_owned);
    Ok(Conversation { model, blocks: blocks.0, ..Conversation::default() })
}

fn one(blocks: &mut Blocks, request: &Value) -> Result<(), Malformed> {
    gemini::parts(blocks, Speaker::User, request.get("content").unwrap_or(&Value::Null))
}

/// A text, a list of texts, or tokens: one list, or a list of lists.
fn input(blocks: &mut Blocks, name: &str, value: &Value) -> Result<(), Malformed> {
    const WANT: &str = "a string, or a list of strings or tokens";
    match value {
        Value::String(said) => blocks.text(Speaker::User, said),
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            blocks.sealed(Speaker::User, "tokens", &canonical::json(value))
        }
        Value::Array(items) => items.iter().try_for_each(|item| match item {
            Value::String(said) => blocks.text(Speaker::User, said),
            Value::Array(_) => blocks.sealed(Speaker::User, "tokens", &canonical::json(item)),
            _ => Err(Malformed::shape(name, WANT)),
        }),
        _ => Err(Malformed::shape(name, WANT)),
    }
}
