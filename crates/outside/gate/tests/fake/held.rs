//! The plane's side of what a gate holds.

use std::io::{Read, Write};
use std::time::Duration;

use wire::question::{Ruling, Wanted};
use wire::{Decoder, GateOrder, GateReport};

use super::Gate;

/// Rules each question as it comes, until so many came; gives them in that order.
pub fn rule(gate: &Gate, count: usize, by: impl Fn(&Wanted) -> Ruling) -> Vec<Wanted> {
    let mut channel = gate.channel();
    channel.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut decoder, mut bytes, mut asked) = (Decoder::<GateReport>::new(), [0; 4096], Vec::new());
    while asked.len() < count {
        let length = channel.read(&mut bytes).unwrap();
        assert!(length > 0, "the gate ended");
        for report in decoder.push(&bytes[..length]).unwrap() {
            let GateReport::Held { number, wanted } = report else { continue };
            let order = GateOrder::Ruled { number, ruling: by(&wanted) };
            channel.write_all(&wire::encode(&order).unwrap()).unwrap();
            asked.push(*wanted);
        }
    }
    asked
}

pub fn once(wanted: &Wanted) -> Ruling {
    Ruling::Once { question: "0123456789abcdef".into(), rule: Box::new(wanted.rule.clone()) }
}

pub fn denied(_: &Wanted) -> Ruling {
    Ruling::Refused { why: "the operator denied it".into(), denied: true }
}
