//! What a cell reaches through the whole program. What captures needs root to be made; the gate itself runs as root and
//! as an ordinary user.

use crate::fake::dns::address;
use crate::fake::{Cell, ORDINARY, OUTSIDE, echo, lease, talk};

#[test]
fn a_named_host_is_resolved_reached_and_recorded_and_the_end_is_clean() {
    for uid in [0, ORDINARY] {
        let (cell, port) = (Cell::new(), echo());
        let rules = [format!("web.example:{port}"), format!("{OUTSIDE}:{port}")];
        let mut gate = cell.start(&lease(&rules.each_ref().map(String::as_str)), uid).ready();
        let reply = cell.inside(move || talk((address("web.example."), port).into(), b"ping"));
        assert_eq!(reply.unwrap(), "ping", "as {uid}");
        let record = cell.wait_for("\"close\"");
        let rule = format!("\"rule\":\"{{to: \\\"web.example:{port}\\\"}}\"");
        for text in [&rule, "\"resolve\"", "\"sent\":4", "\"received\":4", "\"address\":\"10.62.0.1\""] {
            assert!(record.contains(text), "{text}: {record}");
        }
        assert_eq!(gate.end(), Some(0));
    }
}

#[test]
fn the_hosts_loopback_is_reached_by_its_name_and_port_alone() {
    let (cell, port, other) = (Cell::new(), echo(), echo());
    let _gate = cell.start(&lease(&[&format!("host.bastide:{port}")]), ORDINARY).ready();
    let replies = cell.inside(move || {
        let host = address("host.bastide.");
        [port, other].map(|port| talk((host, port).into(), b"ping"))
    });
    assert_eq!(replies[0].as_ref().unwrap(), "ping");
    assert!(replies[1].is_err(), "{replies:?}");
}

#[test]
fn special_ranges_are_refused_unless_named_themselves() {
    let ranges = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.1.1",
        "169.254.169.254",
        "224.0.0.1",
        "100.64.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "240.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b::808:808",
        "::ffff:10.0.0.1",
        "2002:a00:1::1",
        "2001:db8::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
    ];
    for range in ranges {
        let policy = lease(&["web.example"]).policy;
        let host = policy::Host::Name(policy::DnsName::parse("web.example").unwrap());
        let egress = policy::Egress { host: &host, port: 80, program: None, request: None };
        let policy::Decision::Allow(permit) = policy::decide(&policy, &egress) else { panic!("not allowed") };
        assert!(permit.pin(&[range.parse().unwrap()]).is_err(), "{range}");
    }
    // As addresses, by the whole program: none is named, and each is refused at once.
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["0.0.0.0/0", "[::/0]"]), 0).ready();
    let literal = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "2002:a00:1::1",
        "64:ff9b::808:808",
        "2001:db8::1",
        "fd00::1",
        "fd00:ec2::254",
    ];
    for text in literal {
        let reply = cell.inside(move || talk((text.parse::<std::net::IpAddr>().unwrap(), 80).into(), b"x"));
        assert!(reply.is_err(), "{text}");
        let record = cell.record();
        assert!(record.lines().last().unwrap().contains("does not name"), "{text}: {record}");
    }
}

#[test]
fn unknown_addresses_of_the_pool_and_the_door_itself_are_refused() {
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["0.0.0.0/0", "[::/0]"]), 0).ready();
    for (target, why) in [
        ("198.18.9.9:80", "no name was given"),
        ("127.0.0.1:61001", "the door itself"),
        ("[fd62:6173:7469:6465::99]:80", "no name was given"),
        ("[::1]:61001", "the door itself"),
    ] {
        let reply = cell.inside(move || talk(target.parse().unwrap(), b"x"));
        assert!(reply.is_err(), "{target}");
        assert!(cell.record().lines().last().unwrap().contains(why), "{target}: {}", cell.record());
    }
}
