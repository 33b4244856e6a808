//! A request in Anthropic's messages into one in chat completions.

mod said;

use serde_json::{Value, json};

use super::fields::{Fields, Left, Untranslatable, carry, each};
use super::{Request, Wanted};
use crate::conversation::shape::{field, maybe_flag, maybe_text, text};

pub use said::FAILED;

const BODY: Fields = Fields {
    known: &[
        "model",
        "messages",
        "system",
        "max_tokens",
        "stop_sequences",
        "stream",
        "temperature",
        "top_p",
        "tools",
        "tool_choice",
        "output_config",
        "output_format",
    ],
    // Who asks; how the model thinks, what is cached, trimmed or served faster: none changes what is asked.
    spare: &[
        "metadata",
        "thinking",
        "top_k",
        "cache_control",
        "service_tier",
        "speed",
        "context_management",
        "context_hint",
        "diagnostics",
    ],
};
const OUTPUT: Fields = Fields { known: &["format"], spare: &["effort", "task_budget"] };
const FORMAT: Fields = Fields { known: &["type", "schema"], spare: &[] };
const TOOL: Fields = Fields {
    known: &["type", "name", "description", "input_schema"],
    // Chat has every tool at hand from the start, and each is called by the model itself.
    spare: &["cache_control", "defer_loading", "strict", "input_examples", "eager_input_streaming", "allowed_callers"],
};
const CHOICE: Fields = Fields { known: &["type", "name", "disable_parallel_tool_use"], spare: &[] };

pub(super) fn request(body: &Value, wanted: &Wanted<'_>) -> Result<Request, Untranslatable> {
    let mut left = Left::default();
    left.account(body, &BODY)?;
    let mut chat = json!({"model": wanted.model, "messages": said::messages(body, &mut left)?});
    carry(body, "max_tokens", &mut chat, if wanted.openai { "max_completion_tokens" } else { "max_tokens" });
    for (name, other) in [("stop_sequences", "stop"), ("temperature", "temperature"), ("top_p", "top_p")] {
        carry(body, name, &mut chat, other);
    }
    tools(body, &mut chat, &mut left)?;
    format(body, &mut chat, &mut left)?;
    if maybe_flag(body, "stream")?.unwrap_or(false) {
        chat["stream"] = true.into();
        // What it cost is a part of Anthropic's answers.
        chat["stream_options"] = json!({"include_usage": true});
    }
    Ok(Request { body: chat, left_out: left.told(), counts: true })
}

fn tools(body: &Value, chat: &mut Value, left: &mut Left) -> Result<(), Untranslatable> {
    let mut tools = Vec::new();
    each(body, "tools", |declared| {
        let kind = maybe_text(declared, "type")?.unwrap_or("custom");
        if kind != "custom" {
            return Err(Untranslatable::word("type", kind, "only Anthropic's models know what this tool is"));
        }
        left.account(declared, &TOOL)?;
        let mut function = json!({"name": text(declared, "name")?});
        carry(declared, "description", &mut function, "description");
        function["parameters"] = json!({"type": "object", "properties": {}});
        carry(declared, "input_schema", &mut function, "parameters");
        tools.push(json!({"type": "function", "function": function}));
        Ok(())
    })?;
    // Without tools there is nothing to choose, and chat refuses to be told so.
    if !tools.is_empty() {
        chat["tools"] = tools.into();
        choice(body, chat, left).map_err(|why| why.within("tool_choice"))?;
    }
    Ok(())
}

fn choice(body: &Value, chat: &mut Value, left: &mut Left) -> Result<(), Untranslatable> {
    let Some(choice) = field(body, "tool_choice") else { return Ok(()) };
    left.account(choice, &CHOICE)?;
    chat["tool_choice"] = match text(choice, "type")? {
        "auto" => "auto".into(),
        "any" => "required".into(),
        "none" => "none".into(),
        "tool" => json!({"type": "function", "function": {"name": text(choice, "name")?}}),
        other => return Err(Untranslatable::kind(other)),
    };
    if maybe_flag(choice, "disable_parallel_tool_use")?.unwrap_or(false) {
        chat["parallel_tool_calls"] = false.into();
    }
    Ok(())
}

/// An answer that is to follow a schema; Anthropic has two places for it.
fn format(body: &Value, chat: &mut Value, left: &mut Left) -> Result<(), Untranslatable> {
    let mut within = "output_format";
    let mut format = field(body, within);
    if let Some(output) = field(body, "output_config") {
        left.account(output, &OUTPUT).map_err(|why| why.within("output_config"))?;
        if let Some(own) = field(output, "format") {
            (within, format) = ("output_config.format", Some(own));
        }
    }
    let Some(format) = format else { return Ok(()) };
    let mut read = || {
        left.account(format, &FORMAT)?;
        match text(format, "type")? {
            "json_schema" => Ok(format.get("schema").cloned().unwrap_or_default()),
            other => Err(Untranslatable::kind(other)),
        }
    };
    let schema = read().map_err(|why| why.within(within))?;
    chat["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}});
    Ok(())
}

/// Every list of this way.
#[cfg(test)]
pub(super) fn lists() -> impl Iterator<Item = &'static Fields> {
    [&BODY, &OUTPUT, &FORMAT, &TOOL, &CHOICE].into_iter().chain(said::LISTS.iter().copied())
}
