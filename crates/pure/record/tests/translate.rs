//! Between messages and chat: the same blocks are read before and after, whatever is said, and however an answer is cut.

use crate::told::bytes;
use proptest::prelude::*;
use record::conversation::translate::{Answering, Told, Wanted, Way, request};
use record::conversation::{Answer, Block, Content, Conversation, Delivered, History, Standing, Usage, Wire, read};
use serde_json::{Value, json};

const WAYS: [Way; 2] = [Way::IntoChat, Way::IntoMessages];
const WANTED: Wanted<'static> = Wanted { model: "other", openai: false };

/// What the program of a way speaks.
fn program(way: Way) -> Wire {
    if way == Way::IntoChat { Wire::Messages } else { Wire::Chat }
}

/// A block as both wires have it: an attachment's kind is the wire's own word, and arguments are JSON in any spelling.
fn plainly(block: &Block) -> (String, [u8; 32]) {
    let mut block = block.clone();
    let mut called = String::new();
    match &mut block.content {
        Content::Attachment { kind, .. } => kind.clear(),
        Content::ToolCall { id, .. } => called.clone_from(id),
        _ => {}
    }
    (called, block.digest())
}

fn blocks(wire: Wire, body: &Value) -> Vec<(String, [u8; 32])> {
    let said = read(wire, "", body).unwrap_or_else(|fault| panic!("{fault}: {body}")).blocks;
    said.iter().filter(|block| !matches!(block.content, Content::Thinking(_))).map(plainly).collect()
}

fn over(way: Way, body: &Value) -> Value {
    request(way, body, &WANTED).unwrap_or_else(|why| panic!("{why}: {body}")).body
}

/// What a program gets of an answer in pieces.
fn turned(way: Way, streams: bool, pieces: &[&[u8]]) -> Result<(String, Usage), String> {
    let mut answering = Answering::new(way, streams, Told { counts: true, now: 7 });
    let mut out = String::new();
    for piece in pieces {
        out += &answering.push(piece).map_err(|why| why.to_string())?;
    }
    out += &answering.finish().map_err(|why| why.to_string())?;
    Ok((out, answering.usage()))
}

fn heard(wire: Wire, streams: bool, bytes: &[u8]) -> Delivered {
    let mut answer = Answer::new(wire, streams);
    answer.push(bytes).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(bytes)));
    answer.finish().expect("an answer")
}

/// What both wires have of an answer.
fn common(delivered: &Delivered) -> Vec<(String, [u8; 32])> {
    let common = |block: &&Block| !matches!(block.content, Content::Thinking(_) | Content::Attachment { .. });
    delivered.blocks.iter().filter(common).map(plainly).collect()
}

const STREAMS: [(Way, &str); 8] = [
    (Way::IntoChat, "written/chat.sse"),
    (Way::IntoChat, "written/chat-error.sse"),
    (Way::IntoChat, "pi/answer-1.sse"),
    (Way::IntoChat, "pi/answer-3.sse"),
    (Way::IntoMessages, "written/messages.sse"),
    (Way::IntoMessages, "written/messages-error.sse"),
    (Way::IntoMessages, "claude/answer-1.sse"),
    (Way::IntoMessages, "claude/answer-3.sse"),
];

#[test]
fn an_answer_says_the_same_in_the_other_wire() {
    for (way, name) in STREAMS {
        let (out, usage) = turned(way, true, &[&bytes(name)]).expect(name);
        let (before, after) = (heard(way.provider(), true, &bytes(name)), heard(program(way), true, out.as_bytes()));
        assert_eq!(common(&before), common(&after), "{name}: {out}");
        assert_eq!((before.whole, &before.error, &before.model), (after.whole, &after.error, &after.model), "{name}");
        // An answer that broke off tells its cost to nobody but the gate.
        assert_eq!(before.usage, usage, "{name}");
        // Chat has no word for what goes into a cache.
        let told = Usage { written: after.usage.written, ..before.usage };
        assert!(!before.whole || told == after.usage, "{name}: {out}");
    }
}

#[test]
fn an_answer_cut_at_every_byte_is_the_same() {
    for (way, name) in STREAMS {
        let bytes = bytes(name);
        let whole = turned(way, true, &[&bytes]);
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(turned(way, true, &singly), whole, "{name}");
        for at in 0..bytes.len() {
            assert_eq!(turned(way, true, &[&bytes[..at], &bytes[at..]]), whole, "{name} at {at}");
        }
    }
}

#[test]
fn a_stream_that_broke_off_is_whole_only_where_it_was() {
    for (way, name) in STREAMS {
        let bytes = bytes(name);
        for at in 0..=bytes.len() {
            let (out, _) = turned(way, true, &[&bytes[..at]]).expect(name);
            let (before, after) =
                (heard(way.provider(), true, &bytes[..at]), heard(program(way), true, out.as_bytes()));
            assert_eq!(before.whole, after.whole, "{name} at {at}: {out}");
        }
    }
}

/// The events in the order that Anthropic's own readers want: one block after another.
#[test]
fn calls_that_grow_side_by_side_come_one_after_another() {
    let (out, _) = turned(Way::IntoChat, true, &[&bytes("written/chat.sse")]).expect("translated");
    let events: Vec<Value> = out
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .filter(|event: &Value| event["type"] != "ping")
        .collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|event| format!("{} {}", event["type"].as_str().expect("a type"), event["index"]).replace(" null", ""))
        .collect();
    let mut open = None;
    for event in &events {
        match event["type"].as_str().expect("a type") {
            "content_block_start" => assert_eq!(open.replace(event["index"].clone()), None, "{kinds:?}"),
            "content_block_delta" => assert_eq!(open.as_ref(), Some(&event["index"]), "{kinds:?}"),
            "content_block_stop" => assert_eq!(open.take().as_ref(), Some(&event["index"]), "{kinds:?}"),
            _ => {}
        }
    }
    assert_eq!((kinds[0].as_str(), kinds[kinds.len() - 2].as_str()), ("message_start", "message_delta"));
    let end = &events[events.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(end["usage"], json!({"input_tokens": 50, "cache_read_input_tokens": 50, "output_tokens": 40}));
}

#[test]
fn the_end_of_a_stream_of_chat_is_as_it_was_asked_for() {
    let stream = bytes("written/messages.sse");
    let end = |counts: bool| {
        let mut answering = Answering::new(Way::IntoMessages, true, Told { counts, now: 7 });
        let out = answering.push(&stream).expect("translated") + &answering.finish().expect("translated");
        assert_eq!(
            answering.usage(),
            Usage { input: Some(100), output: Some(40), cached: Some(50), written: Some(30) }
        );
        out
    };
    let (told, untold) = (end(true), end(false));
    assert!(told.contains("\"total_tokens\":140") && !untold.contains("total_tokens"), "{told}");
    assert!(told.ends_with("data: [DONE]\n\n") && untold.ends_with("data: [DONE]\n\n"));
    assert!(untold.contains("\"finish_reason\":\"tool_calls\"") && untold.contains("\"created\":7"), "{untold}");
}

#[test]
fn answers_that_come_whole() {
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "run", "arguments": "{\"a\": [1]}"}});
    let chat = json!({"id": "x", "object": "chat.completion", "created": 7, "model": "m", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "both", "reasoning_content": "hm", "refusal": null, "tool_calls": [call("1"), call("2")]},
        "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}});
    let messages = json!({"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "bo"}, {"type": "text", "text": "th"},
        {"type": "tool_use", "id": "1", "name": "run", "input": {"a": [1]}}, {"type": "tool_use", "id": "2", "name": "run", "input": {"a": [1]}}],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 3}});
    let (into_messages, usage) = turned(Way::IntoChat, false, &[chat.to_string().as_bytes()]).expect("translated");
    let read: Value = serde_json::from_str(&into_messages).expect("JSON");
    let mut want = messages.clone();
    want["content"] = json!([{"type": "text", "text": "both"}, want["content"][3], want["content"][4]]);
    assert_eq!((read, usage.input), (want, Some(9)));
    let (into_chat, _) = turned(Way::IntoMessages, false, &[messages.to_string().as_bytes()]).expect("translated");
    let read: Value = serde_json::from_str(&into_chat).expect("JSON");
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "run", "arguments": "{\"a\":[1]}"}});
    let mut want = chat;
    want["choices"][0] = json!({"index": 0, "logprobs": null, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": "both", "tool_calls": [call("1"), call("2")]}});
    assert_eq!(read, want);
}

#[test]
fn why_an_answer_stopped() {
    for (chat, messages) in
        [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("eos", "end_turn")]
    {
        let body = json!({"choices": [{"message": {"content": "a"}, "finish_reason": chat}]}).to_string();
        let (out, _) = turned(Way::IntoChat, false, &[body.as_bytes()]).expect("translated");
        assert!(out.contains(&format!("\"stop_reason\":\"{messages}\"")), "{out}");
    }
    for (messages, chat) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
    ] {
        let body = json!({"content": [], "stop_reason": messages}).to_string();
        let (out, _) = turned(Way::IntoMessages, false, &[body.as_bytes()]).expect("translated");
        assert!(out.contains(&format!("\"finish_reason\":\"{chat}\"")), "{out}");
    }
}

#[test]
fn an_answer_that_has_no_words_for_it_is_none() {
    let chat = |message: Value| json!({"choices": [{"message": message}]});
    let messages = |block: Value| json!({"content": [block]});
    for (way, body, why) in [
        (Way::IntoChat, json!({"error": {"message": "no credit"}}), "no credit"),
        (Way::IntoChat, json!({"choices": []}), "choices"),
        (Way::IntoChat, json!({"choices": [{}, {}]}), "choices"),
        (Way::IntoChat, chat(json!({"audio": {"id": "a"}})), "audio"),
        (Way::IntoChat, chat(json!({"content": [{"type": "image_url"}]})), "image_url"),
        (
            Way::IntoChat,
            chat(json!({"tool_calls": [{"id": "1", "function": {"name": "a", "arguments": "{cut"}}]})),
            "arguments",
        ),
        (Way::IntoMessages, json!({"type": "error", "error": {"message": "no credit"}}), "no credit"),
        (Way::IntoMessages, messages(json!({"type": "server_tool_use"})), "server_tool_use"),
        (Way::IntoMessages, json!({}), "content"),
    ] {
        let told = turned(way, false, &[body.to_string().as_bytes()]).expect_err("no answer");
        assert!(told.contains(why), "{told}");
    }
    assert!(turned(Way::IntoChat, false, &[b"<html>"]).is_err());
    assert!(turned(Way::IntoChat, true, &[b"data: {\n\n"]).is_err());
    let hosted =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "web_search_tool_result"}});
    let told = turned(Way::IntoMessages, true, &[format!("data: {hosted}\n\n").as_bytes()]).expect_err("hosted");
    assert!(told.contains("web_search_tool_result"), "{told}");
}

/// Ways in which providers that speak chat differ: calls all numbered alike, or not at all; arguments that come at once; an
/// end that is not said.
#[test]
fn dialects_of_chat() {
    let call = |index: Value, id: &str, name: &str, text: &str| {
        let call = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": text}});
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    };
    let end = json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]});
    for index in [json!(0), Value::Null] {
        let events = [
            call(index.clone(), "1", "run", "{\"a\":"),
            call(index.clone(), "", "", "1}"),
            call(index.clone(), "2", "run", "{}"),
            json!({"choices": [{"delta": {"content": "late"}}]}),
            end.clone(),
        ];
        let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let (out, _) = turned(Way::IntoChat, true, &[stream.as_bytes()]).expect("translated");
        let delivered = heard(Wire::Messages, true, out.as_bytes());
        let told = crate::told::lines(&delivered.blocks);
        let want = ["assistant call 1 run {\"a\":1}", "assistant call 2 run {}", "assistant text late"];
        assert_eq!((told.as_slice(), delivered.whole), (&want.map(str::to_owned)[..], true), "{out}");
    }
}

/// A conversation of an agent: its words in one wire, and what a tool gave.
#[derive(Debug, Clone)]
enum Turn {
    User(Vec<String>),
    Picture(String),
    /// Words, calls, and what each gave.
    Called(Option<String>, Vec<(String, i64, String)>),
}

fn words() -> impl Strategy<Value = String> {
    "[ \n]?[a-zÜ€\"\\\\]{1,6}[ \n]?"
}

fn turn() -> impl Strategy<Value = Turn> {
    let call = ("[a-z_]{1,4}", any::<i64>(), "[a-z\n]{0,6}");
    prop_oneof![
        prop::collection::vec(words(), 1..3).prop_map(Turn::User),
        "[A-Za-z0-9]{4}".prop_map(Turn::Picture),
        (prop::option::of(words()), prop::collection::vec(call, 1..3))
            .prop_map(|(said, calls)| Turn::Called(said, calls)),
    ]
}

fn in_messages(system: &[String], turns: &[Turn]) -> Value {
    let text = |text: &String| json!({"type": "text", "text": text});
    let mut messages = vec![json!({"role": "user", "content": "begin"})];
    let mut number = 0;
    for turn in turns {
        match turn {
            Turn::User(said) => {
                messages.push(json!({"role": "user", "content": said.iter().map(text).collect::<Vec<_>>()}))
            }
            Turn::Picture(data) => {
                let source = json!({"type": "base64", "media_type": "image/png", "data": data});
                messages.push(json!({"role": "user", "content": [{"type": "image", "source": source}]}));
            }
            Turn::Called(said, calls) => {
                let (mut content, mut results): (Vec<Value>, Vec<Value>) =
                    (said.iter().map(text).collect(), Vec::new());
                for (name, input, gave) in calls {
                    let id = format!("toolu_{number}");
                    number += 1;
                    content.push(json!({"type": "tool_use", "id": id, "name": name, "input": {"n": input}}));
                    results.push(json!({"type": "tool_result", "tool_use_id": id, "content": gave}));
                }
                messages.push(json!({"role": "assistant", "content": content}));
                messages.push(json!({"role": "user", "content": results}));
            }
        }
    }
    messages.push(json!({"role": "user", "content": "end"}));
    json!({"model": "m", "max_tokens": 9, "system": system.iter().map(text).collect::<Vec<_>>(), "messages": messages})
}

/// A streamed answer of a provider that speaks chat, cut into deltas of this many characters.
fn answered(said: &str, calls: &[(String, i64, String)], step: usize) -> String {
    let mut deltas = Vec::new();
    let letters: Vec<char> = said.chars().collect();
    for piece in letters.chunks(step) {
        deltas.push(json!({"content": piece.iter().collect::<String>()}));
    }
    for (at, (name, ..)) in calls.iter().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        deltas.push(json!({"tool_calls": [{"index": at, "id": format!("call_{at}"), "function": function}]}));
    }
    // Side by side: a piece of each in turn.
    let arguments: Vec<Vec<char>> =
        calls.iter().map(|call| format!("{{\"n\": {}}}", call.1).chars().collect()).collect();
    for round in 0..arguments.iter().map(Vec::len).max().unwrap_or(0).div_ceil(step) {
        for (at, text) in arguments.iter().enumerate() {
            if let Some(piece) = text.chunks(step).nth(round) {
                let piece: String = piece.iter().collect();
                deltas.push(json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}));
            }
        }
    }
    let chunk = |delta: &Value| json!({"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let mut out: String = deltas.iter().map(|delta| format!("data: {}\n\n", chunk(delta))).collect();
    out += "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    out += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    out
}

proptest! {
    #[test]
    fn the_same_blocks_are_read_there_and_back(
        system in prop::collection::vec(words(), 0..3),
        turns in prop::collection::vec(turn(), 0..6),
    ) {
        let one = in_messages(&system, &turns);
        let other = over(Way::IntoChat, &one);
        prop_assert_eq!(blocks(Wire::Messages, &one), blocks(Wire::Chat, &other), "{}", other);
        let back = over(Way::IntoMessages, &other);
        prop_assert_eq!(blocks(Wire::Chat, &other), blocks(Wire::Messages, &back), "{}", back);
        // What came back once stays as it is.
        prop_assert_eq!(over(Way::IntoMessages, &over(Way::IntoChat, &back)), back);
    }

    /// What was delivered in the program's wire is known again when the program says it, in that wire.
    #[test]
    fn what_was_delivered_comes_back_as_delivered(
        said in words(),
        calls in prop::collection::vec(("[a-z_]{1,4}", any::<i64>(), "[a-z]{0,6}"), 0..3),
        step in 1..5usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let stream = answered(&said, &calls, step);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
        let (out, _) = turned(Way::IntoChat, true, &pieces).expect("translated");
        let delivered = heard(Wire::Messages, true, out.as_bytes());
        prop_assert_eq!(common(&heard(Wire::Chat, true, stream.as_bytes())), common(&delivered), "{}", out);

        let anthropic = turned(Way::IntoMessages, true, &[out.as_bytes()]).expect("its own events").0;
        prop_assert_eq!(common(&heard(Wire::Chat, true, anthropic.as_bytes())), common(&delivered), "{}", anthropic);

        let mut history = History::new();
        history.delivered(&delivered.blocks);
        let conversation = Conversation { blocks: delivered.blocks, ..Conversation::default() };
        prop_assert!(history.sort(&conversation).iter().all(|(_, standing)| *standing == Standing::Delivered));
    }

    /// Damaged anywhere and cut anywhere: no panic, and the same as in one piece.
    #[test]
    fn damage_is_the_same_in_pieces(
        which in 0..STREAMS.len(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (way, name) = STREAMS[which];
        let mut bytes = bytes(name);
        let (at, cut) = (at.index(bytes.len()), cut.index(bytes.len()));
        bytes[at] = byte;
        prop_assert_eq!(turned(way, true, &[&bytes[..cut], &bytes[cut..]]), turned(way, true, &[&bytes]));
    }
}

/// Requests of real agents go over.
#[test]
fn real_agents_are_translated() {
    for (way, agent) in WAYS.into_iter().zip(["claude", "pi"]) {
        for number in 1..=3 {
            let name = format!("{agent}/request-{number}.json");
            let body: Value = serde_json::from_slice(&bytes(&name)).expect("JSON");
            let other = over(way, &body);
            let sealed =
                |block: &Block| matches!(&block.content, Content::Attachment { kind, .. } if kind == "signature");
            let before = read(program(way), "", &body).expect("read");
            let common = |block: &&Block| !sealed(block) && !matches!(block.content, Content::Thinking(_));
            let before: Vec<_> = before.blocks.iter().filter(common).map(plainly).collect();
            assert_eq!(before, blocks(way.provider(), &other), "{name}: {other}");
        }
    }
}
