//! Calls are held until they are whole and judged: one answer in every wire, its events cut at every byte, and whole.

use crate::told::bytes;
use proptest::prelude::*;
use record::conversation::hold::{Judge, Ruling, Sieve, WITHHELD, Wants, Withheld, restore};
use record::conversation::{Answer, Block, Content, Delivered, Malformed, Wire};
use serde_json::{Value, json};

const STREAMS: [(Wire, &str); 5] = [
    (Wire::Messages, "written/messages.sse"),
    (Wire::Chat, "written/chat.sse"),
    (Wire::Responses, "written/responses.sse"),
    (Wire::Gemini, "written/gemini.sse"),
    (Wire::Ollama, "written/ollama.ndjson"),
];
const INSTEAD: &str = "the call was taken out";

/// Rules over calls by the tool's name; keeps what it was asked, and what was put in the place of others.
struct By<F: Fn(&str) -> Ruling>(F, Vec<String>, Vec<Withheld>);

impl<F: Fn(&str) -> Ruling> Judge for By<F> {
    fn judge(&mut self, call: &Block) -> Ruling {
        match &call.content {
            Content::ToolCall { name, arguments, .. } => {
                self.1.push(format!("{name} {arguments}"));
                self.0(name)
            }
            _ => Ruling::Pass,
        }
    }

    fn withheld(&mut self, withheld: Withheld) {
        self.2.push(withheld);
    }
}

/// What goes on of an answer that comes in these pieces, and which calls were judged.
fn through<'p>(
    wire: Wire,
    streams: bool,
    pieces: impl Iterator<Item = &'p [u8]>,
    rule: impl Fn(&str) -> Ruling,
) -> Result<(String, Vec<String>), Malformed> {
    let (mut sieve, mut judge, mut out) =
        (Sieve::new(wire, streams, Wants::CALLS), By(rule, Vec::new(), Vec::new()), String::new());
    for piece in pieces {
        out += &sieve.push(piece, &mut judge)?;
    }
    out += &sieve.finish(&mut judge)?;
    Ok((out, judge.1))
}

fn read(wire: Wire, streams: bool, text: &str) -> Delivered {
    let mut answer = Answer::new(wire, streams);
    answer.push(text.as_bytes()).expect("read");
    answer.finish().expect("read")
}

fn calls(delivered: &Delivered) -> Vec<String> {
    let of = |block: &Block| match &block.content {
        Content::ToolCall { name, .. } => Some(name.clone()),
        _ => None,
    };
    delivered.blocks.iter().filter_map(of).collect()
}

fn says(delivered: &Delivered, words: &str) -> bool {
    let of = |block: &Block| matches!(&block.content, Content::Text(text) if text.contains(words));
    delivered.blocks.iter().any(of)
}

fn instead(name: &str, taken: &[&str]) -> Ruling {
    if taken.contains(&name) { Ruling::Instead(INSTEAD.into()) } else { Ruling::Pass }
}

/// The same answer when it is over, in the wire's form for one that comes at once.
fn whole(wire: Wire) -> Value {
    let call = |id: &str, name: &str, city: &str| (id.to_owned(), name.to_owned(), json!({"city": city}));
    let two = [call("c1", "weather", "Bern"), call("c2", "time", "Rom")];
    match wire {
        Wire::Messages => {
            let calls =
                two.map(|(id, name, input)| json!({"type": "tool_use", "id": id, "name": name, "input": input}));
            let text = json!({"type": "text", "text": "I ask for both."});
            json!({"type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
                "content": [text, calls[0], calls[1]], "usage": {"input_tokens": 1, "output_tokens": 1}})
        }
        Wire::Chat => {
            let calls = two.map(|(id, name, input)| {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}})
            });
            let message = json!({"role": "assistant", "content": "I ask for both.", "tool_calls": calls});
            json!({"model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]})
        }
        Wire::Responses => {
            let text = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I ask for both."}]});
            let calls = two.map(|(id, name, input)| {
                json!({"type": "function_call", "id": format!("f{id}"), "call_id": id, "name": name, "arguments": input.to_string()})
            });
            json!({"model": "m", "status": "completed", "output": [text, calls[0], calls[1]]})
        }
        Wire::Gemini => {
            let calls = two.map(|(_, name, args)| json!({"functionCall": {"name": name, "args": args}}));
            json!({"modelVersion": "m", "candidates": [{"finishReason": "STOP", "content": {"role": "model",
                "parts": [{"text": "I ask for both."}, calls[0], calls[1]]}}]})
        }
        Wire::Ollama | Wire::Embeddings => {
            let calls = two.map(|(_, name, arguments)| json!({"function": {"name": name, "arguments": arguments}}));
            json!({"model": "m", "done": true, "done_reason": "stop",
                "message": {"role": "assistant", "content": "I ask for both.", "tool_calls": calls}})
        }
    }
}

#[test]
fn what_passes_means_what_it_meant_and_every_call_was_judged_whole_and_once() {
    for (wire, name) in STREAMS {
        let stream = bytes(name);
        let before = read(wire, true, &String::from_utf8_lossy(&stream));
        let at_once = through(wire, true, std::iter::once(&stream[..]), |_| Ruling::Pass).expect("passed");
        assert_eq!(read(wire, true, &at_once.0), before, "{name}");
        assert_eq!(at_once.1.len(), 2, "{name}: {:?}", at_once.1);
        let mut judged = at_once.1.clone();
        judged.sort();
        assert!(judged[0].starts_with("time ") && judged[1].starts_with("weather {"), "{name}: {judged:?}");
        // Cut at every byte, and into single ones.
        for cut in 0..stream.len() {
            let pieces = [&stream[..cut], &stream[cut..]];
            assert_eq!(
                through(wire, true, pieces.into_iter(), |_| Ruling::Pass).expect("passed"),
                at_once,
                "{name} {cut}"
            );
        }
        assert_eq!(through(wire, true, stream.chunks(1), |_| Ruling::Pass).expect("passed"), at_once, "{name}");
        let body = whole(wire).to_string();
        let (out, judged) = through(wire, false, body.as_bytes().chunks(7), |_| Ruling::Pass).expect("passed");
        assert_eq!((out, judged.len()), (body, 2), "{wire:?}");
    }
}

#[test]
fn a_call_that_is_taken_out_leaves_the_others_and_a_call_of_nobodys_tool_or_a_text() {
    for (wire, name) in STREAMS {
        let stream = bytes(name);
        let body = whole(wire).to_string();
        for (streams, bytes) in [(true, &stream[..]), (false, body.as_bytes())] {
            let before = read(wire, streams, &String::from_utf8_lossy(bytes));
            for (taken, left) in
                [(&["weather"][..], vec!["time"]), (&["time"], vec!["weather"]), (&["weather", "time"], vec![])]
            {
                let rule = |name: &str| instead(name, taken);
                let (out, _) = through(wire, streams, bytes.chunks(bytes.len()), rule).expect("judged");
                assert_eq!(through(wire, streams, bytes.chunks(1), rule).expect("judged").0, out, "{wire:?}");
                let after = read(wire, streams, &out);
                let what = format!("{wire:?} {streams} {taken:?}: {out}");
                assert!(says(&after, "I ask for both.") && after.whole && after.usage == before.usage, "{what}");
                let (others, own): (Vec<String>, Vec<String>) =
                    calls(&after).into_iter().partition(|name| name != WITHHELD);
                assert_eq!(others, left, "{what}");
                if has_ids(wire) {
                    // As many calls as there were, so that it stopped for what it says.
                    assert_eq!((own.len(), after.stop), (taken.len(), before.stop.clone()), "{what}");
                    assert_eq!(out.matches(INSTEAD).count() / taken.len(), told_each(wire, streams), "{what}");
                    continue;
                }
                assert!(own.is_empty() && says(&after, INSTEAD), "{what}");
                // An answer of which no call is left did not stop for one.
                let stopped = after.stop.as_deref().unwrap_or_default();
                assert!(!left.is_empty() || !stopped.contains("tool"), "{what}");
            }
        }
    }
}

const fn has_ids(wire: Wire) -> bool {
    matches!(wire, Wire::Messages | Wire::Chat | Wire::Responses)
}

/// How often an answer says why.
fn told_each(wire: Wire, streams: bool) -> usize {
    match (wire, streams) {
        // As it grows, when it grew, and when its item ended.
        (Wire::Responses, true) => 3,
        _ => 1,
    }
}

/// Both calls of [`whole`], as a program says them again when it had the first one only in name, with its own result of it.
fn next(wire: Wire, id: &str, name: &str, arguments: &Value) -> Value {
    let text = arguments.to_string();
    match wire {
        Wire::Messages => json!({"messages": [
            {"role": "user", "content": "both"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": arguments},
                {"type": "tool_use", "id": "c2", "name": "time", "input": {"city": "Rom"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "no such tool"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "noon"}]}]}),
        Wire::Chat => json!({"messages": [
            {"role": "assistant", "tool_calls": [
                {"id": id, "type": "function", "function": {"name": name, "arguments": text}},
                {"id": "c2", "type": "function", "function": {"name": "time", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": id, "content": "no such tool"},
            {"role": "tool", "tool_call_id": "c2", "content": "noon"}]}),
        _ => json!({"input": [
            {"type": "function_call", "call_id": id, "name": name, "arguments": text},
            {"type": "function_call", "call_id": "c2", "name": "time", "arguments": "{}"},
            {"type": "function_call_output", "call_id": id, "output": "no such tool"},
            {"type": "function_call_output", "call_id": "c2", "output": "noon"}]}),
    }
}

#[test]
fn what_did_not_go_on_is_back_with_the_reason_when_the_program_answered_for_it() {
    for (wire, name) in STREAMS.into_iter().filter(|(wire, _)| has_ids(*wire)) {
        let body = whole(wire).to_string();
        for (streams, bytes) in [(true, bytes(name)), (false, body.into_bytes())] {
            let mut sieve = Sieve::new(wire, streams, Wants::CALLS);
            let mut judge = By(|name: &str| instead(name, &["weather"]), Vec::new(), Vec::new());
            sieve.push(&bytes, &mut judge).and_then(|_| sieve.finish(&mut judge)).expect("judged");
            let [withheld] = &judge.2[..] else { panic!("{wire:?} {streams}: {:?}", judge.2) };
            assert_eq!(withheld.told, INSTEAD);
            let id = &withheld.id;
            let known = |asked: &str| (asked == id).then_some(withheld);
            let withheld_arguments = json!({"why": INSTEAD});
            let mut request = next(wire, id, WITHHELD, &withheld_arguments);
            restore(wire, &mut request, known);
            let text = request.to_string();
            assert!(
                (text.contains("Bern") || text.contains("days"))
                    && text.contains("\"noon\"")
                    && text.contains("\"time\""),
                "{text}"
            );
            assert!(text.matches(INSTEAD).count() == 1 && !text.contains("no such tool"), "{text}");
            assert!(!text.contains(WITHHELD) && text.contains("\"weather\""), "{text}");
            // What nobody withheld is as the program says it, and so is a call that it says is another's.
            let mut other = next(wire, id, WITHHELD, &withheld_arguments);
            restore(wire, &mut other, |_| None);
            assert_eq!(other, next(wire, id, WITHHELD, &withheld_arguments));
            let mut lying = next(wire, id, "harmless", &json!({}));
            restore(wire, &mut lying, known);
            assert!(lying.to_string().contains("harmless") && !lying.to_string().contains("no such tool"), "{lying}");
        }
    }
}

#[test]
fn an_answer_that_is_refused_ends_with_an_error_and_has_no_call() {
    for (wire, name) in STREAMS {
        let stream = bytes(name);
        let body = whole(wire).to_string();
        for (streams, bytes) in [(true, &stream[..]), (false, body.as_bytes())] {
            let rule = |name: &str| match name {
                "time" => Ruling::Refuse("bastide refused this: no".into()),
                _ => Ruling::Pass,
            };
            for size in [1, bytes.len()] {
                let (out, judged) = through(wire, streams, bytes.chunks(size), rule).expect("judged");
                let after = read(wire, streams, &out);
                assert_eq!(after.error.as_deref(), Some("bastide refused this: no"), "{wire:?} {streams}: {out}");
                assert!(!out.contains("\"time\"") && !judged.is_empty(), "{wire:?} {streams}: {out}");
            }
        }
    }
}

#[test]
fn a_call_is_held_until_it_is_whole_and_what_is_before_it_is_not() {
    for (wire, name) in STREAMS {
        let stream = bytes(name);
        let (mut sieve, mut judge, mut out) =
            (Sieve::new(wire, true, Wants::CALLS), By(|_| Ruling::Pass, Vec::new(), Vec::new()), String::new());
        for (at, byte) in stream.iter().enumerate() {
            out += &sieve.push(&[*byte], &mut judge).expect("passed");
            // A call goes on only behind its judgement.
            for (number, tool) in ["weather", "time"].iter().enumerate() {
                let called = out.contains(&format!("\"{tool}\""));
                assert!(!called || judge.1.len() > number, "{name} {at}: {out}");
            }
        }
        let text = String::from_utf8_lossy(&stream);
        let said = text.find("both").expect("words") + 4;
        let event = said + text[said..].find('\n').expect("an end") + 2;
        let mut sieve = Sieve::new(wire, true, Wants::CALLS);
        let early = sieve.push(text[..event].as_bytes(), &mut judge).expect("passed");
        assert!(early.contains("both"), "{name}: {early}");
        // One that is cut off goes on in no part.
        let cut = text.find("weather").expect("a call") + 7;
        let (out, judged) = through(wire, true, std::iter::once(&stream[..cut]), |_| Ruling::Pass).expect("passed");
        assert!(!out.contains("weather") && judged.is_empty(), "{name}: {out}");
    }
}

#[test]
fn calls_are_found_wherever_a_wire_has_them() {
    let taken = |wire: Wire, streams: bool, text: &str| {
        through(wire, streams, text.as_bytes().chunks(3), |_| Ruling::Instead(INSTEAD.into())).expect("judged")
    };
    // The older form of one function; calls without numbers; two choices.
    let older = json!({"choices": [{"index": 0, "finish_reason": "function_call", "message": {"role": "assistant", "content": null,
        "function_call": {"name": "run", "arguments": "{}"}}}]});
    let (out, judged) = taken(Wire::Chat, false, &older.to_string());
    assert!(judged == ["run {}"] && !out.contains("\"run\"") && out.contains("\"stop\""), "{out}");
    let event = |value: Value| format!("data: {value}\n\n");
    let delta = |index: u64, delta: Value, stop: Option<&str>| {
        event(json!({"choices": [{"index": index, "delta": delta, "finish_reason": stop}]}))
    };
    let call =
        |id: &str, name: &str| json!({"tool_calls": [{"id": id, "function": {"name": name, "arguments": "{}"}}]});
    let stream = [
        delta(0, call("1", "one"), None),
        delta(0, call("2", "two"), None),
        delta(1, json!({"function_call": {"name": "three", "arguments": "{"}}), None),
        delta(1, json!({"function_call": {"arguments": "}"}}), Some("function_call")),
        delta(0, json!({}), Some("tool_calls")),
        "data: [DONE]\n\n".into(),
    ];
    let (out, judged) = taken(Wire::Chat, true, &stream.concat());
    assert_eq!(judged, ["one {}", "two {}", "three {}"]);
    assert!(!out.contains("function_call") && out.ends_with("data: [DONE]\n\n"), "{out}");
    assert_eq!(calls(&read(Wire::Chat, true, &out)), [WITHHELD, WITHHELD], "{out}");
    let keep = |name: &str| instead(name, &["one"]);
    let (out, _) = through(Wire::Chat, true, std::iter::once(stream.concat().as_bytes()), keep).expect("judged");
    assert_eq!(calls(&read(Wire::Chat, true, &out)), ["two", WITHHELD, "three"], "{out}");
    assert!(out.contains("\"index\":0") && out.contains("\"tool_calls\"") && !out.contains("\"one\""), "{out}");
    // A stream that says no end of its choice, and one that is told at its end alone.
    let (out, judged) = taken(Wire::Chat, true, &[stream[0].clone(), "data: [DONE]\n\n".into()].concat());
    assert!(judged.len() == 1 && out.contains(INSTEAD) && !out.contains("\"one\""), "{out}");
    let late = event(json!({"type": "response.completed", "response": whole(Wire::Responses)}));
    let (out, judged) = taken(Wire::Responses, true, &late);
    assert!(judged.len() == 2 && out.matches(INSTEAD).count() == 2 && out.matches(WITHHELD).count() == 2, "{out}");
    let custom = json!({"type": "response.output_item.done", "output_index": 0,
        "item": {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": "x"}});
    let (out, judged) = taken(Wire::Responses, true, &event(custom));
    assert!(judged == ["patch x"] && out.contains(INSTEAD) && !out.contains("custom_tool_call"), "{out}");
    // Where there is no id, a text stands there.
    let bare = json!({"type": "response.output_item.done", "output_index": 0,
        "item": {"type": "local_shell_call", "call_id": "1", "action": {"command": ["ls"]}}});
    let (out, _) = taken(Wire::Responses, true, &event(bare));
    assert!(out.contains("output_text") && !out.contains(WITHHELD) && !out.contains("local_shell_call"), "{out}");
    // Bounds hold: what is held has an end.
    let mut sieve = Sieve::new(Wire::Messages, true, Wants::CALLS);
    let mut judge = By(|_| Ruling::Pass, Vec::new(), Vec::new());
    let start = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "1", "name": "x", "input": {}}});
    let more = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "x".repeat(1 << 20)}});
    sieve.push(event(start).as_bytes(), &mut judge).expect("held");
    let held = (0..20).map(|_| sieve.push(event(more.clone()).as_bytes(), &mut judge)).find(Result::is_err);
    assert_eq!(held, Some(Err(Malformed::LongAnswer)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Damaged anywhere, an answer of which all calls are taken out has none that is read, or is none.
    #[test]
    fn no_damage_brings_a_call_past_its_judge(
        which in 0usize..5,
        streams: bool,
        damage in prop::collection::vec((0.0f64..1.0, any::<u8>(), 0usize..3), 0..4),
        size in 1usize..200,
    ) {
        let (wire, name) = STREAMS[which];
        let mut text = if streams { bytes(name) } else { whole(wire).to_string().into_bytes() };
        for (place, byte, how) in damage {
            let at = (place * text.len() as f64) as usize;
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => {
                    let end = (at + usize::from(byte)).min(text.len() - 1);
                    text.drain(at..end);
                }
            }
        }
        let rule = |_: &str| Ruling::Instead(INSTEAD.into());
        if let Ok((out, _)) = through(wire, streams, text.chunks(size), rule) {
            let mut answer = Answer::new(wire, streams);
            if let Ok(delivered) = answer.push(out.as_bytes()).and_then(|()| answer.finish()) {
                prop_assert!(calls(&delivered).iter().all(|name| name == WITHHELD), "{}", out);
            }
        }
    }
}

/// A call that began and never ends takes nothing else with it when its response ends.
#[test]
fn what_did_not_end_goes_on_in_no_part_and_the_rest_does() {
    let event = |value: Value| format!("data: {value}\n\n");
    let call = json!({"type": "function_call", "call_id": "c", "name": "leak", "arguments": ""});
    let text = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "words"}]});
    let stream = [
        event(json!({"type": "response.output_item.added", "output_index": 0, "item": call})),
        event(json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"})),
        event(json!({"type": "response.output_item.done", "output_index": 1, "item": text})),
        event(json!({"type": "response.completed", "response": {"status": "completed", "output": [text]}})),
    ];
    let (out, judged) =
        through(Wire::Responses, true, stream.iter().map(|event| event.as_bytes()), |_| Ruling::Pass).expect("passed");
    let after = read(Wire::Responses, true, &out);
    assert!(after.whole && says(&after, "words") && judged.is_empty() && !out.contains("leak"), "{out}");
}

/// A program that waits for a call hears that somebody is still there.
#[test]
fn pings_and_comments_go_on_while_a_call_is_held() {
    let (mut sieve, mut judge) =
        (Sieve::new(Wire::Messages, true, Wants::CALLS), By(|_| Ruling::Pass, Vec::new(), Vec::new()));
    let event = |value: Value| format!("data: {value}\n\n");
    let call = json!({"type": "tool_use", "id": "c", "name": "read", "input": {}});
    let start = event(json!({"type": "content_block_start", "index": 0, "content_block": call}));
    assert_eq!(sieve.push(start.as_bytes(), &mut judge), Ok(String::new()));
    let ping = sieve.push(event(json!({"type": "ping"})).as_bytes(), &mut judge).expect("a ping");
    assert_eq!(ping, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    assert_eq!(sieve.push(b": still here\n\n", &mut judge).as_deref(), Ok(":\n\n"));
    let out = sieve.push(event(json!({"type": "content_block_stop", "index": 0})).as_bytes(), &mut judge);
    assert!(out.expect("judged").contains("\"read\"") && judge.1 == ["read {}"]);
}
