//! Ollama's answers: one object a line, each with the next piece. An answer that is not streamed is the only one.

use serde_json::Value;

use super::{Assemble, Delivered, Room, keep_count, keep_text, problem};
use crate::conversation::block::{Content, Speaker};
use crate::conversation::ollama::{context, said};
use crate::conversation::shape::{Blocks, Malformed, field, maybe_text};

#[derive(Default)]
pub(super) struct Assembly {
    delivered: Delivered,
    thinking: String,
    said: String,
    /// Calls, and the conversation as tokens.
    others: Blocks,
    room: Room,
}

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        keep_text(&mut self.delivered.model, event, "model");
        keep_text(&mut self.delivered.stop, event, "done_reason");
        keep_count(&mut self.delivered.usage.input, event, "prompt_eval_count");
        keep_count(&mut self.delivered.usage.output, event, "eval_count");
        self.delivered.whole |= event.get("done").and_then(Value::as_bool).unwrap_or(false);
        if let Some(error) = problem(event) {
            self.delivered.error = Some(error);
        }
        if let Some(message) = field(event, "message") {
            self.message(message)?;
        }
        self.room.push(&mut self.thinking, maybe_text(event, "thinking")?.unwrap_or_default())?;
        self.room.push(&mut self.said, maybe_text(event, "response")?.unwrap_or_default())?;
        context(&mut self.others, event)
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        self.event(body)
    }

    fn finish(mut self: Box<Self>) -> Result<Delivered, Malformed> {
        let mut blocks = Blocks::default();
        blocks.thinking(Speaker::Assistant, &self.thinking)?;
        blocks.text(Speaker::Assistant, &self.said)?;
        self.others.0.into_iter().try_for_each(|block| blocks.push(block.speaker, block.content))?;
        self.delivered.blocks = blocks.0;
        Ok(self.delivered)
    }
}

impl Assembly {
    fn message(&mut self, message: &Value) -> Result<(), Malformed> {
        let mut piece = Blocks::default();
        said(&mut piece, Speaker::Assistant, message)?;
        for block in piece.0 {
            match block.content {
                Content::Text(more) => self.room.push(&mut self.said, &more)?,
                Content::Thinking(more) => self.room.push(&mut self.thinking, &more)?,
                Content::ToolCall { ref id, ref name, ref arguments } => {
                    self.room.take(id.len() + name.len() + arguments.len())?;
                    self.others.push(block.speaker, block.content)?;
                }
                other => self.others.push(block.speaker, other)?,
            }
        }
        Ok(())
    }
}
