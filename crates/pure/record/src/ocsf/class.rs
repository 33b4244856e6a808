//! Which class an event becomes, with its fields.

use serde_json::{Map, Value, json};

use super::parts::{actor, decision, destination, hostname, last, severity, source};
use super::{About, Class, rest};
use crate::event::{EventId, Kind, Verdict};

const FILE: (u32, &str) = (1001, "File System Activity");
const PROCESS: (u32, &str) = (1007, "Process Activity");
const FINDING: (u32, &str) = (2004, "Detection Finding");
const NETWORK: (u32, &str) = (4001, "Network Activity");
const HTTP: (u32, &str) = (4002, "HTTP Activity");
const DNS: (u32, &str) = (4003, "DNS Activity");
const LIFECYCLE: (u32, &str) = (6002, "Application Lifecycle");
const API: (u32, &str) = (6003, "API Activity");
const BASE: (u32, &str) = (0, "Base Event");
/// An activity that the class does not name.
const OTHER: u32 = 99;

pub(super) fn of(about: &About, id: EventId, kind: &Kind) -> Class {
    match kind {
        Kind::Connect { .. } | Kind::Close { .. } | Kind::Resolve { .. } | Kind::Request { .. } => network(about, kind),
        Kind::Mcp { .. } | Kind::Model { .. } | Kind::Answered { .. } => api(about, kind),
        Kind::Petition { .. } | Kind::PetitionAnswered { .. } => petition(about, kind),
        Kind::Exec { .. } | Kind::FileRefused { .. } | Kind::WorkspaceChange { .. } => system(about, kind),
        Kind::SessionStart { .. } | Kind::Ended { .. } => lifecycle(about, kind),
        Kind::Evidence { .. } | Kind::Risk { .. } => finding(about, id, kind),
        _ => base(kind),
    }
}

fn class((class, name): (u32, &'static str), (activity, word): (u32, &str), severity: u32) -> Class {
    let (fields, unmapped) = (Map::new(), Map::new());
    Class { class, name, activity, activity_name: word.to_owned(), severity, fields, unmapped }
}

impl Class {
    fn with(mut self, key: &str, value: Value) -> Self {
        self.fields.insert(key.to_owned(), value);
        self
    }

    /// How many it stands for, where that is more than one.
    fn counted(self, times: u64) -> Self {
        if times == 1 { self } else { self.with("count", times.into()) }
    }

    fn decided(mut self, fields: Map<String, Value>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Fields that the class has no place for, as they stand in the record.
    fn beside(mut self, kind: &Kind, keys: &[&str]) -> Self {
        let fields = rest(kind).into_iter().filter(|(key, value)| keys.contains(&key.as_str()) && !value.is_null());
        self.unmapped.extend(fields);
        self
    }
}

fn network(about: &About, kind: &Kind) -> Class {
    match kind {
        Kind::Connect { pid, program, host, address, port, verdict, rule, reason, times, .. } => {
            let activity = if *verdict == Verdict::Allowed { (1, "Open") } else { (5, "Refuse") };
            class(NETWORK, activity, severity(*verdict))
                .decided(decision(about, *verdict, rule.as_deref(), reason.as_deref()))
                .with("actor", actor(about, *pid, program))
                .with("src_endpoint", source(about))
                .with("dst_endpoint", destination(host, Some(*port), address.as_deref()))
                .with("connection_info", json!({"protocol_name": "tcp", "protocol_num": 6, "direction_id": 2}))
                .beside(kind, &["suggestion"])
                .counted(*times)
        }
        Kind::Close { connect, sent, received, address, note } => {
            let closed = class(NETWORK, (2, "Close"), 1)
                .with("src_endpoint", source(about))
                .with("connection_info", json!({"uid": about.uid(*connect), "direction_id": 2}))
                .with("traffic", json!({"bytes_out": sent, "bytes_in": received}));
            let closed = match address {
                Some(address) => closed.with("dst_endpoint", destination(address, None, None)),
                None => closed,
            };
            if let Some(note) = note { closed.with("status_detail", note.clone().into()) } else { closed }
        }
        Kind::Resolve { name, verdict, reason, times } => class(DNS, (1, "Query"), severity(*verdict))
            .decided(decision(about, *verdict, None, reason.as_deref()))
            .with("src_endpoint", source(about))
            .with("query", json!({"hostname": name}))
            .counted(*times),
        Kind::Request { pid, program, host, port, method, target, verdict, rule, reason, .. } => {
            let mut request = Map::from_iter([("url".to_owned(), url(host, *port, target))]);
            // The schema takes no other; the activity is named by it.
            if !matches!(activity_of(method), (0 | OTHER, _)) {
                request.insert("http_method".into(), method.clone().into());
            }
            class(HTTP, activity_of(method), severity(*verdict))
                .decided(decision(about, *verdict, rule.as_deref(), reason.as_deref()))
                .with("actor", actor(about, *pid, program))
                .with("src_endpoint", source(about))
                .with("dst_endpoint", destination(host, Some(*port), None))
                .with("http_request", request.into())
                .beside(kind, &["suggestion", "websocket"])
        }
        other => base(other),
    }
}

fn url(host: &str, port: u16, target: &str) -> Value {
    let whole = format!("{host}:{port}{target}");
    match hostname(host) {
        Some(name) => json!({"hostname": name, "port": port, "path": target, "url_string": whole}),
        None => json!({"port": port, "path": target, "url_string": whole}),
    }
}

/// A method that the schema does not know is one all the same.
fn activity_of(method: &str) -> (u32, &str) {
    match method {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "" => (0, "Unknown"),
        method => (OTHER, method),
    }
}

fn api(about: &About, kind: &Kind) -> Class {
    match kind {
        Kind::Mcp { pid, program, host, port, method, name, verdict, rule, reason, server, .. } => {
            let said = if method.is_empty() { "answer" } else { method.as_str() };
            let called = name.as_deref().map_or_else(|| said.to_owned(), |name| format!("{said} {name}"));
            class(API, (OTHER, said), severity(*verdict))
                .decided(decision(about, *verdict, rule.as_deref(), reason.as_deref()))
                .with("actor", actor(about, *pid, program))
                .with("src_endpoint", source(about))
                .with("dst_endpoint", destination(host, Some(*port), None))
                .with(
                    "api",
                    json!({"operation": called, "service": {"name": if *server { "mcp server" } else { "mcp" }}}),
                )
                .beside(kind, &["target", "words", "suggestion"])
        }
        Kind::Model { pid, program, host, asked, model, provider, verdict, rule, reason } => {
            class(API, (OTHER, "Ask a model"), severity(*verdict))
                .decided(decision(about, *verdict, rule.as_deref(), reason.as_deref()))
                .with("actor", actor(about, *pid, program))
                .with("src_endpoint", source(about))
                .with("dst_endpoint", destination(host, None, None))
                .with("api", json!({"operation": asked, "service": {"name": provider.as_deref().unwrap_or("none")}}))
                .with("resources", json!([{"name": model, "type": "model"}]))
        }
        Kind::Answered { model, whole, error, .. } => {
            let failed = error.is_some() || !*whole;
            let answered = class(API, (OTHER, "Answer of a model"), 1)
                .with("actor", actor(about, None, &[]))
                .with("src_endpoint", source(about))
                .with("api", json!({"operation": "answer", "request": {"uid": about.uid(*model)}}))
                .with("status_id", if failed { 2 } else { 1 }.into())
                .with("status", if failed { "Failure" } else { "Success" }.into())
                .beside(kind, &["input", "output", "stop", "whole", "complaint", "cost"]);
            if let Some(error) = error { answered.with("status_detail", error.clone().into()) } else { answered }
        }
        other => base(other),
    }
}

fn petition(about: &About, kind: &Kind) -> Class {
    let service = json!({"name": "bastide.internal"});
    match kind {
        Kind::Petition { pid, program, verb, verdict, rule, reason, .. } => {
            let verb = if verb.is_empty() { "unread" } else { verb.as_str() };
            class(API, (OTHER, verb), severity(*verdict))
                .decided(decision(about, *verdict, rule.as_deref(), reason.as_deref()))
                .with("actor", actor(about, *pid, program))
                .with("src_endpoint", source(about))
                .with("dst_endpoint", destination("bastide.internal", Some(80), None))
                .with("api", json!({"operation": verb, "service": service}))
                .beside(kind, &["words", "labels"])
        }
        Kind::PetitionAnswered { petition, verdict, reason } => {
            class(API, (OTHER, "Answer to a petition"), severity(*verdict))
                .decided(decision(about, *verdict, None, Some(reason)))
                .with("actor", actor(about, None, &[]))
                .with("src_endpoint", source(about))
                .with(
                    "api",
                    json!({"operation": "answer", "service": service, "request": {"uid": about.uid(*petition)}}),
                )
        }
        other => base(other),
    }
}

fn system(about: &About, kind: &Kind) -> Class {
    match kind {
        Kind::Exec { pid, parent, by, claimed, arguments } => {
            let line = arguments.join(" ");
            let process = json!({"pid": pid, "name": last(claimed), "path": claimed, "cmd_line": line});
            let by =
                json!({"session": {"uid": about.session}, "process": {"pid": parent, "name": last(by), "path": by}});
            class(PROCESS, (1, "Launch"), 1).with("actor", by).with("process", process)
        }
        Kind::FileRefused { pid, program, path, .. } => {
            let program: Vec<String> = program.iter().cloned().collect();
            class(FILE, (14, "Open"), 2)
                .decided(decision(about, Verdict::Refused, None, Some("Landlock")))
                .with("actor", actor(about, *pid, &program))
                .with("file", file(path.as_deref().unwrap_or("(counted)")))
                .beside(kind, &["access", "untold"])
        }
        Kind::WorkspaceChange { path, change } => {
            let activity = match change.as_str() {
                "added" | "created" => (1, "Create"),
                "removed" => (4, "Delete"),
                _ => (3, "Update"),
            };
            class(FILE, activity, 1)
                .with("actor", actor(about, None, &[]))
                .with("file", file(path))
                .beside(kind, &["change"])
        }
        other => base(other),
    }
}

fn file(path: &str) -> Value {
    // 0: whether it is a file or a directory is not known.
    json!({"type_id": 0, "name": last(path), "path": path})
}

fn lifecycle(about: &About, kind: &Kind) -> Class {
    let app = |words: &[String]| {
        let name = words.first().map_or("agent", |word| last(word));
        json!({"name": name, "uid": about.session, "vendor_name": "unknown"})
    };
    match kind {
        Kind::SessionStart { command, .. } => class(LIFECYCLE, (3, "Start"), 1)
            .with("app", app(command))
            .with("policy", json!({"name": about.policy}))
            .beside(kind, &["command", "workspace", "mode", "accepted_risks"]),
        Kind::Ended { exit, reason } => class(LIFECYCLE, (4, "Stop"), 1)
            .with("app", app(&[]))
            .with("status_id", if *exit == 0 { 1 } else { 2 }.into())
            .with("status_code", exit.to_string().into())
            .with("status_detail", reason.clone().into()),
        other => base(other),
    }
}

fn finding(about: &About, id: EventId, kind: &Kind) -> Class {
    let (what, from, how, quoted) = match kind {
        Kind::Evidence { what, source, how, quoted } => (what, source, how, quoted),
        Kind::Risk { name, source, why, quoted, .. } => (name, source, why, quoted),
        other => return base(other),
    };
    let title = if how.is_empty() { format!("{what}: {from}") } else { format!("{what} ({how}): {from}") };
    let info = json!({"uid": about.uid(id), "title": title, "types": [what], "data_sources": [from]});
    class(FINDING, (1, "Create"), 4)
        .with("finding_info", info)
        .with("is_alert", true.into())
        .with("policy", json!({"name": about.policy}))
        .with("evidences", json!([{"data": {"source": from, "how": how, "quoted": quoted}}]))
        .beside(kind, &["from", "to", "weight", "score"])
}

/// What has no class of its own is told as it stands in the record.
fn base(kind: &Kind) -> Class {
    let mut fields = rest(kind);
    let word = fields.remove("kind").and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    let mut class = class(BASE, (OTHER, &word), 1);
    class.unmapped = fields;
    class
}
