//! Anthropic's: a text begins with its block, grows by deltas, and ends with it. What a provider's tools found comes whole.

use serde_json::{Value, json};

use super::{Key, Place, Places, Visit, at_once, text};
use crate::conversation::messages::is_call;
use crate::conversation::shape::count;

pub(super) struct Texts;

/// A block's kind, and its field that grows.
const GROWING: [(&str, &str); 3] = [("text", "text"), ("thinking", "thinking"), ("compaction", "content")];

fn key(event: &Value, name: &str) -> Key {
    (count(event, "index").unwrap_or(0), 0, name.to_owned())
}

fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind
}

/// What of a block grows, and what is there at once.
fn block(value: &mut Value, key: &dyn Fn(&str) -> Place, at: &mut Visit<'_>) {
    let kind = value["type"].as_str().unwrap_or_default().to_owned();
    if is_call(&kind) {
        return;
    }
    match GROWING.iter().find(|known| known.0 == kind) {
        None => at_once(value, at),
        Some((_, field)) => {
            if let Some(text) = text(value, field) {
                at(key(field), text);
            }
            if let Some(citations) = value.get_mut("citations") {
                at_once(citations, at);
            }
        }
    }
}

impl Places for Texts {
    fn each(&self, event: &mut Value, at: &mut Visit<'_>) {
        let own = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let piece = |name: &str| Place::Piece((own, 0, name.to_owned()));
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.body(&mut event["message"], at),
            "content_block_start" => block(&mut event["content_block"], &piece, at),
            "content_block_delta" => {
                let delta = &mut event["delta"];
                let kind = delta["type"].as_str().unwrap_or_default().strip_suffix("_delta").unwrap_or_default();
                match (kind, GROWING.iter().find(|known| known.0 == kind)) {
                    (_, Some((_, field))) => text(delta, field).into_iter().for_each(|text| at(piece(field), text)),
                    ("input_json" | "signature", None) => {}
                    (_, None) => at_once(delta, at),
                }
            }
            _ => {}
        }
    }

    fn body(&self, body: &mut Value, at: &mut Visit<'_>) {
        for value in super::super::items(body, "content") {
            block(value, &|_| Place::Whole, at);
        }
    }

    fn ends(&self, event: &Value, key: &Key) -> bool {
        let signed = is(&event["delta"], "signature_delta") || is(event, "content_block_stop");
        is(event, "message_delta") || is(event, "message_stop") || signed && self::key(event, "").0 == key.0
    }

    fn signature<'e>(&self, event: &'e Value) -> Option<(Key, &'e str)> {
        let signature = event["delta"]["signature"].as_str()?;
        is(&event["delta"], "signature_delta").then(|| (key(event, "thinking"), signature))
    }

    fn signed(&self, body: &Value) -> Vec<(String, String)> {
        let blocks = body["content"].as_array().into_iter().flatten();
        let signed = blocks.filter(|block| is(block, "thinking")).filter_map(|block| {
            Some((block["signature"].as_str()?.to_owned(), block["thinking"].as_str()?.to_owned()))
        });
        signed.collect()
    }

    fn keeps(&self) -> bool {
        true
    }

    fn alone(&self, _event: &Value, (index, _, name): &Key) -> Value {
        let kind = GROWING.iter().find(|known| known.1 == name).map_or("text", |known| known.0);
        let delta = json!({"type": format!("{kind}_delta"), name.as_str(): ""});
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }
}
