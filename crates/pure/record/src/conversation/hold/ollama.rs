//! Ollama's: each line holds whole calls.

use serde_json::{Value, json};

use super::{Asks, Event, Hold, Stop, items};
use crate::conversation::Speaker;
use crate::conversation::ollama::said;

#[derive(Default)]
pub(super) struct Calls;

impl Hold for Calls {
    fn event(&mut self, mut event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop> {
        if line(&mut event.value, asks)? {
            event.change();
        }
        out.push(event);
        Ok(false)
    }

    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        line(body, asks)
    }
}

fn line(line: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
    let Some(message) = line.get_mut("message") else { return Ok(false) };
    let (mut kept, mut words) = (Vec::new(), Vec::new());
    for call in items(message, "tool_calls") {
        let alone = json!({"tool_calls": [call]});
        match asks.ask(|blocks| said(blocks, Speaker::Assistant, &alone))? {
            Some(text) => words.push(text),
            None => kept.push(call.take()),
        }
    }
    let changed = !words.is_empty();
    if message["tool_calls"].is_array() {
        message["tool_calls"] = kept.into();
    }
    if changed {
        let before = message["content"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        message["content"] = before.into_iter().chain(words).collect::<Vec<_>>().join("\n").into();
    }
    Ok(changed)
}
