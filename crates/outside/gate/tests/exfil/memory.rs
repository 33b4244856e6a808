//! What a gate holds of a session that read much: labelled files, as many as a session may have, and results of tools that went
//! to a model. `BASTIDE_EXFIL_READ` is how many MiB of those there are.

use std::fs;

use policy::Label;
use serde_json::json;
use wire::Labelled;

use super::{Scene, scene_with, text};
use crate::fake::server::{request, say};

/// MiB that labels and fingerprints may take.
const MOST: u64 = 64;

/// MiB of labelled files: those of a session come to no more.
const FILES: usize = 4;

/// Prose that says something else each time.
fn prose(seed: usize, size: usize) -> String {
    let (mut text, mut word) = (String::with_capacity(size + 16), seed as u64 * 2 + 1);
    while text.len() < size {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let letters = 2 + (word >> 60) as usize % 9;
        text.extend((0..letters).map(|at| char::from(b'a' + ((word >> (5 * at)) % 26) as u8)));
        text.push(if word >> 40 & 15 == 0 { '\n' } else { ' ' });
    }
    text
}

impl Scene {
    /// Memory of the gate that is its own, in KiB.
    fn held(&self) -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.gate.child.id())).unwrap();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

#[test]
fn what_a_session_read_takes_bounded_memory() {
    let read: usize = std::env::var("BASTIDE_EXFIL_READ").map_or(6, |text| text.parse().unwrap());
    let before = scene_with(|_| {}).held();
    let scene = scene_with(|leased| {
        leased.labelled.extend((0..FILES * 8).map(|at| Labelled {
            label: Label::parse("secret:clients").unwrap(),
            source: format!("notes/{at}.md"),
            text: prose(at + 1, (1 << 17) - 64),
            exact: false,
        }));
    });
    let labelled = scene.held();
    for at in 0..read {
        let call = json!({"role": "assistant", "content": null, "tool_calls":
            [{"id": format!("c{at}"), "type": "function", "function": {"name": "read", "arguments": "{}"}}]});
        let result = json!({"role": "tool", "tool_call_id": format!("c{at}"), "content": prose(1000 + at, 1 << 20)});
        let body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "read all"}, call, result]});
        let said = request("POST", "inference.bastide", 80, "/v1/chat/completions", "", &body.to_string());
        let said = text(&said).replace("inference.bastide:80", "inference.bastide");
        let back = say(&scene.cell, None, "inference.bastide", 80, said.as_bytes()).unwrap();
        assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    }
    let after = scene.held();
    println!(
        "a gate: {before} KiB; with {FILES} MiB labelled: {labelled} KiB; after {read} MiB were read: {after} KiB"
    );
    assert!(after - before <= MOST << 10, "{} KiB", after - before);
    // Of what was labelled all is still known.
    let file = prose(FILES * 8, (1 << 17) - 64);
    let said = request("POST", "web.example", scene.sink.port, "/in", "", &file[60_000..60_090]);
    let back = say(&scene.cell, None, "web.example", scene.sink.port, &said).unwrap();
    assert!(back.starts_with("HTTP/1.1 403"), "{back}");
}

#[test]
fn what_tools_are_called_takes_no_memory() {
    let scene = scene_with(|_| {});
    let ask = |at: usize| {
        let name = format!("{at}{}", "x".repeat(1 << 20));
        let tool = json!({"type": "function", "function": {"name": name, "description": "reads", "parameters": {}}});
        let body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "tools": [tool]});
        let said = request("POST", "inference.bastide", 80, "/v1/chat/completions", "", &body.to_string());
        let said = text(&said).replace("inference.bastide:80", "inference.bastide");
        let back = say(&scene.cell, None, "inference.bastide", 80, said.as_bytes()).unwrap();
        assert!(back.starts_with("HTTP/1.1 200"), "{}", &back[..back.len().min(200)]);
    };
    (0..3).for_each(ask);
    let before = scene.held();
    (3..15).for_each(ask);
    let after = scene.held();
    assert!(after < before + (6 << 10), "{before} KiB before, {after} KiB after");
}
