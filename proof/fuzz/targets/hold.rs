//! Calls that are held until they were judged. The first byte picks wire and form, the rest is an answer. Cut anywhere it is
//! the same; what passes means what it meant, but for calls without an end; where all calls are taken out, none is left for a
//! program to read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::conversation::hold::{Judge, Ruling, Sieve, Wants};
use record::conversation::{Answer, Block, Content, Delivered, Malformed, Wire};

const WIRES: [Wire; 5] = [Wire::Messages, Wire::Chat, Wire::Responses, Wire::Gemini, Wire::Ollama];

struct All(Ruling);

impl Judge for All {
    fn judge(&mut self, call: &Block) -> Ruling {
        if matches!(call.content, Content::ToolCall { .. }) { self.0.clone() } else { Ruling::Pass }
    }
}

fn through(wire: Wire, streams: bool, bytes: &[u8], step: usize, ruling: &Ruling) -> Result<String, Malformed> {
    let (mut sieve, mut judge) = (Sieve::new(wire, streams, Wants::CALLS), All(ruling.clone()));
    let mut out = String::new();
    for piece in bytes.chunks(step) {
        out += &sieve.push(piece, &mut judge)?;
    }
    Ok(out + &sieve.finish(&mut judge)?)
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
    let passed = through(wire, streams, bytes, usize::MAX, &Ruling::Pass);
    assert_eq!(through(wire, streams, bytes, step, &Ruling::Pass), passed);
    if let (Ok(before), Ok(out)) = (heard(wire, streams, bytes), &passed) {
        let after = heard(wire, streams, out.as_bytes()).expect("what passed is read");
        // A call that is never ended is never passed, nor what stands behind it.
        let lacks = calls(&after) < calls(&before) && before.blocks.starts_with(&after.blocks);
        assert!(!before.whole || before.blocks == after.blocks || lacks, "{out}");
    }
    if let Ok(out) = through(wire, streams, bytes, step, &Ruling::Instead("taken out".into()))
        && let Ok(after) = heard(wire, streams, out.as_bytes())
    {
        let hosted = out.contains("server_tool_use") || out.contains("mcp_tool_use");
        assert!(calls(&after) == 0 || hosted, "{out}");
    }
});
