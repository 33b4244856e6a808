//! Secrets that go with requests: where they stand, where they never go, and that none comes back.

use crate::fake::server::{Ca, Server, authority, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Credential, PathPattern, Policy, Position, Protocol, Rule, Target};
use wire::Lent;

const VALUE: &str = "s3cret/value+of=the vault";

/// Gives back what it got: head and body, and what the path asks for.
fn origin(head: &str, body: &[u8]) -> Vec<u8> {
    let back = [head.as_bytes(), body].concat();
    match head.split(' ').nth(1).unwrap() {
        "/a/coded" => [&b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"[..]].concat(),
        "/a/odd" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nxx".to_vec(),
        "/a/chunks" => {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for piece in back.chunks(7) {
                answer.extend(format!("{:x}\r\n", piece.len()).bytes());
                answer.extend(piece);
                answer.extend(b"\r\n");
            }
            [&answer[..], b"0\r\n\r\n"].concat()
        }
        "/a/head" => {
            let said = head.lines().find(|line| line.starts_with("authorization")).unwrap_or("none");
            format!("HTTP/1.1 200 OK\r\nX-Got: {said}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        }
        _ => ok("text/plain", &back),
    }
}

struct Scene {
    cell: Cell,
    cells: Ca,
    server: Server,
    plain: Server,
    _gate: Gate,
}

fn scene(position: Position) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let server = Server::tls(&servers, &["api.example", "other.example", "web.example"], origin);
    let plain = Server::plain(origin);
    let to = |host: &str, port: u16| Rule::to(Target::parse(&format!("{host}:{port}")).unwrap());
    let lends = |host: &str, port: u16| Rule {
        protocol: Protocol::Http,
        credential: Some(Credential { name: "key".into(), position: position.clone() }),
        ..to(host, port)
    };
    let mut leased = lease(&[]);
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = vec![
        lends("api.example", server.port),
        lends("other.example", server.port),
        lends("api.example", plain.port),
        Rule { protocol: Protocol::Http, ..to("web.example", server.port) },
        to(&OUTSIDE.to_string(), server.port),
        to(&OUTSIDE.to_string(), plain.port),
    ];
    leased.policy = Conjunction::new(vec![policy]);
    leased.hosts = ["api", "other", "web"].map(|name| (format!("{name}.example"), OUTSIDE.into())).to_vec();
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    let path = if matches!(position, Position::Segment { .. }) { "/bot*/a/**" } else { "/a/**" };
    leased.credentials = vec![Lent {
        name: "key".into(),
        value: VALUE.into(),
        to: Target::parse("api.example").unwrap(),
        paths: vec![PathPattern::parse(path).unwrap()],
        expires: None,
    }];
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells, server, plain, _gate: gate }
}

impl Scene {
    fn says(&self, host: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
        let port = self.server.port;
        let said = request(method, host, port, path, headers, body);
        say(&self.cell, Some(&self.cells), host, port, &said).unwrap()
    }
}

#[test]
fn it_stands_at_its_position_and_the_programs_own_are_left_out() {
    for (position, expected) in [
        (Position::bearer(), format!("authorization: Bearer {VALUE}\r\n")),
        (
            Position::Basic { user: "me".into() },
            "authorization: Basic bWU6czNjcmV0L3ZhbHVlK29mPXRoZSB2YXVsdA==\r\n".into(),
        ),
        (Position::Header { name: "x-key".into(), prefix: String::new() }, format!("x-key: {VALUE}\r\n")),
    ] {
        let scene = scene(position.clone());
        let mine = "Authorization: Bearer mine\r\nX_Api_Key: mine\r\nCookie: mine\r\nX-Key: mine\r\nX-Other: stays\r\n";
        let back = scene.says("api.example", "POST", "/a/x", mine, "hello");
        let (head, body) = scene.server.got().pop().unwrap();
        assert!(head.contains(&expected) && head.contains("X-Other: stays") && body == "hello", "{head}");
        let own = position == Position::Header { name: "x-key".into(), prefix: String::new() };
        let head = if own { head } else { head.replace("X-Key: mine", "") };
        assert!(!head.contains(": mine") && !head.contains("Bearer mine"), "{head}");
        // The server gave all of it back.
        assert!(back.contains("hello") && !back.contains(VALUE) && !back.contains("czNjcmV0"), "{back}");
        let record = scene.cell.wait_for("\"close\"");
        assert!(!record.contains("s3cret") && !record.contains("czNjcmV0"), "{record}");
    }
}

#[test]
fn a_field_of_the_body_is_a_position() {
    let scene = scene(Position::Field { name: "token".into() });
    let json = "Content-Type: application/json\r\n";
    let back = scene.says("api.example", "POST", "/a/x", json, r#"{"token":"bastide-credential-key","text":"hi"}"#);
    let (_, body) = scene.server.got().pop().unwrap();
    assert_eq!(body, format!(r#"{{"text":"hi","token":"{VALUE}"}}"#), "{body}");
    assert!(back.contains("\"text\":\"hi\"") && !back.contains(VALUE), "{back}");
    // What a server keeps as it came it would show to whoever asks.
    for (kind, body) in [
        ("", "note=hello"),
        ("Content-Type: text/plain\r\n", "note=hello"),
        (json, "note=hello"),
        ("Content-Type: application/x-www-form-urlencoded\r\nContent-Type: text/plain\r\n", "note=hello"),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "no form"),
    ] {
        let back = scene.says("api.example", "POST", "/a/x", kind, body);
        assert!(back.contains("no form and no JSON object"), "{kind}{body}: {back}");
    }
    assert_eq!(scene.server.got().len(), 1);
}

/// Whose account they are for cannot be told, whatever else the session has; unless the operator let them in.
#[test]
fn a_programs_own_stay_behind_where_many_meet() {
    for lets_own in [false, true] {
        let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
        let server = Server::tls(&servers, &["api.github.com", "own.example"], origin);
        let mut leased = lease(&[]);
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        let to = |host: &str| Rule::to(Target::parse(&format!("{host}:{}", server.port)).unwrap());
        let read = |host: &str| Rule { protocol: Protocol::Http, ..to(host) };
        policy.network.allow = vec![read("api.github.com"), read("own.example"), to(&OUTSIDE.to_string())];
        leased.policy = Conjunction::new(vec![policy]);
        leased.hosts = ["api.github.com", "own.example"].map(|name| (name.into(), OUTSIDE.into())).to_vec();
        leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
        leased.lets_own = lets_own;
        let _gate = cell.start(&leased, ORDINARY).ready();
        for host in ["api.github.com", "own.example"] {
            let mine = "Authorization: Bearer mine\r\nCookie: mine\r\nX-Other: stays\r\n";
            let said = request("POST", host, server.port, "/a/x", mine, "hello");
            let back = say(&cell, Some(&cells), host, server.port, &said).unwrap();
            let (head, _) = server.got().pop().unwrap();
            assert!(back.starts_with("HTTP/1.1 200") && head.contains("X-Other: stays"), "{back}{head}");
            assert_eq!(head.contains("mine"), lets_own || host == "own.example", "{host}: {head}");
        }
    }
}

/// A server like Telegram's wants it in the path. What is decided, recorded and told is the path as the program wrote it.
#[test]
fn a_segment_of_the_path_is_a_position() {
    let scene = scene(Position::Segment { prefix: "bot".into() });
    let within = "GET /bots3cret%2Fvalue%2Bof%3Dthe%20vault/a/";
    for (at, said) in ["bot", "bot1:mine", "botbastide-credential-key"].into_iter().enumerate() {
        let back = scene.says("api.example", "GET", &format!("/{said}/a/{at}?x=1"), "Authorization: mine\r\n", "");
        let (head, _) = scene.server.got().pop().unwrap();
        assert!(head.starts_with(&format!("{within}{at}?x=1 HTTP/1.1\r\n")) && !head.contains("mine"), "{head}");
        // The server gave all of it back.
        assert!(back.starts_with("HTTP/1.1 200") && back.contains("GET /bot***") && !back.contains("s3cret"), "{back}");
    }
    let got = scene.server.got().len();
    for (path, why) in [
        ("/bot1%2Fa/x", "bound to another"),
        ("/a/x", "bound to another"),
        ("/bot1/b/x", "bound to another"),
        ("/bot1%3A2/a/x", "does not begin with the segment"),
        ("/bot1;2/a/x", "does not begin with the segment"),
        ("/%62ot1/a/x", "does not begin with the segment"),
        ("/bot1/a/bastide-credential-key", "placeholder"),
        ("/bot1/a/x?q=bastide-credential-key", "placeholder"),
        ("/bot1/a/x?token=mine", "credential of its own"),
    ] {
        let back = scene.says("api.example", "GET", path, "", "");
        assert!(back.starts_with("HTTP/1.1 403") && back.contains(why), "{path}: {back}");
        assert!(!back.contains("s3cret"), "{back}");
    }
    assert_eq!(scene.server.got().len(), got);
    let record = scene.cell.wait_for("does not begin with the segment");
    assert!(record.contains("/botbastide-credential-key/a/2") && !record.contains("s3cret"), "{record}");
}

#[test]
fn it_goes_nowhere_else() {
    let scene = scene(Position::bearer());
    for (host, path, headers, body, why) in [
        ("api.example", "/b", "", "", "bound to another"),
        ("api.example", "/a/../b", "", "", "`.` or `..`"),
        ("api.example", "/a%2Fx", "", "", "bound to another"),
        ("api.example", "/a/x", "", "", ""),
        ("other.example", "/a/x", "", "", "bound to another"),
        ("api.example", "/a/bastide-credential-key", "", "", "placeholder"),
        ("api.example", "/a/x?q=bastide%2dcredential-key", "", "", "placeholder"),
        ("api.example", "/a/x", "X-Mine: bastide-credential-key\r\n", "", "placeholder"),
        ("api.example", "/a/x", "X-Api-Key: bastide-credential-key\r\n", "", "placeholder"),
        ("api.example", "/a/x", "", "say bastide-credential-key", "placeholder"),
        ("web.example", "/a/x", "Authorization: bastide-credential-key\r\n", "", "placeholder"),
        ("api.example", "/a/x?access_token=mine", "", "", "credential of its own"),
        ("api.example", "/a/x?private%5Ftoken=mine", "", "", "credential of its own"),
    ] {
        let back = scene.says(host, "POST", path, headers, body);
        let refused = back.starts_with("HTTP/1.1 403") || back.starts_with("HTTP/1.1 400");
        assert!(if why.is_empty() { !refused } else { refused && back.contains(why) }, "{host}{path}: {back}");
    }
    // Only the one that was not refused.
    assert_eq!(scene.server.got().len(), 1);
    let back = say(
        &scene.cell,
        None,
        "api.example",
        scene.plain.port,
        &request("GET", "api.example", scene.plain.port, "/a/x", "", ""),
    );
    assert!(back.unwrap().contains("within TLS only"));
    assert!(scene.plain.got().is_empty());
    // Where nothing is lent, nothing goes along.
    let back = scene.says("web.example", "GET", "/a/x", "", "");
    assert!(!back.contains("authorization") && !scene.server.got()[1].0.contains("s3cret"), "{back}");
}

#[test]
fn none_comes_back() {
    let scene = scene(Position::bearer());
    for path in ["/a/chunks", "/a/head"] {
        let back = scene.says("api.example", "GET", path, "", "");
        let whole = back.replace("\r\n", "");
        assert!(back.starts_with("HTTP/1.1 200") && back.contains("***") && !whole.contains("value"), "{path}: {back}");
    }
    for (path, why) in [("/a/coded", "compressed"), ("/a/odd", "cannot be told")] {
        let back = scene.says("api.example", "GET", path, "", "");
        assert!(back.starts_with("HTTP/1.1 502") && back.contains(why), "{path}: {back}");
        assert!(back.contains("bastide why g"), "{back}");
    }
    assert!(scene.server.got().iter().all(|(head, _)| head.contains("Accept-Encoding: identity")));
}

#[test]
fn a_body_in_chunks_and_one_that_waits_are_taken_whole() {
    let scene = scene(Position::bearer());
    let port = scene.server.port;
    let said = format!(
        "POST /a/x HTTP/1.1\r\nHost: api.example:{port}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    );
    let back = say(&scene.cell, Some(&scene.cells), "api.example", port, said.as_bytes()).unwrap();
    let (head, body) = scene.server.got().pop().unwrap();
    assert!(back.contains("hello world") && body == "hello world" && head.contains("Content-Length: 11"), "{head}");
    assert!(!head.contains("chunked") && !head.contains("Expect"), "{head}");
}
