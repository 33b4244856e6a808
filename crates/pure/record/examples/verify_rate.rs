//! What `log verify` takes for a segment of connections: `cargo run --release -p bastide-record --example verify_rate`.

use std::time::Instant;

use record::{Cause, EventId, Kind, Known, Origin, Redactor, Segment, Verdict, Writer, verify};

const EVENTS: u64 = 200_000;
const ROUNDS: usize = 7;

fn kind(number: u64) -> Kind {
    Kind::Connect {
        pid: Some(7),
        program: vec!["/usr/bin/curl".into(), "/bin/sh".into(), "/usr/bin/node".into()],
        host: format!("h{number}.example"),
        address: Some("192.0.2.1".into()),
        port: 443,
        verdict: Verdict::Allowed,
        rule: Some(format!("{{to: \"h{number}.example:443\"}}")),
        reason: None,
        suggestion: None,
        times: 1,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = Origin { session: "s".into(), segment: Segment::Gate };
    let (mut writer, redactor, mut text) = (Writer::new(&origin), Redactor::new(), Vec::new());
    for number in 1..=EVENTS {
        let cause = vec![Cause { id: EventId { segment: Segment::Plane, seq: 1 }, known: Known::Inferred }];
        text.extend(writer.append(&redactor, number, cause, kind(number))?.1);
    }
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        verify(&origin, &text)?;
        rates.push(EVENTS as f64 / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{} bytes an event; events/s: least {:.0}, median {:.0}",
        text.len() as u64 / EVENTS,
        rates[0],
        rates[ROUNDS / 2]
    );
    Ok(())
}
