//! What anybody may have is public in the session: labelled text that a server on the public internet says to whoever asks.

use std::net::Ipv4Addr;

use crate::fake::server::{Server, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, PUBLIC, lease, outside, public};
use policy::mcp::Mcp;
use policy::{Conjunction, Flow, Label, LabelPattern, PathPattern, Policy, Protocol, Rule, Target};
use wire::Labelled;

const README: &str = "Heron is a small library for lamps. It reads the state of each lamp from the bus, keeps what it read in a \
    table, and tells whoever asked when one of them was lit twice. The table is written to disk once a minute. There is no \
    server, no account and no telemetry. Build it with make, and copy what it makes to where your programs look for libraries.";
const PLAN: &str = "We shall stop to work on Heron in the second week of October and tell nobody before the new contract with the \
    harbour is signed, since the harbour's engineers like it and would ask for it in writing.";
const SECRET: &str = "sk-Vt93kQzr7LmXw2pB8";

/// Says the README, with or without what is no business of anybody; or gives back what it was told.
fn origin(head: &str, _: &[u8]) -> Vec<u8> {
    let target = head.split(' ').nth(1).unwrap();
    let from = |word: &str| target.split_once(word).map(|(_, rest)| rest.replace('+', " "));
    match target {
        "/heron/README.md" | "/mcp/README.md" => ok("text/plain", README.as_bytes()),
        "/heron/secret" => ok("text/plain", format!("{README} {SECRET}").as_bytes()),
        "/heron/plan" => ok("text/plain", PLAN.as_bytes()),
        "/heron/guess" => ok("text/html", format!("<p>{}</p><p>{}</p>", &PLAN[..90], &PLAN[120..]).as_bytes()),
        "/heron/cut" => format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{README}").into_bytes(),
        "/heron/long" => ok("text/plain", format!("{README} {}", "and so on ".repeat(120_000)).as_bytes()),
        // An echo, in the letters' next ones: what comes in is not what goes out.
        _ => match from("/next/") {
            Some(words) => {
                let before =
                    |letter: char| if letter.is_ascii_alphabetic() { (letter as u8 - 1) as char } else { letter };
                ok("text/plain", words.chars().map(before).collect::<String>().as_bytes())
            }
            None => ok("text/plain", b"thanks"),
        },
    }
}

struct Scene {
    cell: Cell,
    server: Server,
    _gate: Gate,
}

fn rule(host: &str, port: u16) -> Rule {
    Rule { protocol: Protocol::Http, ..Rule::to(Target::parse(&format!("{host}:{port}")).unwrap()) }
}

fn labelled() -> Vec<Labelled> {
    [("README.md", README, false), ("plan.md", PLAN, false), (".env", SECRET, true)]
        .map(|(source, text, exact)| {
            let label = Label::parse("secret:heron").unwrap();
            Labelled { label, source: source.into(), text: text.into(), exact }
        })
        .to_vec()
}

fn scene_with(change: impl FnOnce(&mut Policy, u16)) -> Scene {
    scene_at(PUBLIC, Server::at(public(), origin), change)
}

fn scene_at(address: Ipv4Addr, server: Server, change: impl FnOnce(&mut Policy, u16)) -> Scene {
    let cell = Cell::new();
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
    policy.network.allow = ["web.example", "other.example"].map(|host| rule(host, server.port)).to_vec();
    change(&mut policy, server.port);
    let mut leased = lease(&[]);
    leased.hosts = ["web.example", "other.example"].map(|host| (host.to_owned(), address.into())).to_vec();
    leased.labelled = labelled();
    leased.policy = Conjunction::new(vec![policy]);
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, server, _gate: gate }
}

fn scene() -> Scene {
    scene_with(|_, _| {})
}

impl Scene {
    fn asks(&self, method: &str, host: &str, target: &str, headers: &str, body: &str) -> String {
        let port = self.server.port;
        say(&self.cell, None, host, port, &request(method, host, port, target, headers, body)).unwrap_or_default()
    }

    fn gets(&self, target: &str) -> String {
        self.asks("GET", "web.example", target, "", "")
    }

    /// Whether the words may be told to somebody else.
    fn tells(&self, words: &str) -> bool {
        let back = self.asks("POST", "other.example", "/in", "", words);
        assert_ne!(back.contains("thanks"), back.contains("flow rule"), "{back}");
        back.contains("thanks")
    }
}

#[test]
fn what_anybody_may_have_may_be_said_again_and_the_record_tells_why() {
    let scene = scene();
    assert!(!scene.tells(README) && !scene.tells(PLAN));
    assert!(scene.gets("/heron/README.md").ends_with(README));
    assert!(scene.tells(README) && scene.tells(&format!("As they say: {}.", &README[100..200])));
    // No other text, nor both in a row.
    assert!(!scene.tells(PLAN) && !scene.tells(&format!("{README} {PLAN}")) && !scene.tells(SECRET));
    let record = scene.cell.record();
    let told = record.lines().find(|line| line.contains("makes public secret:heron")).expect(&record);
    assert!(told.contains("of README.md") && told.contains("the answer of web.example:"), "{told}");
    assert!(told.contains("Heron is a small library") && told.contains("observed"), "{told}");
    // It is told once.
    scene.gets("/heron/README.md");
    assert_eq!(scene.cell.record().matches("makes public").count(), 1);
}

#[test]
fn a_secret_in_it_stays_one_and_is_told_of() {
    let scene = scene();
    scene.gets("/heron/secret");
    assert!(scene.tells(README) && !scene.tells(SECRET));
    let record = scene.cell.record();
    assert!(record.contains("anybody may have secret:heron") && !record.contains(SECRET), "{record}");
}

#[test]
fn guesses_make_public_what_was_guessed() {
    let scene = scene();
    scene.gets("/heron/guess");
    assert!(scene.tells(&PLAN[..90]) && scene.tells(&PLAN[120..]));
    assert!(!scene.tells(PLAN) && !scene.tells(&PLAN[60..160]));
}

#[test]
fn what_only_somebody_is_told_is_not_public() {
    for (method, target, headers, body) in [
        ("GET", "/heron/README.md", "Authorization: Bearer mine\r\n", ""),
        ("GET", "/heron/README.md", "Cookie: me=1\r\n", ""),
        ("GET", "/heron/README.md", "X-Team: herons\r\n", ""),
        ("GET", "/heron/README.md?key=1", "", ""),
        ("GET", "/heron/README.md", "", "who i am"),
        ("POST", "/heron/README.md", "", ""),
        ("GET", "/heron/cut", "", ""),
        ("GET", "/heron/long", "", ""),
    ] {
        let scene = scene();
        scene.asks(method, "web.example", target, headers, body);
        assert!(!scene.server.got().is_empty(), "{method} {target} {headers}");
        assert!(!scene.tells(README), "{method} {target} {headers}");
    }
}

#[test]
fn what_a_host_says_that_has_more_to_do_is_not_public() {
    let lends = |policy: &mut Policy, port: u16| {
        let credential = policy::Credential { name: "key".into(), position: policy::Position::bearer() };
        let paths = vec![PathPattern::parse("/mine/**").unwrap()];
        policy.network.allow.push(Rule { credential: Some(credential), paths, ..rule("web.example", port) });
    };
    let speaks = |policy: &mut Policy, port: u16| {
        let paths = vec![PathPattern::parse("/mcp/**").unwrap()];
        let mcp = Rule { protocol: Protocol::Mcp, paths, mcp: Mcp::default(), ..rule("web.example", port) };
        policy.network.allow.push(mcp);
    };
    let unruled = |policy: &mut Policy, _: u16| policy.flows[0].to = Some(policy::Sink::Network);
    for change in [&lends as &dyn Fn(&mut Policy, u16), &speaks, &unruled] {
        let scene = scene_with(change);
        assert!(scene.gets("/heron/README.md").ends_with(README));
        assert!(!scene.tells(README));
    }
}

#[test]
fn what_is_said_where_not_everybody_comes_is_not_public() {
    outside();
    let scene = scene_at(OUTSIDE, Server::plain(origin), |policy, port| {
        policy.network.allow.push(rule(&OUTSIDE.to_string(), port));
    });
    assert!(scene.gets("/heron/README.md").ends_with(README));
    assert!(!scene.tells(README));
}

/// What was said in a way that nobody undoes comes back as it is written: at once, or in more than one answer.
#[test]
fn an_echo_makes_nothing_public() {
    let next = |words: &str| {
        let after = |letter: char| if letter.is_ascii_alphabetic() { (letter as u8 + 1) as char } else { letter };
        words.chars().map(after).collect::<String>().replace(' ', "+")
    };
    let scene = scene();
    for from in [0, 110, 220] {
        let part = &README[from..from + 110];
        let back = scene.gets(&format!("/next/{}", next(part)));
        assert!(back.ends_with(part), "{back}");
        assert!(!scene.tells(part), "{part}");
    }
    // Even where all of it was told before, and is given as a file.
    let told = scene.asks("POST", "web.example", "/in", "", &next(README));
    assert!(told.ends_with("thanks"), "{told}");
    assert!(scene.gets("/heron/README.md").ends_with(README));
    assert!(!scene.tells(README));
}
