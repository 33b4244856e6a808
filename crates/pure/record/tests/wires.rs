//! Answers and requests written by hand after the providers' descriptions: one answer in every wire.

use crate::told::{answer, bytes, lines, request};
use proptest::prelude::*;
use record::conversation::{Answer, Delivered, History, Malformed, Standing, Wire};

const STREAMS: [(Wire, &str); 5] = [
    (Wire::Messages, "written/messages.sse"),
    (Wire::Chat, "written/chat.sse"),
    (Wire::Responses, "written/responses.sse"),
    (Wire::Gemini, "written/gemini.sse"),
    (Wire::Ollama, "written/ollama.ndjson"),
];
const ERRORS: [(Wire, &str); 5] = [
    (Wire::Messages, "written/messages-error.sse"),
    (Wire::Chat, "written/chat-error.sse"),
    (Wire::Responses, "written/responses-error.sse"),
    (Wire::Gemini, "written/gemini-error.sse"),
    (Wire::Ollama, "written/ollama-error.ndjson"),
];

fn pushed(wire: Wire, pieces: &[&[u8]]) -> Result<Delivered, Malformed> {
    let mut answer = Answer::new(wire, true);
    pieces.iter().try_for_each(|piece| answer.push(piece))?;
    answer.finish()
}

/// One answer, whatever the wire: a thought, a text, two calls at once. Sealed blocks are the wire's own.
#[test]
fn one_answer_in_every_wire() {
    for (wire, name) in STREAMS {
        let delivered = answer(wire, name);
        let mut told = lines(&delivered.blocks);
        told.retain(|line| !line.contains(" attachment "));
        assert_eq!(told[..2], ["assistant thinking Two cities, two calls.", "assistant text Grüße: I ask for both.\n"]);
        assert_eq!(told.len(), 4, "{name}");
        assert!(told[2].starts_with("assistant call") && told[2].contains(" weather {"), "{name}: {}", told[2]);
        assert!(told[3].starts_with("assistant call") && told[3].contains(" time "), "{name}: {}", told[3]);
        let usage = delivered.usage;
        assert_eq!((usage.input, usage.output), (Some(100), Some(40)), "{name}");
        assert_eq!(usage.cached, (wire != Wire::Ollama).then_some(50), "{name}");
        assert_eq!(usage.written.is_some(), wire == Wire::Messages, "{name}");
        assert!(delivered.whole && delivered.error.is_none(), "{name}");
        assert!(delivered.model.is_some() && delivered.stop.is_some(), "{name}");
    }
}

/// The calls are the same by hash in every wire, though written in different ways.
#[test]
fn one_call_has_one_hash() {
    let calls = |name: &str, wire| {
        let blocks = answer(wire, name).blocks;
        blocks[blocks.len() - 2..].iter().map(record::conversation::Block::digest).collect::<Vec<_>>()
    };
    let first = calls(STREAMS[0].1, STREAMS[0].0);
    for (wire, name) in [STREAMS[1], STREAMS[2], STREAMS[4]] {
        assert_eq!(calls(name, wire), first, "{name}");
    }
}

#[test]
fn an_error_in_the_middle_is_told_with_what_came_before() {
    for (wire, name) in ERRORS {
        let delivered = answer(wire, name);
        assert_eq!(lines(&delivered.blocks), ["assistant text Half a"], "{name}");
        assert_eq!((delivered.whole, delivered.error.as_deref()), (false, Some("too busy")), "{name}");
    }
}

#[test]
fn a_byte_at_a_time_is_the_same() {
    for (wire, name) in STREAMS.into_iter().chain(ERRORS) {
        let bytes = bytes(name);
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(pushed(wire, &singly), Ok(answer(wire, name)), "{name}");
    }
}

#[test]
fn a_stream_cut_anywhere_is_a_beginning() {
    for (wire, name) in STREAMS {
        let bytes = bytes(name);
        let whole = answer(wire, name);
        for length in 0..bytes.len() - 20 {
            let cut = pushed(wire, &[&bytes[..length]]).unwrap_or_else(|error| panic!("{name} {length}: {error}"));
            assert!(!cut.whole || cut.blocks == whole.blocks, "{name} {length}: half passed as whole");
            assert!(cut.blocks.len() <= whole.blocks.len(), "{name} {length}");
        }
    }
}

proptest! {
    /// Damaged anywhere and cut anywhere: no panic, and the same result as in one piece.
    #[test]
    fn damage_is_the_same_in_pieces(
        which in 0..10usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (wire, name) = STREAMS.into_iter().chain(ERRORS).nth(which).expect("one of ten");
        let mut bytes = bytes(name);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(pushed(wire, &pieces), pushed(wire, &[&bytes]));
    }
}

#[test]
fn gemini_is_read() {
    let path = "/v1beta/models/gemini-model:streamGenerateContent?alt=sse";
    let read = request(Wire::Gemini, path, "written/gemini-request.json");
    let want = [
        "system text You are terse.",
        "user text What does the picture show, and how is the weather there?",
        "user attachment image/png -",
        "user attachment application/pdf https://files.example/a.pdf",
        "assistant thinking Two cities, two calls.",
        "assistant text Grüße: I ask for both.",
        r#"assistant call  weather {"city":"Köln","days":1}"#,
        "assistant attachment thoughtSignature -",
        "assistant call  time {}",
        "tool result weather rain\n",
        "tool failure f-2 no clock",
        r#"tool result map {"x":1,"y":2}"#,
        "tool attachment image/png -",
    ];
    assert_eq!(lines(&read.blocks), want);
    assert_eq!((read.model.as_deref(), read.streams, read.max_output), (Some("gemini-model"), true, Some(800)));
    let tools: Vec<_> = read.tools.iter().map(|tool| (tool.name.as_str(), tool.kind.as_str())).collect();
    assert_eq!(tools, [("weather", "function"), ("time", "function"), ("googleSearch", "googleSearch")]);
}

#[test]
fn ollama_is_read() {
    let read = request(Wire::Ollama, "/api/chat", "written/ollama-request.json");
    let want = [
        "system text You are terse.",
        "user text What does the picture show, and how is the weather there?",
        "user attachment image -",
        "assistant thinking Two cities, two calls.",
        "assistant text Grüße: I ask for both.",
        r#"assistant call  weather {"city":"Köln","days":1}"#,
        "assistant call  time {}",
        "tool result weather rain\n",
    ];
    assert_eq!(lines(&read.blocks), want);
    assert_eq!((read.model.as_deref(), read.streams, read.max_output), (Some("llama-model"), true, Some(800)));
}

#[test]
fn what_gemini_and_ollama_delivered_comes_back() {
    for (wire, stream, path, name) in [
        (Wire::Gemini, "written/gemini.sse", "/v1/models/m:generateContent", "written/gemini-request.json"),
        (Wire::Ollama, "written/ollama.ndjson", "/api/chat", "written/ollama-request.json"),
    ] {
        let mut history = History::new();
        history.delivered(&answer(wire, stream).blocks);
        let read = request(wire, path, name);
        let sorted = history.sort(&read);
        assert!(sorted.iter().any(|(_, standing)| *standing == Standing::Delivered), "{name}");
        assert!(sorted.iter().all(|(_, standing)| *standing != Standing::Unmatched), "{name}: {sorted:?}");
    }
}
