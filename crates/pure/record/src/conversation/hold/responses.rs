//! `OpenAI`'s responses: items that begin, grow and end; and all of them once more when the response is over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Asks, Block, Event, Held, Hold, Step, Stop, WITHHELD, withheld};
use crate::conversation::responses::item;
use crate::conversation::shape::{Blocks, count};
use crate::segment::Hash;

#[derive(Default)]
pub(super) struct Calls {
    held: Held,
    /// What stands in the place of each call that was judged, by its id and what it means; none where it went on.
    judged: BTreeMap<(String, Hash), Option<Instead>>,
}

/// What stands in the place of a call.
#[derive(Clone)]
struct Instead {
    told: String,
    /// A call of the tool that no program has; else a text.
    stays: bool,
}

/// What the program itself is to carry out.
pub(super) fn is_call(item: &Value) -> bool {
    const CALLS: [&str; 6] =
        ["function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call"];
    item["type"].as_str().is_some_and(|kind| CALLS.contains(&kind))
}

/// What stands in the place of a call.
fn stand_in(call: &Value, Instead { told, stays }: &Instead) -> Value {
    if *stays {
        let arguments = withheld::arguments(told).to_string();
        return json!({"type": "function_call", "id": call["id"], "call_id": call["call_id"], "status": "completed",
            "name": WITHHELD, "arguments": arguments});
    }
    let part = json!({"type": "output_text", "text": told, "annotations": []});
    json!({"type": "message", "id": call["id"], "role": "assistant", "status": "completed", "content": [part]})
}

/// Calls of a kind whose result is a text.
fn answers_in_text(call: &Value) -> bool {
    call["type"] == "function_call" || call["type"] == "custom_tool_call"
}

impl Hold for Calls {
    fn event(&mut self, mut event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop> {
        let (kind, index) =
            (event.value["type"].as_str().unwrap_or_default().to_owned(), count(&event.value, "output_index"));
        let kind = kind.as_str();
        let ends = kind == "response.output_item.done";
        let begins = kind == "response.output_item.added" || ends;
        if event.value["response"]["output"].is_array() {
            let mut response = event.value["response"].take();
            let changed = self.output(&mut response, asks)?;
            event.value["response"] = response;
            if changed {
                event.change();
            }
        }
        let begins = begins && is_call(&event.value["item"]);
        // No item ends behind the response: what did not goes on in no part, and the rest is not lost with it.
        if matches!(kind, "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled") {
            let held = self.held.ended();
            self.settle(held, asks, out)?;
        }
        match self.held.take(event, index, (begins, ends)) {
            Step::Goes(event) => out.push(event),
            Step::Over(held) => self.settle(held, asks, out)?,
            Step::Waits => return Ok(true),
        }
        Ok(false)
    }

    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        self.output(body, asks)
    }
}

impl Calls {
    /// The items of a response that is over.
    fn output(&mut self, response: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        let mut changed = false;
        for node in super::items(response, "output").filter(|node| is_call(node)) {
            if let Some(instead) = self.judge(node, asks)? {
                *node = instead;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// What stands in the place of a call. It is told twice, and judged once.
    fn judge(&mut self, call: &Value, asks: &mut Asks<'_>) -> Result<Option<Value>, Stop> {
        let mut blocks = Blocks::default();
        item(&mut blocks, call)?;
        let Some(meant) = blocks.0.first().map(Block::digest) else { return Ok(None) };
        // Two that mean the same are two calls.
        let meant = (call["call_id"].as_str().unwrap_or_default().to_owned(), meant);
        let instead = match self.judged.get(&meant) {
            Some(known) => known.clone(),
            None => {
                let told = asks.ask(|blocks| item(blocks, call))?;
                let instead = told.map(|told| {
                    let stays = answers_in_text(call) && asks.withhold(&call["call_id"], call, &told);
                    Instead { told, stays }
                });
                self.judged.entry(meant).or_insert(instead).clone()
            }
        };
        Ok(instead.map(|instead| stand_in(call, &instead)))
    }

    fn settle(&mut self, queue: Vec<Event>, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<(), Stop> {
        let mut instead = BTreeMap::new();
        for event in &queue {
            let (node, index) = (&event.value["item"], count(&event.value, "output_index"));
            if let (Some(index), true) = (index, event.value["type"] == "response.output_item.done" && is_call(node)) {
                // What the item is when it ended counts, whatever grew before.
                if let Some(text) = self.judge(node, asks)? {
                    instead.insert(index, text);
                }
            }
        }
        for event in queue {
            let index = count(&event.value, "output_index");
            match index.and_then(|index| Some((index, instead.get(&index)?))) {
                None => out.push(event),
                Some((index, item)) if event.value["type"] == "response.output_item.done" => {
                    said(index, item, &event.value["sequence_number"], out);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// All events of an item that is there at once.
fn said(index: u64, item: &Value, number: &Value, out: &mut Vec<Event>) {
    let all = if item["type"] == "message" { text(item) } else { call(item) };
    for (kind, more) in all {
        let mut event = json!({"type": kind, "output_index": index, "sequence_number": number});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        out.push(Event::new(event));
    }
}

fn text(item: &Value) -> Vec<(&'static str, Value)> {
    let (part, id) = (&item["content"][0], &item["id"]);
    let begun = json!({"type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": []});
    let empty = json!({"type": "output_text", "text": "", "annotations": []});
    let text = &part["text"];
    vec![
        ("response.output_item.added", json!({"item": begun})),
        ("response.content_part.added", json!({"item_id": id, "content_index": 0, "part": empty})),
        ("response.output_text.delta", json!({"item_id": id, "content_index": 0, "delta": text})),
        ("response.output_text.done", json!({"item_id": id, "content_index": 0, "text": text})),
        ("response.content_part.done", json!({"item_id": id, "content_index": 0, "part": part})),
        ("response.output_item.done", json!({"item": item})),
    ]
}

fn call(item: &Value) -> Vec<(&'static str, Value)> {
    let (id, arguments, mut begun) = (&item["id"], &item["arguments"], item.clone());
    (begun["arguments"], begun["status"]) = ("".into(), "in_progress".into());
    vec![
        ("response.output_item.added", json!({"item": begun})),
        ("response.function_call_arguments.delta", json!({"item_id": id, "delta": arguments})),
        ("response.function_call_arguments.done", json!({"item_id": id, "arguments": arguments})),
        ("response.output_item.done", json!({"item": item})),
    ]
}
