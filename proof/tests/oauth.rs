//! A login that lives in the vault: tokens are derived from it outside, renewed in time, and nothing of it is inside.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::whole::loopback::answering_with;
use crate::whole::{Operator, Ran};

/// A server on the loopback; what it answers may depend on all that it was asked before.
fn serve(answer: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static) -> (u16, Arc<Mutex<Vec<String>>>) {
    let got = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&got);
    let port = answering_with(move |asked| {
        let mut kept = kept.lock().expect("whole");
        let answered = answer(asked, kept.len());
        kept.push(asked.to_owned());
        answered
    });
    (port, got)
}

/// An endpoint that takes each refresh token once, and gives another with every access token.
fn endpoint() -> (u16, Arc<Mutex<Vec<String>>>) {
    serve(|asked, before| {
        let right = format!("grant_type=refresh_token&refresh_token=refresh-{}-hunter2&client_id=cid", before + 1);
        if asked.ends_with(&right) && asked.starts_with("POST /oauth/token HTTP/1.1\r\n") {
            let n = before + 2;
            let body = format!(
                r#"{{"access_token":"access-{}-hunter2","refresh_token":"refresh-{n}-hunter2","expires_in":61}}"#,
                before + 1
            );
            (200, body)
        } else {
            (400, r#"{"error":"invalid_grant"}"#.into())
        }
    })
}

fn keep(operator: &Operator, value: &str, to: u16, at: u16) -> Ran {
    let (to, url) = (format!("host.bastide:{to}"), format!("http://host.bastide:{at}/oauth/token"));
    let mut command = operator.command(&["vault", "set", "login", "--to", &to, "--oauth", &url, "--client-id", "cid"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(value.as_bytes()).expect("sent");
    Ran::of(child.wait_with_output().expect("ends"))
}

#[test]
fn tokens_are_derived_and_renewed_and_the_login_stays_outside() {
    for operator in Operator::each() {
        let (at, asked) = endpoint();
        let (to, got) = serve(|_, _| (200, "{}".into()));
        assert_eq!(keep(&operator, "refresh-1-hunter2", to, at).exit, 0);
        let listed = operator.bastide(&["vault", "list", "--json"]).stdout;
        assert!(listed.contains("/oauth/token") && !listed.contains("hunter2"), "{listed}");
        let policy = operator.write(
            "policy.yaml",
            &format!("bastide: 1\nname: oauth\nextends: [hardened]\nnetwork: {{allow: [{{to: \"host.bastide:{to}\", credential: login}}]}}\n"),
        );
        let policy = policy.to_string_lossy().into_owned();
        let ask = format!("curl -s http://host.bastide:{to}/x");
        let ran = operator.run(&["--policy", &policy], &format!("{ask}; sleep 7; {ask}; env; cat /proc/*/cmdline"));
        assert_eq!(ran.exit, 0, "{ran:?}");
        let bearer = |asked: &String| {
            let line = asked.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization: "));
            line.unwrap_or_default().to_owned()
        };
        let bearers: Vec<String> = got.lock().expect("whole").iter().map(bearer).collect();
        assert_eq!(bearers, ["authorization: Bearer access-1-hunter2", "authorization: Bearer access-2-hunter2"]);
        // Each refresh token was used once, and the next run goes on with the one that is kept.
        assert_eq!(asked.lock().expect("whole").len(), 2);
        assert_eq!(operator.run(&["--policy", &policy], &ask).exit, 0);
        assert!(got.lock().expect("whole")[2].contains("access-3-hunter2"));
        let log = operator.bastide(&["log", "--json"]).stdout;
        assert!(!format!("{ran:?}{log}").contains("hunter2"), "{ran:?} {log}");
    }
}

#[test]
fn an_endpoint_that_gives_none_lets_nothing_run() {
    let operator = Operator::each().pop().expect("somebody");
    let (at, _) = endpoint();
    assert_eq!(keep(&operator, "refresh-9-hunter2", 1, at).exit, 0);
    let policy = operator.write(
        "policy.yaml",
        "bastide: 1\nname: oauth\nextends: [hardened]\nnetwork: {allow: [{to: \"host.bastide:1\", credential: login}]}\n",
    );
    let ran = operator.run(&["--policy", &policy.to_string_lossy()], "echo ran");
    assert!(ran.exit == 125 && ran.stdout.is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("E-PLANE-089") && ran.stderr.contains("400: invalid_grant"), "{ran:?}");
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
}

#[test]
fn what_an_endpoint_says_ends_no_session_and_tells_no_secret() {
    let operator = Operator::each().pop().expect("somebody");
    let (to, got) = serve(|_, _| (200, "{}".into()));
    // At first a token for longer than any clock counts, then the login itself as the reason why there is none.
    let (at, _) = serve(|_, before| match before {
        0 => (200, r#"{"access_token":"access-1-hunter2","expires_in":9223372036854775807}"#.into()),
        1 => (400, r#"{"error":"invalid_grant refresh-1-hunter2"}"#.into()),
        _ => (400, r#"{"error":{"type":"refresh-1-hunter2"}}"#.into()),
    });
    assert_eq!(keep(&operator, "refresh-1-hunter2", to, at).exit, 0);
    let policy = operator.write(
        "policy.yaml",
        &format!("bastide: 1\nname: oauth\nextends: [hardened]\nnetwork: {{allow: [{{to: \"host.bastide:{to}\", credential: login}}]}}\n"),
    );
    let policy = policy.to_string_lossy().into_owned();
    let ran = operator.run(&["--policy", &policy], &format!("curl -s http://host.bastide:{to}/x"));
    assert_eq!((ran.exit, got.lock().expect("whole").len()), (0, 1), "{ran:?}");
    for _ in 0..2 {
        let ran = operator.run(&["--policy", &policy], "echo ran");
        assert!(ran.exit == 125 && ran.stderr.contains("E-PLANE-089") && ran.stderr.contains("400"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    }
}

/// A token that tells whose it is, as those of ChatGPT do: `acct-1`.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgiOiB7ImNoYXRncHRfYWNjb3VudF9pZCI6ICJhY2N0LTEifX0.hunter2";

#[test]
fn an_agents_own_login_serves_an_agent_that_has_any_key() {
    for operator in Operator::each() {
        let (at, asked) = serve(|_, _| (200, format!(r#"{{"access_token":"{TOKEN}","expires_in":3600}}"#)));
        let (to, got) = serve(|asked, _| {
            let responses = r#"{"id":"r1","object":"response","status":"completed","model":"m","output":[]}"#;
            let messages = r#"{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
            (200, if asked.contains("responses") { responses } else { messages }.into())
        });
        let other = serve(|_, _| {
            (200, r#"{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#.into())
        });
        let files = [
            ("claude", other.0, r#"{"claudeAiOauth": {"accessToken": "a", "refreshToken": "refresh-1-hunter2"}}"#),
            ("codex", to, "{\n \"tokens\": {\"access_token\": \"a\", \"refresh_token\": \"refresh-2-hunter2\"}\n}\n"),
        ];
        for (login, to, file) in files {
            let (to, url) = (format!("host.bastide:{to}"), format!("http://host.bastide:{at}/oauth/token"));
            let mut command =
                operator.command(&["vault", "set", login, "--login", login, "--to", &to, "--oauth", &url]);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
            child.stdin.take().expect("piped").write_all(file.as_bytes()).expect("sent");
            let kept = Ran::of(child.wait_with_output().expect("ends"));
            assert!(kept.exit == 0 && !kept.stdout.contains("hunter2"), "{kept:?}");
        }
        let policy = operator.write(
            "policy.yaml",
            &format!(
                "bastide: 1\nname: logins\nextends: [hardened]\ninference:\n  providers:\n    \
                 claude: {{login: claude, url: \"http://host.bastide:{}\", credential: claude}}\n    \
                 codex: {{login: chatgpt, url: \"http://host.bastide:{to}/backend-api/codex\", credential: codex}}\n  \
                 routes:\n    - {{models: [\"claude-*\"], provider: claude}}\n    - {{models: [\"gpt-*\"], provider: codex}}\n",
                other.0
            ),
        );
        let json = "-H 'Content-Type: application/json'";
        let script = format!(
            "curl -s {json} -H 'x-api-key: sk-any' -H 'anthropic-beta: prompt-caching-2024-07-31' http://inference.bastide/v1/messages \
             -d '{{\"model\":\"claude-x\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'; \
             curl -s {json} -H 'Authorization: Bearer sk-any' -H 'chatgpt-account-id: acct-9' http://inference.bastide/v1/responses \
             -d '{{\"model\":\"gpt-x\",\"input\":\"hi\"}}'"
        );
        let ran = operator.run(&["--policy", &policy.to_string_lossy()], &script);
        assert_eq!(ran.exit, 0, "{ran:?}");
        let said = |got: &Arc<Mutex<Vec<String>>>| got.lock().expect("whole").join("\n");
        let refreshed = said(&asked);
        for wanted in
            ["refresh-1-hunter2", "refresh-2-hunter2", "9d1c250a-", "app_EMoamEEZ73f0CkXaXp7hrann", "\"grant_type\":"]
        {
            assert!(refreshed.contains(wanted), "{wanted}: {refreshed}");
        }
        let (claude, codex) = (said(&other.1), said(&got));
        let bearer = format!("authorization: Bearer {TOKEN}\r\n");
        assert!(claude.starts_with("POST /v1/messages HTTP/1.1\r\n") && claude.contains(&bearer), "{claude} {ran:?}");
        assert!(claude.contains("anthropic-beta: prompt-caching-2024-07-31,oauth-2025-04-20\r\n"), "{claude}");
        assert!(
            codex.starts_with("POST /backend-api/codex/responses HTTP/1.1\r\n") && codex.contains(&bearer),
            "{codex} {ran:?}"
        );
        assert!(codex.contains("chatgpt-account-id: acct-1\r\n") && codex.contains("\"store\":false"), "{codex}");
        assert!(!format!("{claude}{codex}").contains("sk-any") && !codex.contains("acct-9"), "{claude} {codex}");
        let log = operator.bastide(&["log", "--json"]).stdout;
        assert!(!format!("{ran:?}{log}").contains("hunter2"), "{ran:?} {log}");
    }
}
