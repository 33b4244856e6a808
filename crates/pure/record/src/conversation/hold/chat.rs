//! `OpenAI`'s chat completions: calls grow by deltas side by side, and end with their choice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::messages::Tally;
use super::{Asks, Event, Hold, Stop, WITHHELD, items, withheld};
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
    /// It takes any text.
    custom: bool,
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

    /// As it is when all of it came.
    fn whole(&self) -> Value {
        let (id, name, input) = (&self.id, &self.name, &self.input);
        match self.custom {
            true => json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}}),
            false => json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}}),
        }
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
                let Some(told) = judged(call, function(call), asks)? else {
                    tally.count(false);
                    kept.push(call.take());
                    continue;
                };
                changed = true;
                let stays = asks.withhold(&call["id"], call, &told);
                tally.count(!stays);
                match stays {
                    true => kept.push(stand_in(call, &told)),
                    false => words.push(told),
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

/// A call of the tool that no program has, in the place of this one.
fn stand_in(call: &Value, told: &str) -> Value {
    let arguments = withheld::arguments(told).to_string();
    json!({"id": call["id"], "type": "function", "function": {"name": WITHHELD, "arguments": arguments}})
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
            call.custom |= piece.get("custom").is_some();
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
            let mut change = Change::default();
            let mut next = 0..;
            for (at, call) in calls {
                match asks.ask(|blocks| call.read(blocks))? {
                    None => {
                        change.tally.count(false);
                        numbers.extend(next.next().map(|number| ((choice, at), number)));
                    }
                    Some(told) => change.take(at, &call.whole(), told, asks),
                }
            }
            if change.is_some() {
                change.number(&mut next);
                changed.insert(choice, change);
            }
        }
        if changed.is_empty() {
            out.append(&mut queue);
            return Ok(());
        }
        let Some(like) = queue.first().map(|event| event.value.clone()) else { return Ok(()) };
        let say = |choice: u64, delta: Value| {
            let mut said = like.clone();
            said["choices"] = json!([{"index": choice, "delta": delta, "finish_reason": null}]);
            Event::new(said)
        };
        for (choice, change) in changed.iter().filter(|(_, change)| !change.words.is_empty()) {
            out.push(say(*choice, json!({"content": change.words.join("\n")})));
        }
        let mut places = places.into_iter();
        for mut event in queue {
            for choice in items(event.change(), "choices") {
                let index = count(choice, "index").unwrap_or(0);
                let number = |at: u64| numbers.get(&(index, at)).copied();
                without(choice, &mut places, number);
                let Some(change) = changed.get_mut(&index) else { continue };
                if change.tally.is_without_calls() {
                    stopped(choice);
                }
                if !choice["finish_reason"].is_null() && !change.calls.is_empty() {
                    out.push(say(index, json!({"tool_calls": std::mem::take(&mut change.calls)})));
                }
            }
            out.push(event);
        }
        // Where a choice did not say that it ends.
        for (choice, change) in changed.iter_mut().filter(|(_, change)| !change.calls.is_empty()) {
            out.push(say(*choice, json!({"tool_calls": std::mem::take(&mut change.calls)})));
        }
        Ok(())
    }
}

/// What stands in the place of calls of one choice.
#[derive(Default)]
struct Change {
    tally: Tally,
    words: Vec<String>,
    /// Calls of the tool that no program has.
    calls: Vec<Value>,
}

impl Change {
    const fn is_some(&self) -> bool {
        !self.words.is_empty() || !self.calls.is_empty()
    }

    fn take(&mut self, at: u64, call: &Value, told: String, asks: &mut Asks<'_>) {
        let stays = at != OLDER && asks.withhold(&call["id"], call, &told);
        self.tally.count(!stays);
        match stays {
            true => self.calls.push(stand_in(call, &told)),
            false => self.words.push(told),
        }
    }

    /// Behind the calls that go on.
    fn number(&mut self, next: &mut impl Iterator<Item = u64>) {
        self.calls.iter_mut().zip(next).for_each(|(call, number)| call["index"] = number.into());
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
