//! Another policy for a session that runs: real programs inside with open connections, a gate and a plane that are killed,
//! and what is told of it. What is in force is what reaches a server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::whole::{Operator, Ran};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(30);

/// Does what it is told, a line each: asks by a connection of its own, by one that it keeps, or speaks on an open one.
const INSIDE: &str = r#"
import http.client, socket, sys
kept = opened = told = None

def asked(line, path, body=None):
    line.request("POST" if body else "GET", path, body=body)
    back = line.getresponse()
    back.read()
    return back.status

for words in map(str.split, sys.stdin):
    verb, port, path = words[0], int(words[1]), words[2]
    try:
        if verb == "get":
            told = asked(http.client.HTTPConnection("host.bastide", port, timeout=20), path)
        elif verb == "post":
            told = asked(http.client.HTTPConnection("host.bastide", port, timeout=20), path, " ".join(words[3:]))
        elif verb == "keep":
            kept = http.client.HTTPConnection("host.bastide", port, timeout=20)
            told = asked(kept, path)
        elif verb == "again":
            told = asked(kept, path) if kept.sock else "closed"
        elif verb == "open":
            opened = socket.create_connection(("host.bastide", port), timeout=20)
            opened.sendall(b"ping")
            told = opened.recv(4).decode() or "cut"
        elif verb == "say":
            opened.sendall(b"ping")
            told = opened.recv(4).decode() or "cut"
    except (OSError, http.client.HTTPException) as error:
        told = "cut"
    print(told, flush=True)
"#;

/// A session with that program in it.
struct Running<'o> {
    operator: &'o Operator,
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
}

impl<'o> Running<'o> {
    fn start(operator: &'o Operator, name: &'static str, options: &[&str]) -> Running<'o> {
        let arguments = [&["run", "--name", name][..], options, &["--", "python3", "-c", INSIDE]].concat();
        let mut command = operator.command(&arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (says, said) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| says.send(line)));
        let stdin = child.stdin.take();
        let mut running = Running { operator, name, child, stdin, said };
        // It runs: what is asked from here on is heard at once.
        assert_eq!(running.ask("none 0 /"), "None", "{:?}", running.end());
        running
    }

    fn ask(&mut self, line: &str) -> String {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("said");
        self.said.recv_timeout(LONG).unwrap_or_else(|error| format!("nothing: {error}"))
    }

    fn apply(&self, file: &str) -> Ran {
        self.operator.bastide(&["policy", "apply", self.name, file])
    }

    fn applied(&self, file: &str) {
        let ran = self.apply(file);
        assert_eq!(ran.exit, 0, "{ran:?}");
    }

    /// The name and the number of what is in force.
    fn in_force(&self) -> (String, u64) {
        let shown = self.show();
        (shown["policy"].as_str().expect("a name").to_owned(), shown["revision"].as_u64().expect("a number"))
    }

    fn show(&self) -> Value {
        let ran = self.operator.bastide(&["show", self.name, "--json"]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    fn directory(&self) -> std::path::PathBuf {
        let id = self.show()["id"].as_str().expect("an id").to_owned();
        self.operator.room.join("state/bastide/sessions").join(id)
    }

    fn log(&self) -> String {
        self.operator.bastide(&["log", self.name]).stdout
    }

    /// Processes of this session with that name.
    fn pids(&self, name: &str) -> Vec<i32> {
        let mut todo = vec![self.child.id().cast_signed()];
        let mut found = Vec::new();
        while let Some(pid) = todo.pop() {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            todo.extend(
                read(&format!("task/{pid}/children")).split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()),
            );
            if read("comm").trim() == name && !read("stat").contains(") Z ") {
                found.push(pid);
            }
        }
        found
    }

    fn signal(&self, name: &str, signal: Signal) {
        for pid in self.pids(name) {
            let _ = kill_process(Pid::from_raw(pid).expect("a pid"), signal);
        }
    }

    /// Lets the program end, and gives what `run` said.
    fn end(&mut self) -> String {
        drop(self.stdin.take());
        let mut said = String::new();
        let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        let _ = self.child.wait();
        said
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that answers every request with 200 and keeps its head, and gives back what is no request.
fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let (port, heads) = (listener.local_addr().expect("an address").port(), Arc::<Mutex<Vec<String>>>::default());
    let kept = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
                while let Ok(length @ 1..) = stream.read(&mut piece) {
                    bytes.extend_from_slice(&piece[..length]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if text.starts_with("ping") {
                        let _ = stream.write_all(&bytes);
                        bytes.clear();
                    }
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.to_ascii_lowercase();
                    let length = length
                        .split_once("content-length: ")
                        .map_or("0", |(_, rest)| rest.split("\r\n").next().unwrap_or("0"));
                    if body.len() >= length.parse().expect("a length") {
                        kept.lock().expect("kept").push(format!("{head}\r\n\r\n{body}"));
                        bytes.clear();
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    (port, heads)
}

/// A policy of the operator's own.
fn policy(operator: &Operator, name: &str, rest: &str) -> String {
    let text = format!("bastide: 1\nname: {name}\nextends: [hardened]\n{rest}");
    operator.write(&format!("home/{name}.yaml"), &text).to_string_lossy().into_owned()
}

fn allowing(operator: &Operator, name: &str, rules: &[String]) -> String {
    policy(operator, name, &format!("network:\n  allow: [{}]\n", rules.join(", ")))
}

fn paths(port: u16, paths: &str) -> String {
    format!("{{to: \"host.bastide:{port}\", paths: [{paths}]}}")
}

#[test]
fn open_connections_are_judged_anew_and_undo_goes_back() {
    for operator in Operator::each() {
        let ((web, _), (echo, _)) = (server(), server());
        let open = format!("{{to: \"host.bastide:{echo}\"}}");
        let first = allowing(&operator, "first", &[paths(web, "/a")]);
        let wide = allowing(&operator, "wide", &[paths(web, "/a, /b"), open.clone()]);
        let narrow = allowing(&operator, "narrow", &[paths(web, "/c")]);
        let mut running = Running::start(&operator, "apply", &["--policy", &first]);
        let get = |path: &str| format!("get {web} {path}");
        assert_eq!([running.ask(&get("/a")), running.ask(&get("/b"))], ["200", "403"]);
        assert_eq!(running.ask(&format!("open {echo} /")), "cut");
        // What was refused goes through, on a connection that was open before, too.
        assert_eq!(running.ask(&format!("keep {web} /a")), "200");
        let ran = running.apply(&wide);
        assert!(ran.exit == 0 && ran.stdout.contains("policy `wide` is in force, revision 2\n"), "{ran:?}");
        assert!(ran.stdout.contains(&format!("+ network.allow: {open} (widens)")), "{ran:?}");
        assert_eq!(running.ask(&format!("again {web} /b")), "200");
        assert_eq!(running.ask(&format!("open {echo} /")), "ping");
        assert_eq!(running.ask(&format!("say {echo} /")), "ping");
        assert_eq!(running.in_force(), ("wide".into(), 2));
        // What was allowed does not go on: the next request is refused, what nobody looks into is cut.
        let ran = operator.bastide(&["policy", "apply", "apply", &narrow, "--json"]);
        let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!((&told["data"]["revision"], &told["data"]["replaced"]), (&3.into(), &2.into()));
        assert_eq!(running.ask(&format!("again {web} /b")), "403");
        assert_eq!(running.ask(&format!("say {echo} /")), "cut");
        assert_eq!([running.ask(&get("/a")), running.ask(&get("/c"))], ["403", "200"]);
        let why = operator.bastide(&["why"]);
        assert!(why.stdout.contains("GET /a") && why.stdout.contains("  bastide policy apply "), "{why:?}");
        // Back, a step each time.
        let undo = || operator.bastide(&["policy", "undo", "apply"]);
        assert!(undo().stdout.contains("policy `wide` is in force, revision 4"));
        assert_eq!(running.ask(&format!("open {echo} /")), "ping");
        assert!(operator.bastide(&["why"]).stderr.contains("revision 4, has a rule that allows it"));
        assert!(undo().stdout.contains("policy `first` is in force, revision 5"));
        assert_eq!(running.ask(&format!("say {echo} /")), "cut");
        assert_eq!([running.ask(&get("/a")), running.ask(&get("/b"))], ["200", "403"]);
        let none = undo();
        assert!(none.exit == 1 && none.stderr.contains("E-PLANE-094"), "{none:?}");
        let log = running.log();
        assert!(
            log.contains("policy `wide`, revision 2: ") && log.contains("revision 4, which undoes revision 3: "),
            "{log}"
        );
        // It ended: nothing is left of it, and the record holds.
        let (directory, socket) = (running.directory(), running.directory().join("control"));
        assert!(fs::symlink_metadata(&socket).is_ok());
        running.end();
        assert!(fs::symlink_metadata(&socket).is_err() && !directory.join("policy.new").exists());
        let ended = running.apply(&wide);
        assert!(ended.exit == 1 && ended.stderr.contains("E-PLANE-090"), "{ended:?}");
        assert_eq!(running.in_force(), ("first".into(), 5));
        assert_eq!(operator.bastide(&["log", "verify", "apply"]).exit, 0);
    }
}

#[test]
fn what_cannot_be_put_in_force_changes_nothing() {
    for operator in Operator::each() {
        let (web, _) = server();
        let one = paths(web, "/a");
        let first = allowing(&operator, "first", std::slice::from_ref(&one));
        let tool = operator.write("data/tool", "x").to_string_lossy().into_owned();
        let mut running = Running::start(&operator, "apply", &["--policy", &first, "--read", &tool]);
        let rules = format!("network: {{allow: [{}]}}\n", paths(web, "/b"));
        let refused = |name: &str, rest: &str| {
            let ran = running.apply(&policy(&operator, name, rest));
            assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""), "{ran:?}");
            ran.stderr
        };
        let said = refused("files", &format!("files: {{read: [/opt]}}\nenv: {{KEY: hunter2}}\n{rules}"));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("made from: files.read, env.KEY hint:"), "{said}");
        let said = refused("broken", &format!("{rules}  deny: [{{to: \"0x7f.1\"}}]\n"));
        assert!(said.contains("broken.yaml:5:") || said.contains("broken.yaml:4:"), "{said}");
        let said =
            refused("lent", &format!("network: {{allow: [{{to: \"host.bastide:{web}\", credential: absent}}]}}\n"));
        assert!(said.contains("E-PLANE-058") && said.contains("bastide vault set absent"), "{said}");
        let ran = running.apply("/nowhere/policy.yaml");
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-074"), "{ran:?}");
        let within = operator.write("work/mine.yaml", &format!("bastide: 1\nname: mine\nextends: [hardened]\n{rules}"));
        let ran = running.apply(&within.to_string_lossy());
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-066"), "{ran:?}");
        let ran = operator.bastide(&["policy", "apply", "nobody", &first]);
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-011"), "{ran:?}");
        assert_eq!(running.in_force(), ("first".into(), 1));
        assert_eq!([running.ask(&format!("get {web} /a")), running.ask(&format!("get {web} /b"))], ["200", "403"]);
        assert!(!running.log().contains("revision 2"));
        // What is the same of files, with what the option let in, is taken.
        running.applied(&policy(&operator, "other", &rules));
        assert_eq!([running.ask(&format!("get {web} /a")), running.ask(&format!("get {web} /b"))], ["403", "200"]);
        running.end();
    }
}

#[test]
fn a_cell_without_an_authority_takes_no_rule_about_requests() {
    for operator in Operator::each() {
        let (web, _) = server();
        let open = allowing(&operator, "open", &[format!("{{to: \"host.bastide:{web}\"}}")]);
        let about = allowing(&operator, "about", &[paths(web, "/a")]);
        let mut running = Running::start(&operator, "apply", &[]);
        let ran = running.apply(&about);
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-092"), "{ran:?}");
        assert_eq!(running.ask(&format!("get {web} /x")), "cut");
        // A secret that came into the workspace meanwhile was not there to be labelled: it is none that is kept in.
        operator.write("work/.env", "TOKEN=k9-Zt41pQx-0000\n");
        running.applied(&open);
        assert_eq!(running.ask(&format!("get {web} /x")), "200");
        running.end();
    }
}

/// A whole generation: what is lent and what is kept in come with the rules, and go with them.
#[test]
fn credentials_and_labels_come_with_the_policy() {
    const SECRET: &str = "k9-Zt41pQx-7310-lent";
    for operator in Operator::each() {
        let (web, heads) = server();
        let place = format!("host.bastide:{web}");
        operator.write(
            "work/notes/clients.md",
            "The clients are Adler and Brandt, and nobody else is to know about that.\n",
        );
        let plain = allowing(&operator, "plain", &[paths(web, "/**")]);
        let lent = policy(
            &operator,
            "lent",
            &format!(
                "network: {{allow: [{{to: \"{place}\", paths: [/**], credential: web}}]}}\ndata: [{{label: \"secret:x\", files: \
                 [\"notes/**\"]}}]\n"
            ),
        );
        let mut set = operator.command(&["vault", "set", "web", "--to", &place]);
        let mut child = set.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(SECRET.as_bytes()).expect("taken");
        assert!(child.wait().expect("ends").success());
        let mut running = Running::start(&operator, "apply", &["--policy", &plain]);
        let told = format!("post {web} /in The clients are Adler and Brandt, and nobody else is to know about that.");
        assert_eq!(running.ask(&told), "200");
        running.applied(&lent);
        assert_eq!([running.ask(&told), running.ask(&format!("get {web} /lent"))], ["403", "200"]);
        running.signal("bastide-gate", Signal::KILL);
        // A gate that takes over has all of it, too.
        assert_eq!([again(&mut running, &told), again(&mut running, &format!("get {web} /later"))], ["403", "200"]);
        running.applied(&plain);
        assert_eq!(running.ask(&format!("get {web} /plain")), "200");
        let heads = heads.lock().expect("kept").clone();
        let carried: Vec<&str> = heads.iter().filter(|head| head.contains(SECRET)).map(|head| &head[..8]).collect();
        assert_eq!(carried, ["GET /len", "GET /lat"]);
        let directory = running.directory();
        running.end();
        for entry in fs::read_dir(&directory).expect("listed").flatten().filter(|entry| entry.path().is_file()) {
            assert!(!fs::read(entry.path()).expect("read").windows(SECRET.len()).any(|text| text == SECRET.as_bytes()));
        }
    }
}

/// Asks until a gate answers: between two of them there is none, which refuses at once.
fn again(running: &mut Running<'_>, line: &str) -> String {
    let until = Instant::now() + LONG;
    loop {
        let said = running.ask(line);
        if said != "cut" || Instant::now() > until {
            return said;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Killed before, while, and after it hears of a policy: what is in force is all of the one or all of the other, and the
/// one that `show` tells.
#[test]
fn a_gate_that_is_killed_leaves_a_whole_policy() {
    for operator in Operator::each() {
        let (web, _) = server();
        let policies = ["even", "odd"].map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        let mut running = Running::start(&operator, "apply", &["--policy", &policies[0]]);
        let mut taken = 0;
        for round in 1..=14_u64 {
            let wanted = usize::from(running.in_force().0 == "even");
            let ran = std::thread::scope(|scope| {
                if round % 3 == 0 {
                    running.signal("bastide-gate", Signal::KILL);
                }
                let gates = running.pids("bastide-gate");
                if round % 3 == 1 {
                    // Around the moment at which the gate hears of it.
                    scope.spawn(move || {
                        std::thread::sleep(Duration::from_millis(2 * round));
                        for gate in gates {
                            let _ = kill_process(Pid::from_raw(gate).expect("a pid"), Signal::KILL);
                        }
                    });
                }
                let ran = running.apply(&policies[wanted]);
                if round % 3 == 2 {
                    running.signal("bastide-gate", Signal::KILL);
                }
                ran
            });
            let (name, _) = running.in_force();
            taken += i32::from(ran.exit == 0);
            assert_eq!(name, ["even", "odd"][if ran.exit == 0 { wanted } else { 1 - wanted }], "{round}: {ran:?}");
            let got = ["even", "odd"].map(|path| again(&mut running, &format!("get {web} /{path}")));
            let expected = if name == "even" { ["200", "403"] } else { ["403", "200"] };
            assert_eq!(got, expected, "{round}: {name}: {ran:?}\n{}", running.log());
        }
        assert!(taken >= 9, "{taken} of 14 were taken");
        running.end();
        assert_eq!(operator.bastide(&["log", "verify", "apply"]).exit, 0);
    }
}

/// It could come to decide by what it heard: it is ended, and the next one goes by the policy before.
#[test]
fn a_gate_that_is_silent_does_not_take_a_policy_later() {
    for operator in Operator::each() {
        let (web, _) = server();
        let [first, second] =
            ["first", "second"].map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        let mut running = Running::start(&operator, "apply", &["--policy", &first]);
        let gates = running.pids("bastide-gate");
        running.signal("bastide-gate", Signal::STOP);
        let began = Instant::now();
        let ran = running.apply(&second);
        assert!(ran.exit == 1 && ran.stderr.contains("E-PLANE-093") && ran.stderr.contains("2 s"), "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert_eq!(running.in_force(), ("first".into(), 1));
        let got = ["/first", "/second"].map(|path| again(&mut running, &format!("get {web} {path}")));
        assert_eq!(got, ["200", "403"]);
        assert!(running.pids("bastide-gate").iter().all(|gate| !gates.contains(gate)));
        assert!(running.log().contains("policy revision 2 not taken"), "{}", running.log());
        running.applied(&second);
        assert_eq!(running.in_force(), ("second".into(), 3));
        assert!(
            operator.bastide(&["policy", "undo", "apply"]).stdout.contains("policy `first` is in force, revision 4")
        );
        running.end();
    }
}

#[test]
fn policies_that_come_at_once_come_one_after_the_other() {
    for operator in Operator::each() {
        let (web, _) = server();
        let names = ["one", "two", "three", "four", "five", "six"];
        let policies = names.map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        let mut running = Running::start(&operator, "apply", &["--policy", &policies[0]]);
        let asked = |file: &String| operator.bastide(&["policy", "apply", "apply", file, "--json"]);
        let told: Vec<Ran> = std::thread::scope(|scope| {
            let all: Vec<_> = policies.iter().map(|file| scope.spawn(move || asked(file))).collect();
            all.into_iter().map(|one| one.join().expect("asked")).collect()
        });
        let mut revisions: Vec<(u64, String)> = Vec::new();
        for ran in &told {
            let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
            let number = |key: &str| told["data"][key].as_u64().unwrap_or_else(|| panic!("{ran:?}"));
            assert_eq!(number("replaced") + 1, number("revision"));
            revisions.push((number("revision"), told["data"]["policy"].as_str().expect("a name").to_owned()));
        }
        revisions.sort();
        assert_eq!(revisions.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
        let (number, name) = revisions.pop().expect("six");
        assert_eq!(running.in_force(), (name.clone(), number));
        for other in names {
            let expected = if other == name { "200" } else { "403" };
            assert_eq!(running.ask(&format!("get {web} /{other}")), expected, "{name}");
        }
        // Of those who undo the same at once, one does.
        let undone: Vec<i32> = std::thread::scope(|scope| {
            let undo = || operator.bastide(&["policy", "undo", "apply"]).exit;
            let all: Vec<_> = (0..3).map(|_| scope.spawn(undo)).collect();
            all.into_iter().map(|one| one.join().expect("asked")).collect()
        });
        let done = undone.iter().filter(|exit| **exit == 0).count() as u64;
        assert!(done >= 1 && running.in_force().1 == number + done, "{undone:?}");
        running.end();
    }
}

/// The session goes on, whoever sits on its socket.
#[test]
fn who_holds_the_socket_open_holds_nobody_up() {
    for operator in Operator::each() {
        let (web, _) = server();
        let [first, second] =
            ["first", "second"].map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        let mut running = Running::start(&operator, "apply", &["--policy", &first]);
        let socket = running.directory().join("control");
        let sitting: Vec<UnixStream> = (0..3)
            .map(|number| {
                let mut stream = UnixStream::connect(&socket).expect("connected");
                // All that may be said, and never the end of it.
                let _ = stream.write_all(&[0, 0, 127, 0][..(number + 1).min(4)]);
                stream
            })
            .collect();
        let began = Instant::now();
        assert_eq!(running.ask(&format!("get {web} /first")), "200");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        running.applied(&second);
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert_eq!(running.ask(&format!("get {web} /second")), "200");
        drop(sitting);
        running.end();
    }
}

/// Whenever its plane is killed, a session can be read, and what is told to be in force is one policy, whole.
#[test]
fn a_plane_that_is_killed_leaves_a_session_that_can_be_read() {
    for operator in Operator::each() {
        let (web, _) = server();
        let policies = ["even", "odd"].map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        for round in 0..8_u64 {
            let mut running = Running::start(&operator, "apply", &["--policy", &policies[0]]);
            let directory = running.directory();
            let planes = running.pids("bastided");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let apply =
                        |number: usize| operator.bastide(&["policy", "apply", "apply", &policies[1 - number % 2]]);
                    (0..20).map(apply).find(|ran| ran.exit != 0)
                });
                std::thread::sleep(Duration::from_millis(30 + 37 * round));
                for plane in planes {
                    let _ = kill_process(Pid::from_raw(plane).expect("a pid"), Signal::KILL);
                }
            });
            running.end();
            assert_eq!(operator.bastide(&["ls"]).exit, 0);
            let shown = running.show();
            assert!(
                shown["state"] == "lost" && ["even", "odd"].iter().any(|name| shown["policy"] == **name),
                "{shown}"
            );
            let verified = operator.bastide(&["log", "verify", "apply"]);
            assert_eq!(verified.exit, 0, "{verified:?}");
            for left in ["control", "policy.new"] {
                assert!(fs::symlink_metadata(directory.join(left)).is_err(), "{left}");
            }
            // What the record says was taken last is what is in force.
            let taken = taken(&operator);
            assert_eq!(shown["revision"], taken, "{}", running.log());
        }
    }
}

/// The last revision that the record does not say was left.
fn taken(operator: &Operator) -> u64 {
    let log = operator.bastide(&["log", "apply", "--json"]).stdout;
    let mut taken = vec![1];
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        match event["kind"].as_str() {
            Some("policy") => taken.push(event["revision"].as_u64().expect("a number")),
            Some("policy-not-taken") => taken.retain(|number| event["revision"] != *number),
            _ => {}
        }
    }
    taken.pop().expect("the first")
}

/// How long it takes until a policy is in force: told, not judged.
#[test]
fn a_policy_is_in_force_soon() {
    for operator in Operator::each() {
        let (web, _) = server();
        let policies = ["even", "odd"].map(|name| allowing(&operator, name, &[paths(web, &format!("/{name}"))]));
        let mut running = Running::start(&operator, "apply", &["--policy", &policies[0]]);
        let mut times: Vec<Duration> = Vec::new();
        for round in 1..=30 {
            let began = Instant::now();
            running.applied(&policies[round % 2]);
            times.push(began.elapsed());
        }
        times.sort();
        eprintln!("uid {}: `policy apply` took {:?} at least, {:?} at the median", operator.uid, times[0], times[15]);
        assert!(times[15] < Duration::from_secs(2));
        running.end();
    }
}
