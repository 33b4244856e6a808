//! Anthropic's: a call is a block that begins, grows and ends.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Asks, Event, Held, Hold, Step, Stop, WITHHELD, items, withheld};
use crate::conversation::Speaker;
use crate::conversation::messages::block;
use crate::conversation::shape::count;

#[derive(Default)]
pub(super) struct Calls {
    held: Held,
    tally: Tally,
}

/// Calls that went on, and those that did not.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    taken: usize,
}

impl Tally {
    pub(super) fn count(&mut self, taken: bool) {
        *if taken { &mut self.taken } else { &mut self.passed } += 1;
    }

    /// An answer of which no call is left did not stop for one.
    pub(super) const fn is_without_calls(&self) -> bool {
        self.taken > 0 && self.passed == 0
    }
}

fn is_call(block: &Value) -> bool {
    block["type"] == "tool_use"
}

impl Hold for Calls {
    fn event(&mut self, mut event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop> {
        let (kind, index) = (event.value["type"].as_str().unwrap_or_default(), count(&event.value, "index"));
        let begins = kind == "content_block_start" && is_call(&event.value["content_block"]);
        let ends = kind == "content_block_stop";
        // It says that somebody is still there, and belongs to no block.
        if kind == "ping" {
            out.push(event);
            return Ok(!self.held.queue.is_empty());
        }
        // No block goes on behind the last of them, whether or not it was ended.
        if matches!(kind, "message_delta" | "message_stop") {
            let held = self.held.end();
            self.settle(held, asks, out)?;
        }
        if kind == "message_delta" && self.tally.is_without_calls() {
            stopped(event.change().get_mut("delta"));
        }
        match self.held.take(event, index, (begins, ends)) {
            Step::Goes(event) => out.push(event),
            Step::Over(held) => self.settle(held, asks, out)?,
            Step::Waits => return Ok(true),
        }
        Ok(false)
    }

    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        let mut changed = false;
        for node in items(body, "content").filter(|node| is_call(node)) {
            let told = asks.ask(|blocks| block(blocks, Speaker::Assistant, node))?;
            let Some(told) = told else {
                self.tally.count(false);
                continue;
            };
            changed = true;
            let stays = asks.withhold(&node["id"], node, &told);
            self.tally.count(!stays);
            *node = match stays {
                true => stand_in(node, withheld::arguments(&told)),
                false => json!({"type": "text", "text": told}),
            };
        }
        if self.tally.is_without_calls() {
            stopped(Some(body));
        }
        Ok(changed)
    }
}

/// A call of the tool that no program has, in the place of this one.
fn stand_in(call: &Value, input: Value) -> Value {
    json!({"type": "tool_use", "id": call["id"], "name": WITHHELD, "input": input})
}

fn stopped(holder: Option<&mut Value>) {
    if let Some(stop) = holder.and_then(|holder| holder.get_mut("stop_reason"))
        && *stop == "tool_use"
    {
        *stop = "end_turn".into();
    }
}

impl Calls {
    fn settle(&mut self, queue: Vec<Event>, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<(), Stop> {
        let mut taken = BTreeSet::new();
        for event in &queue {
            let Some(index) = count(&event.value, "index") else { continue };
            let is = |kind: &str| event.value["type"] == kind;
            if is("content_block_start") && is_call(&event.value["content_block"]) {
                let call = whole(&event.value["content_block"], index, &queue);
                if let Some(told) = asks.ask(|blocks| block(blocks, Speaker::Assistant, &call))? {
                    taken.insert(index);
                    let stays = asks.withhold(&call["id"], &call, &told);
                    self.tally.count(!stays);
                    let (start, delta) = if stays {
                        let input = withheld::arguments(&told).to_string();
                        let delta = json!({"type": "input_json_delta", "partial_json": input});
                        (stand_in(&call, json!({})), delta)
                    } else {
                        (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": told}))
                    };
                    out.push(Event::new(
                        json!({"type": "content_block_start", "index": index, "content_block": start}),
                    ));
                    out.push(Event::new(json!({"type": "content_block_delta", "index": index, "delta": delta})));
                    continue;
                }
                self.tally.count(false);
            }
            if !taken.contains(&index) || is("content_block_stop") {
                out.push(event.clone());
            }
        }
        // What belongs to no block.
        out.extend(queue.into_iter().filter(|event| count(&event.value, "index").is_none()));
        Ok(())
    }
}

/// A call as it is when all of it came.
fn whole(start: &Value, index: u64, queue: &[Event]) -> Value {
    let grown = queue.iter().filter(|event| count(&event.value, "index") == Some(index));
    let input: String = grown.filter_map(|event| event.value["delta"]["partial_json"].as_str()).collect();
    let mut call = start.clone();
    if !input.is_empty() {
        // What is no JSON, or has a name twice, is judged as the text that it is.
        call["input"] = super::parse(&input).unwrap_or(Value::String(input));
    }
    call
}
