//! Bounds of a rule on answers: what is too long or of another type is refused with words that name an event, or cut where
//! something of it went on; over HTTP/1.1 and HTTP/2, within TLS and without.

use crate::fake::dns::address;
use crate::fake::http2::To as Newer;
use crate::fake::script::Step::{Rest, Say};
use crate::fake::script::{Step, To, stage, trusting, whole};
use crate::fake::server::{Ca, authority, certified, params};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Answers, Conjunction, Credential, MediaPattern, Policy, Position, Protocol, Rule, Target};
use wire::Lent;

const KEY: &str = "sk-0123456789abcdef-the-key";
/// Bytes that a rule of these tests allows.
const MOST: usize = 64;

fn answer(status: u16, lines: &str, body: &[u8]) -> Step {
    Say([format!("HTTP/1.1 {status} X\r\n{lines}\r\n").as_bytes(), body].concat())
}

fn typed(kind: &str, body: &[u8]) -> Vec<Step> {
    vec![answer(200, &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()), body)]
}

fn chunk(length: usize) -> Step {
    Say(format!("{length:x}\r\n{}\r\n", "x".repeat(length)).into_bytes())
}

const CHUNKED: &str = "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n";

fn play(case: &str, said: &[u8]) -> Vec<Step> {
    let said = String::from_utf8_lossy(said);
    match case {
        "json" => typed("Application/JSON; charset=utf-8", b"{}"),
        "most" => typed("text/plain", &[b'x'; MOST]),
        "html" => typed("text/html", b"<p>"),
        "image" => typed("image/png", b"\x89PNG"),
        "kindless" => vec![answer(200, "Content-Length: 2\r\n", b"{}")],
        "two" => {
            vec![answer(200, "Content-Type: text/plain\r\nContent-Type: image/png\r\nContent-Length: 2\r\n", b"{}")]
        }
        "bare" if said.starts_with("HEAD") => {
            vec![answer(200, "Content-Type: image/png\r\nContent-Length: 999\r\n", b"")]
        }
        "none" => vec![answer(204, "", b"")],
        "same" => vec![answer(304, "Content-Type: image/png\r\nContent-Length: 999\r\n", b"")],
        "moved" => vec![answer(302, "Location: /x\r\nContent-Length: 0\r\n", b"")],
        "part" => vec![answer(
            206,
            "Content-Type: text/plain\r\nContent-Range: bytes 0-1/999\r\nContent-Length: 2\r\n",
            b"{}",
        )],
        "parts" => typed("multipart/byteranges; boundary=x", b"--x--"),
        "early" => vec![
            answer(103, "Link: </x>\r\n", b""),
            Rest(20),
            answer(200, "Content-Type: text/plain\r\nContent-Length: 2\r\n", b"hi"),
        ],
        "long" => typed("text/plain", &[b'x'; MOST + 1]),
        "packed" => vec![answer(
            200,
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n",
            b"\x1f\x8b",
        )],
        "asked" => typed("text/plain", if said.contains("Accept-Encoding: identity") { b"plainly" } else { b"packed" }),
        "ranged" => typed("text/plain", if said.contains("bytes=0-1") { b"a part" } else { b"all" }),
        // More than may be, in one piece.
        "chunks" => vec![answer(200, CHUNKED, b""), chunk(MOST + 1), Say(b"0\r\n\r\n".to_vec())],
        // The first piece went on when the next is too much.
        "grows" => vec![answer(200, CHUNKED, b""), chunk(40), Rest(300), chunk(40), Say(b"0\r\n\r\n".to_vec())],
        "closes" => vec![
            answer(200, "Content-Type: text/plain\r\nConnection: close\r\n", &[b'x'; 40]),
            Rest(300),
            Say(vec![b'x'; 40]),
            Step::End,
        ],
        "lengths" => vec![
            answer(
                200,
                "Content-Type: text/plain\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                b"2\r\nhi\r\n0\r\n\r\n",
            ),
            Step::End,
        ],
        "fits" => vec![answer(200, CHUNKED, b""), chunk(32), Rest(20), chunk(32), Say(b"0\r\n\r\n".to_vec())],
        "secret" => typed("text/plain", KEY.as_bytes()),
        other => typed("text/plain", other.as_bytes()),
    }
}

struct Scene {
    cell: Cell,
    cells: Ca,
    ports: [u16; 2],
    _gate: Gate,
}

fn bounds() -> Answers {
    let types = ["application/json", "text/plain"].map(|one| MediaPattern::parse(one).unwrap()).to_vec();
    Answers { size: Some(MOST as u64), types: Some(types) }
}

/// `web.example`, plainly and within TLS; whatever the rule at `free.example` and `lent.example` says.
fn scene(change: impl Fn(&mut Rule)) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let ports = [stage(None, play), stage(Some(certified(&servers, params(&["web.example"]))), play)];
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    for port in ports {
        let to = |host: &str| Rule::to(Target::parse(&format!("{host}:{port}")).unwrap());
        let mut rule = Rule { protocol: Protocol::Http, answers: bounds(), ..to("web.example") };
        change(&mut rule);
        policy.network.allow.extend([rule, to(&OUTSIDE.to_string())]);
    }
    let mut leased = lease(&[]);
    let to = Target::parse("web.example").unwrap();
    if policy.network.allow[0].credential.is_some() {
        leased.credentials = vec![Lent { name: "key".into(), value: KEY.into(), to, paths: Vec::new(), expires: None }];
    }
    // A child's policy stands beside its parent's, which bounds more or less of the same.
    let mut parent = policy.clone();
    for rule in parent.network.allow.iter_mut().filter(|rule| rule.answers.is_some()) {
        rule.answers.types = Some(vec![MediaPattern::parse("*/*").unwrap()]);
        policy.network.allow.iter_mut().for_each(|rule| rule.answers.size = None);
    }
    leased.policy = Conjunction::new(vec![parent, policy]);
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells, ports, _gate: gate }
}

/// What came of a request: the status, the words, and whether it is all of an answer.
#[derive(Debug, PartialEq)]
struct Came {
    status: u16,
    text: String,
    whole: bool,
}

impl Scene {
    /// In HTTP/1.1, within TLS or not.
    fn older(&self, tls: bool, method: &str, case: &str, lines: &str) -> Came {
        let port = self.ports[usize::from(tls)];
        let said =
            format!("{method} /case-{case} HTTP/1.1\r\nHost: web.example:{port}\r\nConnection: close\r\n{lines}\r\n");
        let tls = tls.then(|| (trusting(&self.cells), "web.example".to_owned()));
        let came =
            self.cell.inside(move || To { address: (address("web.example."), port).into(), tls }.ask(said.as_bytes()));
        let text = String::from_utf8_lossy(&came.bytes).into_owned();
        let bare = method == "HEAD" && came.bytes.ends_with(b"\r\n\r\n");
        let ended = if bare { Some((200, Vec::new())) } else { whole(&came.bytes, came.clean) };
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        match ended {
            Some((status, body)) => Came { status, text: String::from_utf8_lossy(&body).into_owned(), whole: true },
            None => Came { status, text, whole: false },
        }
    }

    /// In HTTP/2.
    fn newer(&self, method: &str, case: &str, lines: &str) -> Came {
        let to = Newer::new("web.example", self.ports[1], Some(&self.cells));
        let mut ask = to.ask(method, &format!("/case-{case}"));
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            ask = ask.header(name, value);
        }
        let answer = crate::fake::http2::say(&self.cell, &to, vec![ask.body(Vec::new()).unwrap()]).remove(0).unwrap();
        Came { status: answer.status, text: answer.text(), whole: answer.broke.is_none() }
    }

    /// By every way.
    fn all(&self, method: &str, case: &str, lines: &str) -> [Came; 3] {
        [self.older(false, method, case, lines), self.older(true, method, case, lines), self.newer(method, case, lines)]
    }
}

#[test]
fn what_the_rules_of_all_policies_let_in_comes_as_it_was_said() {
    let scene = scene(|_| {});
    let full = "x".repeat(MOST);
    for (method, case, status, text) in [
        ("GET", "json", 200, "{}"),
        ("GET", "most", 200, full.as_str()),
        ("GET", "fits", 200, full.as_str()),
        // What has no body needs no type.
        ("HEAD", "bare", 200, ""),
        ("GET", "none", 204, ""),
        ("GET", "same", 304, ""),
        ("GET", "moved", 302, ""),
        ("GET", "part", 206, "{}"),
        ("GET", "asked", 200, "plainly"),
    ] {
        for (way, came) in scene.all(method, case, "").into_iter().enumerate() {
            assert_eq!(came, Came { status, text: text.into(), whole: true }, "{method} {case} {way}");
        }
    }
    for came in scene.all("GET", "ranged", "Range: bytes=0-1\r\n") {
        assert_eq!(came.text, "a part");
    }
    // A program that waits for an interim answer has it.
    let came = scene.older(true, "GET", "early", "");
    assert_eq!((came.status, came.text.as_str()), (200, "hi"));
    let record = scene.cell.wait_for("\"close\"");
    assert!(!record.contains("held back"), "{record}");
}

#[test]
fn what_it_does_not_is_refused_with_words_and_an_event() {
    let scene = scene(|_| {});
    for (case, why) in [
        ("html", "it is said to be `text/html`, and its rule lets in `application/json`, `text/plain`"),
        ("image", "it is said to be `image/png`"),
        ("kindless", "it does not say of which type it is"),
        ("two", "it is said to be `text/plain,image/png`"),
        ("parts", "it is said to be `multipart/byteranges; boundary=x`"),
        ("long", "it is longer than the 64 bytes that its rule allows an answer"),
        ("packed", "it is compressed, though it was asked for plainly"),
    ] {
        for (way, came) in scene.all("GET", case, "").into_iter().enumerate() {
            assert!(came.status == 502 && came.whole, "{case} {way} {came:?}");
            assert!(came.text.contains(why), "{case} {way} {came:?}");
            let event = came.text.split("bastide why g").nth(1).unwrap_or_else(|| panic!("{case} {way} {came:?}"));
            let event: String = event.chars().take_while(char::is_ascii_digit).collect();
            let record = scene.cell.wait_for(&format!("\"seq\":{event},"));
            let line = record.lines().find(|line| line.contains(&format!("\"seq\":{event},"))).unwrap();
            assert!(line.contains("answer held back: ") && line.contains(&why[..20]), "{line}");
            assert!(line.contains("\"verdict\":\"refused\""), "{line}");
        }
    }
}

#[test]
fn what_turns_out_longer_is_cut_and_never_looks_whole() {
    let scene = scene(|_| {});
    for case in ["chunks", "grows", "closes"] {
        for (way, came) in scene.all("GET", case, "").into_iter().enumerate() {
            // Where nothing of it went on there are words, else it ends as no answer does.
            let refused = came.status == 502 && came.whole && came.text.contains("longer than the 64 bytes");
            assert!(refused || !came.whole, "{case} {way} {came:?}");
            assert!(case == "chunks" || !came.whole && came.status == 200, "{case} {way} {came:?}");
            assert!(came.text.matches('x').count() <= MOST + 1, "{case} {way} {came:?}");
        }
    }
    // Where its end cannot be told, nothing can be counted.
    for (way, came) in scene.all("GET", "lengths", "").into_iter().enumerate() {
        assert!(came.status == 502 || !came.whole, "{way} {came:?}");
    }
    let record = scene.cell.wait_for("\"close\"");
    assert!(record.matches("answer held back: it is longer than the 64 bytes").count() >= 9, "{record}");
}

#[test]
fn where_no_rule_bounds_answers_all_of_them_go_on() {
    let scene = scene(|rule| rule.answers = Answers::default());
    for case in ["html", "image", "kindless", "long", "chunks", "grows"] {
        for came in scene.all("GET", case, "") {
            assert!(came.status == 200 && came.whole, "{case} {came:?}");
        }
    }
    assert_eq!(scene.older(true, "GET", "asked", "").text, "packed");
}

#[test]
fn a_secret_is_masked_where_answers_are_bounded() {
    let scene = scene(|rule| {
        rule.credential = Some(Credential { name: "key".into(), position: Position::bearer() });
        rule.answers.size = Some(KEY.len() as u64);
    });
    for came in [scene.older(true, "GET", "secret", ""), scene.newer("GET", "secret", "")] {
        assert_eq!((came.status, came.text), (200, "*".repeat(KEY.len())));
    }
    for came in [scene.older(true, "GET", "most", ""), scene.newer("GET", "html", "")] {
        assert_eq!(came.status, 502, "{came:?}");
    }
    assert!(scene.cell.wait_for("came back and was masked").contains("answer held back"));
}
