//! What one cell can take of the host through its gate.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, OUTSIDE, echo, lease, talk};

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let (cell, port) = (Cell::new(), echo());
    let gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]), 0).ready();
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
        for _ in 0..2000 {
            if cell.record().matches("\"close\"").count() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not every connection was closed");
    };
    settle(500);
    let before = (gate.descriptors(), gate.status("VmRSS:"));
    // In parts, each of which has its time on a busy machine, too.
    (0..20).for_each(|_| round(500));
    settle(10_500);
    let after = (gate.descriptors(), gate.status("VmRSS:"));
    println!("descriptors and KiB before {before:?}, after {after:?}");
    assert_eq!(before.0, after.0);
    assert!(after.1 <= before.1 + 512, "{before:?} {after:?}");
}

#[test]
fn a_flood_waits_in_the_backlog_and_holds_a_bounded_number() {
    let (cell, port) = (Cell::new(), echo());
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]);
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
    let mut leased = lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]);
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
    assert!(cell.record().contains("nothing came for too long"), "{}", cell.record());
}

#[test]
fn a_flood_of_refusals_is_counted_and_what_is_allowed_is_not() {
    let (cell, port) = (Cell::new(), echo());
    let mut gate = cell.start(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]), 0).ready();
    let target = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    cell.inside(move || {
        for _ in 0..100 {
            assert!(talk("203.0.114.1:80".parse().unwrap(), b"x").is_err());
            assert_eq!(talk(target, b"ping").unwrap(), "ping");
        }
        assert!(talk("203.0.114.1:81".parse().unwrap(), b"x").is_err());
    });
    assert_eq!(gate.end(), Some(0));
    let record = cell.record();
    assert_eq!(record.matches("\"verdict\":\"allowed\",\"rule\"").count(), 100, "{record}");
    let refused = record.lines().filter(|line| line.contains("203.0.114.1"));
    let (counted, single): (Vec<_>, Vec<_>) = refused.partition(|line| line.contains("refused 84 more times"));
    assert_eq!((counted.len(), single.len()), (1, 17), "{record}");
    assert!(single[16].contains("\"port\":81"), "{}", single[16]);
}
