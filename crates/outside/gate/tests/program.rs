//! The whole program: its lease, its cell, its end. The redirect needs root to be made; the gate itself runs as root
//! and as an ordinary user.
#![allow(clippy::unwrap_used)]

mod fake;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use fake::{Cell, ORDINARY, echo, lease, talk};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use plan::Sighting;
use rustix::net::SendFlags;
use wire::GateReport;

/// One question over UDP, or over TCP, to any resolver.
fn ask(server: &str, name: &str, kind: RecordType, stream: bool) -> Message {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let bytes = query.to_vec().unwrap();
    let server: SocketAddr = server.parse().unwrap();
    let mut answer = vec![0; 1500];
    if stream {
        let mut connection = TcpStream::connect(server).unwrap();
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        connection.write_all(&[&length[..], &bytes].concat()).unwrap();
        connection.read_exact(&mut answer[..2]).unwrap();
        answer.truncate(u16::from_be_bytes([answer[0], answer[1]]).into());
        connection.read_exact(&mut answer).unwrap();
    } else {
        let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
        let socket = UdpSocket::bind(any).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.connect(server).unwrap();
        socket.send(&bytes).unwrap();
        let length = socket.recv(&mut answer).unwrap();
        answer.truncate(length);
    }
    Message::from_vec(&answer).unwrap()
}

/// The address that the resolver gives.
fn address(name: &'static str) -> std::net::IpAddr {
    match ask("198.18.0.1:53", name, RecordType::A, false).answers[0].data {
        RData::A(a) => a.0.into(),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_named_host_is_resolved_reached_and_recorded_and_the_end_is_clean() {
    for uid in [0, ORDINARY] {
        let (cell, port) = (Cell::new(), echo());
        let rules = [format!("web.example:{port}"), format!("127.0.0.1:{port}")];
        let mut gate = cell.start(&lease(&rules.each_ref().map(String::as_str)), uid).ready();
        let reply = cell.inside(move || talk((address("web.example."), port).into(), b"ping"));
        assert_eq!(reply.unwrap(), "ping", "as {uid}");
        let record = cell.wait_for("\"close\"");
        let rule = format!("\"rule\":\"{{to: \\\"web.example:{port}\\\"}}\"");
        for text in [&rule, "\"resolve\"", "\"sent\":4", "\"received\":4", "\"address\":\"127.0.0.1\""] {
            assert!(record.contains(text), "{text}: {record}");
        }
        assert_eq!(gate.end(), Some(0));
    }
}

#[test]
fn every_resolver_and_both_protocols_answer_alike_and_once_in_the_record() {
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["web.example"]), 0).ready();
    let answers = cell.inside(|| {
        let ways = [("198.18.0.1:53", false), ("9.9.9.9:53", false), ("9.9.9.9:53", true), ("[2620:fe::fe]:53", false)];
        ways.map(|(server, stream)| {
            let named = ask(server, "web.example.", RecordType::A, stream).answers[0].data.clone();
            (named, ask(server, "other.example.", RecordType::A, stream).metadata.response_code)
        })
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].1, ResponseCode::NXDomain);
    assert_eq!(cell.record().matches("web.example").count(), 1);
    assert_eq!(cell.record().matches("other.example").count(), 1);
}

#[test]
fn names_that_would_be_asked_for_resolve_and_the_doors_own_are_there() {
    let cell = Cell::new();
    let mut asking = lease(&["host.bastide:8080"]);
    let mut policies: Vec<policy::Policy> = asking.policy.policies().cloned().collect();
    policies[0].network.default = policy::Default::Ask;
    asking.policy = policy::Conjunction::new(policies);
    let _gate = cell.start(&asking, 0).ready();
    let found = cell.inside(|| ["any.example.", "host.bastide.", "proxy.bastide."].map(address));
    assert!(found.iter().all(|&address| gate::names::is_pool(address)), "{found:?}");
    assert!(cell.record().contains("\"asked\""), "{}", cell.record());
    drop(_gate);
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["web.example"]), 0).ready();
    let answer = cell.inside(|| ask("198.18.0.1:53", "host.bastide.", RecordType::A, false));
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
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
        let egress = policy::Egress { host: &host, port: 80, program: None };
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
    let _gate = cell.start(&lease(&["0.0.0.0/0", "198.18.0.0/15", "127.0.0.0/8"]), 0).ready();
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

#[test]
fn a_program_is_known_by_its_sockets_cookie_and_only_so() {
    let (cell, port) = (Cell::new(), echo());
    let mut programs = lease(&[&format!("127.0.0.1:{port}")]);
    let mut policies: Vec<policy::Policy> = programs.policy.policies().cloned().collect();
    let mut rule = policy::Rule::to(policy::Target::parse(&format!("web.example:{port}")).unwrap());
    rule.programs = vec![policy::CanonicalPath::parse("/usr/bin/git").unwrap()];
    policies[0].network.allow.push(rule);
    programs.policy = policy::Conjunction::new(policies);
    let mut gate = cell.start(&programs, ORDINARY).ready();
    let watcher = cell.watcher.try_clone().unwrap();
    let replies = cell.inside(move || {
        let target = SocketAddr::from((address("web.example."), port));
        [Some("/usr/bin/git"), Some("/usr/bin/curl"), None].map(|program| {
            let family = rustix::net::AddressFamily::INET;
            let socket = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
            let cookie = rustix::net::sockopt::socket_cookie(&socket).unwrap();
            if let Some(program) = program {
                tell(&watcher, &Sighting::Connect { cookie, pid: 9, chain: vec![program.into(), "/bin/sh".into()] });
            }
            rustix::net::connect(&socket, &target)?;
            let mut stream = TcpStream::from(socket);
            stream.write_all(b"ping")?;
            let mut reply = [0; 4];
            stream.read_exact(&mut reply)?;
            std::io::Result::Ok(reply)
        })
    });
    assert_eq!(replies[0].as_ref().unwrap(), b"ping");
    assert!(replies[1].is_err() && replies[2].is_err(), "{replies:?}");
    let record = cell.record();
    assert!(record.contains("\"program\":[\"/usr/bin/git\",\"/bin/sh\"]") && record.contains("\"pid\":9"), "{record}");
    assert_eq!(gate.end(), Some(0));
}

fn tell(watcher: &std::os::fd::OwnedFd, sighting: &Sighting) {
    let frame = plan::Frame::encode(sighting).unwrap();
    rustix::net::send(watcher, &frame[4..], SendFlags::empty()).unwrap();
}

#[test]
fn what_the_watcher_still_said_is_recorded_before_the_end() {
    let cell = Cell::new();
    let mut gate = cell.start(&lease(&[]), 0).ready();
    let (by, arguments) = ("/bin/sh".to_owned(), vec!["ls".to_owned()]);
    for pid in 1..=100 {
        let claimed = format!("/bin/ls{pid}");
        tell(
            &cell.watcher,
            &Sighting::Execute { pid, parent: 1, by: by.clone(), claimed, arguments: arguments.clone() },
        );
    }
    assert_eq!(gate.end(), Some(0));
    assert_eq!(cell.record().matches("\"exec\"").count(), 100);
}

#[test]
fn a_flood_of_programs_is_counted_and_what_follows_is_not_lost() {
    let (cell, port) = (Cell::new(), echo());
    let mut gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]), 0).ready();
    let (by, claimed, arguments) = ("/bin/sh".to_owned(), "/bin/true".to_owned(), Vec::new());
    let flood = 20_000;
    for pid in 1..=flood {
        let (by, claimed, arguments) = (by.clone(), claimed.clone(), arguments.clone());
        tell(&cell.watcher, &Sighting::Execute { pid, parent: 1, by, claimed, arguments });
    }
    rustix::net::send(&cell.watcher, &[0xff; 9], SendFlags::empty()).unwrap();
    assert_eq!(cell.inside(move || talk((address("web.example."), port).into(), b"ping")).unwrap(), "ping");
    cell.wait_for("\"close\"");
    assert_eq!(gate.end(), Some(0));
    let record = cell.record();
    let one_by_one = record.matches("/bin/true").count();
    let counted =
        record.split("claimed\":\"[").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    let missed: usize = counted.sum();
    assert!(one_by_one >= 8192 && missed > 0, "{one_by_one} {missed}");
    // The garbled message may be one of those that were only counted.
    assert!((0..=1).contains(&(one_by_one + missed - flood as usize)), "{one_by_one} {missed}");
}

#[test]
fn a_killed_gate_is_replaced_on_the_same_descriptors() {
    let (cell, port) = (Cell::new(), echo());
    let rules = [format!("web.example:{port}"), format!("127.0.0.1:{port}"), "other.example".to_owned()];
    let first = lease(&rules.each_ref().map(String::as_str));
    let mut gate = cell.start(&first, 0).ready();
    let given = cell.inside(|| ["other.example.", "web.example."].map(address)[1]);
    gate.child.kill().unwrap();
    gate.child.wait().unwrap();
    let origin = record::Origin { session: "s1".into(), segment: record::Segment::Gate };
    let head = record::verify(&origin, cell.record().as_bytes()).unwrap().head;
    let mut second = first.clone();
    second.incarnation = 2;
    second.segment = Some((head.events, head.hex()));
    second.names = vec!["other.example".into(), "web.example".into()];
    let mut gate = cell.start(&second, ORDINARY).ready();
    assert_eq!(cell.inside(move || talk((given, port).into(), b"ping")).unwrap(), "ping");
    cell.wait_for("\"close\"");
    assert_eq!(gate.end(), Some(0));
    record::verify(&origin, cell.record().as_bytes()).unwrap();
}

#[test]
fn what_cannot_be_recorded_is_refused_on_every_path() {
    let (cell, port) = (Cell::new(), echo());
    let full = std::fs::File::options().append(true).open("/dev/full").unwrap();
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]);
    // Names of an earlier gate are recorded already.
    leased.names = vec!["web.example".into(), "proxy.bastide".into()];
    let _gate = cell.start_on(&leased, 0, full).ready();
    let connect = format!("CONNECT web.example:{port} HTTP/1.1\r\n\r\n");
    let reply = cell.inside(move || talk("198.18.1.1:3128".parse().unwrap(), connect.as_bytes())).unwrap();
    assert!(reply.starts_with("HTTP/1.1 403") && reply.contains("the record cannot be written"), "{reply}");
    assert!(cell.inside(move || talk(format!("198.18.1.0:{port}").parse().unwrap(), b"ping")).is_err());
    let answer = cell.inside(|| ask("198.18.0.1:53", "web.example.", RecordType::A, false));
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn the_explicit_proxy_takes_the_same_decision() {
    let (cell, port) = (Cell::new(), echo());
    let _gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]), ORDINARY).ready();
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
    // The echo shows what the destination got, to the byte, and that nothing follows the one request.
    let target = format!("http://web.example:{port}/x");
    let sent = format!(
        "POST {target} HTTP/1.1\r\nHost: web.example:{port}\r\nProxy-Connection: x\r\nContent-Length: 2\r\n\r\nhiGET"
    );
    let got = cell.inside(move || {
        let mut stream = TcpStream::connect(proxy).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let expected =
            format!("POST /x HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
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
}

#[test]
fn thousands_of_connections_leave_nothing_behind() {
    let (cell, port) = (Cell::new(), echo());
    let gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]), 0).ready();
    let target = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    let round = |count: usize| {
        cell.inside(move || {
            for _ in 0..count {
                assert_eq!(talk(target, &[b'x'; 128]).unwrap().len(), 128);
            }
        });
    };
    round(500);
    let settle = |count: usize| {
        for _ in 0..500 {
            if cell.record().matches("\"close\"").count() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not every connection was closed");
    };
    settle(500);
    let before = (gate.descriptors(), gate.status("VmRSS:"));
    round(3000);
    settle(3500);
    let after = (gate.descriptors(), gate.status("VmRSS:"));
    println!("descriptors and KiB before {before:?}, after {after:?}");
    assert_eq!(before.0, after.0);
    assert!(after.1 <= before.1 + 512, "{before:?} {after:?}");
}

#[test]
fn a_flood_waits_in_the_backlog_and_holds_a_bounded_number() {
    let (cell, port) = (Cell::new(), echo());
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]);
    leased.bounds.connections = 8;
    let gate = cell.start(&leased, 0).ready();
    let idle = gate.descriptors();
    let target = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    let held = cell.inside(move || (0..64).map(|_| TcpStream::connect(target).unwrap()).collect::<Vec<_>>());
    cell.wait_for("\"connect\"");
    std::thread::sleep(Duration::from_millis(200));
    assert!(gate.descriptors() <= idle + 16, "{} of {idle}", gate.descriptors());
    drop(held);
    assert_eq!(cell.inside(move || talk(target, b"ping")).unwrap(), "ping");
}

#[test]
fn a_silent_connection_is_reset_and_its_slot_given_back() {
    let (cell, port) = (Cell::new(), echo());
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("127.0.0.1:{port}")]);
    (leased.bounds.idle, leased.bounds.connections) = (1, 1);
    let _gate = cell.start(&leased, 0).ready();
    let ends = cell.inside(move || {
        let target = SocketAddr::from((address("web.example."), port));
        let mut silent = TcpStream::connect(target).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let end = silent.read(&mut [0; 1]).unwrap_err().kind();
        (end, talk(target, b"ping"))
    });
    assert_eq!(ends.0, std::io::ErrorKind::ConnectionReset);
    assert_eq!(ends.1.unwrap(), "ping");
}

#[test]
fn a_lease_that_cannot_be_used_is_reported_and_not_run() {
    let cell = Cell::new();
    let mut other = lease(&[]);
    other.version += 1;
    let mut gate = cell.start(&other, 0);
    assert!(matches!(gate.report(), GateReport::Failed { what, .. } if what == "lease"));
    assert_eq!(gate.end(), Some(125));
    let mut torn = lease(&[]);
    torn.segment = Some((1, "abc".into()));
    let mut gate = cell.start(&torn, 0);
    assert!(matches!(gate.report(), GateReport::Failed { what, .. } if what == "continue the segment"));
    assert_eq!(gate.end(), Some(125));
}
