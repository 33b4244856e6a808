//! The host's own addresses, however a program comes by them, and what is said of where a connection went.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use crate::fake::dns::address;
use crate::fake::{Cell, ORDINARY, OUTSIDE, echo, lease, talk};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, Record, RecordType};
use policy::{Conjunction, Default, Policy};

/// A public address that the test gives to its host.
const OWN: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

/// A resolver on the host's loopback that gives these addresses to A and none to AAAA.
fn resolver(addresses: &'static [Ipv4Addr]) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let mut message = Message::from_vec(&query[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            let question = message.queries[0].clone();
            if question.query_type == RecordType::A {
                for &address in addresses {
                    message.add_answer(Record::from_rdata(question.name.clone(), 1, RData::A(address.into())));
                }
            }
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    at
}

#[test]
fn a_confined_gate_asks_a_resolver_and_says_which_address_answered() {
    for uid in [0, ORDINARY] {
        let cell = Cell::new();
        crate::fake::also("9.9.9.9/32");
        let port = crate::fake::echo_at(OUTSIDE);
        // The first address has no server there: the echo listens at the second.
        let rules = [format!("far.example:{port}"), format!("{OWN}:{port}"), format!("{OUTSIDE}:{port}")];
        let mut leased = lease(&rules.each_ref().map(String::as_str));
        leased.nameservers = vec![resolver(&[OWN, OUTSIDE])];
        let mut gate = cell.start(&leased, uid).ready();
        let reply = cell.inside(move || talk((address("far.example."), port).into(), b"ping"));
        assert_eq!(reply.unwrap(), "ping", "as {uid}: {}", cell.record());
        let record = cell.wait_for("\"close\"");
        assert!(record.contains("\"received\":4,\"address\":\"10.62.0.1\""), "{record}");
        assert_eq!(gate.end(), Some(0));
    }
}

#[test]
fn the_hosts_own_address_is_not_public_unless_named_with_its_port() {
    let cell = Cell::new();
    // The second address of its network is answered from the first one.
    crate::fake::also("9.9.9.1/24");
    crate::fake::also("9.9.9.9/24");
    let port = crate::fake::echo_at(OWN);
    for (rules, reached) in [
        (vec![format!("far.example:{port}"), "0.0.0.0/0".into()], false),
        (vec![format!("far.example:{port}"), format!("{OWN}")], false),
        (vec![format!("far.example:{port}"), format!("{OWN}:{port}")], true),
    ] {
        let mut leased = lease(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        leased.nameservers = vec![resolver(&[OWN])];
        std::fs::write(cell.segment(), "").unwrap();
        let _gate = cell.start(&leased, ORDINARY).ready();
        let replies = cell.inside(move || {
            [address("far.example."), OWN.into()].map(|host| talk((host, port).into(), b"ping").is_ok())
        });
        let record = cell.record();
        assert_eq!(replies, [reached; 2], "{rules:?}: {record}");
        assert_eq!(
            record
                .matches(&format!(
                    "own address: 9.9.9.9 is this host, which only a rule that names `9.9.9.9:{port}` opens"
                ))
                .count(),
            if reached { 0 } else { 2 },
            "{record}"
        );
    }
}

#[test]
fn a_failed_connection_says_why_in_its_end() {
    let cell = Cell::new();
    let port = echo() ^ 1;
    let _gate = cell.start(&lease(&[&format!("{OUTSIDE}:{port}")]), ORDINARY).ready();
    assert!(cell.inside(move || talk((OUTSIDE, port).into(), b"ping")).is_err());
    let record = cell.wait_for("\"close\"");
    assert!(record.contains("\"note\":\"cannot connect: Connection refused"), "{record}");
}

#[test]
fn an_address_of_the_pool_is_its_name_on_both_paths() {
    let (cell, port) = (Cell::new(), echo());
    let rules = [format!("web.example:{port}"), format!("{OUTSIDE}:{port}")];
    let mut leased = lease(&rules.each_ref().map(String::as_str));
    leased.names = vec!["proxy.bastide".into(), "web.example".into(), "other.example".into()];
    let _gate = cell.start(&leased, ORDINARY).ready();
    let ask = |host: &str| {
        let text = format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\nping");
        cell.inside(move || talk("198.18.1.0:3128".parse().unwrap(), text.as_bytes()).unwrap())
    };
    assert!(ask("198.18.1.1").ends_with("\r\n\r\nping"), "{}", cell.record());
    assert!(ask("[fd62:6173:7469:6465::101]").ends_with("\r\n\r\nping"), "{}", cell.record());
    assert!(ask("198.18.1.2").contains("other.example"), "{}", cell.record());
    assert!(ask("198.18.9.9").contains("no name was given"), "{}", cell.record());
    assert!(!cell.record().contains("\"host\":\"198.18.1."), "{}", cell.record());
}

#[test]
fn a_special_address_is_refused_with_the_rule_that_would_name_it() {
    let (cell, port) = (Cell::new(), echo());
    let _gate = cell.start(&lease(&[&format!("web.example:{port}")]), ORDINARY).ready();
    assert!(cell.inside(move || talk((address("web.example."), port).into(), b"ping")).is_err());
    let rule = format!("\"suggestion\":\"{{to: \\\"{OUTSIDE}:{port}\\\"}}\"");
    assert!(cell.record().contains(&rule), "{rule}: {}", cell.record());
}

#[test]
fn junk_names_leave_room_for_those_that_a_rule_allows() {
    let cell = Cell::new();
    let mut leased = lease(&["web.example", "*.more.example"]);
    let mut policies: Vec<Policy> = leased.policy.policies().cloned().collect();
    policies[0].network.default = Default::Ask;
    leased.policy = Conjunction::new(policies);
    leased.bounds.names = 8;
    // An earlier gate's count too.
    leased.names = vec!["junk0.example".into()];
    let _gate = cell.start(&leased, ORDINARY).ready();
    let given = cell.inside(|| {
        let query = |name: &str| crate::fake::dns::ask("198.18.0.1:53", name, RecordType::A, false).answers.len();
        let junk: usize = (1..20).map(|at| query(&format!("junk{at}.example."))).sum();
        (junk, ["web.example.", "a.more.example.", "b.more.example."].map(query))
    });
    assert_eq!(given, (3, [1, 1, 1]), "{}", cell.record());
    assert!(cell.record().contains("which is their bound"), "{}", cell.record());
}
