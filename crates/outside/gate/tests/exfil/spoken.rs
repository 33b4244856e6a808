//! What is said otherwise: names, WebSockets, calls of tools, words to the operator and to children.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};
use serde_json::json;

use super::{Scene, is_text, nothing_reaches, text, wrap};
use crate::fake::dns::ask;
use crate::fake::server::{request, say};
use crate::fake::socket::{Program, frame};
use crate::fake::{Cell, talk};

/// Longest name that all of it stands in, before what it is written in and the zone.
const NAME: usize = 112;

/// Looks a name up and asks something there, as a program does; what of it is refused is refused.
pub(super) fn visit(cell: &Cell, name: String, port: u16) {
    cell.inside(move || {
        let answer = ask("198.18.0.1:53", &format!("{name}."), RecordType::A, false);
        let Some(RData::A(address)) = answer.answers.first().map(|record| &record.data) else { return };
        let Ok(mut stream) = TcpStream::connect((address.0, port)) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let said = format!("GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(said.as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    });
}

/// A name beneath the zone that says this in labels of so many digits.
pub(super) fn name(digits: &[u8], length: usize) -> String {
    let labels: Vec<String> = digits.chunks(length).map(text).collect();
    format!("{}.drop.example", labels.join("."))
}

#[test]
fn a_name_in_base32() {
    nothing_reaches(
        "name in base32",
        |bytes| bytes.len() <= NAME,
        |scene, bytes| {
            let digits: Vec<u8> =
                wrap::digits::base32_small(bytes).into_iter().filter(|&digit| digit != b'=').collect();
            visit(&scene.cell, name(&digits, 63), scene.sink.port);
            0
        },
    );
}

#[test]
fn a_name_in_hexadecimal() {
    nothing_reaches(
        "name in hexadecimal",
        |bytes| bytes.len() <= NAME,
        |scene, bytes| {
            visit(&scene.cell, name(&wrap::digits::hex(bytes), 30), scene.sink.port);
            0
        },
    );
}

/// Where nobody looks it up inside, the proxy would.
#[test]
fn a_name_that_the_proxy_is_told() {
    nothing_reaches(
        "name in CONNECT",
        |bytes| bytes.len() <= NAME,
        |scene, bytes| {
            let (name, port) = (name(&wrap::digits::hex(bytes), 60), scene.sink.port);
            let said = format!("CONNECT {name}:{port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n");
            let _ = say(&scene.cell, None, "proxy.bastide", 3128, said.as_bytes());
            0
        },
    );
}

impl Scene {
    pub(super) fn socket(&self, frames: &[u8]) -> usize {
        let mut program = Program::open(&self.cell, Some(&self.cells), "web.example", self.sockets.port, "/ws/echo");
        program.say(frames);
        let _ = program.hear();
        0
    }
}

#[test]
fn a_message_of_a_websocket() {
    nothing_reaches("WebSocket", |_| true, |scene, bytes| scene.socket(&frame(0x82, bytes, true)));
}

#[test]
fn a_message_of_a_websocket_in_frames() {
    nothing_reaches(
        "WebSocket in frames",
        |_| true,
        |scene, bytes| {
            let pieces: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(5).max(1)).collect();
            let first = |at: usize| {
                u8::from(at + 1 == pieces.len()) << 7 | if at == 0 { 1 + u8::from(!is_text(bytes)) } else { 0 }
            };
            let frames: Vec<u8> =
                pieces.iter().enumerate().flat_map(|(at, some)| frame(first(at), some, true)).collect();
            scene.socket(&frames)
        },
    );
}

#[test]
fn arguments_of_a_tool() {
    nothing_reaches("MCP arguments", is_text, |scene, bytes| {
        let arguments = json!({"to": "all", "note": text(bytes)});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "post", "arguments": arguments}});
        let headers = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
        let said = request("POST", "mcp.example", scene.sink.port, "/mcp/x", headers, &body.to_string());
        let _ = say(&scene.cell, None, "mcp.example", scene.sink.port, &said);
        0
    });
}

/// The provider is told, and says it in a call: the program does not hear that.
#[test]
fn a_call_of_a_model() {
    nothing_reaches("call of a model", is_text, |scene, bytes| {
        let body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": text(bytes)}]});
        let said = request("POST", "inference.bastide", 80, "/v1/chat/completions", "", &body.to_string());
        let said = text(&said).replace("inference.bastide:80", "inference.bastide");
        let before = scene.sink.got.lock().unwrap().len();
        let back = say(&scene.cell, None, "inference.bastide", 80, said.as_bytes()).unwrap();
        // It went to the model, which is where it may go, and does not count.
        let mut got = scene.sink.got.lock().unwrap();
        assert_eq!(got.len(), before + 1, "{back}");
        got.truncate(before);
        usize::from(back.contains("\"fetch\""))
    });
}

impl Scene {
    fn petitions(&self, verb: &str, body: &serde_json::Value) -> usize {
        let (body, verb) = (body.to_string(), verb.to_owned());
        self.cell.inside(move || {
            let to = (crate::fake::dns::address("bastide.internal."), 80).into();
            let said = format!(
                "POST /{verb} HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            // No more of them are taken at once than a session may say.
            loop {
                let back = talk(to, said.as_bytes()).unwrap();
                if !back.starts_with("HTTP/1.1 429") {
                    return;
                }
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        0
    }
}

#[test]
fn words_to_the_operator() {
    nothing_reaches(
        "report",
        |bytes| is_text(bytes) && bytes.len() < 4096,
        |scene, bytes| scene.petitions("report", &json!({"words": text(bytes)})),
    );
}

#[test]
fn words_to_another_session() {
    nothing_reaches(
        "send",
        |bytes| is_text(bytes) && bytes.len() < 4096,
        |scene, bytes| scene.petitions("send", &json!({"words": text(bytes)})),
    );
}
