//! `OpenAI`'s chat completions: choices that grow by deltas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Assemble, Delivered, Room, keep_count, keep_text, problem};
use crate::conversation::block::{Content, Speaker};
use crate::conversation::chat::{assistant, content, thought};
use crate::conversation::shape::{Blocks, MAX_BLOCKS, Malformed, count, each, field, maybe_text};

#[derive(Default)]
pub(super) struct Assembly {
    delivered: Delivered,
    choices: BTreeMap<u64, Choice>,
    room: Room,
}

#[derive(Default)]
struct Choice {
    thinking: String,
    said: String,
    refusal: String,
    /// What is neither.
    others: Blocks,
    calls: BTreeMap<u64, Call>,
    stopped: bool,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        self.head(event);
        each(event, "choices", |choice| self.choice(choice))
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        self.head(body);
        let mut blocks = Blocks::default();
        each(body, "choices", |choice| {
            keep_text(&mut self.delivered.stop, choice, "finish_reason");
            field(choice, "message").map_or(Ok(()), |message| assistant(&mut blocks, message))
        })?;
        self.delivered.blocks = blocks.0;
        self.delivered.whole = self.delivered.stop.is_some();
        Ok(())
    }

    fn ended(&mut self) {
        self.delivered.whole = self.delivered.error.is_none();
    }

    fn finish(mut self: Box<Self>) -> Result<Delivered, Malformed> {
        let mut blocks = Blocks(std::mem::take(&mut self.delivered.blocks));
        self.delivered.whole |= !self.choices.is_empty() && self.choices.values().all(|choice| choice.stopped);
        for choice in std::mem::take(&mut self.choices).into_values() {
            choice.finish(&mut blocks)?;
        }
        self.delivered.blocks = blocks.0;
        Ok(self.delivered)
    }
}

impl Assembly {
    fn head(&mut self, event: &Value) {
        let usage = event.get("usage").unwrap_or(&Value::Null);
        let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
        keep_text(&mut self.delivered.model, event, "model");
        keep_count(&mut self.delivered.usage.input, usage, "prompt_tokens");
        keep_count(&mut self.delivered.usage.output, usage, "completion_tokens");
        keep_count(&mut self.delivered.usage.cached, details, "cached_tokens");
        if let Some(error) = problem(event) {
            self.delivered.error = Some(error);
        }
    }

    fn choice(&mut self, event: &Value) -> Result<(), Malformed> {
        if self.choices.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        let choice = self.choices.entry(count(event, "index").unwrap_or(0)).or_default();
        keep_text(&mut self.delivered.stop, event, "finish_reason");
        choice.stopped |= field(event, "finish_reason").is_some();
        let (delta, room) = (event.get("delta").unwrap_or(&Value::Null), &mut self.room);
        room.push(&mut choice.thinking, thought(delta)?)?;
        choice.content(delta, room)?;
        room.push(&mut choice.refusal, maybe_text(delta, "refusal")?.unwrap_or_default())?;
        each(delta, "tool_calls", |call| choice.call(call, room))?;
        match field(delta, "function_call") {
            Some(function) => choice.calls.entry(0).or_default().grow(function, room),
            None => Ok(()),
        }
    }
}

impl Choice {
    fn content(&mut self, delta: &Value, room: &mut Room) -> Result<(), Malformed> {
        let mut piece = Blocks::default();
        content(&mut piece, Speaker::Assistant, delta)?;
        piece.0.into_iter().try_for_each(|block| match block.content {
            Content::Text(more) => room.push(&mut self.said, &more),
            Content::Thinking(more) => room.push(&mut self.thinking, &more),
            other => {
                room.take(delta.to_string().len())?;
                self.others.push(block.speaker, other)
            }
        })
    }

    /// Some providers number no calls: then an id begins the next one.
    fn call(&mut self, event: &Value, room: &mut Room) -> Result<(), Malformed> {
        let id = maybe_text(event, "id")?.unwrap_or_default();
        let last = self.calls.last_key_value().map(|(&last, _)| last);
        let next = last.map_or(0, |last| last.saturating_add(u64::from(!id.is_empty())));
        if self.calls.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        let call = self.calls.entry(count(event, "index").unwrap_or(next)).or_default();
        if call.id.is_empty() {
            room.push(&mut call.id, id)?;
        }
        let function = field(event, "function").or_else(|| field(event, "custom"));
        function.map_or(Ok(()), |function| call.grow(function, room))
    }

    fn finish(self, blocks: &mut Blocks) -> Result<(), Malformed> {
        blocks.thinking(Speaker::Assistant, &self.thinking)?;
        blocks.text(Speaker::Assistant, &self.said)?;
        blocks.text(Speaker::Assistant, &self.refusal)?;
        self.others.0.into_iter().try_for_each(|block| blocks.push(block.speaker, block.content))?;
        let mut calls = self.calls.into_values();
        calls.try_for_each(|call| blocks.call(Speaker::Assistant, &call.id, &call.name, call.arguments))
    }
}

impl Call {
    fn grow(&mut self, function: &Value, room: &mut Room) -> Result<(), Malformed> {
        // Some providers repeat the name with every piece.
        if self.name.is_empty() {
            room.push(&mut self.name, maybe_text(function, "name")?.unwrap_or_default())?;
        }
        let input = maybe_text(function, "arguments")?.or(maybe_text(function, "input")?);
        room.push(&mut self.arguments, input.unwrap_or_default())
    }
}
