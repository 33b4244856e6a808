//! A policy that replaces another while connections are open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, echo, lease};
use policy::{Conjunction, Policy, Protocol, Rule, Target};
use wire::{GateOrder, GateReport};

fn policy(allow: &[Rule]) -> Conjunction {
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = allow.to_vec();
    // Where the name leads to is this host's own address.
    for port in allow.iter().filter_map(|rule| rule.to.port) {
        policy.network.allow.push(rule(&format!("{OUTSIDE}:{port}")));
    }
    Conjunction::new(vec![policy])
}

fn begin(cell: &Cell, allow: &[Rule]) -> Gate {
    let leased = wire::Lease { policy: policy(allow), ..lease(&[]) };
    cell.start(&leased, ORDINARY).ready()
}

fn replace(gate: &mut Gate, revision: u32, allow: &[Rule]) {
    let (policy, credentials, labelled) = (policy(allow), Vec::new(), Vec::new());
    gate.order(&GateOrder::Replace { revision, policy, credentials, labelled, forgives: false });
    assert_eq!(gate.report(), GateReport::Replaced { revision });
}

fn rule(to: &str) -> Rule {
    Rule::to(Target::parse(to).unwrap())
}

/// Says something on an open connection and hears it back, if anything.
fn echoed(stream: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"ping").is_ok() && stream.read_exact(&mut back).is_ok()
}

#[test]
fn open_connections_end_where_the_new_policy_does_not_allow_them() {
    let (cell, port) = (Cell::new(), echo());
    let mut gate = begin(&cell, &[rule(&format!("web.example:{port}"))]);
    let connect = move || TcpStream::connect((address("web.example"), port)).unwrap();
    let mut stream = cell.inside(connect);
    assert!(echoed(&mut stream));
    // One that allows it as well leaves it alone.
    replace(&mut gate, 2, &[rule("other.example"), rule(&format!("web.example:{port}"))]);
    assert!(echoed(&mut stream));
    replace(&mut gate, 3, &[rule("other.example")]);
    assert!(!echoed(&mut stream));
    cell.wait_for("the policy that replaced the one before does not allow it");
    let refused = cell.inside(move || {
        let mut stream = TcpStream::connect((std::net::Ipv4Addr::new(198, 18, 0, 3), port)).unwrap();
        echoed(&mut stream)
    });
    assert!(!refused);
    // And back: the name kept its address.
    replace(&mut gate, 4, &[rule(&format!("web.example:{port}"))]);
    assert!(echoed(&mut cell.inside(connect)));
}

#[test]
fn a_connection_that_is_to_be_read_from_now_on_does_not_go_on_unread() {
    let (cell, port) = (Cell::new(), echo());
    let to = format!("web.example:{port}");
    let mut gate = begin(&cell, &[rule(&to)]);
    let mut stream = cell.inside(move || TcpStream::connect((address("web.example"), port)).unwrap());
    assert!(echoed(&mut stream));
    replace(&mut gate, 2, &[Rule { protocol: Protocol::Http, ..rule(&to) }]);
    assert!(!echoed(&mut stream));
}

#[test]
fn what_was_used_of_a_bound_stays_used() {
    let (cell, port) = (Cell::new(), echo());
    let bounded = Rule {
        protocol: Protocol::Http,
        bounds: policy::Bounds { budget: Some(60), ..policy::Bounds::default() },
        ..rule(&format!("web.example:{port}"))
    };
    let mut gate = begin(&cell, std::slice::from_ref(&bounded));
    let ask = move || {
        let mut stream = TcpStream::connect((address("web.example"), port)).unwrap();
        let said = format!("GET /a HTTP/1.1\r\nHost: web.example:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(said.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (mut back, mut piece) = (Vec::new(), [0; 1024]);
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            back.extend_from_slice(&piece[..length]);
        }
        String::from_utf8_lossy(&back).into_owned()
    };
    // What the echo says is no answer, but the request went out and was counted.
    assert!(!cell.inside(ask).contains("used up"));
    assert!(cell.inside(ask).contains("used up"));
    replace(&mut gate, 2, &[rule("other.example"), bounded]);
    assert!(cell.inside(ask).contains("used up"));
}
