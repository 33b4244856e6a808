//! A gate whose session is paused: whatever a program that goes on all the same tries, nothing passes.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, echo, lease};
use wire::{GateOrder, GateReport};

/// How long nothing has to come.
const STILL: Duration = Duration::from_millis(400);

/// Whether what was said comes back in that time.
fn hears(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    stream.read_exact(&mut [0; 4]).is_ok()
}

fn connect(cell: &Cell, port: u16) -> TcpStream {
    cell.inside(move || {
        let mut stream = TcpStream::connect((OUTSIDE, port)).unwrap();
        stream.write_all(b"ping").unwrap();
        stream
    })
}

/// Asks for a name and does not wait for the answer.
fn look_up(cell: &Cell) -> UdpSocket {
    cell.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect("198.18.0.1:53").unwrap();
        let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x05other\x07example\0\0\x01\0\x01";
        socket.send(query).unwrap();
        socket
    })
}

fn answered(socket: &UdpSocket, within: Duration) -> bool {
    socket.set_read_timeout(Some(within)).unwrap();
    socket.recv(&mut [0; 512]).is_ok()
}

fn pause(gate: &mut Gate, number: u32) {
    gate.order(&GateOrder::Pause { number });
    assert_eq!(gate.report(), GateReport::Paused { number });
}

#[test]
fn nothing_is_accepted_carried_or_answered_until_it_goes_on() {
    let (cell, port) = (Cell::new(), echo());
    let leased = lease(&[&format!("{OUTSIDE}:{port}"), "web.example", "other.example"]);
    let mut gate = cell.start(&leased, ORDINARY).ready();
    cell.inside(|| address("web.example"));
    let mut open = connect(&cell, port);
    assert!(hears(&mut open, Duration::from_secs(5)));
    pause(&mut gate, 1);
    let before = cell.record();
    open.write_all(b"more").unwrap();
    let (mut new, name) = (connect(&cell, port), look_up(&cell));
    assert!(!hears(&mut open, STILL) && !hears(&mut new, STILL) && !answered(&name, STILL));
    assert_eq!(cell.record(), before);
    // The plane is heard all the same.
    let (policy, credentials, labelled) = (leased.policy.clone(), Vec::new(), Vec::new());
    gate.order(&GateOrder::Replace { revision: 2, policy, credentials, labelled, forgives: false });
    assert_eq!(gate.report(), GateReport::Replaced { revision: 2 });
    assert!(!hears(&mut open, STILL) && !hears(&mut new, STILL));
    gate.order(&GateOrder::Resume);
    let soon = Duration::from_secs(5);
    assert!(hears(&mut open, soon) && hears(&mut new, soon) && answered(&name, soon));
    pause(&mut gate, 2);
    let before = cell.record();
    let mut last = connect(&cell, port);
    assert!(!hears(&mut last, STILL));
    // Nor at its end.
    assert_eq!(gate.end(), Some(0));
    assert!(!cell.record()[before.len()..].contains("\"connect\""), "{}", cell.record());
}

#[test]
fn one_that_takes_over_a_paused_session_begins_so() {
    let (cell, port) = (Cell::new(), echo());
    let leased = wire::Lease { paused: true, ..lease(&[&format!("{OUTSIDE}:{port}")]) };
    let mut gate = cell.start(&leased, ORDINARY).ready();
    let mut stream = connect(&cell, port);
    assert!(!hears(&mut stream, STILL));
    assert_eq!(cell.record(), "");
    gate.order(&GateOrder::Resume);
    assert!(hears(&mut stream, Duration::from_secs(5)));
}
