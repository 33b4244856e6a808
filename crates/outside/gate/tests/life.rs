//! A gate from its lease to its end, and what becomes of it when something it needs is missing.

use std::io::Read;
use std::net::{Shutdown, TcpStream};

use crate::fake::dns::{address, ask};
use crate::fake::{Cell, ORDINARY, OUTSIDE, echo, lease, talk};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use seccompiler::{SeccompAction, SeccompFilter};
use wire::GateReport;

#[test]
fn a_killed_gate_is_replaced_on_the_same_descriptors() {
    let (cell, port) = (Cell::new(), echo());
    let rules = [format!("web.example:{port}"), format!("{OUTSIDE}:{port}"), "other.example".to_owned()];
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

/// The plane waits for that, and for nothing else, before it sums a session up.
#[test]
fn all_is_recorded_when_a_gate_closes_its_end() {
    let cell = Cell::new();
    let mut gate = cell.start(&lease(&[]), 0).ready();
    cell.inside(|| {
        for _ in 0..40 {
            assert!(talk("203.0.114.1:80".parse().unwrap(), b"x").is_err());
        }
    });
    assert!(!cell.record().contains("more times"));
    let mut channel = gate.channel();
    channel.shutdown(Shutdown::Write).unwrap();
    assert_eq!(channel.read(&mut [0; 64]).unwrap(), 0);
    assert!(cell.record().contains("refused 24 more times"), "{}", cell.record());
    assert_eq!(gate.end(), Some(0));
}

/// A program may connect and end while its gate has no turn, and the session ends with it: its connections wait in the kernel.
#[test]
fn what_waits_to_be_accepted_when_the_channel_closes_is_decided_and_recorded() {
    let cell = Cell::new();
    let mut gate = cell.start(&lease(&[]), 0).ready();
    let process = Pid::from_child(&gate.child);
    kill_process(process, Signal::STOP).unwrap();
    waitpid(Some(process), WaitOptions::UNTRACED).unwrap().unwrap();
    let places: Vec<String> = (1..=8).map(|last| format!("203.0.114.{last}")).collect();
    let asked = places.clone();
    cell.inside(move || {
        for place in asked {
            TcpStream::connect((place, 80)).unwrap();
        }
    });
    gate.channel().shutdown(Shutdown::Write).unwrap();
    kill_process(process, Signal::CONT).unwrap();
    assert_eq!(gate.end(), Some(0));
    let record = cell.record();
    for place in places {
        assert!(record.contains(&format!("\"host\":\"{place}\"")), "{place}: {record}");
    }
}

#[test]
fn what_cannot_be_recorded_is_refused_on_every_path() {
    let (cell, port) = (Cell::new(), echo());
    let full = std::fs::File::options().append(true).open("/dev/full").unwrap();
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]);
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

#[test]
fn a_gate_that_cannot_confine_itself_is_reported_and_does_not_run() {
    for (call, said) in [(libc::SYS_landlock_create_ruleset, "landlock"), (libc::SYS_seccomp, "seccomp")] {
        let cell = Cell::new();
        // A filter binds the thread that takes it, and every program that this thread starts.
        let mut gate = std::thread::scope(|scope| {
            let starting = scope.spawn(|| {
                let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
                let architecture = std::env::consts::ARCH.try_into().unwrap();
                let filter = SeccompFilter::new([(call, vec![])].into(), SeccompAction::Allow, refuse, architecture);
                let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
                seccompiler::apply_filter(&program).unwrap();
                cell.start(&lease(&[]), 0)
            });
            starting.join().unwrap()
        });
        let report = gate.report();
        assert!(
            matches!(&report, GateReport::Failed { what, why } if what == "confine" && why.contains(said)),
            "{report:?}"
        );
        assert_eq!(gate.end(), Some(125));
        assert!(!cell.record().contains("kind"));
    }
}
