//! Streams that mean one thing to a careless reader and another to a server: none reaches one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::{Scene, echo};
use crate::fake::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, block, frame, raw,
};
use crate::fake::server::authority;
use crate::fake::{OUTSIDE, outside};

/// A server that keeps every byte, and answers to each piece.
fn origin() -> (u16, Arc<Mutex<Vec<u8>>>) {
    outside();
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&got);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    kept.lock().unwrap().extend_from_slice(&bytes[..length]);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, got)
}

/// Paths that some servers read as one that is not allowed, or as none.
const PATHS: [&str; 50] = [
    "/evil",
    "/",
    "/a/../evil",
    "/a/./../evil",
    "/a/..",
    "/a/%2e%2e/evil",
    "/a/.%2e/evil",
    "/a/..%2fevil",
    "/a/%2e%2e%2fevil",
    "/a/..%5cevil",
    "/a/..\\evil",
    "/a\\..\\evil",
    "\\a\\evil",
    "/a/..;/evil",
    "/a/%2e%2e;/evil",
    "/a/..%3b/evil",
    "/a;/../evil",
    "/a/%252e%252e/evil",
    "/a/%25%32%65%25%32%65/evil",
    "/a/%c0%ae%c0%ae/\u{0}evil",
    "/a/..%00/evil",
    "/a/..%0d%0a/evil",
    "/a/%2/evil",
    "/a/%u002e%u002e/evil",
    "//evil",
    "///evil",
    "/a//../evil",
    "/a%2f%2fevil",
    "/.//evil",
    "/a/..#/evil",
    "/A/evil",
    "/a/deep/evil",
    "/a/%64eep/evil",
    "/a/deep%2fevil",
    "/a/deep;v=1/evil",
    "/a/x;/../deep/evil",
    "/a/./deep/evil",
    "/a//deep/evil",
    "/a/x?key=evil",
    "/a/x?key=ok&key=evil",
    "/a/x?%6bey=%65vil",
    "/a/x?key=%zzevil",
    "",
    "*",
    "a/x",
    "http://web.example/a/x",
    "/a/x HTTP/1.1\r\nhost: evil\r\n\r\n",
    "/a/x\tevil",
    "/a/x evil",
    "/a/\u{e9}",
];

type Fields = Vec<(&'static str, &'static str)>;

/// Whole lists of fields; AUTHORITY stands for the destination's. The first four are the usual ones where they are not said.
fn lists() -> Vec<Fields> {
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "AUTHORITY"), (":path", "/a/x")];
    let with = |more: &[(&'static str, &'static str)]| [&usual, more].concat();
    let but = |at: usize, name: &'static str, value: &'static str| {
        let mut list = usual.to_vec();
        list[at] = (name, value);
        list
    };
    let without =
        |at: usize| usual.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, field)| *field).collect();
    let mut lists: Vec<Fields> = (0..4).map(without).collect();
    lists.extend([
        // Said twice, late, or unknown.
        with(&[(":path", "/a/y")]),
        with(&[(":method", "POST")]),
        with(&[(":authority", "AUTHORITY")]),
        with(&[(":scheme", "http")]),
        with(&[("x", "y"), (":path", "/a/x")]),
        with(&[(":status", "200")]),
        with(&[(":protocol", "websocket")]),
        with(&[(":evil", "x")]),
        // Another method, host or scheme.
        but(0, ":method", "DELETE"),
        but(0, ":method", "get"),
        but(0, ":method", "GET /evil HTTP/1.1\r\nx: "),
        but(0, ":method", "G ET"),
        but(0, ":method", ""),
        but(1, ":scheme", "https"),
        but(1, ":scheme", "ftp"),
        but(1, ":scheme", ""),
        but(1, ":scheme", "http://evil"),
        but(2, ":authority", "evil.example"),
        but(2, ":authority", "evil@AUTHORITY"),
        but(2, ":authority", "AUTHORITY, evil.example"),
        but(2, ":authority", "AUTHORITY\r\nx: y"),
        but(2, ":authority", "AUTHORITY/evil"),
        but(2, ":authority", ""),
        with(&[("host", "evil.example")]),
        with(&[("host", "AUTHORITY"), ("host", "evil.example")]),
        vec![(":method", "CONNECT"), (":authority", "AUTHORITY")],
        vec![
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "AUTHORITY"),
            (":path", "/a/x"),
        ],
        // Headers of a connection, and names and values that none may have.
        with(&[("connection", "close")]),
        with(&[("connection", "x")]),
        with(&[("keep-alive", "1")]),
        with(&[("proxy-connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("http2-settings", "AA")]),
        with(&[("te", "gzip")]),
        with(&[("X-Upper", "y")]),
        with(&[("x y", "z")]),
        with(&[("x:y", "z")]),
        with(&[("", "z")]),
        with(&[("x\r\ny", "z")]),
        with(&[("x", "y\r\nz: 1")]),
        with(&[("x", "y\nz: 1")]),
        with(&[("x", "y\rz")]),
        with(&[("x", "y\u{0}z")]),
        with(&[("x-http-method-override", "DELETE")]),
        with(&[("x_http_method_override", "DELETE")]),
        // Framing.
        with(&[("content-length", "5")]),
        with(&[("content-length", "0"), ("content-length", "0")]),
        with(&[("content-length", "0"), ("content-length", "5")]),
        with(&[("content-length", "+0")]),
        with(&[("content-length", "-1")]),
        with(&[("content-length", "0x0")]),
        with(&[("content-length", "00")]),
        with(&[("content-length", "0, 0")]),
        with(&[("content-length", "")]),
        with(&[("content_length", "5")]),
        with(&[("transfer_encoding", "chunked")]),
    ]);
    lists
}

/// Whether stream 1 was answered, reset, or the connection ended.
fn over(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        let ended = frame.stream == 1 && matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM > 0;
        ended || frame.stream == 1 && frame.kind == RST_STREAM || frame.kind == GOAWAY
    })
}

/// What was said to the program, as text; none where it was only reset.
fn told(frames: &[Frame]) -> String {
    let data = frames.iter().filter(|frame| frame.kind == DATA).flat_map(|frame| frame.payload.clone());
    String::from_utf8_lossy(&data.collect::<Vec<_>>()).into_owned()
}

#[test]
fn no_evasion_reaches_a_server() {
    let (port, got) = origin();
    let scene = Scene::of(port, &authority("servers"), |_| {});
    let authority = format!("web.example:{port}");
    let paths = PATHS
        .iter()
        .map(|path| vec![(":method", "GET"), (":scheme", "http"), (":authority", "AUTHORITY"), (":path", *path)]);
    let (mut cases, mut refused) = (0, 0);
    for list in paths.chain(lists()) {
        let fields: Vec<(&str, String)> =
            list.iter().map(|(name, value)| (*name, value.replace("AUTHORITY", &authority))).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let said = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
        let frames = raw(&scene.cell, &scene.plain(), said, over);
        let reached = String::from_utf8_lossy(&got.lock().unwrap()).into_owned();
        assert!(reached.is_empty(), "{list:?}: {reached:?}");
        assert!(over(&frames), "{list:?}: {frames:?}");
        let text = told(&frames);
        let reset = frames.iter().any(|frame| matches!(frame.kind, RST_STREAM | GOAWAY));
        assert!(text.contains("bastide refused this") || reset, "{list:?}: {frames:?}");
        refused += usize::from(!text.is_empty());
        cases += 1;
    }
    assert_eq!(cases, PATHS.len() + lists().len());
    assert!(refused > 40, "only {refused} were told why");
    // The way is open for what is allowed, or nothing was shown.
    let good = [(":method", "GET"), (":scheme", "http"), (":authority", &authority), (":path", "/a/x?key=ok")];
    let frames = raw(&scene.cell, &scene.plain(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&good)), over);
    assert!(!frames.iter().any(|frame| frame.kind == RST_STREAM), "{frames:?}");
    let expected = format!("GET /a/x?key=ok HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    assert_eq!(String::from_utf8_lossy(&got.lock().unwrap()), expected);
    // Of what the protocol itself forbids the record tells, too.
    scene.cell.wait_for("what its stream says is no request in HTTP/2");
}

/// What is sent on a stream behind its end, or on one that never began, goes nowhere.
#[test]
fn frames_out_of_their_place_reach_no_server() {
    let (scene, server) = Scene::serving(false, echo, |_| {});
    let authority = format!("web.example:{}", scene.port);
    let fields = |method: &'static str| {
        block(&[(":method", method), (":scheme", "http"), (":authority", &authority), (":path", "/a/x")])
    };
    let (get, post) = (fields("GET"), fields("POST"));
    let evil = block(&[("x-evil", "1")]);
    let whole = END_HEADERS | END_STREAM;
    for said in [
        // Behind the end of a stream.
        [frame(HEADERS, whole, 1, &get), frame(DATA, END_STREAM, 1, b"evil")].concat(),
        [frame(HEADERS, whole, 1, &get), frame(HEADERS, whole, 1, &evil)].concat(),
        // On streams that are not the program's to begin, or were not begun.
        frame(DATA, END_STREAM, 1, b"evil"),
        frame(HEADERS, whole, 2, &get),
        frame(HEADERS, whole, 0, &get),
        // Headers that others interrupt, or that go on without a beginning.
        [frame(HEADERS, END_STREAM, 1, &get), frame(DATA, END_STREAM, 1, b"evil")].concat(),
        [frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, END_HEADERS, 3, &evil)].concat(),
        frame(CONTINUATION, END_HEADERS, 1, &get),
        // A push from a program.
        frame(5, END_HEADERS, 1, &[&2_u32.to_be_bytes()[..], &get].concat()),
        // Trailers that end nothing.
        [frame(HEADERS, END_HEADERS, 1, &post), frame(HEADERS, END_HEADERS, 1, &evil)].concat(),
    ] {
        let frames = raw(&scene.cell, &scene.plain(), said, over);
        assert!(over(&frames), "{frames:?}");
        let got = server.got();
        assert!(got.iter().all(|(head, body)| !head.contains("evil") && !body.contains("evil")), "{got:?}");
    }
    assert_eq!(
        super::say_one(&scene.cell, &scene.plain(), scene.plain().ask("GET", "/a/x").body(Vec::new()).unwrap()).status,
        200
    );
}
