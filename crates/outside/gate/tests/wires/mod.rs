//! A provider of every wire that answers with two calls of tools, and conversations in each.
#![allow(dead_code, unreachable_pub, missing_docs)]

use policy::{Conjunction, Flow, Inference, LabelPattern, Policy, Rule, Sink, Target, Vendor};
use serde_json::{Value, json};
use wire::{Labelled, Lease};

use crate::fake::models::{provided, route};
use crate::fake::server::{Handler, Server, ok, request, say};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};

pub const SECRET: &str = "hunter2-hunter2";
/// Two calls: one carries what is labelled, in pieces where the wire has some.
pub const CALLS: [(&str, &str); 2] = [("leak", "say hunter2-hunter2"), ("read", "notes.md")];

/// Where their arguments are cut.
pub const CUTS: [usize; 2] = [12, 3];

pub fn provider(head: &str, body: &[u8]) -> Vec<u8> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let path = head.split(' ').nth(1).unwrap();
    let streams = body["stream"] == true || path.contains("stream");
    let (kind, text) = match path {
        "/v1/messages" => messages(streams),
        "/v1/chat/completions" => chat(streams),
        "/v1/responses" => responses(streams),
        "/api/chat" => ollama(streams),
        _ => gemini(streams),
    };
    ok(kind, text.as_bytes())
}

pub fn events(list: &[Value]) -> String {
    list.iter().map(|event| format!("data: {event}\n\n")).collect()
}

pub const EVENTS: &str = "text/event-stream";
pub const JSON: &str = "application/json";

pub fn messages(streams: bool) -> (&'static str, String) {
    let call = |at: usize| json!({"type": "tool_use", "id": format!("c{at}"), "name": CALLS[at].0, "input": {"x": CALLS[at].1}});
    if !streams {
        let text = json!({"type": "text", "text": "both"});
        let usage = json!({"input_tokens": 1, "output_tokens": 1});
        return (JSON, json!({"type": "message", "role": "assistant", "model": "m", "content": [text, call(0), call(1)], "stop_reason": "tool_use", "usage": usage}).to_string());
    }
    let mut list = vec![
        json!({"type": "message_start", "message": {"type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 0}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "both"}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    for (at, (name, words)) in CALLS.into_iter().enumerate() {
        let input = json!({"x": words}).to_string();
        let (first, second) = input.split_at(CUTS[at]);
        list.push(json!({"type": "content_block_start", "index": at + 1, "content_block": {"type": "tool_use", "id": format!("c{at}"), "name": name, "input": {}}}));
        for piece in [first, second] {
            list.push(json!({"type": "content_block_delta", "index": at + 1, "delta": {"type": "input_json_delta", "partial_json": piece}}));
        }
        list.push(json!({"type": "content_block_stop", "index": at + 1}));
    }
    list.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}));
    list.push(json!({"type": "message_stop"}));
    (EVENTS, events(&list))
}

pub fn chat(streams: bool) -> (&'static str, String) {
    let function = |at: usize| json!({"name": CALLS[at].0, "arguments": json!({"x": CALLS[at].1}).to_string()});
    if !streams {
        let call = |at: usize| json!({"id": format!("c{at}"), "type": "function", "function": function(at)});
        let message = json!({"role": "assistant", "content": "both", "tool_calls": [call(0), call(1)]});
        return (
            JSON,
            json!({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
                .to_string(),
        );
    }
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let mut list = vec![delta(json!({"role": "assistant", "content": "both"}))];
    for at in 0..2 {
        let whole = function(at);
        let arguments = whole["arguments"].as_str().unwrap();
        let begun = json!({"name": whole["name"], "arguments": arguments[..CUTS[at]]});
        list.push(delta(
            json!({"tool_calls": [{"index": at, "id": format!("c{at}"), "type": "function", "function": begun}]}),
        ));
        list.push(delta(json!({"tool_calls": [{"index": at, "function": {"arguments": arguments[CUTS[at]..]}}]})));
    }
    list.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    (EVENTS, events(&list) + "data: [DONE]\n\n")
}

pub fn responses(streams: bool) -> (&'static str, String) {
    let text = json!({"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "both", "annotations": []}]});
    let call = |at: usize, arguments: &str| json!({"type": "function_call", "id": format!("f{at}"), "call_id": format!("c{at}"), "name": CALLS[at].0, "arguments": arguments});
    let whole = |at: usize| call(at, &json!({"x": CALLS[at].1}).to_string());
    let response = json!({"model": "m", "status": "completed", "output": [text, whole(0), whole(1)], "usage": {"input_tokens": 1, "output_tokens": 1}});
    if !streams {
        return (JSON, response.to_string());
    }
    let mut list = vec![
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m", "role": "assistant", "content": []}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "both"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": text}),
    ];
    for at in 0..2 {
        let index = at + 1;
        list.push(json!({"type": "response.output_item.added", "output_index": index, "item": call(at, "")}));
        list.push(json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": whole(at)["arguments"]}));
        list.push(json!({"type": "response.output_item.done", "output_index": index, "item": whole(at)}));
    }
    list.push(json!({"type": "response.completed", "response": response}));
    (EVENTS, events(&list))
}

pub fn gemini(streams: bool) -> (&'static str, String) {
    let part = |at: usize| json!({"functionCall": {"name": CALLS[at].0, "args": {"x": CALLS[at].1}}});
    let chunk = |parts: Value, stop: Value| json!({"modelVersion": "m", "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": stop}]});
    let text = json!({"text": "both"});
    if !streams {
        return (JSON, chunk(json!([text, part(0), part(1)]), "STOP".into()).to_string());
    }
    let list = [chunk(json!([text]), Value::Null), chunk(json!([part(0), part(1)]), "STOP".into())];
    (EVENTS, events(&list))
}

pub fn ollama(streams: bool) -> (&'static str, String) {
    let call = |at: usize| json!({"function": {"name": CALLS[at].0, "arguments": {"x": CALLS[at].1}}});
    let line = |message: Value, done: bool| json!({"model": "m", "message": message, "done": done, "done_reason": if done { "stop".into() } else { Value::Null }});
    let calls = json!([call(0), call(1)]);
    if !streams {
        return (JSON, line(json!({"role": "assistant", "content": "both", "tool_calls": calls}), true).to_string());
    }
    let lines = [
        line(json!({"role": "assistant", "content": "both"}), false),
        line(json!({"role": "assistant", "content": "", "tool_calls": calls}), false),
        line(json!({"role": "assistant", "content": ""}), true),
    ];
    ("application/x-ndjson", lines.map(|line| line.to_string() + "\n").concat())
}

pub struct Scene {
    pub cell: Cell,
    pub gate: Gate,
}

pub fn scene(handler: Handler, to: &[Sink]) -> Scene {
    let cell = Cell::new();
    let server = Server::plain(handler);
    at(cell, server.port, to)
}

pub fn at(cell: Cell, port: u16, to: &[Sink]) -> Scene {
    under(cell, port, to, |_| {})
}

pub fn under(cell: Cell, port: u16, to: &[Sink], change: impl FnOnce(&mut Policy)) -> Scene {
    under_for(cell, port, to, change, |_| {})
}

pub fn under_for(
    cell: Cell,
    port: u16,
    to: &[Sink],
    change: impl FnOnce(&mut Policy),
    lend: impl FnOnce(&mut Lease),
) -> Scene {
    let provided = |wire: Vendor| provided(wire.name(), wire, &format!("{}.example", wire.name()), port);
    let route = |models: &str, wire: Vendor| route(models, wire.name());
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.inference = Inference {
        providers: Vendor::ALL.map(provided).to_vec(),
        routes: vec![
            route("claude-*", Vendor::Anthropic),
            route("gpt-*", Vendor::Openai),
            route("gemini-*", Vendor::Gemini),
            route("llama-*", Vendor::Ollama),
            route("as-chat", Vendor::Openai),
        ],
        ..Inference::default()
    };
    policy.network.allow = policy.inference.rules();
    policy.network.allow.push(Rule::to(Target::parse(&format!("{OUTSIDE}:{port}")).unwrap()));
    let deny = LabelPattern::parse("secret:*").unwrap();
    policy.flows = to.iter().map(|to| Flow { deny: deny.clone(), to: Some(*to) }).collect();
    change(&mut policy);
    let mut leased = lease(&[]);
    leased.policy = Conjunction::new(vec![policy]);
    leased.hosts = Vendor::ALL.map(|wire| (format!("{}.example", wire.name()), OUTSIDE.into())).to_vec();
    leased.labelled = vec![Labelled {
        label: policy::Label::parse("secret:env").unwrap(),
        source: "`TOKEN` in .env".into(),
        text: SECRET.into(),
        exact: true,
    }];
    lend(&mut leased);
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, gate }
}

/// Path and body of a question in each wire.
pub fn questions(streams: bool) -> Vec<(&'static str, Value)> {
    let said = json!([{"role": "user", "content": "hi"}]);
    let tool = |name: &str| json!({"name": name, "parameters": {"type": "object"}});
    let gemini = if streams {
        "/v1beta/models/gemini-2:streamGenerateContent?alt=sse"
    } else {
        "/v1beta/models/gemini-2:generateContent"
    };
    let functions = json!([{"type": "function", "function": tool("read")}]);
    vec![
        ("/v1/messages", json!({"model": "claude-9", "max_tokens": 9, "stream": streams, "messages": said})),
        ("/v1/chat/completions", json!({"model": "gpt-5", "stream": streams, "messages": said, "tools": functions})),
        ("/v1/responses", json!({"model": "gpt-5", "stream": streams, "input": "hi"})),
        (gemini, json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
        ("/api/chat", json!({"model": "llama-4", "stream": streams, "messages": said})),
        // In translation.
        ("/v1/messages", json!({"model": "as-chat", "max_tokens": 9, "stream": streams, "messages": said})),
    ]
}

pub fn asking(path: &str, body: &Value) -> Vec<u8> {
    let said = request("POST", "inference.bastide", 80, path, "", &body.to_string());
    String::from_utf8(said).unwrap().replace("inference.bastide:80", "inference.bastide").into_bytes()
}

impl Scene {
    pub fn ask(&self, path: &str, body: &Value) -> String {
        say(&self.cell, None, "inference.bastide", 80, &asking(path, body)).unwrap()
    }
}

/// Path and body of a conversation in each wire, in which a tool has given this.
pub fn after(gave: &str, streams: bool) -> Vec<(&'static str, Value)> {
    let said = json!({"role": "user", "content": "Summarise notes.md"});
    let function = json!({"name": "fetch", "arguments": "{}"});
    let chat = json!([said, {"role": "assistant", "content": null, "tool_calls": [{"id": "r", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "r", "content": gave}]);
    let messages = json!([said, {"role": "assistant", "content": [{"type": "tool_use", "id": "r", "name": "fetch", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "r", "content": gave}]}]);
    let input = json!([said, {"type": "function_call", "call_id": "r", "name": "fetch", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "r", "output": gave}]);
    let part = |part: Value, role: &str| json!({"role": role, "parts": [part]});
    let contents = json!([
        part(json!({"text": "Summarise notes.md"}), "user"),
        part(json!({"functionCall": {"name": "fetch", "args": {}}}), "model"),
        part(json!({"functionResponse": {"name": "fetch", "response": {"output": gave}}}), "user")
    ]);
    let ollama = json!([said, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "fetch", "arguments": {}}}]},
        {"role": "tool", "tool_name": "fetch", "content": gave}]);
    let gemini = if streams {
        "/v1beta/models/gemini-2:streamGenerateContent?alt=sse"
    } else {
        "/v1beta/models/gemini-2:generateContent"
    };
    vec![
        ("/v1/messages", json!({"model": "claude-9", "max_tokens": 9, "stream": streams, "messages": messages})),
        ("/v1/chat/completions", json!({"model": "gpt-5", "stream": streams, "messages": chat})),
        ("/v1/responses", json!({"model": "gpt-5", "stream": streams, "input": input})),
        (gemini, json!({"contents": contents})),
        ("/api/chat", json!({"model": "llama-4", "stream": streams, "messages": ollama})),
        ("/v1/messages", json!({"model": "as-chat", "max_tokens": 9, "stream": streams, "messages": messages})),
    ]
}
