//! What the watcher says becomes of it: whose a connection is, and which programs were started.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::fake::dns::address;
use crate::fake::{Cell, ORDINARY, OUTSIDE, echo, lease, talk, tell};
use plan::Sighting;
use rustix::net::SendFlags;

#[test]
fn a_program_is_known_by_its_sockets_cookie_and_only_so() {
    let (cell, port) = (Cell::new(), echo());
    let mut programs = lease(&[&format!("{OUTSIDE}:{port}")]);
    let mut policies: Vec<policy::Policy> = programs.policy.policies().cloned().collect();
    let mut rule = policy::Rule::to(policy::Target::parse(&format!("web.example:{port}")).unwrap());
    rule.programs = vec![policy::ProgramPattern::parse("/usr/bin/git").unwrap()];
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

/// A watcher that speaks often is not waited for at each word, and none of them waits for a connection, or for the end.
#[test]
fn what_the_watcher_says_is_recorded_whenever_it_says_it() {
    let cell = Cell::new();
    let mut gate = cell.start(&lease(&[]), ORDINARY).ready();
    let say = |pid: u32| {
        let (by, claimed) = ("/bin/sh".to_owned(), format!("/bin/ls{pid}-"));
        tell(&cell.watcher, &Sighting::Execute { pid, parent: 1, by, claimed, arguments: Vec::new() });
    };
    for pid in 1..=60 {
        say(pid);
        // Some come while the one before is being read, some shortly after, and some when nobody reads any more.
        match pid % 3 {
            0 => drop(cell.wait_for(&format!("/bin/ls{pid}-"))),
            1 => std::thread::sleep(std::time::Duration::from_millis(pid.into())),
            _ => {}
        }
    }
    assert_eq!(cell.record().matches("\"exec\"").count(), 60);
    assert_eq!(gate.end(), Some(0));
}

#[test]
fn a_flood_of_programs_is_counted_and_what_follows_is_not_lost() {
    let (cell, port) = (Cell::new(), echo());
    let mut gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]), 0).ready();
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
fn a_connection_names_the_start_of_its_program_as_its_cause() {
    let (cell, port) = (Cell::new(), echo());
    let mut gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]), 0).ready();
    let watcher = cell.watcher.try_clone().unwrap();
    cell.inside(move || {
        let target = SocketAddr::from((address("web.example."), port));
        // The third started a program that is not there, and went on as it was.
        for (pid, started) in [(9, Some("/usr/bin/git")), (10, None), (11, Some("/usr/bin/absent"))] {
            let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
            let socket = socket.unwrap();
            let cookie = rustix::net::sockopt::socket_cookie(&socket).unwrap();
            if let Some(claimed) = started {
                let (by, claimed) = ("/bin/sh".to_owned(), claimed.to_owned());
                tell(&watcher, &Sighting::Execute { pid, parent: 1, by, claimed, arguments: Vec::new() });
            }
            tell(&watcher, &Sighting::Connect { cookie, pid, chain: vec!["/usr/bin/git".into()] });
            rustix::net::connect(&socket, &target).unwrap();
            let mut stream = TcpStream::from(socket);
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
        }
    });
    assert_eq!(gate.end(), Some(0));
    let record = cell.record();
    let line =
        |text: &str| record.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {record}"));
    for (pid, claimed, known) in [(9, "git", "observed"), (11, "absent", "inferred")] {
        let start = line(&format!("\"claimed\":\"/usr/bin/{claimed}\""));
        let seq = start.split("\"seq\":").nth(1).unwrap().split(',').next().unwrap();
        let cause = format!("{{\"id\":\"g{seq}\",\"known\":\"{known}\"}}");
        assert!(line(&format!("\"pid\":{pid},\"program\"")).contains(&cause), "{cause}: {record}");
    }
    assert!(!line("\"pid\":10,\"program\"").contains("cause"), "{record}");
}

#[test]
fn a_program_whose_start_cannot_be_recorded_ends_the_gate() {
    let cell = Cell::new();
    let full = std::fs::File::options().append(true).open("/dev/full").unwrap();
    let mut gate = cell.start_on(&lease(&[]), ORDINARY, full).ready();
    let (by, claimed) = ("/bin/sh".to_owned(), "/bin/ls".to_owned());
    tell(&cell.watcher, &Sighting::Execute { pid: 2, parent: 1, by, claimed, arguments: Vec::new() });
    // By itself: its channel is open.
    assert_eq!(gate.child.wait().unwrap().code(), Some(125));
}
