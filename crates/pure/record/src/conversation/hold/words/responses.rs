//! `OpenAI`'s responses: a text grows by deltas, and is told again when it, its part, its item and the response end.

use serde_json::Value;

use super::super::responses::is_call;
use super::{Key, Place, Places, Visit, at_once, text};
use crate::conversation::hold::items;
use crate::conversation::shape::count;

pub(super) struct Texts;

/// Ends of names of what grows and is no words: calls, which are judged as such, and sound.
const NO_WORDS: [&str; 5] =
    ["function_call_arguments", "custom_tool_call_input", "mcp_call_arguments", "audio", "mcp_call.arguments"];

/// The name of what grows, of `NAME.delta` and `NAME.done`.
fn named<'k>(kind: &'k str, end: &str) -> Option<&'k str> {
    let name = kind.strip_suffix(end)?;
    (!NO_WORDS.iter().any(|other| name.ends_with(other))).then_some(name)
}

fn place(event: &Value) -> (u64, u64) {
    let part = count(event, "content_index").or_else(|| count(event, "summary_index"));
    (count(event, "output_index").unwrap_or(0), part.unwrap_or(0))
}

fn item(value: &mut Value, at: &mut Visit<'_>) {
    // A picture is no words.
    if !is_call(value) && value["type"] != "image_generation_call" {
        at_once(value, at);
    }
}

/// Takes the numbers of words out of all parts.
fn without_logprobs(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| without_logprobs(item) | changed),
        Value::Object(fields) => {
            let own = fields.get_mut("logprobs").and_then(Value::as_array_mut).filter(|list| !list.is_empty());
            let changed = own.map(|list| list.clear()).is_some();
            let inner = ["content", "part", "item", "output", "response"].into_iter();
            inner.fold(changed, |changed, name| fields.get_mut(name).is_some_and(without_logprobs) | changed)
        }
        _ => false,
    }
}

impl Places for Texts {
    fn each(&self, event: &mut Value, at: &mut Visit<'_>) {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        let (item_at, part_at) = place(event);
        if let Some(name) = named(&kind, ".delta") {
            if let Some(text) = text(event, "delta") {
                at(Place::Piece((item_at, part_at, name.to_owned())), text);
            }
        } else if named(&kind, ".done").is_some() {
            for name in ["text", "refusal", "code", "transcript"] {
                text(event, name).into_iter().for_each(|text| at(Place::Whole, text));
            }
        }
        for name in ["part", "annotation"] {
            event.get_mut(name).into_iter().for_each(|part| at_once(part, at));
        }
        event.get_mut("item").into_iter().for_each(|value| item(value, at));
        event.get_mut("response").into_iter().for_each(|response| self.body(response, at));
    }

    fn body(&self, body: &mut Value, at: &mut Visit<'_>) {
        items(body, "output").for_each(|value| item(value, at));
    }

    fn ends(&self, event: &Value, key: &Key) -> bool {
        let kind = event["type"].as_str().unwrap_or_default();
        let (item_at, part_at) = place(event);
        match kind {
            "response.output_item.done" => item_at == key.0,
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                (item_at, part_at) == (key.0, key.1)
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" | "error" => true,
            _ => named(kind, ".done").is_some_and(|name| (item_at, part_at, name) == (key.0, key.1, key.2.as_str())),
        }
    }

    fn alone(&self, event: &Value, _: &Key) -> Value {
        let mut alone = event.clone();
        alone["delta"] = "".into();
        alone
    }

    fn keeps(&self) -> bool {
        true
    }

    fn strip(&self, event: &mut Value) -> bool {
        without_logprobs(event)
    }
}
