//! Requests that are decided one by one, judged by what reaches a server: for each way in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Method, PathPattern, Policy, Protocol, Rule};

/// A server that keeps what it was sent, whole requests one by one, and answers by the path.
struct Origin {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    fn new() -> Origin {
        let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::default());
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Origin { port, got }
    }

    /// What came so far.
    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut all = Vec::new();
    loop {
        while !all.windows(4).any(|four| four == b"\r\n\r\n") {
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes) {
                Ok(length) if length > 0 => all.extend_from_slice(&bytes[..length]),
                _ => break,
            }
        }
        let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else {
            // What never became a request is kept as well.
            if !all.is_empty() {
                kept.lock().unwrap().push(String::from_utf8_lossy(&all).into_owned());
            }
            return;
        };
        let head = String::from_utf8_lossy(&all[..end + 4]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let body = length.map_or(0, |digits| digits.parse().unwrap());
        while all.len() < end + 4 + body {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "a body was cut short");
            all.extend_from_slice(&bytes[..length]);
        }
        let request: Vec<u8> = all.drain(..end + 4 + body).collect();
        kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
        let target = head.split(' ').nth(1).unwrap();
        let answer = match target {
            "/a/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal".to_owned(),
            "/a/closes" => "HTTP/1.1 200 OK\r\n\r\nto the end".to_owned(),
            "/a/bye" => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye".to_owned(),
            "/a/two" => {
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
                    .to_owned()
            }
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()),
        };
        if stream.write_all(answer.as_bytes()).is_err() || matches!(target, "/a/cut" | "/a/closes" | "/a/bye") {
            return;
        }
    }
}

/// The address of the servers is in a private range, so it has to be named.
fn here(port: u16) -> Rule {
    Rule::to(policy::Target::parse(&format!("{OUTSIDE}:{port}")).unwrap())
}

/// One rule with bounds, its port filled in.
fn bounded(bounds: policy::Bounds, port: u16) -> Conjunction {
    let to = policy::Target::parse(&format!("web.example:{port}")).unwrap();
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = vec![Rule { protocol: Protocol::Http, bounds, ..Rule::to(to) }, here(port)];
    Conjunction::new(vec![policy])
}

/// `GET` and `POST` beneath `/a` of `web.example`, but never beneath `/a/deep`; all of `free.example`.
fn rules(port: u16) -> Conjunction {
    let rule = |text: &str, methods: &[&str], paths: &[&str]| Rule {
        protocol: if methods.is_empty() && paths.is_empty() { Protocol::Detect } else { Protocol::Http },
        methods: methods.iter().map(|name| Method::parse(name).unwrap()).collect(),
        paths: paths.iter().map(|text| PathPattern::parse(text).unwrap()).collect(),
        ..Rule::to(policy::Target::parse(&text.replace("PORT", &port.to_string())).unwrap())
    };
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = vec![
        rule("web.example:PORT", &["GET", "POST", "HEAD"], &["/a/**"]),
        rule(&format!("{OUTSIDE}:PORT"), &[], &[]),
    ];
    policy.network.deny = vec![rule("*.example", &["GET"], &["/a/deep/**"])];
    Conjunction::new(vec![policy])
}

fn begin() -> (Cell, Origin, Gate) {
    begin_with(rules, 1)
}

fn begin_with(policy: impl Fn(u16) -> Conjunction, incarnation: u32) -> (Cell, Origin, Gate) {
    let (cell, origin) = (Cell::new(), Origin::new());
    let mut leased = lease(&[]);
    (leased.policy, leased.incarnation) = (policy(origin.port), incarnation);
    let gate = cell.start(&leased, ORDINARY).ready();
    (cell, origin, gate)
}

/// How a program comes to its requests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Direct,
    Tunnel,
}

const WAYS: [Way; 2] = [Way::Direct, Way::Tunnel];

/// Says this on one connection and gives all that comes back.
fn say(cell: &Cell, port: u16, way: Way, said: &[u8]) -> String {
    let said = said.to_vec();
    cell.inside(move || {
        let to: SocketAddr = match way {
            Way::Direct => (address("web.example."), port).into(),
            Way::Tunnel => (address("proxy.bastide."), 3128).into(),
        };
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        if way == Way::Tunnel {
            stream.write_all(format!("CONNECT web.example:{port} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
            let mut answer = [0; 39];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 Connection established\r\n\r\n");
        }
        stream.write_all(&said).unwrap();
        // One that was reset meanwhile has no end to say; it shows below.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got);
        let cut = if end.is_err() { "<reset>" } else { "" };
        String::from_utf8(got).unwrap() + cut
    })
}

fn get(path: &str, port: u16) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: web.example:{port}\r\n\r\n")
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The same where nothing follows on the connection, whatever the server thinks.
fn last_answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn each_request_of_a_connection_is_decided_by_itself() {
    for way in WAYS {
        let (cell, origin, _gate) = begin();
        let port = origin.port;
        let post = format!("POST /a/y HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: 2\r\n\r\nhi");
        let requests = [get("/a/x?q=1", port), post, get("/b", port), get("/a/z", port)].concat();
        let got = say(&cell, port, way, requests.as_bytes());
        let (allowed, refused) = got.split_at(answer("/a/x?q=1").len() + answer("/a/y").len());
        assert_eq!(allowed, answer("/a/x?q=1") + &answer("/a/y"), "{way:?}");
        assert!(refused.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{refused}");
        let rule = format!("{{to: \"web.example:{port}\", methods: [GET], paths: [\"/b\"]}}");
        assert!(refused.contains(&rule) && !refused.contains("/a/z"), "{refused}");
        assert!(refused.contains("the operator finds it by: bastide why g"), "{refused}");
        let said = |request: &str| format!("{request} HTTP/1.1\r\nHost: web.example:{port}\r\n");
        let expected = [said("GET /a/x?q=1") + "\r\n", said("POST /a/y") + "Content-Length: 2\r\n\r\nhi"];
        assert_eq!(origin.got(), expected, "{way:?}");
        let record = cell.wait_for("\"close\"");
        let lines: Vec<&str> = record.lines().filter(|line| line.contains("\"kind\":\"request\"")).collect();
        assert_eq!(lines.len(), 3, "{record}");
        assert!(
            lines[0].contains("\"target\":\"/a/x?q=1\"") && lines[0].contains("\"verdict\":\"allowed\""),
            "{record}"
        );
        assert!(lines[2].contains("\"target\":\"/b\"") && lines[2].contains("\"verdict\":\"refused\""), "{record}");
        assert_eq!(record.matches("\"kind\":\"connect\"").count(), 1, "{record}");
    }
}

#[test]
fn a_denied_path_is_denied_in_every_spelling() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    for path in ["/a/deep/x", "/a/%64eep/x", "/a/deep", "/a/deep%2Fx", "/a/deep;v=1/x", "/a/de%65p%5cx"] {
        let got = say(&cell, port, Way::Direct, get(path, port).as_bytes());
        assert!(got.starts_with("HTTP/1.1 403"), "{path}: {got}");
    }
    assert_eq!(origin.got(), [""; 0]);
    assert!(say(&cell, port, Way::Direct, get("/a/deeper", port).as_bytes()).ends_with("/a/deeper"));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_by_name() {
    for way in WAYS {
        let (cell, origin, _gate) = begin();
        let port = origin.port;
        let host = format!("Host: web.example:{port}\r\n");
        let post =
            |fields: &str| format!("POST /a HTTP/1.1\r\n{host}{fields}\r\n0\r\n\r\nGET /b HTTP/1.1\r\n{host}\r\n");
        for (said, name) in [
            (post("Content-Length: 5\r\nContent-Length: 5\r\n"), "two lengths"),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "both a length and a transfer encoding"),
            (post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "both a length and a transfer encoding"),
            (post("Transfer-Encoding: chunked, identity\r\n"), "not `chunked` alone"),
            (post("Transfer-Encoding: xchunked\r\n"), "not `chunked` alone"),
            (post("Transfer-Encoding:\u{b}chunked\r\n"), "control character"),
            (post("Content-Length: +5\r\n"), "no plain number"),
            (post("Content-Length: 0x5\r\n"), "no plain number"),
            (post("Content-Length : 5\r\n"), "no `name: value`"),
            (post("A: b\r\n c\r\n"), "folded"),
            (post("A: b\nContent-Length: 5\r\n"), "line feed stands without"),
            (post("A: b\rContent-Length: 5\r\n"), "carriage return stands without"),
            (post(&host), "two Host headers"),
            (post("Upgrade: h2c\r\nHTTP2-Settings: AA\r\nConnection: Upgrade, HTTP2-Settings\r\n"), "another protocol"),
            (post("Upgrade: websocket\r\nConnection: Upgrade\r\n"), "another protocol"),
            (post("Connection: Host\r\n"), "names a header that frames or routes"),
            (format!("GET /a HTTP/1.1\r\nHost: other.example:{port}\r\n\r\n"), "Host header differs"),
            ("GET /a HTTP/1.1\r\nHost: web.example\r\n\r\n".into(), "Host header differs"),
            ("GET /a HTTP/1.1\r\n\r\n".into(), "no Host header"),
            (format!("GET http://other.example:{port}/a HTTP/1.1\r\n{host}\r\n"), "Host header differs"),
            (format!("GET http://web.example:{port}@other.example/a HTTP/1.1\r\n{host}\r\n"), "user information"),
            (format!("GET https://web.example:{port}/a HTTP/1.1\r\n{host}\r\n"), "only `http://`"),
            (get("/a/../b", port), "`.` or `..`"),
            (get("/a/%2e%2e/b", port), "`.` or `..`"),
            (get("/a/..%2fb", port), "`.` or `..`"),
            (get("/a/..;/b", port), "`.` or `..`"),
            (get("/a//b", port), "empty segment"),
            (get("//web.example/a", port), "empty segment"),
            (get("/a/%252e%252e/b", port), "encoded twice"),
            (get("/a\\b", port), "must be percent-encoded"),
            (get("/a%00", port), "encoded control character"),
            (get("/a%", port), "encodes nothing"),
            (get("/a#b", port), "fragment"),
            (format!("get /a HTTP/1.1\r\n{host}\r\n"), "a method is"),
            (format!("GET  /a HTTP/1.1\r\n{host}\r\n"), "METHOD TARGET"),
            (format!("GET /a HTTP/2.0\r\n{host}\r\n"), "only HTTP/1.0 and HTTP/1.1"),
            ("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n".into(), "only HTTP/1.0 and HTTP/1.1"),
            (format!("OPTIONS * HTTP/1.1\r\n{host}\r\n"), "neither `http://…`"),
            (format!("\r\nGET /a HTTP/1.1\r\n{host}\r\n"), "METHOD TARGET"),
        ] {
            let got = say(&cell, port, way, said.as_bytes());
            assert!(got.starts_with("HTTP/1.1 400") && got.contains(name), "{way:?} {said:?}: {got}");
            assert!(cell.record().contains("refused request: "), "{}", cell.record());
        }
        assert_eq!(origin.got(), [""; 0], "{way:?}");
    }
}

#[test]
fn a_forwarded_request_is_decided_in_the_same_way() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    let ask = |path: &str| {
        let said = format!("GET http://web.example:{port}{path} HTTP/1.1\r\nHost: web.example:{port}\r\n\r\n");
        cell.inside(move || {
            let mut stream = TcpStream::connect((address("proxy.bastide."), 3128)).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            got
        })
    };
    assert_eq!(ask("/a/x"), last_answer("/a/x"));
    for (path, status) in [("/b", "403"), ("/a/deep", "403"), ("/a/../b", "400"), ("/a%2f..%2fb", "400")] {
        let got = ask(path);
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {got}");
    }
    assert_eq!(origin.got().len(), 1);
}

#[test]
fn what_is_not_http_is_not_let_through_where_requests_are_read() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    for way in WAYS {
        assert_eq!(say(&cell, port, way, b"\x16\x03\x01\x00\x05hello"), "<reset>");
        assert!(say(&cell, port, way, b"SSH-2.0-OpenSSH\r\n\r\n").starts_with("HTTP/1.1 400"));
    }
    assert_eq!(origin.got(), [""; 0]);
    assert!(cell.record().contains("it is TLS, which cannot be read here"), "{}", cell.record());
}

#[test]
fn an_answer_that_is_cut_short_is_never_passed_as_whole() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    let got = say(&cell, port, Way::Direct, get("/a/cut", port).as_bytes());
    assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal<reset>");
    // One that has no end but the connection's is whole.
    let got = say(&cell, port, Way::Direct, (get("/a/closes", port) + &get("/a/x", port)).as_bytes());
    assert_eq!(got, "HTTP/1.1 200 OK\r\n\r\nto the end");
    // What a server says beyond its answer answers nothing.
    let got = say(&cell, port, Way::Direct, (get("/a/two", port) + &get("/a/x", port)).as_bytes());
    assert_eq!(got, answer("1"));
}

#[test]
fn a_server_that_ended_the_connection_is_connected_to_again() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect((address("web.example."), port)).unwrap();
        let mut got = Vec::new();
        for path in ["/a/bye", "/a/again"] {
            stream.write_all(get(path, port).as_bytes()).unwrap();
            let mut bytes = vec![0; answer(if path == "/a/bye" { "bye" } else { path }).len()];
            stream.read_exact(&mut bytes).unwrap();
            got.push(String::from_utf8(bytes).unwrap());
            // The end of the first connection comes with its answer.
            std::thread::sleep(Duration::from_millis(200));
        }
        got
    });
    assert_eq!(got, [answer("bye"), answer("/a/again")]);
    assert_eq!(origin.got().len(), 2);
    assert_eq!(cell.wait_for("again").matches("\"kind\":\"connect\"").count(), 2);
}

#[test]
fn requests_come_in_any_pieces() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    let body = format!("POST /a/p HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: 3\r\n\r\nabc");
    let chunks = format!("POST /a/c HTTP/1.0\r\nHost: web.example:{port}\r\nContent-Length: 1\r\n\r\nz");
    let all = [get("/a/1", port), body, get("/a/2", port), chunks].concat();
    let expected = [answer("/a/1"), answer("/a/p"), answer("/a/2"), last_answer("/a/c")].concat();
    assert_eq!(say(&cell, port, Way::Direct, all.as_bytes()), expected);
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect((address("web.example."), port)).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in all.as_bytes() {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        got
    });
    assert_eq!(got, expected);
}

fn post(port: u16, length: usize) -> String {
    format!("POST /a HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
}

#[test]
fn a_body_is_as_long_as_its_rule_allows() {
    let bounds = policy::Bounds { body: Some(10), ..policy::Bounds::default() };
    let (cell, origin, _gate) = begin_with(|port| bounded(bounds, port), 1);
    let port = origin.port;
    let got = say(&cell, port, Way::Direct, (post(port, 10) + &post(port, 11)).as_bytes());
    let rest = got.strip_prefix(&answer("/a")).expect("the first is answered");
    assert!(rest.starts_with("HTTP/1.1 413") && rest.contains("the 10 bytes that its rule allows"), "{got}");
    // One whose length is not told beforehand is cut off, and said to be.
    let head = format!("POST /a HTTP/1.1\r\nHost: web.example:{port}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let got = say(&cell, port, Way::Direct, (head + "b\r\nxxxxxxxxxxx\r\n0\r\n\r\n").as_bytes());
    assert_eq!(got, "<reset>");
    assert!(cell.wait_for("cut off").contains("more than its rule allows"));
    assert!(origin.got().iter().all(|request| !request.contains("xxxxxxxxxxx")), "{:?}", origin.got());
}

#[test]
fn requests_come_as_fast_as_their_rule_allows() {
    let rate = Some(policy::Rate { count: 2, seconds: 3600 });
    let bounds = policy::Bounds { rate, ..policy::Bounds::default() };
    let (cell, origin, _gate) = begin_with(|port| bounded(bounds, port), 1);
    let port = origin.port;
    for way in [Way::Direct, Way::Tunnel] {
        assert_eq!(say(&cell, port, way, get("/a", port).as_bytes()), answer("/a"));
    }
    let got = say(&cell, port, Way::Direct, get("/a", port).as_bytes());
    assert!(got.starts_with("HTTP/1.1 429") && got.contains("its rule allows 2/h requests"), "{got}");
    assert!(cell.record().contains("2/h requests, no more for now"), "{}", cell.record());
}

#[test]
fn a_budget_is_spent_once_and_by_all_that_is_said() {
    // Each request has a head of 59 bytes or so and a body of 40.
    let bounds = policy::Bounds { budget: Some(250), ..policy::Bounds::default() };
    let (cell, origin, _gate) = begin_with(|port| bounded(bounds, port), 1);
    let port = origin.port;
    let first = say(&cell, port, Way::Direct, (post(port, 40) + &post(port, 40)).as_bytes());
    assert_eq!(first, answer("/a").repeat(2));
    let got = say(&cell, port, Way::Tunnel, post(port, 40).as_bytes());
    assert!(got.starts_with("HTTP/1.1 403") && got.contains("the 250 bytes"), "{got}");
    assert_eq!(origin.got().len(), 2);
    // What a gate before this one let through is not known: all of it counts as spent.
    let (cell, origin, _gate) = begin_with(|port| bounded(bounds, port), 2);
    let got = say(&cell, origin.port, Way::Direct, get("/a", origin.port).as_bytes());
    assert!(got.starts_with("HTTP/1.1 403") && origin.got().is_empty(), "{got}");
}

#[test]
fn a_rule_is_about_a_query_and_headers() {
    let policy = |port: u16| {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        let value = |text: &str| policy::ValuePattern::parse(text).unwrap();
        policy.network.allow = vec![Rule {
            protocol: Protocol::Http,
            query: [("state".to_owned(), value("open"))].into(),
            headers: [("x-version".to_owned(), value("2022-*"))].into(),
            ..Rule::to(policy::Target::parse(&format!("web.example:{port}")).unwrap())
        }];
        policy.network.allow.push(here(port));
        Conjunction::new(vec![policy])
    };
    let (cell, origin, _gate) = begin_with(policy, 1);
    let port = origin.port;
    let ask = |target: &str, header: &str| {
        let said = format!("GET {target} HTTP/1.1\r\nHost: web.example:{port}\r\n{header}\r\n");
        let got = say(&cell, port, Way::Direct, said.as_bytes());
        got.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(ask("/x?state=open", "X-Version: 2022-11\r\n"), "200");
    assert_eq!(ask("/x?a=b&state=open", "x-version: 2022-\r\n"), "200");
    for (target, header) in [
        ("/x?state=all", "X-Version: 2022-11\r\n"),
        ("/x?state=open&state=all", "X-Version: 2022-11\r\n"),
        ("/x?state=open", "X-Version: 2023\r\n"),
        ("/x?state=open", "X-Version: 2022-11\r\nX-Version: 2022-11\r\n"),
        ("/x?state=open", ""),
        ("/x", "X-Version: 2022-11\r\n"),
    ] {
        assert_eq!(ask(target, header), "403", "{target} {header}");
    }
    assert_eq!(origin.got().len(), 2);
}

/// What was not sent whole leaves the connection in the middle of a request: whatever came next would go on with that.
#[test]
fn nothing_follows_a_request_that_was_answered_before_it_was_whole() {
    let (cell, listener) = (Cell::new(), TcpListener::bind((OUTSIDE, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let mut leased = lease(&[]);
    leased.policy = rules(port);
    let _gate = cell.start(&leased, ORDINARY).ready();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(500));
        // All that came, until the gate ends the connection.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).matches("HTTP/1.1").count()
    });
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect((address("web.example."), port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let said = [post(port, 16 << 20), get("/a/next", port)].concat();
        std::thread::spawn(move || drop(writing.write_all(said.as_bytes())));
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got);
        String::from_utf8(got).unwrap()
    });
    assert_eq!(got, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(server.join().unwrap(), 0, "no other request than the one that was answered");
}

/// A server that expects no body with a method takes it for the next request.
#[test]
fn a_body_that_nobody_expects_is_the_last_on_its_connection() {
    let (cell, origin, _gate) = begin();
    let port = origin.port;
    let said = format!("GET /a HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: 2\r\n\r\nhi");
    let got = say(&cell, port, Way::Direct, (said + &get("/a/next", port)).as_bytes());
    assert_eq!(got, last_answer("/a"));
    assert!(origin.got()[0].contains("Connection: close\r\n") && origin.got().len() == 1, "{:?}", origin.got());
}

/// What a `Connection` header takes away is no reason to allow: the server never sees it.
#[test]
fn only_what_is_sent_is_decided_on() {
    let policy = |port: u16| {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        let headers = [("x-readonly".to_owned(), policy::ValuePattern::parse("1").unwrap())].into();
        let to = policy::Target::parse(&format!("web.example:{port}")).unwrap();
        policy.network.allow = vec![Rule { protocol: Protocol::Http, headers, ..Rule::to(to) }, here(port)];
        Conjunction::new(vec![policy])
    };
    let (cell, origin, _gate) = begin_with(policy, 1);
    let port = origin.port;
    let ask = |rest: &str| {
        let said = format!("GET /x HTTP/1.1\r\nHost: web.example:{port}\r\nX-Readonly: 1\r\n{rest}\r\n");
        say(&cell, port, Way::Direct, said.as_bytes())
    };
    assert!(ask("Connection: X-Readonly\r\n").starts_with("HTTP/1.1 403"));
    assert!(ask("X_Readonly: 0\r\n").starts_with("HTTP/1.1 403"));
    assert!(ask("X-Original-URL: /b\r\n").starts_with("HTTP/1.1 400"));
    assert!(ask("Content_Length: 3\r\n").starts_with("HTTP/1.1 400"));
    assert!(origin.got().is_empty());
    assert_eq!(ask(""), answer("/x"));
}
