//! Models whose providers speak another wire than the program, and those that fall back on others: judged by what providers
//! were sent, by what programs got, and by the record.

use std::net::TcpListener;

use crate::fake::dns::address;
use crate::fake::script::Step::{Reset, Say};
use crate::fake::script::{Step, To, stage, whole};
use crate::fake::server::{Server, authority, certified, ok, params, request};
use crate::fake::{Cell, Gate, ORDINARY, OUTSIDE, lease};
use policy::{
    Conjunction, Fallback, Flow, Host, Inference, LabelPattern, Policy, Provider, Route, Rule, Target, ValuePattern,
    Vendor,
};
use serde_json::{Value, json};
use wire::{Labelled, Lent};

const KEY: &str = "sk-0123456789abcdef-the-key";
const COMMAND: &str = "cat notes.md && ls";

/// An answer with a status.
fn answered(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    head.into_bytes()
}

fn wrong(status: &str, message: &str) -> Vec<u8> {
    let body = json!({"error": {"message": message, "type": "server_error", "code": null}}).to_string();
    answered(status, "Content-Type: application/json\r\nRetry-After: 7\r\n", &body)
}

/// A server that speaks chat: a call first, words once it was told what that gave. The model says what else it does.
fn chat(_: &str, body: &[u8]) -> Vec<u8> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = body["messages"].as_array().is_some_and(|all| all.iter().any(|one| one["role"] == "tool"));
    let id = if told { "x2" } else { "x1" };
    match body["model"].as_str().unwrap_or_default() {
        "busy" => return wrong("529 Overloaded", "too busy"),
        "slow" => return wrong("429 Too Many Requests", "slow down"),
        "bad" => return wrong("400 Bad Request", "no such thing"),
        "page" => return ok("text/html", b"<html>"),
        "echo" => {
            let message = json!({"role": "assistant", "content": format!("your key is {KEY}.")});
            let answer = json!({"id": id, "model": "echo", "choices": [{"message": message, "finish_reason": "stop"}]});
            return ok("application/json", answer.to_string().as_bytes());
        }
        _ => {}
    }
    let arguments = json!({"command": COMMAND}).to_string();
    let usage = json!({"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42});
    if body["stream"] != true {
        let message = match told {
            true => json!({"role": "assistant", "content": "Sales rose."}),
            false => json!({"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "bash", "arguments": arguments}}]}),
        };
        let choice = json!({"index": 0, "message": message, "finish_reason": if told { "stop" } else { "tool_calls" }});
        let answer =
            json!({"id": id, "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage});
        return ok("application/json", answer.to_string().as_bytes());
    }
    let (one, two) = arguments.split_at(9);
    let call = |piece: Value| json!({"tool_calls": [piece]});
    let deltas = match told {
        true => {
            vec![json!({"role": "assistant", "content": ""}), json!({"content": "Sales "}), json!({"content": "rose."})]
        }
        false => vec![
            json!({"role": "assistant", "content": "I "}),
            json!({"content": "look."}),
            call(
                json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "bash", "arguments": ""}}),
            ),
            call(json!({"index": 0, "function": {"arguments": one}})),
            call(json!({"index": 0, "function": {"arguments": two}})),
        ],
    };
    let chunk = |choices: Value, usage: &Value| {
        format!("data: {}\n\n", json!({"id": id, "model": body["model"], "choices": choices, "usage": usage}))
    };
    let mut text: String = deltas
        .iter()
        .map(|delta| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null))
        .collect();
    let end = if told { "stop" } else { "tool_calls" };
    text += &chunk(json!([{"index": 0, "delta": {}, "finish_reason": end}]), &Value::Null);
    if body["stream_options"]["include_usage"] == true {
        text += &chunk(json!([]), &usage);
    }
    text += "data: [DONE]\n\n";
    ok("text/event-stream; charset=utf-8", text.as_bytes())
}

/// A server that speaks messages, and does the same.
fn messages(_: &str, body: &[u8]) -> Vec<u8> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_result = |block: &Value| block["type"] == "tool_result";
    let told = body["messages"].as_array().is_some_and(|all| {
        all.iter().any(|one| one["content"].as_array().is_some_and(|blocks| blocks.iter().any(is_result)))
    });
    let (stop, usage) = (if told { "end_turn" } else { "tool_use" }, json!({"input_tokens": 40, "output_tokens": 2}));
    let call = |input: Value| json!({"type": "tool_use", "id": "toolu_1", "name": "bash", "input": input});
    if body["stream"] != true {
        let content = match told {
            true => json!([{"type": "text", "text": "Sales rose."}]),
            false => json!([{"type": "text", "text": "I look."}, call(json!({"command": COMMAND}))]),
        };
        let answer = json!({"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": stop, "usage": usage});
        return ok("application/json", answer.to_string().as_bytes());
    }
    let arguments = json!({"command": COMMAND}).to_string();
    let (one, two) = arguments.split_at(9);
    let text = if told { ["Sales ", "rose."] } else { ["I ", "look."] };
    let start = json!({"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": [], "usage": usage});
    let mut events = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[0]}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text[1]}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    if !told {
        events.push(json!({"type": "content_block_start", "index": 1, "content_block": call(json!({}))}));
        let delta = |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}});
        events.extend([delta(one), delta(two), json!({"type": "content_block_stop", "index": 1})]);
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 2}}));
    events.push(json!({"type": "message_stop"}));
    let text: String =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect();
    ok("text/event-stream", text.as_bytes())
}

/// A server that ends in the middle of what it says.
fn breaks(case: &str, _: &[u8]) -> Vec<Step> {
    let begun = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let event = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"}}]}\n\n";
    match case {
        "at-once" => vec![Reset],
        "in-its-head" => vec![Say(begun.as_bytes()[..30].to_vec()), Reset],
        // Of what was said before it ended, all came.
        _ => vec![Say(format!("{begun}{:x}\r\n{event}\r\n", event.len()).into_bytes()), Step::Rest(300), Step::Leave],
    }
}

struct Scene {
    cell: Cell,
    gate: Gate,
    chat: Server,
    messages: Server,
}

fn scene() -> Scene {
    scene_with(|_| {})
}

fn scene_with(change: impl FnOnce(&mut Policy)) -> Scene {
    let (cell, cells, servers) = (Cell::new(), authority("cell"), authority("servers"));
    let chat = Server::tls(&servers, &["chat.example"], chat);
    let messages = Server::tls(&servers, &["messages.example"], messages);
    let broken = stage(Some(certified(&servers, params(&["broken.example"]))), breaks);
    // Nobody trusts this one, and nobody is there at all at the other's port.
    let strange = Server::tls(&authority("strangers"), &["strange.example"], |_, _| Vec::new()).port;
    let closed = TcpListener::bind((OUTSIDE, 0)).unwrap().local_addr().unwrap().port();
    let provided = |name: &str, wire: Vendor, port: u16| Provider {
        name: name.into(),
        wire,
        host: Host::parse(&format!("{name}.example")).unwrap(),
        port,
        tls: true,
        base: String::new(),
        credential: wire.credential("key"),
        login: None,
    };
    let route = |models: &str, provider: &str, model: Option<&str>, fallback: &[(&str, Option<&str>)]| Route {
        models: vec![ValuePattern::parse(models).unwrap()],
        provider: provider.into(),
        model: model.map(str::to_owned),
        fallback: fallback
            .iter()
            .map(|(name, model)| Fallback { provider: (*name).into(), model: model.map(str::to_owned) })
            .collect(),
    };
    let small = Some("small");
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.inference = Inference {
        providers: vec![
            provided("chat", Vendor::Openai, chat.port),
            provided("messages", Vendor::Anthropic, messages.port),
            provided("broken", Vendor::Openai, broken),
            provided("strange", Vendor::Openai, strange),
            provided("closed", Vendor::Openai, closed),
        ],
        routes: vec![
            route("claude-*", "chat", small, &[]),
            route("gpt-*", "messages", Some("claude-x"), &[]),
            route("as-*", "chat", None, &[]),
            route("busy", "chat", None, &[("messages", Some("claude-x"))]),
            route("slow", "chat", None, &[("chat", small)]),
            route("bad", "chat", None, &[("chat", small)]),
            route("down", "closed", None, &[("strange", None), ("chat", small)]),
            route("none", "closed", None, &[("strange", None)]),
            route("all-busy", "chat", Some("busy"), &[("chat", Some("slow"))]),
            route("case-*", "broken", None, &[("chat", small)]),
        ],
        ..Inference::default()
    };
    policy.network.allow = policy.inference.rules();
    let ports = [chat.port, messages.port, broken, strange, closed];
    policy.network.allow.extend(ports.map(|port| Rule::to(Target::parse(&format!("{OUTSIDE}:{port}")).unwrap())));
    change(&mut policy);
    let mut leased = lease(&[]);
    leased.policy = Conjunction::new(vec![policy]);
    leased.hosts = ["chat", "messages", "broken", "strange", "closed"]
        .map(|name| (format!("{name}.example"), OUTSIDE.into()))
        .to_vec();
    leased.tls = Some(wire::Tls { name: "cell".into(), key: cells.key().serialize_pem(), roots: servers.pem() });
    leased.credentials = vec![Lent {
        name: "key".into(),
        value: KEY.into(),
        to: Target::parse("*.example").unwrap(),
        paths: Vec::new(),
        expires: None,
    }];
    leased.labelled = vec![Labelled {
        label: policy::Label::parse("secret:env").unwrap(),
        source: "`TOKEN` in .env".into(),
        text: "hunter2-hunter2".into(),
        exact: true,
    }];
    let gate = cell.start(&leased, ORDINARY).ready();
    Scene { cell, gate, chat, messages }
}

/// An answer as a program takes it.
struct Came {
    status: u16,
    head: String,
    body: String,
}

impl Came {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}{}", self.head, self.body))
    }
}

impl Scene {
    fn to(&self) -> To {
        let at = self.cell.inside(|| address("inference.bastide."));
        To { address: (at, 80).into(), tls: None }
    }

    fn raw(&self, path: &str, headers: &str, body: &Value) -> crate::fake::script::Came {
        let said = request("POST", "inference.bastide", 80, path, headers, &body.to_string());
        let said = String::from_utf8(said).unwrap().replace("inference.bastide:80", "inference.bastide");
        let to = self.to();
        self.cell.inside(move || to.ask(said.as_bytes()))
    }

    /// A whole answer.
    fn ask(&self, path: &str, headers: &str, body: &Value) -> Came {
        let came = self.raw(path, headers, body);
        let text = String::from_utf8_lossy(&came.bytes).into_owned();
        let (status, body) = whole(&came.bytes, came.clean).unwrap_or_else(|| panic!("no whole answer: {text}"));
        let head = text.split("\r\n\r\n").next().unwrap().to_owned();
        Came { status, head, body: String::from_utf8(body).unwrap() }
    }

    fn claude(&self, model: &str, streams: bool, messages: &Value) -> Came {
        let tools = json!([{"name": "bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]);
        let body = json!({"model": model, "max_tokens": 99, "stream": streams, "messages": messages, "tools": tools,
            "system": "You are terse.", "metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"}});
        self.ask("/v1/messages?beta=true", "x-api-key: none\r\nanthropic-version: 2023-06-01\r\nanthropic-beta: claude-code-20250219\r\nUser-Agent: claude-cli/2\r\n", &body)
    }

    fn pi(&self, model: &str, streams: bool, messages: &Value) -> Came {
        let tools = json!([{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]);
        let mut body = json!({"model": model, "messages": messages, "tools": tools, "store": false});
        if streams {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        self.ask("/v1/chat/completions", "Authorization: Bearer none\r\n", &body)
    }

    /// Events of this kind, in order.
    fn events(&self, kind: &str) -> Vec<Value> {
        let record = self.cell.record();
        let lines = record.lines().filter_map(|line| line.split_once(' '));
        lines
            .map(|(_, text)| serde_json::from_str(text).unwrap())
            .filter(|event: &Value| event["kind"] == kind)
            .collect()
    }

    /// Who was asked, and why.
    fn attempts(&self) -> Vec<String> {
        let told = |event: &Value, name: &str| event[name].as_str().unwrap_or("-").to_owned();
        self.events("model").iter().map(|event| told(event, "provider") + " | " + &told(event, "reason")).collect()
    }
}

/// The data of events of a stream.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    lines.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// What claude makes of a stream.
fn gathered(stream: &str) -> Vec<Value> {
    let mut content: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in data(stream) {
        match event["type"].as_str().unwrap() {
            "content_block_start" => content.push(event["content_block"].clone()),
            "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                let last = content.last_mut().unwrap();
                last["text"] =
                    format!("{}{}", last["text"].as_str().unwrap(), event["delta"]["text"].as_str().unwrap()).into();
            }
            "content_block_delta" => input += event["delta"]["partial_json"].as_str().unwrap(),
            "content_block_stop" if !input.is_empty() => {
                content.last_mut().unwrap()["input"] = serde_json::from_str(&std::mem::take(&mut input)).unwrap();
            }
            _ => {}
        }
    }
    content
}

#[test]
fn claude_runs_on_a_model_that_speaks_chat() {
    for streams in [false, true] {
        let scene = scene();
        let mut said = json!([{"role": "user", "content": "summarise notes.md"}]);
        let first = scene.claude("claude-9", streams, &said);
        assert_eq!(first.status, 200, "{}{}", first.head, first.body);
        let content = if streams { gathered(&first.body) } else { first.json()["content"].as_array().unwrap().clone() };
        let call = json!({"type": "tool_use", "id": "call_1", "name": "bash", "input": {"command": COMMAND}});
        assert_eq!(content, [json!({"type": "text", "text": "I look."}), call]);
        if streams {
            assert!(
                first.head.contains("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked"),
                "{}",
                first.head
            );
            let end = &data(&first.body)[data(&first.body).len() - 2];
            assert_eq!((&end["delta"]["stop_reason"], &end["usage"]["input_tokens"]), (&json!("tool_use"), &json!(40)));
            assert!(first.body.contains("event: message_stop\n"), "{}", first.body);
        } else {
            assert_eq!(first.json()["usage"], json!({"input_tokens": 40, "output_tokens": 2}));
            assert_eq!(
                (first.json()["stop_reason"].as_str(), first.json()["type"].as_str()),
                (Some("tool_use"), Some("message"))
            );
        }
        let (head, body) = scene.chat.got().pop().unwrap();
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\nHost: chat.example:"), "{head}");
        assert!(
            head.contains(&format!("authorization: Bearer {KEY}\r\n")) && head.contains("User-Agent: claude-cli/2\r\n"),
            "{head}"
        );
        assert!(!head.contains("anthropic") && !head.contains("x-api-key"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["model"], &body["max_tokens"], &body["messages"][0]["role"]),
            (&json!("small"), &json!(99), &json!("system"))
        );

        said.as_array_mut().unwrap().push(json!({"role": "assistant", "content": content}));
        let result = json!({"type": "tool_result", "tool_use_id": "call_1", "content": "Sales rose by a tenth."});
        said.as_array_mut().unwrap().push(json!({"role": "user", "content": [result]}));
        let second = scene.claude("claude-9", streams, &said);
        assert!(second.body.contains("Sales ") && second.body.contains("end_turn"), "{}", second.body);
        let (_, body) = scene.chat.got().pop().unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body["messages"][2]["tool_calls"][0]["function"]["arguments"],
            json!({"command": COMMAND}).to_string()
        );
        assert_eq!(
            body["messages"][3],
            json!({"role": "tool", "tool_call_id": "call_1", "content": "Sales rose by a tenth."})
        );

        // What was delivered is known again: nothing of it is put down as the program's own.
        scene.cell.wait_for("Sales rose.");
        let said_by_it: Vec<String> = scene
            .events("said")
            .iter()
            .filter(|event| event["speaker"] == "assistant")
            .map(|event| format!("{} {}", event["form"], event["standing"]).replace('"', ""))
            .collect();
        assert_eq!(said_by_it, ["text delivered", "tool-call delivered", "text delivered"]);
        said[1]["content"][1]["input"]["command"] = "rm -r /".into();
        scene.claude("claude-9", streams, &said);
        scene.cell.wait_for("unmatched");
        assert_eq!(scene.attempts()[0], "chat as small | translated into chat, without metadata, thinking");
        assert_eq!(
            (&scene.events("answered")[0]["input"], &scene.events("answered")[0]["whole"]),
            (&json!(40), &json!(true))
        );
        assert!(!scene.cell.record().contains(KEY));
    }
}

#[test]
fn an_agent_of_chat_runs_on_a_model_that_speaks_messages() {
    for streams in [false, true] {
        let scene = scene();
        let mut said =
            json!([{"role": "system", "content": "You are terse."}, {"role": "user", "content": "summarise notes.md"}]);
        let first = scene.pi("gpt-5", streams, &said);
        assert_eq!(first.status, 200, "{}{}", first.head, first.body);
        let call = json!({"id": "toolu_1", "type": "function", "function": {"name": "bash", "arguments": json!({"command": COMMAND}).to_string()}});
        if streams {
            let chunks = data(&first.body);
            let words: String =
                chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
            let pieces = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]);
            let arguments: String = pieces.clone().filter_map(|call| call["function"]["arguments"].as_str()).collect();
            let ids: Vec<&str> = pieces.filter_map(|call| call["id"].as_str()).collect();
            assert_eq!(
                (words.as_str(), arguments.as_str(), ids.as_slice()),
                ("I look.", call["function"]["arguments"].as_str().unwrap(), &["toolu_1"][..])
            );
            assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
            assert_eq!(chunks[chunks.len() - 1]["usage"]["total_tokens"], 42);
            assert!(first.body.ends_with("data: [DONE]\n\n"), "{}", first.body);
        } else {
            let message = json!({"role": "assistant", "content": "I look.", "tool_calls": [call]});
            assert_eq!(first.json()["choices"][0]["message"], message);
            assert_eq!(first.json()["usage"]["prompt_tokens"], 40);
        }
        let (head, body) = scene.messages.got().pop().unwrap();
        assert!(head.starts_with("POST /v1/messages HTTP/1.1\r\nHost: messages.example:"), "{head}");
        assert!(
            head.contains("anthropic-version: 2023-06-01\r\n") && head.contains(&format!("x-api-key: {KEY}\r\n")),
            "{head}"
        );
        assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["model"], &body["max_tokens"], &body["system"][0]["text"]),
            (&json!("claude-x"), &json!(8192), &json!("You are terse."))
        );

        said.as_array_mut().unwrap().push(json!({"role": "assistant", "content": "I look.", "tool_calls": [call]}));
        said.as_array_mut()
            .unwrap()
            .push(json!({"role": "tool", "tool_call_id": "toolu_1", "content": "Sales rose by a tenth."}));
        let second = scene.pi("gpt-5", streams, &said);
        assert!(second.body.contains("Sales ") && second.body.contains("\"stop\""), "{}", second.body);
        scene.cell.wait_for("Sales rose.");
        let said_by_it: Vec<String> = scene
            .events("said")
            .iter()
            .filter(|event| event["speaker"] == "assistant")
            .map(|event| format!("{} {}", event["form"], event["standing"]).replace('"', ""))
            .collect();
        assert_eq!(said_by_it, ["text delivered", "tool-call delivered", "text delivered"]);
        assert_eq!(scene.attempts()[0], "messages as claude-x | translated into messages");
    }
}

#[test]
fn what_a_stream_cost_is_counted_though_the_program_does_not_ask() {
    let scene = scene_with(|policy| policy.inference.tokens = Some(42));
    let hi = json!({"model": "gpt-5", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let came = scene.ask("/v1/chat/completions", "", &hi);
    assert!(came.body.contains("[DONE]") && !came.body.contains("total_tokens"), "{}", came.body);
    scene.cell.wait_for("\"kind\":\"answered\"");
    let came = scene.ask("/v1/chat/completions", "", &hi);
    assert!(came.status == 429 && came.body.contains("budget of 42 tokens"), "{}", came.body);
}

#[test]
fn what_has_no_translation_is_refused_by_name_and_reaches_nobody() {
    let scene = scene();
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (path, body, why) in [
        (
            "/v1/messages",
            json!({"model": "claude-9", "messages": hi, "tools": [{"type": "bash_20250124", "name": "bash"}]}),
            "tools[0].type",
        ),
        ("/v1/messages", json!({"model": "claude-9", "messages": hi, "inference_geo": "us"}), "inference_geo"),
        ("/v1/messages/count_tokens", json!({"model": "claude-9", "messages": hi}), "counts no tokens"),
        ("/v1/chat/completions", json!({"model": "gpt-5", "messages": hi, "n": 2}), "`n`"),
        (
            "/v1/chat/completions",
            json!({"model": "gpt-5", "messages": hi, "response_format": {"type": "json_object"}}),
            "response_format",
        ),
    ] {
        let came = scene.ask(path, "", &body);
        assert_eq!(came.status, 400, "{}", came.body);
        let message = came.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("bastide refused this") && message.contains(why), "{message}");
        assert!(scene.cell.record().contains(why), "{why}");
    }
    // No other wire is translated.
    let responses = json!({"model": "gpt-5", "input": "hi"});
    let came = scene.ask("/v1/responses", "", &responses);
    assert!(came.status == 403 && came.body.contains("speaks `anthropic`"), "{}", came.body);
    assert!(scene.chat.got().is_empty() && scene.messages.got().is_empty());
    // Whether its vendor is there needs nobody to be asked.
    let said = b"HEAD /api/hello HTTP/1.1\r\nHost: inference.bastide\r\nConnection: close\r\n\r\n".to_vec();
    let to = scene.to();
    let came = scene.cell.inside(move || to.ask(&said));
    assert!(came.bytes.starts_with(b"HTTP/1.1 200 OK"), "{}", came.bytes.escape_ascii());
}

#[test]
fn problems_of_the_provider_are_told_in_the_words_of_the_program() {
    let scene = scene();
    let hi = json!([{"role": "user", "content": "hi"}]);
    let came = scene.claude("as-it", false, &hi);
    assert_eq!(came.status, 200);
    for (model, status, kind, message) in [
        ("slow", 429, "rate_limit_error", "slow down"),
        ("busy", 529, "overloaded_error", "too busy"),
        ("bad", 400, "invalid_request_error", "no such thing"),
    ] {
        let route = scene_with(|policy| {
            policy.inference.routes[0].model = Some(model.into());
        });
        let came = route.claude("claude-9", true, &hi);
        assert_eq!(
            (came.status, came.json()),
            (status, json!({"type": "error", "error": {"type": kind, "message": message}}))
        );
        assert!(came.head.contains("Retry-After: 7"), "{}", came.head);
        route.cell.wait_for(&format!("\"the provider answers {status}\",\"complaint\":\"{message}\""));
    }
    let route = scene_with(|policy| policy.inference.routes[0].model = Some("page".into()));
    let came = route.claude("claude-9", true, &hi);
    assert!(
        came.status == 502 && came.body.contains("cannot be read") && came.body.contains("bastide why"),
        "{}",
        came.body
    );
}

#[test]
fn a_secret_that_comes_back_in_translation_is_stars() {
    let scene = scene_with(|policy| policy.inference.routes[0].model = Some("echo".into()));
    let came = scene.claude("claude-9", false, &json!([{"role": "user", "content": "hi"}]));
    let stars = "*".repeat(KEY.len());
    assert_eq!(came.json()["content"][0]["text"], format!("your key is {stars}."));
    let record = scene.cell.wait_for("came back and was masked");
    assert!(!record.contains(KEY) && record.contains(&format!("your key is {stars}.")), "{record}");
}

#[test]
fn what_may_not_go_to_a_model_does_not_in_translation_either() {
    let scene = scene_with(|policy| {
        policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: Some(policy::Sink::Inference) }];
    });
    let came = scene.claude("claude-9", false, &json!([{"role": "user", "content": "it is hunter2-hunter2"}]));
    assert!(came.status == 403 && came.body.contains("flow rule"), "{}", came.body);
    assert!(scene.chat.got().is_empty());
    assert_eq!(scene.claude("claude-9", false, &json!([{"role": "user", "content": "it is nothing"}])).status, 200);
}

#[test]
fn a_connection_goes_on_after_a_translated_answer() {
    let scene = scene();
    let body = |streams: bool| {
        json!({"model": "claude-9", "max_tokens": 9, "stream": streams, "messages": [{"role": "user", "content": "hi"}]}).to_string()
    };
    let said = |body: &str, version: &str| {
        let head = format!(
            "POST /v1/messages HTTP/{version}\r\nHost: inference.bastide\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        (head + body).into_bytes()
    };
    let (one, two, three) = (said(&body(true), "1.1"), said(&body(false), "1.1"), said(&body(true), "1.0"));
    let to = scene.to();
    let came = scene.cell.inside(move || {
        let mut speaks = to.connect().unwrap();
        let mut come = Vec::new();
        for said in [&one, &two, &one, &two] {
            speaks.say(said).unwrap();
            come.push(speaks.hear());
        }
        let old = to.ask(&three);
        (come, old)
    });
    for (at, bytes) in came.0.iter().enumerate() {
        let (status, body) = whole(bytes, false).unwrap_or_else(|| panic!("{}", bytes.escape_ascii()));
        let end = if at % 2 == 0 { "event: message_stop" } else { "\"stop_reason\":\"tool_use\"" };
        assert!(status == 200 && String::from_utf8_lossy(&body).contains(end), "{}", bytes.escape_ascii());
    }
    // A program that knows no chunks gets none.
    let text = String::from_utf8_lossy(&came.1.bytes).into_owned();
    assert!(
        came.1.clean && !text.contains("chunked") && text.ends_with("data: {\"type\":\"message_stop\"}\n\n"),
        "{text}"
    );
}

#[test]
fn the_next_provider_is_asked_where_nothing_of_an_answer_came() {
    let scene = scene_with(|policy| policy.inference.requests = Some(20));
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (model, streams, asked) in [
        ("down", true, &["closed", "strange", "chat as small"][..]),
        ("busy", false, &["chat", "messages as claude-x"][..]),
        ("busy", true, &["chat", "messages as claude-x"][..]),
        ("slow", false, &["chat", "chat as small"][..]),
        ("case-at-once", true, &["broken", "chat as small"][..]),
        ("case-in-its-head", true, &["broken", "chat as small"][..]),
    ] {
        for agent in ["claude", "pi"] {
            let before = scene.attempts().len();
            let came =
                if agent == "claude" { scene.claude(model, streams, &hi) } else { scene.pi(model, streams, &hi) };
            assert!(came.status == 200 && came.body.contains("look."), "{agent} {model}: {}", came.body);
            let attempts: Vec<String> = scene.attempts().split_off(before);
            let who: Vec<&str> = attempts.iter().map(|one| one.split(" | ").next().unwrap()).collect();
            assert_eq!(who, asked, "{agent} {model}");
            assert!(attempts[1..].iter().all(|one| one.contains("gave no answer")), "{attempts:?}");
        }
    }
    // Each attempt has an end in the record, with what was wrong, and leads to the next.
    let answered = scene.events("answered");
    assert_eq!(answered.len(), scene.events("model").len());
    for error in [
        "the provider answers 529",
        "the provider answers 429",
        "no TLS with `strange.example`",
        "cannot connect",
        "reset the connection",
    ] {
        assert!(
            answered.iter().any(|event| event["error"].as_str().is_some_and(|told| told.contains(error))),
            "{error}: {answered:?}"
        );
    }
    let models = scene.events("model");
    let second = models.iter().find(|event| event["provider"] == "strange").unwrap();
    assert_eq!(second["cause"][0]["id"], format!("g{}", models[0]["seq"]), "{second}");
    // A request of the program's counts once, whoever is asked.
    for _ in 0..8 {
        assert_eq!(scene.claude("claude-9", false, &hi).status, 200);
    }
    assert_eq!(scene.claude("claude-9", false, &hi).status, 429);
}

#[test]
fn a_provider_that_answers_is_never_followed_by_another() {
    let scene = scene();
    let hi = json!([{"role": "user", "content": "hi"}]);
    // It says no: that is an answer.
    let came = scene.claude("bad", false, &hi);
    assert!(came.status == 400 && came.body.contains("no such thing"), "{}", came.body);
    assert_eq!(scene.chat.got().len(), 1);
    // It breaks off in the middle of its answer: what was delivered is not said again by somebody else.
    let body = json!({"model": "case-later", "stream": true, "max_tokens": 9, "messages": hi});
    let came = scene.raw("/v1/messages", "", &body);
    let text = String::from_utf8_lossy(&came.bytes).into_owned();
    assert!(text.contains("half") && whole(&came.bytes, came.clean).is_none(), "{text}");
    assert_eq!(scene.chat.got().len(), 1);
    scene.cell.wait_for("half");
    assert_eq!(scene.attempts().len(), 2);
    // The last one's word counts, and where nobody is reached, the program is told.
    let came = scene.claude("all-busy", false, &hi);
    assert!(came.status == 429 && came.body.contains("slow down"), "{}", came.body);
    let came = scene.claude("none", false, &hi);
    assert!(came.status == 502 && came.body.contains("no TLS with"), "{}", came.body);
}

#[test]
fn what_the_next_provider_could_not_be_told_is_not_said_to_it() {
    // The first speaks messages as the program does; the second could not be told of this tool.
    let scene = scene_with(|policy| {
        let route = &mut policy.inference.routes[0];
        (route.provider, route.model) = ("closed".into(), None);
        route.fallback = vec![Fallback { provider: "chat".into(), model: Some("small".into()) }];
        policy
            .inference
            .providers
            .iter_mut()
            .filter(|one| one.name == "closed")
            .for_each(|one| one.wire = Vendor::Anthropic);
    });
    let hi = json!([{"role": "user", "content": "hi"}]);
    let mut body = json!({"model": "claude-9", "max_tokens": 9, "messages": hi, "tools": [{"type": "bash_20250124", "name": "bash"}]});
    let came = scene.ask("/v1/messages", "", &body);
    assert!(came.status == 502 && scene.chat.got().is_empty(), "{}", came.body);
    body["tools"] = json!([]);
    assert_eq!(scene.ask("/v1/messages", "", &body).status, 200);
    assert!(scene.gate.descriptors() > 0);
}
