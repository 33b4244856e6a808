//! A gate that looks into bytes which were made to take long: everybody else goes on being served, the plane is heard, and what
//! changes meanwhile counts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::fake::dns::address;
use crate::fake::models::{chat, routing};
use crate::fake::server::{Server, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{Conjunction, Flow, Label, LabelPattern, Policy, Protocol, Rule, Sink, Target};
use wire::{GateOrder, GateReport, Labelled};

/// Bytes that take a second at least, in which nothing is found.
const MADE_TO_TAKE_LONG: &[u8] = b"%25";
const LENGTH: usize = 16 << 20;

const NOTE: &str = "the blue heron lands at the old mill by midnight and waits for a lamp to be lit twice";
const OTHER: &str = "seven barrels of grey paint stand behind the third door of the boat house since the flood";

struct Scene {
    cell: Cell,
    sink: Server,
    gate: Gate,
    policy: Conjunction,
}

fn labelled(text: &str) -> Vec<Labelled> {
    let label = Label::parse("secret:note").unwrap();
    vec![Labelled { label, source: "a file".into(), text: text.into(), exact: false }]
}

fn scene() -> Scene {
    let (cell, sink) = (Cell::new(), Server::plain(|_, _| ok("text/plain", b"thanks")));
    let rule = |to: &str| Rule {
        protocol: Protocol::Http,
        ..Rule::to(Target::parse(&format!("{to}:{}", sink.port)).unwrap())
    };
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.network.allow = vec![rule("web.example"), rule(&OUTSIDE.to_string())];
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: Some(Sink::Network) }];
    let policy = Conjunction::new(vec![policy]);
    let leased = wire::Lease { policy: policy.clone(), labelled: labelled(NOTE), ..lease(&[]) };
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, sink, gate, policy }
}

impl Scene {
    /// Says what takes long, and does not wait for what becomes of it.
    fn say_and_leave(&self) {
        let port = self.sink.port;
        let mut stream = self.cell.inside(move || TcpStream::connect((address("web.example."), port)).unwrap());
        let head = format!("POST /long HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&MADE_TO_TAKE_LONG.repeat(LENGTH)[..LENGTH]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }

    /// Says what takes long, and this at its end. Gives what comes back, when all of it is with the gate.
    fn say_long(&self, end: &str) -> Receiver<(String, Instant)> {
        let port = self.sink.port;
        let mut stream = self.cell.inside(move || TcpStream::connect((address("web.example."), port)).unwrap());
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = [&MADE_TO_TAKE_LONG.repeat(LENGTH / MADE_TO_TAKE_LONG.len())[..], b"\n", end.as_bytes()].concat();
        let head = format!(
            "POST /long HTTP/1.1\r\nHost: web.example:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let ((said, whole), (tell, told)) = (channel(), channel());
        std::thread::spawn(move || {
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
            said.send(()).unwrap();
            let mut back = Vec::new();
            let _ = stream.read_to_end(&mut back);
            let _ = tell.send((String::from_utf8_lossy(&back).into_owned(), Instant::now()));
        });
        whole.recv_timeout(Duration::from_secs(60)).unwrap();
        // What the kernel still holds of it the gate reads in a moment.
        std::thread::sleep(Duration::from_millis(200));
        told
    }

    fn replace(&mut self, labelled: Vec<Labelled>) {
        let (policy, credentials) = (self.policy.clone(), Vec::new());
        self.gate.order(&GateOrder::Replace { revision: 2, policy, credentials, labelled, forgives: false });
        assert_eq!(self.gate.report(), GateReport::Replaced { revision: 2 });
    }
}

#[test]
fn the_plane_and_other_programs_do_not_wait_for_it() {
    let mut scene = scene();
    let told = scene.say_long(NOTE);
    let begun = Instant::now();
    scene.replace(Vec::new());
    let heard = begun.elapsed();
    let port = scene.sink.port;
    let small = say(&scene.cell, None, "web.example", port, &request("POST", "web.example", port, "/", "", "hello"));
    let served = begun.elapsed();
    assert!(small.is_ok_and(|back| back.ends_with("thanks")));
    assert!(told.try_recv().is_err(), "the plane was heard after {heard:?}, another served after {served:?}");
    let (back, at) = told.recv_timeout(Duration::from_secs(60)).unwrap();
    println!("heard after {heard:?}, served after {served:?}, looked into after {:?}", at - begun);
    assert!(back.contains("it carries `secret:note`"), "{back}");
    assert_eq!(scene.sink.got().len(), 1);
}

#[test]
fn what_is_labelled_meanwhile_does_not_leave() {
    let mut scene = scene();
    let told = scene.say_long(OTHER);
    scene.replace(labelled(OTHER));
    assert!(told.try_recv().is_err(), "it has not begun before");
    let (back, _) = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(back.contains("it carries `secret:note`"), "{back}");
    assert!(scene.sink.got().is_empty());
    // The gate does not hold it against anything else.
    let told = scene.say_long("nothing of any interest");
    let (back, _) = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(back.ends_with("thanks"), "{back}");
}

#[test]
fn a_text_over_two_requests_is_found_when_the_first_takes_longer() {
    let scene = scene();
    let told = scene.say_long(&NOTE[..37]);
    let port = scene.sink.port;
    let small = |text: &str| {
        let said = request("POST", "web.example", port, "/", "", text);
        say(&scene.cell, None, "web.example", port, &said).unwrap()
    };
    // It counts as said when it goes out, and what comes then goes on with it.
    let (back, _) = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(back.ends_with("thanks"), "{back}");
    let back = small(&NOTE[37..]);
    assert!(back.contains("it carries `secret:note`"), "{back}");
}

#[test]
fn whoever_leaves_leaves_nothing_behind() {
    let scene = scene();
    for _ in 0..8 {
        scene.say_and_leave();
    }
    let port = scene.sink.port;
    let small = say(&scene.cell, None, "web.example", port, &request("POST", "web.example", port, "/", "", "hello"));
    assert!(small.is_ok_and(|back| back.ends_with("thanks")));
    let (back, _) = scene.say_long("nothing of any interest").recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(back.ends_with("thanks"), "{back}");
    // One at a time is looked into, and no other is kept.
    assert!(scene.gate.status("VmHWM:") < 320 << 10, "{} KiB", scene.gate.status("VmHWM:"));
}

#[test]
fn every_thread_of_a_gate_is_confined() {
    let scene = scene();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", scene.gate.child.id())).unwrap();
    let statuses: Vec<String> =
        tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect();
    assert_eq!(statuses.len(), 2);
    for status in statuses {
        assert!(status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"), "{status}");
    }
}

#[test]
fn the_plane_is_heard_while_much_that_is_said_to_a_model_is_recorded() {
    let (cell, model) = (Cell::new(), Server::plain(|_, _| chat(Some("fine"), &[])));
    let (policy, port) = (Conjunction::new(vec![routing(model.port)]), model.port);
    let mut leased = wire::Lease { policy: policy.clone(), ..lease(&[]) };
    leased.hosts.push(("model.example".into(), OUTSIDE.into()));
    let mut gate = cell.start(&leased, ORDINARY).ready();
    let words =
        |at: usize| format!("{{\"role\":\"user\",\"content\":\"line {at} {}\"}}", "of what was said ".repeat(60));
    let body = format!("{{\"model\":\"m\",\"messages\":[{}]}}", (0..6000).map(words).collect::<Vec<_>>().join(","));
    let said = request("POST", "model.example", port, "/v1/chat/completions", "", &body);
    let mut stream = cell.inside(move || TcpStream::connect((address("model.example."), port)).unwrap());
    stream.write_all(&said).unwrap();
    cell.wait_for("line 0 of what was said");
    let (revision, credentials, labelled) = (2, Vec::new(), Vec::new());
    gate.order(&GateOrder::Replace { revision, policy, credentials, labelled, forgives: false });
    assert_eq!(gate.report(), GateReport::Replaced { revision });
    assert!(!cell.record().contains("line 5999 of"), "it was not heard before all was recorded");
    let mut back = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.read_to_string(&mut back).unwrap();
    assert!(back.contains("fine"), "{back}");
    let record = cell.record();
    let (last, asked) = (record.find("line 5999 of").unwrap(), record.find("\"kind\":\"model\"").unwrap());
    assert!(last < asked, "all of it is recorded before it goes out");
}
