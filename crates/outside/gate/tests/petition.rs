//! Petitions at `http://bastide.internal/`, as the session's process gets them from a gate and as a program gets its answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::server::{authority, provider};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, echo, lease, talk};
use policy::{Flow, Label, LabelPattern, Sink};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use wire::petition::{Answer, Child, Denial, Message, Petition, Petitioned, Reason, Sender};

type Asked = Arc<Mutex<Vec<Petitioned>>>;

/// A gate whose plane keeps what it is asked, and answers: a report and what is sent is done, a wait brings a message, a
/// child is refused.
fn scene(leased: &wire::Lease) -> (Cell, Gate, Asked) {
    let cell = Cell::new();
    let gate = cell.start(leased, ORDINARY).ready();
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    gate.answering(move |petitioned| {
        let answer = match &petitioned.petition {
            Petition::Report(_) | Petition::Send(_) => Answer::Done,
            Petition::Wait(_) => Answer::News {
                children: Vec::new(),
                messages: vec![Message {
                    from: Sender::Child(Child(1)),
                    words: "the customers of the north are Ada, Grace, Barbara and twelve others, as the notes have it"
                        .into(),
                    labels: vec![Label::parse("secret:clients").unwrap()],
                }],
            },
            _ => Answer::Denied(Denial::new(
                Reason::NotGranted,
                "this session's policy grants no children",
                "do it yourself",
            )),
        };
        kept.lock().unwrap().push(petitioned);
        Some(answer)
    });
    (cell, gate, asked)
}

fn at(cell: &Cell, port: u16) -> SocketAddr {
    cell.inside(move || (address("bastide.internal."), port).into())
}

fn say(cell: &Cell, to: SocketAddr, text: impl Into<String>) -> String {
    let text = text.into();
    cell.inside(move || talk(to, text.as_bytes()).unwrap_or_else(|error| format!("({error})")))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: bastide.internal\r\nContent-Type: application/json\r\n");
    format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).1).unwrap()
}

#[test]
fn a_program_is_told_what_it_may_do_and_what_to_say() {
    let (cell, _gate, asked) = scene(&lease(&["api.example:443"]));
    let to = at(&cell, 80);
    assert_eq!(to.ip().to_string(), "198.18.0.3");
    let page = say(&cell, to, get("/"));
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("POST /spawn") && page.contains("/mcp"), "{page}");
    let me = body(&say(&cell, to, get("/whoami")));
    assert!(me["words"].as_str().unwrap().contains("api.example:443"), "{me}");
    assert_eq!(me["policies"][0]["policy"], "test");
    let event = me["event"].as_str().unwrap().to_owned();
    assert!(event.starts_with('g'), "{me}");
    let record = cell.record();
    assert!(record.contains(r#""kind":"petition""#) && record.contains(r#""verb":"whoami""#), "{record}");
    // It needs nobody else.
    assert!(asked.lock().unwrap().is_empty());
}

/// Once something came from outside: what it is to reach and to use is the operator's to name, whoever asks.
#[test]
fn a_sub_agent_is_asked_for_with_what_the_operator_named() {
    for (incarnation, expected) in [(1, 4), (2, 1)] {
        let mut leased = lease(&["docs.example:443", "evil.example:443"]);
        let mut policies: Vec<policy::Policy> = leased.policy.policies().cloned().collect();
        policies[0].grounding = policy::Grounding::Deny;
        leased.policy = policy::Conjunction::new(policies);
        leased.intent = vec!["Fix src/parse.rs with the docs of https://docs.example".into()];
        // What an earlier gate let out is not known any more, and counts as read.
        leased.incarnation = incarnation;
        let (cell, _gate, asked) = scene(&leased);
        let to = at(&cell, 80);
        for more in [
            r#""network": ["docs.example:443"]"#,
            r#""network": ["evil.example:443"]"#,
            r#""credentials": ["github"]"#,
            r#""network": ["docs.example:443", "*.evil.example"]"#,
        ] {
            let told = say(&cell, to, post("/spawn", &format!(r#"{{"task": "t", "agent": "codex", {more}}}"#)));
            assert!(told.starts_with("HTTP/1.1 403"), "{more}: {told}");
            let kept = told.contains("it does not serve what the operator asked for");
            assert_eq!(kept, incarnation == 2 && !more.ends_with(r#"["docs.example:443"]"#), "{more}: {told}");
        }
        assert_eq!(asked.lock().unwrap().len(), expected);
        let record = cell.record();
        let against = record.contains("`evil.example:443` as `network`: the operator's words do not name it");
        assert_eq!(against, incarnation == 2, "{record}");
    }
}

#[test]
fn a_petition_is_recorded_handed_on_and_answered() {
    let (cell, _gate, asked) = scene(&lease(&[]));
    let to = at(&cell, 80);
    let done = say(&cell, to, post("/report", r#"{"words": "half of it is done"}"#));
    assert!(done.starts_with("HTTP/1.1 200 OK"), "{done}");
    assert_eq!(body(&done)["answer"], "done");
    let refused = say(&cell, to, post("/spawn", r#"{"task": "t", "agent": "codex"}"#));
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let refused = body(&refused);
    assert_eq!((refused["reason"].as_str(), refused["hint"].as_str()), (Some("not-granted"), Some("do it yourself")));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().map(|one| one.number).collect::<Vec<_>>(), [(1 << 32) + 1, (1 << 32) + 2]);
    assert_eq!(asked[1].event.to_string(), refused["event"].as_str().unwrap());
    let record = cell.record();
    for part in [r#""words":"half of it is done""#, r#""kind":"petition-answered""#, "grants no children"] {
        assert!(record.contains(part), "{part}: {record}");
    }
}

#[test]
fn several_are_said_on_one_connection_and_a_query_is_a_body() {
    let (cell, _gate, asked) = scene(&lease(&[]));
    let to = at(&cell, 80);
    let answers = cell.inside(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let words = r#"{"words": "w"}"#;
        let both = format!(
            "POST /report HTTP/1.1\r\nHost: BASTIDE.internal.:80\r\nContent-Length: {}\r\n\r\n{words}\
             GET http://bastide.internal/wait?child=7&seconds=3 HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n",
            words.len()
        );
        stream.write_all(both.as_bytes()).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        all
    });
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let bare = say(&cell, to, "HEAD / HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n");
    assert!(bare.starts_with("HTTP/1.1 405") && bare.ends_with("\r\n\r\n"), "{bare}");
    let asked = asked.lock().unwrap();
    let Petition::Wait(wait) = asked[1].petition else { panic!("{asked:?}") };
    assert_eq!((wait.child, wait.seconds.get()), (Some(Child(7)), 3));
}

/// Whoever says another host, or comes another way, finds nobody; and nothing of it goes out.
#[test]
fn no_form_of_saying_it_leads_elsewhere() {
    let port = echo();
    let (cell, _gate, asked) =
        scene(&lease(&[&format!("web.example:{port}"), "bastide.internal", "*.internal", "other.example"]));
    let (to, proxy) = (at(&cell, 80), cell.inside(|| SocketAddr::from((address("proxy.bastide."), 3128))));
    for head in [
        "GET /whoami HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nHost: 198.18.0.3\r\n\r\n",
        "GET /whoami HTTP/1.1\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nHost: bastide.internal\r\nHost: bastide.internal\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nHost: bastide.internal:8080\r\n\r\n",
        "GET http://web.example/whoami HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "GET http://bastide.internal/whoami HTTP/1.1\r\nHost: web.example\r\n\r\n",
        "GET //whoami HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "GET /../whoami HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "GET /%77hoami HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "GET /WHOAMI HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "GET /whoami HTTP/1.1\nHost: bastide.internal\n\n",
        "GET /whoami HTTP/1.1\r\nHost: bastide.internal\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nHost: bastide.internal\r\nOrigin: http://bastide.internal\r\n\r\n",
        "GET /whoami HTTP/1.1\r\nHost: bastide.internal\r\nReferer: http://page.example/\r\n\r\n",
        "POST /report HTTP/1.1\r\nHost: bastide.internal\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{\"words\": \"w\"}\r\n0\r\n\r\n",
        "POST /report HTTP/1.1\r\nHost: bastide.internal\r\nContent-Length: 99999999\r\n\r\n",
        "GET /report HTTP/1.1\r\nHost: bastide.internal\r\n\r\n",
        "PUT /report HTTP/1.1\r\nHost: bastide.internal\r\nContent-Length: 0\r\n\r\n",
    ] {
        let answer = say(&cell, to, head);
        assert!(answer.starts_with("HTTP/1.1 4"), "{head}{answer}");
        assert!(!answer.contains("\"policies\""), "{head}{answer}");
    }
    for head in [
        "CONNECT bastide.internal:443 HTTP/1.1\r\n\r\n",
        "CONNECT bastide.internal:22 HTTP/1.1\r\n\r\n",
        "CONNECT BASTIDE.INTERNAL.:8080 HTTP/1.1\r\n\r\n",
        "GET http://bastide.internal:8080/whoami HTTP/1.1\r\n\r\n",
        "GET http://198.18.0.3/whoami HTTP/1.1\r\n\r\n",
        "GET http://bastide.internal/whoami HTTP/1.1\r\nHost: web.example\r\n\r\n",
        "GET http://u@bastide.internal/whoami HTTP/1.1\r\n\r\n",
    ] {
        let answer = say(&cell, proxy, head);
        assert!(answer.starts_with("HTTP/1.1 4"), "{head}{answer}");
    }
    assert!(asked.lock().unwrap().is_empty());
    // A rule that names it opens nothing, and nothing was looked up or connected for it.
    let record = cell.record();
    assert!(!record.contains(r#""verdict":"allowed","rule":"{to"#), "{record}");
    let other = cell.inside(move || {
        ["a.bastide.internal.", "xbastide.internal."].map(|name| address(name).to_string() == "198.18.0.3")
    });
    assert_eq!(other, [false, false]);
}

#[test]
fn the_explicit_proxy_leads_there_too() {
    let (cell, _gate, asked) = scene(&lease(&[]));
    let proxy = cell.inside(|| SocketAddr::from((address("proxy.bastide."), 3128)));
    let words = r#"{"words": "w"}"#;
    let forwarded = format!(
        "POST http://Bastide.Internal/report HTTP/1.1\r\nHost: bastide.internal\r\nContent-Length: {}\r\n\r\n{words}",
        words.len()
    );
    assert_eq!(body(&say(&cell, proxy, forwarded))["answer"], "done");
    let tunnelled =
        say(&cell, proxy, format!("CONNECT bastide.internal:80 HTTP/1.1\r\n\r\n{}", post("/report", words)));
    assert!(tunnelled.contains("200 Connection established") && tunnelled.contains("\"done\""), "{tunnelled}");
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[test]
fn the_port_of_https_says_where_it_is() {
    let (cell, _gate, _) = scene(&lease(&[]));
    let answer = say(&cell, at(&cell, 443), get("/whoami"));
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("http://bastide.internal/"), "{answer}");
    let answer = say(&cell, at(&cell, 8080), get("/whoami"));
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    let record = cell.record();
    assert!(record.contains("plain HTTP on port 80 only"), "{record}");
}

/// A program that would rather speak HTTP/2, as most do, gets an answer that it can read.
#[test]
fn within_tls_it_says_so_whatever_the_program_offers() {
    let cells = authority("cell");
    let tls = wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: String::new() };
    let (cell, _gate, _) = scene(&wire::Lease { tls: Some(tls), ..lease(&[]) });
    let (to, trusts) = (at(&cell, 443), cells.der().clone());
    let (chosen, answer) = cell.inside(move || {
        let mut roots = RootCertStore::empty();
        roots.add(trusts).unwrap();
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("bastide.internal").unwrap();
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
        stream.write_all(get("/whoami").as_bytes()).unwrap();
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got);
        (stream.conn.alpn_protocol().map(<[u8]>::to_vec), String::from_utf8_lossy(&got).into_owned())
    });
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("http://bastide.internal/"), "{answer}");
}

#[test]
fn a_flood_is_bounded_and_the_door_goes_on() {
    let port = echo();
    let leased = lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]);
    let cell = Cell::new();
    let gate = cell.start(&leased, ORDINARY).ready();
    let asked = Arc::new(Mutex::new(0));
    let kept = Arc::clone(&asked);
    // Nobody answers.
    gate.answering(move |_| {
        *kept.lock().unwrap() += 1;
        None
    });
    let to = at(&cell, 80);
    let (held, answers) = cell.inside(move || {
        let wait = get("/wait?seconds=60");
        let mut held: Vec<TcpStream> = Vec::new();
        for _ in 0..120 {
            let mut stream = TcpStream::connect(to).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(wait.as_bytes()).unwrap();
            held.push(stream);
        }
        // All but those that wait were answered; which they are is not said.
        let mut answers = Vec::new();
        for stream in held.iter_mut().rev().take(120 - 64) {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answers.push(answer);
        }
        (held, answers)
    });
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 429")), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.contains("Retry-After")), "{answers:?}");
    assert!(*asked.lock().unwrap() <= 32, "{asked:?}");
    // The door serves what it is for.
    let web = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    assert_eq!(say(&cell, web, "ping"), "ping");
    drop(held);
    let record = cell.record();
    assert!(record.matches(r#""kind":"petition""#).count() < 80, "{}", record.lines().count());
}

#[test]
fn what_messages_carry_is_kept_in_from_then_on() {
    let port = echo();
    let mut leased = lease(&[&format!("web.example:{port}")]);
    let mut policy = leased.policy.policies().next().unwrap().clone();
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
    leased.policy = policy::Conjunction::new(vec![policy]);
    let (cell, _gate, asked) = scene(&leased);
    let to = at(&cell, 80);
    let words = "the customers of the north are Ada, Grace, Barbara and twelve others, as the notes have it";
    let report = |cell: &Cell| say(cell, to, post("/send", &json!({"words": words}).to_string()));
    assert!(report(&cell).starts_with("HTTP/1.1 200"), "nothing is known of these words yet");
    assert!(asked.lock().unwrap()[0].labels.is_empty());
    let news = body(&say(&cell, to, get("/wait?seconds=1")));
    assert_eq!(news["messages"][0]["labels"][0], "secret:clients");
    // They are a secret's now, whoever has them said again: to a child, and to the network.
    let refused = report(&cell);
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("secret:clients"), "{refused}");
    let web = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    let request =
        format!("POST /x HTTP/1.1\r\nHost: web.example:{port}\r\nContent-Length: {}\r\n\r\n{words}", words.len());
    let refused = say(&cell, web, request);
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(cell.record().contains("a message of child 1"), "{}", cell.record());
    // Something harmless still carries what was read.
    say(&cell, to, post("/send", r#"{"words": "all is well"}"#));
    let labels: Vec<String> =
        asked.lock().unwrap().last().unwrap().labels.iter().map(|label| label.as_str().to_owned()).collect();
    assert!(labels.contains(&"secret:clients".to_owned()), "{labels:?}");
}

#[test]
fn what_was_reached_outside_taints_what_is_said() {
    let port = echo();
    let (cell, _gate, asked) = scene(&lease(&[&format!("web.example:{port}"), &format!("{OUTSIDE}:{port}")]));
    let to = at(&cell, 80);
    say(&cell, to, post("/report", r#"{"words": "a"}"#));
    let web = cell.inside(move || SocketAddr::from((address("web.example."), port)));
    assert_eq!(say(&cell, web, "ping"), "ping");
    say(&cell, to, post("/report", r#"{"words": "b"}"#));
    let labels: Vec<usize> = asked.lock().unwrap().iter().map(|one| one.labels.len()).collect();
    assert_eq!(labels, [0, 1]);
    assert_eq!(asked.lock().unwrap()[1].labels[0].as_str(), "untrusted:network");
}

#[test]
fn mcp_is_spoken_in_both_of_its_forms() {
    let (cell, _gate, _) = scene(&lease(&[]));
    let to = at(&cell, 80);
    let message = |id: u32, method: &str, params: Value| {
        post("/mcp", &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string())
    };
    let begins =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let begun = body(&say(&cell, to, message(1, "initialize", begins)));
    assert_eq!(begun["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(body(&say(&cell, to, message(2, "ping", json!({}))))["result"], json!({}));
    let told = say(&cell, to, post("/mcp", r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#));
    assert!(told.starts_with("HTTP/1.1 202"), "{told}");
    let tools = body(&say(&cell, to, message(3, "tools/list", json!({}))));
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 8);
    let done = body(&say(&cell, to, message(4, "tools/call", json!({"name": "report", "arguments": {"words": "w"}}))));
    assert_eq!(
        (&done["result"]["isError"], &done["result"]["structuredContent"]["answer"]),
        (&json!(false), &json!("done"))
    );
    let refused = json!({"name": "spawn", "arguments": {"task": "t", "agent": "codex"}});
    let refused = body(&say(&cell, to, message(5, "tools/call", refused)));
    assert_eq!(refused["result"]["isError"], true);
    assert!(refused["result"]["content"][0]["text"].as_str().unwrap().contains("hint: do it yourself"), "{refused}");
    let odd = body(&say(&cell, to, message(6, "tools/call", json!({"name": "spawn", "arguments": {"policy": "x"}}))));
    assert!(odd["result"]["isError"] == true && odd.to_string().contains("unknown field"), "{odd}");
    // The later form, in which each message stands by itself.
    let alone = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    let found = body(&say(&cell, to, message(7, "server/discover", alone.clone())));
    assert!(found["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{found}");
    let tools = body(&say(&cell, to, message(8, "tools/list", alone)));
    assert_eq!(
        (&tools["result"]["resultType"], &tools["result"]["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
    for (method, params, code) in [
        ("resources/list", json!({}), -32601),
        ("bastide/policy", json!({}), -32601),
        ("tools/call", json!({"name": "apply_policy", "arguments": {}}), -32602),
        ("tools/list", json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}}), -32600),
    ] {
        let error = body(&say(&cell, to, message(9, method, params)));
        assert_eq!(error["error"]["code"], code, "{error}");
    }
    let list = say(&cell, to, post("/mcp", r#"[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]"#));
    assert!(list.starts_with("HTTP/1.1 400"), "{list}");
    assert!(say(&cell, to, get("/mcp")).starts_with("HTTP/1.1 405"));
}

#[test]
fn an_answer_for_an_earlier_gate_finds_nobody() {
    let mut leased = lease(&[]);
    leased.incarnation = 2;
    let (cell, mut gate, asked) = scene(&leased);
    let to = at(&cell, 80);
    gate.order(&wire::GateOrder::Petitioned { number: (1 << 32) + 1, answer: Answer::Done });
    assert_eq!(body(&say(&cell, to, post("/report", r#"{"words": "w"}"#)))["answer"], "done");
    assert_eq!(asked.lock().unwrap()[0].number, (2 << 32) + 1);
    // What an earlier gate let out is not known any more.
    assert_eq!(asked.lock().unwrap()[0].labels[0].as_str(), "untrusted:network");
}

#[test]
fn what_may_not_reach_the_operator_is_not_reported() {
    let mut leased = lease(&[]);
    let mut policy = leased.policy.policies().next().unwrap().clone();
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: Some(Sink::Human) }];
    leased.policy = policy::Conjunction::new(vec![policy]);
    leased.labelled = vec![wire::Labelled {
        label: Label::parse("secret:env").unwrap(),
        source: ".env: KEY".into(),
        text: "hunter2hunter2hunter2".into(),
        exact: true,
    }];
    let (cell, _gate, asked) = scene(&leased);
    let to = at(&cell, 80);
    let refused = say(&cell, to, post("/report", r#"{"words": "the key is hunter2hunter2hunter2"}"#));
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("human"), "{refused}");
    assert!(asked.lock().unwrap().is_empty());
    assert!(!cell.record().contains("hunter2"), "{}", cell.record());
    assert!(say(&cell, to, post("/report", r#"{"words": "all is well"}"#)).starts_with("HTTP/1.1 200"));
}
