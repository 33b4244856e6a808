//! A real cell and a real gate: a program inside reaches what the policy names, is known, and is refused the rest.
//! Needs `bastide-cell` beside the gate: `cargo build -p bastide-cell`.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::fake::walls;
use crate::fake::{Cell, ORDINARY, OUTSIDE, lease};

/// What the script printed in a cell behind a gate with these rules, and the record.
fn run(privileged: bool, rules: &[&str], script: &str) -> (String, String) {
    let mut walls = walls::start(privileged, None, &["/usr/bin/sh", "-c", script]);
    let mut cell = Cell::empty();
    cell.door = std::mem::take(&mut walls.door);
    let mut gate = cell.start(&lease(rules), if privileged { 0 } else { ORDINARY }).ready();
    let (text, ended) = walls.finish();
    assert!(matches!(ended, plan::Report::Ended(_)), "{ended:?}");
    assert_eq!(gate.end(), Some(0));
    (text, cell.record())
}

#[test]
fn a_program_in_a_cell_is_known_and_held_to_the_policy() {
    crate::fake::outside();
    let server = TcpListener::bind((OUTSIDE, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
        }
    });
    let script = format!(
        "curl -s -m 20 http://web.example:{port}/; curl -s -m 20 -x http://proxy.bastide:3128 http://web.example:{port}/; \
         curl -s -m 20 -p -x http://proxy.bastide:3128 http://web.example:{port}/; \
         curl -s -m 20 http://other.example/; echo $?; curl -s -m 20 http://169.254.169.254/; echo $?"
    );
    for privileged in [true, false] {
        let rules = [format!("web.example:{port}"), format!("{OUTSIDE}:{port}")];
        let (text, record) = run(privileged, &rules.each_ref().map(String::as_str), &script);
        let (first, rest) = text.split_at("hello\nhello\nhello\n".len());
        assert_eq!(first, "hello\nhello\nhello\n", "privileged: {privileged}: {record}");
        // No such host; and either refused at connecting or reset right after.
        assert!(["6\n7\n", "6\n56\n"].contains(&rest), "privileged: {privileged}: {rest}");
        let known = record.matches("\"program\":[\"/usr/bin/curl\"").count();
        assert_eq!(known, 4, "privileged: {privileged}: {record}");
        let (exec, connect) = (record.find("\"exec\""), record.find("\"connect\""));
        assert!(exec.is_some() && exec < connect, "privileged: {privileged}: {record}");
    }
}
