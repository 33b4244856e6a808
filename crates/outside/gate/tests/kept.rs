//! Connections outside that are kept for a moment: for whom, for how long, and that each request on them is decided.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease, tell};
use plan::Sighting;
use policy::{Conjunction, PathPattern, Policy, Protocol, Rule, Target};

/// A server that answers each request with the number of the connection that it came on. `/end` says that it ends.
fn origin() -> (u16, Arc<AtomicUsize>) {
    crate::fake::outside();
    let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let (port, made) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&made);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || serve(stream, number));
        }
    });
    (port, made)
}

fn serve(mut stream: TcpStream, number: usize) {
    let (mut said, mut more) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut more) {
        said.extend_from_slice(&more[..length]);
        if said.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&said);
            let ends = if text.contains("/end") { "Connection: close\r\n" } else { "Connection: keep-alive\r\n" };
            let answer = format!("HTTP/1.1 200 OK\r\n{ends}Content-Length: 1\r\n\r\n{number}");
            stream.write_all(answer.as_bytes()).unwrap();
            said.clear();
        }
    }
}

fn begin(port: u16) -> (Cell, Gate) {
    let cell = Cell::new();
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let rule = |to: &str| Rule::to(Target::parse(&format!("{to}:{port}")).unwrap());
    let paths = vec![PathPattern::parse("/a/**").unwrap()];
    policy.network.allow =
        vec![Rule { protocol: Protocol::Http, paths, ..rule("web.example") }, rule(&OUTSIDE.to_string())];
    let mut leased = lease(&[]);
    leased.policy = Conjunction::new(vec![policy]);
    let gate = cell.start(&leased, ORDINARY).ready();
    (cell, gate)
}

/// The last digit of what each of these is answered, on a connection of its own, or the status of a refusal.
fn ask(cell: &Cell, port: u16, said: &[(Option<&'static str>, &'static str, &'static str)]) -> Vec<String> {
    let (said, watcher) = (said.to_vec(), cell.watcher.try_clone().unwrap());
    cell.inside(move || {
        let target = SocketAddr::from((address("web.example."), port));
        let each = |(program, path, more): (Option<&str>, &str, &str)| {
            let family = rustix::net::AddressFamily::INET;
            let socket = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
            let cookie = rustix::net::sockopt::socket_cookie(&socket).unwrap();
            if let Some(program) = program {
                tell(&watcher, &Sighting::Connect { cookie, pid: 9, chain: vec![program.into()] });
            }
            rustix::net::connect(&socket, &target).unwrap();
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let said = format!("GET {path} HTTP/1.1\r\nHost: web.example:{port}\r\n{more}\r\n");
            stream.write_all(said.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            if got.starts_with("HTTP/1.1 200") { got.split_off(got.len() - 1) } else { got[9..12].to_owned() }
        };
        said.into_iter().map(each).collect()
    })
}

#[test]
fn one_is_kept_for_the_same_program_alone_and_each_request_on_it_is_decided() {
    let (port, made) = origin();
    let (cell, _gate) = begin(port);
    let (git, curl) = (Some("/usr/bin/git"), Some("/usr/bin/curl"));
    let close = "Connection: close\r\n";
    let got = ask(
        &cell,
        port,
        &[
            (git, "/a/1", ""),
            (git, "/a/2", close),
            (git, "/b", ""),
            (git, "/a/3", ""),
            (curl, "/a/4", ""),
            (None, "/a/5", ""),
        ],
    );
    // A refusal is no reason to connect, nor to end what others made.
    assert_eq!(got[..3], ["0", "0", "403"]);
    assert_eq!(got[3..], ["0", "1", "2"]);
    assert_eq!(made.load(Ordering::SeqCst), 3);
    let record = cell.wait_for("/a/5");
    assert_eq!(record.matches("\"kind\":\"connect\"").count(), 3);
    assert_eq!(record.matches("\"kind\":\"request\"").count(), 6);
}

#[test]
fn none_is_kept_for_long_nor_where_the_server_ends_it() {
    let (port, made) = origin();
    let (cell, gate) = begin(port);
    assert_eq!(ask(&cell, port, &[(None, "/a/1", "")]), ["0"]);
    // Its end is recorded when it is let go.
    cell.wait_for("\"close\"");
    assert_eq!(ask(&cell, port, &[(None, "/a/end", ""), (None, "/a/2", "")]), ["1", "2"]);
    assert_eq!(made.load(Ordering::SeqCst), 3);
    drop(gate);
}
