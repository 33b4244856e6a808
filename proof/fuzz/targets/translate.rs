//! Translation between messages and chat. The first byte picks way and form, the rest is a request, an answer or an error.
//! What was translated can be read, with every word and call of the model's in it; an answer is the same in pieces, and is
//! whole only where it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::conversation::translate::{Answering, Told, Wanted, Way, problem, request};
use record::conversation::{Answer, Block, Content, Delivered, Malformed, Speaker, Wire, read};
use serde_json::Value;

fn program(way: Way) -> Wire {
    if way == Way::IntoChat { Wire::Messages } else { Wire::Chat }
}

/// What the model said and called, in any order. Texts of white space alone are nothing.
fn said(blocks: &[Block]) -> Vec<[u8; 32]> {
    let counts = |block: &&Block| match &block.content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::ToolCall { .. } => true,
        _ => false,
    };
    let own = blocks.iter().filter(|block| block.speaker == Speaker::Assistant).filter(counts);
    let mut said: Vec<[u8; 32]> = own.map(Block::digest).collect();
    said.sort_unstable();
    said
}

fn asked(way: Way, openai: bool, bytes: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return };
    match request(way, &body, &Wanted { model: "m", openai }) {
        Ok(other) => {
            let after = read(way.provider(), "", &other.body).unwrap_or_else(|why| panic!("{why}: {}", other.body));
            assert_eq!(after.model.as_deref(), Some("m"));
            if let Ok(before) = read(program(way), "", &body) {
                assert_eq!(said(&before.blocks), said(&after.blocks), "{}", other.body);
                assert_eq!(before.tools.len(), after.tools.len());
            }
        }
        Err(why) => {
            let line = why.to_string();
            assert!(line.len() < 1 << 16 && !line.chars().any(char::is_control), "{line}");
        }
    }
}

fn turned(way: Way, streams: bool, bytes: &[u8], step: usize) -> Result<String, String> {
    let mut answering = Answering::new(way, streams, Told { counts: step % 2 == 1, now: 7 });
    let mut out = String::new();
    for piece in bytes.chunks(step) {
        out += &answering.push(piece).map_err(|why| why.to_string())?;
    }
    out += &answering.finish().map_err(|why| why.to_string())?;
    Ok(out)
}

fn heard(wire: Wire, streams: bool, bytes: &[u8]) -> Result<Delivered, Malformed> {
    let mut answer = Answer::new(wire, streams);
    answer.push(bytes)?;
    answer.finish()
}

fn answered(way: Way, streams: bool, bytes: &[u8]) {
    let whole = turned(way, streams, bytes, 1 << 30 | 1);
    for step in [1, 7] {
        assert_eq!(turned(way, streams, bytes, step), whole, "in pieces of {step}");
    }
    let Ok(out) = whole else { return };
    let after = heard(program(way), streams, out.as_bytes()).unwrap_or_else(|why| panic!("{why}: {out}"));
    // What came whole needs no word for its end.
    if let (Ok(before), true) = (heard(way.provider(), streams, bytes), streams) {
        assert!(before.whole || !after.whole, "{out}");
    }
}

fn wrong(way: Way, status: u16, bytes: &[u8]) {
    let told = problem(way, status, bytes).to_string();
    let heard = heard(program(way), false, told.as_bytes()).expect("an error");
    assert!(heard.error.is_some() && !heard.whole && told.len() < 1 << 17, "{told}");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&form, rest)) = bytes.split_first() else { return };
    let way = if form & 1 == 0 { Way::IntoChat } else { Way::IntoMessages };
    match form >> 1 & 7 {
        0..3 => asked(way, form & 16 == 0, rest),
        3..6 => answered(way, true, rest),
        6 => answered(way, false, rest),
        _ => wrong(way, 300 + u16::from(form), rest),
    }
});
