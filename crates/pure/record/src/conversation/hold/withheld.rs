//! A call that does not go on, in wires where calls have ids: a call of a tool that no program has stands in its place. The
//! program answers that with an error of its own, and so its model goes on; when both come back with the next request, the
//! model's call and the reason take their places again. Where calls have no ids, a text stands there, and the turn is over.

use serde_json::{Value, json};

use super::items;
use crate::conversation::Wire;

/// The tool that no program has.
pub const WITHHELD: &str = "withheld_by_bastide";

/// A call that did not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The call's, which what stands in its place has too.
    pub id: String,
    /// As the wire has it.
    pub call: Value,
    /// What its model is told as the result.
    pub told: String,
}

/// What the tool that no program has is called with: whoever looks on sees why.
pub(super) fn arguments(told: &str) -> Value {
    json!({"why": told})
}

/// Puts calls that did not go on, and what their models are told of them, in their places in a request. Only what the program
/// was given counts as such a call; what it says of the result does not.
pub fn restore<'k>(wire: Wire, request: &mut Value, known: impl Fn(&str) -> Option<&'k Withheld>) {
    let of = |holder: &Value, id: &str| holder[id].as_str().and_then(&known);
    match wire {
        Wire::Messages => {
            let contents = items(request, "messages").filter_map(|message| message.get_mut("content")?.as_array_mut());
            for block in contents.flatten() {
                if let Some(withheld) = of(block, "id").filter(|_| is(&block["name"])) {
                    block["name"] = withheld.call["name"].clone();
                    block["input"] = Some(&withheld.call["input"])
                        .filter(|input| input.is_object())
                        .cloned()
                        .unwrap_or_else(|| json!({}));
                } else if let Some(withheld) = of(block, "tool_use_id") {
                    block["content"] = withheld.told.clone().into();
                    block["is_error"] = true.into();
                }
            }
        }
        Wire::Chat => {
            for message in items(request, "messages") {
                for call in items(message, "tool_calls") {
                    if let Some(withheld) = of(call, "id").filter(|_| is(&call["function"]["name"])) {
                        *call = withheld.call.clone();
                    }
                }
                if let Some(withheld) = of(message, "tool_call_id") {
                    message["content"] = withheld.told.clone().into();
                }
            }
        }
        Wire::Responses => {
            for item in items(request, "input") {
                let Some(withheld) = of(item, "call_id") else { continue };
                if is(&item["name"]) {
                    *item = withheld.call.clone();
                } else if item["type"] == "function_call_output" {
                    if withheld.call["type"] == "custom_tool_call" {
                        item["type"] = "custom_tool_call_output".into();
                    }
                    item["output"] = withheld.told.clone().into();
                }
            }
        }
        Wire::Gemini | Wire::Ollama | Wire::Embeddings => {}
    }
}

fn is(name: &Value) -> bool {
    name == WITHHELD
}
