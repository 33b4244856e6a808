//! `OpenAI`'s chat completions: a choice grows by deltas. Providers name thoughts as they like, so every text of a delta is
//! one that grows, but for calls.

use serde_json::{Value, json};

use super::{Key, Place, Places, Visit, leaves, without_seals};
use crate::conversation::hold::items;
use crate::conversation::shape::count;

pub(super) struct Texts;

/// The choices of an event, by their numbers.
fn choices(event: &mut Value) -> impl Iterator<Item = (u64, &mut Value)> {
    items(event, "choices").map(|choice| (count(choice, "index").unwrap_or(0), choice))
}

impl Places for Texts {
    fn each(&self, event: &mut Value, at: &mut Visit<'_>) {
        for (index, choice) in choices(event) {
            if let Some(delta) = choice.get_mut("delta") {
                leaves(delta, "", &mut |path, text| at(Place::Piece((index, 0, path.to_owned())), text));
            }
        }
    }

    fn body(&self, body: &mut Value, at: &mut Visit<'_>) {
        for (index, choice) in choices(body) {
            if let Some(message) = choice.get_mut("message") {
                leaves(message, "", &mut |path, text| at(Place::Piece((index, 0, path.to_owned())), text));
            }
        }
    }

    fn ends(&self, event: &Value, key: &Key) -> bool {
        let mut choices = event["choices"].as_array().into_iter().flatten();
        choices.any(|choice| count(choice, "index").unwrap_or(0) == key.0 && !choice["finish_reason"].is_null())
    }

    fn alone(&self, event: &Value, (index, _, path): &Key) -> Value {
        let mut alone = event.clone();
        let field = path.split(['.', '[']).next().unwrap_or_default();
        let own = event["choices"].as_array().into_iter().flatten();
        let mut own = own.filter(|choice| count(choice, "index").unwrap_or(0) == *index);
        let held = own.find_map(|choice| choice["delta"].get(field)).cloned().unwrap_or_else(|| "".into());
        let mut delta = json!({ field: without_seals(held) });
        leaves(&mut delta, "", &mut |_, text| text.clear());
        alone["choices"] = json!([{"index": index, "delta": delta, "finish_reason": null}]);
        if let Some(alone) = alone.as_object_mut() {
            alone.remove("usage");
        }
        alone
    }

    fn join(&self, into: &mut Value, other: &Value) -> bool {
        let (own, other) = (&mut into["choices"][0], &other["choices"][0]);
        match (own["index"] == other["index"], own["delta"].as_object_mut(), other["delta"].as_object()) {
            (true, Some(own), Some(other)) if other.keys().all(|name| !own.contains_key(name)) => {
                own.extend(other.clone());
                true
            }
            _ => false,
        }
    }

    fn strip(&self, event: &mut Value) -> bool {
        let mut changed = false;
        for (_, choice) in choices(event) {
            // They spell the words, one after another.
            if choice.get("logprobs").is_some_and(|logprobs| !logprobs.is_null()) {
                choice["logprobs"] = Value::Null;
                changed = true;
            }
        }
        changed
    }
}
