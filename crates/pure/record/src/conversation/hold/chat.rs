//! `OpenAI`'s chat completions: calls grow by deltas side by side, and end with their choice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::messages::Tally;
use super::{Asks, Event, Hold, Stop, items};
use crate::conversation::Speaker;
use crate::conversation::shape::{Blocks, MAX_BLOCKS, Malformed, count, maybe_text};

/// The place of a call of the older form, of which there is one.
const OLDER: u64 = u64::MAX;

#[derive(Default)]
pub(super) struct Calls {
    queue: Vec<Event>,
    open: BTreeSet<u64>,
}

/// One call, as far as it grew.
#[derive(Default)]
struct Call {
    id: String,
    name: String,
    input: String,
}

impl Call {
    fn grow(&mut self, piece: &Value) -> Result<(), Malformed> {
        if self.name.is_empty() {
            self.name.push_str(maybe_text(piece, "name")?.unwrap_or_default());
        }
        let more = maybe_text(piece, "arguments")?.or(maybe_text(piece, "input")?);
        self.input.push_str(more.unwrap_or_default());
        Ok(())
    }

    fn read(&self, blocks: &mut Blocks) -> Result<(), Malformed> {
        blocks.call(Speaker::Assistant, &self.id, &self.name, self.input.clone())
    }
}

/// What a call does: of a function, or of a tool that takes any text.
fn function(call: &Value) -> &Value {
    call.get("function").or_else(|| call.get("custom")).unwrap_or(&Value::Null)
}

fn has_calls(delta: &Value) -> bool {
    delta["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty()) || delta["function_call"].is_object()
}

impl Hold for Calls {
    fn event(&mut self, event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop> {
        for choice in event.value["choices"].as_array().into_iter().flatten() {
            let index = count(choice, "index").unwrap_or(0);
            if has_calls(&choice["delta"]) {
                self.open.insert(index);
            }
        }
        if self.open.is_empty() && self.queue.is_empty() {
            out.push(event);
            return Ok(false);
        }
        for choice in event.value["choices"].as_array().into_iter().flatten() {
            if !choice["finish_reason"].is_null() {
                self.open.remove(&count(choice, "index").unwrap_or(0));
            }
        }
        self.queue.push(event);
        if self.open.is_empty() {
            self.settle(asks, out)?;
        }
        Ok(!self.queue.is_empty())
    }

    fn ended(&mut self, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<(), Stop> {
        self.open.clear();
        self.settle(asks, out)
    }

    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        let mut changed = false;
        for choice in items(body, "choices") {
            let Some(message) = choice.get_mut("message") else { continue };
            let (mut tally, mut kept, mut words) = (Tally::default(), Vec::new(), Vec::new());
            for call in items(message, "tool_calls") {
                let instead = judged(call, function(call), asks)?;
                tally.count(instead.is_some());
                match instead {
                    Some(text) => words.push(text),
                    None => kept.push(call.take()),
                }
            }
            if message["function_call"].is_object() {
                let instead = judged(&Value::Null, &message["function_call"], asks)?;
                tally.count(instead.is_some());
                if let (Some(text), Some(message)) = (instead, message.as_object_mut()) {
                    words.push(text);
                    message.remove("function_call");
                }
            }
            if message["tool_calls"].is_array() {
                message["tool_calls"] = kept.into();
            }
            if words.is_empty() {
                continue;
            }
            changed = true;
            let said = message["content"].as_str().into_iter().map(str::to_owned);
            message["content"] = said.chain(words).collect::<Vec<_>>().join("\n").into();
            if tally.is_without_calls() {
                message.as_object_mut().map(|message| message.remove("tool_calls"));
                stopped(choice);
            }
        }
        Ok(changed)
    }
}

fn judged(call: &Value, function: &Value, asks: &mut Asks<'_>) -> Result<Option<String>, Stop> {
    let mut read = Call { id: maybe_text(call, "id")?.unwrap_or_default().to_owned(), ..Call::default() };
    read.grow(function)?;
    asks.ask(|blocks| read.read(blocks))
}

fn stopped(choice: &mut Value) {
    if choice["finish_reason"] == "tool_calls" || choice["finish_reason"] == "function_call" {
        choice["finish_reason"] = "stop".into();
    }
}

/// Where a piece belongs: by its number, else by its id, which begins the next one.
fn place(call: &Value, last: Option<u64>) -> u64 {
    let begins = call["id"].as_str().is_some_and(|id| !id.is_empty());
    let next = last.map_or(0, |last| last.saturating_add(u64::from(begins)));
    count(call, "index").unwrap_or(next)
}

/// The calls of each choice, in order, and the places of the pieces as they came.
type Grown = BTreeMap<u64, BTreeMap<u64, Call>>;

fn grown(queue: &[Event]) -> Result<(Grown, Vec<u64>), Malformed> {
    let (mut grown, mut places) = (Grown::new(), Vec::new());
    for choice in queue.iter().flat_map(|event| event.value["choices"].as_array().into_iter().flatten()) {
        let calls = grown.entry(count(choice, "index").unwrap_or(0)).or_default();
        for piece in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let last = calls.keys().copied().rfind(|place| *place != OLDER);
            let at = place(piece, last);
            if places.len() >= 64 * MAX_BLOCKS || calls.len() >= MAX_BLOCKS {
                return Err(Malformed::TooMany);
            }
            places.push(at);
            let call = calls.entry(at).or_default();
            if call.id.is_empty() {
                call.id.push_str(maybe_text(piece, "id")?.unwrap_or_default());
            }
            call.grow(function(piece))?;
        }
        if choice["delta"]["function_call"].is_object() {
            calls.entry(OLDER).or_default().grow(&choice["delta"]["function_call"])?;
        }
    }
    Ok((grown, places))
}

impl Calls {
    fn settle(&mut self, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<(), Stop> {
        let mut queue = std::mem::take(&mut self.queue);
        let (grown, places) = grown(&queue)?;
        // For each call that goes on its new number; the others are taken out.
        let mut numbers: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let mut changed = BTreeMap::new();
        for (choice, calls) in grown {
            let (mut tally, mut words) = (Tally::default(), Vec::new());
            for (at, call) in calls {
                let instead = asks.ask(|blocks| call.read(blocks))?;
                tally.count(instead.is_some());
                match instead {
                    Some(text) => words.push(text),
                    None => {
                        let next = numbers.range((choice, 0)..=(choice, OLDER)).count() as u64;
                        numbers.insert((choice, at), next);
                    }
                }
            }
            if !words.is_empty() {
                changed.insert(choice, (words.join("\n"), tally));
            }
        }
        if changed.is_empty() {
            out.append(&mut queue);
            return Ok(());
        }
        if let Some(first) = queue.first() {
            for (choice, (text, _)) in &changed {
                let mut said = first.value.clone();
                said["choices"] = json!([{"index": choice, "delta": {"content": text}, "finish_reason": null}]);
                out.push(Event::new(said));
            }
        }
        let mut places = places.into_iter();
        for mut event in queue {
            for choice in items(event.change(), "choices") {
                let index = count(choice, "index").unwrap_or(0);
                let number = |at: u64| numbers.get(&(index, at)).copied();
                without(choice, &mut places, number);
                if changed.get(&index).is_some_and(|(_, tally)| tally.is_without_calls()) {
                    stopped(choice);
                }
            }
            out.push(event);
        }
        Ok(())
    }
}

/// Leaves out of a choice's delta what goes on no further, and numbers the rest anew.
fn without(choice: &mut Value, places: &mut impl Iterator<Item = u64>, number: impl Fn(u64) -> Option<u64>) {
    let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) else { return };
    if let Some(pieces) = delta.get_mut("tool_calls").and_then(Value::as_array_mut) {
        pieces.retain_mut(|piece| match places.next().and_then(&number) {
            Some(number) => {
                piece["index"] = number.into();
                true
            }
            None => false,
        });
        if pieces.is_empty() {
            delta.remove("tool_calls");
        }
    }
    if number(OLDER).is_none() {
        delta.remove("function_call");
    }
}
