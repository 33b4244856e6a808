//! Evidence in any text: what is told stands where it is said to, is bounded, and never holds a secret's letters; more of it
//! never lowers a risk.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sense::detect::{MANY, Name, Secrets, incoming, outgoing};
use sense::risk::Risk;

static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (came, left) = (incoming(&text), outgoing(&text, &SECRETS));
    let mut risk = Risk::default();
    let mut before = 0;
    for (at, evidence) in came.iter().chain(&left).enumerate() {
        assert!(text.get(evidence.span.clone()).is_some(), "{evidence:?}");
        assert!(evidence.quoted.len() <= sense::MAX_QUOTE && evidence.weight > 0);
        if evidence.name == Name::Secret {
            assert!(evidence.quoted.ends_with(" characters"));
        }
        risk.add(0, evidence.name, evidence.weight, at as u64);
        let score = risk.score(0);
        assert!(score >= before && risk.score(1_000_000) <= score);
        before = score;
    }
    assert!(came.len() <= MANY && left.len() <= MANY);
});
