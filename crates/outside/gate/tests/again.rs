//! What a real gate records is enough to make its decisions again, under one policy after the other.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, echo, lease};
use hickory_proto::rr::{RData, RecordType};
use policy::{Conjunction, Default, Method, PathPattern, Policy, Protocol, Rule, Target};
use record::replay::{Again, Heard, Replay, Under};
use record::{Entry, Segment, decode};
use wire::{GateOrder, GateReport, Lease};

fn rule(to: &str) -> Rule {
    Rule::to(Target::parse(to).unwrap())
}

fn reads(to: &str, method: &str, path: &str) -> Rule {
    let (methods, paths) = (vec![Method::parse(method).unwrap()], vec![PathPattern::parse(path).unwrap()]);
    Rule { protocol: Protocol::Http, methods, paths, ..rule(to) }
}

/// Policies that differ in what they say of the same things.
fn policies(port: u16) -> Vec<Conjunction> {
    let at = |name: &str| format!("{name}.example:{port}");
    let own = format!("{OUTSIDE}:{port}");
    let of = |allow: Vec<Rule>, deny: Vec<Rule>, ask: bool| {
        let mut policy = Policy { name: "p".into(), ..Policy::default() };
        (policy.network.allow, policy.network.deny) = (allow, deny);
        policy.network.default = if ask { Default::Ask } else { Default::Deny };
        Conjunction::new(vec![policy])
    };
    vec![
        of(vec![rule(&at("web")), rule(&own)], Vec::new(), false),
        of(vec![reads(&at("web"), "GET", "/a/**"), rule(&at("other")), rule(&own)], Vec::new(), false),
        of(vec![rule(&at("web")), reads(&at("other"), "PUT", "/**"), rule(&own)], vec![rule("third.example")], true),
        // Where the name leads is not named any more.
        of(vec![rule(&at("web")), reads(&at("other"), "PUT", "/**")], Vec::new(), false),
    ]
}

/// Where the name leads, if the resolver says so.
fn address(name: &str) -> Option<IpAddr> {
    match crate::fake::dns::ask("198.18.0.1:53", name, RecordType::A, false).answers.first()?.data {
        RData::A(a) => Some(a.0.into()),
        _ => None,
    }
}

/// Asks everything of everybody, and does not care what is answered.
fn ask(cell: &Cell, port: u16) {
    cell.inside(move || {
        for name in ["web.example", "other.example", "third.example"] {
            for (method, path) in [("GET", "/a/b?x=1"), ("PUT", "/a/b"), ("GET", "/b")] {
                let Some(to) = address(name) else { continue };
                let Ok(mut stream) = TcpStream::connect((to, port)) else { continue };
                stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let said = format!("{method} {path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(said.as_bytes());
                let _ = stream.read(&mut [0; 512]);
            }
        }
        let _ = TcpStream::connect((OUTSIDE, port)).map(|mut stream| stream.write_all(b"x"));
    });
}

fn entries(cell: &Cell) -> Vec<Entry> {
    let record = std::fs::read(cell.segment()).unwrap();
    let lines = record.split_inclusive(|byte| *byte == b'\n');
    lines.zip(1..).map(|(line, place)| decode(Segment::Gate, place, line).unwrap()).collect()
}

fn again(
    entries: &[Entry],
    recorded: &BTreeMap<u32, Conjunction>,
    instead: Option<&BTreeMap<u32, Conjunction>>,
) -> Vec<Again> {
    let mut heard = Heard::default();
    entries.iter().for_each(|entry| heard.take(entry));
    let mut replay = Replay::new(&heard, Under { recorded, instead });
    entries.iter().map(|entry| replay.decide(entry)).filter(|again| *again != Again::None).collect()
}

#[test]
fn what_a_gate_records_decides_as_it_did() {
    let (cell, port) = (Cell::new(), echo());
    let all = policies(port);
    let hosts = ["web", "other", "third"].map(|name| (format!("{name}.example"), OUTSIDE.into())).to_vec();
    let leased = Lease { policy: all[0].clone(), hosts, ..lease(&[]) };
    let mut gate: Gate = cell.start(&leased, ORDINARY).ready();
    ask(&cell, port);
    let mut recorded = BTreeMap::from([(1, all[0].clone())]);
    for (policy, revision) in all[1..].iter().zip(2..) {
        recorded.insert(revision, policy.clone());
        let (credentials, labelled) = (Vec::new(), Vec::new());
        gate.order(&GateOrder::Replace { revision, policy: policy.clone(), credentials, labelled, forgives: false });
        // What one of them asked the operator, and nobody answered, is reported before.
        while gate.report() != (GateReport::Replaced { revision }) {}
        ask(&cell, port);
    }
    drop(gate);
    let entries = entries(&cell);
    let found = again(&entries, &recorded, None);
    let differ: Vec<&Again> = found.iter().filter(|one| matches!(one, Again::Differs(_))).collect();
    assert!(differ.is_empty(), "{differ:?}\n{}", cell.record());
    let same = found.iter().filter(|one| **one == Again::Same).count();
    let left = found.iter().filter(|one| matches!(one, Again::Left(_))).count();
    assert!(same >= 20 && left <= 2, "{same} the same, {left} left: {found:?}\n{}", cell.record());
    // Each policy alone differs from what four of them said.
    for policy in recorded.values() {
        let instead = recorded.keys().map(|revision| (*revision, policy.clone())).collect();
        let found = again(&entries, &recorded, Some(&instead));
        assert!(found.iter().any(|one| matches!(one, Again::Differs(_))));
    }
}
