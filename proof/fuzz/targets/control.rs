//! What is said to a session at its control socket, in pieces of any size: it is heard the same however it is cut, and what
//! was understood says itself again in a form that is understood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::control::{Ask, Heard, Reader, Unheard};

/// Most messages of one input.
const MOST: usize = 1000;

fn heard(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<String>, Option<Unheard>) {
    let (mut reader, mut all) = (Reader::default(), Vec::new());
    for piece in pieces {
        reader.push(&piece);
        while all.len() < MOST {
            match reader.next_message() {
                Ok(None) => break,
                Ok(Some(Heard::Hello(version))) => all.push(format!("hello {version}")),
                Ok(Some(Heard::Ask(ask))) => {
                    let again: Ask = wire::decode(&wire::encode(&ask).expect("it was in a frame")).expect("understood");
                    assert_eq!((again.number, again.order.name()), (ask.number, ask.order.name()));
                    all.push(format!("{} {}", ask.number, ask.order.name()));
                }
                Ok(Some(Heard::Unknown { number, order })) => {
                    assert!(order.chars().count() <= 40);
                    all.push(format!("{number} unknown {order}"));
                }
                Err(unheard) => return (all, Some(unheard)),
            }
        }
    }
    (all, None)
}

fuzz_target!(|data: &[u8]| {
    let whole = heard(std::iter::once(data.to_vec()));
    let size = data.first().map_or(1, |byte| usize::from(*byte) % 7 + 1);
    assert_eq!(heard(data.chunks(size).map(<[u8]>::to_vec)), whole);
    if let Some(first) = whole.0.first() {
        assert!(first.starts_with("hello "), "nothing is heard before a greeting");
    }
});
