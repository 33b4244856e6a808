//! The explicit proxy, and the one that the host itself goes through.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, ORDINARY, OUTSIDE, echo, lease, talk};

#[test]
fn the_explicit_proxy_takes_the_same_decision() {
    let (cell, port) = (Cell::new(), echo());
    let telling = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let told = telling.local_addr().unwrap().port();
    let ports = [port, told].map(|port| [format!("web.example:{port}"), format!("{OUTSIDE}:{port}")]).concat();
    let allowed: Vec<&str> = ports.iter().map(String::as_str).collect();
    let _gate = cell.start(&lease(&allowed), ORDINARY).ready();
    let proxy = cell.inside(|| SocketAddr::from((address("proxy.bastide."), 3128)));
    let say = |text: String| cell.inside(move || talk(proxy, text.as_bytes()).unwrap());
    let tunnel = say(format!("CONNECT web.example:{port} HTTP/1.1\r\nHost: web.example:{port}\r\n\r\nping"));
    assert_eq!(tunnel, "HTTP/1.1 200 Connection established\r\n\r\nping");
    let refused = say("CONNECT other.example:443 HTTP/1.1\r\n\r\n".into());
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("{to: \"other.example:443\"}"), "{refused}");
    let literal = say("CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n".into());
    assert!(literal.starts_with("HTTP/1.1 403"), "{literal}");
    let folded = say("GET http://web.example/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n".into());
    assert!(folded.starts_with("HTTP/1.1 400") && folded.contains("folded"), "{folded}");
    assert!(cell.record().contains("a header line is folded"), "{}", cell.record());
    // A server that says what it got, to the byte: nothing follows the one request. It ends nothing by itself.
    std::thread::spawn(move || {
        let (mut stream, _) = telling.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got);
        stream.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n", &got[..]].concat()).unwrap();
        std::thread::sleep(Duration::from_secs(20));
    });
    let port = told;
    let target = format!("http://web.example:{port}/x");
    let sent = format!(
        "POST {target} HTTP/1.1\r\nHost: web.example:{port}\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nhiGET"
    );
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect(proxy).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let expected = format!(
            "HTTP/1.1 200 OK\r\n\r\n\
             POST /x HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        );
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), expected);
        // A second request on it has no answer: the connection ends.
        stream.write_all(b"GET http://web.example/ HTTP/1.1\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest)
    });
    assert_eq!(got.unwrap(), b"");
}

#[test]
fn an_upstream_proxy_is_asked_with_its_credential_which_is_shown_nowhere() {
    let (cell, listener) = (Cell::new(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let mut leased = lease(&["far.example:443", "10.0.0.0/8:443"]);
    leased.upstream_proxy = Some(wire::Proxy {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        authorization: Some("Basic c2VjcmV0".into()),
        bypass: Vec::new(),
    });
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\npong").unwrap();
        String::from_utf8(head).unwrap()
    });
    let _gate = cell.start(&leased, ORDINARY).ready();
    let reply = cell.inside(|| talk((address("far.example."), 443).into(), b"")).unwrap();
    assert_eq!(reply, "pong");
    let expected = "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\
                    Proxy-Authorization: Basic c2VjcmV0\r\n\r\n";
    assert_eq!(proxy.join().unwrap(), expected);
    // Literal addresses are judged here, whoever connects.
    assert!(cell.inside(|| talk("192.168.0.1:443".parse().unwrap(), b"")).is_err());
    assert!(!cell.record().contains("c2VjcmV0"), "{}", cell.record());
    assert!(cell.wait_for("\"close\"").contains("\"note\":\"through the upstream proxy\""));
}

/// What a program gets that sends this through the explicit proxy to a server that answers so and closes nothing.
fn forwarded(request: fn(u16) -> Vec<u8>, answer: &'static str) -> String {
    let (cell, listener) = (Cell::new(), TcpListener::bind((OUTSIDE, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let _gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]), ORDINARY).ready();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 16];
        stream.read_exact(&mut head).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        // Open, and read no further, until the gate closes.
        stream
    });
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect((address("proxy.bastide."), 3128)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut writing = stream.try_clone().unwrap();
        // A server that does not read lets this fail or wait; the answer comes all the same.
        std::thread::spawn(move || drop(writing.write_all(&request(port))));
        let mut got = String::new();
        stream.read_to_string(&mut got).map(|_| got)
    });
    drop(server.join().unwrap());
    got.unwrap()
}

#[test]
fn an_answer_that_is_whole_ends_the_exchange_whatever_the_server_keeps_open() {
    let get = |port: u16| format!("GET http://web.example:{port}/ HTTP/1.1\r\n\r\n").into_bytes();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
    ] {
        assert_eq!(forwarded(get, answer), answer);
    }
}

#[test]
fn an_answer_comes_back_while_the_body_is_still_being_sent() {
    let post = |port: u16| {
        let body = 64 << 20;
        let head = format!("POST http://web.example:{port}/ HTTP/1.1\r\nContent-Length: {body}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; body]].concat()
    };
    let answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(forwarded(post, answer), answer);
}
