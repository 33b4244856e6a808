//! Calls that are held until they were judged. The first byte picks wire and form, the rest is an answer. Cut anywhere it is
//! the same; what passes means what it meant, but for calls without an end; where all calls are taken out, none is left for a
//! program to read. Words that pass mean what they meant; a word that is taken out is in no block of an answer that is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::conversation::hold::{Cut, Judge, Ruling, Said, Sieve, Verdict, Wants};
use record::conversation::{Answer, Block, Content, Delivered, Malformed, Wire};

const WIRES: [Wire; 5] = [Wire::Messages, Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama];

struct All(Ruling);

impl Judge for All {
    fn judge(&mut self, call: &Block) -> Ruling {
        if matches!(call.content, Content::ToolCall { .. }) { self.0.clone() } else { Ruling::Pass }
    }
}

/// A word that is taken out, and the bytes that wait for it.
const WORD: &str = "th";

/// Asked about words alone. Takes a word out, or nothing and holds nothing.
struct Words(bool);

impl Judge for Words {
    fn wants(&self) -> Wants {
        Wants::WORDS
    }

    fn judge(&mut self, _: &Block) -> Ruling {
        unreachable!("nobody asked about calls")
    }

    fn words(&mut self, said: &Said<'_>) -> Verdict {
        assert!(said.passed < said.text.len() && said.text.is_char_boundary(said.passed));
        if !self.0 {
            return Verdict::PASS;
        }
        let cut = |(at, _)| Cut { place: at..at + WORD.len(), instead: "[]".into() };
        Verdict::Go { cuts: said.text.match_indices(WORD).map(cut).collect(), waits: WORD.len() - 1 }
    }
}

fn through(wire: Wire, streams: bool, bytes: &[u8], step: usize, judge: &mut dyn Judge) -> Result<String, Malformed> {
    let mut sieve = Sieve::new(wire, streams, judge.wants());
    let mut out = String::new();
    for piece in bytes.chunks(step) {
        out += &sieve.push(piece, judge)?;
    }
    Ok(out + &sieve.finish(judge)?)
}

fn says(delivered: &Delivered, word: &str) -> bool {
    let of = |block: &Block| match &block.content {
        Content::Text(text) | Content::Thinking(text) => text.contains(word),
        _ => false,
    };
    delivered.blocks.iter().any(of)
}

fn heard(wire: Wire, streams: bool, bytes: &[u8]) -> Result<Delivered, Malformed> {
    let mut answer = Answer::new(wire, streams);
    answer.push(bytes)?;
    answer.finish()
}

/// Calls that a program carries out; those of the provider's own tools are over when it hears of them.
fn calls(delivered: &Delivered) -> usize {
    let of = |block: &&Block| matches!(&block.content, Content::ToolCall { .. });
    delivered.blocks.iter().filter(of).count()
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else { return };
    let (wire, streams) = (WIRES[usize::from(first) % 5], first & 0x80 != 0);
    let step = 1 + usize::from(first >> 3 & 7);
    let calls_with = |step: usize, ruling: Ruling| through(wire, streams, bytes, step, &mut All(ruling));
    let passed = calls_with(usize::MAX, Ruling::Pass);
    assert_eq!(calls_with(step, Ruling::Pass), passed);
    // An item of responses may be told again, and the first one be odd: without a second that does not end, it is read.
    let read = |out: &String| match heard(wire, streams, out.as_bytes()) {
        Err(_) if wire == Wire::Responses => None,
        after => Some(after.expect("what passed is read")),
    };
    if let (Ok(before), Ok(out)) = (heard(wire, streams, bytes), &passed)
        && let Some(after) = read(out)
    {
        // A call that is never ended is never passed, nor what comes behind its beginning, wherever that stands in the end.
        let lacks = calls(&after) < calls(&before);
        assert!(!before.whole || before.blocks == after.blocks || lacks, "{out}");
    }
    if let Ok(out) = calls_with(step, Ruling::Instead("taken out".into()))
        && let Ok(after) = heard(wire, streams, out.as_bytes())
    {
        let hosted = out.contains("server_tool_use") || out.contains("mcp_tool_use");
        assert!(calls(&after) == 0 || hosted, "{out}");
    }
    let words = |step: usize, takes: bool| through(wire, streams, bytes, step, &mut Words(takes));
    if let (Ok(before), Ok(out)) = (heard(wire, streams, bytes), words(step, false)) {
        let after = heard(wire, streams, out.as_bytes()).expect("what passed is read");
        assert!(!before.whole || before.blocks == after.blocks, "{out}");
    }
    let taken = words(usize::MAX, true);
    assert_eq!(words(step, true), taken);
    // Texts that are read as one are judged as one here; elsewhere a reader may join two that an answer tells apart.
    let apart = wire == Wire::Messages || !streams && wire != Wire::Gemini;
    if let (true, Ok(out)) = (apart, taken)
        && let Ok(after) = heard(wire, streams, out.as_bytes())
    {
        assert!(!says(&after, WORD), "{out}");
    }
});
