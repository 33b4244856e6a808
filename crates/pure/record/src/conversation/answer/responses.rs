//! `OpenAI`'s responses: items that begin, grow and end. One that ended is told whole; one that did not is what its deltas
//! made of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Assemble, Delivered, Room, keep_count, keep_text, problem};
use crate::conversation::responses::item;
use crate::conversation::shape::{Blocks, MAX_BLOCKS, Malformed, count, field, list, text};

#[derive(Default)]
pub(super) struct Assembly {
    delivered: Delivered,
    items: BTreeMap<u64, Growing>,
    /// The items of the response as it was at its end, for streams that tell them there alone.
    last: Vec<Value>,
    room: Room,
}

#[derive(Default)]
struct Growing {
    item: Value,
    ended: bool,
    /// By the kind of the delta and the place within the item.
    added: BTreeMap<(&'static str, u64), String>,
}

/// A delta's type, the list or field of the item that it is for, and the type of that list's parts.
const DELTAS: [(&str, &str, &str); 6] = [
    ("response.output_text.delta", "content", "output_text"),
    ("response.refusal.delta", "content", "output_text"),
    ("response.reasoning_summary_text.delta", "summary", "summary_text"),
    ("response.reasoning_text.delta", "content", "reasoning_text"),
    ("response.function_call_arguments.delta", "arguments", ""),
    ("response.custom_tool_call_input.delta", "input", ""),
];

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        let response = event.get("response").unwrap_or(&Value::Null);
        match text(event, "type")? {
            "response.output_item.added" => self.item(event, false),
            "response.output_item.done" => self.item(event, true),
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                self.response(response)
            }
            "error" => {
                keep_text(&mut self.delivered.error, event, "message");
                self.delivered.error = problem(event).or(self.delivered.error.take()).or(Some("error".to_owned()));
                Ok(())
            }
            kind => match DELTAS.iter().find(|known| known.0 == kind) {
                Some(&(_, to, _)) => self.grow(event, kind, to),
                None => {
                    keep_text(&mut self.delivered.model, response, "model");
                    Ok(())
                }
            },
        }
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        keep_count(&mut self.delivered.usage.input, body, "input_tokens");
        self.response(body)?;
        // The counting of tokens and the compaction of a conversation have no status: they are there, or they failed.
        let there = field(body, "output").is_some() || self.delivered.usage.input.is_some();
        self.delivered.whole |= there && field(body, "status").is_none() && self.delivered.error.is_none();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Delivered, Malformed> {
        let mut blocks = Blocks::default();
        if self.items.is_empty() {
            self.last.iter().try_for_each(|last| item(&mut blocks, last))?;
        }
        for growing in std::mem::take(&mut self.items).into_values() {
            item(&mut blocks, &growing.finish())?;
        }
        self.delivered.blocks = blocks.0;
        Ok(self.delivered)
    }
}

impl Assembly {
    /// A response as it is when it is over, however it came to that.
    fn response(&mut self, response: &Value) -> Result<(), Malformed> {
        let usage = response.get("usage").unwrap_or(&Value::Null);
        let details = usage.get("input_tokens_details").unwrap_or(&Value::Null);
        keep_text(&mut self.delivered.model, response, "model");
        keep_count(&mut self.delivered.usage.input, usage, "input_tokens");
        keep_count(&mut self.delivered.usage.output, usage, "output_tokens");
        keep_count(&mut self.delivered.usage.cached, details, "cached_tokens");
        keep_text(&mut self.delivered.stop, response, "status");
        let incomplete = response.get("incomplete_details").unwrap_or(&Value::Null);
        keep_text(&mut self.delivered.stop, incomplete, "reason");
        self.delivered.error = problem(response).or(self.delivered.error.take());
        let status = response.get("status").and_then(Value::as_str);
        self.delivered.whole = matches!(status, Some("completed" | "incomplete"));
        if field(response, "output").is_some() {
            self.last = list(response, "output")?.to_vec();
        }
        Ok(())
    }

    fn item(&mut self, event: &Value, ended: bool) -> Result<(), Malformed> {
        let item = event.get("item").cloned().unwrap_or_default();
        text(&item, "type").map_err(|_| Malformed::shape("item.type", "a string"))?;
        self.room.take(item.to_string().len())?;
        if self.items.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        let index = count(event, "output_index").ok_or_else(|| Malformed::shape("output_index", "a number"))?;
        let growing = self.items.entry(index).or_default();
        growing.item = item;
        growing.ended = ended;
        Ok(())
    }

    fn grow(&mut self, event: &Value, kind: &str, to: &'static str) -> Result<(), Malformed> {
        let place = if kind.contains("summary") { "summary_index" } else { "content_index" };
        let key = (to, count(event, place).unwrap_or(0));
        let delta = text(event, "delta")?;
        self.room.take(delta.len())?;
        let growing = count(event, "output_index").and_then(|index| self.items.get_mut(&index));
        let growing = growing.ok_or_else(|| Malformed::shape("output_index", "that of an item that began"))?;
        if !growing.ended {
            growing.added.entry(key).or_default().push_str(delta);
        }
        Ok(())
    }
}

impl Growing {
    /// The item as it ended, or as far as it grew.
    fn finish(mut self) -> Value {
        if self.ended {
            return self.item;
        }
        // A call that broke off before its first argument.
        for name in ["arguments", "input"] {
            self.item.as_object_mut().map(|item| item.entry(name).or_insert_with(|| json!("")));
        }
        for ((to, _), added) in self.added {
            match DELTAS.iter().find(|known| known.1 == to).map_or("", |known| known.2) {
                "" => self.item[to] = Value::String(added),
                kind => match self.item[to].as_array_mut() {
                    Some(parts) => parts.push(json!({"type": kind, "text": added})),
                    None => self.item[to] = json!([{"type": kind, "text": added}]),
                },
            }
        }
        self.item
    }
}
