#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use wire::api::{Hearing, say};
use wire::command::{ChildRun, Run, Select, View};

use super::*;

/// Both ends: who asks, and the client as a plane has it.
fn both(origin: Origin) -> (UnixStream, Client) {
    let (ours, theirs) = crate::channel::pair().unwrap();
    (ours.into(), Client::of(theirs, origin))
}

fn by_daemon() -> Origin {
    Origin::Daemon(rustix::pipe::pipe().unwrap().1)
}

/// What is answered to these bytes, when no more come.
fn answered(said: &[u8]) -> String {
    let (mut ours, mut client) = both(by_daemon());
    // In another thread: not all of it may fit in the socket.
    let said = said.to_vec();
    let asks = std::thread::spawn(move || {
        let _ = ours.write_all(&said);
        let _ = ours.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        ours.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(client.request().is_none());
    drop(client);
    asks.join().unwrap()
}

#[test]
fn a_request_is_read_and_no_byte_behind_it() {
    let (mut ours, mut client) = both(Origin::Ours);
    let run = Run { command: vec![b"a".to_vec()], directory: "/w".into(), ..Run::default() };
    let said = say(&Request::Run(Box::new(run))).unwrap().bytes();
    let bytes = [&said[..], b"order"].concat();
    let pieces = std::thread::spawn(move || {
        for piece in bytes.chunks(7) {
            ours.write_all(piece).unwrap();
        }
        ours
    });
    let (request, descriptors) = client.request().unwrap();
    assert!(matches!(*request, Request::Run(run) if !run.detached && run.command == [b"a"]) && descriptors.is_empty());
    let mut ours = pieces.join().unwrap();
    let mut rest = [0; 8];
    assert_eq!(rustix::net::recv(&client, &mut rest[..], RecvFlags::empty()).unwrap().1, 5);
    assert_eq!(&rest[..5], b"order");
    let mut hearing = Hearing::default();
    client.reply(&Reply::Notice { text: "n".into() });
    let mut answer = [0; 512];
    let length = ours.read(&mut answer).unwrap();
    hearing.push(&answer[..length]).unwrap();
    assert!(hearing.is_upgraded());
}

#[test]
fn descriptors_ride_with_the_first_byte() {
    let (ours, mut client) = both(Origin::Ours);
    let said = say(&Request::Ls).unwrap().bytes();
    send(&ours, &said, &[ours.as_fd(), ours.as_fd()]).unwrap();
    assert_eq!(client.request().unwrap().1.len(), 2);
}

#[test]
fn what_is_answered_once_frees_its_place_and_ends_what_is_said() {
    let (read, write) = rustix::pipe::pipe().unwrap();
    let (mut ours, mut client) = both(Origin::Daemon(write));
    ours.write_all(&say(&Request::Ls).unwrap().bytes()).unwrap();
    assert!(matches!(*client.request().unwrap().0, Request::Ls));
    client.reply(&Reply::Notice { text: "n".into() });
    rustix::io::ioctl_fionbio(&read, true).unwrap();
    assert_eq!(rustix::io::read(&read, &mut [0]), Err(Errno::AGAIN));
    client.reply(&Reply::Sessions { sessions: Vec::new() });
    assert_eq!(rustix::io::read(&read, &mut [0]), Ok(0));
    let mut answer = String::new();
    ours.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(r#""notices":["n"]"#), "{answer}");
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let status = |said: &[u8]| answered(said).lines().next().unwrap_or_default().to_owned();
    assert_eq!(status(b"GET /v1/none HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(status(b"GET /v1/sessions HTTP/1.1\nHost: a\n\n"), "");
    assert_eq!(
        status(&[b"GET /v1/".as_slice(), &[b'x'; 20_000]].concat()),
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
    let long = format!("POST /v1/gc HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", api::MAX_BODY + 1);
    let long = [long.as_bytes(), &vec![b' '; api::MAX_BODY]].concat();
    let refused = answered(&long);
    assert!(refused.starts_with("HTTP/1.1 413 Content Too Large\r\n") && refused.contains("E-PLANE-099"), "{refused}");
    assert_eq!(status(b"POST /v1/standby HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 426 Upgrade Required");
    assert!(answered(b"GET /v1/version HTTP/1.1\r\nHost: a\r\n\r\n").contains(r#""api":["v1"]"#));
    let waits = b"POST /v1/gc HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
    let told = answered(waits);
    assert!(told.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 "), "{told}");
}

/// A plane of ours begins a sub-agent, at a socket that it made; nobody does by the daemon.
#[test]
fn what_planes_ask_of_each_other_nobody_asks_through_the_daemon() {
    let child = || {
        let run = Run { directory: "/w".into(), ..Run::default() };
        Request::Child(Box::new(ChildRun {
            run,
            parent: "p".into(),
            child: 1,
            event: record::EventId { segment: record::Segment::Plane, seq: 1 },
            task: "t".into(),
            context: None,
            policies: policy::Conjunction::new(Vec::new()),
            labels: Vec::new(),
            values: Vec::new(),
            lacking: None,
            heard: Vec::new(),
            labelled: Vec::new(),
            drops: "/d".into(),
            secrets: Vec::new(),
            intent: Vec::new(),
            view: View { lower: "/l".into(), upper: None, granted: Vec::new(), left_out: Vec::new(), most: None },
            within: Vec::new(),
        }))
    };
    let said = say(&child()).unwrap().bytes();
    assert!(answered(&said).starts_with("HTTP/1.1 403 Forbidden\r\n"));
    let (mut ours, mut client) = both(Origin::Ours);
    ours.write_all(&said).unwrap();
    assert!(matches!(*client.request().unwrap().0, Request::Child(_)));
}

#[test]
fn an_answer_that_is_too_long_is_said_to_be() {
    let (mut ours, mut client) = both(Origin::Ours);
    let select = Select { session: Some("s".into()), ..Select::default() };
    ours.write_all(&say(&Request::Show(select)).unwrap().bytes()).unwrap();
    client.request().unwrap();
    client.reply(&Reply::Text { text: "x".repeat(2 * api::MAX_BODY) });
    let mut answer = String::new();
    ours.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.contains("E-PLANE-098"), "{answer}");
}
