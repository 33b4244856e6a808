//! Servers that speak MCP over HTTP: what reached one, what a program got of its answer, and what the record tells.

mod heard;
mod lent;
mod said;

use crate::fake::server::{Ca, Server, authority, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::mcp::{Grant, Mcp, TextPattern};
use policy::{Conjunction, PathPattern, Policy, Protocol, Rule, Target};
use serde_json::{Value, json};

/// What is offered: what rules allow, and what they do not.
fn tools(description: &str) -> Value {
    let tool = |name: &str| json!({"name": name, "description": description, "inputSchema": {"type": "object"}});
    json!([tool("read_file"), tool("write_file")])
}

fn result(id: &Value, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

fn text(words: &str) -> Value {
    json!({"content": [{"type": "text", "text": words}]})
}

/// Events, one for each message.
fn events(messages: &[String]) -> Vec<u8> {
    let all: String = messages.iter().map(|message| format!("event: message\ndata: {message}\n\n")).collect();
    ok("text/event-stream", all.as_bytes())
}

/// A server in order: `/mcp/json` answers in JSON, all else in events. What it does beside that, the path tells.
fn server(head: &str, body: &[u8]) -> Vec<u8> {
    let case = head.split([' ', '?']).nth(1).unwrap().trim_start_matches("/mcp/").to_owned();
    if let Some(answer) = heard::hostile(&case, head, body) {
        return answer;
    }
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = &message["id"];
    let answer = match message["method"].as_str() {
        Some("initialize") => {
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}})
        }
        Some("tools/list") => json!({"tools": tools("reads"), "nextCursor": "2"}),
        Some("tools/call") => text(&format!("called with {}", message["params"]["arguments"])),
        Some(_) if !id.is_null() => json!({}),
        _ => return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    let answer = result(id, &answer);
    if case == "json" { ok("application/json; charset=utf-8", answer.as_bytes()) } else { events(&[answer]) }
}

struct Scene {
    cell: Cell,
    cells: Ca,
    server: Server,
    gate: Gate,
}

fn patterns(list: &[&str]) -> Vec<TextPattern> {
    list.iter().map(|one| TextPattern::parse(one).unwrap()).collect()
}

/// A rule about MCP at the paths where it is spoken.
fn spoken(port: u16, mcp: Mcp) -> Rule {
    let paths = vec![PathPattern::parse("/mcp/**").unwrap()];
    Rule { protocol: Protocol::Mcp, paths, mcp, ..Rule::to(Target::parse(&format!("mcp.example:{port}")).unwrap()) }
}

fn granted(grants: &[Grant]) -> Mcp {
    Mcp { grant: grants.iter().copied().collect(), ..Mcp::default() }
}

/// A session in which a server speaks MCP by such rules, and is open to any request elsewhere.
fn scene_with(allow: Mcp, deny: Option<Mcp>, change: impl FnOnce(&mut wire::Lease, &mut Policy, u16)) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let server = Server::tls(&servers, &["mcp.example"], server);
    let port = server.port;
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let here = |text: &str| Rule::to(Target::parse(&format!("{text}:{port}")).unwrap());
    policy.network.allow = vec![spoken(port, allow), here("mcp.example"), here(&OUTSIDE.to_string())];
    policy.network.deny = deny.map(|mcp| spoken(port, mcp)).into_iter().collect();
    let mut leased = lease(&[]);
    change(&mut leased, &mut policy, port);
    leased.policy = Conjunction::new(vec![policy]);
    leased.hosts = vec![("mcp.example".into(), OUTSIDE.into())];
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, cells, server, gate }
}

fn scene(allow: Mcp, deny: Option<Mcp>) -> Scene {
    scene_with(allow, deny, |_, _, _| {})
}

const HEADERS: &str = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";

impl Scene {
    /// What comes back to what is said.
    fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let port = self.server.port;
        let said = request(method, "mcp.example", port, path, headers, body);
        say(&self.cell, Some(&self.cells), "mcp.example", port, &said).unwrap_or_default()
    }

    fn post(&self, case: &str, body: &str) -> String {
        self.raw("POST", &format!("/mcp/{case}"), HEADERS, body)
    }

    /// Asks for something, and gives the messages that come back.
    fn ask(&self, case: &str, id: u64, method: &str, params: &Value) -> Vec<Value> {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        messages(&self.post(case, &body.to_string()))
    }

    /// Events of the record that tell of messages, and of what was said.
    fn told(&self) -> Vec<Value> {
        let lines = self.cell.record();
        let events = lines.lines().filter_map(|line| serde_json::from_str(line.split_once(' ')?.1).ok());
        events.filter(|event: &Value| matches!(event["kind"].as_str(), Some("mcp" | "said"))).collect()
    }
}

/// The messages in an answer, in JSON or in events, in chunks or not.
fn messages(answer: &str) -> Vec<Value> {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Vec::new() };
    let mut whole = String::new();
    if head.contains("Transfer-Encoding: chunked") {
        let mut rest = body;
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap_or(0);
            if size == 0 || after.len() < size {
                break;
            }
            whole += &after[..size];
            rest = &after[size + 2..];
        }
    } else {
        whole = body.to_owned();
    }
    if head.contains("application/json") {
        return serde_json::from_str(&whole).into_iter().collect();
    }
    whole.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

/// What an error in the place of an answer says.
fn refused(messages: &[Value]) -> &str {
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages[0]["error"]["message"].as_str().unwrap_or_default()
}
