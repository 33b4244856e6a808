//! Model conversations. The first byte picks wire and form, the rest is a request or an answer. A request that is read has
//! nothing new when it is sent again; an answer is the same in pieces, and comes back as delivered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::conversation::{Answer, Conversation, Delivered, History, Malformed, Speaker, Standing, Wire, plain, read};

const WIRES: [Wire; 6] = [Wire::Messages, Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama, Wire::Embeddings];
const PATHS: [&str; 4] =
    ["/v1/models/m:embedContent", "/api/generate", "/v1/models/m:batchEmbedContents", "/v1/messages"];

fn answered(wire: Wire, streams: bool, bytes: &[u8], step: usize) -> Result<Delivered, Malformed> {
    let mut answer = Answer::new(wire, streams);
    bytes.chunks(step).try_for_each(|piece| answer.push(piece))?;
    answer.finish()
}

fn request(wire: Wire, path: &str, bytes: &[u8]) {
    let Ok(body) = serde_json::from_slice(bytes) else { return };
    let Ok(conversation) = read(wire, path, &body) else { return };
    let mut history = History::new();
    let first = history.sort(&conversation);
    assert_eq!(first.len(), conversation.blocks.len());
    assert!(first.iter().all(|(_, standing)| *standing != Standing::Delivered), "delivered by nobody");
    assert!(!history.sort(&conversation).iter().any(|(_, standing)| standing.is_new()), "new twice");
    let seen: usize = conversation.blocks.iter().map(|block| plain(block).len()).sum();
    assert!(seen <= bytes.len() * 8, "a matcher sees far more than was sent");
}

fn answer(wire: Wire, streams: bool, bytes: &[u8]) {
    let whole = answered(wire, streams, bytes, usize::MAX);
    for step in [1, 7] {
        assert_eq!(answered(wire, streams, bytes, step), whole, "in pieces of {step}");
    }
    let Ok(Delivered { blocks, .. }) = whole else { return };
    let mut history = History::new();
    history.delivered(&blocks);
    let conversation = Conversation { blocks, ..Conversation::default() };
    for (block, standing) in history.sort(&conversation) {
        let own = block.speaker == Speaker::Assistant;
        assert_eq!(standing == Standing::Delivered, own, "{block:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&form, rest)) = bytes.split_first() else { return };
    let wire = WIRES[usize::from(form & 15) % WIRES.len()];
    match form >> 4 & 7 {
        form @ 0..4 => request(wire, PATHS[usize::from(form)], rest),
        form => answer(wire, form % 2 == 0, rest),
    }
});
