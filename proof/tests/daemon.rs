//! `bastide daemon`: the API answers as the command does, runs begin in what it made ahead, and no session depends on it.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use crate::whole::{Operator, children, until};
use serde_json::{Value, json};

/// `bastide daemon` of an operator, ended with this value.
struct Daemon<'a>(Child, &'a Operator);

impl<'a> Daemon<'a> {
    fn start(operator: &'a Operator) -> Daemon<'a> {
        let child = operator.command(&["daemon"]).stderr(Stdio::null()).spawn().expect("starts");
        let daemon = Daemon(child, operator);
        assert!(until(|| daemon.try_ask("GET", "/v1/version", "").is_some()), "it does not answer");
        daemon
    }

    /// Status and body, asked as the operator himself.
    fn try_ask(&self, method: &str, target: &str, body: &str) -> Option<(u16, String)> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "20", "-w", "\n%{http_code}", "-X", method, "--unix-socket"]);
        curl.arg(self.1.room.join("state/bastide/api")).arg(format!("http://x{target}"));
        if !body.is_empty() {
            curl.args(["--data-binary", "@-"]);
        }
        self.1.surround(&mut curl);
        curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut curl = curl.spawn().expect("curl");
        // One that is refused before it was said ends.
        let _ = curl.stdin.take().expect("piped").write_all(body.as_bytes());
        let told = String::from_utf8(curl.wait_with_output().ok()?.stdout).ok()?;
        let (body, status) = told.rsplit_once('\n')?;
        Some((status.parse().ok().filter(|status| *status > 0)?, body.to_owned()))
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.try_ask(method, target, body).expect("answers");
        (status, serde_json::from_str(&text).expect("JSON"))
    }

    fn answer(&self, target: &str) -> Value {
        let (status, mut value) = self.ask("GET", target, "");
        assert_eq!(status, 200, "{target}: {value}");
        value["answer"].take()
    }

    /// As nobody wants it to end.
    fn kill(mut self) {
        for pid in children(self.0.id()) {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        }
        self.0.wait().expect("ended");
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_answers_what_the_command_answers() {
    for operator in Operator::each() {
        operator.write("work/note", "old");
        let ran = operator.run(&[], "echo new >note; curl -sS -m 5 http://example.com/");
        assert_ne!(ran.exit, 0, "the door was open: {ran:?}");
        let daemon = Daemon::start(&operator);
        let socket = operator.room.join("state/bastide/api").metadata().expect("there");
        assert_eq!(socket.mode() & 0o777, 0o600);

        let sessions = daemon.answer("/v1/sessions");
        let printed: Value = serde_json::from_str(&operator.bastide(&["ls", "--json"]).stdout).expect("JSON");
        assert_eq!(sessions["sessions"], printed);
        let id = sessions["sessions"][0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(daemon.answer(&format!("/v1/sessions/{id}"))["refused"][0]["what"], "example.com:80");
        assert_eq!(daemon.answer(&format!("/v1/sessions/{id}/why"))["explanation"]["verdict"], "asked");
        let broken = daemon.answer(&format!("/v1/sessions/{id}/verification"));
        assert!(broken["segments"].as_array().expect("segments").iter().all(|one| one["broken"].is_null()), "{broken}");
        let (status, events) = daemon.try_ask("GET", &format!("/v1/sessions/{id}/events"), "").expect("answers");
        let first: Value = serde_json::from_str(events.lines().next().expect("a line")).expect("JSON");
        assert_eq!((status, &first["kind"]), (200, &"session-start".into()));
        let newest = format!("/v1/sessions/~?directory={}", operator.work().display());
        assert_eq!(daemon.answer(&newest)["id"], id.as_str(), "the newest of a directory");
        let (_, streamed) =
            daemon.try_ask("GET", &format!("/v1/sessions/{id}/events?follow=true"), "").expect("answers");
        assert_eq!(streamed.matches("\ndata: ").count(), events.lines().count(), "{streamed}");

        assert_eq!(daemon.answer(&format!("/v1/sessions/{id}/changes"))["changes"][0]["path"], "note");
        let (status, merged) = daemon.ask("POST", &format!("/v1/sessions/{id}/changes/apply"), "");
        assert_eq!((status, &merged["answer"]["done"][0]), (200, &"note".into()), "{merged}");
        assert_eq!(std::fs::read_to_string(operator.work().join("note")).expect("there"), "new\n");
    }
}

#[test]
fn what_is_wrong_is_said_with_a_status_a_code_and_a_hint() {
    for operator in Operator::each() {
        let daemon = Daemon::start(&operator);
        for (method, target, body, status, code) in [
            ("GET", "/v1/none", "", 404, "E-PLANE-099"),
            ("GET", "/v1/sessions/nobody", "", 404, "E-PLANE-011"),
            ("GET", "/v1/codes/E-NONE-001", "", 404, "E-PLANE-070"),
            ("POST", "/v1/questions/ffff/answer", "{\"say\":\"once\"}", 404, "E-PLANE-120"),
            ("POST", "/v1/vault/none/remove", "", 404, "E-PLANE-085"),
            ("PUT", "/v1/sessions", "", 405, "E-PLANE-099"),
            ("POST", "/v1/sessions/nobody/policy", "{", 400, "E-PLANE-099"),
            ("GET", "/v1/sessions/nobody/events", "", 404, "E-PLANE-011"),
        ] {
            let (got, problem) = daemon.ask(method, target, body);
            assert_eq!((got, &problem["code"]), (status, &code.into()), "{method} {target}: {problem}");
            assert!(problem["hint"].is_string(), "{problem}");
        }
        // What lasts is answered to who upgrades, and what only planes of ours ask of each other to none of who comes here.
        let run = r#"{"directory": "/w"}"#;
        assert_eq!(daemon.ask("POST", "/v1/run", run).0, 426);
        let long = "x".repeat((8 << 20) + 1);
        assert_eq!(daemon.ask("POST", "/v1/sessions/nobody/policy", &long).0, 413);
        // A second one is refused, and the first goes on.
        let second = operator.bastide(&["daemon"]);
        assert!(second.exit == 1 && second.stderr.contains("E-PLANE-097"), "{second:?}");
        assert!(daemon.try_ask("GET", "/v1/version", "").is_some());
    }
}

/// Whatever becomes of the daemon, a session goes on, and the next daemon knows it.
#[test]
fn a_session_outlives_the_daemon_that_its_cell_was_made_ahead_by() {
    for operator in Operator::each() {
        let daemon = Daemon::start(&operator);
        let waits = || {
            let entries = std::fs::read_dir(operator.room.join("state/bastide")).expect("there").flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("waiting-"))
        };
        assert!(until(waits), "no cell is kept ready");
        let mut run = operator.command(&["run", "--", "sh", "-c", "echo ok; cat; echo more >late"]);
        let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut word = [0; 3];
        run.stdout.as_mut().expect("piped").read_exact(&mut word).expect("it began");
        daemon.kill();
        let next = Daemon::start(&operator);
        let sessions = next.answer("/v1/sessions");
        assert_eq!(sessions["sessions"][0]["state"], "running", "{sessions}");
        let id = sessions["sessions"][0]["id"].as_str().expect("an id").to_owned();
        // It is asked for another policy through the new one.
        let (status, applied) = next.ask("POST", &format!("/v1/sessions/{id}/policy"), r#"{"file": "hardened"}"#);
        assert_eq!(status, 200, "{applied}");
        assert_eq!(next.ask("POST", &format!("/v1/sessions/{id}/pause"), "").0, 200);
        assert!(next.answer("/v1/sessions")["sessions"][0]["live"]["paused"].is_string());
        assert_eq!(next.ask("POST", &format!("/v1/sessions/{id}/resume"), "").0, 200);
        let (_, metrics) = next.try_ask("GET", "/v1/metrics", "").expect("answers");
        assert!(metrics.contains("# TYPE bastide_"), "{metrics}");
        drop(run.stdin.take());
        assert_eq!(run.wait().expect("ended").code(), Some(0));
        assert!(until(|| next.answer(&format!("/v1/sessions/{id}"))["state"] == "ended"));
        assert_eq!(next.answer(&format!("/v1/sessions/{id}/changes"))["changes"][0]["path"], "late");
    }
}

/// A run finds a daemon that an earlier one began, and another that the operator starts takes its place. It goes when
/// its state does.
#[test]
fn it_begins_by_itself_on_first_use_and_gives_way() {
    for operator in Operator::each() {
        let by_itself = |arguments: &[&str]| {
            let mut command = operator.command(arguments);
            command.env_remove("BASTIDE_DAEMON");
            command
        };
        let state = operator.room.join("state/bastide");
        assert_eq!(by_itself(&["run", "--", "true"]).output().expect("runs").status.code(), Some(0));
        assert!(until(|| state.join("api").exists()), "none began");
        let lock = || std::fs::read_to_string(state.join("daemon.lock")).unwrap_or_default();
        assert_eq!(lock(), "by itself");
        let begin = || {
            let mut run = by_itself(&["run", "--", "sh", "-c", "echo ok; cat"]);
            let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
            run.stdout.as_mut().expect("piped").read_exact(&mut [0; 3]).expect("it began");
            run
        };
        // Whoever comes too early, or while the next is made, starts a plane of his own.
        let mut run = begin();
        assert!(
            until(|| children(run.id()).is_empty() || {
                drop(run.stdin.take());
                run.wait().expect("ended");
                run = begin();
                false
            }),
            "nothing was made ahead"
        );
        // The session is none of the one that goes.
        let daemon = Daemon::start(&operator);
        assert!(until(|| lock().is_empty()), "it did not give way");
        assert_eq!(daemon.answer("/v1/sessions")["sessions"][0]["state"], "running");
        drop(run.stdin.take());
        assert_eq!(run.wait().expect("ended").code(), Some(0));
        drop(daemon);
        assert!(until(|| by_itself(&["run", "--", "true"]).output().is_ok_and(|_| lock() == "by itself")));
        std::fs::remove_file(state.join("api")).expect("there");
        let free = || {
            let file = std::fs::File::open(state.join("daemon.lock")).expect("there");
            rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
        };
        assert!(until(free), "it stayed");
    }
}

/// Who is of another user, or comes from within a container, is told nothing.
#[test]
fn strangers_are_refused() {
    for operator in Operator::each() {
        let daemon = Daemon::start(&operator);
        let socket = operator.room.join("state/bastide/api");
        let ask =
            format!("curl -s -o /dev/null -w '%{{http_code}}' --unix-socket {} http://x/v1/sessions", socket.display());
        let mut own = Command::new("sh");
        own.args(["-c", &ask]);
        operator.surround(&mut own);
        assert_eq!(own.output().expect("runs").stdout, b"200", "the operator's own");
        let mut contained = Command::new("unshare");
        contained.args(["--user", "--map-current-user", "--pid", "--fork", "sh", "-c", &ask]);
        operator.surround(&mut contained);
        assert_eq!(contained.output().expect("runs").stdout, b"403", "from another user namespace");
        drop(daemon);
    }
}

/// What begins over the API goes on by itself, and all that is asked of it, or of none, is answered as the command does.
#[test]
fn a_program_does_by_the_api_what_the_operator_does_by_the_command() {
    for operator in Operator::each() {
        let daemon = Daemon::start(&operator);
        let post = |target: &str, body: Value| daemon.ask("POST", target, &body.to_string());
        let work = operator.work().to_string_lossy().into_owned();
        let script = "echo out; echo err >&2; cat; echo changed >made; sleep 1000";
        let begin = json!({"directory": work, "name": "api", "command": ["sh", "-c", script], "unless_up": true});
        let (status, begun) = post("/v1/sessions", begin.clone());
        assert_eq!((status, &begun["answer"]["reply"]), (200, &"detached".into()), "{begun}");
        let (_, again) = post("/v1/sessions", begin);
        assert_eq!(
            (&again["answer"]["already"], &again["answer"]["session"]),
            (&true.into(), &begun["answer"]["session"])
        );
        let output = || daemon.try_ask("GET", "/v1/sessions/api/output", "").expect("answers").1;
        assert!(until(|| output().contains("out\n") && output().contains("err\n")), "{}", output());
        // It is no child of the daemon's group: what ends that does not end it.
        daemon.kill();
        let daemon = Daemon::start(&operator);
        let post = |target: &str, body: Value| daemon.ask("POST", target, &body.to_string());
        assert!(until(|| daemon.answer("/v1/sessions/api")["pending"] == 1));
        assert_eq!(post("/v1/sessions/api/remove", json!({})).1["answer"]["left"].as_array().map(Vec::len), Some(1));
        assert_eq!(post("/v1/sessions/api/why-file", json!({"path": "/etc/shadow"})).1["answer"]["access"], "absent");
        assert_eq!(daemon.answer("/v1/upgrade")["sessions"][0]["stops"], json!([]));
        assert_eq!(post("/v1/sessions/api/stop", json!({"grace": 100})).0, 200);
        assert_eq!(daemon.answer("/v1/sessions/api/policy/suggestion")["reply"], "policy");
        let (_, exported) = daemon.try_ask("GET", "/v1/sessions/api/export", "").expect("answers");
        assert!(exported.lines().all(|line| line.contains("class_uid")) && exported.lines().count() > 3, "{exported}");
        let kept = daemon.answer("/v1/ledger/checkpoint")["note"].as_str().expect("a note").to_owned();

        let policy = operator.write("home/p.yaml", "bastide: 1\nname: mine\nextends: [hardened]\n");
        let policy = policy.to_string_lossy().into_owned();
        assert_eq!(post("/v1/policy", json!({"ask": "check", "file": policy})).1["answer"]["yes"], true);
        let explain = json!({"ask": "explain", "file": policy, "request": "example.com:443"});
        assert_eq!(post("/v1/policy", explain).1["answer"]["yes"], false);
        let diff = json!({"ask": "diff", "old": "hardened", "new": policy});
        assert_eq!(post("/v1/policy", diff).0, 200);
        assert_eq!(daemon.answer("/v1/policy/presets")["yes"], true);
        assert_eq!(post("/v1/trust", json!({"file": policy})).0, 200);

        let keep = json!({"value": "hunter2-of-the-api", "to": "api.example.com"});
        assert_eq!(post("/v1/vault/mine", keep).0, 200);
        let listed = daemon.answer("/v1/vault");
        assert!(listed["secrets"][0]["name"] == "mine" && !listed.to_string().contains("hunter2"), "{listed}");
        assert_eq!(post("/v1/vault/mine", json!({"value": "hunter2", "to": 5})).0, 400);
        assert_eq!(daemon.ask("POST", "/v1/vault/mine/remove", "").0, 200);
        assert_eq!(daemon.answer("/v1/vault")["secrets"], json!([]));

        assert!(daemon.answer("/v1/doctor")["layers"].as_array().is_some_and(|layers| layers.len() > 10));
        let now = json!({"before": u64::MAX, "dry_run": true});
        assert_eq!(post("/v1/gc", now).1["answer"]["dry_run"], true);
        assert_eq!(
            post("/v1/sessions/api/remove", json!({"force": true})).1["answer"]["sessions"][0],
            begun["answer"]["session"]
        );
        let proof = post("/v1/ledger/verification", json!({"checkpoint": kept}));
        assert_eq!((proof.0, &proof.1["answer"]["faults"]), (200, &json!([])), "{}", proof.1);
        assert_eq!(post("/v1/ledger/prune", json!({"keep": 0})).1["answer"]["done"], json!([]));
    }
}
