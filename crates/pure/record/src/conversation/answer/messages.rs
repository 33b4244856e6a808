//! Anthropic's answers: blocks that begin, grow by deltas and end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Assemble, Delivered, Room, keep_count, keep_text, problem};
use crate::conversation::block::Speaker;
use crate::conversation::bounded::json;
use crate::conversation::messages::{block, is_call};
use crate::conversation::shape::{Blocks, MAX_BLOCKS, Malformed, count, each, maybe_text, text};

#[derive(Default)]
pub(super) struct Assembly {
    delivered: Delivered,
    usage: Counts,
    blocks: BTreeMap<u64, Growing>,
    room: Room,
}

/// Anthropic counts what comes from, and what goes into, the cache apart.
#[derive(Default)]
struct Counts {
    fresh: Option<u64>,
    cached: Option<u64>,
    stored: Option<u64>,
    output: Option<u64>,
}

/// A block as it began, and what deltas added to its fields.
struct Growing {
    start: Value,
    added: BTreeMap<&'static str, String>,
}

/// A delta's type, its field, and the block's field that grows by it.
const DELTAS: [(&str, &str, &str); 5] = [
    ("text_delta", "text", "text"),
    ("thinking_delta", "thinking", "thinking"),
    ("signature_delta", "signature", "signature"),
    ("input_json_delta", "partial_json", "input"),
    ("compaction_delta", "content", "content"),
];

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        match text(event, "type")? {
            "message_start" => self.head(event.get("message").unwrap_or(&Value::Null)),
            "content_block_start" => return self.start(event),
            "content_block_delta" => return self.grow(event),
            "message_delta" => self.head(event),
            "message_stop" => self.delivered.whole = true,
            "error" => self.delivered.error = problem(event).or(Some("error".to_owned())),
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        self.head(body);
        self.delivered.error = problem(body);
        // The counting of tokens answers with a number alone.
        let counted = body.get("content").is_none();
        keep_count(&mut self.usage.fresh, body, "input_tokens");
        self.delivered.whole = self.delivered.stop.is_some() || (counted && self.usage.fresh.is_some());
        let mut blocks = Blocks::default();
        each(body, "content", |value| block(&mut blocks, Speaker::Assistant, value))?;
        self.delivered.blocks = blocks.0;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Delivered, Malformed> {
        let mut blocks = Blocks(std::mem::take(&mut self.delivered.blocks));
        for growing in std::mem::take(&mut self.blocks).into_values() {
            growing.finish(&mut blocks)?;
        }
        self.delivered.blocks = blocks.0;
        let Counts { fresh, cached, stored, output } = self.usage;
        let sum = |fresh: u64| fresh.saturating_add(cached.unwrap_or(0)).saturating_add(stored.unwrap_or(0));
        self.delivered.usage = super::Usage { input: fresh.map(sum), output, cached, written: stored };
        Ok(self.delivered)
    }
}

impl Assembly {
    /// What a message, or a change of one, says beside its content.
    fn head(&mut self, message: &Value) {
        keep_text(&mut self.delivered.model, message, "model");
        keep_text(&mut self.delivered.stop, message, "stop_reason");
        keep_text(&mut self.delivered.stop, message.get("delta").unwrap_or(&Value::Null), "stop_reason");
        let usage = message.get("usage").unwrap_or(&Value::Null);
        keep_count(&mut self.usage.fresh, usage, "input_tokens");
        keep_count(&mut self.usage.cached, usage, "cache_read_input_tokens");
        keep_count(&mut self.usage.stored, usage, "cache_creation_input_tokens");
        keep_count(&mut self.usage.output, usage, "output_tokens");
    }

    fn start(&mut self, event: &Value) -> Result<(), Malformed> {
        let index = count(event, "index").ok_or_else(|| Malformed::shape("index", "a number"))?;
        let start = event.get("content_block").cloned().unwrap_or_default();
        text(&start, "type").map_err(|_| Malformed::shape("content_block.type", "a string"))?;
        self.room.take(start.to_string().len())?;
        if self.blocks.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        match self.blocks.insert(index, Growing { start, added: BTreeMap::new() }) {
            Some(_) => Err(Malformed::shape("index", "one that is new")),
            None => Ok(()),
        }
    }

    fn grow(&mut self, event: &Value) -> Result<(), Malformed> {
        let growing = count(event, "index").and_then(|index| self.blocks.get_mut(&index));
        let growing = growing.ok_or_else(|| Malformed::shape("index", "that of a block that began"))?;
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let kind = text(delta, "type").map_err(|_| Malformed::shape("delta.type", "a string"))?;
        let Some((_, from, to)) = DELTAS.iter().find(|known| known.0 == kind) else { return Ok(()) };
        let added = growing.added.entry(to).or_default();
        // A signature comes whole, and the last one counts.
        if *to == "signature" {
            added.clear();
        }
        self.room.push(added, maybe_text(delta, from)?.unwrap_or_default())
    }
}

impl Growing {
    fn finish(mut self, blocks: &mut Blocks) -> Result<(), Malformed> {
        let input = self.added.remove("input").filter(|input| !input.is_empty());
        let kind = text(&self.start, "type")?;
        if let (true, Some(input)) = (is_call(kind), &input) {
            let (id, name) = (text(&self.start, "id")?, text(&self.start, "name")?);
            return blocks.call(Speaker::Assistant, id, name, input.clone());
        }
        if let Some(input) = input {
            self.start["input"] = json(&input).unwrap_or(Value::String(input));
        }
        for (name, added) in self.added {
            let begun = maybe_text(&self.start, name)?.filter(|_| name != "signature").unwrap_or_default();
            self.start[name] = Value::String(format!("{begun}{added}"));
        }
        block(blocks, Speaker::Assistant, &self.start)
    }
}
