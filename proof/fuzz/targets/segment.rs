//! Lines of a ledger segment. As they come: verified, resumed and read without a panic. As events of a chain made
//! here, since no mutation finds a SHA-256: the chain verifies if each line is an event that names its own place, and then
//! any changed byte breaks it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::{Entry, Origin, Segment, decode, resume, summarise, verify, why};
use sha2::{Digest, Sha256};

fn chain(bytes: &[u8]) -> Vec<u8> {
    let mut hash: [u8; 32] = Sha256::new().chain_update(b"bastide segment 1\0gs").finalize().into();
    let mut text = Vec::new();
    for json in bytes.split(|&byte| byte == b'\n') {
        hash = Sha256::new().chain_update(hash).chain_update(json).finalize().into();
        text.extend(hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
        text.extend([b" ", json, b"\n"].concat());
    }
    text
}

fn entries(text: &[u8]) -> Vec<Entry> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    (1..).zip(lines).flat_map(|(place, line)| decode(Segment::Gate, place, line)).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let origin = Origin { session: "s".into(), segment: Segment::Gate };
    let raw = verify(&origin, bytes);
    assert!(raw.is_err() || bytes.is_empty(), "a chain out of nothing");
    let _ = (resume(&origin, bytes), entries(bytes));

    let mut text = chain(bytes);
    let count = bytes.split(|&byte| byte == b'\n').count();
    let events = entries(&text);
    let sound = events.len() == count && events.iter().all(|entry| entry.event.seq == entry.id.seq);
    match (verify(&origin, &text), resume(&origin, &text)) {
        (Ok(verified), Ok((_, keep))) => assert_eq!((sound, keep, verified.events), (true, text.len(), count as u64)),
        (Err(_), Err(_)) => assert!(!sound, "a sound chain is broken"),
        other => panic!("proved and resumed alike: {other:?}"),
    }
    let _ = summarise(events.iter().map(|entry| &entry.event));
    for entry in events.iter().take(16) {
        let answer = why(&events, entry.id).expect("it is there");
        assert!(answer.causes.len() <= record::why::MAX_CAUSES);
    }
    let at = bytes.iter().fold(7usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % text.len();
    text[at] ^= 1 << (bytes.len() % 8);
    assert!(verify(&origin, &text).is_err(), "a changed byte at {at} passes");
});
