//! Servers of MCP in cells of their own, as the gate has them: each at the other end of a line, whose part the test plays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::dns::address;
use crate::fake::server::{request, say};
use crate::fake::{Cell, Gate, ORDINARY, lease};
use policy::mcp::{Grant, Mcp, TextPattern};
use policy::{Conjunction, Policy, Protocol, Rule, Server, Target};
use serde_json::{Value, json};
use wire::{GateOrder, GateReport};

const HOST: &str = "web.mcp.bastide.internal";
const HEADERS: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

/// What a server writes for one message that it got; nothing more is written after none.
type Behaves = fn(&Value) -> Option<Vec<u8>>;

struct Scene {
    cell: Cell,
    gate: Gate,
    /// What servers got, with the line that each was behind.
    got: Arc<Mutex<Vec<(u32, Value)>>>,
    reports: Arc<Mutex<Vec<GateReport>>>,
}

fn patterns(list: &[&str]) -> Option<Vec<TextPattern>> {
    Some(list.iter().map(|one| TextPattern::parse(one).unwrap()).collect())
}

fn answer(message: &Value, result: &Value) -> Vec<u8> {
    (json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string() + "\n").into_bytes()
}

fn words(message: &Value, words: &str) -> Vec<u8> {
    answer(message, &json!({"content": [{"type": "text", "text": words}]}))
}

/// A server in order.
fn good(message: &Value) -> Option<Vec<u8>> {
    Some(match message["method"].as_str() {
        Some("initialize") => answer(
            message,
            &json!({"protocolVersion": message["params"]["protocolVersion"], "capabilities": {}, "serverInfo": {"name": "web", "version": "1"}}),
        ),
        Some("tools/call") => words(message, &format!("called with {}", message["params"]["arguments"])),
        _ => Vec::new(),
    })
}

/// A session whose policies name these servers; the first of them has rules for tools that begin with `get`.
fn scene(lines: usize, policies: Vec<Policy>, behaves: Behaves) -> Scene {
    let mut cell = Cell::new();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..lines).map(|_| UnixStream::pair().unwrap()).unzip();
    cell.lines = theirs;
    let mut leased = lease(&[]);
    leased.policy = Conjunction::new(policies);
    leased.lines = u32::try_from(lines).unwrap();
    let gate = cell.start(&leased, ORDINARY).ready();
    cell.lines.clear();
    let (got, reports) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
    let (kept, told, mut channel) = (Arc::clone(&got), Arc::clone(&reports), gate.channel());
    channel.set_read_timeout(None).unwrap();
    let mut ours: Vec<_> = ours.into_iter().map(Some).collect();
    std::thread::spawn(move || {
        let (mut decoder, mut bytes) = (wire::Decoder::<GateReport>::new(), [0; 4096]);
        while let Ok(length @ 1..) = channel.read(&mut bytes) {
            for report in decoder.push(&bytes[..length]).unwrap() {
                told.lock().unwrap().push(report.clone());
                let GateReport::Server { line, .. } = report else { continue };
                let end = ours[line as usize].take().unwrap();
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&end, line, &kept, behaves));
            }
        }
    });
    Scene { cell, gate, got, reports }
}

fn serve(end: &UnixStream, line: u32, kept: &Mutex<Vec<(u32, Value)>>, behaves: Behaves) {
    for text in BufReader::new(end).lines().map_while(Result::ok) {
        let message: Value = serde_json::from_str(&text).unwrap();
        kept.lock().unwrap().push((line, message.clone()));
        let Some(said) = behaves(&message) else { return };
        if (&mut &*end).write_all(&said).is_err() {
            return;
        }
    }
}

fn policy(command: &str) -> Policy {
    let server = Server { name: "web".into(), command: vec![command.into()], ..Server::default() };
    let mcp = Mcp { tools: patterns(&["get*"]), ..Mcp::default() };
    let to = Target::parse(&format!("{HOST}:80")).unwrap();
    let mut policy = Policy { name: "test".into(), servers: vec![server], ..Policy::default() };
    policy.network.allow = vec![Rule { protocol: Protocol::Mcp, mcp, ..Rule::to(to) }];
    policy
}

fn call(id: &Value, tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

impl Scene {
    fn post(&self, body: &str, more: &str) -> String {
        let said = request("POST", HOST, 80, "/mcp", &format!("{HEADERS}{more}"), body);
        say(&self.cell, None, HOST, 80, &said).unwrap()
    }

    fn ask(&self, tool: &str) -> Value {
        message(&self.post(&call(&json!("mine"), tool, &json!({"a": 1})), ""))
    }

    /// Calls that reached a server.
    fn calls(&self) -> Vec<(u32, Value)> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|(_, message)| message["method"] == "tools/call").cloned().collect()
    }

    fn asked_for(&self) -> Vec<u32> {
        let line = |report: &GateReport| if let GateReport::Server { line, .. } = report { Some(*line) } else { None };
        self.reports.lock().unwrap().iter().filter_map(line).collect()
    }
}

fn message(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body = body.rsplit_once("data: ").map_or(body, |(_, data)| data.lines().next().unwrap());
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn refusal(message: &Value) -> &str {
    message["error"]["message"].as_str().unwrap_or_else(|| panic!("{message}"))
}

#[test]
fn a_call_that_a_rule_allows_reaches_the_server_under_another_number_and_no_other_does() {
    let scene = scene(2, vec![policy("/bin/web")], good);
    // Nothing is begun for what does not reach it.
    assert!(refusal(&scene.ask("wipe")).contains("bastide refused this"));
    assert!(scene.asked_for().is_empty());
    let answered = scene.ask("get_x");
    assert_eq!(
        (&answered["id"], &answered["result"]["content"][0]["text"]),
        (&json!("mine"), &json!("called with {\"a\":1}"))
    );
    let [(0, got)] = &scene.calls()[..] else { panic!("{:?}", scene.got) };
    assert!(got["id"].is_i64() && got["params"]["name"] == "get_x", "{got}");
    let first = scene.got.lock().unwrap()[0].1.clone();
    assert_eq!((&first["method"], &first["params"]["capabilities"]), (&json!("initialize"), &json!({})), "{first}");
    // Another program is introduced to the same one, and known by a name that ends with it.
    let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}}, "clientInfo": {"name": "x", "version": "1"}}});
    let begun = scene.post(&begin.to_string(), "");
    let client = begun
        .lines()
        .find_map(|line| line.strip_prefix("Mcp-Session-Id: "))
        .unwrap_or_else(|| panic!("{begun}"))
        .to_owned();
    assert_eq!(message(&begun)["result"]["serverInfo"]["name"], "web");
    let known = scene.post(&call(&json!(7), "get_y", &json!({})), &format!("Mcp-Session-Id: {client}\r\n"));
    assert_eq!(message(&known)["id"], 7);
    let unknown = scene.post(&call(&json!(7), "get_y", &json!({})), "Mcp-Session-Id: 9-9-9\r\n");
    assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
    assert_eq!((scene.asked_for(), scene.calls().len()), (vec![0], 2));
    for told in ["\"tool\":\"get_x\"", "called with", "to a server in a cell of its own"] {
        scene.cell.wait_for(told);
    }
}

#[test]
fn nothing_else_is_spoken_there_and_every_policy_must_mean_the_same() {
    let mut open = policy("/bin/web");
    open.network.allow = vec![Rule::to(Target::parse("*.internal").unwrap())];
    let scene_of = |policies| scene(2, policies, good);
    let opened = scene_of(vec![open]);
    for (method, path, body) in [("GET", "/", ""), ("POST", "/mcp", "{}"), ("GET", "/mcp", "")] {
        let said = request(method, HOST, 80, path, HEADERS, body);
        let answered = say(&opened.cell, None, HOST, 80, &said).unwrap_or_default();
        assert!(!answered.starts_with("HTTP/1.1 200"), "{method} {path}: {answered}");
    }
    assert!(opened.asked_for().is_empty());
    for policies in [
        vec![policy("/bin/web"), policy("/bin/other")],
        vec![policy("/bin/web"), Policy { servers: Vec::new(), ..policy("") }],
    ] {
        let scene = scene_of(policies);
        let answered = scene.ask("get_x");
        assert!(refusal(&answered).contains("every policy would have to name the same"), "{answered}");
        assert!(scene.asked_for().is_empty());
    }
    let without = scene(0, vec![policy("/bin/web")], good);
    let answered = without.ask("get_x");
    assert!(refusal(&answered).contains("began under a policy without servers"), "{answered}");
}

#[test]
fn answers_go_to_who_asked_and_to_nobody_else() {
    // The first is answered when the second was, and before that others are answered that nobody asked.
    fn late(message: &Value) -> Option<Vec<u8>> {
        static HELD: Mutex<Option<Value>> = Mutex::new(None);
        match message["params"]["name"].as_str() {
            Some("get_first") => {
                *HELD.lock().unwrap() = Some(message.clone());
                Some(Vec::new())
            }
            Some("get_second") => {
                let held = HELD.lock().unwrap().take().unwrap();
                let others = [json!(999), json!("mine"), json!(-1)].map(|id| words(&json!({"id": id}), "for nobody"));
                Some([&others.concat()[..], b"junk\n", &words(message, "second"), &words(&held, "first")].concat())
            }
            _ => good(message),
        }
    }
    let scene = scene(1, vec![policy("/bin/web")], late);
    let said = |tool: &str| request("POST", HOST, 80, "/mcp", HEADERS, &call(&json!("mine"), tool, &json!({})));
    let (first, second) = (said("get_first"), said("get_second"));
    let (one, other) = scene.cell.inside(move || {
        let connect = |said: &[u8]| {
            let mut stream = TcpStream::connect((address(&format!("{HOST}.")), 80)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(said).unwrap();
            stream
        };
        let mut one = connect(&first);
        // The second is said when the first has reached the server.
        std::thread::sleep(Duration::from_millis(500));
        let mut other = connect(&second);
        let mut texts = [String::new(), String::new()];
        one.read_to_string(&mut texts[0]).unwrap();
        other.read_to_string(&mut texts[1]).unwrap();
        let [one, other] = texts;
        (one, other)
    });
    for (answered, text) in [(message(&one), "first"), (message(&other), "second")] {
        assert_eq!((&answered["id"], &answered["result"]["content"][0]["text"]), (&json!("mine"), &json!(text)));
    }
}

#[test]
fn what_a_server_asks_for_nobody_hears_whatever_is_granted() {
    fn asks(message: &Value) -> Option<Vec<u8>> {
        match (message["method"].as_str(), message["id"].as_str()) {
            (Some("tools/call"), _) => {
                let wants = ["sampling/createMessage", "elicitation/create", "roots/list", "ping"];
                let said = |method: &&str| json!({"jsonrpc": "2.0", "id": method, "method": method}).to_string() + "\n";
                Some([wants.iter().map(said).collect::<String>().into_bytes(), words(message, "done")].concat())
            }
            _ => good(message),
        }
    }
    let mut granted = policy("/bin/web");
    granted.network.allow[0].mcp.grant = Grant::ALL.into();
    let scene = scene(1, vec![granted], asks);
    let answered = scene.post(&call(&json!(1), "get_x", &json!({})), "");
    assert!(
        !answered.contains("createMessage") && message(&answered)["result"]["content"][0]["text"] == "done",
        "{answered}"
    );
    let told = |id: &str| {
        (0..200).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            scene.got.lock().unwrap().iter().find(|(_, message)| message["id"] == id).cloned()
        })
    };
    for id in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        assert_eq!(told(id).unwrap().1["error"]["code"], -32601, "{id}");
    }
    assert_eq!(told("ping").unwrap().1["result"], json!({}));
}

#[test]
fn one_that_ends_or_says_too_much_is_asked_for_anew_as_long_as_there_are_lines() {
    fn ends(message: &Value) -> Option<Vec<u8>> {
        match message["params"]["name"].as_str() {
            Some("get_end") => None,
            Some("get_long") => Some(vec![b'x'; 5 << 20]),
            Some("get_odd") => {
                Some(format!("{{\"jsonrpc\": \"2.0\", \"id\": {}, \"result\": 7}}\n", message["id"]).into_bytes())
            }
            Some("get_twice") => Some(
                format!("{{\"jsonrpc\": \"2.0\", \"id\": {}, \"result\": {{\"a\": 1, \"a\": 2}}}}\n", message["id"])
                    .into_bytes(),
            ),
            Some("get_latin") => Some(
                [
                    format!("{{\"jsonrpc\": \"2.0\", \"id\": {}, \"result\": \"", message["id"]).as_bytes(),
                    b"caf\xe9\"}\n",
                ]
                .concat(),
            ),
            Some("get_junk") => Some("junk\n".repeat(100).into_bytes()),
            _ => good(message),
        }
    }
    let mut scene = scene(3, vec![policy("/bin/web")], ends);
    // How its program went when its line was cut says nothing of why that was.
    for line in [1, 2] {
        scene.gate.order(&GateOrder::Severed { line, why: "the program exited with 1".into() });
    }
    for odd in ["get_odd", "get_twice", "get_latin"] {
        assert!(refusal(&scene.ask(odd)).contains("what the server answered is no message"), "{odd}");
    }
    assert!(refusal(&scene.ask("get_end")).contains("ended before it answered: it ended"));
    let long = scene.ask("get_long");
    assert!(refusal(&long).contains("more than 4194304 bytes"), "{long}");
    let junk = scene.ask("get_junk");
    assert!(refusal(&junk).contains("64 times"), "{junk}");
    let last = scene.ask("get_x");
    assert!(refusal(&last).contains("as often as they may be"), "{last}");
    assert_eq!(scene.asked_for(), [0, 1, 2]);
    let parted: Vec<_> =
        scene.reports.lock().unwrap().iter().filter(|one| matches!(one, GateReport::Parted { .. })).cloned().collect();
    assert_eq!(parted.len(), 3, "{parted:?}");
}

#[test]
fn why_there_is_none_the_plane_says() {
    fn none(_: &Value) -> Option<Vec<u8>> {
        std::thread::sleep(Duration::from_millis(300));
        None
    }
    let mut scene = scene(1, vec![policy("/bin/web")], none);
    scene.gate.order(&GateOrder::Severed { line: 0, why: "nothing was run (E-PLANE-030)".into() });
    let answered = scene.ask("get_x");
    assert!(refusal(&answered).contains("the server `web` does not run: nothing was run (E-PLANE-030)"), "{answered}");
}
