use super::*;
use serde_json::json;

fn blocks(wire: Wire, path: &str, body: &Value) -> Vec<Block> {
    read(wire, path, body).expect("read").blocks
}

fn user(content: &Value) -> Vec<Content> {
    let message = |wire| blocks(wire, "", &json!({"messages": [{"role": "user", "content": content}]}));
    message(Wire::Messages).into_iter().map(|block| block.content).collect()
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn attached(kind: &str, data: &str, url: Option<&str>) -> Content {
    Content::Attachment { kind: kind.to_owned(), digest: canonical::hash(data.as_bytes()), url: url.map(str::to_owned) }
}

#[test]
fn anthropics_blocks() {
    let content = json!([
        {"type": "text", "text": ""},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "search_result", "title": "t", "source": "s", "content": [{"type": "text", "text": "found"}]},
        {"type": "tool_result", "tool_use_id": "1", "is_error": true, "content": [
            {"type": "text", "text": "one"}, {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
            {"type": "text", "text": "two"}]},
        {"type": "hologram", "depth": 3},
    ]);
    let result = Content::ToolResult { id: "1".into(), text: "one\ntwo".into(), failed: true };
    let unknown = Content::Unknown { kind: "hologram".into(), json: r#"{"depth":3,"type":"hologram"}"#.into() };
    let want = vec![
        attached("image/png", "AAAA", None),
        attached("image", "https://a.example/b.png", Some("https://a.example/b.png")),
        text("t"),
        text("words"),
        attached("file", "f", None),
        text("t"),
        text("s"),
        text("found"),
        result,
        attached("image", "AAAA", None),
        unknown,
    ];
    assert_eq!(user(&content), want);
}

#[test]
fn openais_parts() {
    let url = "https://a.example/b.png";
    let chat = json!({"messages": [
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"filename": "n", "file_data": "data:application/pdf;base64,AAAA"}}]},
        {"role": "assistant", "content": null, "function_call": {"name": "run", "arguments": ""}},
        {"role": "function", "name": "run", "content": "done"},
    ], "functions": [{"name": "run"}]});
    let read = read(Wire::Chat, "", &chat).expect("read");
    let content: Vec<Content> = read.blocks.into_iter().map(|block| block.content).collect();
    let want = [
        text("rules"),
        attached("image_url", "AAAA", None),
        attached("image_url", url, Some(url)),
        attached("input_audio", "AAAA", None),
        text("n"),
        attached("file", "AAAA", None),
        Content::ToolCall { id: String::new(), name: "run".into(), arguments: String::new() },
        Content::ToolResult { id: "run".into(), text: "done".into(), failed: false },
    ];
    assert_eq!(content, want);
    assert_eq!(
        read.tools,
        [Tool { name: "run".into(), description: String::new(), kind: "function".into(), schema: Value::Null }]
    );

    let items = json!({"instructions": "rules", "input": [
        {"role": "user", "content": "short"},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": url},
            {"type": "input_file", "file_id": "f"}]},
        {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": "free text"},
        {"type": "custom_tool_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "done"}]},
        {"type": "local_shell_call", "call_id": "2", "action": {"command": ["ls"]}},
        {"type": "function_call", "call_id": "3", "namespace": "n", "name": "run", "arguments": "{}"},
        {"type": "item_reference", "id": "i"},
    ]});
    let called = |id: &str, name: &str, arguments: &str| Content::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let content: Vec<Content> = blocks(Wire::Responses, "", &items).into_iter().map(|block| block.content).collect();
    let want = [
        text("rules"),
        text("short"),
        attached("input_image", url, Some(url)),
        attached("file_id", "f", None),
        called("1", "patch", "free text"),
        Content::ToolResult { id: "1".into(), text: "done".into(), failed: false },
        called("2", "local_shell", r#"{"command":["ls"]}"#),
        called("3", "n.run", "{}"),
        Content::Unknown { kind: "item_reference".into(), json: r#"{"id":"i","type":"item_reference"}"#.into() },
    ];
    assert_eq!(content, want);
}

#[test]
fn what_ollama_generates_from() {
    let body = json!({"model": "m", "system": "rules", "prompt": "hello", "context": [1, 2], "stream": false});
    let read = read(Wire::Ollama, "/api/generate", &body).expect("read");
    let content: Vec<Content> = read.blocks.into_iter().map(|block| block.content).collect();
    assert_eq!(content, [text("rules"), attached("context", "[1e0,2e0]", None), text("hello")]);
    assert!(!read.streams);
}

#[test]
fn what_becomes_vectors() {
    for (path, body, want) in [
        ("/v1/embeddings", json!({"input": "a"}), vec![text("a")]),
        ("/v1/embeddings", json!({"input": ["a", "b"]}), vec![text("a"), text("b")]),
        ("/v1/embeddings", json!({"input": [1, 2]}), vec![attached("tokens", "[1e0,2e0]", None)]),
        ("/v1/embeddings", json!({"input": [[1], "b"]}), vec![attached("tokens", "[1e0]", None), text("b")]),
        ("/api/embeddings", json!({"prompt": "a"}), vec![text("a")]),
        ("/v1/models/m:embedContent", json!({"content": {"parts": [{"text": "a"}]}}), vec![text("a")]),
        (
            "/v1/models/m:batchEmbedContents",
            json!({"requests": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}}]}),
            vec![text("a"), text("b")],
        ),
    ] {
        let content: Vec<Content> =
            blocks(Wire::Embeddings, path, &body).into_iter().map(|block| block.content).collect();
        assert_eq!(content, want, "{path} {body}");
    }
}

#[test]
fn what_has_another_shape_is_malformed() {
    for (wire, body, at) in [
        (Wire::Messages, json!({}), "messages"),
        (Wire::Messages, json!([]), "messages"),
        (Wire::Messages, json!({"messages": {}}), "messages"),
        (Wire::Messages, json!({"messages": ["a"]}), "messages[0]"),
        (Wire::Messages, json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].role"),
        (Wire::Messages, json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (Wire::Messages, json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (Wire::Messages, json!({"messages": [{"role": "user", "content": [{}]}]}), "messages[0].content[0].type"),
        (
            Wire::Messages,
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": ["a"]}]}]}),
            "messages[0].content[0].text",
        ),
        (Wire::Messages, json!({"system": 1, "messages": []}), "system"),
        (Wire::Messages, json!({"messages": [], "stream": "true"}), "stream"),
        (Wire::Messages, json!({"messages": [], "model": 1}), "model"),
        (Wire::Messages, json!({"messages": [], "tools": [1]}), "tools[0]"),
        (Wire::Chat, json!({"messages": [{"content": "a"}]}), "messages[0].role"),
        (Wire::Chat, json!({"messages": [{"role": "User", "content": "a"}]}), "messages[0].role"),
        (Wire::Chat, json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].tool_call_id"),
        (
            Wire::Chat,
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}),
            "messages[0].tool_calls[0].name",
        ),
        (Wire::Responses, json!({"input": {}}), "input"),
        (Wire::Responses, json!({"input": [{"type": "message", "role": "tool"}]}), "input[0].role"),
        (Wire::Responses, json!({"input": [{"type": "function_call", "call_id": "1"}]}), "input[0].arguments"),
        (Wire::Responses, json!({"instructions": ["a"]}), "instructions"),
        (Wire::Gemini, json!({"contents": "a"}), "contents"),
        (Wire::Gemini, json!({"contents": [{"role": "assistant", "parts": []}]}), "contents[0].role"),
        (Wire::Gemini, json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
        (Wire::Ollama, json!({"messages": [{"role": "user", "images": [1]}]}), "messages[0].images"),
        (Wire::Embeddings, json!({"input": {}}), "input"),
        (Wire::Embeddings, json!({"input": ["a", 1]}), "input"),
    ] {
        match read(wire, "/v1/x", &body) {
            Err(Malformed::Shape { at: place, .. }) => assert_eq!(place, at, "{wire:?} {body}"),
            other => panic!("{wire:?} {body}: {other:?}"),
        }
    }
}

#[test]
fn a_request_is_bounded() {
    let message = json!({"role": "user", "content": "a"});
    let many = |count| json!({"messages": vec![message.clone(); count]});
    assert_eq!(read(Wire::Chat, "", &many(MAX_BLOCKS)).expect("fits").blocks.len(), MAX_BLOCKS);
    assert_eq!(read(Wire::Chat, "", &many(MAX_BLOCKS + 1)), Err(Malformed::TooMany));
    let deep = (0..MAX_DEPTH).fold(json!("a"), |inner, _| json!([inner]));
    assert_eq!(read(Wire::Chat, "", &json!({"messages": [], "x": deep})), Err(Malformed::TooDeep));
}

#[test]
fn a_matcher_sees_what_is_meant() {
    let block = |content| Block { speaker: Speaker::Assistant, content };
    let call = Content::ToolCall {
        id: "1".into(),
        name: "send".into(),
        arguments: r#"{"to": "a\u0040b.example", "lines": ["x\ny", 3]}"#.into(),
    };
    // Object keys come in whatever order the JSON reader keeps.
    let seen = plain(&block(call)).into_owned();
    assert!(
        seen.starts_with("send\n") && seen.contains("to\na@b.example") && seen.contains("lines\nx\ny\n3"),
        "{seen}"
    );
    let unknown = Content::Unknown { kind: "k".into(), json: r#"{"a":"\"quoted\""}"#.into() };
    assert_eq!(plain(&block(unknown)), "a\n\"quoted\"");
    assert_eq!(plain(&block(attached("image", "u", Some("https://a.example")))), "https://a.example");
    assert_eq!(plain(&block(text("a"))), "a");
}

#[test]
fn a_digest_is_of_what_is_meant() {
    let digest = |speaker, content| Block { speaker, content }.digest();
    let unknown = |json: &str| Content::Unknown { kind: "k".into(), json: json.into() };
    assert_eq!(
        digest(Speaker::Assistant, unknown(r#"{"type":"k","a":1,"id":"x","cache_control":{}}"#)),
        digest(Speaker::Assistant, unknown(r#"{"a":1.0,"type":"k","status":"completed"}"#)),
    );
    let all = [
        digest(Speaker::Assistant, text("a")),
        digest(Speaker::User, text("a")),
        digest(Speaker::Assistant, text(" a")),
        digest(Speaker::Assistant, Content::Thinking("a".into())),
        digest(Speaker::Assistant, unknown("{}")),
        digest(Speaker::Assistant, attached("a", "", None)),
        digest(Speaker::Assistant, attached("a", "", Some("a"))),
        digest(Speaker::Tool, Content::ToolResult { id: "ab".into(), text: "c".into(), failed: false }),
        digest(Speaker::Tool, Content::ToolResult { id: "a".into(), text: "bc".into(), failed: false }),
        digest(Speaker::Tool, Content::ToolResult { id: "a".into(), text: "bc".into(), failed: true }),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}
