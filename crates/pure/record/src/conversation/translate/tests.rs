use std::collections::BTreeSet;

use super::*;
use serde_json::json;

const WANTED: Wanted<'static> = Wanted { model: "other", openai: false };

fn into(way: Way, body: &Value) -> Request {
    request(way, body, &WANTED).unwrap_or_else(|why| panic!("{why}: {body}"))
}

fn messages(messages: &Value) -> Value {
    json!({"model": "m", "max_tokens": 5, "messages": messages})
}

fn chat(messages: &Value) -> Value {
    json!({"model": "m", "messages": messages})
}

#[test]
fn messages_become_chat() {
    let body = json!({
        "model": "claude", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stream": true,
        "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "system": [{"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "two"}],
        "tools": [{"name": "run", "description": "runs", "input_schema": {"type": "object"}, "defer_loading": true}, {"type": "custom", "name": "stop"}],
        "tool_choice": {"type": "tool", "name": "run", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "both"},
                {"type": "tool_use", "id": "1", "name": "run", "input": {"a": 1}},
                {"type": "tool_use", "id": "2", "name": "run", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
                {"type": "tool_result", "tool_use_id": "2", "is_error": true, "content": "no"},
                {"type": "text", "text": "go on"}]},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}], "output_config": {"effort": "low"}},
        ],
    });
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "run", "arguments": arguments}});
    let Request { body, left_out, counts } = into(Way::IntoChat, &body);
    assert_eq!(
        body,
        json!({
            "model": "other", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["x"], "stream": true,
            "stream_options": {"include_usage": true},
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
            "tools": [
                {"type": "function", "function": {"name": "run", "description": "runs", "parameters": {"type": "object"}}},
                {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "properties": {}}}}],
            "tool_choice": {"type": "function", "function": {"name": "run"}}, "parallel_tool_calls": false,
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "both", "tool_calls": [call("1", "{\"a\":1}"), call("2", "{}")]},
                {"role": "tool", "tool_call_id": "1", "content": "a\nb"},
                {"role": "tool", "tool_call_id": "2", "content": "Error: no"},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "text", "text": "go on"}]},
                {"role": "system", "content": "be brief"}],
        })
    );
    let left = ["cache_control", "defer_loading", "effort", "metadata", "output_config", "thinking", "top_k"];
    assert_eq!((&left_out[..], counts), (&left[..], true));
}

#[test]
fn chat_becomes_messages() {
    let body = json!({
        "model": "gpt", "temperature": 0.5, "top_k": 3, "stream": true, "stream_options": {"include_usage": true}, "stop": "x",
        "store": false, "seed": 7, "n": 1, "reasoning_effort": "high", "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": {"type": "object"}}},
        "tools": [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}, "strict": false}}],
        "messages": [
            {"role": "system", "content": "one"}, {"role": "developer", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": [{"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}}]},
            {"role": "assistant", "content": " \n", "reasoning_content": "hm", "tool_calls": [
                {"id": "c.1", "type": "function", "function": {"name": "run", "arguments": "{\"a\": 1}"}},
                {"id": "c2", "type": "function", "function": {"name": "run", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c.1", "content": "done"}, {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": "go on"}, {"role": "system", "content": "be brief"},
        ],
    });
    let Request { body, left_out, counts } = into(Way::IntoMessages, &body);
    assert_eq!(
        body,
        json!({
            "model": "other", "max_tokens": MOST_TOKENS, "temperature": 0.5, "top_k": 3, "stop_sequences": ["x"], "stream": true,
            "system": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}, {"type": "text", "text": "be brief"}],
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "tools": [{"name": "run", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "what is it?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                    {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"}}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "id_632e31", "name": "run", "input": {"a": 1}},
                    {"type": "tool_use", "id": "c2", "name": "run", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "id_632e31", "content": [{"type": "text", "text": "done"}]},
                    {"type": "tool_result", "tool_use_id": "c2"}, {"type": "text", "text": "go on"}]}],
        })
    );
    let left = ["detail", "name", "reasoning_content", "reasoning_effort", "seed", "strict"];
    assert_eq!((&left_out[..], counts), (&left[..], true));
}

#[test]
fn the_most_tokens_have_the_name_that_is_known() {
    let body = messages(&json!([{"role": "user", "content": "hi"}]));
    let newest = request(Way::IntoChat, &body, &Wanted { openai: true, ..WANTED }).expect("translated").body;
    assert_eq!((&newest["max_completion_tokens"], newest.get("max_tokens")), (&json!(5), None));
    for (name, most) in [("max_tokens", 7), ("max_completion_tokens", 8)] {
        let mut body = chat(&json!([{"role": "user", "content": "hi"}]));
        body[name] = most.into();
        assert_eq!(into(Way::IntoMessages, &body).body["max_tokens"], most);
    }
}

#[test]
fn choices_of_tools() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (anthropic, openai) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "any"}), json!("required")),
        (json!({"type": "none"}), json!("none")),
        (json!({"type": "tool", "name": "a"}), json!({"type": "function", "function": {"name": "a"}})),
    ] {
        let (mut one, mut other) = (messages(&hi), chat(&hi));
        one["tool_choice"] = anthropic.clone();
        other["tool_choice"] = openai.clone();
        // Where there are no tools, there is nothing to choose.
        assert_eq!(into(Way::IntoChat, &one).body.get("tool_choice"), None);
        assert_eq!(into(Way::IntoMessages, &other).body.get("tool_choice"), None);
        one["tools"] = json!([{"name": "a"}]);
        other["tools"] = json!([{"type": "function", "function": {"name": "a"}}]);
        assert_eq!(into(Way::IntoChat, &one).body["tool_choice"], openai);
        assert_eq!(into(Way::IntoMessages, &other).body["tool_choice"], anthropic);
    }
}

fn refused(way: Way, body: &Value, at: &str) {
    match request(way, body, &WANTED) {
        Err(why) => assert!(why.to_string().starts_with(at), "{why}, not {at}: {body}"),
        Ok(request) => panic!("translated: {body}: {}", request.body),
    }
}

#[test]
fn what_chat_has_no_word_for_is_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut body = messages(&json!([{"role": "user", "content": "hi"}]));
        body[name] = value;
        body
    };
    let said = |role: &str, block: Value| {
        messages(&json!([{"role": role, "content": [block]}, {"role": "user", "content": "hi"}]))
    };
    for (body, at) in [
        (with("inference_geo", json!("us")), "`inference_geo`"),
        (with("mcp_servers", json!([{}])), "`mcp_servers`"),
        (with("container", json!("c")), "`container`"),
        (with("tomorrow", json!({})), "`tomorrow`"),
        (with("tools", json!([{"type": "bash_20250124", "name": "bash"}])), "`tools[0].type` `bash_20250124`"),
        (with("tools", json!([{"name": "a", "odd": 1}])), "`tools[0].odd`"),
        (with("output_format", json!({"type": "grammar"})), "`output_format.type` `grammar`"),
        (with("messages", json!({})), "`messages`"),
        (said("user", json!({"type": "container_upload"})), "`messages[0].content[0].type` `container_upload`"),
        (
            said("user", json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            "`messages[0].content[0].source.type` `file`",
        ),
        (
            said("user", json!({"type": "document", "source": {"type": "url", "url": "u"}})),
            "`messages[0].content[0].source.type` `url`",
        ),
        (said("user", json!({"type": "text", "text": "a", "odd": 1})), "`messages[0].content[0].odd`"),
        (said("user", json!({"type": "text"})), "`messages[0].content[0].text`"),
        (
            said("assistant", json!({"type": "server_tool_use", "id": "1", "name": "x"})),
            "`messages[0].content[0].type`",
        ),
        (said("assistant", json!({"type": "compaction", "content": "so far"})), "`messages[0].content[0].type`"),
        (said("tool", json!({"type": "text", "text": "a"})), "`messages[0].role` `tool`"),
        (
            messages(&json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}])),
            "`messages`: its last",
        ),
    ] {
        refused(Way::IntoChat, &body, at);
    }
}

#[test]
fn what_messages_have_no_word_for_is_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut body = chat(&json!([{"role": "user", "content": "hi"}]));
        body[name] = value;
        body
    };
    let said = |message: Value| chat(&json!([message, {"role": "user", "content": "hi"}]));
    let called = |call: Value| said(json!({"role": "assistant", "tool_calls": [call]}));
    for (body, at) in [
        (with("n", json!(2)), "`n`"),
        (with("logprobs", json!(true)), "`logprobs`"),
        (with("logit_bias", json!({"1": 2})), "`logit_bias`"),
        (with("web_search_options", json!({})), "`web_search_options`"),
        (with("functions", json!([{"name": "a"}])), "`functions`"),
        (with("modalities", json!(["text", "audio"])), "`modalities`"),
        (with("response_format", json!({"type": "json_object"})), "`response_format.type` `json_object`"),
        (with("tools", json!([{"type": "custom", "custom": {"name": "a"}}])), "`tools[0].type` `custom`"),
        (said(json!({"role": "function", "name": "a", "content": "b"})), "`messages[0].role` `function`"),
        (
            said(json!({"role": "user", "content": [{"type": "input_audio"}]})),
            "`messages[0].content[0].type` `input_audio`",
        ),
        (
            said(json!({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]})),
            "`messages[0].content[0].file.file_id`",
        ),
        (
            said(json!({"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain,x"}}]})),
            "`messages[0].content[0].file.file_data`",
        ),
        (
            said(json!({"role": "assistant", "function_call": {"name": "a", "arguments": ""}})),
            "`messages[0].function_call`",
        ),
        (
            called(json!({"id": "1", "type": "custom", "custom": {"name": "a", "input": "b"}})),
            "`messages[0].tool_calls[0].type` `custom`",
        ),
        (
            called(json!({"id": "1", "function": {"name": "a", "arguments": "{\"cut"}})),
            "`messages[0].tool_calls[0].function.arguments`",
        ),
        (called(json!({"function": {"name": "a", "arguments": "{}"}})), "`messages[0].tool_calls[0].id`"),
        (
            chat(&json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}])),
            "`messages`: its last",
        ),
    ] {
        refused(Way::IntoMessages, &body, at);
    }
    // A beginning that is said to be one goes over.
    let prefix =
        chat(&json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{", "prefix": true}]));
    assert_eq!(into(Way::IntoMessages, &prefix).body["messages"][1]["content"][0]["text"], "{");
}

#[test]
fn what_is_refused_shows_little_of_what_was_said() {
    let name = format!("a\n`{}\u{7f}", "x".repeat(300));
    let why = request(Way::IntoChat, &json!({"messages": [], name: 1}), &WANTED).expect_err("unknown").to_string();
    assert!(why.len() < 150 && !why.chars().any(char::is_control) && why.matches('`').count() == 2, "{why}");
    let deep = (0..200).fold(json!("a"), |inner, _| json!([inner]));
    assert!(request(Way::IntoChat, &json!({"messages": deep}), &WANTED).is_err());
}

#[test]
fn problems_are_told_in_the_words_of_the_program() {
    let chat = json!({"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}).to_string();
    let told = problem(Way::IntoChat, 429, chat.as_bytes());
    assert_eq!(told, json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}));
    let messages = json!({"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}).to_string();
    let told = problem(Way::IntoMessages, 529, messages.as_bytes());
    let want = json!({"error": {"message": "too busy", "type": "overloaded_error", "param": null, "code": null}});
    assert_eq!(told, want);
    for (body, want) in [
        (&b"<html>"[..], "the provider answers 502"),
        (b"", "the provider answers 502"),
        (b"{\"error\":\"no\"}", "no"),
        (b"{\"detail\":\"no\"}", "no"),
        (b"{\"message\":\"no\"}", "no"),
        (b"[1]", "the provider answers 502"),
    ] {
        assert_eq!(problem(Way::IntoChat, 502, body)["error"]["message"], want);
        assert_eq!(problem(Way::IntoMessages, 502, body)["error"]["type"], "api_error");
    }
    let long = json!({"error": {"message": "at most 8 tokens", "code": "context_length_exceeded"}}).to_string();
    let told = problem(Way::IntoChat, 400, long.as_bytes());
    assert_eq!(told["error"]["message"], "prompt is too long: at most 8 tokens");
    let back = problem(Way::IntoMessages, 400, told.to_string().as_bytes());
    assert_eq!(back["error"]["code"], "context_length_exceeded");
}

/// The reference for people names what is left out, and nothing else.
#[test]
fn the_reference_says_what_is_left_out() {
    let reference = include_str!("../../../../../../docs/reference/translation.md");
    let named = |begins: &str| -> BTreeSet<&str> {
        let text = reference.split(begins).nth(1).unwrap_or_else(|| panic!("{begins}")).split("\n\n").next();
        text.unwrap_or_default().split('`').skip(1).step_by(2).collect()
    };
    let spare = |lists: &mut dyn Iterator<Item = &'static fields::Fields>| -> BTreeSet<&str> {
        lists.flat_map(|list| list.spare.iter().copied()).collect()
    };
    let mut chat = spare(&mut into_chat::lists());
    chat.insert("redacted_thinking");
    assert_eq!(named("From messages into chat:"), chat);
    assert_eq!(named("From chat into messages:"), spare(&mut into_messages::lists()));
    assert!(reference.contains(&format!("{MOST_TOKENS} into messages")) && reference.contains(&format!("`{FAILED}`")));
}
