//! What the walk does with values that no table foresees: types, depth, numbers of values, names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Grants, Hosted, judge};
use super::{CHAT, Delivered, GEMINI, MESSAGES, RESPONSES, asked, passes, post, refused};

#[test]
fn a_value_of_another_type_is_refused_and_never_skipped() {
    for (path, body, what) in [
        (MESSAGES, json!({"model": ["claude"]}), "model"),
        (MESSAGES, json!({"messages": {"0": {}}}), "messages"),
        (MESSAGES, json!({"messages": [null]}), "messages[0]"),
        (MESSAGES, json!({"messages": ["text"]}), "messages[0]"),
        (MESSAGES, json!({"messages": [{"role": "user", "content": {"type": "text"}}]}), "messages[0].content"),
        (
            MESSAGES,
            json!({"messages": [{"role": "user", "content": [{"text": "no type"}]}]}),
            "messages[0].content[0].type",
        ),
        (MESSAGES, json!({"tools": {"type": "web_search_20250305"}}), "tools"),
        (MESSAGES, json!({"tools": [{"type": ["web_search_20250305"]}]}), "tools[0].type"),
        (MESSAGES, json!({"stream": "true"}), "stream"),
        (CHAT, json!({"messages": [{"content": "no role"}]}), "messages[0].role"),
        (CHAT, json!({"tools": [{"function": {"name": "no type"}}]}), "tools[0].type"),
        (CHAT, json!({"tools": [{"type": null}]}), "tools[0].type"),
        (RESPONSES, json!({"include": "reasoning.encrypted_content"}), "include"),
        (GEMINI, json!({"contents": "text"}), "contents"),
    ] {
        refused(path, &body, what);
    }
    for body in [json!([]), json!("{}"), Value::Null] {
        assert_eq!(asked(CHAT, &body).expect_err("no object").to_string(), "the request: its body is no JSON object");
    }
}

#[test]
fn an_unknown_field_is_refused_until_it_is_listed() {
    let body = json!({"messages": [{"role": "user", "content": "", "cat": {"a": 1}}]});
    let refused = asked(CHAT, &body).expect_err("unknown");
    let line = "messages[0].cat: this field is not on the list of what a provider may be asked; hint: if it is harmless, \
                the operator lists `chat:messages.cat` under `inference.fields`";
    assert_eq!(refused.to_string(), line);
    let listed = |field: &str| Grants { hosted: BTreeSet::new(), fields: BTreeSet::from([field.to_owned()]) };
    let judged = |path: &str, body: &Value, field: &str| judge(post(path), body, &listed(field), &Delivered);
    assert!(judged(CHAT, &body, "chat:messages.cat").is_ok());
    for field in ["messages.cat", "responses:messages.cat", "chat:messages", "chat:cat", "chat:messages.cat.a"] {
        assert!(judged(CHAT, &body, field).is_err(), "{field}");
    }
    // What is refused by name is not opened as if it were unknown, nor is a type.
    assert!(judged(MESSAGES, &json!({"mcp_servers": [1]}), "messages:mcp_servers").is_err());
    assert!(judged(CHAT, &json!({"tools": [{"type": "new"}]}), "chat:tools").is_err());
}

#[test]
fn two_spellings_of_a_field_are_not_two_fields() {
    refused(GEMINI, &json!({"systemInstruction": {}, "system_instruction": {}}), "system_instruction");
    passes(GEMINI, &json!({"system_instruction": {}}));
    for name in
        ["System_instruction", "system__instruction", "systeminstruction", "system_Instruction", "system_instruction_"]
    {
        refused(GEMINI, &json!({name: {}}), name);
    }
    // The others read one spelling.
    refused(CHAT, &json!({"provider_options": {}}), "provider_options");
}

#[test]
fn what_is_deep_or_wide_is_refused() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
    let input =
        |value: Value| json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": value}]}]});
    passes(MESSAGES, &input(deep(40)));
    for value in [deep(100), json!(vec![0; 70_000]), json!(vec![vec![0; 1000]; 1100])] {
        assert!(asked(MESSAGES, &input(value.clone())).is_err());
        assert!(asked(GEMINI, &json!({"contents": [{"parts": [{"functionCall": {"args": value}}]}]})).is_err());
    }
    let text = json!({"type": "text", "text": ""});
    let mut content = vec![text];
    for _ in 0..100 {
        content = vec![json!({"type": "document", "source": {"type": "content", "content": content}})];
    }
    assert!(asked(MESSAGES, &json!({"messages": [{"role": "user", "content": content}]})).is_err());
}

#[test]
fn a_refusal_shows_little_of_what_was_sent_and_stays_on_a_line() {
    let name = format!("a\n\u{202e}`{}", "x".repeat(1000));
    for body in [json!({name.clone(): 1}), json!({"tools": [{"type": name}]}), json!({"previous_response_id": name})] {
        let refused = asked(RESPONSES, &body).expect_err("odd").to_string();
        assert!(refused.len() < 500 && refused.chars().all(|character| !character.is_control()), "{refused}");
        assert!(!refused.contains('\u{202e}'), "{refused}");
    }
}

#[test]
fn what_is_granted_is_bounded_still() {
    let grants = Grants { hosted: BTreeSet::from([Hosted::Mcp]), fields: BTreeSet::new() };
    let body = json!({"mcp_servers": vec![0; 70_000]});
    assert!(judge(post(MESSAGES), &body, &grants, &Delivered).is_err());
}
