use super::*;
use crate::conversation::block::{Content, Speaker};
use serde_json::json;

fn whole(wire: Wire, body: &Value) -> Delivered {
    let mut answer = Answer::new(wire, false);
    for piece in body.to_string().as_bytes().chunks(3) {
        answer.push(piece).expect("taken");
    }
    answer.finish().expect("an answer")
}

fn streamed(wire: Wire, text: &str) -> Result<Delivered, Malformed> {
    let mut answer = Answer::new(wire, true);
    answer.push(text.as_bytes())?;
    answer.finish()
}

fn texts(delivered: &Delivered) -> Vec<&str> {
    let of = |block: &'_ Block| block.speaker == Speaker::Assistant;
    assert!(delivered.blocks.iter().all(of));
    let said = delivered.blocks.iter().map(|block| match &block.content {
        Content::Text(text) | Content::Thinking(text) => text.as_str(),
        Content::ToolCall { name, .. } => name.as_str(),
        Content::Attachment { kind, .. } | Content::Unknown { kind, .. } => kind.as_str(),
        Content::ToolResult { id, .. } => id.as_str(),
    });
    said.collect()
}

#[test]
fn answers_that_come_whole() {
    let call = json!({"name": "run", "arguments": "{}"});
    for (wire, body, want, usage) in [
        (
            Wire::Messages,
            json!({"type": "message", "model": "m", "stop_reason": "tool_use", "content": [
                {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "hello"},
                {"type": "tool_use", "id": "1", "name": "run", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "2", "content": []}],
                "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3}}),
            vec!["redacted_thinking", "hello", "run", "web_search_tool_result"],
            (Some(3), Some(3), Some(2)),
        ),
        (
            Wire::Chat,
            json!({"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "reasoning": "hm", "content": "hello", "refusal": null,
                "tool_calls": [{"id": "1", "type": "function", "function": call}]}}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 3}}),
            vec!["hm", "hello", "run"],
            (Some(3), Some(3), None),
        ),
        (
            Wire::Responses,
            json!({"model": "m", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]},
                    {"type": "web_search_call", "id": "ws", "status": "completed"}],
                "usage": {"input_tokens": 3, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 0}}}),
            vec!["hello", "web_search_call"],
            (Some(3), Some(3), Some(0)),
        ),
        (
            Wire::Gemini,
            json!([{"candidates": [{"content": {"parts": [{"text": "hel"}]}}]},
                {"candidates": [{"content": {"parts": [{"text": "lo"}, {"executableCode": {"code": "1"}}]}, "finishReason": "STOP"}],
                "modelVersion": "m", "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 3}}]),
            vec!["hello", "executableCode"],
            (Some(3), Some(3), None),
        ),
        (
            Wire::Ollama,
            json!({"model": "m", "response": "hello", "context": [1, 2], "done": true, "done_reason": "stop",
                "prompt_eval_count": 3, "eval_count": 3}),
            vec!["hello", "context"],
            (Some(3), Some(3), None),
        ),
        (
            Wire::Embeddings,
            json!({"model": "m", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 3}}),
            vec![],
            (Some(3), None, None),
        ),
    ] {
        let delivered = whole(wire, &body);
        assert_eq!(texts(&delivered), want, "{wire:?}");
        let Usage { input, output, cached, .. } = delivered.usage;
        assert_eq!((input, output, cached), usage, "{wire:?}");
        assert!(delivered.whole && delivered.error.is_none(), "{wire:?}");
        assert_eq!(delivered.model.as_deref(), Some("m"), "{wire:?}");
    }
}

#[test]
fn counts_are_answers() {
    for (wire, body) in [
        (Wire::Messages, json!({"input_tokens": 7})),
        (Wire::Responses, json!({"object": "response.input_tokens", "input_tokens": 7})),
        (Wire::Gemini, json!({"totalTokens": 7})),
    ] {
        let delivered = whole(wire, &body);
        assert_eq!((delivered.usage.input, delivered.whole), (Some(7), true), "{wire:?}");
    }
}

#[test]
fn a_refusal_of_the_provider_is_no_answer() {
    for (wire, body) in [
        (Wire::Messages, json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})),
        (Wire::Chat, json!({"error": {"message": "slow down", "code": 429}})),
        (Wire::Responses, json!({"error": {"message": "slow down"}})),
        (Wire::Gemini, json!({"error": {"code": 429, "message": "slow down"}})),
        (Wire::Ollama, json!({"error": "slow down"})),
        (Wire::Embeddings, json!({"error": {"type": "slow down"}})),
    ] {
        let delivered = whole(wire, &body);
        assert_eq!((delivered.whole, delivered.error.as_deref()), (false, Some("slow down")), "{wire:?}");
    }
}

#[test]
fn what_is_no_answer_is_malformed() {
    let mut answer = Answer::new(Wire::Chat, false);
    answer.push(b"<html>").expect("held");
    assert_eq!(answer.finish(), Err(Malformed::NotJson));
    assert_eq!(Answer::new(Wire::Chat, false).finish(), Ok(Delivered::default()), "empty");

    for (wire, text, at) in [
        (Wire::Messages, "data: {}\n\n", "type"),
        (Wire::Messages, "data: {\"type\":\"content_block_delta\",\"index\":0}\n\n", "index"),
        (Wire::Chat, "data: {\"choices\":[{\"delta\":{\"content\":1}}]}\n\n", "choices[0].content"),
        (Wire::Responses, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n", "output_index"),
        (Wire::Gemini, "data: {\"candidates\":[1]}\n\n", "candidates[0]"),
        (Wire::Ollama, "{\"message\":{\"content\":1}}\n", "content"),
    ] {
        match streamed(wire, text) {
            Err(Malformed::Shape { at: place, .. }) => assert_eq!(place, at, "{wire:?}"),
            other => panic!("{wire:?}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_that_failed_stays_failed() {
    let mut answer = Answer::new(Wire::Chat, true);
    assert_eq!(answer.push(b"data: {\n\n"), Err(Malformed::NotJson));
    assert_eq!(answer.push(b"data: [DONE]\n\n"), Err(Malformed::NotJson));
    assert_eq!(answer.finish(), Err(Malformed::NotJson));
}

#[test]
fn no_answer_is_longer_than_there_is_room() {
    let piece = format!("data: {}\n\n", json!({"choices": [{"delta": {"content": "x".repeat(1 << 20)}}]}));
    let mut answer = Answer::new(Wire::Chat, true);
    let pushed = (0..=MAX_ANSWER >> 20).try_for_each(|_| answer.push(piece.as_bytes()));
    assert_eq!(pushed, Err(Malformed::LongAnswer));
    // What is not content takes no room.
    let ping = format!("data: {}\n\n", json!({"choices": [], "padding": "x".repeat(1 << 20)}));
    let mut answer = Answer::new(Wire::Chat, true);
    (0..=MAX_ANSWER >> 20).try_for_each(|_| answer.push(ping.as_bytes())).expect("nothing is kept");
    let mut answer = Answer::new(Wire::Chat, false);
    let pushed = (0..=MAX_BODY >> 20).try_for_each(|_| answer.push(&[b' '; 1 << 20]));
    assert_eq!(pushed, Err(Malformed::LongAnswer));
}

/// Providers that speak chat in their own way: calls without numbers, thoughts as parts, no `[DONE]`.
#[test]
fn dialects_of_chat() {
    let call = |id: &str, text: &str| json!({"id": id, "function": {"name": "run", "arguments": text}});
    let deltas = [
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        json!({"content": [{"type": "text", "text": "hel"}]}),
        json!({"content": "lo", "tool_calls": [call("1", "{\"a\""), call("", ":1}"), call("2", "{}")]}),
    ];
    let mut text: String = deltas.map(|delta| format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}))).concat();
    text.push_str("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n");
    let delivered = streamed(Wire::Chat, &text).expect("an answer");
    assert_eq!(texts(&delivered), ["hm", "hello", "run", "run"]);
    let Content::ToolCall { arguments, .. } = &delivered.blocks[2].content else { panic!("a call") };
    assert_eq!((arguments.as_str(), delivered.whole), ("{\"a\":1}", true));
}

/// The stream broke off before the items ended: what came by deltas is what was delivered.
#[test]
fn items_that_did_not_end() {
    let events = [
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "reasoning", "summary": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "h"}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "m"}),
        json!({"type": "response.output_item.added", "output_index": 1,
            "item": {"type": "function_call", "call_id": "1", "name": "run"}}),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let delivered = streamed(Wire::Responses, &text).expect("an answer");
    assert_eq!((texts(&delivered), delivered.whole), (vec!["hm", "run"], false));
}

/// A summary that replaces a conversation comes back as the same block.
#[test]
fn compactions() {
    let events = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": null}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "so far"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "later_delta", "x": 1}}),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let delivered = streamed(Wire::Messages, &text).expect("an answer");
    let json = r#"{"cache_control":{},"content":"so far","type":"compaction"}"#.to_owned();
    let back = Block { speaker: Speaker::Assistant, content: Content::Unknown { kind: "compaction".into(), json } };
    assert_eq!(delivered.blocks[0].digest(), back.digest());

    let item = json!({"type": "compaction", "id": "c", "encrypted_content": "x"});
    let delivered = whole(Wire::Responses, &json!({"object": "response.compaction", "output": [item]}));
    assert_eq!((texts(&delivered), delivered.whole), (vec!["compaction"], true));
}

/// Some streams tell their items at the end alone.
#[test]
fn items_of_the_end() {
    let output =
        json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}]);
    let event = json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
    let delivered = streamed(Wire::Responses, &format!("data: {event}\n\n")).expect("an answer");
    assert_eq!((texts(&delivered), delivered.whole), (vec!["hello"], true));
}
