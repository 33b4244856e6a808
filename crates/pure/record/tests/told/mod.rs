//! Fixtures, and blocks as one line each.

#![allow(dead_code, reason = "each test file uses its own part")]

use record::conversation::{Answer, Block, Content, Conversation, Delivered, Speaker, Wire, read};

/// The bytes of a fixture.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A request's fixture, read.
pub(crate) fn request(wire: Wire, path: &str, name: &str) -> Conversation {
    read(wire, path, &serde_json::from_slice(&bytes(name)).expect(name)).expect(name)
}

/// A streamed answer's fixture, read.
pub(crate) fn answer(wire: Wire, name: &str) -> Delivered {
    let mut answer = Answer::new(wire, true);
    answer.push(&bytes(name)).expect(name);
    answer.finish().expect(name)
}

/// Each block as a line.
pub(crate) fn lines(blocks: &[Block]) -> Vec<String> {
    blocks.iter().map(line).collect()
}

/// Who, what kind, and all of it but digests.
pub(crate) fn line(block: &Block) -> String {
    let speaker = match block.speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    let content = match &block.content {
        Content::Text(text) => format!("text {text}"),
        Content::Thinking(text) => format!("thinking {text}"),
        Content::ToolCall { id, name, arguments } => format!("call {id} {name} {arguments}"),
        Content::ToolResult { id, text, failed } => {
            format!("{} {id} {text}", if *failed { "failure" } else { "result" })
        }
        Content::Attachment { kind, url, .. } => format!("attachment {kind} {}", url.as_deref().unwrap_or("-")),
        Content::Unknown { kind, json } => format!("unknown {kind} {json}"),
    };
    format!("{speaker} {content}")
}
