//! Requests to providers as they arrive there: each endpoint of the reference, the headers, and what their answers count.

use crate::fake::Cell;
use crate::fake::server::{Server, ok, request, say};
use crate::wires::{JSON, SECRET, Scene, under};
use policy::Sink;
use serde_json::{Value, json};

const REFERENCE: &str = include_str!("../../../../docs/reference/providers.md");

fn answers(_: &str, _: &[u8]) -> Vec<u8> {
    let message = json!({"role": "assistant", "content": "hello"});
    let answer = json!({"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}});
    ok(JSON, answer.to_string().as_bytes())
}

fn scene(to: &[Sink], change: impl FnOnce(&mut policy::Policy)) -> (Server, Scene) {
    let (cell, server) = (Cell::new(), Server::plain(answers));
    let scene = under(cell, server.port, to, change);
    (server, scene)
}

fn asks(scene: &Scene, method: &str, path: &str, (headers, body): (&str, &Value)) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let said = request(method, "inference.bastide", 80, path, headers, &body);
    let said = String::from_utf8(said).unwrap().replace("inference.bastide:80", "inference.bastide");
    say(&scene.cell, None, "inference.bastide", 80, said.as_bytes()).unwrap()
}

fn chat() -> Value {
    json!({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]})
}

/// Something that may be said to it.
fn body(path: &str) -> Value {
    let content = json!({"parts": [{"text": "hi"}]});
    let messages = json!([{"role": "user", "content": "hi"}]);
    let embeds = json!({"model": "models/gemini-2", "content": content});
    match path.split_once(':').map_or(path, |(_, verb)| verb) {
        "generateContent" | "streamGenerateContent" | "countTokens" => json!({"contents": [content]}),
        "embedContent" => embeds,
        "batchEmbedContents" => json!({"requests": [embeds]}),
        "/v1/messages" | "/v1/messages/count_tokens" => {
            json!({"model": "claude-9", "max_tokens": 9, "messages": messages})
        }
        "/v1/chat/completions" => chat(),
        "/v1/embeddings" => json!({"model": "gpt-5", "input": ["hi"]}),
        "/api/chat" => json!({"model": "llama-4", "messages": messages}),
        "/api/generate" | "/api/embeddings" => json!({"model": "llama-4", "prompt": "hi"}),
        "/api/embed" => json!({"model": "llama-4", "input": ["hi"]}),
        "/api/show" => json!({"name": "llama-4"}),
        responses if responses.contains("/responses") => json!({"model": "gpt-5", "input": "hi"}),
        other => panic!("what is `{other}` asked?"),
    }
}

#[test]
fn each_request_of_the_reference_reaches_its_provider() {
    let (server, scene) = scene(&[], |_| {});
    let mut asked = 0;
    let is_request = |row: &&str| ["| `GET ", "| `HEAD ", "| `POST "].iter().any(|start| row.starts_with(start));
    for row in REFERENCE.lines().filter(is_request) {
        let mut cells = row.trim_start_matches("| `").split(" | ");
        let (method, path) = cells.next().unwrap().trim_end_matches('`').split_once(' ').unwrap();
        let (path, kind) = (path.replace("{model}", "gemini-2"), cells.next().unwrap());
        let body = if method == "POST" { body(&path) } else { Value::Null };
        let back = asks(&scene, method, &path, ("", &body));
        let got = server.got();
        if kind == "probe" {
            assert!(back.starts_with("HTTP/1.1 200") && got.len() == asked, "{row}: {back}");
            continue;
        }
        asked += 1;
        assert_eq!(got.len(), asked, "{row}: {back}");
        let (head, said) = got.last().unwrap();
        assert!(head.starts_with(&format!("{method} {path} HTTP/1.1\r\n")), "{row}: {head}");
        assert!(method != "POST" || said.contains("hi") || path == "/api/show", "{row}: {said}");
    }
    assert!(asked > 20, "{asked} requests of the reference reached a provider");
    // No route takes it, whichever of the two Ollama reads.
    for (model, name) in [("other", ""), ("", "other"), ("other", "llama-4")] {
        let back = asks(&scene, "POST", "/api/show", ("", &json!({"model": model, "name": name})));
        assert!(back.contains("no route of the policy takes the model `other`"), "{back}");
    }
    assert_eq!(server.got().len(), asked);
}

#[test]
fn a_header_that_is_on_no_list_does_not_reach_a_provider() {
    let (server, scene) = scene(&[], |policy| policy.inference.fields = vec!["header:x-team".into()]);
    let known = "User-Agent: codex/1\r\nsession_id: a\r\nX-Stainless-Lang: js\r\nX-Team: blue\r\nOriginator: codex\r\n";
    let others = "Helicone-Target-Url: https://evil.example\r\nx_portkey_config: c\r\nX-Portkey-Custom-Host: e\r\n\
                  cf-aig-authorization: c\r\nX-OpenRouter-Preset: p\r\nx-litellm-tags: t\r\nX-Forwarded-Host: e\r\n";
    let odd = "Content-Type: application/json; charset=utf-16\r\n";
    let back = asks(&scene, "POST", "/v1/chat/completions", (&format!("{known}{others}{odd}"), &chat()));
    assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    let (head, _) = server.got().pop().unwrap();
    for line in known.lines() {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    for line in others.lines() {
        assert!(!head.contains(line.split(':').next().unwrap()), "{line}: {head}");
    }
    assert!(head.contains("application/json\r\n") && !head.contains("utf-16"), "{head}");
}

#[test]
fn what_may_not_go_to_a_model_goes_in_no_header_either() {
    let (server, scene) = scene(&[Sink::Inference], |policy| policy.inference.fields = vec!["header:x-team".into()]);
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    for header in [
        format!("User-Agent: agent/1 {SECRET}\r\n"),
        format!("X-Team: {SECRET}\r\n"),
        format!("X-Codex-Turn-Metadata: {{\"of\":\"{hex}\"}}\r\n"),
    ] {
        let back = asks(&scene, "POST", "/v1/chat/completions", (&header, &chat()));
        assert!(back.starts_with("HTTP/1.1 403") && back.contains("carries `secret:env`"), "{header}: {back}");
    }
    let back = asks(&scene, "GET", &format!("/v1/models/{SECRET}"), ("", &Value::Null));
    assert!(back.starts_with("HTTP/1.1 403"), "{back}");
    assert!(server.got().is_empty());
    let back = asks(&scene, "POST", "/v1/chat/completions", ("User-Agent: agent/1\r\n", &chat()));
    assert!(back.starts_with("HTTP/1.1 200") && server.got().len() == 1, "{back}");
}

/// A provider may say that it counted as much as there is, in both ways.
#[test]
fn what_a_provider_counts_ends_at_what_can_be_counted() {
    let (server, scene) = scene(&[], |policy| policy.inference.tokens = Some(1_000_000));
    let back = asks(&scene, "POST", "/v1/chat/completions", ("", &chat()));
    assert!(back.starts_with("HTTP/1.1 200") && back.contains("hello"), "{back}");
    assert!(scene.cell.wait_for("\"kind\":\"answered\"").contains(&format!("\"input\":{}", u64::MAX)));
    let back = asks(&scene, "POST", "/v1/chat/completions", ("", &chat()));
    assert!(back.starts_with("HTTP/1.1 429") && server.got().len() == 1, "{back}");
}

#[test]
fn no_tool_has_the_name_that_stands_for_none() {
    let (server, scene) = scene(&[], |_| {});
    let function = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {}}});
    let mut asked = chat();
    asked["tools"] = json!([function("read"), function("withheld_by_bastide")]);
    let back = asks(&scene, "POST", "/v1/chat/completions", ("", &asked));
    assert!(back.starts_with("HTTP/1.1 403") && back.contains("stands for calls that no program gets"), "{back}");
    assert!(server.got().is_empty());
}
