//! What cannot be looked into, and stood in the workspace before the session: the plane is asked, and the rest is judged as ever.

use record::segment::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{MEMO, SECRET, Scene, scene, text, wrap};
use crate::fake::server::say;

/// Without a pattern, as a picture or ciphertext is.
fn noise(seed: u8, blocks: u8) -> Vec<u8> {
    (0..blocks).flat_map(|block| Sha256::digest([seed, block])).collect()
}

fn sent(scene: &Scene, body: &[u8]) -> String {
    let port = scene.sink.port;
    let head = format!(
        "POST /images HTTP/1.1\r\nHost: web.example:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    say(&scene.cell, None, "web.example", port, &[head.as_bytes(), body].concat()).unwrap_or_else(|error| error)
}

#[test]
fn files_that_stood_in_the_workspace_go_out_and_nothing_with_them() {
    let scene = scene();
    let (logo, other) = (noise(1, 64), noise(2, 64));
    scene.gate.stood.lock().unwrap().insert(hex(&Sha256::digest(&logo).into()));
    let upload = |note: &str, file: &[u8]| {
        json!({"note": note, "content": text(&wrap::digits::base64(file))}).to_string().into_bytes()
    };
    let goes = |body: &[u8]| {
        let back = sent(&scene, body);
        let out = back.starts_with("HTTP/1.1 200");
        assert!(out || back.contains("held back") || back.contains("it carries"), "{back}");
        out
    };
    for body in [logo.clone(), upload("a logo", &logo), wrap::packed::gzip(&logo)] {
        assert!(goes(&body));
        assert_eq!(scene.sink.got.lock().unwrap().last().unwrap().1, body, "it goes as it stood");
    }
    // The same with a secret, with something else that nobody can look into, one byte longer, or cut in two.
    let two = json!([text(&wrap::digits::base64(&logo)), text(&wrap::digits::base64(&other))]).to_string();
    let longer = [&logo[..], b"x"].concat();
    let went = scene.sink.got.lock().unwrap().len();
    for body in [upload(SECRET, &logo), two.into_bytes(), other.clone(), longer, logo[..1024].to_vec()] {
        assert!(!goes(&body));
    }
    assert_eq!(scene.sink.got.lock().unwrap().len(), went);
    // Words from two places of what is labelled, each too few by itself: though such a request is looked at twice, it says them once,
    // and they do not go on with themselves.
    let words = format!("{} and {}", &MEMO[13..48], &MEMO[48..86]);
    assert!(goes(&upload(&words, &logo)));
    let record = scene.cell.record();
    let told: Vec<&str> = record.lines().filter(|line| line.contains("stood in the workspace")).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told[0].contains("2048 bytes of it stood in the workspace before the session: images/logo.png"),
        "{told:?}"
    );
}
