//! Gemini's: parts of candidates, of which texts that follow one another are one.

use serde_json::{Value, json};

use super::{Key, Place, Places, Visit, at_once, text};
use crate::conversation::hold::items;
use crate::conversation::shape::count;

pub(super) struct Texts;

/// Whether a part is a thought; what is neither that nor words comes whole.
fn kind(part: &Value) -> Option<&'static str> {
    let name = if part["thought"] == true { "thought" } else { "text" };
    part["text"].is_string().then_some(name)
}

/// What a part holds that the program is to carry out.
fn is_call(part: &Value) -> bool {
    crate::conversation::gemini::either(part, "functionCall", "function_call").is_some()
}

fn visit(chunk: &mut Value, at: &mut dyn FnMut(u64, &mut Value)) {
    for candidate in items(chunk, "candidates") {
        let index = count(candidate, "index").unwrap_or(0);
        if let Some(content) = candidate.get_mut("content") {
            items(content, "parts").for_each(|part| at(index, part));
        }
        for name in ["citationMetadata", "groundingMetadata"] {
            candidate.get_mut(name).into_iter().for_each(|value| at(index, value));
        }
    }
}

impl Places for Texts {
    fn each(&self, event: &mut Value, at: &mut Visit<'_>) {
        visit(event, &mut |index, part| match kind(part) {
            Some(name) => {
                text(part, "text").into_iter().for_each(|text| at(Place::Piece((index, 0, name.to_owned())), text));
            }
            None if is_call(part) => {}
            None => at_once(part, at),
        });
    }

    /// Parts that follow one another are read as one text here, too.
    fn body(&self, body: &mut Value, at: &mut Visit<'_>) {
        match body {
            Value::Array(chunks) => chunks.iter_mut().for_each(|chunk| self.each(chunk, at)),
            one => self.each(one, at),
        }
    }

    fn ends(&self, event: &Value, key: &Key) -> bool {
        let candidates = event["candidates"].as_array().into_iter().flatten();
        let mut own = candidates.filter(|candidate| count(candidate, "index").unwrap_or(0) == key.0);
        own.any(|candidate| {
            let parts = candidate["content"]["parts"].as_array().into_iter().flatten();
            !candidate["finishReason"].is_null() || parts.into_iter().any(|part| kind(part) != Some(key.2.as_str()))
        })
    }

    fn alone(&self, event: &Value, (index, _, name): &Key) -> Value {
        let part = match name.as_str() {
            "thought" => json!({"text": "", "thought": true}),
            _ => json!({"text": ""}),
        };
        let content = json!({"role": "model", "parts": [part]});
        let mut alone = json!({"candidates": [{"index": index, "content": content}]});
        for name in ["modelVersion", "responseId"].into_iter().filter(|name| !event[name].is_null()) {
            alone[name] = event[name].clone();
        }
        alone
    }

    fn strip(&self, event: &mut Value) -> bool {
        let mut changed = false;
        for candidate in items(event, "candidates").filter_map(Value::as_object_mut) {
            changed |= candidate.remove("logprobsResult").is_some();
        }
        changed
    }
}
