//! Gemini's: a call is a part, and each part is whole.

use serde_json::{Value, json};

use super::{Asks, Event, Hold, Stop, items};
use crate::conversation::Speaker;
use crate::conversation::gemini::{either, parts};

#[derive(Default)]
pub(super) struct Calls;

impl Hold for Calls {
    fn event(&mut self, mut event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop> {
        if chunk(&mut event.value, asks)? {
            event.change();
        }
        out.push(event);
        Ok(false)
    }

    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
        match body {
            Value::Array(chunks) => {
                let mut changed = false;
                for one in chunks {
                    changed |= chunk(one, asks)?;
                }
                Ok(changed)
            }
            one => chunk(one, asks),
        }
    }
}

fn chunk(chunk: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop> {
    let mut changed = false;
    for candidate in items(chunk, "candidates") {
        let Some(content) = candidate.get_mut("content") else { continue };
        for part in items(content, "parts") {
            if either(part, "functionCall", "function_call").is_none() {
                continue;
            }
            let alone = json!({"parts": [part]});
            if let Some(text) = asks.ask(|blocks| parts(blocks, Speaker::Assistant, &alone))? {
                *part = json!({"text": text});
                changed = true;
            }
        }
    }
    Ok(changed)
}
