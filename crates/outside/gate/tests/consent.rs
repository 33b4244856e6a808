//! What the operator is asked about, in the whole program: held until the plane says what becomes of it. What captures
//! connections needs root to be made.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Default, Method, Policy, Protocol, Rule, Target};
use serde_json::{Value, json};
use wire::question::{Ruling, Wanted};
use wire::{Decoder, GateOrder, GateReport, Lease, Proxy};

/// A lease whose policy asks, and denies one name.
fn asking(patience: u32) -> Lease {
    let mut leased = lease(&[]);
    let mut policy = Policy { name: "asks".into(), ..Policy::default() };
    policy.network.default = Default::Ask;
    policy.network.deny = vec![Rule::to(Target::parse("never.example").unwrap())];
    leased.policy = Conjunction::new(vec![policy]);
    leased.upstream_proxy =
        Some(Proxy { host: OUTSIDE.to_string(), port: outside(), authorization: None, bypass: Vec::new() });
    leased.bounds.patience = patience;
    leased
}

/// What a gate says, frame by frame.
struct Heard(UnixStream, Decoder<GateReport>, Vec<GateReport>);

impl Heard {
    fn of(gate: &Gate) -> Heard {
        let channel = gate.channel();
        channel.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Heard(channel, Decoder::new(), Vec::new())
    }

    fn next(&mut self) -> GateReport {
        let mut bytes = [0; 4096];
        while self.2.is_empty() {
            let length = self.0.read(&mut bytes).unwrap();
            assert!(length > 0, "the gate ended");
            self.2 = self.1.push(&bytes[..length]).unwrap();
        }
        self.2.remove(0)
    }

    fn held(&mut self) -> (u64, Wanted) {
        match self.next() {
            GateReport::Held { number, wanted } => (number, *wanted),
            other => panic!("{other:?}"),
        }
    }
}

fn rule(gate: &mut Gate, number: u64, ruling: Ruling) {
    gate.order(&GateOrder::Ruled { number, ruling });
}

fn once(wanted: &Wanted) -> Ruling {
    Ruling::Once { question: "0123456789abcdef".into(), rule: Box::new(wanted.rule.clone()) }
}

/// Says something from inside, in a thread: it may have to wait.
fn says(cell: &Cell, name: &'static str, port: u16) -> JoinHandle<std::io::Result<String>> {
    cell.inside(move || {
        let to = SocketAddr::from((address(name), port));
        // It is made in the cell's network, and may be used by any thread.
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(10));
        std::thread::spawn(move || {
            let mut stream = stream?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(b"ping")?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply)
        })
    })
}

/// What stands for the network outside: it leads to a server that echoes, whatever name is asked for.
fn outside() -> u16 {
    crate::fake::outside();
    let listener = std::net::TcpListener::bind((OUTSIDE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length == 1) {
                    head.push(byte[0]);
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..length]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn what_is_held_goes_on_when_it_is_ruled_so_and_only_that() {
    for uid in [0, ORDINARY] {
        let cell = Cell::new();
        let mut gate = cell.start(&asking(20), uid).ready();
        let mut heard = Heard::of(&gate);
        let [first, second] = [0, 1].map(|_| says(&cell, "web.example.", 7777));
        let (one, wanted) = heard.held();
        let (other, same) = heard.held();
        assert_eq!(
            (wanted.host.to_string().as_str(), wanted.port, wanted.rule == same.rule),
            ("web.example", 7777, true)
        );
        assert_ne!(one, other);
        assert!(!cell.record().contains("\"connect\""), "nothing is decided yet: {}", cell.record());
        rule(&mut gate, one, Ruling::Waits { question: "0123456789abcdef".into() });
        rule(&mut gate, one, once(&wanted));
        let record = cell.wait_for("\"verdict\":\"allowed\",\"rule\":\"{to: \\\"web.example:7777\\\"}\"");
        assert_eq!(record.matches("\"kind\":\"connect\"").count(), 1, "{record}");
        let why = "the operator was asked and denied it".to_owned();
        rule(&mut gate, other, Ruling::Refused { why, denied: true });
        let mut came = [first, second].map(|thread| thread.join().unwrap().ok());
        came.sort();
        assert_eq!(came, [None, Some("ping".into())], "{}", cell.record());
        let record = cell.wait_for("denied it");
        assert!(record.contains("\"verdict\":\"refused\""), "{record}");
        // What is denied by a rule is never asked about.
        assert_eq!(
            cell.inside(|| crate::fake::dns::ask(
                "198.18.0.1:53",
                "never.example.",
                hickory_proto::rr::RecordType::A,
                false
            )
            .answers
            .len()),
            0
        );
        drop(heard);
        assert_eq!(gate.end(), Some(0));
    }
}

#[test]
fn a_grant_holds_for_the_next_ones_until_it_is_taken_back() {
    let cell = Cell::new();
    let mut gate = cell.start(&asking(20), ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    let first = says(&cell, "web.example.", 7777);
    let (number, wanted) = heard.held();
    gate.order(&GateOrder::Grant { rules: vec![wanted.rule.clone()], endorsed: Vec::new() });
    rule(&mut gate, number, Ruling::Again);
    assert_eq!(first.join().unwrap().unwrap(), "ping", "{}", cell.record());
    assert_eq!(says(&cell, "web.example.", 7777).join().unwrap().unwrap(), "ping");
    gate.order(&GateOrder::Grant { rules: Vec::new(), endorsed: Vec::new() });
    let third = says(&cell, "web.example.", 7777);
    let (number, _) = heard.held();
    rule(&mut gate, number, Ruling::Refused { why: "no".into(), denied: true });
    assert!(third.join().unwrap().is_err());
}

#[test]
fn another_policy_has_what_is_held_decided_anew_and_an_answer_to_the_one_before_is_none() {
    let cell = Cell::new();
    let leased = asking(20);
    let mut gate = cell.start(&leased, ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    let waits = says(&cell, "web.example.", 7777);
    let (before, wanted) = heard.held();
    let (policy, credentials, labelled) = (leased.policy.clone(), Vec::new(), Vec::new());
    gate.order(&GateOrder::Replace { revision: 2, policy, credentials, labelled, forgives: false });
    assert_eq!(heard.next(), GateReport::Replaced { revision: 2 });
    let (after, again) = heard.held();
    assert!(after > before && again == wanted);
    rule(&mut gate, before, once(&wanted));
    // One that denies it now refuses it, without a question.
    let mut policies: Vec<Policy> = leased.policy.policies().cloned().collect();
    policies[0].network.deny.push(Rule::to(Target::parse("web.example").unwrap()));
    let (policy, credentials, labelled) = (Conjunction::new(policies), Vec::new(), Vec::new());
    gate.order(&GateOrder::Replace { revision: 3, policy, credentials, labelled, forgives: false });
    assert!(waits.join().unwrap().is_err());
    let record = cell.wait_for("\"verdict\":\"refused\"");
    assert!(!record.contains("\"verdict\":\"allowed\",\"rule\":\"{to"), "{record}");
}

#[test]
fn who_waited_long_enough_is_told_so_and_may_ask_again() {
    let cell = Cell::new();
    let mut gate = cell.start(&asking(1), ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    let request = b"GET http://web.example:7777/ HTTP/1.1\r\nHost: web.example:7777\r\n\r\n";
    let waits = {
        let to = SocketAddr::from((cell.inside(|| address("proxy.bastide.")), 3128));
        let stream = cell.inside(move || TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap());
        std::thread::spawn(move || {
            let mut stream = stream;
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(request).unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            reply
        })
    };
    let (number, _) = heard.held();
    rule(&mut gate, number, Ruling::Waits { question: "0123456789abcdef".into() });
    let reply = waits.join().unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 403 ") && reply.contains("(01234567)") && reply.contains("try again"),
        "{reply}"
    );
    assert_eq!(heard.next(), GateReport::Left { number });
    assert!(cell.record().contains("\"verdict\":\"asked\""), "{}", cell.record());
}

/// As many as may are held; one more is refused at once.
#[test]
fn what_is_held_is_bounded() {
    let cell = Cell::new();
    let mut leased = asking(20);
    leased.bounds.held = 3;
    let mut gate = cell.start(&leased, ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    let waits: Vec<_> = (0..3).map(|_| says(&cell, "web.example.", 7777)).collect();
    let numbers: Vec<u64> = (0..3).map(|_| heard.held().0).collect();
    assert!(says(&cell, "web.example.", 7777).join().unwrap().is_err());
    assert!(cell.wait_for("as much waits for the operator as may").contains("\"asked\""));
    for number in numbers {
        rule(&mut gate, number, Ruling::Refused { why: "no".into(), denied: true });
    }
    assert!(waits.into_iter().all(|thread| thread.join().unwrap().is_err()));
}

/// Asks for something by a petition, in a thread.
fn asks(cell: &Cell, ask: Value) -> JoinHandle<Value> {
    cell.inside(move || {
        let stream = TcpStream::connect(SocketAddr::from((address("bastide.internal."), 80)));
        std::thread::spawn(move || {
            let (mut stream, body) = (stream.unwrap(), ask.to_string());
            let head = "POST /ask HTTP/1.1\r\nHost: bastide.internal\r\nContent-Type: application/json\r\n";
            let length = body.len();
            write!(stream, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            serde_json::from_str(answer.split_once("\r\n\r\n").expect("an answer").1).expect("an object")
        })
    })
}

#[test]
fn what_an_agent_asks_for_is_the_question_that_doing_it_would_be() {
    let cell = Cell::new();
    let mut gate = cell.start(&asking(60), ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    // No answer of the operator's could lift what is denied: nobody is asked.
    let answer = asks(&cell, json!({"to": "never.example", "why": "w", "seconds": 20})).join().unwrap();
    assert_eq!((&answer["answer"], &answer["reason"]), (&json!("denied"), &json!("not-granted")), "{answer}");

    // Nor about what is the cell's own.
    let answer = asks(&cell, json!({"to": "bastide.internal:80", "why": "w", "seconds": 20})).join().unwrap();
    assert_eq!(answer["state"], "granted", "{answer}");

    let waits = asks(&cell, json!({"to": "new.example", "why": "the notes name it", "seconds": 20}));
    let (number, wanted) = heard.held();
    assert_eq!((wanted.host.to_string(), wanted.port, wanted.does()), ("new.example".into(), 443, None));
    assert_eq!(wanted.words, "the notes name it");
    rule(&mut gate, number, once(&wanted));
    let answer = waits.join().unwrap();
    assert_eq!((&answer["answer"], &answer["state"]), (&json!("question"), &json!("granted")), "{answer}");
    // It asked, and has not done it: that may still be done once.
    assert!(matches!(heard.next(), GateReport::Left { number: left } if left == number));

    // Who does not wait hears what the question is called, and finds it again by asking again.
    let waits = asks(&cell, json!({"to": "slow.example", "method": "GET", "path": "/a", "why": "w"}));
    let (number, wanted) = heard.held();
    // No request is read there, so that the answer lets through whatever is said: that it would be this, is the agent's word.
    assert_eq!((wanted.does(), &*wanted.words), (None, "for GET /a: w"));
    assert!(wanted.is_sound() && !wanted.rule.is_about_requests());
    rule(&mut gate, number, Ruling::Waits { question: "0123456789abcdef".into() });
    let answer = waits.join().unwrap();
    assert_eq!((&answer["state"], &answer["question"]), (&json!("waiting"), &json!("0123456789abcdef")), "{answer}");
    assert!(matches!(heard.next(), GateReport::Left { number: left } if left == number));

    let waits = asks(&cell, json!({"to": "no.example", "why": "w", "seconds": 20}));
    let (number, _) = heard.held();
    rule(&mut gate, number, Ruling::Refused { why: "the operator denied it".into(), denied: true });
    let answer = waits.join().unwrap();
    assert_eq!((&answer["state"], &answer["words"]), (&json!("denied"), &json!("the operator denied it")), "{answer}");
}

#[test]
fn where_requests_are_read_an_agent_asks_for_one() {
    let cell = Cell::new();
    let mut leased = asking(60);
    let mut policies: Vec<Policy> = leased.policy.policies().cloned().collect();
    let reads =
        Rule { methods: vec![Method::parse("GET").unwrap()], ..Rule::to(Target::parse("read.example").unwrap()) };
    policies[0].network.allow = vec![Rule { protocol: Protocol::Http, ..reads }];
    leased.policy = Conjunction::new(policies);
    let mut gate = cell.start(&leased, ORDINARY).ready();
    let mut heard = Heard::of(&gate);
    let waits = asks(&cell, json!({"to": "read.example", "method": "POST", "path": "/a", "why": "w", "seconds": 20}));
    let (number, wanted) = heard.held();
    assert_eq!((wanted.does().as_deref(), &*wanted.words), (Some("POST /a"), "w"));
    assert!(wanted.is_sound() && wanted.rule.to_string().contains("methods: [POST]"), "{}", wanted.rule);
    rule(&mut gate, number, once(&wanted));
    assert_eq!(waits.join().unwrap()["state"], "granted");
}

#[test]
fn an_agent_asks_nobody_where_nobody_is_there() {
    let cell = Cell::new();
    let _gate = cell.start(&asking(0), ORDINARY).ready();
    let answer = asks(&cell, json!({"to": "new.example", "why": "w", "seconds": 20})).join().unwrap();
    assert_eq!((&answer["answer"], &answer["reason"]), (&json!("denied"), &json!("not-granted")), "{answer}");
}
