//! Gemini's answers: chunks of candidates, whose parts follow each other. An answer that is not streamed is one chunk, or a
//! list of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Assemble, Delivered, Room, keep_count, keep_text, problem};
use crate::conversation::block::{Block, Content, Speaker};
use crate::conversation::gemini::parts;
use crate::conversation::shape::{Blocks, MAX_BLOCKS, Malformed, count, each, field};

#[derive(Default)]
pub(super) struct Assembly {
    delivered: Delivered,
    candidates: BTreeMap<u64, Candidate>,
    room: Room,
}

#[derive(Default)]
struct Candidate {
    blocks: Blocks,
    stopped: bool,
}

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        self.head(event);
        each(event, "candidates", |candidate| self.candidate(candidate))
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        match body {
            Value::Array(chunks) => chunks.iter().try_for_each(|chunk| self.event(chunk)),
            chunk => {
                // The counting of tokens answers with a number alone.
                keep_count(&mut self.delivered.usage.input, chunk, "totalTokens");
                self.delivered.whole = self.delivered.usage.input.is_some();
                self.event(chunk)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Delivered, Malformed> {
        self.delivered.whole |= !self.candidates.is_empty() && self.candidates.values().all(|one| one.stopped);
        let mut blocks = Blocks::default();
        for candidate in self.candidates.into_values() {
            candidate.blocks.0.into_iter().try_for_each(|block| blocks.push(block.speaker, block.content))?;
        }
        self.delivered.blocks = blocks.0;
        Ok(self.delivered)
    }
}

impl Assembly {
    fn head(&mut self, event: &Value) {
        let usage = event.get("usageMetadata").unwrap_or(&Value::Null);
        keep_text(&mut self.delivered.model, event, "modelVersion");
        keep_count(&mut self.delivered.usage.input, usage, "promptTokenCount");
        keep_count(&mut self.delivered.usage.cached, usage, "cachedContentTokenCount");
        let said = count(usage, "candidatesTokenCount");
        let thought = count(usage, "thoughtsTokenCount");
        if said.is_some() || thought.is_some() {
            self.delivered.usage.output = Some(said.unwrap_or(0).saturating_add(thought.unwrap_or(0)));
        }
        if let Some(error) = problem(event) {
            self.delivered.error = Some(error);
        }
        // A prompt that was refused has no candidate.
        let feedback = event.get("promptFeedback").unwrap_or(&Value::Null);
        keep_text(&mut self.delivered.stop, feedback, "blockReason");
        self.delivered.whole |= feedback.get("blockReason").is_some();
    }

    fn candidate(&mut self, event: &Value) -> Result<(), Malformed> {
        if self.candidates.len() >= MAX_BLOCKS {
            return Err(Malformed::TooMany);
        }
        let candidate = self.candidates.entry(count(event, "index").unwrap_or(0)).or_default();
        keep_text(&mut self.delivered.stop, event, "finishReason");
        candidate.stopped |= field(event, "finishReason").is_some();
        let mut more = Blocks::default();
        parts(&mut more, Speaker::Assistant, event.get("content").unwrap_or(&Value::Null))?;
        more.0.into_iter().try_for_each(|block| candidate.add(block, &mut self.room))
    }
}

impl Candidate {
    /// A text that follows a text is its next piece.
    fn add(&mut self, block: Block, room: &mut Room) -> Result<(), Malformed> {
        room.take(size(&block.content))?;
        match (self.blocks.0.last_mut().map(|last| &mut last.content), block.content) {
            (Some(Content::Text(text)), Content::Text(more)) => text.push_str(&more),
            (Some(Content::Thinking(text)), Content::Thinking(more)) => text.push_str(&more),
            (_, content) => self.blocks.push(block.speaker, content)?,
        }
        Ok(())
    }
}

fn size(content: &Content) -> usize {
    match content {
        Content::Text(text) | Content::Thinking(text) => text.len(),
        Content::ToolCall { id, name, arguments } => id.len() + name.len() + arguments.len(),
        Content::ToolResult { id, text, .. } => id.len() + text.len(),
        Content::Attachment { url, .. } => url.as_ref().map_or(0, String::len),
        Content::Unknown { json, .. } => json.len(),
    }
}
