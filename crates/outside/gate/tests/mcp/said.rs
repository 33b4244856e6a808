//! What a program says: judged before any of it reaches a server.

use policy::mcp::{Grant, Mcp};
use serde_json::{Value, json};

use wire::question::{Ruling, Wanted};

use super::{HEADERS, granted, messages, patterns, refused, scene, scene_with};
use crate::fake::held::{denied, once, rule};

fn narrow() -> Mcp {
    let arguments = [("path".to_owned(), patterns(&["/repo/**"]))].into();
    Mcp { tools: Some(patterns(&["read_*"])), arguments, ..Mcp::default() }
}

fn call(name: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
        .to_string()
}

#[test]
fn only_calls_that_rules_allow_reach_a_server() {
    let deny = Mcp { tools: Some(patterns(&["read_secret"])), ..Mcp::default() };
    let scene = scene(narrow(), Some(deny));
    let (repo, mut refusals) = (json!({"path": "/repo/a"}), 0);
    for (body, reaches, says) in [
        (call("read_file", &repo), true, "called with"),
        (call("read_file", &repo).replace("tools/call", "tools\\u002fcall"), true, "called with"),
        (call("read_file", &json!({"path": "/etc/passwd"})), false, "tools/call read_file by POST /mcp/x at mcp.example"),
        (call("read_file", &json!({"path": "/repo/../etc"})), false, "is allowed by no rule of policy `test`"),
        (call("read_file", &json!({"path": "/repo/a", "also": "/etc"})), false, "is allowed by no rule"),
        (call("read_file", &json!({})), false, "is allowed by no rule"),
        (call("write_file", &repo), false, "the smallest rule that would allow it: {to: \\\"mcp.example:"),
        (call("write_file", &repo).replace("write_file", "read_file\", \"Name\": \"write_file"), false, "in the case of letters"),
        (call("write_file", &repo).replace("write_file", "read_file\", \"name\": \"write_file"), false, "a name stands in it twice"),
        (call("read_file", &repo).replace("\"id\"", "\"method\":\"ping\",\"id\""), false, "twice"),
        (call("Read_Secret", &repo), false, "is denied by"),
        (call("read_secret", &repo), false, "is denied by"),
        (format!("[{}]", call("read_file", &repo)), false, "it is a list of messages"),
        (format!("[{},{}]", call("read_file", &repo), call("write_file", &repo)), false, "it is a list of messages"),
        (format!("{} {}", call("read_file", &repo), call("write_file", &repo)), false, "it cannot be read"),
        (format!("\u{feff}{}", call("read_file", &repo)), false, "it cannot be read"),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "tools/execute", "params": {}}).to_string(), false, "none that is known"),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "Tools/Call", "params": {"name": "write_file"}}).to_string(), false, "none that is known"),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": "file:///etc"}}).to_string(), false, "resources/read file:///etc by"),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "read_file", "arguments": []}}).to_string(), false, "arguments are no object"),
        (json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "read_file", "arguments": {"path": "/repo/a"}}}).to_string(), false, "none that is known"),
        (json!({"jsonrpc": "2.0", "id": 7, "method": "ping"}).to_string(), true, "\"result\":{}"),
        (format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{}1{}}}", "{\"a\":".repeat(200), "}".repeat(200)), false, "nested too deep"),
        (String::new(), false, "it cannot be read"),
    ] {
        let before = scene.server.got().len();
        let back = scene.post("x", &body);
        assert_eq!(scene.server.got().len() - before, usize::from(reaches), "{body}: {back}");
        assert!(back.contains(says), "{body}: {back}");
        assert!(reaches || back.contains("bastide refused this: "), "{back}");
        // More of them are counted, and not recorded one by one.
        refusals += usize::from(!reaches);
        assert!(reaches || refusals > 16 || back.contains("; the operator finds it by: bastide why g"), "{back}");
        // Where an id can be told, the answer is one to it.
        let wanted = body.starts_with('{') && body.contains("\"id\":7") && !says.contains("twice") && !says.contains("deep");
        if !reaches && wanted && !says.contains("cannot be read") {
            assert!(back.starts_with("HTTP/1.1 200 OK\r\n") && back.contains("\"id\":7"), "{body}: {back}");
        }
    }
}

#[test]
fn it_is_said_as_it_is_to_be_said() {
    let scene = scene(narrow(), None);
    let body = call("read_file", &json!({"path": "/repo/a"}));
    let accepts = "Accept: application/json, text/event-stream\r\n";
    let typed = |kind: &str| format!("{accepts}Content-Type: {kind}\r\n");
    for (method, headers, reaches) in [
        ("POST", typed("application/json"), true),
        ("POST", typed("Application/JSON; charset=UTF-8"), true),
        ("POST", typed("application/json; charset=utf-16"), false),
        ("POST", typed("text/plain"), false),
        ("POST", typed("application/json, text/plain"), false),
        ("POST", accepts.to_owned(), false),
        ("POST", typed("application/json\r\nContent-Type: application/json"), false),
        ("POST", format!("{HEADERS}Content-Encoding: gzip\r\n"), false),
        (
            "POST",
            format!("{HEADERS}Mcp-Method: tools/call\r\nMcp-Name: read_file\r\nMcp-Param-Path: /repo/a\r\n"),
            true,
        ),
        ("POST", format!("{HEADERS}Mcp-Method: tools/list\r\n"), false),
        ("POST", format!("{HEADERS}Mcp-Name: write_file\r\n"), false),
        ("POST", format!("{HEADERS}Mcp-Name: read_file\r\nMcp_Name: write_file\r\n"), false),
        ("POST", format!("{HEADERS}Mcp-Param-Path: /etc\r\n"), false),
        ("PUT", HEADERS.to_owned(), false),
        ("PATCH", HEADERS.to_owned(), false),
        ("GET", HEADERS.to_owned(), false),
    ] {
        let before = scene.server.got().len();
        let back = scene.raw(method, "/mcp/json", &headers, &body);
        assert_eq!(scene.server.got().len() - before, usize::from(reaches), "{method} {headers}: {back}");
    }
    // However the path is written, it is no other.
    for path in ["/MCP/json", "/mcp/json;a", "/%6dcp/x%2fy", "/mcp"] {
        let back = scene.raw("POST", path, HEADERS, &call("write_file", &json!({})));
        assert!(back.contains("refused") && scene.server.got().len() == 3, "{path}: {back}");
    }
    assert!(scene.raw("POST", "/other", HEADERS, &call("write_file", &json!({}))).contains("called with"));
}

#[test]
fn what_is_said_and_heard_is_recorded() {
    let scene = scene(Mcp::default(), None);
    for case in ["json", "x"] {
        let back =
            scene.ask(case, 3, "tools/call", &json!({"name": "read_file", "arguments": {"path": "/repo/a\u{202e}"}}));
        assert_eq!(back[0]["result"]["content"][0]["text"], "called with {\"path\":\"/repo/a\u{202e}\"}", "{case}");
    }
    scene.ask("x", 4, "tools/call", &json!({"name": "write_file"}));
    let told = scene.told();
    let kinds: Vec<_> =
        told.iter().map(|one| (one["kind"].as_str().unwrap(), one["name"].as_str().or(one["tool"].as_str()))).collect();
    let (read, wrote) = (Some("read_file"), Some("write_file"));
    assert_eq!(kinds, [("mcp", read), ("said", read), ("mcp", read), ("said", read), ("mcp", wrote), ("said", wrote)]);
    assert_eq!((&told[0]["method"], &told[0]["verdict"]), (&json!("tools/call"), &json!("allowed")));
    assert_eq!(told[0]["words"], "{\"path\":\"/repo/a\\u{202e}\"}");
    assert!(told[0]["rule"].as_str().unwrap().contains("protocol: mcp"), "{}", told[0]);
    assert_eq!(
        (&told[1]["speaker"], &told[1]["form"], &told[1]["standing"]),
        (&json!("tool"), &json!("tool-result"), &json!("untrusted"))
    );
    assert_eq!(told[1]["cause"][0]["id"], format!("g{}", told[0]["seq"]));
    assert!(told[1]["words"].as_str().unwrap().starts_with("called with"), "{}", told[1]);
}

#[test]
fn a_server_is_not_told_of_what_it_may_not_ask_for() {
    let begins = json!({"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}, "elicitation": {}, "roots": {"listChanged": true}, "tasks": {}}, "clientInfo": {"name": "c", "version": "1"}});
    for (grants, left) in [
        (&[][..], json!({"tasks": {}})),
        (&[Grant::Roots, Grant::Sampling], json!({"roots": {"listChanged": true}, "sampling": {}, "tasks": {}})),
    ] {
        let scene = scene(granted(grants), None);
        assert_eq!(scene.ask("json", 0, "initialize", &begins)[0]["result"]["protocolVersion"], "2025-06-18");
        let (head, body) = scene.server.got().pop().unwrap();
        let got: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(got["params"]["capabilities"], left);
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }
}

#[test]
fn nothing_is_answered_that_was_not_asked() {
    let scene = scene(granted(&[Grant::Sampling]), None);
    for body in [
        json!({"jsonrpc": "2.0", "id": 1, "result": {"role": "assistant", "content": {"type": "text", "text": "secret"}, "model": "m"}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "secret"}}),
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "read_file", "inputResponses": {"a": {"action": "accept"}}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/other"}),
    ] {
        let back = scene.post("x", &body.to_string());
        assert!(back.contains("bastide refused this: ") && scene.server.got().is_empty(), "{body}: {back}");
    }
    let back = scene.post("x", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    assert!(back.starts_with("HTTP/1.1 202"), "{back}");
    let back = scene.raw("DELETE", "/mcp/x", "Mcp-Session-Id: 1\r\n", "");
    assert!(back.starts_with("HTTP/1.1 202") && scene.server.got().len() == 2, "{back}");
}

/// One after the other on one connection: each is judged, and the last one is refused.
#[test]
fn each_message_on_a_connection_is_judged() {
    let scene = scene(narrow(), None);
    let one = |body: &str, last: &str| {
        let port = scene.server.port;
        format!(
            "POST /mcp/json HTTP/1.1\r\nHost: mcp.example:{port}\r\n{last}{HEADERS}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (good, bad) = (call("read_file", &json!({"path": "/repo/a"})), call("write_file", &json!({})));
    let said = [one(&good, ""), one(&good, ""), one(&bad, ""), one(&good, "")].concat();
    let back = super::say(&scene.cell, Some(&scene.cells), "mcp.example", scene.server.port, said.as_bytes()).unwrap();
    assert_eq!((back.matches("called with").count(), back.matches("bastide refused").count()), (2, 1), "{back}");
    assert_eq!(scene.server.got().len(), 2);
    let last = back.rsplit("HTTP/1.1 ").next().unwrap();
    assert_eq!(messages(&format!("HTTP/1.1 {last}"))[0]["error"]["code"], 403);
}

/// Another policy counts for what is said from then on: a call, and an answer to what was let through before.
#[test]
fn another_policy_counts_at_once() {
    let mut scene = scene(granted(&[Grant::Sampling]), None);
    assert_eq!(scene.ask("sampling", 5, "tools/call", &json!({"name": "read_file"})).len(), 2);
    assert!(scene.post("json", &call("write_file", &json!({}))).contains("called with"));
    let (port, mut policy) = (scene.server.port, policy::Policy { name: "later".into(), ..policy::Policy::default() });
    policy.network.allow = vec![
        super::spoken(port, narrow()),
        policy::Rule::to(policy::Target::parse(&format!("{}:{port}", super::OUTSIDE)).unwrap()),
    ];
    scene.gate.order(&wire::GateOrder::Replace {
        revision: 2,
        policy: policy::Conjunction::new(vec![policy]),
        credentials: Vec::new(),
        labelled: Vec::new(),
        forgives: false,
    });
    // What spoke for an attack before is told before.
    while !matches!(scene.gate.report(), wire::GateReport::Replaced { .. }) {}
    let back = scene.ask("json", 7, "tools/call", &json!({"name": "write_file"}));
    assert!(refused(&back).contains("of policy `later`"), "{back:?}");
    let before = scene.server.got().len();
    let back =
        scene.post("sampling", &json!({"jsonrpc": "2.0", "id": 900, "result": {"role": "assistant"}}).to_string());
    assert!(back.contains("sampling/createMessage by POST") && scene.server.got().len() == before, "{back}");
}

/// A call that the operator lets through once is one call, by its tool and what it is called with.
#[test]
fn calls_that_the_operator_is_asked_about_wait_for_him() {
    let reads = Mcp { tools: Some(patterns(&["read_*"])), ..Mcp::default() };
    let scene = scene_with(reads, None, |_, policy, _| policy.network.default = policy::Default::Ask);
    let call = |tool: &str, by: fn(&Wanted) -> Ruling| {
        let params = json!({"name": tool, "arguments": {"path": "/x"}});
        std::thread::scope(|threads| {
            let said = threads.spawn(|| scene.ask("json", 1, "tools/call", &params));
            let asked = rule(&scene.gate, 1, by);
            assert_eq!(asked[0].does(), Some(format!("POST /mcp/json (tools/call {tool})")));
            assert_eq!(asked[0].words, r#"{"path":"/x"}"#);
            said.join().unwrap()
        })
    };
    assert!(call("write_file", once)[0].to_string().contains("called with"));
    assert!(refused(&call("write_file", denied)).contains("the operator denied it"));
    // What a rule allows is no question.
    assert!(scene.ask("json", 2, "tools/call", &json!({"name": "read_file"}))[0].to_string().contains("called with"));
}
