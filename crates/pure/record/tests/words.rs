//! Words of a model are judged in a window that moves with them: one text in every wire, its pieces cut anywhere, and whole.

use crate::told::bytes;
use proptest::prelude::*;
use record::conversation::hold::{Cut, Judge, Ruling, Said, Sieve, Signed, Verdict, Wants};
use record::conversation::{Answer, Block, Content, Delivered, Malformed, Wire};
use serde_json::{Value, json};

const WIRES: [Wire; 5] = [Wire::Messages, Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama];
const SECRET: &str = "hunter2-hunter3";
const MARK: &str = "[out]";

/// Takes a secret out of words, of which it lets wait what may be the beginning of one, or all.
#[derive(Default)]
struct Finds {
    waits: Option<usize>,
    asked: usize,
    signed: Vec<Signed>,
}

impl Judge for Finds {
    fn wants(&self) -> Wants {
        Wants { calls: true, words: true }
    }

    fn judge(&mut self, _: &Block) -> Ruling {
        Ruling::Pass
    }

    fn signed(&mut self, thought: Signed) {
        self.signed.push(thought);
    }

    fn words(&mut self, said: &Said<'_>) -> Verdict {
        self.asked += 1;
        if said.text.contains("refuse me") {
            return Verdict::Refuse("bastide refused these words".into());
        }
        let cut = |(at, found): (usize, &str)| Cut { place: at..at + found.len(), instead: MARK.into() };
        let waits = self.waits.unwrap_or(said.text.len() - said.passed);
        Verdict::Go { cuts: said.text.match_indices(SECRET).map(cut).collect(), waits }
    }
}

fn finds() -> Finds {
    Finds { waits: Some(SECRET.len() - 1), ..Finds::default() }
}

fn through<'p>(
    wire: Wire,
    streams: bool,
    pieces: impl Iterator<Item = &'p [u8]>,
    judge: &mut dyn Judge,
) -> Result<String, Malformed> {
    let (mut sieve, mut out) = (Sieve::new(wire, streams, judge.wants()), String::new());
    for piece in pieces {
        out += &sieve.push(piece, judge)?;
    }
    Ok(out + &sieve.finish(judge)?)
}

fn read(wire: Wire, streams: bool, text: &str) -> Delivered {
    let mut answer = Answer::new(wire, streams);
    answer.push(text.as_bytes()).expect(text);
    answer.finish().expect(text)
}

/// Thoughts and words of an answer.
fn said(delivered: &Delivered) -> (String, String) {
    let (mut thoughts, mut words) = (String::new(), String::new());
    for block in &delivered.blocks {
        match &block.content {
            Content::Thinking(text) => thoughts.push_str(text),
            Content::Text(text) => words.push_str(text),
            _ => {}
        }
    }
    (thoughts, words)
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// An answer that thinks, says something, and calls a tool, in these pieces.
fn stream(wire: Wire, thoughts: &[&str], words: &[&str]) -> String {
    let (thought, text) = (thoughts.concat(), words.concat());
    let list: Vec<Value> = match wire {
        Wire::Messages => {
            let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
            let delta =
                |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
            let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
            let usage = json!({"input_tokens": 1, "output_tokens": 1});
            let mut list = vec![
                json!({"type": "message_start", "message": {"role": "assistant", "model": "m", "content": [], "usage": usage}}),
                start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            ];
            list.extend(thoughts.iter().map(|piece| delta(0, json!({"type": "thinking_delta", "thinking": piece}))));
            list.push(delta(0, json!({"type": "signature_delta", "signature": "sealed"})));
            list.extend([stop(0), start(1, json!({"type": "text", "text": ""}))]);
            list.extend(words.iter().map(|piece| delta(1, json!({"type": "text_delta", "text": piece}))));
            list.push(stop(1));
            list.push(start(2, json!({"type": "tool_use", "id": "c", "name": "read", "input": {}})));
            list.push(delta(2, json!({"type": "input_json_delta", "partial_json": "{\"x\":1}"})));
            list.extend([
                stop(2),
                json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}),
            ]);
            list.push(json!({"type": "message_stop"}));
            list
        }
        Wire::Chat => {
            let delta = |delta: Value| json!({"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null, "logprobs": {"content": [{"token": text}]}}]});
            let mut list: Vec<Value> =
                thoughts.iter().map(|piece| delta(json!({"reasoning_content": piece, "reasoning": piece}))).collect();
            list.extend(words.iter().map(|piece| delta(json!({"content": piece}))));
            let function = json!({"name": "read", "arguments": "{\"x\":1}"});
            list.push(delta(json!({"tool_calls": [{"index": 0, "id": "c", "function": function}]})));
            list.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
            return list.iter().map(event).collect::<String>() + "data: [DONE]\n\n";
        }
        Wire::Responses => {
            let part = json!({"type": "output_text", "text": text, "annotations": []});
            let items = [
                json!({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": thought}], "encrypted_content": "sealed"}),
                json!({"type": "message", "id": "m", "role": "assistant", "content": [part]}),
                json!({"type": "function_call", "id": "f", "call_id": "c", "name": "read", "arguments": "{\"x\":1}"}),
            ];
            let at = |kind: &str, index: u64, more: Value| {
                let mut event = json!({"type": format!("response.{kind}"), "output_index": index, "content_index": 0});
                event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
                event
            };
            let mut list = vec![at("output_item.added", 0, json!({"item": {"type": "reasoning", "summary": []}}))];
            list.extend(thoughts.iter().map(|piece| at("reasoning_summary_text.delta", 0, json!({"delta": piece}))));
            list.push(at("reasoning_summary_text.done", 0, json!({"text": thought})));
            list.push(at("output_item.done", 0, json!({"item": items[0]})));
            list.push(at(
                "output_item.added",
                1,
                json!({"item": {"type": "message", "role": "assistant", "content": []}}),
            ));
            list.extend(
                words
                    .iter()
                    .map(|piece| at("output_text.delta", 1, json!({"delta": piece, "logprobs": [{"token": text}]}))),
            );
            list.push(at("output_text.done", 1, json!({"text": text})));
            list.push(at("content_part.done", 1, json!({"part": part})));
            list.push(at("output_item.done", 1, json!({"item": items[1]})));
            list.push(at("output_item.added", 2, json!({"item": items[2]})));
            list.push(at("output_item.done", 2, json!({"item": items[2]})));
            list.push(json!({"type": "response.completed", "response": {"model": "m", "status": "completed", "output": items}}));
            list
        }
        Wire::Gemini => {
            let chunk = |part: Value, stop: Value| json!({"modelVersion": "m", "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": stop}]});
            let mut list: Vec<Value> =
                thoughts.iter().map(|piece| chunk(json!({"text": piece, "thought": true}), Value::Null)).collect();
            list.extend(words.iter().map(|piece| chunk(json!({"text": piece}), Value::Null)));
            list.push(chunk(json!({"functionCall": {"name": "read", "args": {"x": 1}}}), "STOP".into()));
            list
        }
        Wire::Ollama | Wire::Embeddings => {
            let line = |message: Value, done: bool| json!({"model": "m", "message": message, "done": done});
            let mut list: Vec<Value> = thoughts
                .iter()
                .map(|piece| line(json!({"role": "assistant", "content": "", "thinking": piece}), false))
                .collect();
            list.extend(words.iter().map(|piece| line(json!({"role": "assistant", "content": piece}), false)));
            list.push(line(
                json!({"content": "", "tool_calls": [{"function": {"name": "read", "arguments": {"x": 1}}}]}),
                false,
            ));
            list.push(line(json!({"content": ""}), true));
            return list.iter().map(|line| format!("{line}\n")).collect();
        }
    };
    list.iter().map(event).collect()
}

fn body(wire: Wire, thought: &str, text: &str) -> String {
    let body = match wire {
        Wire::Messages => json!({"role": "assistant", "model": "m", "stop_reason": "end_turn", "content": [
            {"type": "thinking", "thinking": thought, "signature": "sealed"}, {"type": "text", "text": text}]}),
        Wire::Chat => {
            json!({"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "logprobs": {"content": [{"token": text}]},
            "message": {"role": "assistant", "content": text, "reasoning_content": thought}}]})
        }
        Wire::Responses => json!({"model": "m", "status": "completed", "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": thought}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "logprobs": [{"token": text}]}]}]}),
        Wire::Gemini => json!({"modelVersion": "m", "candidates": [{"finishReason": "STOP", "content": {"parts": [
            {"text": thought, "thought": true}, {"text": text}]}}]}),
        Wire::Ollama | Wire::Embeddings => {
            json!({"model": "m", "done": true, "message": {"role": "assistant", "content": text, "thinking": thought}})
        }
    };
    body.to_string()
}

/// A text in pieces of so many letters.
fn pieces(text: &str, size: usize) -> Vec<&str> {
    let (mut rest, mut pieces) = (text, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(size.min(rest.len())));
        (rest, _) = (after, pieces.push(piece));
    }
    pieces
}

#[test]
fn what_a_judge_takes_out_stands_nowhere_and_the_rest_does() {
    let text = format!(
        "é before {SECRET} between {SECRET}{SECRET} after, and a long end that says nothing: {}",
        "so ".repeat(40)
    );
    let thought = format!("{SECRET} is what I think of, ü");
    let want = (thought.replace(SECRET, MARK), text.replace(SECRET, MARK));
    for wire in WIRES {
        for size in [1, 3, 7, 20, 1000] {
            let stream = stream(wire, &pieces(&thought, size), &pieces(&text, size));
            let before = read(wire, true, &stream);
            let out = through(wire, true, stream.as_bytes().chunks(stream.len()), &mut finds()).expect("judged");
            let after = read(wire, true, &out);
            assert_eq!(said(&after), want, "{wire:?} {size}: {out}");
            assert!(!out.contains(SECRET), "{wire:?} {size}: {out}");
            assert_eq!((after.whole, &after.stop, after.usage), (before.whole, &before.stop, before.usage));
            let called = |block: &Block| matches!(&block.content, Content::ToolCall { name, .. } if name == "read");
            assert!(after.blocks.iter().any(called), "{wire:?} {size}: {out}");
            // The blocks stand in the order in which they were said.
            let kinds = |delivered: &Delivered| -> Vec<_> {
                delivered.blocks.iter().map(|block| std::mem::discriminant(&block.content)).collect()
            };
            assert_eq!(kinds(&after), kinds(&before), "{wire:?} {size}: {out}");
            // Bytes cut anywhere say the same.
            let singly = through(wire, true, stream.as_bytes().chunks(1), &mut finds()).expect("judged");
            assert_eq!(singly, out, "{wire:?} {size}");
        }
        let whole = body(wire, &thought, &text);
        let out = through(wire, false, whole.as_bytes().chunks(9), &mut finds()).expect("judged");
        assert_eq!(said(&read(wire, false, &out)), want, "{wire:?}: {out}");
        assert!(!out.contains(SECRET), "{wire:?}: {out}");
    }
}

/// A provider takes back only what it signed: whoever restores it is told what that was.
#[test]
fn a_signed_thought_that_is_changed_is_told_of() {
    let thought = format!("I know {SECRET}, as it is");
    let went = thought.replace(SECRET, MARK);
    let signed = Signed { signature: "sealed".into(), said: thought.clone(), went };
    let told = |thought: &str| {
        let stream = stream(Wire::Messages, &pieces(thought, 5), &["words"]);
        [(true, stream), (false, body(Wire::Messages, thought, "words"))]
    };
    for (streams, text) in told(&thought) {
        let mut judge = finds();
        let out = through(Wire::Messages, streams, text.as_bytes().chunks(7), &mut judge).expect("judged");
        assert_eq!(judge.signed, std::slice::from_ref(&signed), "{out}");
        assert!(out.contains("\"sealed\""), "{out}");
    }
    for (streams, text) in told("I know nothing") {
        let mut judge = finds();
        through(Wire::Messages, streams, text.as_bytes().chunks(7), &mut judge).expect("judged");
        assert_eq!(judge.signed, [], "{text}");
    }
}

/// What is told of a text when it ends is what went on of it, each time.
#[test]
fn a_text_that_is_told_again_is_told_the_same() {
    let text = format!("it is {SECRET}, and {}", "more ".repeat(10));
    let out = through(
        Wire::Responses,
        true,
        std::iter::once(stream(Wire::Responses, &["x"], &pieces(&text, 4)).as_bytes()),
        &mut finds(),
    )
    .expect("judged");
    let want = json!(text.replace(SECRET, MARK));
    let events: Vec<Value> =
        out.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let told = |kind: &str, place: &str| {
        let of =
            |event: &&Value| event["type"] == kind && event["output_index"].as_u64().is_none_or(|index| index == 1);
        events.iter().find(of).and_then(|event| event.pointer(place)).cloned()
    };
    assert_eq!(told("response.output_text.done", "/text"), Some(want.clone()));
    assert_eq!(told("response.content_part.done", "/part/text"), Some(want.clone()));
    assert_eq!(told("response.output_item.done", "/item/content/0/text"), Some(want.clone()));
    assert_eq!(told("response.completed", "/response/output/1/content/0/text"), Some(want));
    // A provider that tells another text at the end than it said is judged by that one, too.
    let odd = event(
        &json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": format!("<{SECRET}>")}),
    );
    let out = through(Wire::Responses, true, std::iter::once(odd.as_bytes()), &mut finds()).expect("judged");
    assert!(out.contains("<[out]>") && !out.contains(SECRET), "{out}");
}

#[test]
fn no_more_waits_than_a_judge_wants() {
    let text = "z".repeat(500);
    for wire in WIRES {
        let stream = stream(wire, &["t"], &pieces(&text, 5));
        // Where nobody asks about words, none waits.
        for (waits, most) in [(Some(14), 14 + 14 / 8 + 5), (Some(0), 0), (None, usize::MAX)] {
            let mut judge = Finds { waits, ..Finds::default() };
            let (mut sieve, mut came, mut went) = (Sieve::new(wire, true, judge.wants()), String::new(), String::new());
            for piece in stream.split_inclusive("\n\n") {
                let lines: Vec<&str> =
                    if wire == Wire::Ollama { piece.split_inclusive('\n').collect() } else { vec![piece] };
                for line in lines {
                    came += line;
                    went += &sieve.push(line.as_bytes(), &mut judge).expect("judged");
                    let (in_all, out) = (came.matches('z').count(), went.matches('z').count());
                    // The last event of all tells it again in some wires.
                    if in_all < text.len() {
                        assert!(
                            in_all <= out.saturating_add(most).saturating_add(5),
                            "{wire:?} {waits:?}: {in_all} {out}"
                        );
                        assert!(waits.is_some() || out == 0, "{wire:?}: {went}");
                    }
                }
            }
            went += &sieve.finish(&mut judge).expect("judged");
            assert_eq!(said(&read(wire, true, &went)).1.trim_end(), text.trim_end(), "{wire:?}");
        }
        let calls = through(wire, true, std::iter::once(stream.as_bytes()), &mut Passes).expect("passed");
        assert!(calls.matches('z').count() >= 500);
    }
}

/// Asked about words, it lets all of them go.
struct Passes;

impl Judge for Passes {
    fn wants(&self) -> Wants {
        Wants::WORDS
    }

    fn judge(&mut self, _: &Block) -> Ruling {
        Ruling::Refuse("nobody asked about calls".into())
    }
}

#[test]
fn words_that_nobody_objects_to_mean_what_they_meant() {
    let streams = ["messages.sse", "chat.sse", "responses.sse", "gemini.sse", "ollama.ndjson"];
    for (wire, name) in WIRES.into_iter().zip(streams) {
        let stream = bytes(&format!("written/{name}"));
        let before = read(wire, true, &String::from_utf8_lossy(&stream));
        let out = through(wire, true, std::iter::once(&stream[..]), &mut Passes).expect("passed");
        assert_eq!(read(wire, true, &out), before, "{name}");
        let out = through(wire, true, stream.chunks(3), &mut finds()).expect("passed");
        assert_eq!(said(&read(wire, true, &out)), said(&before), "{name}");
    }
}

#[test]
fn a_judge_may_refuse_words_and_none_of_them_goes_on() {
    for wire in WIRES {
        let text = "please refuse me now";
        let stream = stream(wire, &["t"], &pieces(text, 4));
        let whole = body(wire, "t", text);
        for (streams, bytes) in [(true, stream.as_bytes()), (false, whole.as_bytes())] {
            let mut judge = Finds { waits: None, ..Finds::default() };
            let out = through(wire, streams, bytes.chunks(11), &mut judge).expect("judged");
            let after = read(wire, streams, &out);
            assert_eq!(after.error.as_deref(), Some("bastide refused these words"), "{wire:?} {streams}: {out}");
            assert!(!out.contains("refuse me") && !out.contains("now"), "{wire:?} {streams}: {out}");
        }
    }
}

#[test]
fn words_are_found_wherever_a_wire_has_them() {
    let once = |wire: Wire, value: Value| {
        let text = if wire == Wire::Ollama { format!("{value}\n") } else { event(&value) };
        through(wire, true, std::iter::once(text.as_bytes()), &mut finds()).expect("judged")
    };
    let secret = format!("<{SECRET}>");
    for (wire, value) in [
        (
            Wire::Messages,
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": secret}}),
        ),
        (
            Wire::Messages,
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"title": secret, "encrypted_content": "sealed"}]}}),
        ),
        (
            Wire::Messages,
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"cited_text": secret}}}),
        ),
        (
            Wire::Messages,
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": secret}}),
        ),
        (
            Wire::Messages,
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "later_delta", "said": secret}}),
        ),
        (Wire::Chat, json!({"choices": [{"index": 1, "delta": {"refusal": secret}}]})),
        (Wire::Chat, json!({"choices": [{"delta": {"content": [{"type": "text", "text": secret}]}}]})),
        (
            Wire::Chat,
            json!({"choices": [{"delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": secret}]}]}}]}),
        ),
        (
            Wire::Chat,
            json!({"choices": [{"delta": {"reasoning_details": [{"type": "reasoning.text", "text": secret, "signature": "sealed"}]}}]}),
        ),
        (Wire::Chat, json!({"choices": [{"delta": {"audio": {"id": "a", "transcript": secret}}}]})),
        (
            Wire::Responses,
            json!({"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": secret}),
        ),
        (
            Wire::Responses,
            json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": secret}),
        ),
        (Wire::Responses, json!({"type": "response.later_kind.delta", "output_index": 0, "delta": secret})),
        (Wire::Responses, json!({"type": "response.output_text.annotation.added", "annotation": {"title": secret}})),
        (
            Wire::Responses,
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "web_search_call", "action": {"query": secret}}}),
        ),
        (Wire::Gemini, json!({"candidates": [{"content": {"parts": [{"executableCode": {"code": secret}}]}}]})),
        (
            Wire::Gemini,
            json!({"candidates": [{"index": 3, "groundingMetadata": {"searchEntryPoint": {"renderedContent": secret}}}]}),
        ),
        (Wire::Ollama, json!({"response": secret, "done": false})),
        (Wire::Ollama, json!({"message": {"role": "assistant", "content": secret}, "done": true})),
    ] {
        let out = once(wire, value.clone());
        assert!(
            out.contains(MARK) && !out.contains(SECRET) && out.contains('<') && out.contains('>'),
            "{value}: {out}"
        );
        assert!(!value.to_string().contains("sealed") || out.contains("sealed"), "{value}: {out}");
    }
}

/// Parts that a reader takes for one text are judged as one, also where they end in the same event.
#[test]
fn a_secret_in_two_parts_of_one_event_is_found() {
    let (one, two) = SECRET.split_at(7);
    let part = |text: &str| json!({"text": text});
    let candidate =
        |stop: Value| json!({"candidates": [{"content": {"parts": [part(one), part(two)]}, "finishReason": stop}]});
    let typed = |text: &str| json!({"type": "text", "text": text});
    let content = json!([typed(one), typed(two)]);
    for (wire, streams, value) in [
        (Wire::Gemini, true, candidate("STOP".into())),
        (Wire::Gemini, true, candidate(Value::Null)),
        (Wire::Gemini, false, candidate("STOP".into())),
        (Wire::Gemini, false, json!([candidate(Value::Null), candidate("STOP".into())])),
        (Wire::Chat, true, json!({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": "stop"}]})),
        (
            Wire::Chat,
            false,
            json!({"choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}]}),
        ),
    ] {
        let text = if streams { event(&value) } else { value.to_string() };
        let out = through(wire, streams, std::iter::once(text.as_bytes()), &mut finds()).expect("judged");
        assert!(!out.contains("hunter") && out.contains(MARK), "{wire:?} {streams}: {out}");
    }
}

#[test]
fn what_waits_has_an_end() {
    let mut judge = Finds { waits: None, ..Finds::default() };
    let mut sieve = Sieve::new(Wire::Chat, true, Wants::WORDS);
    let piece = event(&json!({"choices": [{"index": 0, "delta": {"content": "x".repeat(1 << 20)}}]}));
    let held = (0..20).map(|_| sieve.push(piece.as_bytes(), &mut judge)).find(Result::is_err);
    assert_eq!(held, Some(Err(Malformed::LongAnswer)));
    // A judge is not asked about each letter again.
    let mut judge = finds();
    judge.waits = Some(512);
    let stream = stream(Wire::Chat, &[], &pieces(&"x".repeat(10_000), 1));
    through(Wire::Chat, true, std::iter::once(stream.as_bytes()), &mut judge).expect("judged");
    assert!(judge.asked < 10_000 / 32, "{}", judge.asked);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Wherever secrets stand and pieces are cut, a program reads the text without them.
    #[test]
    fn no_cut_brings_a_secret_past_its_judge(
        which in 0usize..5,
        parts in prop::collection::vec(prop_oneof![Just(SECRET.to_owned()), "[a-zéß 2-]{0,12}", Just("hunter2-".to_owned())], 0..12),
        sizes in prop::collection::vec(1usize..30, 1..8),
        waits in 14usize..40,
    ) {
        let (wire, text) = (WIRES[which], parts.concat());
        let (mut rest, mut cut, mut sizes) = (text.as_str(), Vec::new(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let at = rest.ceil_char_boundary(sizes.next().unwrap_or(1).min(rest.len()));
            let (piece, after) = rest.split_at(at);
            cut.push(piece);
            rest = after;
        }
        let stream = stream(wire, &["t"], &cut);
        let mut judge = Finds { waits: Some(waits), ..Finds::default() };
        let out = through(wire, true, std::iter::once(stream.as_bytes()), &mut judge).expect("judged");
        prop_assert_eq!(said(&read(wire, true, &out)).1, text.replace(SECRET, MARK), "{:?} {}", wire, out);
    }
}
