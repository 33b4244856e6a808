//! Answers that hold vectors: what they cost, and whether there was an answer at all.

use serde_json::Value;

use super::{Assemble, Delivered, keep_count, keep_text, problem};
use crate::conversation::shape::{Malformed, field};

#[derive(Default)]
pub(super) struct Assembly(Delivered);

impl Assemble for Assembly {
    fn event(&mut self, event: &Value) -> Result<(), Malformed> {
        self.body(event)
    }

    fn body(&mut self, body: &Value) -> Result<(), Malformed> {
        let delivered = &mut self.0;
        let usage = body.get("usage").unwrap_or(&Value::Null);
        keep_text(&mut delivered.model, body, "model");
        keep_count(&mut delivered.usage.input, usage, "prompt_tokens");
        keep_count(&mut delivered.usage.input, body, "prompt_eval_count");
        delivered.error = problem(body);
        delivered.whole = ["data", "embedding", "embeddings"].iter().any(|name| field(body, name).is_some());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Delivered, Malformed> {
        Ok(self.0)
    }
}
