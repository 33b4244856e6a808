//! What the command and its plane say to each other, written down by one who stands between: HTTP requests of routes that
//! docs/reference/api.yaml describes, and their answers. Every other verb: face `spoken`, with a plane that is none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::whole::{Operator, Ran, until};

const API: &str = include_str!("../../docs/reference/api.yaml");

/// Carries bytes and descriptors both ways, and keeps what each side said.
const BETWEEN: &str = r#"
import os, socket, subprocess, sys, threading
ours = socket.socket(fileno=os.dup(0))
mine, theirs = socket.socketpair()
plane = subprocess.Popen([REAL] + sys.argv[1:], stdin=theirs, stdout=subprocess.DEVNULL)
theirs.close()
def carry(come, go, kept):
    with open(f"{KEPT}/{os.getpid()}.{kept}", "wb", buffering=0) as file:
        while True:
            said, descriptors, _, _ = socket.recv_fds(come, 65536, 16)
            file.write(said)
            if not said:
                break
            sent = socket.send_fds(go, [said], descriptors)
            go.sendall(said[sent:])
            for one in descriptors:
                os.close(one)
    try:
        go.shutdown(socket.SHUT_WR)
    except OSError:
        pass
threading.Thread(target=carry, args=(ours, mine, "asked"), daemon=True).start()
try:
    carry(mine, ours, "answered")
except OSError:
    pass
os._exit(plane.wait() & 255)
"#;

/// A `bastide` beside a `bastided` that stands between.
struct Between<'a> {
    operator: &'a Operator,
    bastide: PathBuf,
    kept: PathBuf,
}

impl<'a> Between<'a> {
    fn new(operator: &'a Operator) -> Between<'a> {
        let real = PathBuf::from(operator.command::<&str>(&[]).get_program());
        let program = operator.write("between/bastided", "");
        let (beside, kept) = (program.with_file_name("bastide"), operator.room.join("home/kept"));
        fs::hard_link(&real, &beside).or_else(|_| fs::copy(&real, &beside).map(drop)).expect("bastide");
        operator.write("home/kept/none", "");
        let real = real.with_file_name("bastided");
        let names = format!("REAL, KEPT = {:?}, {:?}", real.display().to_string(), kept.display().to_string());
        fs::write(&program, format!("#!/usr/bin/python3\n{names}\n{BETWEEN}")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        Between { operator, bastide: beside, kept }
    }

    /// What a verb came to, the first line that it said to a plane, and the first of the answer.
    fn ran(&self, arguments: &[&str]) -> (Ran, String, String) {
        for file in fs::read_dir(&self.kept).expect("there").flatten() {
            fs::remove_file(file.path()).expect("removed");
        }
        let mut command = Command::new(&self.bastide);
        command.args(arguments);
        let ran = self.operator.ran(command);
        let said = |side: &str| {
            let files = fs::read_dir(&self.kept).expect("there").flatten().map(|file| file.path());
            let file = files.into_iter().find(|path| path.extension().is_some_and(|own| own == side));
            let said = file.and_then(|file| fs::read(file).ok()).unwrap_or_default();
            String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned()
        };
        (ran, said("asked"), said("answered"))
    }
}

fn is_described(method: &str, path: &str) -> bool {
    let rest = API.split_once(&format!("\n  {path}:\n")).map(|(_, rest)| rest).unwrap_or_default();
    let own = rest.lines().take_while(|line| line.starts_with("    "));
    own.into_iter().any(|line| line == format!("    {}:", method.to_lowercase()))
}

#[test]
fn what_a_verb_says_to_its_plane_is_a_request_of_the_api() {
    assert!(is_described("GET", "/sessions") && !is_described("PUT", "/sessions") && !is_described("GET", "/none"));
    assert!(Path::new("/usr/bin/python3").exists(), "it stands between; hint: `proof/install`");
    for operator in Operator::each() {
        let between = Between::new(&operator);
        let began = operator.bastide(&["run", "-d", "--name", "fix", "--", "sleep", "1000"]);
        assert_eq!(began.exit, 0, "{began:?}");
        type Case = (&'static [&'static str], &'static str, &'static str, &'static str, i32, &'static str);
        let cases: [Case; 9] = [
            (&["ls"], "GET", "/sessions", "/v1/sessions", 0, "200 OK"),
            (&["show", "fix"], "GET", "/sessions/{session}", "/v1/sessions/fix", 0, "200 OK"),
            (&["run", "--", "sh", "-c", "exit 7"], "POST", "/run", "/v1/run", 7, "101 Switching Protocols"),
            (
                &["exec", "fix", "--", "sh", "-c", "exit 9"],
                "POST",
                "/sessions/{session}/exec",
                "/v1/sessions/fix/exec",
                9,
                "101 Switching Protocols",
            ),
            (
                &["policy", "apply", "fix", "hardened"],
                "POST",
                "/sessions/{session}/policy",
                "/v1/sessions/fix/policy",
                0,
                "200 OK",
            ),
            (&["approve"], "GET", "/questions", "/v1/questions", 0, "200 OK"),
            (
                &["approve", "0123abcd", "--once"],
                "POST",
                "/questions/{question}/answer",
                "/v1/questions/0123abcd/answer",
                1,
                "404 Not Found",
            ),
            (&["log", "fix"], "GET", "/sessions/{session}/events", "/v1/sessions/fix/events", 0, "200 OK"),
            (
                &["stop", "fix", "--timeout", "1s"],
                "POST",
                "/sessions/{session}/stop",
                "/v1/sessions/fix/stop",
                0,
                "200 OK",
            ),
        ];
        for (arguments, method, path, target, exit, answer) in cases {
            assert!(is_described(method, path), "{method} {path} is not described");
            let (ran, asked, answered) = between.ran(arguments);
            assert_eq!(asked, format!("{method} {target} HTTP/1.1"), "{arguments:?}: {ran:?}");
            assert_eq!(answered, format!("HTTP/1.1 {answer}"), "{arguments:?}: {ran:?}");
            assert_eq!(ran.exit, exit, "{arguments:?}: {ran:?}");
        }
        assert!(until(|| operator.bastide(&["show", "fix"]).stdout.contains("ended")), "it goes on");
    }
}
