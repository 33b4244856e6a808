//! The exfiltration matrix through a gate: what may not leave, in every encoding, by every channel that a program has. Servers
//! outside count what reached them, and something harmless by the same channel has to.
//!
//! `BASTIDE_EXFIL_DOUBLE=1` sends every encoding of every other as well (`proof/exfil/run`).

#[path = "../../../../pure/sense/tests/wrap/mod.rs"]
mod wrap;

mod alarms;
mod drips;
mod floods;
mod halves;
mod memory;
mod requests;
mod spoken;
mod stood;
mod tree;

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::fake::server::{Ca, Server, authority, certified, ok, params};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease, socket};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{RData, Record, RecordType};
use policy::mcp::Mcp;
use policy::{
    Conjunction, Flow, Host, Inference, Label, LabelPattern, PathPattern, Policy, Protocol, Provider, Route, Rule,
    Sink, Target, ValuePattern, Vendor,
};
use serde_json::{Value, json};
use wire::Labelled;
use wire::petition::{Answer, Petition};
use wrap::{BINARY, MEMO, SECRET, SENTENCE, WRAPS};

/// What harmless words say.
const HARMLESS: &str = "the build went through";

/// A cell with a way out of each kind.
struct Scene {
    cell: Cell,
    cells: Ca,
    sink: Server,
    secure: Server,
    sockets: socket::Server,
    /// Names that the resolver outside was asked for.
    names: Arc<Mutex<Vec<String>>>,
    /// Words that reached the plane.
    words: Arc<Mutex<usize>>,
    gate: Gate,
    /// What the gate was told.
    leased: wire::Lease,
}

/// Answers anything: a model says what it was told to, as a call; a server of MCP has called a tool.
fn sink(head: &str, body: &[u8]) -> Vec<u8> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    if head.contains("/v1/chat/completions") {
        let said = &asked["messages"][0]["content"];
        let call = json!({"id": "c1", "type": "function",
            "function": {"name": "fetch", "arguments": json!({"url": said}).to_string()}});
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        let answer = json!({"id": "x", "object": "chat.completion", "model": "small", "choices":
            [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
        return ok("application/json", answer.to_string().as_bytes());
    }
    let result = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"content": []}});
    ok("application/json", result.to_string().as_bytes())
}

/// A resolver that keeps what it is asked, and sends everybody to the servers of the test.
fn resolver() -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = UdpSocket::bind((OUTSIDE, 0)).unwrap();
    let (at, names) = (socket.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let kept = Arc::clone(&names);
    std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let mut message = Message::from_vec(&bytes[..length]).unwrap();
            let query = message.queries[0].clone();
            kept.lock().unwrap().push(query.name().to_utf8());
            message.metadata.message_type = MessageType::Response;
            if query.query_type() == RecordType::A {
                message.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(OUTSIDE.into())));
            }
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    (at, names)
}

/// The document, a secret, and where neither may go.
fn guarded(policy: &mut Policy) -> Vec<Labelled> {
    let deny = || LabelPattern::parse("secret:*").unwrap();
    policy.flows = [None, Some(Sink::Tool), Some(Sink::Human)].map(|to| Flow { deny: deny(), to }).to_vec();
    [("secret:plan", MEMO, false), ("secret:env", SECRET, true)]
        .map(|(label, text, exact)| {
            let label = Label::parse(label).unwrap();
            Labelled { label, source: "a file".into(), text: text.into(), exact }
        })
        .to_vec()
}

fn rules(sink: u16, secure: u16, sockets: u16) -> Policy {
    let to = |text: &str, port: u16| Rule::to(Target::parse(&format!("{text}:{port}")).unwrap());
    let beneath = |path: &str| vec![PathPattern::parse(path).unwrap()];
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let provider = Provider {
        name: "chat".into(),
        wire: Vendor::Openai,
        host: Host::parse("chat.example").unwrap(),
        port: sink,
        tls: false,
        base: String::new(),
        credential: None,
        login: None,
    };
    let models = vec![ValuePattern::parse("gpt-*").unwrap()];
    let route = Route { models, provider: "chat".into(), model: None, fallback: Vec::new() };
    policy.inference = Inference { providers: vec![provider], routes: vec![route], ..Inference::default() };
    policy.network.allow = policy.inference.rules();
    policy.network.allow.extend([
        to("web.example", sink),
        to("*.drop.example", sink),
        to("web.example", secure),
        Rule { protocol: Protocol::Websocket, paths: beneath("/ws/**"), ..to("web.example", sockets) },
        Rule { protocol: Protocol::Mcp, paths: beneath("/mcp/**"), mcp: Mcp::default(), ..to("mcp.example", sink) },
        to("mcp.example", sink),
    ]);
    policy.network.allow.extend([sink, secure, sockets].map(|port| to(&OUTSIDE.to_string(), port)));
    policy
}

fn scene() -> Scene {
    scene_with(|_| {})
}

fn scene_with(change: impl FnOnce(&mut wire::Lease)) -> Scene {
    scene_in(None, change)
}

/// The same in a tree whose gates tell one another of drops in this file; in none where there is no file.
fn scene_in(drops: Option<PathBuf>, change: impl FnOnce(&mut wire::Lease)) -> Scene {
    let (mut cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    if let Some(drops) = drops {
        cell.drops = drops;
    }
    let (open, secure) = (Server::plain(sink), Server::tls(&servers, &["web.example"], sink));
    let sockets = socket::Server::new(Some(certified(&servers, params(&["web.example"]))));
    let (nameserver, names) = resolver();
    let (mut leased, mut policy) = (lease(&[]), rules(open.port, secure.port, sockets.port));
    leased.labelled = guarded(&mut policy);
    leased.policy = Conjunction::new(vec![policy]);
    leased.nameservers = vec![nameserver];
    leased.hosts = ["web", "mcp", "chat"].map(|name| (format!("{name}.example"), OUTSIDE.into())).to_vec();
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    change(&mut leased);
    let gate = cell.start(&leased, ORDINARY).ready();
    let words = Arc::<Mutex<usize>>::default();
    let told = Arc::clone(&words);
    gate.answering(move |petitioned| {
        *told.lock().unwrap() += usize::from(matches!(petitioned.petition, Petition::Report(_) | Petition::Send(_)));
        Some(Answer::Done)
    });
    Scene { cell, cells, sink: open, secure, sockets, names, words, gate, leased }
}

impl Scene {
    /// What reached anybody outside.
    fn reached(&self) -> usize {
        let http = self.sink.got.lock().unwrap().len() + self.secure.got.lock().unwrap().len();
        // The gate closes with a code of its own, and says nothing with it.
        let frames = self.sockets.frames().into_iter().filter(|(first, said)| *first != 0x88 || said.len() > 2).count();
        http + frames + self.names.lock().unwrap().len() + *self.words.lock().unwrap()
    }
}

/// What is sent, by the name of its encodings.
struct Sent {
    name: String,
    bytes: Vec<u8>,
}

/// A secret and a sentence of the document in every encoding that gives what a channel can carry, and in pairs of them where
/// that is asked for.
fn all(fits: impl Fn(&[u8]) -> bool) -> Vec<Sent> {
    let texts = [("a secret", SECRET), ("a sentence", SENTENCE)];
    let mut sent = Vec::new();
    for (what, text) in texts {
        let text = format!("see {text} .");
        for row in WRAPS {
            sent.push(Sent { name: format!("{what} in {}", row.0), bytes: row.1(text.as_bytes()) });
        }
        let doubly = std::env::var_os("BASTIDE_EXFIL_DOUBLE").is_some();
        for outer in WRAPS.iter().filter(|row| doubly && BINARY.contains(&row.0)) {
            for inner in WRAPS.iter().filter(|row| row.0 != "hex dump") {
                let bytes = outer.1(&inner.1(text.as_bytes()));
                sent.push(Sent { name: format!("{what} in {} of {}", outer.0, inner.0), bytes });
            }
        }
    }
    sent.retain(|one| fits(&one.bytes));
    sent
}

/// Sends all of it by one channel, of which nothing may reach anybody, and something harmless, which has to.
fn nothing_reaches(channel: &str, fits: impl Fn(&[u8]) -> bool, send: impl Fn(&Scene, &[u8]) -> usize) {
    let scene = scene();
    let control = || {
        let before = scene.reached();
        let came = send(&scene, HARMLESS.as_bytes());
        assert!(scene.reached() - before + came > 0, "{channel}: what is harmless did not reach anybody");
    };
    control();
    let (sent, mut leaked) = (all(fits), Vec::new());
    for one in &sent {
        let before = scene.reached();
        let came = send(&scene, &one.bytes);
        if scene.reached() - before + came > 0 {
            leaked.push(&one.name);
        }
    }
    println!("{channel:<24} {:>6} sent {:>4} reached", sent.len(), leaked.len());
    assert!(sent.len() >= 40, "{channel} carries {} only", sent.len());
    assert!(leaked.is_empty(), "{channel}: {} of {} left: {leaked:#?}", leaked.len(), sent.len());
    control();
}

/// Bytes in a path or a query.
fn escaped(bytes: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
