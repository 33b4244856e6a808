//! What may not leave, said again and again: nothing of it is let out, all of it that is a request is recorded, and neither the
//! record nor the gate's memory grows with it.

use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::json;

use super::spoken::name;
use super::{Scene, scene_with, text, wrap};
use crate::fake::dns::ask;
use crate::fake::server::{request, say};

/// How many may be refused at once, with what speaks for each.
const AT_ONCE: usize = 1024;
/// How many a second then.
const A_SECOND: usize = 4;

/// A name that carries the secret, and has not been asked for.
fn another(at: usize) -> String {
    format!("{at}.{}", name(&wrap::digits::hex(super::SECRET.as_bytes()), 30))
}

impl Scene {
    fn answer(&self, name: String) -> ResponseCode {
        self.cell.inside(move || ask("198.18.0.1:53", &format!("{name}."), RecordType::A, false).metadata.response_code)
    }

    /// How long it takes until this is refused.
    fn refused(&self, host: &str, port: u16, path: &str, body: &str) -> Duration {
        let said = text(&request("POST", host, port, path, "", body));
        let said = said.replace("inference.bastide:80", "inference.bastide");
        let begun = Instant::now();
        let back = say(&self.cell, None, host, port, said.as_bytes()).unwrap();
        assert!(back.starts_with("HTTP/1.1 4"), "{back}");
        begun.elapsed()
    }
}

#[test]
fn what_is_refused_with_its_evidence_waits_where_there_is_much_of_it() {
    let mut scene = scene_with(|leased| leased.bounds.names = 64);
    let answers: Vec<ResponseCode> = (0..AT_ONCE + 76).map(|at| scene.answer(another(at))).collect();
    assert!(answers[..AT_ONCE].iter().all(|code| *code == ResponseCode::NXDomain));
    assert!(answers[AT_ONCE + 64..].contains(&ResponseCode::ServFail), "a name is not waited for");
    assert!(scene.names.lock().unwrap().is_empty(), "none of them left");
    // Each request waits for its turn, and is in the record.
    let body = format!("see {}", super::SECRET);
    let mut took: Duration = (0..A_SECOND).map(|_| scene.refused("web.example", scene.sink.port, "/in", &body)).sum();
    let model = json!({"model": "nobody-routes-this", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    took += scene.refused("inference.bastide", 80, "/v1/chat/completions", &model);
    assert!(took >= Duration::from_millis(900), "{took:?}");
    scene.gate.channel().shutdown(std::net::Shutdown::Write).unwrap();
    scene.gate.end();
    let record = scene.cell.record();
    let count = |kind: &str| record.lines().filter(|line| line.contains(kind) && line.contains("refused")).count();
    assert_eq!((count("\"kind\":\"request\""), count("\"kind\":\"model\"")), (A_SECOND, 1));
    assert!(count("\"kind\":\"resolve\"") <= 2 * 64 + 2, "as many as names are bounded, and what is counted");
    assert!(
        record.contains("too many names were refused") && record.contains("more connections or names were refused")
    );
}
