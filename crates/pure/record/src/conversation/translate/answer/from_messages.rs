//! Anthropic's answer as a chat completion: each piece becomes a delta as it comes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fields::{Untranslatable, each};
use super::super::{Way, problem};
use super::{Told, Turn};
use crate::conversation::answer::Usage;
use crate::conversation::shape::{MAX_BLOCKS, Malformed, count, field, list, maybe_text, text};

/// What says on a stream that nothing is said yet.
const ALIVE: &str = ": ping\n\n";

pub(super) struct Answer {
    told: Told,
    id: String,
    model: String,
    counts: Counts,
    stop: Option<String>,
    blocks: BTreeMap<u64, Block>,
    /// Calls that began.
    calls: u64,
    over: bool,
}

/// Anthropic counts what comes from, and what goes into, the cache apart.
#[derive(Default)]
struct Counts {
    fresh: Option<u64>,
    cached: Option<u64>,
    stored: Option<u64>,
    output: Option<u64>,
}

/// A block of an answer.
enum Block {
    /// Words; or thoughts, which are left out.
    Said,
    Call {
        number: u64,
        /// Arguments that came with its beginning.
        input: Value,
        grew: bool,
    },
}

impl Turn for Answer {
    fn whole(&mut self, body: &Value) -> Result<Value, Untranslatable> {
        if field(body, "error").is_some() {
            let told = problem::within(Way::IntoMessages, body);
            let why = told["error"]["message"].as_str().unwrap_or("the provider tells of an error");
            return Err(Untranslatable::at("", why));
        }
        self.head(body)?;
        let (mut words, mut calls) = (String::new(), Vec::new());
        list(body, "content")?;
        each(body, "content", |block| {
            match text(block, "type")? {
                "text" => words.push_str(text(block, "text")?),
                "tool_use" => {
                    calls.push(call(block, &field(block, "input").cloned().unwrap_or_else(|| json!({})).to_string())?)
                }
                "thinking" | "redacted_thinking" => {}
                other => return Err(Untranslatable::kind(other)),
            }
            Ok(())
        })?;
        let said = if words.is_empty() { Value::Null } else { words.into() };
        let mut message = json!({"role": "assistant", "content": said});
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": self.stopped()});
        Ok(json!({
            "id": self.id, "object": "chat.completion", "created": self.told.now, "model": self.model,
            "choices": [choice], "usage": self.counts.cost(),
        }))
    }

    fn event(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        if self.over {
            return Ok(());
        }
        match text(event, "type")? {
            "message_start" => {
                self.head(event.get("message").unwrap_or(&Value::Null))?;
                self.delta(out, &json!({"role": "assistant", "content": ""}));
            }
            "content_block_start" => self.start(event, out)?,
            "content_block_delta" => self.grow(event, out)?,
            "content_block_stop" => self.stop(event, out),
            "message_delta" => {
                self.head(event)?;
                self.head(event.get("delta").unwrap_or(&Value::Null))?;
            }
            "message_stop" => self.finish(out),
            "error" => {
                self.over = true;
                say(out, &problem::within(Way::IntoMessages, event));
            }
            _ => out.push_str(ALIVE),
        }
        Ok(())
    }

    /// Only Anthropic's own last event ends an answer.
    fn end(&mut self, _: bool, _: &mut String) -> Result<(), Untranslatable> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.counts.usage()
    }
}

impl Answer {
    pub(super) fn new(told: Told) -> Self {
        Self {
            told,
            id: String::new(),
            model: String::new(),
            counts: Counts::default(),
            stop: None,
            blocks: BTreeMap::new(),
            calls: 0,
            over: false,
        }
    }

    /// What a message, or a change of one, says beside its content.
    fn head(&mut self, message: &Value) -> Result<(), Malformed> {
        for (kept, name) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if let Some(said) = maybe_text(message, name)? {
                said.clone_into(kept);
            }
        }
        if let Some(stop) = maybe_text(message, "stop_reason")? {
            self.stop = Some(stop.to_owned());
        }
        let usage = message.get("usage").unwrap_or(&Value::Null);
        let counts = &mut self.counts;
        for (kept, name) in [
            (&mut counts.fresh, "input_tokens"),
            (&mut counts.cached, "cache_read_input_tokens"),
            (&mut counts.stored, "cache_creation_input_tokens"),
            (&mut counts.output, "output_tokens"),
        ] {
            *kept = count(usage, name).or(*kept);
        }
        Ok(())
    }

    fn start(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        let at = count(event, "index").ok_or_else(|| Malformed::shape("index", "a number"))?;
        if self.blocks.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany.into());
        }
        let block = event.get("content_block").unwrap_or(&Value::Null);
        let begun = match text(block, "type").map_err(|_| Malformed::shape("content_block.type", "a string"))? {
            "text" => {
                self.words(out, maybe_text(block, "text")?.unwrap_or_default());
                Block::Said
            }
            "thinking" | "redacted_thinking" => {
                out.push_str(ALIVE);
                Block::Said
            }
            "tool_use" => {
                let number = self.calls;
                self.calls += 1;
                let mut begun = call(block, "")?;
                begun["index"] = number.into();
                self.delta(out, &json!({"tool_calls": [begun]}));
                Block::Call { number, input: block.get("input").cloned().unwrap_or_default(), grew: false }
            }
            other => return Err(Untranslatable::kind(other).within("content_block")),
        };
        match self.blocks.insert(at, begun) {
            Some(_) => Err(Malformed::shape("index", "one that is new").into()),
            None => Ok(()),
        }
    }

    fn grow(&mut self, event: &Value, out: &mut String) -> Result<(), Untranslatable> {
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let kind = text(delta, "type").map_err(|_| Malformed::shape("delta.type", "a string"))?;
        let block = count(event, "index").and_then(|index| self.blocks.get_mut(&index));
        match (kind, block.ok_or_else(|| Malformed::shape("index", "that of a block that began"))?) {
            ("text_delta", Block::Said) => self.words(out, text(delta, "text")?),
            ("input_json_delta", Block::Call { number, grew, .. }) => {
                let (number, more) = (*number, text(delta, "partial_json")?);
                *grew |= !more.is_empty();
                self.arguments(out, number, more);
            }
            ("thinking_delta" | "signature_delta" | "citations_delta", _) => out.push_str(ALIVE),
            (other, _) => return Err(Untranslatable::kind(other).within("delta")),
        }
        Ok(())
    }

    /// A call that came whole with its beginning, or has no arguments, has some now: chat's are JSON in any case.
    fn stop(&mut self, event: &Value, out: &mut String) {
        let block = count(event, "index").and_then(|index| self.blocks.get_mut(&index));
        let Some(Block::Call { number, input, grew: false }) = block else { return };
        let (number, input) = (*number, std::mem::take(input));
        self.arguments(out, number, &if input.is_object() { input } else { json!({}) }.to_string());
    }

    fn words(&self, out: &mut String, words: &str) {
        if !words.is_empty() {
            self.delta(out, &json!({"content": words}));
        }
    }

    fn arguments(&self, out: &mut String, number: u64, more: &str) {
        if !more.is_empty() {
            self.delta(out, &json!({"tool_calls": [{"index": number, "function": {"arguments": more}}]}));
        }
    }

    fn finish(&mut self, out: &mut String) {
        self.over = true;
        self.chunk(out, &json!([{"index": 0, "delta": {}, "finish_reason": self.stopped()}]), false);
        if self.told.counts {
            self.chunk(out, &json!([]), true);
        }
        out.push_str("data: [DONE]\n\n");
    }

    fn delta(&self, out: &mut String, delta: &Value) {
        self.chunk(out, &json!([{"index": 0, "delta": delta, "finish_reason": null}]), false);
    }

    fn chunk(&self, out: &mut String, choices: &Value, costs: bool) {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.told.now, "model": self.model,
            "choices": choices,
        });
        if costs {
            chunk["usage"] = self.counts.cost();
        }
        say(out, &chunk);
    }

    fn stopped(&self) -> &'static str {
        match self.stop.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => "length",
            Some("tool_use") => "tool_calls",
            Some("refusal") => "content_filter",
            _ => "stop",
        }
    }
}

impl Counts {
    fn usage(&self) -> Usage {
        let sum = |fresh: u64| fresh.saturating_add(self.cached.unwrap_or(0)).saturating_add(self.stored.unwrap_or(0));
        Usage { input: self.fresh.map(sum), output: self.output, cached: self.cached, written: self.stored }
    }

    fn cost(&self) -> Value {
        let Usage { input, output, cached, .. } = self.usage();
        let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
        let mut cost =
            json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input.saturating_add(output)});
        if let Some(cached) = cached {
            cost["prompt_tokens_details"] = json!({"cached_tokens": cached});
        }
        cost
    }
}

fn say(out: &mut String, chunk: &Value) {
    // Writing to a string cannot fail.
    let _ = write!(out, "data: {chunk}\n\n");
}

fn call(block: &Value, arguments: &str) -> Result<Value, Malformed> {
    let function = json!({"name": text(block, "name")?, "arguments": arguments});
    Ok(json!({"id": text(block, "id")?, "type": "function", "function": function}))
}
