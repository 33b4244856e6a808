//! A key that the gate uses is nowhere else: not in the live cell, not in what is kept, recorded and said of it. A
//! second one, which was let in, is looked for in the same way and found, so that finding nothing means something.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::whole::Operator;
use crate::whole::origin::{Asked, Origin, answer, keep};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};

const SEARCH: &str = include_str!("whole/search.py");
/// So long are keys of the kind that is made here.
const LENGTH: usize = 95;

/// A fresh key: this, and letters and digits.
fn key(prefix: &str, letters: &[u8]) -> String {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).expect("random");
    let random = bytes.iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()]));
    prefix.chars().chain(random).take(LENGTH).collect()
}

/// The search as a process of the host's.
fn search(arguments: &[&str], stdin: &Value) -> Value {
    let mut command = Command::new("python3");
    command.args(["-c", SEARCH]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python starts");
    child.stdin.take().expect("piped").write_all(stdin.to_string().as_bytes()).expect("taken");
    let output = child.wait_with_output().expect("ends");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Gives the credential back in every way that a server has; some of them are errors.
fn reflect(asked: &Asked) -> Vec<u8> {
    let got = asked.all("authorization").join(" ");
    let key = got.trim_start_matches("Bearer ");
    let body = format!("{:?} {key} {key}{key}", asked.headers);
    let headers = format!("X-Got: {got}\r\nSet-Cookie: key={key}; Path=/\r\nLocation: /in/{key}\r\n");
    match asked.target.as_str() {
        "/in/error" => answer(&format!("500 {key}"), &headers, format!("<h1>{key} is wrong</h1>{body}").as_bytes()),
        "/in/early" => {
            let early = format!("HTTP/1.1 103 Early Hints\r\nLink: </{key}>\r\n\r\n").into_bytes();
            [early, answer("404 Not Found", &headers, body.as_bytes())].concat()
        }
        "/in/chunks" => {
            let mut said = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n").into_bytes();
            for piece in body.as_bytes().chunks(11) {
                said.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            }
            [&said[..], b"0\r\n\r\n"].concat()
        }
        "/in/odd" => {
            format!("HTTP/1.1 200 {key}\r\n{key}\r\n {key}\r\nContent-Length: 1{key}\r\n\r\n{body}").into_bytes()
        }
        "/in/coded" => answer("200 OK", &format!("Content-Encoding: {key}\r\n"), body.as_bytes()),
        "/in/cut" => {
            let half = &key[..LENGTH / 2];
            format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n{half}").into_bytes()
        }
        _ => answer("200 OK", &headers, body.as_bytes()),
    }
}

/// A program inside that uses the key, and what it printed so far.
struct Live {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Live {
    fn start(operator: &Operator, origin: &Origin, planted: &str, turned: &Value) -> Live {
        let rule = format!("{{to: \"{}\", paths: [/in/**], credential: key}}", origin.place);
        let text = format!("bastide: 1\nname: mine\nextends: [hardened]\nnetwork: {{allow: [{rule}]}}\n");
        let policy = operator.write("home/policy.yaml", &text).display().to_string();
        operator.write("work/search.py", SEARCH);
        operator.write("work/turned", &turned.to_string());
        let (home, work) = (operator.home().display().to_string(), operator.work().display().to_string());
        let variable = format!("PLANTED={planted}");
        let run = ["run", "--policy", &policy, "--timeout", "60s", "--env", &variable, "--"];
        let inside = ["python3", "search.py", "inside", &origin.place, &home, &work, "/tmp", "/dev/shm"];
        // On a host that dumps core.
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh"]);
        shell.arg(operator.command(&["run"]).get_program()).args(run).args(inside);
        operator.surround(&mut shell);
        shell.env("SSL_CERT_FILE", operator.write("home/company.pem", &origin.roots));
        fs::create_dir(operator.room.join("said")).expect("made");
        let stderr = File::create(operator.room.join("said/stderr")).expect("made");
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Live { child, stdout, said: String::new() }
    }

    /// The next line that begins so.
    fn hear(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).expect("text"), 0, "it ended: {}", self.said);
            self.said.push_str(&line);
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    fn tell(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("taken");
    }
}

impl Drop for Live {
    /// Lets it end by itself: killed, it would still be at work where its files are removed.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Judges a search: the used key may be in these places alone, and the planted one has to be found in all of those.
fn check(told: &Value, used: &[&str], planted: &[String]) {
    let places = |which: &str| -> BTreeSet<String> {
        let all = told["found"].as_array().expect("a list").iter().filter(|one| one[0] == which);
        all.map(|one| format!("{} {}", one[1], one[2]).replace('"', "")).collect()
    };
    let leaks: Vec<String> =
        places("used").into_iter().filter(|one| !used.iter().any(|end| one.ends_with(end))).collect();
    assert!(leaks.is_empty(), "the key lies open: {leaks:?}");
    let found = places("planted");
    let missed: Vec<&String> = planted.iter().filter(|end| !found.iter().any(|one| one.ends_with(*end))).collect();
    assert!(missed.is_empty(), "this search finds nothing where something is: {missed:?} of {found:?}");
}

/// The spellings of the second key, each with the file that holds it so.
const SPELLED: [(&str, &str); 6] = [
    ("plain", "plain"),
    ("reversed", "reversed"),
    ("hex", "hex"),
    ("base64+2", "base64.0"),
    ("base64+0", "base64.1"),
    ("base64+1", "base64.2"),
];

#[test]
fn a_key_that_the_gate_uses_is_nowhere_else() {
    for operator in Operator::each() {
        let used = key("sk-ant-api03-", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
        let planted = key("planted-here-", b"abcdefghijklmnopqrstuvwxyz0123456789");
        let turned = search(&["spell"], &json!({"used": used, "planted": planted}));
        let origin = Origin::new(Box::new(reflect));
        keep(&operator, "key", &origin.place, "/in/**", &used);
        let mut live = Live::start(&operator, &origin, &planted, &turned);

        // From inside: every process that can be read there, and every file beside the system's own.
        let inside: Value = serde_json::from_str(&live.hear("{")).expect("JSON");
        let (home, work) = (operator.home().display().to_string(), operator.work().display().to_string());
        let files = [home.as_str(), &work, "/tmp", "/dev/shm"];
        let files = files.iter().flat_map(|at| SPELLED.map(|(how, file)| format!("{how} {at}/planted.{file}")));
        let processes = ["own: environ", "own: descriptors", "other: environ", "other: memory", "other: cmdline"];
        let processes = processes.iter().map(|place| format!("plain {place}"));
        let memory = SPELLED.iter().map(|(how, _)| format!("{how} own: memory"));
        check(&inside, &[], &files.chain(processes).chain(memory).collect::<Vec<_>>());
        let closed = inside["closed"].as_array().expect("a list").iter().map(|place| place.as_str().expect("a place"));
        let others: Vec<&str> =
            closed.filter(|place| !place.starts_with("first: ") && !place.starts_with("/proc/")).collect();
        assert!(others.is_empty(), "not searched: {others:?}");
        // No gate, and nothing else of ours but pid 1.
        assert_eq!(inside["programs"], json!(["bastide-cell", "python3", "sh", "sleep"]));

        // From outside, while it lives: all of the cell, pid 1 with it, and whoever started it.
        let (room, pid) = (operator.room.display().to_string(), live.child.id().to_string());
        let outside = search(&["outside", &room, &pid], &turned);
        let cell = ["environ", "cmdline", "descriptors", "memory"].map(|part| format!("plain cell: {part}"));
        let kept = SPELLED.iter().map(|(how, file)| (how, format!("upper/planted.{file}")));
        let kept = kept.flat_map(|(how, file)| [format!("{how} cell: memory"), file]);
        check(
            &outside,
            &["bastide-gate: memory", "bastided: memory"],
            &cell.into_iter().chain(kept).collect::<Vec<_>>(),
        );
        assert_eq!(outside["programs"], inside["programs"]);
        // 1 is the only limit that stops a dump to a file and one to a program.
        assert_eq!((&outside["dumps"]["bastided"], &outside["dumps"]["bastide-gate"]), (&json!("1"), &json!("1")));
        // Who is not root may not look at who holds it.
        if geteuid().is_root() {
            assert!(outside["found"].to_string().contains(r#"["used","plain","bastide-gate: memory"]"#), "{outside}");
            assert_eq!(outside["closed"], json!([]));
        }

        // The connection was kept all the while. A gate that ends badly leaves nothing, and the next one has the key.
        live.tell();
        live.hear("kept");
        let gate = outside["pids"]["bastide-gate"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        kill_process(gate.expect("a gate"), Signal::ABORT).expect("killed");
        live.tell();
        live.hear("echo 200");
        assert_eq!(live.child.wait().expect("ends").code(), Some(0));
        let asked = origin.asked();
        let bearer = format!("Bearer {used}");
        assert!(asked.len() == 10 && asked.iter().all(|one| one.all("authorization") == [&bearer]));
        assert!(asked.iter().all(|one| one.all("x-api-key").is_empty()));

        // What is left and what is said of it, also that the key came back.
        fs::write(operator.room.join("said/stdout"), &live.said).expect("written");
        for words in ["log", "log --json", "why", "vault list", "policy suggest", "ls", "diff", "log verify"] {
            let ran = operator.bastide(&words.split(' ').collect::<Vec<_>>());
            fs::write(operator.room.join("said").join(words), format!("{ran:?}")).expect("written");
        }
        let told = ["stdout", "stderr", "log", "log --json"].map(|file| format!("plain {room}/said/{file}"));
        let kept = ["gate.segment", "upper/planted.plain"].map(str::to_owned);
        check(&search(&["outside", &room], &turned), &[], &told.into_iter().chain(kept).collect::<Vec<_>>());
        let log = operator.bastide(&["log"]).stdout;
        assert!(log.contains("came back and was masked"), "{log}");
    }
}
