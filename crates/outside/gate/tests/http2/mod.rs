//! HTTP/2 on the program's side: each stream is judged by itself, as a request in HTTP/1.1 is; judged by what reached a
//! server, by the record and by what came back.

mod bodies;
mod bounds;
mod evasions;
mod grpc;
mod held;
mod looked_at;

use crate::fake::http2::{Answer, To, say, say_one};
use crate::fake::script::{Step, stage};
use crate::fake::server::{Ca, Handler, Server, authority, certified, ok, params};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use http::Request;
use policy::{Conjunction, Method, PathPattern, Policy, Protocol, Rule, Target, ValuePattern};
use wire::Lease;

/// What a server of this test answers: the path, and what it was sent.
fn echo(head: &str, body: &[u8]) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    match path {
        "/a/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/a/same" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n".to_vec(),
        "/a/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(),
        "/a/hop" => b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\nX-Kept: yes\r\n\r\nhi".to_vec(),
        _ => ok("text/plain", &[path.as_bytes(), body].concat()),
    }
}

/// `GET`, `HEAD` and `POST` beneath `/a` of `web.example`, but never beneath `/a/deep`, nor with what the query must not be.
fn rules(port: u16) -> Conjunction {
    let to = |host: &str| Rule::to(Target::parse(&format!("{host}:{port}")).unwrap());
    let paths = |text: &str| vec![PathPattern::parse(text).unwrap()];
    let fields = |name: &str, value: &str| [(name.to_owned(), ValuePattern::parse(value).unwrap())].into();
    let http = |host: &str| Rule { protocol: Protocol::Http, ..to(host) };
    let methods = ["GET", "HEAD", "POST"].map(|name| Method::parse(name).unwrap()).to_vec();
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow =
        vec![Rule { methods, paths: paths("/a/**"), ..http("web.example") }, to(&OUTSIDE.to_string())];
    policy.network.deny = vec![
        Rule { paths: paths("/a/deep/**"), ..http("web.example") },
        Rule { query: fields("key", "evil"), ..http("web.example") },
        Rule { headers: fields("x-http-method-override", "*"), ..http("web.example") },
    ];
    Conjunction::new(vec![policy])
}

/// A cell whose programs may ask a server for what [`rules`] allow.
struct Scene {
    cell: Cell,
    cells: Ca,
    port: u16,
    gate: Gate,
}

impl Scene {
    fn of(port: u16, servers: &Ca, change: impl FnOnce(&mut Lease)) -> Scene {
        let (cell, cells) = (Cell::new(), authority("cell"));
        let mut leased = lease(&[]);
        leased.policy = rules(port);
        leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
        change(&mut leased);
        let gate = cell.start(&leased, ORDINARY).ready();
        Scene { cell, cells, port, gate }
    }

    /// With a server of whole requests, within TLS or without.
    fn serving(tls: bool, handler: Handler, change: impl FnOnce(&mut Lease)) -> (Scene, Server) {
        let (servers, _) = (authority("servers"), crate::fake::outside());
        let server = if tls { Server::tls(&servers, &["web.example"], handler) } else { Server::plain(handler) };
        (Scene::of(server.port, &servers, change), server)
    }

    /// With a server that does what a case says, within TLS.
    fn staged(play: crate::fake::script::Play, change: impl FnOnce(&mut Lease)) -> Scene {
        let (servers, _) = (authority("servers"), crate::fake::outside());
        let port = stage(Some(certified(&servers, params(&["web.example"]))), play);
        Scene::of(port, &servers, change)
    }

    fn to(&self) -> To {
        To::new("web.example", self.port, Some(&self.cells))
    }

    fn plain(&self) -> To {
        To::new("web.example", self.port, None)
    }

    fn get(&self, path: &str) -> Request<Vec<u8>> {
        self.to().ask("GET", path).body(Vec::new()).unwrap()
    }

    /// Says these at once on one connection.
    fn say(&self, asked: Vec<Request<Vec<u8>>>) -> Vec<Answer> {
        say(&self.cell, &self.to(), asked).into_iter().map(Result::unwrap).collect()
    }
}

#[test]
fn each_stream_is_judged_by_itself_by_every_way_in() {
    for (tls, tunnel) in [(true, false), (true, true), (false, false), (false, true)] {
        let (scene, server) = Scene::serving(tls, echo, |_| {});
        let to = To { tunnel, ..if tls { scene.to() } else { scene.plain() } };
        let asked = [("GET", "/a/x?q=1"), ("DELETE", "/a/x"), ("GET", "/b"), ("GET", "/a/y"), ("GET", "/a/deep/x")];
        let asked = asked.map(|(method, path)| to.ask(method, path).body(Vec::new()).unwrap()).to_vec();
        let answers: Vec<Answer> = say(&scene.cell, &to, asked).into_iter().map(Result::unwrap).collect();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 403, 403, 200, 403], "{tls} {tunnel} {answers:?}");
        assert_eq!((answers[0].text(), answers[3].text()), ("/a/x?q=1".into(), "/a/y".into()));
        assert!(answers[1].text().contains("methods: [DELETE], paths: [\"/a/x\"]"), "{answers:?}");
        let mut got: Vec<String> = server.got().into_iter().map(|(head, _)| head).collect();
        got.sort();
        let port = scene.port;
        let expected =
            ["/a/x?q=1", "/a/y"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: web.example:{port}\r\n\r\n"));
        assert_eq!(got, expected);
        // The program is told where the operator finds it.
        let text = answers[1].text();
        let event = text.split("bastide why ").nth(1).unwrap().trim();
        let record = scene.cell.wait_for("\"close\"");
        let refused = record.lines().find(|line| line.contains(&format!("\"seq\":{},", &event[1..]))).unwrap();
        assert!(refused.contains("\"method\":\"DELETE\"") && refused.contains("\"verdict\":\"refused\""), "{refused}");
        assert_eq!(record.matches("\"kind\":\"request\"").count(), 5, "{record}");
    }
}

#[test]
fn a_stream_to_another_host_is_sent_away_and_the_connection_goes_on() {
    let (scene, server) = Scene::serving(true, echo, |_| {});
    let port = scene.port;
    let to = |authority: &str| Request::builder().uri(format!("https://{authority}/a/x")).body(Vec::new()).unwrap();
    let others = ["other.example", "web.example", "web.example:1", "me@web.example", "198.51.100.1"];
    let mut asked: Vec<_> = others.into_iter().map(to).collect();
    asked.push(to(&format!("web.example:{port}")));
    let answers = scene.say(asked);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [421, 421, 421, 421, 421, 200], "{answers:?}");
    assert_eq!(server.got().len(), 1);
    let record = scene.cell.wait_for("\"close\"");
    assert_eq!(record.matches("refused request: the Host header differs from the target").count(), 5, "{record}");
    assert!(answers[0].text().contains("bastide why g"), "{answers:?}");
}

#[test]
fn answers_keep_what_is_theirs_and_lose_what_is_the_connections() {
    let (scene, _server) = Scene::serving(true, echo, |_| {});
    let [none, same, hop] = ["/a/none", "/a/same", "/a/hop"].map(|path| scene.get(path));
    let head = scene.to().ask("HEAD", "/a/head").body(Vec::new()).unwrap();
    let answers = scene.say(vec![none, same, head, hop]);
    let told: Vec<_> = answers.iter().map(|answer| (answer.status, answer.body.len())).collect();
    assert_eq!(told, [(204, 0), (304, 0), (200, 0), (200, 2)]);
    assert_eq!(answers[1].fields["etag"], "x");
    assert_eq!(answers[2].fields["content-length"], "7");
    assert_eq!(answers[3].fields["x-kept"], "yes");
    for hop in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert!(answers.iter().all(|answer| !answer.fields.contains_key(hop)), "{hop}: {answers:?}");
    }
}

#[test]
fn a_programs_first_choice_within_tls_is_taken() {
    let (scene, _server) = Scene::serving(true, echo, |_| {});
    // `say` asserts that it is HTTP/2 where a program offers both.
    assert_eq!(scene.say(vec![scene.get("/a/x")])[0].status, 200);
    let said = crate::fake::server::request("GET", "web.example", scene.port, "/a/x", "", "");
    let older = crate::fake::server::say(&scene.cell, Some(&scene.cells), "web.example", scene.port, &said).unwrap();
    assert!(older.starts_with("HTTP/1.1 200"), "{older}");
}

/// Connections outside serve one stream after another, and no more of them are made than streams go on at once.
#[test]
fn a_connection_outside_serves_one_stream_after_another() {
    let (scene, server) = Scene::serving(true, echo, |_| {});
    let to = scene.to();
    let statuses = crate::fake::http2::with(&scene.cell, &to.clone(), move |send| async move {
        let mut statuses = Vec::new();
        for at in 0..20 {
            let method = if at % 2 == 0 { "GET" } else { "DELETE" };
            let request = to.ask(method, &format!("/a/{at}")).body(Vec::new()).unwrap();
            statuses.push(crate::fake::http2::one(send.clone(), request).await.unwrap().status);
        }
        statuses
    });
    assert_eq!(statuses, [200, 403].repeat(10));
    assert_eq!(server.got().len(), 10);
    let record = scene.cell.wait_for("\"close\"");
    assert_eq!(record.matches("\"kind\":\"connect\"").count(), 1, "{record}");
    assert_eq!(record.matches("\"kind\":\"close\"").count(), 1, "{record}");
    assert_eq!(record.matches("\"kind\":\"request\"").count(), 20, "{record}");
}

#[test]
fn interim_answers_go_on_and_one_that_fits_into_no_stream_is_told_of() {
    fn play(case: &str, _: &[u8]) -> Vec<Step> {
        let say = |text: &str| Step::Say(text.as_bytes().to_vec());
        match case {
            "early" => vec![
                say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
                Step::Rest(20),
                say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            ],
            "folded" => vec![say("HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nhi")],
            "two" => vec![say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi"), Step::End],
            "lines" => vec![say("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi")],
            "switch" => vec![say("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")],
            "name" => vec![say("HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 2\r\n\r\nhi")],
            _ => vec![say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
        }
    }
    let scene = Scene::staged(play, |_| {});
    let cases = ["early", "folded", "two", "lines", "switch", "name", "usual"];
    let answers = scene.say(cases.map(|case| scene.get(&format!("/a/case-{case}"))).to_vec());
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 502, 502, 502, 502, 502, 200], "{answers:?}");
    assert_eq!(answers[0].text(), "hi");
    for answer in &answers[1..6] {
        assert!(
            answer.text().contains("does not fit into HTTP/2") && answer.text().contains("bastide why g"),
            "{answer:?}"
        );
    }
    let record = scene.cell.wait_for("\"close\"");
    assert_eq!(record.matches("answer held back: it does not fit").count(), 5, "{record}");
}
