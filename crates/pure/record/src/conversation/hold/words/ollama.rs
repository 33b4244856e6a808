//! Ollama's: each line holds the next piece, of a message or of a completion.

use serde_json::{Value, json};

use super::{Key, Place, Places, Visit, leaves, without_seals};

pub(super) struct Texts;

/// Fields of a line that grow; those of a message are its own.
const OWN: [&str; 2] = ["response", "thinking"];

fn visit(line: &mut Value, at: &mut dyn FnMut(&str, &mut String)) {
    for name in OWN {
        line.get_mut(name).into_iter().for_each(|text| leaves(text, name, at));
    }
    line.get_mut("message").into_iter().for_each(|message| leaves(message, "message", at));
}

impl Places for Texts {
    fn each(&self, event: &mut Value, at: &mut Visit<'_>) {
        visit(event, &mut |path, text| at(Place::Piece((0, 0, path.to_owned())), text));
    }

    fn body(&self, body: &mut Value, at: &mut Visit<'_>) {
        visit(body, &mut |_, text| at(Place::Whole, text));
    }

    fn ends(&self, event: &Value, _: &Key) -> bool {
        event["done"] == true
    }

    fn alone(&self, event: &Value, (_, _, path): &Key) -> Value {
        let mut alone = json!({"done": false});
        for name in ["model", "created_at"].into_iter().filter(|name| !event[name].is_null()) {
            alone[name] = event[name].clone();
        }
        let Some(field) = path.strip_prefix("message.").and_then(|rest| rest.split(['.', '[']).next()) else {
            let field = path.split(['.', '[']).next().unwrap_or_default();
            alone[field] = without_seals(event[field].clone());
            visit(&mut alone, &mut |_, text| text.clear());
            return alone;
        };
        // A chat's message has words, even none.
        alone["message"] = json!({"role": "assistant", "content": ""});
        alone["message"][field] = without_seals(event["message"][field].clone());
        visit(&mut alone, &mut |_, text| text.clear());
        alone
    }

    fn strip(&self, event: &mut Value) -> bool {
        event.as_object_mut().is_some_and(|event| event.remove("logprobs").is_some())
    }
}
