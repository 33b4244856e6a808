//! A request in chat completions into one in Anthropic's messages.

mod said;

use serde_json::{Value, json};

use super::fields::{Fields, Left, Untranslatable, carry, each};
use super::{Request, Wanted};
use crate::conversation::shape::{count, field, maybe_flag, maybe_text, text};

/// The most tokens of an answer where the program names no number, which messages want: what every model of Anthropic's
/// and those like it can give.
pub const MOST_TOKENS: u64 = 8192;

const BODY: Fields = Fields {
    known: &[
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_tokens",
        "max_completion_tokens",
        "modalities",
        "n",
        "response_format",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_k",
        "top_p",
    ],
    // Who asks; how the model thinks, what is cached, kept or served faster; and how words are drawn.
    spare: &[
        "metadata",
        "user",
        "safety_identifier",
        "reasoning_effort",
        "reasoning",
        "include_reasoning",
        "thinking",
        "enable_thinking",
        "thinking_budget",
        "chat_template_kwargs",
        "verbosity",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "tool_stream",
        "usage",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "min_p",
        "seed",
    ],
};
const TOOL: Fields = Fields { known: &["type", "function"], spare: &["cache_control"] };
const FUNCTION: Fields = Fields { known: &["name", "description", "parameters"], spare: &["strict"] };
const CHOICE: Fields = Fields { known: &["type", "function"], spare: &[] };
const FORMAT: Fields = Fields { known: &["type", "json_schema"], spare: &[] };
const SCHEMA: Fields = Fields { known: &["schema"], spare: &["name", "description", "strict"] };
const STREAM: Fields = Fields { known: &["include_usage"], spare: &["include_obfuscation"] };

pub(super) fn request(body: &Value, wanted: &Wanted<'_>) -> Result<Request, Untranslatable> {
    let mut left = Left::default();
    left.account(body, &BODY)?;
    single(body)?;
    let said::Said { system, messages } = said::messages(body, &mut left)?;
    let most = count(body, "max_completion_tokens").or_else(|| count(body, "max_tokens")).unwrap_or(MOST_TOKENS);
    let mut out = json!({"model": wanted.model, "max_tokens": most, "messages": messages});
    if !system.is_empty() {
        out["system"] = system.into();
    }
    for name in ["temperature", "top_p", "top_k"] {
        carry(body, name, &mut out, name);
    }
    match field(body, "stop") {
        Some(Value::String(one)) => out["stop_sequences"] = json!([one]),
        _ => carry(body, "stop", &mut out, "stop_sequences"),
    }
    tools(body, &mut out, &mut left)?;
    format(body, &mut out, &mut left).map_err(|why| why.within("response_format"))?;
    if maybe_flag(body, "stream")?.unwrap_or(false) {
        out["stream"] = true.into();
    }
    let counts = counts(body, &mut left)?;
    Ok(Request { body: out, left_out: left.told(), counts })
}

/// Refuses what asks for more than one answer, or for one that is no text.
fn single(body: &Value) -> Result<(), Untranslatable> {
    if field(body, "n").is_some_and(|number| number.as_u64() != Some(1)) {
        return Err(Untranslatable::at("n", "there is one answer in the other wire"));
    }
    let text = |modality: &Value| modality == "text";
    let told = field(body, "modalities").and_then(Value::as_array);
    if told.is_some_and(|told| !told.iter().all(text)) {
        return Err(Untranslatable::at("modalities", "there are answers in text alone in the other wire"));
    }
    Ok(())
}

/// Whether a stream is to tell what it cost.
fn counts(body: &Value, left: &mut Left) -> Result<bool, Untranslatable> {
    let told = |name: &str| body.get("usage").and_then(|usage| usage.get(name)) == Some(&Value::Bool(true));
    let Some(options) = field(body, "stream_options") else { return Ok(told("include")) };
    left.account(options, &STREAM).map_err(|why| why.within("stream_options"))?;
    Ok(maybe_flag(options, "include_usage")?.unwrap_or(false) || told("include"))
}

fn tools(body: &Value, out: &mut Value, left: &mut Left) -> Result<(), Untranslatable> {
    let mut tools = Vec::new();
    each(body, "tools", |declared| {
        match text(declared, "type")? {
            "function" => left.account(declared, &TOOL)?,
            other => return Err(Untranslatable::word("type", other, "tools take JSON alone in the other wire")),
        }
        let function = declared.get("function").unwrap_or(&Value::Null);
        left.account(function, &FUNCTION).map_err(|why| why.within("function"))?;
        let mut tool = json!({"name": text(function, "name")?});
        carry(function, "description", &mut tool, "description");
        tool["input_schema"] = json!({"type": "object", "properties": {}});
        carry(function, "parameters", &mut tool, "input_schema");
        tools.push(tool);
        Ok(())
    })?;
    // Without tools there is nothing to choose, and messages refuse to be told so.
    if tools.is_empty() {
        return Ok(());
    }
    out["tools"] = tools.into();
    let mut choice = choice(body, left).map_err(|why| why.within("tool_choice"))?;
    if maybe_flag(body, "parallel_tool_calls")? == Some(false) {
        let choice = choice.get_or_insert_with(|| json!({"type": "auto"}));
        if choice["type"] != "none" {
            choice["disable_parallel_tool_use"] = true.into();
        }
    }
    if let Some(choice) = choice {
        out["tool_choice"] = choice;
    }
    Ok(())
}

fn choice(body: &Value, left: &mut Left) -> Result<Option<Value>, Untranslatable> {
    let Some(choice) = field(body, "tool_choice") else { return Ok(None) };
    let kind = match choice.as_str() {
        Some("auto") => "auto",
        Some("none") => "none",
        Some("required") => "any",
        Some(other) => return Err(Untranslatable::word("", other, "it is not `auto`, `none` or `required`")),
        None => {
            match text(choice, "type")? {
                "function" => left.account(choice, &CHOICE)?,
                other => return Err(Untranslatable::kind(other)),
            }
            let function = choice.get("function").unwrap_or(&Value::Null);
            return Ok(Some(json!({"type": "tool", "name": text(function, "name")?})));
        }
    };
    Ok(Some(json!({"type": kind})))
}

/// An answer that is to follow a schema.
fn format(body: &Value, out: &mut Value, left: &mut Left) -> Result<(), Untranslatable> {
    let Some(format) = field(body, "response_format") else { return Ok(()) };
    left.account(format, &FORMAT)?;
    match maybe_text(format, "type")?.unwrap_or("text") {
        "text" => Ok(()),
        "json_schema" => {
            let told = format.get("json_schema").unwrap_or(&Value::Null);
            left.account(told, &SCHEMA).map_err(|why| why.within("json_schema"))?;
            let schema = told.get("schema").cloned().unwrap_or_default();
            out["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
            Ok(())
        }
        other => Err(Untranslatable::word("type", other, "the other wire follows a schema, or nothing")),
    }
}

/// Every list of this way.
#[cfg(test)]
pub(super) fn lists() -> impl Iterator<Item = &'static Fields> {
    [&BODY, &TOOL, &FUNCTION, &CHOICE, &FORMAT, &SCHEMA, &STREAM].into_iter().chain(said::LISTS.iter().copied())
}
