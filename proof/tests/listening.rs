//! `bastide gate`: the door without the walls, for agents outside of a cell.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use crate::whole::Operator;
use crate::whole::loopback::answering;
use serde_json::Value;

/// A running `bastide gate`, and what it said.
struct Gate {
    child: Child,
    at: String,
    token: Option<String>,
    trusted: Option<String>,
}

impl Gate {
    fn start(operator: &Operator, policy: &str, more: &[&str]) -> Gate {
        let file = operator.write("policy.yaml", policy).to_string_lossy().into_owned();
        let mut arguments = vec!["gate", "--json", "--listen", "127.0.0.1:0", "--policy", &file];
        arguments.extend(more);
        let mut child =
            operator.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut why = String::new();
            let _ = child.stderr.take().map(|mut from| from.read_to_string(&mut why));
            panic!("no line but `{line}`: {why}")
        });
        let trusted = said["trusted"].as_str().map(str::to_owned);
        let pem = trusted.as_ref().map(|path| std::fs::read_to_string(path).expect("a bundle"));
        assert!(pem.is_none_or(|pem| pem.contains("BEGIN CERTIFICATE")), "{line}");
        let at = said["listen"].as_str().expect("an address").to_owned();
        Gate { child, at, token: said["token"].as_str().map(str::to_owned), trusted }
    }

    /// What it answers to this.
    fn says(&self, said: &str) -> String {
        let mut stream = TcpStream::connect(&self.at).expect("connects");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("set");
        stream.write_all(said.as_bytes()).expect("sent");
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back);
        String::from_utf8_lossy(&back).into_owned()
    }

    fn asks(&self, key: &str, model: &str) -> String {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello there"}}]}}"#);
        self.says(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.at,
            body.len()
        ))
    }

    fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("told");
        assert!(self.child.wait().expect("ends").success());
    }
}

/// A server on the loopback that answers every request as a model does.
fn model() -> u16 {
    let body = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello back"},"finish_reason":"stop"}]}"#;
    answering(|_| body.into())
}

fn policy(port: u16) -> String {
    format!(
        "bastide: 1\nname: outside\nextends: [hardened]\nnetwork:\n  allow: [{{to: \"host.bastide:{port}\", methods: [GET]}}]\ninference:\n  providers: {{m: {{wire: openai, url: \"http://host.bastide:{port}\"}}}}\n  routes: [{{models: [\"m*\"], provider: m}}]\n"
    )
}

fn sessions(operator: &Operator) -> Vec<String> {
    let listed: Value = serde_json::from_str(&operator.bastide(&["ls", "--json"]).stdout).expect("JSON");
    let id = |one: &Value| one["id"].as_str().unwrap_or_default().to_owned();
    listed.as_array().expect("a list").iter().map(id).collect()
}

#[test]
fn an_agent_outside_asks_with_the_token_and_not_without() {
    for operator in Operator::each() {
        let gate = Gate::start(&operator, &policy(model()), &[]);
        let token = gate.token.clone().expect("a new one");
        assert!(token.len() >= 32);
        let right = format!("Authorization: Bearer {token}\r\n");
        let back = gate.asks(&right, "m1");
        assert!(back.starts_with("HTTP/1.1 200") && back.contains("hello back"), "{back}");
        assert!(gate.asks(&format!("x-api-key: {token}\r\n"), "m2").contains("hello back"));
        for wrong in ["", "Authorization: Bearer x\r\n", "Authorization: Basic eDp5\r\n"] {
            assert!(gate.asks(wrong, "m1").starts_with("HTTP/1.1 401"), "{wrong}");
        }
        // What no route leads to is refused as always, and so is what no rule allows.
        assert!(gate.asks(&right, "other").contains("no route"));
        let proxied =
            |key: &str| gate.says(&format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n{key}\r\n"));
        assert!(proxied("").starts_with("HTTP/1.1 407"));
        let back = proxied(&format!("Proxy-Authorization: Bearer {token}\r\n"));
        assert!(back.starts_with("HTTP/1.1 403") && back.contains("bastide why"), "{back}");
        gate.end();
        let session = sessions(&operator);
        assert_eq!(session.len(), 1);
        let log = operator.bastide(&["log", &session[0]]).stdout;
        assert!(log.contains("hello there") && log.contains("hello back") && !log.contains(&token), "{log}");
        assert_eq!(operator.bastide(&["log", "verify", &session[0]]).exit, 0);
    }
}

#[test]
fn each_key_or_model_has_a_session_of_its_own() {
    let operator = Operator::each().pop().expect("somebody");
    let port = model();
    let gate = Gate::start(&operator, &policy(port), &["--session-from", "bearer"]);
    assert!(gate.token.is_none() && gate.asks("", "m1").starts_with("HTTP/1.1 401"));
    for key in ["one", "two", "one"] {
        assert!(gate.asks(&format!("Authorization: Bearer {key}\r\n"), "m1").contains("hello back"), "{key}");
    }
    gate.end();
    // The first is the one that the policy was tried with.
    assert_eq!(sessions(&operator).len(), 3);
    let gate = Gate::start(&operator, &policy(port), &["--session-from", "model"]);
    for model in ["m1", "m2", "m3", "m1"] {
        assert!(gate.asks("", model).contains("hello back"), "{model}");
    }
    let at = &gate.at;
    assert!(gate.says(&format!("GET /v1/models HTTP/1.1\r\nHost: {at}\r\n\r\n")).starts_with("HTTP/1.1 400"));
    // One that is longer than a frame ends no session.
    let long = format!(r#"{{"model":"m4","messages":[],"x":"{}"}}"#, "x".repeat(5 << 20));
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: {at}\r\nContent-Length: {}\r\n\r\n", long.len());
    let back = gate.says(&(head + &long));
    assert!(back.starts_with("HTTP/1.1 4") && back.contains("bastide why"), "{back}");
    assert!(gate.asks("", "m4").contains("hello back"));
    gate.end();
    assert_eq!(sessions(&operator).len(), 3 + 5);
}

#[test]
fn a_page_of_the_web_asks_nothing() {
    let operator = Operator::each().pop().expect("somebody");
    let gate = Gate::start(&operator, &policy(model()), &["--session-from", "model"]);
    let body = r#"{"model":"m1","messages":[{"role":"user","content":"hello there"}]}"#;
    let asks = |headers: &str| {
        let length = body.len();
        gate.says(&format!("POST /v1/chat/completions HTTP/1.1\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"))
    };
    let (at, port) = (gate.at.clone(), gate.at.rsplit(':').next().expect("a port"));
    let own = format!("Host: {at}");
    for page in [
        // A page that has its own name lead here.
        format!("Host: evil.example:{port}"),
        format!("{own}\r\nHost: evil.example"),
        format!("{own}\r\nOrigin: http://evil.example"),
        format!("{own}\r\nReferer: http://evil.example/"),
        format!("{own}\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain"),
    ] {
        let back = asks(&page);
        assert!(back.starts_with("HTTP/1.1 403"), "{page}: {back}");
    }
    // The one session is that which the policy was tried with: none was begun for a page.
    assert_eq!(sessions(&operator).len(), 1);
    for program in [own.clone(), format!("Host: localhost:{port}"), format!("{own}\r\nSec-Fetch-Mode: cors")] {
        assert!(asks(&format!("{program}\r\nContent-Type: application/json")).contains("hello back"), "{program}");
    }
    gate.end();
}

#[test]
fn who_connects_and_says_nothing_keeps_nobody_out() {
    let operator = Operator::each().pop().expect("somebody");
    let gate = Gate::start(&operator, &policy(model()), &[]);
    let right = format!("Authorization: Bearer {}\r\n", gate.token.clone().expect("a new one"));
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(&gate.at).expect("connects"));
    }
    assert!(gate.asks(&right, "m1").contains("hello back"));
    let threads = std::fs::read_dir(format!("/proc/{}/task", gate.child.id())).expect("its threads").count();
    assert!(threads < 150, "{threads}");
    // Who waited longest made room.
    silent[0].set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("set");
    assert_eq!(silent[0].read(&mut [0]).expect("the end"), 0);
    gate.end();
}

#[test]
fn where_no_tls_is_read_nothing_is_to_be_trusted() {
    let operator = Operator::each().pop().expect("somebody");
    let gate = Gate::start(&operator, "bastide: 1\nname: bare\nextends: [hardened]\n", &[]);
    assert_eq!(gate.trusted, None);
    gate.end();
    let gate = Gate::start(&operator, &policy(model()), &[]);
    assert!(gate.trusted.is_some());
    gate.end();
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let operator = Operator::each().pop().expect("somebody");
    let said = |arguments: &[&str]| {
        let ran = operator.bastide(&["gate"].into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>());
        (ran.exit, ran.stderr)
    };
    let (exit, text) = said(&["--listen", "0.0.0.0:0", "--session-from", "bearer"]);
    assert!(exit == 2 && text.contains("loopback"), "{text}");
    let broken = operator.write("broken.yaml", "bastide: 1\nname: x\nnetwork: 3\n").to_string_lossy().into_owned();
    let (exit, text) = said(&["--listen", "127.0.0.1:0", "--policy", &broken]);
    assert!(exit == 125 && text.contains("broken.yaml:3"), "{text}");
    let ran = operator.bastide(&["gate", "--json", "--listen", "127.0.0.1:0", "--policy", &broken]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("one line of JSON");
    let code = told["error"]["code"].as_str().expect("a code");
    assert!(ran.exit == 125 && code.starts_with("E-POLICY-") && ran.stderr.contains(code), "{ran:?}");
    let token = operator.write("token", "short\n");
    let file = token.to_string_lossy().into_owned();
    let with = |mode: u32| {
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).expect("set");
        said(&["--listen", "127.0.0.1:0", "--token-file", &file])
    };
    for mode in [0o666, 0o640] {
        let (exit, text) = with(mode);
        assert!(exit == 125 && text.contains("chmod 600"), "{mode:o}: {text}");
    }
    let (exit, text) = with(0o600);
    assert!(exit == 125 && text.contains("16"), "{text}");
}
