//! What judging adds to a call: `cargo bench -p bastide-sense --bench meaning`. A conversation of 100 messages and 1 MiB of results, of which
//! one is new each time, as in a session that goes on; then all of it anew, as behind a gate that takes over. Processor time of the thread
//! that judges: what else runs on the machine is no part of it.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sense::meaning::{Given, Memory, Scene, Tool};
use serde_json::{Value, json};

const MESSAGES: usize = 100;
const SIZE: usize = 1 << 20;
const ROUNDS: usize = 1000;

fn main() {
    let kinds: [(&str, &dyn Fn(usize) -> String); 2] = [("records", &records), ("documents", &document)];
    println!(
        "{:<10} {:>6} {:>9} {:>10} {:>10} {:>10} {:>10}",
        "results", "calls", "bytes", "p50 us", "p99 us", "most us", "anew us"
    );
    for (kind, text) in kinds {
        measure(kind, text);
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Things with fields, as a mailbox lists them.
fn records(at: usize) -> String {
    let one = |n: usize| {
        format!(
            "- id: '{n}'\n  sender: person{}@mail.example\n  subject: Note {n}\n  body: 'The margin of contract {n} is {}, as was said.'\n  read: true\n",
            n % 97,
            n * 7919 % 1000
        )
    };
    fill(at, &one)
}

fn document(at: usize) -> String {
    fill(at, &|n| {
        format!(
            "The quarterly margin of contract {n} is {} and stays inside, says https://host{n}.example/x.\n",
            n * 7919 % 1000
        )
    })
}

fn fill(at: usize, one: &dyn Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut n = at * 10_000;
    while text.len() < SIZE / (MESSAGES / 2) {
        text += &one(n);
        n += 1;
    }
    text
}

fn measure(kind: &str, text: &dyn Fn(usize) -> String) {
    let said = "Send Ann (ann@mail.example) a summary of the notes of person7 and pay 12.50 to GB29NWBK60161331926819";
    let tool = if kind == "records" { "list_mails" } else { "read_file" };
    let texts: Vec<String> = (0..MESSAGES / 2 + ROUNDS).map(text).collect();
    let arguments = json!({"to": "person7@mail.example", "subject": "Notes", "body": "The margins are rising, as was said: 17, 23 and 42.", "cc": ["ann@mail.example"], "attachment": "notes.txt"}).to_string();
    let call = Tool { name: "send_mail", description: "Sends a mail.", schema: &Value::Null };
    let mut memory = Memory::default();
    let judged = |memory: &mut Memory, from: usize| {
        // A session that goes on: half of its messages are results, and the last one is new.
        let given: Vec<Given<'_>> =
            texts[from..from + MESSAGES / 2].iter().map(|text| Given { tool, text, asked: "{}" }).collect();
        let begun = now();
        let scene = Scene::remembering(&[said], given, &[], memory);
        black_box(scene.judge(&call, &arguments));
        now() - begun
    };
    judged(&mut memory, 0);
    let mut took: Vec<Duration> = (1..=ROUNDS).map(|from| judged(&mut memory, from)).collect();
    took.sort();
    let mut anew: Vec<Duration> = (0..20).map(|from| judged(&mut Memory::default(), from)).collect();
    anew.sort();
    let micros = |took: Duration| took.as_secs_f64() * 1e6;
    let bytes: usize = texts[..MESSAGES / 2].iter().map(String::len).sum();
    println!(
        "{kind:<10} {ROUNDS:>6} {bytes:>9} {:>10.0} {:>10.0} {:>10.0} {:>10.0}",
        micros(took[ROUNDS / 2]),
        micros(took[ROUNDS * 99 / 100]),
        micros(took[ROUNDS - 1]),
        micros(anew[10])
    );
}
