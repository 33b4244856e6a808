//! What is asked of a session that runs: how it stands, a pause, its end; real programs inside, started by root and by an
//! ordinary user. And who may not ask: whoever comes from within a cell.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::whole::{ORDINARY, Operator, Ran, first_line, until};
use serde::Serialize;
use serde_json::{Value, json};
use wire::control::{Answer, Ask, Greeting, Happened, Hello, Order, Told};

const LONG: Duration = Duration::from_secs(30);

/// Programs in groups and sessions of their own, each of which makes progress that can be seen outside.
/// The second has a timer send it SIGCONT.
const BUSY: &str = "trap 'exit 9' TERM; \
    setsid sh -c 'while :; do echo x >> a; sleep 0.005; done' & \
    python3 -c 'import ctypes, signal, struct, time\nsignal.signal(signal.SIGCONT, lambda *_: None)\n\
timer, call = ctypes.c_int(), ctypes.CDLL(None).syscall\n\
call(222, 1, struct.pack(\"qii48x\", 0, 18, 0), ctypes.byref(timer))\n\
call(223, timer, 0, struct.pack(\"4q\", 0, 5000000, 0, 5000000), None)\nwhile True:\n    open(\"b\", \"a\").write(\"x\")\n    time.sleep(0.005)' & \
    while :; do echo x >> c; sleep 0.005; done";

struct Running<'o> {
    operator: &'o Operator,
    name: &'static str,
    child: Child,
}

impl<'o> Running<'o> {
    fn start(operator: &'o Operator, name: &'static str, script: &str) -> Running<'o> {
        let arguments = ["run", "--name", name, "--", "sh", "-c", script];
        let mut command = operator.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running { operator, name, child: command.spawn().expect("starts") };
        running.until("it runs", |shown| shown["live"]["cell"].is_number());
        running
    }

    fn bastide(&self, arguments: &[&str]) -> Ran {
        self.operator.bastide(arguments)
    }

    fn shown(&self) -> Value {
        let ran = self.bastide(&["show", self.name, "--json"]);
        serde_json::from_str(&ran.stdout).unwrap_or(Value::Null)
    }

    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LONG;
        loop {
            let shown = self.shown();
            if holds(&shown) {
                return shown;
            }
            assert!(Instant::now() < until, "{what}: {shown}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn directory(&self) -> PathBuf {
        let id = self.shown()["id"].as_str().expect("an id").to_owned();
        self.operator.room.join("state/bastide/sessions").join(id)
    }

    /// What each of the programs wrote so far.
    fn written(&self) -> [u64; 3] {
        let upper = self.directory().join("changes/0/upper");
        ["a", "b", "c"].map(|name| fs::metadata(upper.join(name)).map_or(0, |meta| meta.len()))
    }

    /// Waits until each of them wrote more.
    fn progresses(&self) {
        let (before, until) = (self.written(), Instant::now() + LONG);
        while self.written().iter().zip(before).any(|(now, before)| *now <= before) {
            assert!(Instant::now() < until, "no progress: {before:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stands_still(&self) {
        let before = self.written();
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(self.written(), before);
    }

    /// How `run` ended, and what it said.
    fn ended(&mut self) -> (i32, String) {
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
        (self.child.wait().expect("waited").code().unwrap_or(-1), said)
    }

    fn pid_1(&self) -> u64 {
        self.shown()["live"]["cell"].as_u64().expect("a number")
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose pid namespace is that of a pid 1.
fn of_cell(pid_1: u64) -> Vec<u64> {
    let space = |pid: u64| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(theirs) = space(pid_1) else { return Vec::new() };
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| space(*pid).as_ref() == Some(&theirs)).collect()
}

#[test]
fn a_paused_cell_makes_no_progress_and_goes_on_when_it_is_resumed() {
    for operator in Operator::each() {
        let running = Running::start(&operator, "busy", BUSY);
        running.progresses();
        let ran = running.bastide(&["pause", "busy"]);
        assert!(ran.exit == 0 && ran.stdout.contains(" is paused by "), "{ran:?}");
        running.stands_still();
        let listed = running.bastide(&["ls"]).stdout;
        assert!(listed.contains(" paused "), "{listed}");
        let ran = running.bastide(&["pause", "busy"]);
        assert_eq!(ran.exit, 0, "asked twice it is paused once: {ran:?}");
        assert!(running.shown()["live"]["paused"].is_string());
        running.stands_still();
        let ran = running.bastide(&["resume", "busy"]);
        assert!(ran.exit == 0 && ran.stdout.ends_with(" goes on\n"), "{ran:?}");
        running.progresses();
        assert!(running.shown()["live"]["paused"].is_null());
        let log = running.bastide(&["log", "busy"]).stdout;
        let who = format!("by uid {} with ", operator.uid);
        for order in ["pause", "resume"] {
            assert_eq!(log.matches(&format!("operator's {order}, {who}")).count(), 1, "{log}");
        }
    }
}

/// What was under way waits in the gate, whatever the other side says meanwhile.
#[test]
fn a_paused_session_has_nothing_carried() {
    for operator in Operator::each() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let proxy = format!("http://{}", listener.local_addr().expect("an address"));
        let script = "import socket, time\nway = socket.create_connection((\"web.example\", 4443))\n\
                      way.sendall(b\"GET / HTTP/1.1\\r\\nHost: web.example:4443\\r\\n\\r\\n\")\nway.shutdown(1)\n\
                      while way.recv(99): pass\ntime.sleep(99)";
        let arguments = ["run", "--name", "far", "--allow", "web.example:4443", "--", "python3", "-c", script];
        let mut command = operator.command(&arguments);
        command.env("https_proxy", proxy).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running { operator: &operator, name: "far", child: command.spawn().expect("starts") };
        let (stream, _) = listener.accept().expect("it comes");
        let mut stream = BufReader::new(stream);
        while first_line(&mut stream).expect("it asks").starts_with("CONNECT ") {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("said");
        }
        assert_eq!(running.bastide(&["pause", "far"]).exit, 0);
        let segment = running.directory().join("gate.segment");
        let events = || fs::metadata(&segment).expect("there").len();
        let before = events();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.get_mut().write_all(answer).expect("said");
        drop(stream);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(events(), before);
        assert_eq!(running.bastide(&["resume", "far"]).exit, 0);
        assert!(until(|| events() > before), "it goes on");
    }
}

#[test]
fn a_stop_asks_then_ends_all_and_the_record_says_by_whom() {
    for operator in Operator::each() {
        // One that ends when it is asked, with an exit code of its own.
        let mut running = Running::start(&operator, "asked", BUSY);
        running.progresses();
        let cell = running.pid_1();
        let ran = running.bastide(&["stop", "asked"]);
        assert!(ran.exit == 0 && ran.stdout.contains(" ended, exit 9: the operator stopped it (uid "), "{ran:?}");
        let (exit, said) = running.ended();
        assert_eq!(exit, 9, "{said}");
        assert!(of_cell(cell).is_empty());
        let log = running.bastide(&["log", "asked"]).stdout;
        let who = format!("uid {} with bastide (process ", operator.uid);
        assert!(
            log.contains(&format!("operator's stop, by {who}")) && log.contains("), by bastided (process "),
            "{log}"
        );
        assert!(log.contains(&format!("the operator stopped it ({who}")), "{log}");
        assert_eq!(running.bastide(&["log", "verify", "asked"]).exit, 0);
        // One that does not care, and is paused: ended all the same, not before its time.
        let deaf =
            "trap '' TERM; setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' & while :; do sleep 1; done";
        let mut running = Running::start(&operator, "deaf", deaf);
        let cell = running.pid_1();
        assert_eq!(running.bastide(&["pause", "deaf"]).exit, 0);
        let since = Instant::now();
        let ran = running.bastide(&["stop", "deaf", "--timeout", "1s", "--json"]);
        let told: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert!(since.elapsed() >= Duration::from_secs(1), "{ran:?}");
        assert_eq!((ran.exit, &told["session"]["state"], &told["session"]["exit"]), (0, &json!("ended"), &json!(137)));
        assert_eq!(running.ended().0, 137);
        assert!(of_cell(cell).is_empty());
        let ran = running.bastide(&["stop", "deaf"]);
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-101"), "{ran:?}");
    }
}

/// Nothing of a cell outlives its plane or its client, also where all of it is stopped.
#[test]
fn a_paused_cell_ends_with_its_plane_and_with_its_client() {
    for (operator, who) in Operator::each().iter().flat_map(|one| [(one, "plane"), (one, "client")]) {
        let running = Running::start(operator, who, BUSY);
        let (cell, plane) = (running.pid_1(), running.shown()["live"]["pid"].as_u64().expect("a number"));
        assert_eq!(running.bastide(&["pause", who]).exit, 0);
        let killed = if who == "plane" { plane } else { running.child.id().into() };
        let killed = rustix::process::Pid::from_raw(i32::try_from(killed).expect("a pid")).expect("a pid");
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).expect("killed");
        let until = Instant::now() + LONG;
        while !of_cell(cell).is_empty() {
            assert!(Instant::now() < until, "{who}: {:?}", of_cell(cell));
            std::thread::sleep(Duration::from_millis(10));
        }
        let state = if who == "plane" { "lost" } else { "ended" };
        running.until("it is put in order", |shown| {
            running.bastide(&["ls"]);
            shown["state"] == state
        });
    }
}

/// One who asks, message by message.
struct Asker(UnixStream);

impl Asker {
    fn new(running: &Running<'_>) -> Asker {
        let directory = fs::File::open(running.directory()).expect("there");
        let path = format!("/proc/self/fd/{}/control", directory.as_raw_fd());
        let stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("set");
        Asker(stream)
    }

    fn say<T: Serialize>(&mut self, message: &T) {
        self.0.write_all(&wire::encode(message).expect("a frame")).expect("said");
    }

    fn hear<T: serde::de::DeserializeOwned>(&mut self) -> T {
        let mut prefix = [0; 4];
        self.0.read_exact(&mut prefix).expect("a message");
        let mut frame = vec![0; 4 + u32::from_le_bytes(prefix) as usize];
        frame[..4].copy_from_slice(&prefix);
        self.0.read_exact(&mut frame[4..]).expect("all of it");
        wire::decode(&frame).expect("read")
    }
}

#[test]
fn one_connection_asks_much_and_is_told_what_happens_to_the_end() {
    let operator = Operator::new(rustix::process::geteuid().as_raw());
    let running = Running::start(&operator, "told", BUSY);
    let mut asker = Asker::new(&running);
    asker.say(&Hello::OURS);
    assert!(matches!(asker.hear(), Greeting::Hello { version: 2, .. }));
    for (number, order) in [(1, Order::Events), (2, Order::State), (3, Order::Pause), (4, Order::Resume)] {
        asker.say(&Ask { number, order });
    }
    asker.say(&json!({"number": 5, "order": {"order": "spawn"}}));
    asker.say(&Ask { number: 6, order: Order::Stop { signal: 15, grace: 10_000 } });
    let (mut answers, mut events) = (Vec::new(), Vec::new());
    loop {
        match asker.hear::<Told>() {
            Told::Answer { number, answer } => answers.push((number, answer)),
            Told::Event { event } => events.push(event),
        }
        if matches!(events.last(), Some(Happened::Ended { .. })) {
            break;
        }
    }
    answers.sort_by_key(|(number, _)| *number);
    assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let Answer::State(state) = &answers[1].1 else { panic!("{answers:?}") };
    assert!(state.running && state.name.as_deref() == Some("told") && state.agent == "sh", "{state:?}");
    assert!(matches!(answers[2].1, Answer::Paused { .. }), "{answers:?}");
    assert!(matches!(&answers[4].1, Answer::Refused(problem) if problem.code == "E-PLANE-100"), "{answers:?}");
    let at = |wanted: fn(&Happened) -> bool| events.iter().position(wanted);
    let paused = at(|event| matches!(event, Happened::Paused { .. }));
    let resumed = at(|event| matches!(event, Happened::Resumed { .. }));
    let stopping = at(|event| matches!(event, Happened::Stopping { .. }));
    assert!(paused < resumed && resumed < stopping && paused.is_some(), "{events:?}");
    let Some(Happened::Ended { exit: 9, reason }) = events.last() else { panic!("{events:?}") };
    assert!(reason.starts_with("the operator stopped it ("), "{reason}");
}

/// What the programs of before this version ask.
#[test]
fn the_first_version_is_answered_in_words_that_it_can_read() {
    let operator = Operator::new(rustix::process::geteuid().as_raw());
    let running = Running::start(&operator, "old", "sleep 100");
    let mut asker = Asker::new(&running);
    asker.say(&json!({"version": 1, "order": {"order": "replace"}}));
    let Greeting::Refused(problem) = asker.hear() else { panic!("let in") };
    assert_eq!(problem.code, "E-PLANE-100");
    assert!(problem.hint.is_some_and(|hint| hint.contains("begin it anew")));
}

/// Connects from where it is to the socket in the directory that is open as 9, and prints what it is told.
const STRANGER: &str = "import os, socket\nos.fchdir(9)\ns = socket.socket(socket.AF_UNIX)\ns.connect('control')\n\
    s.settimeout(20)\nprint(s.recv(9999)[4:].decode())";

/// Where every user, and a cell, finds the same programs.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The very namespaces of a cell that runs, one by one: by a program of root's that entered them with the session's
/// directory in its hand, which no agent has.
#[test]
fn whoever_comes_from_within_a_cell_is_refused_by_each_of_its_namespaces() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let cases =
        [("--mount", "another root directory"), ("--pid", "another pid namespace"), ("--user", "another user nam")];
    for uid in [0, ORDINARY] {
        let operator = Operator::new(uid);
        let running = Running::start(&operator, "walls", "sleep 100");
        let (cell, directory, user) = (running.pid_1().to_string(), running.directory(), uid.to_string());
        for (space, words) in cases {
            let mut command = Command::new("sh");
            let script = "exec 9<\"$1\"; shift; exec \"$@\"";
            command
                .env("PATH", PATH)
                .args(["-c", script, "sh"])
                .arg(&directory)
                .args(["nsenter", "--target", &cell, space]);
            match (space, uid) {
                // To the host its uid stays the operator's: by the cell's map, or since the map does not have it.
                ("--user", 0) => command.arg("--preserve-credentials"),
                ("--user", _) => {
                    let map = fs::read_to_string(format!("/proc/{cell}/uid_map")).expect("a map");
                    let inside = map.split_whitespace().next().expect("an id").to_owned();
                    command.args(["--setuid", &inside, "--setgid", &inside])
                }
                _ => command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]),
            };
            let output = command.args(["python3", "-c", STRANGER]).output().expect("it starts");
            let ran = Ran::of(output);
            assert!(ran.stdout.contains("E-PLANE-095") && ran.stdout.contains(words), "{uid} {space}: {ran:?}");
        }
        let mut command = Command::new("sh");
        command.env("PATH", PATH).args(["-c", "exec 9<\"$1\"; shift; exec \"$@\"", "sh"]).arg(&directory);
        command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "python3", "-c"]);
        let greeted = STRANGER.replace(
            "s.settimeout(20)",
            "s.settimeout(20)\nh = b'{\"least\":2,\"most\":2}'\ns.sendall(len(h).to_bytes(4, 'little') + h)",
        );
        let ran = Ran::of(command.arg(greeted).output().expect("it starts"));
        assert!(ran.stdout.contains("\"hello\""), "outside of it all the same program is heard: {ran:?}");
    }
}
