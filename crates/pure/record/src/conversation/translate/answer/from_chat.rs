//! A chat completion as Anthropic's answer. Chat lets calls grow side by side, messages one after another: the first call
//! goes on at once, what comes of the others meanwhile is held until the answer ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fields::{Untranslatable, each};
use super::super::{Way, problem};
use super::{Room, Turn};
use crate::conversation::answer::Usage;
use crate::conversation::bounded;
use crate::conversation::shape::{MAX_BLOCKS, Malformed, count, field, list, maybe_text, text};

#[derive(Default)]
pub(super) struct Answer {
    usage: Usage,
    id: String,
    stop: Option<String>,
    begun: bool,
    over: bool,
    /// The block that is open.
    open: Option<u64>,
    /// Blocks that began.
    blocks: u64,
    calls: Vec<Call>,
    /// The place among the calls of each number that the provider gave.
    places: BTreeMap<u64, usize>,
    /// Words that came behind calls.
    late: String,
    room: Room,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    /// What was not passed on yet.
    arguments: String,
    begun: bool,
}

impl Turn for Answer {
    fn whole(&mut self, body: &Value) -> Result<Value, Untranslatable> {
        self.keep_usage(body);
        let choices = list(body, "choices").map_err(|fault| told(body).unwrap_or_else(|| fault.into()))?;
        let [choice] = choices else {
            return Err(Untranslatable::at("choices", "there is not one answer in it"));
        };
        let id = maybe_text(body, "id")?.unwrap_or_default();
        let content = message(choice.get("message").unwrap_or(&Value::Null), id)?;
        let calls = content.iter().any(|block| block["type"] == "tool_use");
        Ok(json!({
            "id": id, "type": "message", "role": "assistant", "model": maybe_text(body, "model")?.unwrap_or_default(),
            "content": content, "stop_reason": stopped(maybe_text(choice, "finish_reason")?, calls),
            "stop_sequence": null, "usage": cost(self.usage),
        }))
    }

    fn event(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        if self.over {
            return Ok(());
        }
        if field(event, "error").is_some() {
            self.over = true;
            say(out, "error", &problem::within(Way::IntoChat, event));
            return Ok(());
        }
        self.keep_usage(event);
        self.begin(event, out)?;
        let before = out.len();
        each(event, "choices", |choice| self.choice(choice, out))?;
        if out.len() == before {
            // Thoughts, and what is held back: the connection is alive.
            say(out, "ping", &json!({"type": "ping"}));
        }
        Ok(())
    }

    fn end(&mut self, said: bool, out: &mut String) -> Result<(), Untranslatable> {
        if self.over || !self.begun || !said && self.stop.is_none() {
            return Ok(());
        }
        self.over = true;
        self.close(out);
        for at in 0..self.calls.len() {
            self.flow(at, out)?;
            self.close(out);
        }
        let late = std::mem::take(&mut self.late);
        self.words(&late, out);
        self.close(out);
        let stop = stopped(self.stop.as_deref(), !self.calls.is_empty());
        let delta = json!({"stop_reason": stop, "stop_sequence": null});
        say(out, "message_delta", &json!({"type": "message_delta", "delta": delta, "usage": cost(self.usage)}));
        say(out, "message_stop", &json!({"type": "message_stop"}));
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Answer {
    fn keep_usage(&mut self, event: &Value) {
        let usage = event.get("usage").unwrap_or(&Value::Null);
        let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
        let kept = &mut self.usage;
        kept.input = count(usage, "prompt_tokens").or(kept.input);
        kept.output = count(usage, "completion_tokens").or(kept.output);
        kept.cached = count(details, "cached_tokens").or(kept.cached);
    }

    fn begin(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.id = maybe_text(event, "id")?.unwrap_or_default().to_owned();
        let model = maybe_text(event, "model")?.unwrap_or_default();
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0},
        });
        say(out, "message_start", &json!({"type": "message_start", "message": message}));
        Ok(())
    }

    fn choice(&mut self, choice: &Value, out: &mut String) -> Result<(), Untranslatable> {
        if count(choice, "index").unwrap_or(0) > 0 {
            return Err(Untranslatable::at("index", "it is a second answer"));
        }
        if let Some(stop) = maybe_text(choice, "finish_reason")? {
            self.stop = Some(stop.to_owned());
        }
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        for more in said(delta)? {
            self.more(more, out)?;
        }
        each(delta, "tool_calls", |call| self.call(call, out))
    }

    fn more(&mut self, words: &str, out: &mut String) -> Result<(), Untranslatable> {
        if self.calls.is_empty() {
            self.words(words, out);
        } else {
            self.room.hold(&mut self.late, words)?;
        }
        Ok(())
    }

    fn words(&mut self, words: &str, out: &mut String) {
        if words.is_empty() {
            return;
        }
        let at = match self.open {
            Some(at) => at,
            None => self.start(&json!({"type": "text", "text": ""}), out),
        };
        grow(out, at, &json!({"type": "text_delta", "text": words}));
    }

    fn call(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        let function = event.get("function").unwrap_or(&Value::Null);
        let (id, name) =
            (maybe_text(event, "id")?.unwrap_or_default(), maybe_text(function, "name")?.unwrap_or_default());
        let arguments = maybe_text(function, "arguments")?.unwrap_or_default();
        let at = self.place(count(event, "index"), id, name)?;
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            self.room.hold(&mut call.id, id)?;
        }
        // Some providers repeat the name with every piece.
        if call.name.is_empty() {
            self.room.hold(&mut call.name, name)?;
        }
        self.room.hold(&mut call.arguments, arguments)?;
        if at == 0 && !self.calls[0].name.is_empty() { self.flow(0, out) } else { Ok(()) }
    }

    /// Which call a piece belongs to. Some providers number none, or all alike: then an id with a name begins the next.
    fn place(&mut self, number: Option<u64>, id: &str, name: &str) -> Result<usize, Malformed> {
        let same = |call: &Call| id.is_empty() || name.is_empty() || call.id.is_empty() || call.id == id;
        let known = match number {
            Some(number) => self.places.get(&number).copied(),
            None => self.calls.len().checked_sub(1),
        };
        if let Some(at) = known.filter(|at| self.calls.get(*at).is_some_and(same)) {
            return Ok(at);
        }
        if self.calls.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        self.calls.push(Call::default());
        let at = self.calls.len() - 1;
        if let Some(number) = number {
            self.places.insert(number, at);
        }
        Ok(at)
    }

    /// Passes on what there is of a call.
    fn flow(&mut self, at: usize, out: &mut String) -> Result<(), Untranslatable> {
        if !self.calls[at].begun {
            let (id, name) = (self.calls[at].id.clone(), self.calls[at].name.clone());
            if name.is_empty() {
                return Err(Untranslatable::at("tool_calls.function.name", "a call names no tool"));
            }
            let id = if id.is_empty() { numbered(&self.id, at) } else { id };
            self.close(out);
            self.calls[at].begun = true;
            self.start(&json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
        }
        let arguments = std::mem::take(&mut self.calls[at].arguments);
        if let (Some(open), false) = (self.open, arguments.is_empty()) {
            grow(out, open, &json!({"type": "input_json_delta", "partial_json": arguments}));
        }
        Ok(())
    }

    fn start(&mut self, block: &Value, out: &mut String) -> u64 {
        let at = self.blocks;
        self.blocks += 1;
        self.open = Some(at);
        say(out, "content_block_start", &json!({"type": "content_block_start", "index": at, "content_block": block}));
        at
    }

    fn close(&mut self, out: &mut String) {
        if let Some(at) = self.open.take() {
            say(out, "content_block_stop", &json!({"type": "content_block_stop", "index": at}));
        }
    }
}

fn say(out: &mut String, kind: &str, event: &Value) {
    // Writing to a string cannot fail.
    let _ = write!(out, "event: {kind}\ndata: {event}\n\n");
}

fn grow(out: &mut String, at: u64, delta: &Value) {
    say(out, "content_block_delta", &json!({"type": "content_block_delta", "index": at, "delta": delta}));
}

/// The words of a message or of a piece of one, what it refuses last. Thoughts are left out.
fn said(message: &Value) -> Result<Vec<&str>, Untranslatable> {
    let mut words = Vec::new();
    match message.get("content") {
        Some(Value::String(said)) => words.push(said.as_str()),
        _ => each(message, "content", |part| match text(part, "type")? {
            kind @ ("text" | "refusal") => {
                words.push(text(part, kind)?);
                Ok(())
            }
            "thinking" => Ok(()),
            other => Err(Untranslatable::kind(other)),
        })?,
    }
    words.extend(maybe_text(message, "refusal")?);
    for name in ["audio", "function_call"] {
        if field(message, name).is_some() {
            return Err(Untranslatable::at(name, "nobody asked for it"));
        }
    }
    Ok(words)
}

fn message(message: &Value, id: &str) -> Result<Vec<Value>, Untranslatable> {
    let words = said(message)?.concat();
    let mut content = Vec::new();
    if !words.is_empty() {
        content.push(json!({"type": "text", "text": words}));
    }
    let mut number = 0;
    each(message, "tool_calls", |call| {
        let function = call.get("function").unwrap_or(&Value::Null);
        let arguments = maybe_text(function, "arguments")?.filter(|text| !text.trim().is_empty()).unwrap_or("{}");
        let input = bounded::json(arguments).ok();
        let input = input.filter(Value::is_object).ok_or_else(|| {
            Untranslatable::at("function.arguments", "the model wrote arguments that are no JSON object")
        })?;
        let own = maybe_text(call, "id")?.filter(|own| !own.is_empty());
        let id = own.map_or_else(|| numbered(id, number), str::to_owned);
        number += 1;
        content.push(json!({"type": "tool_use", "id": id, "name": text(function, "name")?, "input": input}));
        Ok(())
    })?;
    Ok(content)
}

/// An id for a call that came without: its answer's, and its place.
fn numbered(answer: &str, at: usize) -> String {
    format!("call_{answer}_{at}")
}

/// Why it stopped. Some providers stop for tools and do not say so.
fn stopped(reason: Option<&str>, calls: bool) -> &'static str {
    match reason {
        Some("length") => "max_tokens",
        Some("content_filter") => "refusal",
        _ if calls => "tool_use",
        _ => "end_turn",
    }
}

/// Anthropic counts what comes from the cache apart.
fn cost(usage: Usage) -> Value {
    let fresh = usage.input.unwrap_or(0).saturating_sub(usage.cached.unwrap_or(0));
    let mut cost = json!({"input_tokens": fresh, "output_tokens": usage.output.unwrap_or(0)});
    if let Some(cached) = usage.cached {
        cost["cache_read_input_tokens"] = cached.into();
    }
    cost
}

/// An error that came as a success.
fn told(body: &Value) -> Option<Untranslatable> {
    field(body, "error")?;
    let told = problem::within(Way::IntoChat, body);
    Some(Untranslatable::at("", told["error"]["message"].as_str().unwrap_or("the provider tells of an error")))
}
